// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../../userspace/api/query.h"
#include "../../userspace/base/json.h"
#include "../../userspace/base/uuid.h"
#include <string.h>

static void escapes_are_decoded(void **state)
{
	pw_autofree char *path = NULL, *query = NULL;

	assert_int_equal(pw_percent_decode("/v1/a%2Fb+%41", 13, false, &path), 0);
	assert_string_equal(path, "/v1/a/b+A");
	assert_int_equal(pw_percent_decode("a+b%20c", 7, true, &query), 0);
	assert_string_equal(query, "a b c");
}

static void broken_escapes_and_nul_are_refused(void **state)
{
	static const char *const bad[] = {
		"%", "%4", "a%", "a%4", "%zz", "%4z", "%00", "%ff", "%c3"
	};
	char *out = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(pw_percent_decode(bad[i], strlen(bad[i]), false, &out), -EINVAL);
	assert_null(out);
}

static void bare_and_repeated_keys_are_kept(void **state)
{
	pw_cleanup(pw_query_clear) struct pw_query q = { 0 };
	pw_cleanup(pw_strv_clear) struct pw_strv names = { 0 };

	assert_int_equal(pw_query_parse("passing&name=a&&name=b&x=1=2&=v", &q), 0);
	assert_string_equal(pw_query_get(&q, "passing"), "");
	assert_string_equal(pw_query_get(&q, "x"), "1=2");
	assert_null(pw_query_get(&q, "none"));
	pw_query_all(&q, "name", &names);
	assert_int_equal(names.n, 2);
	assert_string_equal(names.items[1], "b");
}

static void too_many_parameters_are_refused(void **state)
{
	pw_cleanup(pw_query_clear) struct pw_query q = { 0 };
	pw_cleanup(pw_strbuf_clear) struct pw_strbuf b = { 0 };

	for (int i = 0; i < PW_QUERY_MAX; i++)
		pw_strbuf_add(&b, "a=1&");
	assert_int_equal(pw_query_parse(b.text, &q), 0);
	pw_query_clear(&q);
	pw_strbuf_add(&b, "a=1");
	assert_int_equal(pw_query_parse(b.text, &q), -E2BIG);
}

static void random_input_is_decoded_to_text_or_refused(void **state)
{
	static const char alphabet[] = "%%%&=+;aF09\xc3\xa9\xff\x01/?#";

	for (int round = 0; round < 20000; round++) {
		pw_cleanup(pw_query_clear) struct pw_query q = { 0 };
		uint8_t random[64];
		char text[65];

		pw_random(random, sizeof(random));
		for (size_t i = 0; i < sizeof(random); i++)
			text[i] = alphabet[random[i] % (sizeof(alphabet) - 1)];
		text[random[0] % 65] = 0;
		text[64] = 0;
		if (pw_query_parse(text, &q) < 0)
			continue;
		for (size_t i = 0; i < q.n; i++) {
			json_t *v = json_string(q.items[i].value);

			assert_non_null(v);
			json_decref(v);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(escapes_are_decoded),
		cmocka_unit_test(broken_escapes_and_nul_are_refused),
		cmocka_unit_test(bare_and_repeated_keys_are_kept),
		cmocka_unit_test(too_many_parameters_are_refused),
		cmocka_unit_test(random_input_is_decoded_to_text_or_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
