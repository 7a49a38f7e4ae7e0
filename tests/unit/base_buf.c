// SPDX-License-Identifier: Apache-2.0
#include "userspace/base/buf.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static void bytes_come_out_in_order(void **state)
{
	struct pw_buf b = { 0 };
	uint32_t in = 0, out = 0, got;

	for (int round = 0; round < 5000; round++) {
		for (int i = 0; i < round % 7; i++, in++)
			assert_int_equal(pw_buf_add(&b, &in, sizeof(in)), 0);
		for (int i = 0; i < round % 5 && pw_buf_used(&b); i++, out++) {
			memcpy(&got, pw_buf_head(&b), sizeof(got));
			assert_int_equal(got, out);
			pw_buf_consume(&b, sizeof(got));
		}
	}
	assert_int_equal(pw_buf_used(&b), (in - out) * sizeof(in));
	pw_buf_consume(&b, SIZE_MAX);
	assert_int_equal(pw_buf_used(&b), 0);
	pw_buf_clear(&b);
}

static void the_limit_counts_what_is_unread_and_refuses_whole(void **state)
{
	struct pw_buf b = { .limit = 10 };

	assert_int_equal(pw_buf_add(&b, "0123456789", 10), 0);
	assert_int_equal(pw_buf_add(&b, "x", 1), -EMSGSIZE);
	assert_null(pw_buf_reserve(&b, SIZE_MAX));
	assert_int_equal(pw_buf_used(&b), 10);
	pw_buf_consume(&b, 4);
	assert_int_equal(pw_buf_add(&b, "abcd", 4), 0);
	assert_memory_equal(pw_buf_head(&b), "456789abcd", 10);
	assert_true(b.len <= b.limit);
	assert_int_equal(pw_buf_add(&b, "x", 1), -EMSGSIZE);
	pw_buf_clear(&b);
	assert_int_equal(b.limit, 10);
}

static void reserved_room_is_written_by_the_caller(void **state)
{
	struct pw_buf b = { 0 };
	uint8_t *room = pw_buf_reserve(&b, 4);

	memcpy(room, "abcd", 4);
	b.len += 3;
	assert_int_equal(pw_buf_used(&b), 3);
	assert_int_equal(pw_buf_add(&b, NULL, 0), 0);
	assert_memory_equal(pw_buf_head(&b), "abc", 3);
	pw_buf_clear(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_come_out_in_order),
		cmocka_unit_test(the_limit_counts_what_is_unread_and_refuses_whole),
		cmocka_unit_test(reserved_room_is_written_by_the_caller),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
