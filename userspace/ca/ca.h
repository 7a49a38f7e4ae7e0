/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_CA_CA_H
#define PW_CA_CA_H
/*
 * The cluster's certificate authority: roots (EC P-256, 10 years, in the store, keys never leave
 * it), leaf certificates (72 h, renewed at half their life), trust bundles. Properties of
 * certificates: consul-facts 6.3. Life: new (makes or loads cluster id and root) → free. Control
 * thread; identities and trusts it hands out are immutable, reference-counted and may be used by
 * workers.
 */
#include "../store/store.h"
#include <openssl/ssl.h>

struct event_base;
struct pw_ca;
struct pw_ca_options {
	struct event_base *base;
	struct pw_store *store;
	const char *datacenter;
	int64_t leaf_ttl_ms; /* 0: 72 h */
};
int pw_ca_new(struct pw_ca **ret, const struct pw_ca_options *opt, struct pw_err *err);
void pw_ca_free(struct pw_ca **ca);
const char *pw_ca_trust_domain(const struct pw_ca *ca);
const char *pw_ca_datacenter(const struct pw_ca *ca);
const struct pw_ca_root *pw_ca_active_root(const struct pw_ca *ca);
void pw_ca_root_pems(const struct pw_ca *ca, struct pw_strv *ret); /* all roots, active first */

/* A certificate with its key. */
struct pw_identity {
	char *uri; /* SPIFFE id */
	char *cert_pem;
	char *key_pem; /* secret */
	char *serial;  /* "xx:xx:…" */
	int64_t not_before_ns, not_after_ns;
	uint64_t generation; /* grows with every renewal */
	X509 *cert;
	EVP_PKEY *key;
	_Atomic unsigned refs;
};
struct pw_identity *pw_identity_ref(struct pw_identity *i);
void pw_identity_unref(struct pw_identity **i);
/* From a cache; issued when missing or past half its life. service "" is not allowed. New
 * reference. */
int pw_ca_leaf(struct pw_ca *ca, const char *service, struct pw_identity **ret, struct pw_err *err);
/* Server certificate: DNS SAN server.<dc>.peering.<td> and URI SAN of the server. */
int pw_ca_server_leaf(struct pw_ca *ca, struct pw_identity **ret, struct pw_err *err);
/* fn runs in the loop whenever a cached leaf was renewed or a root changed: publish a new routing.
 */
void pw_ca_on_change(struct pw_ca *ca, void (*fn)(void *arg), void *arg);

/* Roots of one trust domain, ready to verify with. */
struct pw_trust {
	char *trust_domain;
	uint64_t hash; /* of domain and roots: part of session contexts */
	X509_STORE *store;
	STACK_OF(X509_NAME) * names; /* for CertificateRequest */
	_Atomic unsigned refs;
};
int pw_trust_new(struct pw_trust **ret, const char *trust_domain, const struct pw_strv *root_pems,
		 struct pw_err *err);
struct pw_trust *pw_trust_ref(struct pw_trust *t);
void pw_trust_unref(struct pw_trust **t);
/*
 * Checks a peer's chain: to trust's roots, validity now, exactly one URI SAN, its trust domain
 * equal to trust's, and then either equal to one of expected (strv) or, with expected NULL, a
 * service id whose parts are returned. reason tells which (unknown_ca, wrong_san, expired,
 * no_certificate); err names both identities and the validity window. -EACCES on refusal.
 */
int pw_trust_verify(const struct pw_trust *t, X509 *leaf, STACK_OF(X509) * chain,
		    const struct pw_strv *expected, char **ret_uri, int *ret_reason,
		    struct pw_err *err);
/* URI SAN of a certificate; -ENOENT none, -E2BIG several. */
int pw_cert_uri(X509 *cert, char **ret);
int pw_openssl_err(struct pw_err *err,
		   const char *what); /* the one place where OpenSSL's queue becomes a text; -EIO */
#endif
