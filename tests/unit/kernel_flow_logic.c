// SPDX-License-Identifier: Apache-2.0
/* The verdict's decision, natively: I1–I3 of flow_logic.h, and the accounting of pw_flow_value in
 * abi.h. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */
#include <linux/types.h>
#include <stdlib.h>
#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif
#include "bpf/lib/flow_logic.h"

#define CREDIT 1000

static struct flow_numbers numbers(uint64_t received)
{
	return (struct flow_numbers){
		.received = received, .credit = CREDIT, .known = 1, .partner = 1
	};
}

static void test_only_an_allow_lets_bytes_through(void **state)
{
	struct pw_policy_value allow = { .action = PW_ACTION_ALLOW },
			       deny = { .action = PW_ACTION_DENY }, none = { 0 };
	struct pw_policy_value unknown = { .action = 9 };
	struct pw_flow_value flow = { .state = PW_FLOW_OPEN };

	assert_true(flow_allowed(&flow, &allow));
	assert_false(flow_allowed(&flow, &deny));
	assert_false(flow_allowed(&flow, &none));
	assert_false(flow_allowed(&flow, &unknown));
	assert_false(flow_allowed(&flow, NULL));
}

static void test_a_cut_is_told_once_and_lasts(void **state)
{
	struct pw_policy_value allow = { .action = PW_ACTION_ALLOW };
	struct pw_flow_value flow = { .state = PW_FLOW_OPEN };

	assert_int_equal(flow_cut(&flow), FLOW_CUT);
	assert_int_equal(flow_cut(&flow), FLOW_DROP);
	assert_false(flow_allowed(&flow, &allow));
}

static void test_a_fresh_flow_redirects_when_nothing_waits(void **state)
{
	struct pw_flow_value flow = { .paused = 1 };
	struct flow_numbers n = numbers(100);

	assert_int_equal(flow_forward(&flow, &n, 100), FLOW_REDIRECT);
	assert_int_equal(flow.paused, 0);
	assert_int_equal(flow.redirected, 100);
	assert_int_equal(flow.bytes, 100);
}

static void test_bytes_read_before_the_join_count_as_its_start(void **state)
{
	struct pw_flow_value flow = { .paused = 1, .start = 517 };
	struct flow_numbers n = numbers(617);

	assert_int_equal(flow_forward(&flow, &n, 100), FLOW_REDIRECT);
	assert_int_equal(flow.bytes, 617);
}

static void test_nothing_overtakes_what_waits_in_user_space(void **state)
{
	struct pw_flow_value flow = { .paused = 1 };
	struct flow_numbers n = numbers(150); /* 50 came before the join and are not relayed yet */

	assert_int_equal(flow_forward(&flow, &n, 100), FLOW_PASS);
	assert_int_equal(flow.passed, 100);
	/* Half of it relayed: still not. */
	n = numbers(160);
	n.relayed = 100;
	assert_int_equal(flow_forward(&flow, &n, 10), FLOW_PASS);
	/* All of it. */
	n = numbers(170);
	n.relayed = 160;
	assert_int_equal(flow_forward(&flow, &n, 10), FLOW_REDIRECT);
	assert_int_equal(flow.redirected, 10);
	assert_int_equal(flow.bytes, 170);
}

static void test_credit_ends_with_a_pause_and_half_of_it_resumes(void **state)
{
	struct pw_flow_value flow = { .paused = 0, .redirected = CREDIT };
	struct flow_numbers n = numbers(CREDIT + 1);

	assert_int_equal(flow_forward(&flow, &n, 1), FLOW_REDIRECT); /* at the limit, not over it */
	n = numbers(CREDIT + 2);
	assert_int_equal(flow_forward(&flow, &n, 1), FLOW_PAUSE);
	assert_int_equal(flow.paused, 1);
	/* The worker has relayed it; the partner has acknowledged less than half. */
	n = numbers(CREDIT + 3);
	n.relayed = 1;
	n.acked = CREDIT / 2 - 1;
	assert_int_equal(flow_forward(&flow, &n, 1), FLOW_PASS);
	n = numbers(CREDIT + 4);
	n.relayed = 2;
	n.acked = CREDIT / 2 + 3;
	assert_int_equal(flow_forward(&flow, &n, 1), FLOW_REDIRECT);
}

static void test_what_the_partner_had_in_flight_at_the_join_counts(void **state)
{
	/* base is what had entered its queue; 600 of it is not acknowledged yet. */
	struct pw_flow_value flow = { .paused = 0, .base = 5000 };
	struct flow_numbers n = numbers(500);

	n.acked = 4400;
	assert_int_equal(flow_forward(&flow, &n, 500), FLOW_REDIRECT);
	n = numbers(501);
	n.acked = 4400;
	assert_int_equal(flow_forward(&flow, &n, 1), FLOW_PAUSE);
}

static void test_unknown_numbers_or_a_lost_partner_leave_bytes_to_user_space(void **state)
{
	struct pw_flow_value flow = { .paused = 0 };
	struct flow_numbers n = numbers(10);

	n.known = 0;
	assert_int_equal(flow_forward(&flow, &n, 10), FLOW_PASS);
	assert_int_equal(flow.paused, 1);
	flow = (struct pw_flow_value){ 0 };
	n = numbers(10);
	n.partner = 0;
	assert_int_equal(flow_forward(&flow, &n, 10), FLOW_PASS);
	assert_int_equal(flow.passed, 10);
}

/* Any sequence of buffers, relays and acknowledgements: what comes out is in order. */
static void test_order_holds_in_any_sequence(void **state)
{
	unsigned seed = 3;

	for (int run = 0; run < 200; run++) {
		struct pw_flow_value flow = { .paused = 1,
					      .start = (uint64_t)(rand_r(&seed) % 1000) };
		uint64_t received = flow.start, waiting = 0, out = flow.start, relayed = 0;

		for (int i = 0; i < 2000; i++) {
			uint32_t len = (uint32_t)(rand_r(&seed) % 300 + 1);
			struct flow_numbers n;

			received += len;
			n = numbers(received);
			n.relayed = relayed;
			n.acked =
				out - flow.start - (uint64_t)rand_r(&seed) % (out - flow.start + 1);
			if (flow_forward(&flow, &n, len) == FLOW_REDIRECT) {
				assert_int_equal(waiting, 0);
				out += len;
			} else {
				waiting += len;
			}
			if (rand_r(&seed) % 3 == 0) {
				uint64_t some =
					waiting ? (uint64_t)rand_r(&seed) % (waiting + 1) : 0;

				waiting -= some;
				relayed += some;
				out += some;
			}
			assert_int_equal(out + waiting, received);
			assert_int_equal(flow.redirected + flow.passed, received - flow.start);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_only_an_allow_lets_bytes_through),
		cmocka_unit_test(test_a_cut_is_told_once_and_lasts),
		cmocka_unit_test(test_a_fresh_flow_redirects_when_nothing_waits),
		cmocka_unit_test(test_bytes_read_before_the_join_count_as_its_start),
		cmocka_unit_test(test_nothing_overtakes_what_waits_in_user_space),
		cmocka_unit_test(test_credit_ends_with_a_pause_and_half_of_it_resumes),
		cmocka_unit_test(test_what_the_partner_had_in_flight_at_the_join_counts),
		cmocka_unit_test(test_unknown_numbers_or_a_lost_partner_leave_bytes_to_user_space),
		cmocka_unit_test(test_order_holds_in_any_sequence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
