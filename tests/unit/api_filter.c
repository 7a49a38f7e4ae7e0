// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../../userspace/api/internal.h"
#include "../../userspace/base/uuid.h"
#include <string.h>

static size_t kept(const char *filter, const char *rows_text)
{
	pw_autojson json_t *parsed = NULL, *rows = json_loads(rows_text, 0, NULL);
	struct pw_err err = PW_ERR_INIT;

	assert_non_null(rows);
	assert_int_equal(pw_filter_parse(filter, &parsed, &err), 0);
	assert_int_equal(pw_filter_apply(parsed, rows, &err), 0);
	return json_is_array(rows) ? json_array_size(rows) : json_object_size(rows);
}

static void equal_rows_stay(void **state)
{
	const char *rows = "[{\"S\":{\"ID\":\"a-1\"},\"P\":80},{\"S\":{\"ID\":\"b\"},\"P\":81}]";

	assert_int_equal(kept("S.ID==`a-1`", rows), 1);
	assert_int_equal(kept(" S.ID == \"b\" ", rows), 1);
	assert_int_equal(kept("S.ID==b", rows), 1);
	assert_int_equal(kept("P==81", rows), 1);
	assert_int_equal(kept("S.ID==\"\"", rows), 0);
	assert_int_equal(kept("Port==80", "{\"a\":{\"Port\":80},\"b\":{\"Port\":1}}"), 1);
}

static int refused(const char *filter)
{
	pw_autojson json_t *parsed = NULL;
	struct pw_err err = PW_ERR_INIT;

	assert_true(pw_filter_parse(filter, &parsed, &err) < 0);
	assert_null(parsed);
	return pw_status_of(err.class);
}

static void other_operators_are_named_as_unsupported(void **state)
{
	assert_int_equal(refused("a != b"), 400);
	assert_int_equal(refused("not a == b"), 400);
	assert_int_equal(refused("(a == b) and (c == d)"), 400);
	assert_int_equal(refused("\"x\" in Service.Tags"), 400);
	assert_int_equal(refused("Meta is empty"), 400);
}

static void nonsense_is_no_expression(void **state)
{
	assert_int_equal(refused("bad(("), 500);
	assert_int_equal(refused("a =="), 400);
	assert_int_equal(refused("a"), 500);
	assert_int_equal(refused("a = b"), 500);
	assert_int_equal(refused("a == \"b"), 500);
	assert_int_equal(refused("a == b)"), 500);
}

static void an_unknown_selector_is_refused(void **state)
{
	pw_autojson json_t *parsed = NULL, *rows = json_loads("[{\"a\":\"1\"}]", 0, NULL);
	struct pw_err err = PW_ERR_INIT;

	assert_int_equal(pw_filter_parse("Nope==1", &parsed, &err), 0);
	assert_int_equal(pw_filter_apply(parsed, rows, &err), -EINVAL);
	assert_string_equal(err.text, "Selector \"Nope\" is not valid");
}

static void random_input_ends(void **state)
{
	static const char alphabet[] = "ab.=!()\"` andor";

	for (int round = 0; round < 20000; round++) {
		pw_autojson json_t *parsed = NULL;
		struct pw_err err = PW_ERR_INIT;
		uint8_t random[32];
		char text[33] = { 0 };

		pw_random(random, sizeof(random));
		for (size_t i = 0; i < random[0] % sizeof(random); i++)
			text[i] = alphabet[random[i] % (sizeof(alphabet) - 1)];
		if (pw_filter_parse(text, &parsed, &err) == 0)
			assert_non_null(parsed);
		else
			assert_true(err.text[0]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_rows_stay),
		cmocka_unit_test(other_operators_are_named_as_unsupported),
		cmocka_unit_test(nonsense_is_no_expression),
		cmocka_unit_test(an_unknown_selector_is_refused),
		cmocka_unit_test(random_input_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
