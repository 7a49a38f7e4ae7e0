// SPDX-License-Identifier: Apache-2.0
/* The authority: what its certificates say, that its root survives, that leaves are renewed in
 * time. */
#include "userspace/ca/ca_private.h"
#include "userspace/ca/spiffe.h"
#include "userspace/base/hash.h"
#include "userspace/base/time.h"
#include "userspace/base/uuid.h"
#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

struct fixture {
	struct event_base *base;
	struct pw_store *store;
	struct pw_ca *ca;
	unsigned changes;
};

static struct pw_store *open_store(const char *path)
{
	struct pw_store_options opt = { .path = path, .tables = pw_tables, .n_tables = PW_T_MAX };
	struct pw_err err = PW_ERR_INIT;
	struct pw_store *s = NULL;

	if (pw_store_open(&s, &opt, &err) < 0)
		fail_msg("%s", err.text);
	return s;
}

static void start(struct fixture *f, int64_t ttl_ms)
{
	struct pw_err err = PW_ERR_INIT;
	struct pw_ca_options opt = { .datacenter = "dc-east", .leaf_ttl_ms = ttl_ms };

	f->base = event_base_new();
	f->store = open_store(NULL);
	opt.base = f->base;
	opt.store = f->store;
	if (pw_ca_new(&f->ca, &opt, &err) < 0)
		fail_msg("%s", err.text);
}

static void stop(struct fixture *f)
{
	pw_ca_free(&f->ca);
	pw_store_close(&f->store);
	event_base_free(f->base);
}

static X509 *root_cert(struct pw_ca *ca)
{
	X509 *cert = NULL;

	assert_int_equal(pw_cert_from_pem(pw_ca_active_root(ca)->cert_pem, &cert, NULL), 0);
	return cert;
}

static void assert_key_ids(X509 *cert, X509 *issuer)
{
	uint8_t own[32], authority[32];
	const ASN1_OCTET_STRING *ski = X509_get0_subject_key_id(cert);
	const ASN1_OCTET_STRING *aki = X509_get0_authority_key_id(cert);

	assert_int_equal(pw_key_id(X509_get0_pubkey(cert), own, NULL), 0);
	assert_int_equal(pw_key_id(X509_get0_pubkey(issuer), authority, NULL), 0);
	assert_int_equal(ASN1_STRING_length(ski), 32);
	assert_int_equal(ASN1_STRING_length(aki), 32);
	assert_memory_equal(ASN1_STRING_get0_data(ski), own, 32);
	assert_memory_equal(ASN1_STRING_get0_data(aki), authority, 32);
}

static void assert_critical(X509 *cert, int nid, int critical)
{
	int at = X509_get_ext_by_NID(cert, nid, -1);

	assert_true(at >= 0);
	assert_int_equal(X509_EXTENSION_get_critical(X509_get_ext(cert, at)), critical);
}

static void assert_p256_sha256(X509 *cert)
{
	EVP_PKEY *key = X509_get0_pubkey(cert);
	char group[32];

	assert_int_equal(EVP_PKEY_base_id(key), EVP_PKEY_EC);
	assert_int_equal(EVP_PKEY_get_group_name(key, group, sizeof(group), NULL), 1);
	assert_string_equal(group, "prime256v1");
	assert_int_equal(X509_get_signature_nid(cert), NID_ecdsa_with_SHA256);
}

static void the_root_is_as_consul_makes_it(void **state)
{
	struct fixture f = { 0 };
	const struct pw_ca_root *root;
	pw_autofree char *uri = NULL, *expected = NULL, *fingerprint = NULL;
	pw_autox509 X509 *cert = NULL;
	char cn[128];

	start(&f, 0);
	root = pw_ca_active_root(f.ca);
	cert = root_cert(f.ca);
	assert_true(X509_check_ca(cert) == 1);
	assert_int_equal(X509_get_key_usage(cert),
			 KU_KEY_CERT_SIGN | KU_CRL_SIGN | KU_DIGITAL_SIGNATURE);
	assert_critical(cert, NID_basic_constraints, 1);
	assert_critical(cert, NID_key_usage, 1);
	assert_p256_sha256(cert);
	assert_key_ids(cert, cert);
	assert_int_equal(pw_cert_uri(cert, &uri), 0);
	expected = pw_xasprintf("spiffe://%s", pw_ca_trust_domain(f.ca));
	assert_string_equal(uri, expected);
	X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, cn, sizeof(cn));
	assert_int_equal(strlen(cn), 38);
	assert_memory_equal(cn, "pri-", 4);
	assert_memory_equal(cn + 12, ".consul.ca.", 11);
	assert_memory_equal(cn + 23, pw_ca_trust_domain(f.ca), 8);
	assert_string_equal(cn + 31, ".consul");
	assert_int_equal(pw_cert_fingerprint(cert, &fingerprint, NULL), 0);
	assert_string_equal(root->id, fingerprint);
	assert_int_equal(strlen(root->id), 59);
	assert_int_equal(strlen(root->signing_key_id), 95);
	assert_true(root->active);
	assert_int_equal((root->not_after_ns - root->not_before_ns) / INT64_C(1000000000),
			 3650 * 86400 + 60);
	assert_null(root->key_pem); /* keys never leave the authority */
	stop(&f);
}

static void a_leaf_has_every_property_of_consuls(void **state)
{
	struct fixture f = { 0 };
	pw_cleanup(pw_identity_unref) struct pw_identity *i = NULL;
	pw_autofree char *uri = NULL, *expected = NULL;
	pw_autox509 X509 *root = NULL;
	int64_t now_ns = pw_now_real_ns();

	start(&f, 0);
	assert_int_equal(pw_ca_leaf(f.ca, "billing", &i, NULL), 0);
	root = root_cert(f.ca);
	expected = pw_spiffe_service(pw_ca_trust_domain(f.ca), "dc-east", "billing");
	assert_int_equal(pw_cert_uri(i->cert, &uri), 0);
	assert_string_equal(uri, expected);
	assert_string_equal(i->uri, expected);
	assert_int_equal(X509_NAME_entry_count(X509_get_subject_name(i->cert)), 0);
	assert_critical(i->cert, NID_subject_alt_name, 1);
	assert_critical(i->cert, NID_basic_constraints, 1);
	assert_int_equal(X509_check_ca(i->cert), 0);
	assert_int_equal(X509_get_key_usage(i->cert), KU_DIGITAL_SIGNATURE | KU_KEY_ENCIPHERMENT |
							      KU_DATA_ENCIPHERMENT |
							      KU_KEY_AGREEMENT);
	assert_int_equal(X509_get_extended_key_usage(i->cert), XKU_SSL_CLIENT | XKU_SSL_SERVER);
	assert_p256_sha256(i->cert);
	assert_key_ids(i->cert, root);
	assert_int_equal(X509_verify(i->cert, X509_get0_pubkey(root)), 1);
	assert_true(ASN1_STRING_length(X509_get0_serialNumber(i->cert)) <= 6);
	assert_true(llabs(i->not_before_ns - (now_ns - INT64_C(60000000000))) <
		    INT64_C(3000000000));
	assert_int_equal((i->not_after_ns - i->not_before_ns) / INT64_C(1000000000),
			 72 * 3600 + 60);
	assert_int_equal(X509_check_private_key(i->cert, i->key), 1);
	assert_non_null(strstr(i->key_pem, "BEGIN EC PRIVATE KEY"));
	assert_non_null(strstr(i->cert_pem, "BEGIN CERTIFICATE"));
	stop(&f);
}

static void the_server_leaf_carries_both_names(void **state)
{
	struct fixture f = { 0 };
	pw_cleanup(pw_identity_unref) struct pw_identity *i = NULL;
	pw_autofree char *host = NULL, *uri = NULL;

	start(&f, 0);
	host = pw_sni_server("dc-east", pw_ca_trust_domain(f.ca));
	assert_int_equal(pw_ca_server_leaf(f.ca, &i, NULL), 0);
	assert_int_equal(X509_check_host(i->cert, host, 0, 0, NULL), 1);
	assert_int_equal(X509_check_host(i->cert, "server.dc-west.peering.x", 0, 0, NULL), 0);
	uri = pw_spiffe_server(pw_ca_trust_domain(f.ca), "dc-east");
	assert_string_equal(i->uri, uri);
	stop(&f);
}

static void a_leaf_is_issued_once_and_shared(void **state)
{
	struct fixture f = { 0 };
	pw_cleanup(pw_identity_unref) struct pw_identity *a = NULL, *b = NULL, *c = NULL;

	start(&f, 0);
	assert_int_equal(pw_ca_leaf(f.ca, "web", &a, NULL), 0);
	assert_int_equal(pw_ca_leaf(f.ca, "web", &b, NULL), 0);
	assert_int_equal(pw_ca_leaf(f.ca, "api", &c, NULL), 0);
	assert_ptr_equal(a, b);
	assert_ptr_not_equal(a, c);
	assert_string_not_equal(a->serial, c->serial);
	stop(&f); /* references outlive the authority */
	assert_int_equal(X509_check_private_key(a->cert, a->key), 1);
}

static void a_leaf_without_a_service_is_refused(void **state)
{
	struct fixture f = { 0 };
	struct pw_identity *i = NULL;
	struct pw_err err = PW_ERR_INIT;
	char name[300];

	start(&f, 0);
	assert_int_equal(pw_ca_leaf(f.ca, "", &i, &err), -EINVAL);
	assert_int_equal(pw_ca_leaf(f.ca, "a\nb", &i, &err), -EINVAL);
	memset(name, 'x', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(pw_ca_leaf(f.ca, name, &i, &err), -EINVAL);
	assert_null(i);
	stop(&f);
}

static void count_change(void *arg)
{
	struct fixture *f = arg;

	f->changes++;
	event_base_loopbreak(f->base);
}

static void a_leaf_in_use_is_renewed_at_half_its_life(void **state)
{
	struct fixture f = { 0 };
	pw_cleanup(pw_identity_unref) struct pw_identity *old = NULL, *fresh = NULL;
	struct timeval deadline = { .tv_sec = 10 };

	start(&f, 1000);
	pw_ca_on_change(f.ca, count_change, &f);
	assert_int_equal(pw_ca_leaf(f.ca, "web", &old, NULL), 0);
	event_base_loopexit(f.base, &deadline);
	event_base_dispatch(f.base);
	assert_int_equal(f.changes, 1);
	assert_int_equal(pw_ca_leaf(f.ca, "web", &fresh, NULL), 0);
	assert_ptr_not_equal(old, fresh);
	assert_true(fresh->generation > old->generation);
	assert_string_equal(fresh->uri, old->uri);
	stop(&f);
}

static void a_leaf_that_nobody_holds_is_forgotten(void **state)
{
	struct fixture f = { 0 };
	struct pw_identity *i = NULL;
	struct timeval soon = { .tv_usec = 200000 };
	uint64_t generation;

	start(&f, 100);
	pw_ca_on_change(f.ca, count_change, &f);
	assert_int_equal(pw_ca_leaf(f.ca, "web", &i, NULL), 0);
	generation = i->generation;
	pw_identity_unref(&i);
	event_base_loopexit(f.base, &soon);
	event_base_dispatch(f.base);
	assert_int_equal(f.changes, 0);
	assert_int_equal(pw_ca_leaf(f.ca, "web", &i, NULL), 0);
	assert_int_equal(i->generation, generation + 1);
	pw_identity_unref(&i);
	stop(&f);
}

static void reopen(const char *path, const char *dc, struct pw_store **store, struct pw_ca **ca,
		   struct pw_err *err, int expected)
{
	struct pw_ca_options opt = { .datacenter = dc };

	*store = open_store(path);
	opt.store = *store;
	assert_int_equal(pw_ca_new(ca, &opt, err), expected);
}

static void remove_database(const char *path)
{
	static const char *const ends[] = { "", "-wal", "-shm" };

	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		pw_autofree char *file = pw_xasprintf("%s%s", path, ends[i]);

		unlink(file);
	}
}

static void cluster_and_root_survive_a_restart(void **state)
{
	char dir[] = "/tmp/pw-ca-XXXXXX";
	pw_autofree char *path = NULL, *td = NULL, *id = NULL, *serial = NULL;
	pw_cleanup(pw_identity_unref) struct pw_identity *i = NULL;
	struct pw_store *store = NULL;
	struct pw_ca *ca = NULL;
	struct pw_err err = PW_ERR_INIT;

	assert_non_null(mkdtemp(dir));
	path = pw_xasprintf("%s/db", dir);
	reopen(path, "dc-east", &store, &ca, &err, 0);
	td = pw_xstrdup(pw_ca_trust_domain(ca));
	id = pw_xstrdup(pw_ca_active_root(ca)->id);
	assert_int_equal(pw_ca_leaf(ca, "web", &i, NULL), 0);
	serial = pw_xstrdup(i->serial);
	pw_identity_unref(&i);
	pw_ca_free(&ca);
	pw_store_close(&store);

	usleep(2000); /* serials follow the clock in milliseconds */
	reopen(path, "dc-east", &store, &ca, &err, 0);
	assert_string_equal(pw_ca_trust_domain(ca), td);
	assert_string_equal(pw_ca_active_root(ca)->id, id);
	assert_int_equal(pw_ca_leaf(ca, "web", &i, NULL), 0);
	assert_string_not_equal(i->serial, serial);
	pw_ca_free(&ca);
	pw_store_close(&store);

	reopen(path, "dc-other", &store, &ca, &err, -EINVAL);
	assert_non_null(strstr(err.text, "dc-other"));
	assert_non_null(strstr(err.text, "dc-east"));
	pw_store_close(&store);
	remove_database(path);
	rmdir(dir);
}

static void all_roots_are_listed_active_first(void **state)
{
	struct fixture f = { 0 };
	pw_cleanup(pw_strv_clear) struct pw_strv pems = { 0 };

	start(&f, 0);
	pw_ca_root_pems(f.ca, &pems);
	assert_int_equal(pems.n, 1);
	assert_string_equal(pems.items[0], pw_ca_active_root(f.ca)->cert_pem);
	stop(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_root_is_as_consul_makes_it),
		cmocka_unit_test(a_leaf_has_every_property_of_consuls),
		cmocka_unit_test(the_server_leaf_carries_both_names),
		cmocka_unit_test(a_leaf_is_issued_once_and_shared),
		cmocka_unit_test(a_leaf_without_a_service_is_refused),
		cmocka_unit_test(a_leaf_in_use_is_renewed_at_half_its_life),
		cmocka_unit_test(a_leaf_that_nobody_holds_is_forgotten),
		cmocka_unit_test(cluster_and_root_survive_a_restart),
		cmocka_unit_test(all_roots_are_listed_active_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
