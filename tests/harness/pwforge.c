// SPDX-License-Identifier: Apache-2.0
/*
 * Makes certificates that no honest authority would: signed by the real root of a stopped (or
 *copied) data directory, with any URIs and any validity. What a gateway refuses must be refused
 *because of what is wrong, not because the signature is. pwforge --db FILE --uri URI [--uri URI]
 *[--from SECONDS] [--to SECONDS] --out PREFIX      (seconds from now; PREFIX.crt, PREFIX.key)
 */
#include "../../userspace/base/fs.h"
#include "../../userspace/base/time.h"
#include "../../userspace/ca/ca_private.h"
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#define MAX_URIS 4

static void die(const char *what, const struct pw_err *err)
{
	fprintf(stderr, "pwforge: %s: %s\n", what, err->text);
	exit(2);
}

static void add_uri(GENERAL_NAMES *names, const char *uri)
{
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_IA5STRING *text = ASN1_IA5STRING_new();

	ASN1_STRING_set(text, uri, -1);
	GENERAL_NAME_set0_value(name, GEN_URI, text);
	sk_GENERAL_NAME_push(names, name);
}

static void set_uris(X509 *cert, EVP_PKEY *root_key, const char *const *uris, size_t n)
{
	pw_cleanup(pw_general_names_freep) GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();

	for (size_t i = 0; i < n; i++)
		add_uri(names, uris[i]);
	X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 1, X509V3_ADD_REPLACE);
	X509_sign(cert, root_key, EVP_sha256());
}

static void save(const char *prefix, const char *end, const char *text)
{
	pw_autofree char *path = pw_xasprintf("%s.%s", prefix, end);
	struct pw_err err = PW_ERR_INIT;

	if (pw_fs_write_atomic(path, text, strlen(text), 0600, &err) < 0)
		die(path, &err);
}

static void forge(const char *db, const char *const *uris, size_t n, int64_t from, int64_t to,
		  const char *out)
{
	struct pw_store_options opt = { .path = db, .tables = pw_tables, .n_tables = PW_T_MAX };
	int64_t now_sec = pw_now_real_ns() / INT64_C(1000000000);
	struct pw_err err = PW_ERR_INIT;
	struct pw_store *store = NULL;
	const struct pw_ca_root *root;
	pw_autox509 X509 *root_cert = NULL, *cert = NULL;
	pw_autopkey EVP_PKEY *root_key = NULL, *key = NULL;
	pw_autofree char *cert_pem = NULL;
	pw_cleanup(pw_secret_freep) char *key_pem = NULL;
	struct pw_cert_request req = { .uri = uris[0],
				       .serial = 1000000007,
				       .not_before_sec = now_sec + from,
				       .not_after_sec = now_sec + to };

	if (pw_store_open(&store, &opt, &err) < 0)
		die(db, &err);
	root = pw_ca_stored_root(store);
	if (!root || pw_cert_from_pem(root->cert_pem, &root_cert, &err) < 0 ||
	    pw_key_from_pem(root->key_pem, &root_key, &err) < 0 || pw_key_new(&key, &err) < 0)
		die("no usable root", &err);
	req.issuer = root_cert;
	req.issuer_key = root_key;
	req.key = key;
	if (pw_cert_build(&req, &cert, &err) < 0)
		die("certificate", &err);
	set_uris(cert, root_key, uris, n);
	if (pw_cert_to_pem(cert, &cert_pem, &err) < 0 || pw_key_to_pem(key, &key_pem, &err) < 0)
		die("PEM", &err);
	save(out, "crt", cert_pem);
	save(out, "key", key_pem);
	pw_store_close(&store);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "db", required_argument, NULL, 'd' },	  { "uri", required_argument, NULL, 'u' },
		{ "from", required_argument, NULL, 'f' }, { "to", required_argument, NULL, 't' },
		{ "out", required_argument, NULL, 'o' },  { NULL, 0, NULL, 0 },
	};
	const char *uris[MAX_URIS], *db = NULL, *out = NULL;
	int64_t from = -60, to = 3600;
	size_t n = 0;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'd':
			db = optarg;
			break;
		case 'u':
			if (n < MAX_URIS)
				uris[n++] = optarg;
			break;
		case 'f':
			from = atoll(optarg);
			break;
		case 't':
			to = atoll(optarg);
			break;
		case 'o':
			out = optarg;
			break;
		default:
			return 2;
		}
	}
	if (!db || !out || n == 0) {
		fprintf(stderr,
			"usage: pwforge --db FILE --uri URI [--from S] [--to S] --out PREFIX\n");
		return 2;
	}
	forge(db, uris, n, from, to, out);
	return 0;
}
