// SPDX-License-Identifier: Apache-2.0
#include "tls.h"
#include "../base/hash.h"
#include "../model/reason.h"
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>

/* Kept on our side (stateful tickets): they end with the context, are used once, and need no ticket
 * key that would outlive forward secrecy. */
#define SESSION_CACHE	  256
#define SESSION_TIMEOUT_S 3600
/* A private number that never goes on the wire: the callback of this extension is where a TLS 1.3
 * server decides before it hands out a ticket. */
#define EXT_DECISION 0xff57
#define CIPHERS_12                                                                                   \
	"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:" \
	"ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-CHACHA20-POLY1305"

static void ssl_ctx_freep(SSL_CTX **ctx)
{
	SSL_CTX_free(TAKE_PTR(*ctx));
}

void pw_tls_check_clear(struct pw_tls_check *c)
{
	free(c->uri);
	*c = (struct pw_tls_check){ 0 };
}

static bool judge(struct pw_tls_check *c, X509 *leaf, STACK_OF(X509) * chain)
{
	int reason = PW_REASON_NO_CERTIFICATE;
	char *uri = NULL;
	int r;

	free(TAKE_PTR(c->uri));
	c->err = (struct pw_err)PW_ERR_INIT;
	if (!leaf) {
		r = pw_err_set(&c->err, PW_ERR_DENIED, EACCES, "no certificate was presented");
	} else if (!c->trust) {
		reason = PW_REASON_UNKNOWN_CA;
		r = pw_err_set(&c->err, PW_ERR_DENIED, EACCES, "no trust bundle of this peer yet");
	} else {
		r = pw_trust_verify(c->trust, leaf, chain, c->expected, &uri, &reason, &c->err);
	}
	if (r < 0 && !uri && leaf && pw_cert_uri(leaf, &uri) < 0)
		uri = NULL;
	c->uri = uri;
	c->reason = r < 0 ? (enum pw_reason)reason : PW_REASON_PASSED;
	return r == 0;
}

static bool authorise(struct pw_tls_check *c)
{
	if (!c->authorise || c->authorise(c->arg))
		return true;
	c->reason = PW_REASON_DENIED;
	return false;
}

/* OpenSSL derives the alert from this. */
static int verify_error_of(enum pw_reason reason)
{
	switch (reason) {
	case PW_REASON_UNKNOWN_CA:
		return X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY;
	case PW_REASON_EXPIRED:
		return X509_V_ERR_CERT_HAS_EXPIRED;
	case PW_REASON_DENIED:
		return X509_V_ERR_APPLICATION_VERIFICATION;
	default:
		return X509_V_ERR_CERT_REJECTED;
	}
}

static int on_verify(X509_STORE_CTX *xctx, void *arg)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(xctx, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct pw_tls_check *c = SSL_get_app_data(ssl);
	bool ok;

	ok = judge(c, X509_STORE_CTX_get0_cert(xctx), X509_STORE_CTX_get0_untrusted(xctx));
	/* TLS 1.2 has no later moment at which a refusal could still be told by an alert. */
	if (ok && SSL_is_server(ssl) && SSL_version(ssl) < TLS1_3_VERSION)
		ok = authorise(c);
	X509_STORE_CTX_set_error(xctx, ok ? X509_V_OK : verify_error_of(c->reason));
	return ok;
}

/* Runs when the client has proved itself (its Finished is verified) and the server is about to
 * write a ticket. */
static int on_ticket(SSL *ssl, unsigned ext, unsigned context, const unsigned char **out,
		     size_t *len, X509 *x, size_t chain, int *alert, void *arg)
{
	struct pw_tls_check *c = SSL_get_app_data(ssl);

	if (pw_tls_finish(ssl, c) == 0)
		return 0;
	switch (c->reason) {
	case PW_REASON_UNKNOWN_CA:
		*alert = SSL_AD_UNKNOWN_CA;
		break;
	case PW_REASON_EXPIRED:
		*alert = SSL_AD_CERTIFICATE_EXPIRED;
		break;
	case PW_REASON_DENIED:
		*alert = SSL_AD_ACCESS_DENIED;
		break;
	default:
		*alert = SSL_AD_BAD_CERTIFICATE;
	}
	return -1;
}

int pw_tls_finish(SSL *ssl, struct pw_tls_check *c)
{
	/* Nothing was judged in a resumed handshake: the session's certificate must still be good
	 * today. */
	if (SSL_session_reused(ssl) &&
	    !judge(c, SSL_get0_peer_certificate(ssl), SSL_get_peer_cert_chain(ssl)))
		return -EACCES;
	if (c->reason != PW_REASON_PASSED) {
		if (c->reason == PW_REASON_NONE)
			c->reason = PW_REASON_NO_CERTIFICATE;
		return -EACCES;
	}
	return authorise(c) ? 0 : -EACCES;
}

static int common_ctx(SSL_CTX **ret, const SSL_METHOD *method, const struct pw_identity *id,
		      struct pw_err *err)
{
	pw_cleanup(ssl_ctx_freep) SSL_CTX *ctx = SSL_CTX_new(method);

	if (!ctx)
		return pw_openssl_err(err, "cannot make a TLS context");
	if (!id)
		return pw_err_set(err, PW_ERR_UNAVAILABLE, ENOKEY, "no certificate yet");
	if (!SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) ||
	    !SSL_CTX_set_cipher_list(ctx, CIPHERS_12) ||
	    SSL_CTX_use_certificate(ctx, id->cert) != 1 ||
	    SSL_CTX_use_PrivateKey(ctx, id->key) != 1)
		return pw_openssl_err(err, "cannot use our certificate");
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
					 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_NO_TICKET);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				      SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_cert_verify_callback(ctx, on_verify, /* arg= */ NULL);
	*ret = TAKE_PTR(ctx);
	return 0;
}

static void session_context(const struct pw_ingress *i, uint8_t ret[32])
{
	pw_autofree char *text = pw_xasprintf("%s\n%s\n%016llx", i->sni, i->peer,
					      (unsigned long long)(i->trust ? i->trust->hash : 0));

	pw_sha256(text, strlen(text), ret);
}

int pw_tls_server_ctx(SSL_CTX **ret, const struct pw_ingress *i, struct pw_err *err)
{
	pw_cleanup(ssl_ctx_freep) SSL_CTX *ctx = NULL;
	uint8_t context[32];
	int r;

	r = common_ctx(&ctx, TLS_server_method(), i->identity, err);
	if (r < 0)
		return r;
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	session_context(i, context);
	if (!SSL_CTX_set_session_id_context(ctx, context, sizeof(context)) ||
	    !SSL_CTX_add_custom_ext(ctx, EXT_DECISION, SSL_EXT_TLS1_3_NEW_SESSION_TICKET, on_ticket,
				    NULL, NULL, NULL, NULL))
		return pw_openssl_err(err, "cannot prepare a TLS context");
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_SERVER);
	SSL_CTX_sess_set_cache_size(ctx, SESSION_CACHE);
	SSL_CTX_set_timeout(ctx, SESSION_TIMEOUT_S);
	SSL_CTX_set_num_tickets(ctx, 1);
	if (i->trust && i->trust->names)
		SSL_CTX_set_client_CA_list(ctx, SSL_dup_CA_list(i->trust->names));
	*ret = TAKE_PTR(ctx);
	return 0;
}

int pw_tls_client_ctx(SSL_CTX **ret, const struct pw_egress *e, struct pw_err *err)
{
	pw_cleanup(ssl_ctx_freep) SSL_CTX *ctx = NULL;
	int r;

	r = common_ctx(&ctx, TLS_client_method(), e->identity, err);
	if (r < 0)
		return r;
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	*ret = TAKE_PTR(ctx);
	return 0;
}

SSL *pw_tls_new(SSL_CTX *ctx, int fd, struct pw_tls_check *check, const char *sni)
{
	SSL *ssl = SSL_new(ctx);

	if (!ssl)
		return NULL;
	SSL_set_app_data(ssl, check);
	if (!SSL_set_fd(ssl, fd) || (sni && !SSL_set_tlsext_host_name(ssl, sni))) {
		SSL_free(ssl);
		return NULL;
	}
	if (sni)
		SSL_set_connect_state(ssl);
	else
		SSL_set_accept_state(ssl);
	return ssl;
}

static enum pw_reason reason_of_library(int reason)
{
	switch (reason) {
	case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
		return PW_REASON_NO_CERTIFICATE;
	case SSL_R_UNSUPPORTED_PROTOCOL:
	case SSL_R_UNKNOWN_PROTOCOL:
	case SSL_R_WRONG_VERSION_NUMBER:
	case SSL_R_VERSION_TOO_LOW:
	case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
		return PW_REASON_BAD_VERSION;
	case SSL_R_TLSV1_ALERT_ACCESS_DENIED:
		return PW_REASON_DENIED;
	case SSL_R_HTTP_REQUEST:
		return PW_REASON_NOT_TLS;
	default:
		return PW_REASON_HANDSHAKE_FAILED;
	}
}

enum pw_reason pw_tls_failure(SSL *ssl, const struct pw_tls_check *c, int alert, char *detail,
			      size_t len)
{
	unsigned long code = ERR_peek_error();
	const char *text = code ? ERR_reason_error_string(code) : NULL;

	if (c->reason != PW_REASON_NONE && c->reason != PW_REASON_PASSED) {
		snprintf(detail, len, "%s", c->err.code ? c->err.text : pw_reason_name(c->reason));
		return c->reason;
	}
	if (alert)
		snprintf(detail, len, "the other side refused us: %s",
			 SSL_alert_desc_string_long(alert));
	else
		snprintf(detail, len, "TLS handshake: %s", text ? text : "connection lost");
	return code && ERR_GET_LIB(code) == ERR_LIB_SSL ? reason_of_library(ERR_GET_REASON(code))
							: PW_REASON_HANDSHAKE_FAILED;
}
