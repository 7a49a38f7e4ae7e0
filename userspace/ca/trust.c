// SPDX-License-Identifier: Apache-2.0
#include "ca_private.h"
#include "spiffe.h"
#include "../base/hash.h"
#include "../base/time.h"
#include "../model/reason.h"
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdatomic.h>
#include <string.h>

#define DIGEST_LEN 32

static void x509_store_ctx_freep(X509_STORE_CTX **ctx)
{
	X509_STORE_CTX_free(TAKE_PTR(*ctx));
}

/* Digests of the roots, in the order of their values, so that the hash does not depend on how a
 * peer lists them. */
struct digests {
	uint8_t items[PW_TRUST_MAX_ROOTS][DIGEST_LEN];
	size_t n;
};

static int compare_digests(const void *a, const void *b)
{
	return memcmp(a, b, DIGEST_LEN);
}

static int add_root(struct pw_trust *t, X509 *root, struct digests *d, struct pw_err *err)
{
	uint8_t digest[DIGEST_LEN];
	X509_NAME *name;

	if (!X509_digest(root, EVP_sha256(), digest, NULL))
		return pw_openssl_err(err, "cannot fingerprint a root certificate");
	for (size_t i = 0; i < d->n; i++)
		if (memcmp(d->items[i], digest, DIGEST_LEN) == 0)
			return 0;
	if (d->n == PW_TRUST_MAX_ROOTS)
		return pw_err_set(err, PW_ERR_LIMIT, E2BIG,
				  "more than %d root certificates for trust domain %s",
				  PW_TRUST_MAX_ROOTS, t->trust_domain);
	memcpy(d->items[d->n++], digest, DIGEST_LEN);
	if (!X509_STORE_add_cert(t->store, root))
		return pw_openssl_err(err, "cannot add a root certificate");
	name = X509_NAME_dup(X509_get_subject_name(root));
	if (!name || !sk_X509_NAME_push(t->names, name)) {
		X509_NAME_free(name);
		return pw_openssl_err(err, "cannot add a root certificate's name");
	}
	return 0;
}

/* One text may hold several certificates. What is not a certificate at all is refused, not skipped.
 */
static int add_pem(struct pw_trust *t, const char *pem, struct digests *d, struct pw_err *err)
{
	pw_autobio BIO *bio = BIO_new_mem_buf(pem, -1);
	unsigned long code;

	if (!bio)
		return pw_openssl_err(err, "cannot read root certificates");
	for (size_t n = 0;; n++) {
		pw_autox509 X509 *root = PEM_read_bio_X509(bio, NULL, NULL, NULL);
		int r;

		if (!root) {
			code = ERR_peek_last_error();
			if (n > 0 && ERR_GET_REASON(code) == PEM_R_NO_START_LINE) {
				ERR_clear_error();
				return 0;
			}
			ERR_clear_error();
			return pw_err_set(err, PW_ERR_BAD_REQUEST, EINVAL,
					  "root certificate %zu of trust domain %s is not a PEM "
					  "certificate",
					  d->n + 1, t->trust_domain);
		}
		r = add_root(t, root, d, err);
		if (r < 0)
			return r;
	}
}

static int hash_trust(struct pw_trust *t, struct digests *d)
{
	uint8_t md[DIGEST_LEN];
	size_t domain_len =
		strlen(t->trust_domain) + 1; /* with its NUL: no two inputs run together */
	size_t len = domain_len + d->n * DIGEST_LEN;
	pw_autofree uint8_t *text = pw_xcalloc(1, len);

	qsort(d->items, d->n, DIGEST_LEN, compare_digests);
	memcpy(text, t->trust_domain, domain_len);
	memcpy(text + domain_len, d->items, d->n * DIGEST_LEN);
	pw_sha256(text, len, md);
	memcpy(&t->hash, md, sizeof(t->hash));
	return 0;
}

static int check_size(const char *trust_domain, const struct pw_strv *pems, struct pw_err *err)
{
	size_t bytes = 0;

	if (pw_str_empty(trust_domain))
		return pw_err_set(err, PW_ERR_BAD_REQUEST, EINVAL, "a trust domain needs a name");
	for (size_t i = 0; i < pems->n; i++)
		bytes += strlen(pems->items[i]);
	if (bytes > PW_TRUST_MAX_BYTES)
		return pw_err_set(
			err, PW_ERR_LIMIT, E2BIG,
			"the root certificates of trust domain %s take %zu bytes, the limit is %d",
			trust_domain, bytes, PW_TRUST_MAX_BYTES);
	if (bytes == 0)
		return pw_err_set(err, PW_ERR_BAD_REQUEST, EINVAL,
				  "trust domain %s has no root certificate", trust_domain);
	return 0;
}

int pw_trust_new(struct pw_trust **ret, const char *trust_domain, const struct pw_strv *root_pems,
		 struct pw_err *err)
{
	pw_cleanup(pw_trust_unref) struct pw_trust *t = NULL;
	struct digests d = { .n = 0 };
	int r;

	r = check_size(trust_domain, root_pems, err);
	if (r < 0)
		return r;
	t = pw_new0(struct pw_trust);
	t->refs = 1;
	t->trust_domain = pw_str_lower(trust_domain);
	t->store = X509_STORE_new();
	t->names = sk_X509_NAME_new_null();
	if (!t->store || !t->names)
		return pw_openssl_err(err, "cannot make a trust store");
	/* 112 bits: what Consul offers at least (P-256, RSA 2048, SHA-256). */
	X509_VERIFY_PARAM_set_auth_level(X509_STORE_get0_param(t->store), 2);
	for (size_t i = 0; i < root_pems->n; i++) {
		r = add_pem(t, root_pems->items[i], &d, err);
		if (r < 0)
			return r;
	}
	r = hash_trust(t, &d);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(t);
	return 0;
}

struct pw_trust *pw_trust_ref(struct pw_trust *t)
{
	if (t)
		atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
	return t;
}

void pw_trust_unref(struct pw_trust **trust)
{
	struct pw_trust *t = TAKE_PTR(*trust);

	if (!t || atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) > 1)
		return;
	free(t->trust_domain);
	X509_STORE_free(t->store);
	sk_X509_NAME_pop_free(t->names, X509_NAME_free);
	free(t);
}

/* "spiffe://…, valid 2026-… to 2026-…": what a refusal says about the other side. */
static char *describe(X509 *leaf, const char *uri)
{
	pw_autofree char *from = NULL, *to = NULL;
	int64_t ns;

	if (pw_asn1_time_to_ns(X509_get0_notBefore(leaf), &ns) == 0)
		from = pw_time_rfc3339(ns);
	if (pw_asn1_time_to_ns(X509_get0_notAfter(leaf), &ns) == 0)
		to = pw_time_rfc3339(ns);
	return pw_xasprintf("%s, valid %s to %s", uri ? uri : "no identity", from ? from : "?",
			    to ? to : "?");
}

static char *describe_expected(const struct pw_trust *t, const struct pw_strv *expected)
{
	if (!expected)
		return pw_xasprintf("a service of trust domain %s", t->trust_domain);
	return pw_strv_join(expected, " or ");
}

struct refusal {
	enum pw_reason reason;
	const char *what;
};

static int refuse(const struct pw_trust *t, X509 *leaf, const char *uri,
		  const struct pw_strv *expected, struct refusal why, int *ret_reason,
		  struct pw_err *err)
{
	pw_autofree char *theirs = describe(leaf, uri);
	pw_autofree char *ours = describe_expected(t, expected);

	*ret_reason = why.reason;
	return pw_err_set(err, PW_ERR_DENIED, EACCES, "%s: got %s; expected %s", why.what, theirs,
			  ours);
}

static struct refusal chain_refusal(int code)
{
	switch (code) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
		return (struct refusal){ PW_REASON_EXPIRED, "certificate has expired" };
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return (struct refusal){ PW_REASON_EXPIRED, "certificate is not yet valid" };
	default:
		return (struct refusal){ PW_REASON_UNKNOWN_CA,
					 X509_verify_cert_error_string(code) };
	}
}

static int verify_chain(const struct pw_trust *t, X509 *leaf, STACK_OF(X509) * chain)
{
	pw_cleanup(x509_store_ctx_freep) X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	int code;

	if (!ctx || !X509_STORE_CTX_init(ctx, t->store, leaf, chain))
		return X509_V_ERR_OUT_OF_MEM;
	if (X509_verify_cert(ctx) == 1)
		return X509_V_OK;
	code = X509_STORE_CTX_get_error(ctx);
	ERR_clear_error();
	return code != X509_V_OK ? code : X509_V_ERR_UNSPECIFIED;
}

static const char *check_identity(const struct pw_trust *t, const char *uri,
				  const struct pw_strv *expected)
{
	pw_cleanup(pw_spiffe_clear) struct pw_spiffe id = { 0 };

	if (pw_spiffe_parse(uri, &id) < 0)
		return "identity is not a well-formed SPIFFE id";
	if (strcmp(id.trust_domain, t->trust_domain) != 0)
		return "identity is of another trust domain";
	if (expected)
		return pw_strv_has(expected, uri) ? NULL : "identity is not the expected one";
	return id.kind == PW_SPIFFE_SERVICE ? NULL : "identity is not a service";
}

static const char *uri_error(int r)
{
	switch (r) {
	case 0:
		return NULL;
	case -E2BIG:
		return "certificate has more than one URI";
	case -ENOENT:
		return "certificate has no URI";
	default:
		return "certificate's URI is malformed";
	}
}

int pw_trust_verify(const struct pw_trust *t, X509 *leaf, STACK_OF(X509) * chain,
		    const struct pw_strv *expected, char **ret_uri, int *ret_reason,
		    struct pw_err *err)
{
	pw_autofree char *uri = NULL;
	const char *wrong;
	int r;

	if (!leaf) {
		pw_autofree char *ours = describe_expected(t, expected);

		*ret_reason = PW_REASON_NO_CERTIFICATE;
		return pw_err_set(err, PW_ERR_DENIED, EACCES, "no certificate: expected %s", ours);
	}
	wrong = uri_error(pw_cert_uri(leaf, &uri)); /* told after the chain: its word counts more */
	r = verify_chain(t, leaf, chain);
	if (r != X509_V_OK)
		return refuse(t, leaf, uri, expected, chain_refusal(r), ret_reason, err);
	if (!wrong)
		wrong = check_identity(t, uri, expected);
	if (wrong)
		return refuse(t, leaf, uri, expected,
			      (struct refusal){ PW_REASON_WRONG_SAN, wrong }, ret_reason, err);
	*ret_reason = PW_REASON_NONE;
	if (ret_uri)
		*ret_uri = TAKE_PTR(uri);
	return 0;
}
