// SPDX-License-Identifier: Apache-2.0
/* Ids stand in kernel keys: one that is used twice would let one service's verdict hold for
 * another. */
#include "userspace/agent/ids.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

static void names_keep_their_ids_and_never_share_them(void **state)
{
	pw_cleanup(pw_ids_free) struct pw_ids *ids = pw_ids_new();
	uint32_t local = pw_ids_get(ids, "", "billing");
	uint32_t imported = pw_ids_get(ids, "west", "billing");

	assert_int_not_equal(local, 0);
	assert_int_not_equal(local, imported);
	assert_int_not_equal(pw_ids_get(ids, "west", ""), imported);
	assert_int_equal(pw_ids_get(ids, NULL, "billing"), local);
	assert_int_equal(pw_ids_get(ids, "", ""), 0);
	assert_int_equal(pw_ids_get(ids, NULL, NULL), 0);
}

static void a_peer_and_a_service_of_one_name_differ(void **state)
{
	pw_cleanup(pw_ids_free) struct pw_ids *ids = pw_ids_new();

	assert_int_not_equal(pw_ids_get(ids, "west", ""), pw_ids_get(ids, "", "west"));
}

static void a_forgotten_name_gets_a_new_id(void **state)
{
	pw_cleanup(pw_ids_free) struct pw_ids *ids = pw_ids_new();
	uint32_t gone = pw_ids_get(ids, "", "gone");
	uint32_t kept = pw_ids_get(ids, "", "kept");

	pw_ids_sweep(ids);
	assert_int_equal(pw_ids_get(ids, "", "kept"), kept);
	pw_ids_sweep(ids);
	assert_int_equal(pw_ids_get(ids, "", "kept"), kept);
	assert_true(pw_ids_get(ids, "", "gone") > gone);
	assert_int_not_equal(pw_ids_get(ids, "", "gone"), kept);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_keep_their_ids_and_never_share_them),
		cmocka_unit_test(a_peer_and_a_service_of_one_name_differ),
		cmocka_unit_test(a_forgotten_name_gets_a_new_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
