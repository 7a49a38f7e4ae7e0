// SPDX-License-Identifier: Apache-2.0
#include "userspace/base/json.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static void fails_with(const char *text, size_t len, const char *error)
{
	struct pw_err err = PW_ERR_INIT;
	json_t *v = NULL;

	assert_int_equal(pw_json_parse(text, len, &v, &err), -EINVAL);
	assert_int_equal(err.class, PW_ERR_BAD_REQUEST);
	assert_string_equal(err.text, error);
}

static void any_value_is_read_and_keys_keep_their_order(void **state)
{
	static const char *const texts[] = { "{\"z\":1,\"a\":[true,null,\"x\",0.1],\"m\":{}}",
					     "null", "12", "\"x\"", "[]" };

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		pw_autojson json_t *v = NULL;
		pw_autofree char *out = NULL;

		assert_int_equal(pw_json_parse(texts[i], strlen(texts[i]), &v, NULL), 0);
		out = pw_json_dump(v);
		assert_string_equal(out, texts[i]);
	}
}

static void empty_cut_and_wrong_input_are_told_apart(void **state)
{
	fails_with("", 0, "EOF");
	fails_with(" \n", 2, "EOF");
	fails_with("{\"a\"", 4, "unexpected EOF");
	fails_with("{\"a\":1,", 7, "unexpected EOF");
	fails_with("\"abc", 4, "unexpected EOF");
	fails_with("{\n\"a\" 1}", 8, "line 2, column 5: ':' expected");
	fails_with("{\"a\":1,\"a\":2}", 13, "line 1, column 10: duplicate object key");
	fails_with("{} x", 4, "line 1, column 4: end of file expected");
	fails_with("\"\\u0000\"", 8,
		   "line 1, column 8: \\u0000 is not allowed without JSON_ALLOW_NUL");
}

static void what_stands_near_a_mistake_is_not_repeated(void **state)
{
	struct pw_err err = PW_ERR_INIT;
	json_t *v = NULL;

	assert_true(pw_json_parse("{\"Token\": \"hunter2\" \"x\"}", 24, &v, &err) < 0);
	assert_null(strstr(err.text, "hunter2"));
	assert_null(strstr(err.text, "\"x\""));
}

static void depth_and_size_are_limited(void **state)
{
	pw_autofree char *large = pw_xcalloc(1, PW_JSON_MAX_BYTES + 1);
	struct pw_err err = PW_ERR_INIT;
	char deep[164];
	json_t *v = NULL;

	memset(deep, '[', 80);
	memset(deep + 80, ']', 80);
	assert_int_equal(pw_json_parse(deep, 160, &v, &err), 0);
	pw_json_decrefp(&v);
	memset(deep, '[', 81);
	memset(deep + 81, ']', 81);
	fails_with(deep, 162, "JSON is nested deeper than 80 levels");
	memset(large, ' ', PW_JSON_MAX_BYTES + 1);
	assert_int_equal(pw_json_parse(large, PW_JSON_MAX_BYTES + 1, &v, &err), -EMSGSIZE);
	/* Brackets inside strings are text. */
	memset(deep, '[', 100);
	memcpy(deep + 50, "\\\"", 2);
	deep[0] = deep[99] = '"';
	assert_int_equal(pw_json_parse(deep, 100, &v, &err), 0);
	pw_json_decrefp(&v);
}

static void loose_readers_fall_back(void **state)
{
	static const char text[] = "{\"s\":\"x\",\"i\":3,\"b\":true}";
	pw_autojson json_t *v = NULL;

	assert_int_equal(pw_json_parse(text, strlen(text), &v, NULL), 0);
	assert_string_equal(pw_json_str(v, "s"), "x");
	assert_null(pw_json_str(v, "i"));
	assert_null(pw_json_str(NULL, "s"));
	assert_int_equal(pw_json_int(v, "i", 7), 3);
	assert_int_equal(pw_json_int(v, "s", 7), 7);
	assert_true(pw_json_bool(v, "b", false));
	assert_true(pw_json_bool(v, "nope", true));
}

static void truncated_and_random_input_is_answered(void **state)
{
	static const char good[] = "{\"a\":[1,2.5e3,\"\\u00e9\\n\",null,true],\"b\":{\"c\":{}}}";
	unsigned seed = 2;

	for (int round = 0; round < 20000; round++) {
		size_t len = (size_t)(rand_r(&seed) % (int)sizeof(good));
		pw_autofree char *text = pw_xcalloc(1, len);
		struct pw_err err = PW_ERR_INIT;
		pw_autojson json_t *v = NULL;

		memcpy(text, good, len);
		if (len && round % 2)
			text[(size_t)rand_r(&seed) % len] = (char)rand_r(&seed);
		if (pw_json_parse(text, len, &v, &err) < 0)
			assert_true(err.text[0]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_value_is_read_and_keys_keep_their_order),
		cmocka_unit_test(empty_cut_and_wrong_input_are_told_apart),
		cmocka_unit_test(what_stands_near_a_mistake_is_not_repeated),
		cmocka_unit_test(depth_and_size_are_limited),
		cmocka_unit_test(loose_readers_fall_back),
		cmocka_unit_test(truncated_and_random_input_is_answered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
