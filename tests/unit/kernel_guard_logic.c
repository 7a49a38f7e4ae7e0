// SPDX-License-Identifier: Apache-2.0
/* The guard's parser and decisions, compiled natively under the sanitizers: I1 of parse.h and I1–I3
 * of guard_logic.h. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */
#include <linux/types.h>
#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif
#include "bpf/lib/guard_logic.h"
#include "tests/bpf/packet.h"

static enum pw_reason parse(const struct packet *p, struct pw_packet *ret)
{
	/* A copy of exactly the right size: the sanitizer sees every byte behind its end. */
	uint8_t *copy = malloc(p->len ? p->len : 1);
	enum pw_reason reason;

	memcpy(copy, p->data, p->len);
	reason = parse_packet(copy, copy + p->len, htons(PACKET_PORT), ret);
	free(copy);
	return reason;
}

static enum pw_reason parse_spec(struct spec s, struct pw_packet *ret)
{
	struct packet p;

	packet_make(&p, &s);
	return parse(&p, ret);
}

static void test_source_port_and_opening_are_read(void **state)
{
	static const uint8_t mapped[16] = { [10] = 0xff, 0xff, 192, 0, 2, 5 };
	struct pw_packet packet;

	assert_int_equal(
		parse_spec((struct spec){ .source = "192.0.2.5", .vlans = 2, .option_words = 3 },
			   &packet),
		PW_REASON_NONE);
	assert_memory_equal(packet.source_be, mapped, 16);
	assert_int_equal(ntohs(packet.source_port_be), 40000);
	assert_int_equal(packet.opens, 1);
	assert_int_equal(parse_spec((struct spec){ .flags = FLAG_SYN | FLAG_ACK }, &packet),
			 PW_REASON_NONE);
	assert_int_equal(packet.opens, 0);
	assert_int_equal(parse_spec((struct spec){ .source = "2001:db8::5",
						   .extensions = { 0xff, 60, 51 } },
				    &packet),
			 PW_REASON_NONE);
	assert_int_equal(packet.source_be[0], 0x20);
	assert_int_equal(packet.source_be[15], 5);
}

static void test_every_truncation_stays_in_bounds_and_says_so(void **state)
{
	struct spec cases[] = {
		{ .vlans = 2, .option_words = 10, .tcp_option_words = 10 },
		{ .source = "2001:db8::1",
		  .extensions = { 0xff, 43, 44, 51, 60, 135 },
		  .extension_len = 4 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct pw_packet packet;
		struct packet p;
		size_t whole;

		packet_make(&p, &cases[i]);
		for (whole = p.len; p.len--;) {
			assert_int_not_equal(parse(&p, &packet), PW_REASON_NONE);
			/* Short of the IP header it is not known to be one; from there on the
			 * answer may change. */
			if (p.len > whole - 60)
				assert_int_equal(packet.cut, 1);
		}
	}
}

static void test_random_bytes_stay_in_bounds(void **state)
{
	unsigned seed = 7;

	for (int i = 0; i < 200000; i++) {
		struct spec s = { .source = i & 1 ? "2001:db8::1" : NULL,
				  .vlans = i % 3,
				  .extensions = { 60, 43 } };
		struct pw_packet packet;
		struct packet p;

		packet_make(&p, &s);
		p.len = (size_t)(rand_r(&seed) % 120);
		for (int n = rand_r(&seed) % 8; n >= 0; n--)
			p.data[14 + rand_r(&seed) % 100] = (uint8_t)rand_r(&seed);
		parse(&p, &packet);
	}
}

static void test_long_extension_chains_end(void **state)
{
	struct pw_packet packet;
	struct spec s = { .source = "2001:db8::1", .extension_len = 255 };

	for (int n = 0; n <= 15; n++) {
		s.extensions[n] = 0;
		assert_int_equal(parse_spec(s, &packet),
				 n <= PW_NEXT_MAX ? PW_REASON_NONE : PW_REASON_MALFORMED);
		if (n < 15)
			s.extensions[n] = 60;
	}
}

static const struct pw_config_value limit = { .guard_mode = PW_GUARD_LIMIT, .syn_per_second = 10 };
static const struct pw_config_value enforce = { .guard_mode = PW_GUARD_ENFORCE,
						.syn_per_second = 10 };
static const struct pw_config_value off = { .guard_mode = PW_GUARD_OFF };

static void test_modes_decide_as_promised(void **state)
{
	struct pw_guard_value allow = { .action = PW_ACTION_ALLOW },
			      none = { .action = PW_ACTION_NONE };

	assert_int_equal(guard_admit(&off, 1, NULL, 1), PW_REASON_PASSED);
	assert_int_equal(guard_admit(&limit, 1, &allow, 0), PW_REASON_GUARD_DENIED);
	assert_int_equal(guard_admit(&limit, 0, NULL, 0), PW_REASON_PASSED);
	assert_int_equal(guard_admit(&limit, 0, NULL, 1), PW_REASON_NONE);
	assert_int_equal(guard_admit(&enforce, 0, NULL, 0), PW_REASON_GUARD_DENIED);
	assert_int_equal(guard_admit(&enforce, 0, &none, 0), PW_REASON_GUARD_DENIED);
	assert_int_equal(guard_admit(&enforce, 0, &allow, 0), PW_REASON_PASSED);
	assert_int_equal(guard_admit(&enforce, 0, &allow, 1), PW_REASON_NONE);
	assert_int_equal(guard_admit(&enforce, 1, &allow, 0), PW_REASON_GUARD_DENIED);
}

static void test_a_mode_that_is_not_known_enforces(void **state)
{
	struct pw_config_value junk = { .guard_mode = 77 };

	assert_int_equal(guard_admit(&junk, 0, NULL, 0), PW_REASON_GUARD_DENIED);
}

static void test_malformed_packets_pass_only_when_off(void **state)
{
	assert_true(guard_passes(&off, PW_REASON_MALFORMED));
	assert_false(guard_passes(&limit, PW_REASON_MALFORMED));
	assert_false(guard_passes(&limit, PW_REASON_GUARD_LIMIT));
	assert_true(guard_passes(&enforce, PW_REASON_FRAGMENT));
}

static void test_budgets_follow_entry_and_peer(void **state)
{
	struct pw_guard_value peer = { .peer_id = 3 }, own = { .syn_per_second = 7 };
	struct pw_guard_value both = { .peer_id = 3, .syn_per_second = UINT32_MAX };

	assert_int_equal(guard_rate(&limit, NULL), 10);
	assert_int_equal(guard_rate(&limit, &peer), 500);
	assert_int_equal(guard_rate(&limit, &own), 7);
	assert_int_equal(guard_rate(&limit, &both), PW_GUARD_RATE_MAX);
}

static int take_all(struct pw_bucket *b, uint64_t rate, uint64_t now)
{
	int n = 0;

	while (n < 1000 && guard_take(b, rate, now))
		n++;
	return n;
}

static void test_a_bucket_refills_with_time(void **state)
{
	struct pw_bucket b = { .refilled_ns = 1, .tokens = guard_burst(10) };
	uint64_t now = 5 * PW_GUARD_NS;

	assert_int_equal(take_all(&b, 10, now), 20); /* burst: twice the rate */
	assert_int_equal(take_all(&b, 10, now), 0);
	now += PW_GUARD_NS / 2;
	assert_int_equal(take_all(&b, 10, now), 5);
	now += 3600 * PW_GUARD_NS;
	assert_int_equal(take_all(&b, 10, now), 20);
	/* A clock that goes back (another CPU's) gives nothing and breaks nothing. */
	assert_int_equal(take_all(&b, 10, now - PW_GUARD_NS), 0);
}

static void test_frequent_packets_do_not_starve_a_bucket(void **state)
{
	struct pw_bucket b = { .refilled_ns = PW_GUARD_NS, .tokens = 0 };
	uint64_t now = PW_GUARD_NS;
	int n = 0;

	/* A packet every microsecond for 10 s at one a second. */
	for (int i = 0; i < 10000000; i++)
		n += guard_take(&b, 1, now += 1000);
	assert_in_range(n, 9, 10);
}

static void test_the_largest_rate_does_not_overflow(void **state)
{
	struct pw_bucket b = { .refilled_ns = 0, .tokens = 0 };

	assert_true(guard_take(&b, PW_GUARD_RATE_MAX, 2 * PW_GUARD_NS - 1));
	assert_true(b.tokens <= guard_burst(PW_GUARD_RATE_MAX));
	assert_false(guard_take(&(struct pw_bucket){ 0 }, 0, PW_GUARD_NS));
}

static void test_an_ipv6_source_is_its_network(void **state)
{
	uint8_t v6[16] = { 0x20, 1, 0xd, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8 },
		v4[16] = { [10] = 0xff, 0xff, 1, 2, 3, 4 };
	struct pw_bucket_key key;

	guard_bucket_key(v6, &key);
	assert_memory_equal(key.addr_be, v6, 8);
	assert_int_equal(key.addr_be[8], 0);
	guard_bucket_key(v4, &key);
	assert_memory_equal(key.addr_be, v4, 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_source_port_and_opening_are_read),
		cmocka_unit_test(test_every_truncation_stays_in_bounds_and_says_so),
		cmocka_unit_test(test_random_bytes_stay_in_bounds),
		cmocka_unit_test(test_long_extension_chains_end),
		cmocka_unit_test(test_modes_decide_as_promised),
		cmocka_unit_test(test_a_mode_that_is_not_known_enforces),
		cmocka_unit_test(test_malformed_packets_pass_only_when_off),
		cmocka_unit_test(test_budgets_follow_entry_and_peer),
		cmocka_unit_test(test_a_bucket_refills_with_time),
		cmocka_unit_test(test_frequent_packets_do_not_starve_a_bucket),
		cmocka_unit_test(test_the_largest_rate_does_not_overflow),
		cmocka_unit_test(test_an_ipv6_source_is_its_network),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
