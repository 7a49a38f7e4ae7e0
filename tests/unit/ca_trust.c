// SPDX-License-Identifier: Apache-2.0
/* Whom a peer's bundle lets in: chain, validity, one URI, trust domain, exact path; nothing else.
 */
#include "userspace/ca/ca_private.h"
#include "userspace/ca/spiffe.h"
#include "userspace/base/time.h"
#include "userspace/model/reason.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#define TD	 "11111111-2222-3333-4444-555555555555.consul"
#define OTHER_TD "99999999-2222-3333-4444-555555555555.consul"
#define WEB	 "spiffe://" TD "/ns/default/dc/dc1/svc/web"
#define HOUR	 3600

struct authority {
	X509 *cert;
	EVP_PKEY *key;
	struct pw_strv pems;
	uint64_t serial;
};

static int64_t now_sec(void)
{
	return pw_now_real_ns() / INT64_C(1000000000);
}

static void authority_new(struct authority *a, const char *td, const char *cn)
{
	pw_autofree char *uri = pw_xasprintf("spiffe://%s", td);
	pw_autofree char *pem = NULL;
	struct pw_cert_request req = { .cn = cn,
				       .uri = uri,
				       .serial = 1,
				       .not_before_sec = now_sec() - 60,
				       .not_after_sec = now_sec() + 24 * HOUR };

	assert_int_equal(pw_key_new(&a->key, NULL), 0);
	req.key = a->key;
	assert_int_equal(pw_cert_build(&req, &a->cert, NULL), 0);
	assert_int_equal(pw_cert_to_pem(a->cert, &pem, NULL), 0);
	pw_strv_add(&a->pems, pem);
	a->serial = 1;
}

static void authority_clear(struct authority *a)
{
	pw_x509_freep(&a->cert);
	pw_pkey_freep(&a->key);
	pw_strv_clear(&a->pems);
}

/* Valid from now+from to now+to. */
static X509 *leaf_at(struct authority *a, const char *uri, int64_t from, int64_t to)
{
	pw_autopkey EVP_PKEY *key = NULL;
	X509 *cert = NULL;
	struct pw_cert_request req = { .issuer = a->cert,
				       .issuer_key = a->key,
				       .uri = uri,
				       .serial = ++a->serial,
				       .not_before_sec = now_sec() + from,
				       .not_after_sec = now_sec() + to };

	assert_int_equal(pw_key_new(&key, NULL), 0);
	req.key = key;
	assert_int_equal(pw_cert_build(&req, &cert, NULL), 0);
	return cert;
}

static X509 *leaf(struct authority *a, const char *uri)
{
	return leaf_at(a, uri, -60, HOUR);
}

/* Replaces the names of a leaf and signs it again: what an issuer that means harm may do. */
static void rename_leaf(struct authority *a, X509 *cert, GENERAL_NAMES *names)
{
	assert_int_equal(X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 1,
					   X509V3_ADD_REPLACE),
			 1);
	assert_true(X509_sign(cert, a->key, EVP_sha256()) > 0);
}

static void push_name(GENERAL_NAMES *names, int type, const void *text, int len)
{
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_IA5STRING *s = ASN1_IA5STRING_new();

	ASN1_STRING_set(s, text, len);
	GENERAL_NAME_set0_value(name, type, s);
	sk_GENERAL_NAME_push(names, name);
}

static struct pw_trust *trust_of(const struct authority *a, const char *td)
{
	struct pw_trust *t = NULL;
	struct pw_err err = PW_ERR_INIT;

	if (pw_trust_new(&t, td, &a->pems, &err) < 0)
		fail_msg("%s", err.text);
	return t;
}

static void assert_refused(const struct pw_trust *t, X509 *cert, const struct pw_strv *expected,
			   enum pw_reason reason, const char *word)
{
	struct pw_err err = PW_ERR_INIT;
	pw_autofree char *uri = NULL;
	int got = -1;

	assert_int_equal(pw_trust_verify(t, cert, NULL, expected, &uri, &got, &err), -EACCES);
	assert_null(uri);
	assert_string_equal(pw_reason_name((enum pw_reason)got), pw_reason_name(reason));
	assert_int_equal(err.class, PW_ERR_DENIED);
	if (!strstr(err.text, word))
		fail_msg("'%s' is not in: %s", word, err.text);
}

static void the_peers_own_service_is_let_in(void **state)
{
	pw_cleanup(authority_clear) struct authority a = { 0 };
	pw_cleanup(pw_trust_unref) struct pw_trust *t = NULL;
	pw_autox509 X509 *cert = NULL;
	pw_autofree char *uri = NULL;
	struct pw_err err = PW_ERR_INIT;
	int reason = -1;

	authority_new(&a, TD, "root");
	t = trust_of(&a, TD);
	cert = leaf(&a, WEB);
	assert_int_equal(pw_trust_verify(t, cert, NULL, NULL, &uri, &reason, &err), 0);
	assert_string_equal(uri, WEB);
	assert_int_equal(reason, PW_REASON_NONE);
	assert_int_equal(sk_X509_NAME_num(t->names), 1);
}

static void any_of_the_expected_callees_is_let_in(void **state)
{
	pw_cleanup(authority_clear) struct authority a = { 0 };
	pw_cleanup(pw_trust_unref) struct pw_trust *t = NULL;
	pw_cleanup(pw_strv_clear) struct pw_strv expected = { 0 };
	pw_autox509 X509 *service = NULL, *gateway = NULL, *api = NULL;
	struct pw_err err = PW_ERR_INIT;
	int reason;

	authority_new(&a, TD, "root");
	t = trust_of(&a, TD);
	pw_strv_add(&expected, WEB);
	pw_strv_add(&expected, "spiffe://" TD "/gateway/mesh/dc/dc1");
	service = leaf(&a, WEB);
	gateway = leaf(&a, "spiffe://" TD "/gateway/mesh/dc/dc1");
	api = leaf(&a, "spiffe://" TD "/ns/default/dc/dc1/svc/api");
	assert_int_equal(pw_trust_verify(t, service, NULL, &expected, NULL, &reason, &err), 0);
	assert_int_equal(pw_trust_verify(t, gateway, NULL, &expected, NULL, &reason, &err), 0);
	assert_refused(t, api, &expected, PW_REASON_WRONG_SAN, "not the expected one");
	/* As a caller a gateway is no service. */
	assert_refused(t, gateway, NULL, PW_REASON_WRONG_SAN, "not a service");
}

static void another_authority_is_refused(void **state)
{
	pw_cleanup(authority_clear) struct authority a = { 0 }, b = { 0 };
	pw_cleanup(pw_trust_unref) struct pw_trust *t = NULL;
	pw_autox509 X509 *cert = NULL;

	authority_new(&a, TD, "root");
	authority_new(&b, TD, "root"); /* same names, other key */
	t = trust_of(&a, TD);
	cert = leaf(&b, WEB);
	assert_refused(t, cert, NULL, PW_REASON_UNKNOWN_CA, WEB);
}

static void a_peers_root_does_not_vouch_for_another_trust_domain(void **state)
{
	pw_cleanup(authority_clear) struct authority a = { 0 };
	pw_cleanup(pw_trust_unref) struct pw_trust *t = NULL;
	pw_autox509 X509 *cert = NULL;

	authority_new(&a, TD, "root");
	t = trust_of(&a, TD);
	cert = leaf(&a, "spiffe://" OTHER_TD "/ns/default/dc/dc1/svc/web");
	assert_refused(t, cert, NULL, PW_REASON_WRONG_SAN, "another trust domain");
}

static void validity_is_checked_and_named(void **state)
{
	pw_cleanup(authority_clear) struct authority a = { 0 };
	pw_cleanup(pw_trust_unref) struct pw_trust *t = NULL;
	pw_autox509 X509 *old = NULL, *early = NULL;

	authority_new(&a, TD, "root");
	t = trust_of(&a, TD);
	old = leaf_at(&a, WEB, -2 * HOUR, -HOUR);
	early = leaf_at(&a, WEB, HOUR, 2 * HOUR);
	assert_refused(t, old, NULL, PW_REASON_EXPIRED, "valid 20");
	assert_refused(t, early, NULL, PW_REASON_EXPIRED, "not yet valid");
}

static void no_certificate_is_refused(void **state)
{
	pw_cleanup(authority_clear) struct authority a = { 0 };
	pw_cleanup(pw_trust_unref) struct pw_trust *t = NULL;

	authority_new(&a, TD, "root");
	t = trust_of(&a, TD);
	assert_refused(t, NULL, NULL, PW_REASON_NO_CERTIFICATE, TD);
}

static void tricks_with_the_uri_are_refused(void **state)
{
	static const char *const tricks[] = {
		"spiffe://" TD "/ns/default/dc/dc1/SVC/web",
		"spiffe://" TD "/ns/default/dc/dc1/svc/%77eb",
		"spiffe://" TD "/ns/default/dc/dc1/svc/a%2Fweb",
		"spiffe://" TD "/ns/default/dc/dc1%2Fsvc%2Fweb",
		"spiffe://" TD "/ns/default/dc/dc1/svc/web/",
		"spiffe://" TD "/x/../ns/default/dc/dc1/svc/web",
		"spiffe://" TD "/ns/default/dc/dc1/svc/web?x",
		"SPIFFE://" TD "/ns/default/dc/dc1/svc/web",
		"https://" TD "/ns/default/dc/dc1/svc/web",
	};
	pw_cleanup(authority_clear) struct authority a = { 0 };
	pw_cleanup(pw_trust_unref) struct pw_trust *t = NULL;
	pw_cleanup(pw_strv_clear) struct pw_strv expected = { 0 };
	pw_autox509 X509 *upper = NULL;

	authority_new(&a, TD, "root");
	t = trust_of(&a, TD);
	for (size_t i = 0; i < ARRAY_SIZE(tricks); i++) {
		pw_autox509 X509 *cert = leaf(&a, tricks[i]);

		assert_refused(t, cert, NULL, PW_REASON_WRONG_SAN, "well-formed");
	}
	pw_strv_add(&expected, WEB);
	upper = leaf(&a, "spiffe://" TD "/ns/default/dc/dc1/svc/Web");
	assert_refused(t, upper, &expected, PW_REASON_WRONG_SAN, "not the expected one");
}

static void two_uris_none_or_a_hidden_end_are_refused(void **state)
{
	static const char nul[] = WEB "\0.evil";
	pw_cleanup(authority_clear) struct authority a = { 0 };
	pw_cleanup(pw_trust_unref) struct pw_trust *t = NULL;
	pw_cleanup(pw_general_names_freep) GENERAL_NAMES *two = sk_GENERAL_NAME_new_null();
	pw_cleanup(pw_general_names_freep) GENERAL_NAMES *none = sk_GENERAL_NAME_new_null();
	pw_cleanup(pw_general_names_freep) GENERAL_NAMES *hidden = sk_GENERAL_NAME_new_null();
	pw_autox509 X509 *cert = NULL;

	authority_new(&a, TD, "root");
	t = trust_of(&a, TD);
	cert = leaf(&a, WEB);
	push_name(two, GEN_URI, WEB, -1);
	push_name(two, GEN_URI, "spiffe://" TD "/ns/default/dc/dc1/svc/api", -1);
	rename_leaf(&a, cert, two);
	assert_refused(t, cert, NULL, PW_REASON_WRONG_SAN, "more than one URI");
	push_name(none, GEN_DNS, "web.example", -1);
	rename_leaf(&a, cert, none);
	assert_refused(t, cert, NULL, PW_REASON_WRONG_SAN, "no URI");
	push_name(hidden, GEN_URI, nul, sizeof(nul) - 1);
	rename_leaf(&a, cert, hidden);
	assert_refused(t, cert, NULL, PW_REASON_WRONG_SAN, "malformed");
}

static void a_leaf_signs_nobody_else_in(void **state)
{
	pw_cleanup(authority_clear) struct authority a = { 0 };
	pw_cleanup(pw_trust_unref) struct pw_trust *t = NULL;
	pw_autopkey EVP_PKEY *key = NULL, *victim_key = NULL;
	pw_autox509 X509 *mallory = NULL, *forged = NULL;
	STACK_OF(X509) *chain = sk_X509_new_null();
	struct pw_err err = PW_ERR_INIT;
	struct pw_cert_request req = { 0 };
	int reason = -1;

	authority_new(&a, TD, "root");
	t = trust_of(&a, TD);
	assert_int_equal(pw_key_new(&key, NULL), 0);
	assert_int_equal(pw_key_new(&victim_key, NULL), 0);
	req = (struct pw_cert_request){ .issuer = a.cert,
					.issuer_key = a.key,
					.key = key,
					.cn = "mallory",
					.uri = "spiffe://" TD "/ns/default/dc/dc1/svc/m",
					.serial = 7,
					.not_before_sec = now_sec() - 60,
					.not_after_sec = now_sec() + HOUR };
	assert_int_equal(pw_cert_build(&req, &mallory, NULL), 0);
	req.issuer = mallory;
	req.issuer_key = key;
	req.key = victim_key;
	req.cn = NULL;
	req.uri = WEB;
	assert_int_equal(pw_cert_build(&req, &forged, NULL), 0);
	sk_X509_push(chain, mallory);
	assert_int_equal(pw_trust_verify(t, forged, chain, NULL, NULL, &reason, &err), -EACCES);
	assert_int_equal(reason, PW_REASON_UNKNOWN_CA);
	sk_X509_free(chain);
}

static void several_roots_in_any_order_make_the_same_hash(void **state)
{
	pw_cleanup(authority_clear) struct authority a = { 0 }, b = { 0 };
	pw_cleanup(pw_strv_clear) struct pw_strv ab = { 0 }, ba = { 0 }, joined = { 0 };
	pw_cleanup(pw_trust_unref) struct pw_trust *t1 = NULL, *t2 = NULL, *t3 = NULL, *t4 = NULL;
	pw_autox509 X509 *cert = NULL;
	pw_autofree char *text = NULL;
	struct pw_err err = PW_ERR_INIT;
	int reason;

	authority_new(&a, TD, "first");
	authority_new(&b, TD, "second");
	pw_strv_add(&ab, a.pems.items[0]);
	pw_strv_add(&ab, b.pems.items[0]);
	pw_strv_add(&ba, b.pems.items[0]);
	pw_strv_add(&ba, a.pems.items[0]);
	text = pw_xasprintf("%s%s", a.pems.items[0], b.pems.items[0]);
	pw_strv_add(&joined, text);
	assert_int_equal(pw_trust_new(&t1, TD, &ab, &err), 0);
	assert_int_equal(pw_trust_new(&t2, TD, &ba, &err), 0);
	assert_int_equal(pw_trust_new(&t3, TD, &joined, &err), 0);
	assert_int_equal(pw_trust_new(&t4, TD, &a.pems, &err), 0);
	assert_true(t1->hash == t2->hash);
	assert_true(t1->hash == t3->hash);
	assert_true(t1->hash != t4->hash);
	cert = leaf(&b, WEB);
	assert_int_equal(pw_trust_verify(t1, cert, NULL, NULL, NULL, &reason, &err), 0);
	assert_refused(t4, cert, NULL, PW_REASON_UNKNOWN_CA, WEB);
}

static void bad_bundles_are_refused_whole(void **state)
{
	pw_cleanup(authority_clear) struct authority a = { 0 };
	pw_cleanup(pw_strv_clear) struct pw_strv mixed = { 0 }, empty = { 0 }, many = { 0 };
	struct pw_trust *t = NULL;
	struct pw_err err = PW_ERR_INIT;

	authority_new(&a, TD, "root");
	pw_strv_add(&mixed, a.pems.items[0]);
	pw_strv_add(&mixed,
		    "-----BEGIN CERTIFICATE-----\nbm90IG9uZQ==\n-----END CERTIFICATE-----\n");
	assert_int_equal(pw_trust_new(&t, TD, &mixed, &err), -EINVAL);
	assert_int_equal(pw_trust_new(&t, TD, &empty, &err), -EINVAL);
	assert_int_equal(pw_trust_new(&t, "", &a.pems, &err), -EINVAL);
	pw_strv_clear(&mixed);
	pw_strv_add(&mixed, "no pem at all");
	assert_int_equal(pw_trust_new(&t, TD, &mixed, &err), -EINVAL);
	for (size_t i = 0; i < 1200; i++)
		pw_strv_add(&many, a.pems.items[0]);
	assert_int_equal(pw_trust_new(&t, TD, &many, &err), -E2BIG);
	assert_int_equal(err.class, PW_ERR_LIMIT);
	assert_null(t);
}

static void more_roots_than_the_limit_are_refused(void **state)
{
	pw_cleanup(pw_strv_clear) struct pw_strv pems = { 0 };
	struct pw_trust *t = NULL;
	struct pw_err err = PW_ERR_INIT;

	for (size_t i = 0; i < PW_TRUST_MAX_ROOTS; i++) {
		pw_cleanup(authority_clear) struct authority a = { 0 };

		authority_new(&a, TD, "root");
		pw_strv_add(&pems, a.pems.items[0]);
	}
	assert_int_equal(pw_trust_new(&t, TD, &pems, &err), 0);
	pw_trust_unref(&t);
	{
		pw_cleanup(authority_clear) struct authority a = { 0 };

		authority_new(&a, TD, "one too many");
		pw_strv_add(&pems, a.pems.items[0]);
	}
	assert_int_equal(pw_trust_new(&t, TD, &pems, &err), -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_peers_own_service_is_let_in),
		cmocka_unit_test(any_of_the_expected_callees_is_let_in),
		cmocka_unit_test(another_authority_is_refused),
		cmocka_unit_test(a_peers_root_does_not_vouch_for_another_trust_domain),
		cmocka_unit_test(validity_is_checked_and_named),
		cmocka_unit_test(no_certificate_is_refused),
		cmocka_unit_test(tricks_with_the_uri_are_refused),
		cmocka_unit_test(two_uris_none_or_a_hidden_end_are_refused),
		cmocka_unit_test(a_leaf_signs_nobody_else_in),
		cmocka_unit_test(several_roots_in_any_order_make_the_same_hash),
		cmocka_unit_test(bad_bundles_are_refused_whole),
		cmocka_unit_test(more_roots_than_the_limit_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
