/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_CA_PRIVATE_H
#define PW_CA_PRIVATE_H
/* What the files of ca/ share: certificates as OpenSSL objects, and cleanup of those. */
#include "ca.h"
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#define PW_CA_LEAF_TTL_MS  (72 * 3600 * INT64_C(1000))
#define PW_CA_ROOT_DAYS	   3650
#define PW_CA_MAX_LEAVES   16384  /* cached; names come from the local API */
#define PW_CA_BACKDATE_SEC 60	  /* clocks of peers may lag */
#define PW_TRUST_MAX_ROOTS 64	  /* of one peer */
#define PW_TRUST_MAX_BYTES 524288 /* of one peer's roots as PEM */

void pw_x509_freep(X509 **cert);
void pw_pkey_freep(EVP_PKEY **key);
void pw_bio_freep(BIO **bio);
void pw_general_names_freep(GENERAL_NAMES **names);
#define pw_autox509 pw_cleanup(pw_x509_freep)
#define pw_autopkey pw_cleanup(pw_pkey_freep)
#define pw_autobio  pw_cleanup(pw_bio_freep)

/* What a certificate shall say. issuer NULL: self-signed root. */
struct pw_cert_request {
	X509 *issuer;
	EVP_PKEY *issuer_key;
	EVP_PKEY *key;	 /* the subject's */
	const char *cn;	 /* roots only: leaves have an empty subject */
	const char *uri; /* SPIFFE id */
	const char *dns; /* further SAN, NULL: none */
	uint64_t serial;
	int64_t not_before_sec, not_after_sec; /* Unix time */
};
int pw_cert_build(const struct pw_cert_request *req, X509 **ret, struct pw_err *err);
int pw_key_new(EVP_PKEY **ret, struct pw_err *err); /* EC P-256 */
/* sha256 of the SubjectPublicKeyInfo: what Consul uses as key id. */
int pw_key_id(EVP_PKEY *key, uint8_t ret[32], struct pw_err *err);
int pw_cert_to_pem(X509 *cert, char **ret, struct pw_err *err);
int pw_cert_from_pem(const char *pem, X509 **ret, struct pw_err *err);
int pw_key_to_pem(EVP_PKEY *key, char **ret, struct pw_err *err); /* secret */
int pw_key_from_pem(const char *pem, EVP_PKEY **ret, struct pw_err *err);
char *pw_cert_serial_text(X509 *cert); /* "0a:bc" */
int pw_cert_fingerprint(X509 *cert, char **ret,
			struct pw_err *err);		  /* sha1, "xx:xx:…": a root's ID */
int pw_asn1_time_to_ns(const ASN1_TIME *t, int64_t *ret); /* -EINVAL */

/* A new data directory: cluster id and root in one transaction, so that neither exists alone. */
int pw_ca_create_cluster(struct pw_store *s, const char *datacenter, struct pw_err *err);
const struct pw_ca_root *pw_ca_stored_root(const struct pw_store *s); /* the active one; NULL */

/* Takes key and cert on success. New object with one reference. */
int pw_identity_new(struct pw_identity **ret, X509 **cert, EVP_PKEY **key, const char *uri,
		    struct pw_err *err);
#endif
