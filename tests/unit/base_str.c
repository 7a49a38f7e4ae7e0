// SPDX-License-Identifier: Apache-2.0
#include "userspace/base/str.h"
#include "userspace/base/err.h"
#include "userspace/base/log.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static void strbuf_grows_and_starts_anew_after_its_text_was_taken(void **state)
{
	struct pw_strbuf b = { 0 };

	for (int i = 0; i < 100; i++)
		pw_strbuf_add(&b, "%d,", i);
	assert_int_equal(b.len, 290);
	assert_true(pw_str_ends(b.text, "98,99,"));
	pw_autofree char *taken = TAKE_PTR(b.text);

	pw_strbuf_add(&b, "x");
	assert_string_equal(b.text, "x");
	assert_int_equal(b.len, 1);
	assert_int_equal(strlen(taken), 290);
	pw_strbuf_clear(&b);
}

static void strv_keeps_order_sorts_and_compares(void **state)
{
	struct pw_strv a = { 0 }, b = { 0 };

	pw_strv_split(&a, ",c,,a b", ", ");
	assert_int_equal(a.n, 3);
	pw_strv_copy(&b, &a);
	assert_true(pw_strv_equal(&a, &b));
	pw_strv_sort(&a);
	assert_false(pw_strv_equal(&a, &b));
	pw_autofree char *joined = pw_strv_join(&a, "-");

	assert_string_equal(joined, "a-b-c");
	assert_true(pw_strv_has(&a, "b"));
	assert_false(pw_strv_has(&a, "d"));
	for (size_t i = 0; i < a.n; i++)
		assert_true(pw_strv_has_sorted(&a, a.items[i]));
	assert_false(pw_strv_has_sorted(&a, "d"));
	assert_false(pw_strv_has_sorted(&a, ""));
	pw_strv_clear(&a);
	pw_strv_clear(&b);
	pw_autofree char *nothing = pw_strv_join(&a, "-");

	assert_string_equal(nothing, "");
}

static void map_is_sorted_and_keeps_the_last_value_of_a_key(void **state)
{
	struct pw_map m = { 0 }, copy = { 0 };
	char key[16];

	for (int i = 99; i >= 0; i--) {
		snprintf(key, sizeof(key), "k%02d", i * 37 % 100);
		pw_map_set(&m, key, key);
	}
	pw_map_set(&m, "k50", "new");
	assert_int_equal(m.n, 100);
	for (size_t i = 1; i < m.n; i++)
		assert_true(strcmp(m.items[i - 1].key, m.items[i].key) < 0);
	assert_string_equal(pw_map_get(&m, "k50"), "new");
	assert_null(pw_map_get(&m, "k"));
	pw_map_copy(&copy, &m);
	assert_true(pw_map_equal(&m, &copy));
	pw_map_set(&copy, "k00", "x");
	assert_false(pw_map_equal(&m, &copy));
	pw_map_clear(&m);
	pw_map_clear(&copy);
}

static void numbers_are_decimal_and_in_range_or_refused(void **state)
{
	uint64_t v = 7;

	assert_int_equal(pw_str_to_u64("65535", 65535, &v), 0);
	assert_int_equal(v, 65535);
	assert_int_equal(pw_str_to_u64("18446744073709551615", UINT64_MAX, &v), 0);
	assert_true(v == UINT64_MAX);
	assert_int_equal(pw_str_to_u64("18446744073709551616", UINT64_MAX, &v), -ERANGE);
	assert_int_equal(pw_str_to_u64("65536", 65535, &v), -ERANGE);
	assert_int_equal(pw_str_to_u64("", 9, &v), -EINVAL);
	assert_int_equal(pw_str_to_u64(NULL, 9, &v), -EINVAL);
	assert_int_equal(pw_str_to_u64("-1", 9, &v), -EINVAL);
	assert_int_equal(pw_str_to_u64(" 1", 9, &v), -EINVAL);
	assert_int_equal(pw_str_to_u64("0x1", 9, &v), -EINVAL);
}

static void null_reads_as_empty(void **state)
{
	pw_autofree char *lower = pw_str_lower("AbC-1");

	assert_true(pw_streq(NULL, ""));
	assert_false(pw_streq(NULL, "a"));
	assert_true(pw_str_starts("abc", "ab"));
	assert_false(pw_str_starts(NULL, "a"));
	assert_true(pw_str_ends(NULL, ""));
	assert_string_equal(lower, "abc-1");
	assert_true(pw_str_has_control("a\x1f"));
	assert_false(pw_str_has_control("a b\xc3\xa9"));
	assert_true(pw_str_equal_secret("s", "s"));
	assert_false(pw_str_equal_secret("s", "st"));
}

static void fill_cuts_and_zeroes_the_rest(void **state)
{
	char name[8] = "xxxxxxx";

	pw_str_fill(name, sizeof(name), "ab");
	assert_memory_equal(name, "ab\0\0\0\0\0\0", 8);
	pw_str_fill(name, sizeof(name), "longer than it");
	assert_string_equal(name, "longer ");
	pw_str_fill(name, sizeof(name), NULL);
	assert_memory_equal(name, "\0\0\0\0\0\0\0\0", 8);
}

static void error_texts_are_never_empty_and_cut_at_a_character(void **state)
{
	struct pw_err err = PW_ERR_INIT;
	char wide[3000];

	assert_int_equal(pw_err_set(&err, PW_ERR_NOT_FOUND, ENOENT, "%s", ""), -ENOENT);
	assert_true(err.text[0]);
	assert_int_equal(pw_err_set(NULL, PW_ERR_INTERNAL, -EIO, "x"), -EIO);
	for (size_t i = 0; i + 2 < sizeof(wide); i += 2)
		memcpy(wide + i, "\xc3\xa9", 3);
	/* 1023 bytes fit: 511 characters of two bytes, and not the first byte of another. */
	pw_err_set(&err, PW_ERR_INTERNAL, EIO, "%s", wide);
	assert_int_equal(strlen(err.text), 1022);
	assert_int_equal(pw_err_prefix(&err, "a"), -EIO);
	assert_true(pw_str_starts(err.text, "a: \xc3\xa9"));
	assert_int_equal(strlen(err.text) % 2, 1);
	pw_err_set(&err, PW_ERR_INTERNAL, EIO, "again: %s", "short");
	pw_err_set(&err, PW_ERR_INTERNAL, EIO, "%s!", err.text);
	assert_string_equal(err.text, "again: short!");
}

/* What the event printed, its stamp cut off. */
static void logged(char *ret, size_t size, const char *key, const char *value)
{
	int pipes[2], saved = dup(STDERR_FILENO);
	ssize_t n;

	assert_int_equal(pipe(pipes), 0);
	dup2(pipes[1], STDERR_FILENO);
	pw_log_info("some.event", key, value, NULL);
	pw_log_debug("hidden.event", NULL);
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(pipes[1]);
	n = read(pipes[0], ret, size - 1);
	close(pipes[0]);
	ret[n > 0 ? n : 0] = '\0';
	memmove(ret, ret + 25, strlen(ret + 25) + 1);
}

static void log_values_cannot_forge_a_line(void **state)
{
	char line[16384], huge[12000];

	logged(line, sizeof(line), "peer", "west");
	assert_string_equal(line, "INFO some.event peer=west\n");
	logged(line, sizeof(line), "peer", "a \"b\"\nERROR x=1\x1b");
	assert_string_equal(line, "INFO some.event peer=\"a \\\"b\\\"\\nERROR x=1\\x1b\"\n");
	logged(line, sizeof(line), "peer", NULL);
	assert_string_equal(line, "INFO some.event peer=\"\"\n");
	memset(huge, 'x', sizeof(huge) - 1);
	huge[sizeof(huge) - 1] = '\0';
	logged(line, sizeof(line), "peer", huge);
	assert_true(pw_str_ends(line, "xxx...\n"));
	assert_true(strlen(line) < 8192);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(strbuf_grows_and_starts_anew_after_its_text_was_taken),
		cmocka_unit_test(strv_keeps_order_sorts_and_compares),
		cmocka_unit_test(map_is_sorted_and_keeps_the_last_value_of_a_key),
		cmocka_unit_test(numbers_are_decimal_and_in_range_or_refused),
		cmocka_unit_test(null_reads_as_empty),
		cmocka_unit_test(fill_cuts_and_zeroes_the_rest),
		cmocka_unit_test(error_texts_are_never_empty_and_cut_at_a_character),
		cmocka_unit_test(log_values_cannot_forge_a_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
