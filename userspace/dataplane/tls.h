/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_DATAPLANE_TLS_H
#define PW_DATAPLANE_TLS_H
/*
 * The gateway's TLS: contexts for a served service and for an upstream, and the one place where the
 * other side's identity is judged.
 *
 * I1 A handshake succeeds only if pw_trust_verify() accepted the certificate in this handshake; on
 * resumption the certificate of the session is judged again. I2 A session is bound to SNI, peer and
 * bundle: it is unknown to every other context, and its session id context differs. I3 Callers that
 * are refused get an alert; with TLS 1.3 they get it before any session ticket.
 */
#include "routing.h"

/* What is asked of the other side, and what came out. Lives as long as the SSL. */
struct pw_tls_check {
	const struct pw_trust *trust;	/* NULL: nobody passes */
	const struct pw_strv *expected; /* NULL: any service of the trust domain */
	bool (*authorise)(
		void *arg); /* servers: may this identity call? NULL: every one that verified */
	void *arg;
	char *uri;	       /* what the certificate says, also of a refused one */
	enum pw_reason reason; /* NONE: not judged yet */
	struct pw_err err;
};
void pw_tls_check_clear(struct pw_tls_check *c);
int pw_tls_server_ctx(SSL_CTX **ret, const struct pw_ingress *i, struct pw_err *err);
int pw_tls_client_ctx(SSL_CTX **ret, const struct pw_egress *e, struct pw_err *err);
/* sni NULL: server side. */
SSL *pw_tls_new(SSL_CTX *ctx, int fd, struct pw_tls_check *check, const char *sni);
/* After the handshake: 0, or -EACCES and check->reason. Judges again what was resumed; asks
 * authorise if it was not asked yet. */
int pw_tls_finish(SSL *ssl, struct pw_tls_check *check);
/* Why a handshake failed, from check and OpenSSL's queue (call before it is cleared). Text into
 * detail. */
enum pw_reason pw_tls_failure(SSL *ssl, const struct pw_tls_check *check, int alert, char *detail,
			      size_t len);
#endif
