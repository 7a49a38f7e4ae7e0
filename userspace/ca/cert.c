// SPDX-License-Identifier: Apache-2.0
#include "ca_private.h"
#include "../base/hash.h"
#include "../base/log.h"
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>
#include <time.h>

#define LEAF_KEY_USAGE \
	(KU_DIGITAL_SIGNATURE | KU_KEY_ENCIPHERMENT | KU_DATA_ENCIPHERMENT | KU_KEY_AGREEMENT)
#define ROOT_KEY_USAGE (KU_DIGITAL_SIGNATURE | KU_KEY_CERT_SIGN | KU_CRL_SIGN)

void pw_x509_freep(X509 **cert)
{
	X509_free(TAKE_PTR(*cert));
}

void pw_pkey_freep(EVP_PKEY **key)
{
	EVP_PKEY_free(TAKE_PTR(*key));
}

void pw_bio_freep(BIO **bio)
{
	BIO_free(TAKE_PTR(*bio));
}

void pw_general_names_freep(GENERAL_NAMES **names)
{
	GENERAL_NAMES_free(TAKE_PTR(*names));
}

int pw_openssl_err(struct pw_err *err, const char *what)
{
	unsigned long code = ERR_peek_last_error();
	const char *reason = ERR_reason_error_string(code);
	char number[32];

	if (!reason) {
		snprintf(number, sizeof(number), "error %lx", code);
		reason = code ? number : "no further details";
	}
	pw_err_set(err, PW_ERR_INTERNAL, EIO, "%s: %s", what, reason);
	ERR_clear_error();
	return -EIO;
}

int pw_key_new(EVP_PKEY **ret, struct pw_err *err)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");

	if (!key)
		return pw_openssl_err(err, "cannot make a private key");
	*ret = key;
	return 0;
}

int pw_key_id(EVP_PKEY *key, uint8_t ret[32], struct pw_err *err)
{
	unsigned char *der = NULL;
	int len = i2d_PUBKEY(key, &der);

	if (len <= 0)
		return pw_openssl_err(err, "cannot encode a public key");
	pw_sha256(der, (size_t)len, ret);
	OPENSSL_free(der);
	return 0;
}

static int add_extension(X509 *cert, int nid, void *value, bool critical)
{
	return X509_add1_ext_i2d(cert, nid, value, critical, X509V3_ADD_DEFAULT) == 1 ? 0 : -EIO;
}

static int add_name(GENERAL_NAMES *names, int type, const char *text)
{
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_IA5STRING *s = ASN1_IA5STRING_new();

	if (!name || !s || !ASN1_STRING_set(s, text, -1)) {
		ASN1_IA5STRING_free(s);
		GENERAL_NAME_free(name);
		return -EIO;
	}
	GENERAL_NAME_set0_value(name, type, s);
	if (!sk_GENERAL_NAME_push(names, name)) {
		GENERAL_NAME_free(name);
		return -EIO;
	}
	return 0;
}

static int add_alt_names(X509 *cert, const char *uri, const char *dns, bool critical)
{
	pw_cleanup(pw_general_names_freep) GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();

	if (!names || (dns && add_name(names, GEN_DNS, dns) < 0) ||
	    add_name(names, GEN_URI, uri) < 0)
		return -EIO;
	return add_extension(cert, NID_subject_alt_name, names, critical);
}

static int add_basic_constraints(X509 *cert, bool ca)
{
	BASIC_CONSTRAINTS *bc = BASIC_CONSTRAINTS_new();
	int r;

	if (!bc)
		return -EIO;
	bc->ca = ca ? 0xff : 0;
	r = add_extension(cert, NID_basic_constraints, bc, /* critical= */ true);
	BASIC_CONSTRAINTS_free(bc);
	return r;
}

static int add_key_usage(X509 *cert, unsigned usage)
{
	ASN1_BIT_STRING *bits = ASN1_BIT_STRING_new();
	int r = 0;

	if (!bits)
		return -EIO;
	for (int i = 0; i < 8 && r == 0;
	     i++) /* KU_* are the first byte, its highest bit is bit 0 */
		if (usage & (0x80u >> i) && !ASN1_BIT_STRING_set_bit(bits, i, 1))
			r = -EIO;
	if (r == 0)
		r = add_extension(cert, NID_key_usage, bits, /* critical= */ true);
	ASN1_BIT_STRING_free(bits);
	return r;
}

static int add_extended_usage(X509 *cert)
{
	EXTENDED_KEY_USAGE *eku = sk_ASN1_OBJECT_new_null();
	int r = -EIO;

	if (eku && sk_ASN1_OBJECT_push(eku, OBJ_nid2obj(NID_client_auth)) > 0 &&
	    sk_ASN1_OBJECT_push(eku, OBJ_nid2obj(NID_server_auth)) > 0)
		r = add_extension(cert, NID_ext_key_usage, eku, /* critical= */ false);
	sk_ASN1_OBJECT_free(eku); /* the objects are static */
	return r;
}

static int add_key_ids(X509 *cert, EVP_PKEY *own, EVP_PKEY *issuer, struct pw_err *err)
{
	uint8_t own_id[32], issuer_id[32];
	ASN1_OCTET_STRING *ski;
	AUTHORITY_KEYID *aki;
	int r;

	r = pw_key_id(own, own_id, err);
	if (r == 0)
		r = pw_key_id(issuer, issuer_id, err);
	if (r < 0)
		return r;
	ski = ASN1_OCTET_STRING_new();
	aki = AUTHORITY_KEYID_new();
	if (aki)
		aki->keyid = ASN1_OCTET_STRING_new();
	if (!ski || !aki || !aki->keyid || !ASN1_OCTET_STRING_set(ski, own_id, sizeof(own_id)) ||
	    !ASN1_OCTET_STRING_set(aki->keyid, issuer_id, sizeof(issuer_id)) ||
	    add_extension(cert, NID_subject_key_identifier, ski, /* critical= */ false) < 0 ||
	    add_extension(cert, NID_authority_key_identifier, aki, /* critical= */ false) < 0)
		r = pw_openssl_err(err, "cannot add key ids to a certificate");
	ASN1_OCTET_STRING_free(ski);
	AUTHORITY_KEYID_free(aki);
	return r;
}

static int set_serial(X509 *cert, uint64_t serial)
{
	return ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert), serial) ? 0 : -EIO;
}

static int set_names(X509 *cert, const struct pw_cert_request *req)
{
	X509_NAME *subject = X509_get_subject_name(cert);

	if (req->cn && !X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
						   (const unsigned char *)req->cn, -1, -1, 0))
		return -EIO;
	if (!X509_set_issuer_name(cert, req->issuer ? X509_get_subject_name(req->issuer) : subject))
		return -EIO;
	return 0;
}

static int set_validity(X509 *cert, const struct pw_cert_request *req)
{
	/* Above 2049 GeneralizedTime is due: ASN1_TIME_set chooses. */
	if (!ASN1_TIME_set(X509_getm_notBefore(cert), (time_t)req->not_before_sec) ||
	    !ASN1_TIME_set(X509_getm_notAfter(cert), (time_t)req->not_after_sec))
		return -EIO;
	return 0;
}

int pw_cert_build(const struct pw_cert_request *req, X509 **ret, struct pw_err *err)
{
	pw_autox509 X509 *cert = X509_new();
	bool root = !req->issuer;
	int r;

	if (!cert || !X509_set_version(cert, X509_VERSION_3) || set_serial(cert, req->serial) < 0 ||
	    set_names(cert, req) < 0 || set_validity(cert, req) < 0 ||
	    !X509_set_pubkey(cert, req->key))
		return pw_openssl_err(err, "cannot make a certificate");
	if (add_key_usage(cert, root ? ROOT_KEY_USAGE : LEAF_KEY_USAGE) < 0 ||
	    (!root && add_extended_usage(cert) < 0) || add_basic_constraints(cert, root) < 0)
		return pw_openssl_err(err, "cannot add usages to a certificate");
	r = add_key_ids(cert, req->key, root ? req->key : req->issuer_key, err);
	if (r < 0)
		return r;
	/* RFC 5280 4.2.1.6: with an empty subject the alternative name must be critical. */
	if (add_alt_names(cert, req->uri, req->dns, /* critical= */ !root) < 0)
		return pw_openssl_err(err, "cannot add names to a certificate");
	if (X509_sign(cert, root ? req->key : req->issuer_key, EVP_sha256()) <= 0)
		return pw_openssl_err(err, "cannot sign a certificate");
	*ret = TAKE_PTR(cert);
	return 0;
}

static char *bio_text(BIO *bio)
{
	char *data = NULL;
	long len = BIO_get_mem_data(bio, &data);

	return pw_xstrndup(data, len > 0 ? (size_t)len : 0);
}

int pw_cert_to_pem(X509 *cert, char **ret, struct pw_err *err)
{
	pw_autobio BIO *bio = BIO_new(BIO_s_mem());

	if (!bio || !PEM_write_bio_X509(bio, cert))
		return pw_openssl_err(err, "cannot write a certificate as PEM");
	*ret = bio_text(bio);
	return 0;
}

int pw_cert_from_pem(const char *pem, X509 **ret, struct pw_err *err)
{
	pw_autobio BIO *bio = BIO_new_mem_buf(pem, -1);
	X509 *cert = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;

	if (!cert)
		return pw_openssl_err(err, "cannot read a certificate");
	*ret = cert;
	return 0;
}

int pw_key_to_pem(EVP_PKEY *key, char **ret, struct pw_err *err)
{
	/* A memory BIO wipes what it frees. "EC PRIVATE KEY", as Consul's clients know it. */
	pw_autobio BIO *bio = BIO_new(BIO_s_mem());

	if (!bio || !PEM_write_bio_PrivateKey_traditional(bio, key, NULL, NULL, 0, NULL, NULL))
		return pw_openssl_err(err, "cannot write a private key as PEM");
	*ret = bio_text(bio);
	return 0;
}

int pw_key_from_pem(const char *pem, EVP_PKEY **ret, struct pw_err *err)
{
	pw_autobio BIO *bio = BIO_new_mem_buf(pem, -1);
	EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;

	if (!key)
		return pw_openssl_err(err, "cannot read a private key");
	*ret = key;
	return 0;
}

char *pw_cert_serial_text(X509 *cert)
{
	const ASN1_INTEGER *serial = X509_get0_serialNumber(cert);

	return pw_hex(ASN1_STRING_get0_data(serial), (size_t)ASN1_STRING_length(serial), ":");
}

int pw_cert_fingerprint(X509 *cert, char **ret, struct pw_err *err)
{
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	if (!X509_digest(cert, EVP_sha1(), md, &len))
		return pw_openssl_err(err, "cannot fingerprint a certificate");
	*ret = pw_hex(md, len, ":");
	return 0;
}

int pw_asn1_time_to_ns(const ASN1_TIME *t, int64_t *ret)
{
	struct tm tm;

	if (!ASN1_TIME_to_tm(t, &tm))
		return -EINVAL;
	*ret = (int64_t)timegm(&tm) * INT64_C(1000000000);
	return 0;
}

static bool is_uri_text(const ASN1_IA5STRING *s)
{
	const unsigned char *data = ASN1_STRING_get0_data(s);
	int len = ASN1_STRING_length(s);

	for (int i = 0; i < len; i++) /* a NUL inside would hide what follows */
		if (data[i] <= 0x20 || data[i] >= 0x7f)
			return false;
	return len > 0;
}

int pw_cert_uri(X509 *cert, char **ret)
{
	pw_cleanup(pw_general_names_freep) GENERAL_NAMES *names =
		X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	const ASN1_IA5STRING *uri = NULL;

	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

		if (name->type != GEN_URI)
			continue;
		if (uri)
			return -E2BIG;
		uri = name->d.uniformResourceIdentifier;
	}
	if (!uri)
		return -ENOENT;
	if (!is_uri_text(uri))
		return -EINVAL;
	*ret = pw_xstrndup((const char *)ASN1_STRING_get0_data(uri),
			   (size_t)ASN1_STRING_length(uri));
	return 0;
}
