// SPDX-License-Identifier: Apache-2.0
/* Tokens as text: what Consul's look like, and what else people paste. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#include "../../userspace/base/hash.h"
#include "../../userspace/base/uuid.h"
#include "../../userspace/peering/token.h"

static char *encode(const char *json)
{
	return pw_base64_encode(json, strlen(json));
}

#define GOOD_TAIL                                                                                                                                \
	"\"ServerName\":\"server.dc-other.peering.x.consul\",\"PeerID\":\"0d9a2c6e-9a0f-4a36-9d0c-7c1c6d0f9b21\",\"EstablishmentSecret\":\"s\"," \
	"\"Remote\":{\"Partition\":\"default\",\"Datacenter\":\"dc-other\",\"Locality\":null}}"

static void refused(const char *json, const char *text)
{
	pw_autofree char *token = encode(json);
	pw_autotoken struct pw_token t = { 0 };
	struct pw_err err = PW_ERR_INIT;

	if (pw_token_decode(token, &t, &err) == 0)
		assert_int_not_equal(pw_token_validate(&t, "server.own", &err), 0);
	assert_non_null(strstr(err.text, text));
	assert_int_equal(err.class, PW_ERR_INTERNAL);
}

static void a_token_survives_being_encoded_and_decoded(void **state)
{
	struct pw_token t = { 0 };
	pw_autotoken struct pw_token back = { 0 };
	struct pw_err err = PW_ERR_INIT;
	pw_autofree char *text = NULL;

	pw_strv_add(&t.server_addresses, "203.0.113.10:8443");
	t.server_name = pw_xstrdup("server.dc.peering.x.consul");
	t.peer_id = pw_xstrdup("id");
	t.secret = pw_xstrdup("secret");
	t.remote_datacenter = pw_xstrdup("dc");
	text = pw_token_encode(&t);
	/* Consul's tests for a token by this start: {"CA": */
	assert_true(pw_str_starts(text, "eyJDQSI6"));
	assert_int_equal(pw_token_decode(text, &back, &err), 0);
	assert_true(pw_strv_equal(&t.server_addresses, &back.server_addresses));
	assert_string_equal(back.secret, "secret");
	assert_string_equal(back.remote_datacenter, "dc");
	pw_token_clear(&t);
}

static void the_order_of_fields_is_consuls_and_empty_lists_are_null(void **state)
{
	struct pw_token t = { 0 };
	pw_autofree char *text = pw_token_encode(&t);
	pw_autofree uint8_t *data = NULL;
	size_t len;

	assert_int_equal(pw_base64_decode(text, strlen(text), &data, &len), 0);
	assert_int_equal(
		len,
		strlen("{\"CA\":null,\"ManualServerAddresses\":null,\"ServerAddresses\":null,\"ServerName\":\"\",\"PeerID\":\"\",\"EstablishmentSecret\":\"\",\"Remote\":{\"Partition\":\"\",\"Datacenter\":\"\",\"Locality\":null}}"));
	assert_memory_equal(
		data,
		"{\"CA\":null,\"ManualServerAddresses\":null,\"ServerAddresses\":null,\"ServerName\":\"\",\"PeerID\":\"\",\"EstablishmentSecret\":\"\",\"Remote\":{\"Partition\":\"\",\"Datacenter\":\"\",\"Locality\":null}}",
		len);
}

static void faulty_tokens_are_refused_with_consuls_texts(void **state)
{
	refused("{}", "peering token server addresses value is empty");
	refused("{\"ServerAddresses\":[]," GOOD_TAIL,
		"peering token server addresses value is empty");
	refused("{\"ServerAddresses\":[\"host\"]," GOOD_TAIL,
		"host is not a valid peering server address");
	refused("{\"ServerAddresses\":[\"1.1.1.1:70000\"]," GOOD_TAIL,
		"1.1.1.1:70000 is not a valid peering server address");
	refused("{\"ServerAddresses\":[\"1.1.1.1:0\"]," GOOD_TAIL,
		"1.1.1.1:0 is not a valid peering server address");
	refused("{\"ServerAddresses\":[\"1.1.1.1:1\"],\"PeerID\":\"\"}",
		"peering token peer ID value is empty");
	refused("{\"CA\":[\"junk\"],\"ServerAddresses\":[\"1.1.1.1:1\"]," GOOD_TAIL,
		"peering token invalid CA: no PEM-encoded data found");
	refused("{\"ServerAddresses\":[\"1.1.1.1:1\"],\"ServerName\":\"server.own\",\"PeerID\":\"x\"}",
		"cannot create a peering within the same cluster \"server.own\"");
	refused("{\"ServerAddresses\":\"1.1.1.1:1\"}", "ServerAddresses must be a list of strings");
	refused("{\"ServerAddresses\":[1]}", "ServerAddresses must be a list of strings");
	refused("{\"PeerID\":7}", "PeerID must be a string");
	refused("[]", "not a JSON object");
	refused("hello", "not JSON");
}

static void text_that_is_no_base64_is_named_by_its_byte(void **state)
{
	pw_autotoken struct pw_token t = { 0 };
	struct pw_err err = PW_ERR_INIT;

	assert_int_not_equal(pw_token_decode("???", &t, &err), 0);
	assert_string_equal(err.text,
			    "failed to decode token: illegal base64 data at input byte 0");
	assert_int_not_equal(pw_token_decode("aGVs bG8=", &t, &err), 0);
	assert_string_equal(err.text,
			    "failed to decode token: illegal base64 data at input byte 4");
}

static void ten_megabytes_are_refused_at_once(void **state)
{
	pw_autofree char *big = pw_xcalloc(1, 10 * 1024 * 1024 + 1);
	pw_autotoken struct pw_token t = { 0 };
	struct pw_err err = PW_ERR_INIT;

	memset(big, 'A', 10 * 1024 * 1024);
	assert_int_not_equal(pw_token_decode(big, &t, &err), 0);
	assert_non_null(strstr(err.text, "bytes (limit"));
}

static void line_ends_of_a_pasted_token_do_not_matter(void **state)
{
	pw_autofree char *token = encode("{\"ServerAddresses\":[\"1.1.1.1:1\"]," GOOD_TAIL);
	pw_autofree char *pasted = pw_xasprintf("%.20s\r\n%s\n", token, token + 20);
	pw_autotoken struct pw_token t = { 0 };
	struct pw_err err = PW_ERR_INIT;

	assert_int_equal(pw_token_decode(pasted, &t, &err), 0);
	assert_string_equal(t.remote_partition, "default");
}

static void every_cut_token_is_refused_or_still_whole(void **state)
{
	pw_autofree char *token = encode("{\"ServerAddresses\":[\"1.1.1.1:1\"]," GOOD_TAIL);

	for (size_t n = 0; n < strlen(token); n++) {
		pw_autofree char *cut = pw_xstrndup(token, n);
		pw_autotoken struct pw_token t = { 0 };
		struct pw_err err = PW_ERR_INIT;

		assert_int_not_equal(pw_token_decode(cut, &t, &err), 0);
		assert_true(*err.text);
	}
}

static void random_bytes_are_survived(void **state)
{
	for (int i = 0; i < 2000; i++) {
		uint8_t junk[96];
		pw_autotoken struct pw_token t = { 0 };
		struct pw_err err = PW_ERR_INIT;
		pw_autofree char *text = NULL;

		pw_random(junk, sizeof(junk));
		text = pw_base64_encode(junk, junk[0] % sizeof(junk));
		assert_int_not_equal(pw_token_decode(text, &t, &err), 0);
	}
}

static void names_and_meta_are_checked_as_consul_does(void **state)
{
	static const char *const bad[] = {
		"UP",
		"Bad_Name",
		"a.b",
		"-a",
		"a-",
		"*",
		"west/x",
		" ",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	};
	static const char *const keys[][2] = {
		{ "consul-x",
		  "Couldn't load metadata pair ('consul-x', '1'): Key prefix 'consul-' is reserved for internal use" },
		{ "a b",
		  "Couldn't load metadata pair ('a b', '1'): Key contains invalid characters" },
		{ "", "Couldn't load metadata pair ('', '1'): Key cannot be blank" },
	};
	struct pw_err err = PW_ERR_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_not_equal(pw_peer_name_validate(bad[i], &err), 0);
	assert_int_equal(pw_peer_name_validate("a", &err), 0);
	assert_int_equal(pw_peer_name_validate("west-1", &err), 0);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		struct pw_map m = { 0 };
		pw_autofree char *want =
			pw_xasprintf("meta tags failed validation: %s", keys[i][1]);

		pw_map_set(&m, keys[i][0], "1");
		assert_int_not_equal(pw_peer_meta_validate(&m, &err), 0);
		assert_string_equal(err.text, want);
		pw_map_clear(&m);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_token_survives_being_encoded_and_decoded),
		cmocka_unit_test(the_order_of_fields_is_consuls_and_empty_lists_are_null),
		cmocka_unit_test(faulty_tokens_are_refused_with_consuls_texts),
		cmocka_unit_test(text_that_is_no_base64_is_named_by_its_byte),
		cmocka_unit_test(ten_megabytes_are_refused_at_once),
		cmocka_unit_test(line_ends_of_a_pasted_token_do_not_matter),
		cmocka_unit_test(every_cut_token_is_refused_or_still_whole),
		cmocka_unit_test(random_bytes_are_survived),
		cmocka_unit_test(names_and_meta_are_checked_as_consul_does),
	};

	return cmocka_run_group_tests_name("peering_token", tests, NULL, NULL);
}
