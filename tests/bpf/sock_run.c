// SPDX-License-Identifier: Apache-2.0
/*
 * The sockmap verdict on real sockets: near.client → near.server | far.server → far.client, where
 * the gateway holds the two servers. The accounting that is checked here is pw_flow_value's in
 * abi.h; the decisions are bpf/lib/flow_logic.h.
 */
#include "common.h"
#include "userspace/base/time.h"
#include "userspace/kernel/probe_private.h"

#include <linux/sockios.h>
#include <linux/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define CREDIT	    (256 * 1024)
#define DEADLINE_MS 20000
/* Credit, socket buffers of four sockets at their largest, and what is in flight: far below "no
 * end". */
#define HELD_MAX (32u << 20)

struct flow {
	struct pw_probe_pair near, far;
	uint64_t near_cookie, far_cookie;
	uint64_t relayed;
};

static struct pw_kernel *kernel;
static struct event_base *base;
static const struct pw_policy_key key = { .peer_id = 1, .source_id = 2, .destination_id = 3 };

static void policy_set(enum pw_action action)
{
	struct pw_policy_entry entry = { .key = key, .value = { .action = action } };
	struct pw_kernel_state want = { .policies = &entry,
					.n_policies = action != PW_ACTION_NONE };
	struct pw_err err = PW_ERR_INIT;

	assert_int_equal(pw_kernel_stage(kernel, &want, &err), 0);
	pw_kernel_publish(kernel);
}

static int setup(void **state)
{
	struct pw_kernel_options opt = kernel_options();

	base = event_base_new();
	opt.base = base;
	opt.credit_bytes = CREDIT;
	kernel = kernel_open(&opt);
	if (!pw_kernel_sockmap_ready(kernel))
		fail_msg("sockmap: %s", pw_kernel_features(kernel)[PW_FEATURE_SOCKMAP].why);
	return 0;
}

static int teardown(void **state)
{
	pw_kernel_close(&kernel);
	event_base_free(base);
	uninstall(NULL);
	return 0;
}

static uint64_t entered(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);
	int queued = 0;

	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
	assert_int_equal(ioctl(fd, SIOCOUTQ, &queued), 0);
	return info.tcpi_bytes_acked + (uint64_t)queued;
}

static void put(uint64_t cookie, uint64_t partner, int partner_fd)
{
	struct pw_flow_value v = { .partner = partner,
				   .policy = key,
				   .forwarder = PW_FORWARDER_SOCKMAP,
				   .state = PW_FLOW_OPEN,
				   .base = entered(partner_fd) };

	pw_str_fill(v.peer, sizeof(v.peer), "west");
	assert_int_equal(pw_flow_put(kernel, cookie, &v), 0);
}

static void flow_connect(struct flow *f)
{
	*f = (struct flow){ .near = { -1, -1 }, .far = { -1, -1 } };
	assert_int_equal(pw_probe_pair(&f->near), 0);
	assert_int_equal(pw_probe_pair(&f->far), 0);
	f->near_cookie = pw_socket_cookie(f->near.server);
	f->far_cookie = pw_socket_cookie(f->far.server);
	assert_true(f->near_cookie && f->far_cookie);
}

static void flow_join(struct flow *f)
{
	put(f->near_cookie, f->far_cookie, f->far.server);
	put(f->far_cookie, f->near_cookie, f->near.server);
	assert_int_equal(pw_sock_put(kernel, f->near_cookie, f->far.server), 0);
	assert_int_equal(pw_sock_put(kernel, f->far_cookie, f->near.server), 0);
}

static void flow_open(struct flow *f)
{
	policy_set(PW_ACTION_ALLOW);
	flow_connect(f);
	flow_join(f);
}

static void flow_close(struct flow *f)
{
	pw_sock_delete(kernel, f->near_cookie);
	pw_sock_delete(kernel, f->far_cookie);
	pw_flow_delete(kernel, f->near_cookie);
	pw_flow_delete(kernel, f->far_cookie);
	pw_probe_pair_close(&f->near);
	pw_probe_pair_close(&f->far);
}

static struct pw_flow_value numbers(uint64_t cookie)
{
	struct pw_flow_value v;

	assert_int_equal(pw_flow_get(kernel, cookie, &v), 0);
	return v;
}

static void send_all(int fd, const void *data, size_t len)
{
	assert_int_equal(send(fd, data, len, MSG_NOSIGNAL), len);
}

static void expect_bytes(int fd, const void *data, size_t len)
{
	char in[4096];

	assert_true(len <= sizeof(in));
	assert_int_equal(recv(fd, in, len, MSG_WAITALL), len);
	assert_memory_equal(in, data, len);
}

static bool readable_within(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, ms) > 0;
}

/* What a worker does with what the verdict left to it, near to far; false: there was nothing. */
static bool relay(struct flow *f)
{
	static char buf[1 << 20];
	ssize_t n = recv(f->near.server, buf, sizeof(buf), MSG_DONTWAIT);
	struct pw_flow_value v;

	if (n <= 0)
		return false;
	v = numbers(f->near_cookie);
	for (int ms = 0; entered(f->far.server) - v.base != v.redirected + f->relayed; ms++) {
		assert_true(ms < DEADLINE_MS);
		poll(NULL, 0, 1);
	}
	send_all(f->far.server, buf, (size_t)n);
	f->relayed += (uint64_t)n;
	assert_int_equal(pw_flow_relayed(kernel, f->near_cookie, f->relayed), 0);
	return true;
}

static void test_both_directions_are_redirected_and_counted(void **state)
{
	struct pw_flow_value v;
	struct flow f;

	flow_open(&f);
	for (int i = 0; i < 100; i++) {
		send_all(f.near.client, "request", 7);
		expect_bytes(f.far.client, "request", 7);
		send_all(f.far.client, "an answer", 9);
		expect_bytes(f.near.client, "an answer", 9);
	}
	v = numbers(f.near_cookie);
	assert_int_equal(v.redirected, 700);
	assert_int_equal(v.bytes, 700);
	assert_int_equal(v.passed, 0);
	assert_int_equal(v.paused, 0);
	assert_int_equal(numbers(f.far_cookie).redirected, 900);
	assert_false(relay(&f));
	flow_close(&f);
}

static void test_bytes_from_before_the_join_stay_in_front(void **state)
{
	struct flow f;

	policy_set(PW_ACTION_ALLOW);
	flow_connect(&f);
	send_all(f.near.client, "first", 5);
	assert_true(readable_within(f.near.server, 1000));
	flow_join(&f);
	/* Not read yet, so whatever comes now must wait behind it. */
	send_all(f.near.client, "second", 6);
	/* The kernel may have put both into one buffer, which the verdict then takes as a whole; or
	 * it is ours. */
	for (int ms = 0; ms < DEADLINE_MS && !readable_within(f.far.client, 1); ms++)
		relay(&f);
	expect_bytes(f.far.client, "firstsecond", 11);
	send_all(f.near.client, "third", 5);
	expect_bytes(f.far.client, "third", 5);
	assert_true(numbers(f.near_cookie).redirected >= 5);
	assert_int_equal(numbers(f.near_cookie).bytes, 16);
	flow_close(&f);
}

static void test_a_reader_that_never_reads_stops_its_sender(void **state)
{
	size_t size = 256u << 20, sent;
	char *data = calloc(1, size);
	struct pw_flow_value v;
	struct flow f;

	flow_open(&f);
	for (sent = 0; sent < size;) {
		struct pollfd p = { .fd = f.near.client, .events = POLLOUT };
		ssize_t n;

		if (poll(&p, 1, 500) == 0)
			break;
		n = send(f.near.client, data, pw_min(size - sent, (size_t)65536),
			 MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n > 0)
			sent += (size_t)n;
	}
	assert_true(sent < HELD_MAX);
	v = numbers(f.near_cookie);
	assert_int_equal(v.paused, 1);
	assert_true(v.redirected >= CREDIT / 2);
	/* One buffer may pass over the line: a segment as large as they come. */
	assert_true(v.redirected <= CREDIT + (4u << 20));
	assert_true(v.passed > 0);
	flow_close(&f);
	free(data);
}

struct transfer {
	struct flow f;
	size_t size, sent, got;
	char *out, *in;
};

static void read_far(struct transfer *t)
{
	ssize_t n = recv(t->f.far.client, t->in + t->got,
			 pw_min(t->size - t->got, (size_t)(1u << 20)), MSG_DONTWAIT);

	if (n > 0)
		t->got += (size_t)n;
}

/* The worker of relay(), but one that never blocks: the reader is the same thread. */
static void serve(struct transfer *t)
{
	struct pw_flow_value v = numbers(t->f.near_cookie);
	static char buf[1 << 20];
	ssize_t n;

	if (!readable_within(t->f.near.server, 0) ||
	    entered(t->f.far.server) - v.base != v.redirected + t->f.relayed)
		return;
	n = recv(t->f.near.server, buf, 65536, MSG_DONTWAIT);
	for (ssize_t done = 0; done < n;) {
		ssize_t s = send(t->f.far.server, buf + done, (size_t)(n - done),
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (s > 0)
			done += s;
		else
			read_far(t);
	}
	if (n <= 0)
		return;
	t->f.relayed += (uint64_t)n;
	assert_int_equal(pw_flow_relayed(kernel, t->f.near_cookie, t->f.relayed), 0);
}

/* A slow reader, a fast sender, a worker: pieces of every size, and the flow changes sides many
 * times. */
static void test_order_survives_every_pause(void **state)
{
	struct transfer t = { .size = 64u << 20 };
	int64_t start = pw_now_mono_ms();
	struct pw_flow_value v;
	unsigned seed = 1;

	t.out = malloc(t.size);
	t.in = calloc(1, t.size);
	for (size_t i = 0; i < t.size; i++)
		t.out[i] = (char)((i * 2654435761u) >> 13);
	flow_open(&t.f);
	while (t.got < t.size) {
		size_t piece = pw_min((size_t)(rand_r(&seed) % 100000 + 1), t.size - t.sent);
		ssize_t n = piece ? send(t.f.near.client, t.out + t.sent, piece,
					 MSG_NOSIGNAL | MSG_DONTWAIT)
				  : 0;

		if (n > 0)
			t.sent += (size_t)n;
		serve(&t);
		/* In gusts, so that the credit runs out again and again. */
		if (rand_r(&seed) % 16 == 0 || t.sent == t.size)
			read_far(&t);
		v = numbers(t.f.near_cookie);
		if (pw_now_mono_ms() - start > DEADLINE_MS)
			fail_msg(
				"stalled: sent %zu got %zu redirected %llu passed %llu relayed %llu",
				t.sent, t.got, v.redirected, v.passed,
				(unsigned long long)t.f.relayed);
	}
	assert_memory_equal(t.in, t.out, t.size);
	v = numbers(t.f.near_cookie);
	assert_true(v.redirected > 0 && v.passed > 0);
	assert_int_equal(v.redirected + t.f.relayed, t.size);
	flow_close(&t.f);
	free(t.out);
	free(t.in);
}

static void keep_event(void *arg, const struct pw_event *e)
{
	if (e->kind == PW_EVENT_FLOW_CUT)
		*(struct pw_event *)arg = *e;
}

static void test_a_denial_cuts_a_live_flow_at_once(void **state)
{
	struct pw_event seen = { 0 };
	struct flow f, other;

	flow_open(&f);
	flow_open(&other);
	send_all(f.near.client, "allowed", 7);
	expect_bytes(f.far.client, "allowed", 7);
	event_base_loop(base, EVLOOP_NONBLOCK);
	pw_kernel_on_event(kernel, keep_event, &seen);
	policy_set(PW_ACTION_DENY);
	send_all(f.near.client, "denied", 6);
	assert_false(readable_within(f.far.client, 100));
	assert_false(readable_within(f.near.server, 0));
	assert_int_equal(numbers(f.near_cookie).state, PW_FLOW_CLOSING);
	loop_until(base, &seen.kind);
	pw_kernel_on_event(kernel, NULL, NULL);
	assert_int_equal(seen.kind, PW_EVENT_FLOW_CUT);
	assert_int_equal(seen.reason, PW_REASON_REVOKED);
	assert_true(seen.cookie == f.near_cookie);
	assert_string_equal(seen.peer, "west");
	/* Once cut it stays cut, its stream has a hole; a flow that sent nothing meanwhile is whole
	 * and goes on. */
	policy_set(PW_ACTION_ALLOW);
	send_all(f.near.client, "again", 5);
	assert_false(readable_within(f.far.client, 100));
	send_all(other.near.client, "whole", 5);
	expect_bytes(other.far.client, "whole", 5);
	flow_close(&f);
	flow_close(&other);
}

static void test_a_missing_policy_is_a_denial(void **state)
{
	struct flow f;

	flow_open(&f);
	policy_set(PW_ACTION_NONE);
	send_all(f.near.client, "nobody said so", 14);
	assert_false(readable_within(f.far.client, 100));
	assert_int_equal(numbers(f.near_cookie).state, PW_FLOW_CLOSING);
	flow_close(&f);
}

static void test_a_missing_flow_forwards_nothing(void **state)
{
	struct flow f;

	flow_open(&f);
	assert_int_equal(pw_flow_delete(kernel, f.near_cookie), 0);
	send_all(f.near.client, "whose?", 6);
	assert_false(readable_within(f.far.client, 100));
	flow_close(&f);
}

static void test_an_end_does_not_hurt_the_other_direction(void **state)
{
	socklen_t len = sizeof(int);
	struct flow f;
	int error = -1;

	flow_open(&f);
	send_all(f.near.client, "bye", 3);
	assert_int_equal(shutdown(f.near.client, SHUT_WR), 0);
	expect_bytes(f.far.client, "bye", 3);
	assert_true(readable_within(f.near.server, 1000)); /* the end is the worker's to pass on */
	assert_int_equal(getsockopt(f.far.server, SOL_SOCKET, SO_ERROR, &error, &len), 0);
	assert_int_equal(error, 0);
	send_all(f.far.client, "late answer", 11);
	expect_bytes(f.near.client, "late answer", 11);
	flow_close(&f);
}

static void test_the_verdict_owns_the_entry_of_a_joined_socket(void **state)
{
	struct pw_flow_value v = { .forwarder = PW_FORWARDER_COPY };
	struct flow f;

	flow_open(&f);
	assert_int_equal(pw_flow_put(kernel, f.near_cookie, &v), -EBUSY);
	assert_int_equal(pw_sock_delete(kernel, f.near_cookie), 0);
	assert_int_equal(pw_sock_delete(kernel, f.far_cookie), 0);
	assert_int_equal(pw_flow_put(kernel, f.near_cookie, &v), 0);
	assert_int_equal(numbers(f.near_cookie).forwarder, PW_FORWARDER_COPY);
	flow_close(&f);
	assert_int_equal(pw_flow_get(kernel, f.near_cookie, &v), -ENOENT);
	assert_int_equal(pw_flow_delete(kernel, f.near_cookie), -ENOENT);
}

static void test_a_socket_that_is_not_connected_is_refused(void **state)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(pw_sock_put(kernel, 12345, fd), -EOPNOTSUPP);
	close(fd);
	assert_int_equal(pw_socket_cookie(-1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_directions_are_redirected_and_counted),
		cmocka_unit_test(test_bytes_from_before_the_join_stay_in_front),
		cmocka_unit_test(test_a_reader_that_never_reads_stops_its_sender),
		cmocka_unit_test(test_order_survives_every_pause),
		cmocka_unit_test(test_a_denial_cuts_a_live_flow_at_once),
		cmocka_unit_test(test_a_missing_policy_is_a_denial),
		cmocka_unit_test(test_a_missing_flow_forwards_nothing),
		cmocka_unit_test(test_an_end_does_not_hurt_the_other_direction),
		cmocka_unit_test(test_the_verdict_owns_the_entry_of_a_joined_socket),
		cmocka_unit_test(test_a_socket_that_is_not_connected_is_refused),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
