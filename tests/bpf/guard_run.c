// SPDX-License-Identifier: Apache-2.0
/*
 * Both guard programs by BPF_PROG_TEST_RUN with a packet for each branch. Each case says mode,
 * packet, and the reason that must have been counted; whether it passes follows from the reason.
 * When one breaks: bpf/lib/parse.h for `malformed`, `other` and `fragment`, bpf/lib/guard_logic.h
 * for the rest.
 */
#include "common.h"
#include "packet.h"

#define XDP_DROP_CODE 1
#define XDP_PASS_CODE 2
#define TC_SHOT_CODE  2

static struct pw_kernel *kernel;
static struct event_base *base;
static int xdp, tc;

static int setup(void **state)
{
	struct pw_kernel_options opt = kernel_options();

	base = event_base_new();
	opt.base = base;
	kernel = kernel_open(&opt);
	xdp = prog_fd("pw_guard_xdp");
	tc = prog_fd("pw_guard_tc");
	return 0;
}

static int teardown(void **state)
{
	close(xdp);
	close(tc);
	pw_kernel_close(&kernel);
	event_base_free(base);
	uninstall(NULL);
	return 0;
}

static void mode_set(enum pw_guard_mode mode)
{
	struct pw_guard_options g = { .mode = mode,
				      .gateway_port = GATEWAY_PORT,
				      .syn_per_second = 1 };
	struct pw_err err = PW_ERR_INIT;

	assert_int_equal(pw_kernel_guard_set(kernel, &g, &err), 0);
}

static void entry_put(const char *prefix, enum pw_action action, uint32_t peer_id, uint32_t rate)
{
	struct pw_guard_value v = { .action = action, .peer_id = peer_id, .syn_per_second = rate };
	struct pw_err err = PW_ERR_INIT;
	struct pw_guard_key key;

	guard_key(prefix, &key);
	pw_str_fill(v.peer, sizeof(v.peer), "west");
	pw_str_fill(v.prefix, sizeof(v.prefix), prefix);
	assert_int_equal(pw_guard_put(kernel, &key, &v, &err), 0);
}

static void entry_delete(const char *prefix)
{
	struct pw_guard_key key;

	guard_key(prefix, &key);
	assert_int_equal(pw_guard_delete(kernel, &key), 0);
}

static uint32_t run(int fd, const struct packet *p)
{
	static uint8_t out[65536];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = p->data, .data_size_in = (uint32_t)p->len,
		    .data_out = out, .data_size_out = sizeof(out));
	int r = bpf_prog_test_run_opts(fd, &opts);

	if (r < 0)
		fail_msg("test run with %zu bytes: %s", p->len, strerror(-r));
	return opts.retval;
}

static bool passes(enum pw_reason reason, enum pw_guard_mode mode)
{
	if (reason == PW_REASON_MALFORMED)
		return mode == PW_GUARD_OFF;
	return reason == PW_REASON_PASSED || reason == PW_REASON_OTHER ||
	       reason == PW_REASON_FRAGMENT;
}

/* One packet through one program: exactly one counter moves, and the return code agrees with it. */
static void expect_one(int fd, enum pw_guard_mode mode, const struct spec *s, enum pw_reason reason)
{
	static struct pw_stat_value before[PW_REASON_MAX], after[PW_REASON_MAX];
	struct packet p;
	uint32_t code, pass = fd == xdp ? XDP_PASS_CODE : (uint32_t)-1,
		       drop = fd == xdp ? XDP_DROP_CODE : TC_SHOT_CODE;

	packet_make(&p, s);
	assert_int_equal(pw_kernel_stats(kernel, before), 0);
	code = run(fd, &p);
	assert_int_equal(pw_kernel_stats(kernel, after), 0);
	for (int i = 0; i < PW_REASON_MAX; i++) {
		uint64_t n = after[i].packets - before[i].packets;

		if (n != (i == (int)reason))
			fail_msg("%s: reason %s counted %d, expected %s", fd == xdp ? "xdp" : "tc",
				 after[i].name, (int)n, after[reason].name);
		if (i == (int)reason)
			assert_int_equal(after[i].bytes - before[i].bytes, p.len);
	}
	assert_int_equal(code, passes(reason, mode) ? pass : drop);
}

static void expect(enum pw_guard_mode mode, enum pw_reason reason, struct spec s)
{
	struct packet p;

	mode_set(mode);
	expect_one(xdp, mode, &s, reason);
	packet_make(&p, &s);
	/* The kernel makes no skb of an untagged packet without its whole IP header. */
	if (!s.cut || s.vlans || p.len >= 14 + (s.source && strchr(s.source, ':') ? 40 : 20))
		expect_one(tc, mode, &s, reason);
}

static void test_off_passes_everything_and_counts_it(void **state)
{
	entry_put("192.0.2.66/32", PW_ACTION_DENY, 0, 0);
	expect(PW_GUARD_OFF, PW_REASON_PASSED, (struct spec){ .source = "192.0.2.66" });
	expect(PW_GUARD_OFF, PW_REASON_MALFORMED, (struct spec){ .doff = 4 });
	expect(PW_GUARD_OFF, PW_REASON_OTHER, (struct spec){ .port = 80 });
	entry_delete("192.0.2.66/32");
}

static void test_other_traffic_is_never_touched(void **state)
{
	static const enum pw_guard_mode modes[] = { PW_GUARD_OFF, PW_GUARD_LIMIT,
						    PW_GUARD_ENFORCE };

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		expect(modes[i], PW_REASON_OTHER, (struct spec){ .port = 443 });
		expect(modes[i], PW_REASON_OTHER, (struct spec){ .port = 443, .doff = 3 });
		expect(modes[i], PW_REASON_OTHER, (struct spec){ .protocol = 17 });
		expect(modes[i], PW_REASON_OTHER, (struct spec){ .ethertype = 0x0806 });
		expect(modes[i], PW_REASON_OTHER,
		       (struct spec){ .source = "2001:db8::1", .port = 443 });
		expect(modes[i], PW_REASON_OTHER,
		       (struct spec){ .source = "2001:db8::1", .protocol = 58 });
		expect(modes[i], PW_REASON_OTHER,
		       (struct spec){ .source = "2001:db8::1",
				      .extensions = { 44 },
				      .protocol = 17,
				      .fragment = 10 });
		expect(modes[i], PW_REASON_OTHER, (struct spec){ .vlans = 3 });
	}
}

/* Two tokens a source at one a second: the third SYN in a row is over the limit. */
static void expect_budget_of_two(int fd, struct spec s)
{
	expect_one(fd, PW_GUARD_LIMIT, &s, PW_REASON_PASSED);
	expect_one(fd, PW_GUARD_LIMIT, &s, PW_REASON_PASSED);
	expect_one(fd, PW_GUARD_LIMIT, &s, PW_REASON_GUARD_LIMIT);
}

static void test_limit_takes_a_token_for_each_new_connection(void **state)
{
	struct spec established = { .source = "192.0.2.10", .flags = FLAG_ACK, .payload = 100 };

	mode_set(PW_GUARD_LIMIT);
	expect_budget_of_two(xdp, (struct spec){ .source = "192.0.2.10" });
	expect_budget_of_two(tc, (struct spec){ .source = "192.0.2.11" });
	/* What is open goes on, and so does a neighbour's first. */
	expect_one(xdp, PW_GUARD_LIMIT, &established, PW_REASON_PASSED);
	established.flags = FLAG_SYN | FLAG_ACK;
	expect_one(tc, PW_GUARD_LIMIT, &established, PW_REASON_PASSED);
	established.flags = FLAG_FIN | FLAG_ACK;
	expect_one(tc, PW_GUARD_LIMIT, &established, PW_REASON_PASSED);
	expect(PW_GUARD_LIMIT, PW_REASON_PASSED, (struct spec){ .source = "192.0.2.12" });
}

static void test_an_ipv6_network_shares_one_bucket(void **state)
{
	mode_set(PW_GUARD_LIMIT);
	expect_one(xdp, PW_GUARD_LIMIT, &(struct spec){ .source = "2001:db8:1:2::1" },
		   PW_REASON_PASSED);
	expect_one(xdp, PW_GUARD_LIMIT, &(struct spec){ .source = "2001:db8:1:2::2" },
		   PW_REASON_PASSED);
	expect_one(xdp, PW_GUARD_LIMIT, &(struct spec){ .source = "2001:db8:1:2:3::3" },
		   PW_REASON_GUARD_LIMIT);
	expect_one(xdp, PW_GUARD_LIMIT, &(struct spec){ .source = "2001:db8:1:3::3" },
		   PW_REASON_PASSED);
}

static void test_a_known_peer_has_fifty_times_the_budget(void **state)
{
	struct spec s = { .source = "192.0.2.20" };

	mode_set(PW_GUARD_LIMIT);
	entry_put("192.0.2.20/32", PW_ACTION_ALLOW, 7, 0);
	for (int i = 0; i < 100; i++)
		expect_one(xdp, PW_GUARD_LIMIT, &s, PW_REASON_PASSED);
	/* It refills with 50 a second: the next hundred cannot all pass, but how many do is a
	 * matter of time. */
	for (int i = 0; i < 100; i++) {
		struct packet p;

		packet_make(&p, &s);
		if (run(xdp, &p) == XDP_DROP_CODE)
			goto limited;
	}
	fail_msg("a known peer's budget has no end");
limited:
	entry_delete("192.0.2.20/32");
}

static void test_an_entry_may_have_a_budget_of_its_own(void **state)
{
	struct spec s = { .source = "192.0.2.30" };

	mode_set(PW_GUARD_LIMIT);
	entry_put("192.0.2.30/32", PW_ACTION_ALLOW, 0, 3);
	for (int i = 0; i < 6; i++)
		expect_one(tc, PW_GUARD_LIMIT, &s, PW_REASON_PASSED);
	expect_one(tc, PW_GUARD_LIMIT, &s, PW_REASON_GUARD_LIMIT);
	entry_delete("192.0.2.30/32");
}

static void test_a_denial_wins_over_any_longer_prefix(void **state)
{
	struct spec syn = { .source = "198.51.100.7" },
		    established = { .source = "198.51.100.7", .flags = FLAG_ACK };

	entry_put("198.51.100.7/32", PW_ACTION_ALLOW, 7, 0);
	expect(PW_GUARD_LIMIT, PW_REASON_PASSED, syn);
	entry_put("198.51.100.0/24", PW_ACTION_DENY, 0, 0);
	expect(PW_GUARD_LIMIT, PW_REASON_GUARD_DENIED, syn);
	expect(PW_GUARD_LIMIT, PW_REASON_GUARD_DENIED, established);
	expect(PW_GUARD_ENFORCE, PW_REASON_GUARD_DENIED, syn);
	/* The denial becomes an allowance, and the trie of denials follows. */
	entry_put("198.51.100.0/24", PW_ACTION_ALLOW, 0, 0);
	expect(PW_GUARD_LIMIT, PW_REASON_PASSED, established);
	entry_delete("198.51.100.0/24");
	entry_delete("198.51.100.7/32");
}

static void test_enforce_admits_only_known_sources(void **state)
{
	entry_put("203.0.113.0/28", PW_ACTION_ALLOW, 0, 100);
	entry_put("2001:db8:77::/48", PW_ACTION_ALLOW, 9, 0);
	expect(PW_GUARD_ENFORCE, PW_REASON_PASSED, (struct spec){ .source = "203.0.113.5" });
	expect(PW_GUARD_ENFORCE, PW_REASON_PASSED,
	       (struct spec){ .source = "203.0.113.5", .flags = FLAG_ACK });
	expect(PW_GUARD_ENFORCE, PW_REASON_PASSED, (struct spec){ .source = "2001:db8:77::5" });
	expect(PW_GUARD_ENFORCE, PW_REASON_GUARD_DENIED, (struct spec){ .source = "203.0.113.16" });
	expect(PW_GUARD_ENFORCE, PW_REASON_GUARD_DENIED,
	       (struct spec){ .source = "203.0.113.16", .flags = FLAG_ACK });
	expect(PW_GUARD_ENFORCE, PW_REASON_GUARD_DENIED,
	       (struct spec){ .source = "203.0.113.16", .flags = FLAG_RST });
	expect(PW_GUARD_ENFORCE, PW_REASON_GUARD_DENIED,
	       (struct spec){ .source = "2001:db8:78::5" });
	entry_delete("203.0.113.0/28");
	entry_delete("2001:db8:77::/48");
}

static void test_enforce_limits_known_sources_too(void **state)
{
	struct spec s = { .source = "203.0.113.40" };

	mode_set(PW_GUARD_ENFORCE);
	entry_put("203.0.113.40/32", PW_ACTION_ALLOW, 0, 0);
	expect_one(xdp, PW_GUARD_ENFORCE, &s, PW_REASON_PASSED);
	expect_one(xdp, PW_GUARD_ENFORCE, &s, PW_REASON_PASSED);
	expect_one(xdp, PW_GUARD_ENFORCE, &s, PW_REASON_GUARD_LIMIT);
	entry_delete("203.0.113.40/32");
}

static void test_tags_options_and_extensions_hide_nothing(void **state)
{
	struct spec cases[] = {
		{ .source = "192.0.2.99", .vlans = 1 },
		{ .source = "192.0.2.99", .vlans = 2 },
		{ .source = "192.0.2.99", .option_words = 1 },
		{ .source = "192.0.2.99", .option_words = 10 },
		{ .source = "192.0.2.99", .option_words = 10, .vlans = 2, .tcp_option_words = 10 },
		{ .source = "192.0.2.99", .more = true },
		{ .source = "192.0.2.99", .total = -1 },
		{ .source = "2001:db8::99" },
		{ .source = "2001:db8::99", .vlans = 2 },
		{ .source = "2001:db8::99", .total = -1 },
		{ .source = "2001:db8::99", .extensions = { 0xff } },
		{ .source = "2001:db8::99",
		  .extensions = { 0xff, 60, 43, 44, 51, 60 },
		  .extension_len = 2 },
		{ .source = "2001:db8::99", .extensions = { 44 }, .more = true },
		{ .source = "2001:db8::99", .extensions = { 135 }, .extension_len = 1 },
		{ .source = "2001:db8::99", .extensions = { 60, 60, 60, 60, 60, 60, 60, 60 } },
		{ .source = "2001:db8::99", .extensions = { 60 }, .extension_len = 255 },
	};

	entry_put("192.0.2.99/32", PW_ACTION_DENY, 0, 0);
	entry_put("2001:db8::99/128", PW_ACTION_DENY, 0, 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		expect(PW_GUARD_LIMIT, PW_REASON_GUARD_DENIED, cases[i]);
	entry_delete("192.0.2.99/32");
	entry_delete("2001:db8::99/128");
}

static void test_later_fragments_pass_and_are_counted(void **state)
{
	expect(PW_GUARD_ENFORCE, PW_REASON_FRAGMENT, (struct spec){ .fragment = 100 });
	expect(PW_GUARD_ENFORCE, PW_REASON_FRAGMENT, (struct spec){ .fragment = 1, .more = true });
	expect(PW_GUARD_ENFORCE, PW_REASON_FRAGMENT,
	       (struct spec){ .source = "2001:db8::1", .extensions = { 44 }, .fragment = 100 });
}

static void test_malformed_packets_to_the_port_are_dropped(void **state)
{
	struct spec cases[] = {
		{ .ihl = 4 },
		{ .ihl = 1 },
		{ .doff = 4 },
		{ .doff = -1 },
		{ .doff = 15 },
		{ .total = 20 },
		{ .total = 39 },
		{ .total = 10 },
		{ .cut = 1 },
		{ .cut = 16 },
		{ .tcp_option_words = 5, .cut = 1 },
		{ .source = "2001:db8::1", .doff = 4 },
		{ .source = "2001:db8::1", .total = 19 },
		{ .source = "2001:db8::1", .cut = 1 },
		{ .source = "2001:db8::1", .extensions = { 60 }, .total = 8 },
		{ .source = "::ffff:203.0.113.5" },
		{ .source = "2001:db8::1", .extensions = { 60, 60, 60, 60, 60, 60, 60, 60, 60 } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		expect(PW_GUARD_LIMIT, PW_REASON_MALFORMED, cases[i]);
		expect(PW_GUARD_ENFORCE, PW_REASON_MALFORMED, cases[i]);
	}
}

static void test_what_is_cut_before_the_port_is_left_to_the_kernel(void **state)
{
	expect(PW_GUARD_ENFORCE, PW_REASON_OTHER, (struct spec){ .cut = 17 });
	expect(PW_GUARD_ENFORCE, PW_REASON_OTHER, (struct spec){ .cut = 25 });
	expect(PW_GUARD_ENFORCE, PW_REASON_OTHER, (struct spec){ .cut = 40 });
	expect(PW_GUARD_ENFORCE, PW_REASON_OTHER, (struct spec){ .vlans = 2, .cut = 45 });
	expect(PW_GUARD_ENFORCE, PW_REASON_OTHER,
	       (struct spec){ .source = "2001:db8::1", .cut = 30 });
	expect(PW_GUARD_ENFORCE, PW_REASON_OTHER,
	       (struct spec){ .source = "2001:db8::1", .extensions = { 60 }, .cut = 21 });
}

/* Every length of every kind of packet: nothing is read behind its end, no program fails. */
static void test_no_truncation_upsets_the_programs(void **state)
{
	struct spec cases[] = {
		{ .vlans = 2, .option_words = 10, .tcp_option_words = 10 },
		{ .source = "2001:db8::1",
		  .vlans = 1,
		  .extensions = { 0xff, 43, 44, 51, 60 },
		  .extension_len = 3 },
	};

	mode_set(PW_GUARD_ENFORCE);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct packet p;

		for (packet_make(&p, &cases[i]); p.len >= 14; p.len--) {
			uint32_t code = run(xdp, &p);

			assert_true(code == XDP_DROP_CODE || code == XDP_PASS_CODE);
			/* The two programs agree on every one. */
			assert_int_equal(run(tc, &p) == TC_SHOT_CODE, code == XDP_DROP_CODE);
		}
	}
}

static void keep_event(void *arg, const struct pw_event *e)
{
	*(struct pw_event *)arg = *e;
}

static void test_a_refusal_is_an_event_with_source_and_peer(void **state)
{
	struct pw_event seen = { 0 };
	struct packet p;
	struct pw_guard_key key;

	entry_put("192.0.2.88/32", PW_ACTION_DENY, 7, 0);
	guard_key("192.0.2.88/32", &key);
	mode_set(PW_GUARD_LIMIT);
	event_base_loop(base, EVLOOP_NONBLOCK); /* those of earlier tests */
	usleep(20000);				/* events are limited to one in 10 ms */
	pw_kernel_on_event(kernel, keep_event, &seen);
	packet_make(&p, &(struct spec){ .source = "192.0.2.88" });
	assert_int_equal(run(xdp, &p), XDP_DROP_CODE);
	loop_until(base, &seen.kind);
	pw_kernel_on_event(kernel, NULL, NULL);
	assert_int_equal(seen.kind, PW_EVENT_GUARD);
	assert_int_equal(seen.reason, PW_REASON_GUARD_DENIED);
	assert_memory_equal(seen.source_be, key.addr_be, 16);
	assert_int_equal(ntohs(seen.source_port_be), 40000);
	assert_string_equal(seen.peer, "west");
	entry_delete("192.0.2.88/32");
}

static void test_every_counter_carries_its_name(void **state)
{
	struct pw_stat_value stats[PW_REASON_MAX];
	int fd = map_fd("pw_stats"), cpus = libbpf_num_possible_cpus();
	struct pw_stat_value *rows = calloc((size_t)cpus, sizeof(*rows));

	assert_int_equal(pw_kernel_stats(kernel, stats), 0);
	for (uint32_t i = 0; i < PW_REASON_MAX; i++) {
		assert_int_equal(bpf_map_lookup_elem(fd, &i, rows), 0);
		for (int cpu = 0; cpu < cpus; cpu++)
			assert_string_equal(rows[cpu].name, stats[i].name);
	}
	assert_string_equal(stats[PW_REASON_GUARD_LIMIT].name, "guard_limit");
	free(rows);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_off_passes_everything_and_counts_it),
		cmocka_unit_test(test_other_traffic_is_never_touched),
		cmocka_unit_test(test_limit_takes_a_token_for_each_new_connection),
		cmocka_unit_test(test_an_ipv6_network_shares_one_bucket),
		cmocka_unit_test(test_a_known_peer_has_fifty_times_the_budget),
		cmocka_unit_test(test_an_entry_may_have_a_budget_of_its_own),
		cmocka_unit_test(test_a_denial_wins_over_any_longer_prefix),
		cmocka_unit_test(test_enforce_admits_only_known_sources),
		cmocka_unit_test(test_enforce_limits_known_sources_too),
		cmocka_unit_test(test_tags_options_and_extensions_hide_nothing),
		cmocka_unit_test(test_later_fragments_pass_and_are_counted),
		cmocka_unit_test(test_malformed_packets_to_the_port_are_dropped),
		cmocka_unit_test(test_what_is_cut_before_the_port_is_left_to_the_kernel),
		cmocka_unit_test(test_no_truncation_upsets_the_programs),
		cmocka_unit_test(test_a_refusal_is_an_event_with_source_and_peer),
		cmocka_unit_test(test_every_counter_carries_its_name),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
