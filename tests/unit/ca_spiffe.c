// SPDX-License-Identifier: Apache-2.0
/* SPIFFE ids and SNIs: exact spelling out, only exact spelling in. */
#include "userspace/ca/spiffe.h"
#include "userspace/base/str.h"
#include "userspace/base/uuid.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#define TD "11111111-2222-3333-4444-555555555555.consul"

static void assert_text(char *got, const char *expected)
{
	assert_string_equal(got, expected);
	free(got);
}

static void ids_are_spelled_as_consul_spells_them(void **state)
{
	assert_text(pw_spiffe_service(TD, "dc-east", "billing"),
		    "spiffe://" TD "/ns/default/dc/dc-east/svc/billing");
	assert_text(pw_spiffe_service(TD, "dc1", "a b?c/d%"),
		    "spiffe://" TD "/ns/default/dc/dc1/svc/a%20b%3Fc%2Fd%25");
	assert_text(pw_spiffe_gateway(TD, "dc-east"), "spiffe://" TD "/gateway/mesh/dc/dc-east");
	assert_text(pw_spiffe_server(TD, "dc-east"), "spiffe://" TD "/agent/server/dc/dc-east");
}

static void snis_are_lower_case(void **state)
{
	assert_text(pw_sni_exported("Billing", "East", TD),
		    "billing.default.default.east.external." TD);
	assert_text(pw_sni_server("DC1", TD), "server.dc1.peering." TD);
}

static void a_service_id_is_taken_apart(void **state)
{
	pw_cleanup(pw_spiffe_clear) struct pw_spiffe s = { 0 };

	assert_int_equal(pw_spiffe_parse("spiffe://" TD "/ns/default/dc/dc1/svc/a%20b", &s), 0);
	assert_int_equal(s.kind, PW_SPIFFE_SERVICE);
	assert_string_equal(s.trust_domain, TD);
	assert_string_equal(s.partition, "default");
	assert_string_equal(s.ns, "default");
	assert_string_equal(s.datacenter, "dc1");
	assert_string_equal(s.service, "a b");
}

static void a_partition_in_front_is_taken(void **state)
{
	pw_cleanup(pw_spiffe_clear) struct pw_spiffe s = { 0 };

	assert_int_equal(pw_spiffe_parse("spiffe://" TD "/ap/p1/ns/n1/dc/dc1/svc/web", &s), 0);
	assert_string_equal(s.partition, "p1");
	assert_string_equal(s.ns, "n1");
	pw_spiffe_clear(&s);
	assert_int_equal(pw_spiffe_parse("spiffe://" TD "/ap/p1/gateway/mesh/dc/dc1", &s), 0);
	assert_int_equal(s.kind, PW_SPIFFE_GATEWAY);
}

static void each_kind_is_told_apart(void **state)
{
	static const struct {
		const char *uri;
		enum pw_spiffe_kind kind;
	} cases[] = {
		{ "spiffe://" TD, PW_SPIFFE_SIGNING },
		{ "spiffe://" TD "/gateway/mesh/dc/dc1", PW_SPIFFE_GATEWAY },
		{ "spiffe://" TD "/agent/server/dc/dc1", PW_SPIFFE_SERVER },
		{ "spiffe://" TD "/ns/default/dc/dc1/svc/web", PW_SPIFFE_SERVICE },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct pw_spiffe s = { 0 };

		assert_int_equal(pw_spiffe_parse(cases[i].uri, &s), 0);
		assert_int_equal(s.kind, cases[i].kind);
		pw_spiffe_clear(&s);
	}
}

static void every_other_spelling_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"spiffe:/" TD "/ns/default/dc/dc1/svc/web",
		"SPIFFE://" TD "/ns/default/dc/dc1/svc/web",
		"https://" TD "/ns/default/dc/dc1/svc/web",
		"spiffe://",
		"spiffe:///ns/default/dc/dc1/svc/web",
		"spiffe://" TD "/",
		"spiffe://" TD "/ns/default/dc/dc1/svc/",
		"spiffe://" TD "/ns/default/dc/dc1/svc",
		"spiffe://" TD "/ns/default/dc/dc1/svc/web/",
		"spiffe://" TD "/ns/default/dc/dc1/svc/web/x",
		"spiffe://" TD "//ns/default/dc/dc1/svc/web",
		"spiffe://" TD "/ns//dc/dc1/svc/web",
		"spiffe://" TD "/NS/default/dc/dc1/svc/web",
		"spiffe://" TD "/ns/default/DC/dc1/svc/web",
		"spiffe://" TD "/ns/default/dc/dc1/SVC/web",
		"spiffe://" TD "/ns/default/dc/dc1/svc/w%65b", /* escaped, though it needs none */
		"spiffe://" TD "/ns/default/dc/dc1/svc/a%2Fb",
		"spiffe://" TD "/ns/default/dc/dc1/svc/a%2fb",
		"spiffe://" TD "/ns/default/dc/dc1%2Fsvc%2Fweb",
		"spiffe://" TD "/ns/default/dc/dc1/svc/a%3fb", /* lower-case escape */
		"spiffe://" TD "/ns/default/dc/dc1/svc/a%00",
		"spiffe://" TD "/ns/default/dc/dc1/svc/a%0A",
		"spiffe://" TD "/ns/default/dc/dc1/svc/a%",
		"spiffe://" TD "/ns/default/dc/dc1/svc/a%2",
		"spiffe://" TD "/ns/default/dc/dc1/svc/a b",
		"spiffe://" TD "/ns/default/dc/dc1/svc/..",
		"spiffe://" TD "/ns/default/dc/../svc/web",
		"spiffe://" TD "/ns/default/dc/dc1/svc/web?x=1",
		"spiffe://" TD "/ns/default/dc/dc1/svc/web#x",
		"spiffe://user@" TD "/ns/default/dc/dc1/svc/web",
		"spiffe://" TD ":443/ns/default/dc/dc1/svc/web",
		"spiffe://11111111-2222-3333-4444-555555555555.CONSUL/ns/default/dc/dc1/svc/web",
		"spiffe://" TD "./ns/default/dc/dc1/svc/web",
		"spiffe://a..b/ns/default/dc/dc1/svc/web",
		"spiffe://" TD "/ap/p1",
		"spiffe://" TD "/ap/p1/agent/server/dc/dc1",
		"spiffe://" TD "/ap//ns/default/dc/dc1/svc/web",
		"spiffe://" TD "/agent/client/dc/dc1/id/node",
		"spiffe://" TD "/gateway/ingress/dc/dc1",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct pw_spiffe s = { 0 };

		if (pw_spiffe_parse(bad[i], &s) != -EINVAL)
			fail_msg("accepted: %s", bad[i]);
	}
}

static void a_very_long_id_is_refused(void **state)
{
	pw_autofree char *name = pw_xcalloc(1, 4096);
	pw_autofree char *uri = NULL;
	struct pw_spiffe s = { 0 };

	memset(name, 'a', 4095);
	uri = pw_spiffe_service(TD, "dc1", name);
	assert_int_equal(pw_spiffe_parse(uri, &s), -EINVAL);
}

static void what_we_write_we_read_back(void **state)
{
	static const char *const names[] = { "web", "Web",	"a.b-c_d~e", "a+b&c=d;e,f:g@h$i",
					     "a b", "\xc3\xbc", "100%" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		pw_autofree char *uri = pw_spiffe_service(TD, "dc1", names[i]);
		struct pw_spiffe s = { 0 };

		assert_int_equal(pw_spiffe_parse(uri, &s), 0);
		assert_string_equal(s.service, names[i]);
		pw_spiffe_clear(&s);
	}
}

static void random_and_truncated_input_is_survived(void **state)
{
	static const char whole[] = "spiffe://" TD "/ap/p1/ns/default/dc/dc1/svc/a%20b";
	char text[sizeof(whole)];

	for (size_t n = 0; n < sizeof(whole) - 1; n++) {
		struct pw_spiffe s = { 0 };

		memcpy(text, whole, n);
		text[n] = '\0';
		if (pw_spiffe_parse(text, &s) == 0)
			pw_spiffe_clear(&s);
	}
	for (unsigned round = 0; round < 20000; round++) {
		struct pw_spiffe s = { 0 };
		uint8_t r[4];

		memcpy(text, whole, sizeof(whole));
		pw_random(r, sizeof(r));
		text[r[0] % (sizeof(whole) - 1)] = (char)r[1];
		text[r[2] % (sizeof(whole) - 1)] = (char)r[3];
		if (pw_spiffe_parse(text, &s) == 0)
			pw_spiffe_clear(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids_are_spelled_as_consul_spells_them),
		cmocka_unit_test(snis_are_lower_case),
		cmocka_unit_test(a_service_id_is_taken_apart),
		cmocka_unit_test(a_partition_in_front_is_taken),
		cmocka_unit_test(each_kind_is_told_apart),
		cmocka_unit_test(every_other_spelling_is_refused),
		cmocka_unit_test(a_very_long_id_is_refused),
		cmocka_unit_test(what_we_write_we_read_back),
		cmocka_unit_test(random_and_truncated_input_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
