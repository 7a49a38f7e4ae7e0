// SPDX-License-Identifier: Apache-2.0
#include "userspace/base/time.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static void durations_are_read_as_go_reads_them(void **state)
{
	static const struct {
		const char *text;
		int64_t ns;
	} good[] = {
		{ "15s", 15000000000 },
		{ "1h2m3.5s", 3723500000000 },
		{ "250ms", 250000000 },
		{ "0", 0 },
		{ "-0", 0 },
		{ "1us", 1000 },
		{ "1\xc2\xb5s", 1000 },
		{ "1\xce\xbcs", 1000 },
		{ "1ns", 1 },
		{ "-1.5h", -5400000000000 },
		{ "+5m", 300000000000 },
		{ ".5s", 500000000 },
		{ "1.s", 1000000000 },
		{ "0.1ns", 0 },
		{ "72h", 259200000000000 },
	};
	static const char *const bad[] = { "",	  "5",	 "s",	 ".s",	 "-",	   "1x",
					   "1s2", "1 s", "1e3s", "--1s", "1.2.3s", "soon" };
	int64_t v;

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(pw_duration_parse_ns(good[i].text, &v), 0);
		assert_true(v == good[i].ns);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(pw_duration_parse_ns(bad[i], &v), -EINVAL);
	assert_int_equal(pw_duration_parse_ns(NULL, &v), -EINVAL);
	assert_int_equal(pw_duration_parse_ns("9999999999h", &v), -ERANGE);
	assert_int_equal(pw_duration_parse_ns("99999999999999999999s", &v), -ERANGE);
	assert_int_equal(pw_duration_parse_ns("2562047h2562047h", &v), -ERANGE);
	assert_int_equal(pw_duration_parse_ms("1us", &v), 0);
	assert_int_equal(v, 1);
}

static void durations_are_written_as_go_writes_them(void **state)
{
	static const struct {
		int64_t ms;
		const char *text;
	} cases[] = {
		{ 0, "0s" },	       { 15000, "15s" },
		{ 120000, "2m0s" },    { 259200000, "72h0m0s" },
		{ 1500, "1.5s" },      { 250, "250ms" },
		{ -1050, "-1.05s" },   { 3600000, "1h0m0s" },
		{ 61001, "1m1.001s" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		pw_autofree char *text = pw_duration_format_ms(cases[i].ms);
		int64_t back;

		assert_string_equal(text, cases[i].text);
		assert_int_equal(pw_duration_parse_ms(text, &back), 0);
		assert_int_equal(back, cases[i].ms);
	}
	pw_autofree char *smallest = pw_duration_format_ms(INT64_MIN);

	assert_string_equal(smallest, "-2562047788015h12m55.808s");
}

static void times_survive_a_round_trip(void **state)
{
	static const char *const texts[] = { "2024-05-01T10:00:15.120931Z", "1970-01-01T00:00:00Z",
					     "2024-02-29T23:59:59.000000001Z",
					     "1969-12-31T23:59:59.5Z" };

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		pw_autofree char *text = NULL;
		int64_t ns;

		assert_int_equal(pw_time_parse_rfc3339(texts[i], &ns), 0);
		text = pw_time_rfc3339(ns);
		assert_string_equal(text, texts[i]);
	}
}

static void zones_are_applied_and_bad_times_refused(void **state)
{
	static const char *const bad[] = { "",
					   "2024-05-01",
					   "2024-05-01T10:00:15",
					   "2024-13-01T10:00:15Z",
					   "2023-02-29T10:00:15Z",
					   "2024-05-01T24:00:15Z",
					   "2024-05-01T10:00:15.Z",
					   "2024-05-01T10:00:15+2:00",
					   "2024-05-01T10:00:15Zx",
					   "9999-05-01T10:00:15Z",
					   "2024-05-01 10:00:15Z" };
	int64_t a, b;

	assert_int_equal(pw_time_parse_rfc3339("2024-05-01T12:00:15+02:00", &a), 0);
	assert_int_equal(pw_time_parse_rfc3339("2024-05-01T10:00:15Z", &b), 0);
	assert_true(a == b);
	assert_int_equal(pw_time_parse_rfc3339("0001-01-01T00:00:00Z", &a), 0);
	assert_true(a == 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(pw_time_parse_rfc3339(bad[i], &a), -EINVAL);
}

static void random_text_is_answered(void **state)
{
	static const char alphabet[] = "0123456789-:.TZ+hmsun\xc2\xb5 ";
	unsigned seed = 3;
	char text[40];
	int64_t v;

	for (int round = 0; round < 50000; round++) {
		size_t len = (size_t)rand_r(&seed) % sizeof(text);

		for (size_t i = 0; i < len; i++)
			text[i] = alphabet[(size_t)rand_r(&seed) % (sizeof(alphabet) - 1)];
		text[len ? len - 1 : 0] = '\0';
		(void)pw_duration_parse_ns(text, &v);
		(void)pw_time_parse_rfc3339(text, &v);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(durations_are_read_as_go_reads_them),
		cmocka_unit_test(durations_are_written_as_go_writes_them),
		cmocka_unit_test(times_survive_a_round_trip),
		cmocka_unit_test(zones_are_applied_and_bad_times_refused),
		cmocka_unit_test(random_text_is_answered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
