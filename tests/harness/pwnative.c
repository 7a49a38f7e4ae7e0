// SPDX-License-Identifier: Apache-2.0
/*
 * A service that speaks mesh TLS itself: its certificate is what /v1/agent/connect/ca/leaf/NAME
 *answered, the callers' roots are the PeerCAPems of a peering as /v1/peering/NAME answered, and it
 *admits the SPIFFE ids it was told. pwnative --listen ADDR:PORT --leaf FILE --roots FILE --allow
 *URI [--mode …] [--name NAME] [--size N] [--tls1.2] [--count FILE] [--background]
 */
#include "serve.h"
#include <getopt.h>
#include <jansson.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

static json_t *load_json(const char *path)
{
	json_error_t e;
	json_t *v = json_load_file(path, 0, &e);

	if (!v)
		fail("%s: %s", path, e.text);
	return v;
}

static X509 *read_cert(const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);

	BIO_free(bio);
	if (!cert)
		fail("not a certificate: %.60s", pem);
	return cert;
}

static void use_leaf(SSL_CTX *ctx, const char *path)
{
	json_t *leaf = load_json(path);
	const char *cert_pem = json_string_value(json_object_get(leaf, "CertPEM"));
	const char *key_pem = json_string_value(json_object_get(leaf, "PrivateKeyPEM"));
	BIO *bio;
	EVP_PKEY *key;
	X509 *cert;

	if (!cert_pem || !key_pem)
		fail("%s: has no CertPEM and PrivateKeyPEM", path);
	cert = read_cert(cert_pem);
	bio = BIO_new_mem_buf(key_pem, -1);
	key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
	if (!key || SSL_CTX_use_certificate(ctx, cert) != 1 ||
	    SSL_CTX_use_PrivateKey(ctx, key) != 1)
		fail("%s: certificate and key cannot be used", path);
	X509_free(cert);
	EVP_PKEY_free(key);
	BIO_free(bio);
	json_decref(leaf);
}

static void use_roots(SSL_CTX *ctx, const char *path)
{
	json_t *peering = load_json(path), *pem;
	json_t *pems = json_object_get(peering, "PeerCAPems");
	size_t i;

	if (json_array_size(pems) == 0)
		fail("%s: has no PeerCAPems", path);
	json_array_foreach(pems, i, pem)
	{
		X509 *cert = read_cert(json_string_value(pem));

		X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), cert);
		SSL_CTX_add_client_CA(ctx, cert);
		X509_free(cert);
	}
	json_decref(peering);
}

/* The caller's only URI must be the one we were told. */
static bool admit(const struct server *s, SSL *ssl, char *who, size_t who_len)
{
	X509 *cert = SSL_get0_peer_certificate(ssl);
	GENERAL_NAMES *names =
		cert ? X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL) : NULL;
	const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, 0);

	if (sk_GENERAL_NAME_num(names) == 1 && name->type == GEN_URI)
		snprintf(who, who_len, "%s",
			 (const char *)ASN1_STRING_get0_data(name->d.uniformResourceIdentifier));
	GENERAL_NAMES_free(names);
	return strcmp(who, s->admit_arg) == 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "listen", required_argument, NULL, 'l' },
		{ "leaf", required_argument, NULL, 'L' },
		{ "roots", required_argument, NULL, 'r' },
		{ "allow", required_argument, NULL, 'a' },
		{ "mode", required_argument, NULL, 'm' },
		{ "name", required_argument, NULL, 'n' },
		{ "size", required_argument, NULL, 's' },
		{ "tls1.2", no_argument, NULL, '2' },
		{ "count", required_argument, NULL, 'c' },
		{ "background", no_argument, NULL, 'b' },
		{ NULL, 0, NULL, 0 },
	};
	struct server server = { .mode = "http", .name = "pwnative", .admit = admit };
	const char *at = NULL, *leaf = NULL, *roots = NULL;
	bool background = false, tls12 = false;
	int c, fd;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'l':
			at = optarg;
			break;
		case 'L':
			leaf = optarg;
			break;
		case 'r':
			roots = optarg;
			break;
		case 'a':
			server.admit_arg = optarg;
			break;
		case 'm':
			server.mode = optarg;
			break;
		case 'n':
			server.name = optarg;
			break;
		case 's':
			server.size = number(optarg);
			break;
		case '2':
			tls12 = true;
			break;
		case 'c':
			server.count_file = optarg;
			break;
		case 'b':
			background = true;
			break;
		default:
			return 2;
		}
	}
	if (!at || !leaf || !roots || !server.admit_arg)
		fail("usage: pwnative --listen ADDR:PORT --leaf FILE --roots FILE --allow URI ...");
	check_mode(server.mode);
	server.ctx = SSL_CTX_new(TLS_server_method());
	SSL_CTX_set_min_proto_version(server.ctx, TLS1_2_VERSION);
	if (tls12)
		SSL_CTX_set_max_proto_version(server.ctx, TLS1_2_VERSION);
	SSL_CTX_set_verify(server.ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_session_id_context(server.ctx, (const unsigned char *)"native", 6);
	use_leaf(server.ctx, leaf);
	use_roots(server.ctx, roots);
	fd = listen_at(at);
	if (background)
		to_background();
	serve(&server, fd);
	return 0;
}
