// SPDX-License-Identifier: Apache-2.0
/*
 * Every forwarder between two loopback connections: client → legs[0] | legs[1] → server. What is
 * proved: bytes are exact for any size and write pattern, ends and resets keep their meaning, a
 * reader that does not read stops its sender. sockmap needs root and is skipped without.
 */
#include "../../userspace/base/time.h"
#include "../../userspace/dataplane/forward.h"
#include "../../userspace/kernel/kernel.h"
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#include <cmocka.h>
#include "dataplane_sandbox.h"

#define MB	 (1024u * 1024)
#define POOR_UID 65533
/* Socket buffers of both connections at their largest, one scratch buffer or pipe, the credit. */
#define HELD_MAX (32u * MB)

static struct pw_kernel *kernel;
static struct event_base *base;
static const struct pw_policy_key policy = { .peer_id = 1, .destination_id = 3 };
static char no_sockmap[256];
static uint64_t small_pipes, no_pipes, half_joined; /* of the last rig */
static const struct pw_forward_ops *const all[] = { &pw_forward_copy, &pw_forward_splice,
						    &pw_forward_sockmap };

struct rig {
	struct pw_forward_env env;
	struct pw_flow flow;
	int client, server;
	int epoll;
	pthread_t thread;
	void (*before)(struct rig *r); /* in the pump's thread, or NULL */
	enum pw_forward_result result;
	int64_t waits; /* how often the pump woke up */
};

/* The gateway's end of a connection to ip. For a v4-mapped one the other end knows only IPv4. */
static void pair(const char *ip, int *ret_near, int *ret_far)
{
	struct pw_addr a;
	int l;

	assert_int_equal(pw_addr_parse(ip, 0, &a), 0);
	l = socket(a.u.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(l, &a.u.sa, a.len), 0);
	assert_int_equal(listen(l, 1), 0);
	assert_int_equal(getsockname(l, &a.u.sa, &a.len), 0);
	if (!strncmp(ip, "::ffff:", 7))
		assert_int_equal(pw_addr_parse(ip + 7, pw_addr_port(&a), &a), 0);
	*ret_near = socket(a.u.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(*ret_near, &a.u.sa, a.len), 0);
	*ret_far = accept4(l, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	assert_true(*ret_far >= 0);
	close(l);
}

static void *pump(void *arg)
{
	struct rig *r = arg;
	struct pw_flow *f = &r->flow;
	enum pw_forward_result result;

	if (r->before)
		r->before(r);
	result = f->ops->on_event(f, pw_now_mono_ms());
	for (int i = 0; i < 2; i++) {
		struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
					  .data.u32 = (uint32_t)i };

		epoll_ctl(r->epoll, EPOLL_CTL_ADD, f->legs[i].fd, &ev);
	}
	while (result == PW_FORWARD_WAIT || result == PW_FORWARD_AGAIN) {
		struct epoll_event evs[2];
		int64_t ms = f->wake_ms ? pw_max(f->wake_ms - pw_now_mono_ms(), (int64_t)0) : -1;
		int n = epoll_wait(r->epoll, evs, 2, result == PW_FORWARD_AGAIN ? 0 : (int)ms);

		r->waits++;
		for (int i = 0; i < n; i++)
			pw_leg_on_epoll(&f->legs[evs[i].data.u32], evs[i].events);
		result = f->ops->on_event(f, pw_now_mono_ms());
	}
	r->result = result;
	pw_flow_stop(f);
	pw_leg_close(&f->legs[0], result == PW_FORWARD_RESET);
	pw_leg_close(&f->legs[1], result == PW_FORWARD_RESET);
	close(r->epoll);
	return NULL;
}

static void make_at(struct rig *r, const char *client_ip, const char *server_ip)
{
	memset(r, 0, sizeof(*r));
	r->epoll = epoll_create1(EPOLL_CLOEXEC);
	pw_forward_env_init(&r->env, kernel, MB, 5000);
	pw_flow_init(&r->flow, &r->env);
	pair(client_ip, &r->client, &r->flow.legs[0].fd);
	pair(server_ip, &r->server, &r->flow.legs[1].fd);
	for (int i = 0; i < 2; i++) {
		pw_leg_set_options(r->flow.legs[i].fd, 10000, MB / 2);
		r->flow.cookies[i] = pw_socket_cookie(r->flow.legs[i].fd);
		r->flow.values[i].policy = policy;
	}
}

static void make(struct rig *r)
{
	make_at(r, "127.0.0.1", "127.0.0.1");
}

static void go(struct rig *r, const struct pw_forward_ops *ops)
{
	const enum pw_forwarder allowed[] = { ops->id, PW_FORWARDER_NONE };

	pw_flow_start(&r->flow, allowed, pw_now_mono_ms());
	if (r->flow.ops != ops)
		fail_msg("not served: %s", r->flow.why);
	assert_int_equal(pthread_create(&r->thread, NULL, pump, r), 0);
}

static bool usable(const struct pw_forward_ops *ops)
{
	return ops->id != PW_FORWARDER_SOCKMAP || kernel;
}

static void finish(struct rig *r, enum pw_forward_result result)
{
	pthread_join(r->thread, NULL);
	assert_int_equal(r->result, result);
	pw_closep(&r->client);
	pw_closep(&r->server);
	small_pipes = r->env.small_pipes;
	no_pipes = r->env.no_pipes;
	half_joined = r->env.half_joined;
	pw_forward_env_clear(&r->env);
}

/* --- writers and readers ------------------------------------------------------------------------
 */
enum pattern { WHOLE, BYTES, VECTORS, RANDOM };
struct stream {
	int fd;
	size_t size;
	unsigned seed;
	enum pattern pattern;
	size_t good; /* bytes that came right */
	bool ended;  /* by a clean end */
	/* With it the first bytes are queued before the forwarder joins, and no more: it does not
	 * wait for busy senders, nor take ended ones, into a sockmap. */
	sem_t *joined;
	int error;
	pthread_t thread;
};

static uint8_t byte_at(size_t i, unsigned seed)
{
	return (uint8_t)((i * 2654435761u + seed) >> 11);
}

static ssize_t put(struct stream *s, const uint8_t *data, size_t n, size_t off)
{
	struct iovec v[2] = { { .iov_base = (void *)data, .iov_len = n / 3 },
			      { .iov_base = (void *)(data + n / 3), .iov_len = n - n / 3 } };

	switch (s->pattern) {
	case BYTES:
		return send(s->fd, data, 1, MSG_NOSIGNAL);
	case VECTORS:
		return writev(s->fd, v, 2);
	case RANDOM:
		return send(s->fd, data, 1 + (off * 7919 + s->seed) % n, MSG_NOSIGNAL);
	default:
		return send(s->fd, data, n, MSG_NOSIGNAL);
	}
}

static void *write_stream(void *arg)
{
	static _Thread_local uint8_t data[65536];
	struct stream *s = arg;
	size_t off = 0;

	while (off < s->size) {
		size_t n = pw_min(s->size - off, sizeof(data));
		ssize_t m;

		for (size_t i = 0; i < n; i++)
			data[i] = byte_at(off + i, s->seed);
		for (size_t at = 0; at < n; at += (size_t)m) {
			m = put(s, data + at, n - at, off + at);
			if (m < 0) {
				s->error = errno;
				return NULL;
			}
		}
		off += n;
		if (s->joined) {
			sem_wait(s->joined);
			s->joined = NULL;
		}
	}
	if (s->joined)
		sem_wait(s->joined);
	shutdown(s->fd, SHUT_WR);
	return NULL;
}

static void *read_stream(void *arg)
{
	static _Thread_local uint8_t data[262144];
	struct stream *s = arg;
	ssize_t n;

	while ((n = recv(s->fd, data, sizeof(data), 0)) > 0) {
		for (ssize_t i = 0; i < n; i++)
			s->good += data[i] == byte_at(s->good, s->seed);
	}
	s->ended = n == 0;
	s->error = n < 0 ? errno : 0;
	return NULL;
}

static void start(struct stream *s, void *(*run)(void *))
{
	assert_int_equal(pthread_create(&s->thread, NULL, run, s), 0);
}

/* Both directions at once, to their clean ends. */
static void transfer_in(struct rig *r, const struct pw_forward_ops *ops, size_t size,
			enum pattern pattern)
{
	struct stream s[4];
	sem_t joined;

	sem_init(&joined, /* pshared= */ 0, 0);
	s[0] = (struct stream){
		.fd = r->client, .size = size, .seed = 1, .pattern = pattern, .joined = &joined
	};
	s[1] = (struct stream){ .fd = r->server, .size = size, .seed = 2, .pattern = pattern };
	s[2] = (struct stream){ .fd = r->server, .seed = 1 };
	s[3] = (struct stream){ .fd = r->client, .seed = 2 };
	start(&s[0], write_stream);
	if (!r->flow.ops)
		go(r, ops);
	sem_post(&joined);
	start(&s[1], write_stream);
	start(&s[2], read_stream);
	start(&s[3], read_stream);
	for (int i = 0; i < 4; i++)
		pthread_join(s[i].thread, NULL);
	sem_destroy(&joined);
	for (int i = 2; i < 4; i++) {
		assert_true(s[i].ended);
		assert_int_equal(s[i].good, size);
	}
	finish(r, PW_FORWARD_DONE);
}

static void transfer(const struct pw_forward_ops *ops, size_t size, enum pattern pattern)
{
	struct rig r;

	make(&r);
	transfer_in(&r, ops, size, pattern);
}

static void every_size_and_pattern_arrives_exact(void **state)
{
	static const size_t sizes[] = { 0, 1, 16383, 16384, 16385, 65535, MB };

	for (size_t f = 0; f < ARRAY_SIZE(all); f++)
		for (size_t i = 0; usable(all[f]) && i < ARRAY_SIZE(sizes); i++)
			for (enum pattern p = WHOLE; p <= RANDOM; p++)
				if (p != BYTES || sizes[i] <= 16385)
					transfer(all[f], sizes[i], p);
}

static void a_hundred_megabytes_arrive_exact(void **state)
{
	for (size_t f = 0; f < ARRAY_SIZE(all); f++)
		if (usable(all[f]))
			transfer(all[f], 100 * MB, WHOLE);
}

static void every_pair_of_families_arrives_exact(void **state)
{
	static const char *const ips[] = { "127.0.0.1", "::1", "::ffff:127.0.0.1" };

	for (size_t f = 0; f < ARRAY_SIZE(all); f++)
		for (size_t i = 0; usable(all[f]) && i < 9; i++) {
			struct rig r;

			make_at(&r, ips[i / 3], ips[i % 3]);
			transfer_in(&r, all[f], MB + 1, RANDOM);
		}
}

static void without_pipes_the_bytes_are_copied_and_counted(void **state)
{
	struct rlimit old, none;
	struct rig r;

	make(&r);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	none = (struct rlimit){ .rlim_cur = 0, .rlim_max = old.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	transfer_in(&r, &pw_forward_splice, MB, WHOLE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_true(no_pipes > 0);
	assert_int_equal(small_pipes, 0);
}

/* A user whose pipe pages are used up gets the smallest of pipes. */
static int hoard[128] = { [0 ... 127] = -1 };

static void use_up_pipes(struct rig *r)
{
	int pipes[2];

	/* The system call: of this thread alone. */
	if (syscall(SYS_setresuid, POOR_UID, POOR_UID, POOR_UID) < 0)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(hoard); i++) {
		if (pipe2(pipes, O_CLOEXEC) < 0)
			return;
		close(pipes[1]);
		hoard[i] = pipes[0];
		if (fcntl(pipes[0], F_SETPIPE_SZ, MB) < 0)
			return;
	}
}

static void small_pipes_carry_all_and_are_counted(void **state)
{
	struct rig r;

	if (geteuid() != 0)
		skip();
	make(&r);
	r.before = use_up_pipes;
	transfer_in(&r, &pw_forward_splice, MB, WHOLE);
	for (size_t i = 0; i < ARRAY_SIZE(hoard); i++)
		pw_closep(&hoard[i]);
	assert_true(small_pipes > 0);
	assert_int_equal(no_pipes, 0);
}

/* A socket can be in the sockmap once: the flow's own entry for it is refused. */
static void half_joined_flow_is_whole_and_counted(void **state)
{
	struct rig r;

	if (!kernel) {
		print_message("SKIP sockmap: %s\n", no_sockmap);
		skip();
	}
	make(&r);
	assert_int_equal(pw_sock_put(kernel, UINT64_MAX, r.flow.legs[0].fd), 0);
	go(&r, &pw_forward_sockmap);
	transfer_in(&r, &pw_forward_sockmap, MB, RANDOM);
	assert_int_equal(half_joined, 1);
	transfer(&pw_forward_sockmap, MB, RANDOM);
	assert_int_equal(half_joined, 0);
}

static void first_bytes_need_no_second_send(void **state)
{
	for (size_t f = 0; f < ARRAY_SIZE(all); f++) {
		struct rig r;
		char in[8];

		if (!usable(all[f]))
			continue;
		make(&r);
		assert_int_equal(send(r.client, "request", 7, 0), 7);
		go(&r, all[f]);
		assert_int_equal(recv(r.server, in, 7, MSG_WAITALL), 7);
		assert_int_equal(send(r.server, "reply", 5, 0), 5);
		assert_int_equal(recv(r.client, in, 5, MSG_WAITALL), 5);
		shutdown(r.client, SHUT_WR);
		shutdown(r.server, SHUT_WR);
		finish(&r, PW_FORWARD_DONE);
	}
}

static void half_close(const struct pw_forward_ops *ops, bool client_first)
{
	struct rig r;
	int64_t start_ms;
	int first, second;
	char in[8];

	make(&r);
	go(&r, ops);
	first = client_first ? r.client : r.server;
	second = client_first ? r.server : r.client;
	assert_int_equal(send(first, "bye", 3, 0), 3);
	shutdown(first, SHUT_WR);
	start_ms = pw_now_mono_ms();
	assert_int_equal(recv(second, in, 3, MSG_WAITALL), 3);
	assert_int_equal(recv(second, in, 1, 0), 0);
	assert_true(pw_now_mono_ms() - start_ms < 1000);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(send(second, "more", 4, 0), 4);
		assert_int_equal(recv(first, in, 4, MSG_WAITALL), 4);
	}
	shutdown(second, SHUT_WR);
	assert_int_equal(recv(first, in, 1, 0), 0);
	finish(&r, PW_FORWARD_DONE);
}

static void half_close_passes_and_the_other_way_lives_on(void **state)
{
	for (size_t f = 0; f < ARRAY_SIZE(all); f++)
		for (int i = 0; usable(all[f]) && i < 2; i++)
			half_close(all[f], i);
}

static void reset(const struct pw_forward_ops *ops, bool client_first)
{
	const struct linger now = { .l_onoff = 1 };
	uint8_t data[5000] = { 0 };
	size_t got = 0;
	struct rig r;
	int *first, second;
	ssize_t n;

	make(&r);
	go(&r, ops);
	first = client_first ? &r.client : &r.server;
	second = client_first ? r.server : r.client;
	assert_int_equal(send(*first, data, sizeof(data), 0), sizeof(data));
	/* Sent and received by the gateway's kernel: a reset drops what is still in the sender's
	 * queue. */
	for (int left = 1; left;)
		ioctl(*first, TIOCOUTQ, &left);
	setsockopt(*first, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	pw_closep(first);
	while ((n = recv(second, data, sizeof(data), 0)) > 0)
		got += (size_t)n;
	assert_int_equal(n, -1);
	assert_int_equal(errno, ECONNRESET);
	assert_int_equal(got, sizeof(data));
	finish(&r, PW_FORWARD_RESET);
}

static void reset_stays_a_reset_behind_what_came_before(void **state)
{
	for (size_t f = 0; f < ARRAY_SIZE(all); f++)
		for (int i = 0; usable(all[f]) && i < 2; i++)
			reset(all[f], i);
}

/* Until the sender has been blocked for 300 ms. */
static size_t push_until_blocked(int fd)
{
	static uint8_t data[65536];
	int64_t moved_ms = pw_now_mono_ms();
	size_t total = 0;

	while (pw_now_mono_ms() - moved_ms < 300 && total < 2 * HELD_MAX) {
		ssize_t n = send(fd, data, sizeof(data), MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n > 0) {
			total += (size_t)n;
			moved_ms = pw_now_mono_ms();
		} else {
			usleep(1000);
		}
	}
	return total;
}

static void deaf_reader_stops_its_sender(void **state)
{
	for (size_t f = 0; f < ARRAY_SIZE(all); f++) {
		static uint8_t data[262144];
		size_t pushed, got = 0;
		struct rig r;
		int64_t waits;
		ssize_t n;

		if (!usable(all[f]))
			continue;
		make(&r);
		go(&r, all[f]);
		pushed = push_until_blocked(r.client);
		print_message("%u holds %zu KB\n", all[f]->id, pushed / 1024);
		assert_in_range(pushed, 1, HELD_MAX);
		waits = r.waits;
		usleep(200000);
		assert_true(r.waits - waits < 100); /* blocked is not busy */
		shutdown(r.client, SHUT_WR);
		while ((n = recv(r.server, data, sizeof(data), 0)) > 0)
			got += (size_t)n;
		assert_int_equal(n, 0);
		assert_int_equal(got, pushed);
		shutdown(r.server, SHUT_WR);
		finish(&r, PW_FORWARD_DONE);
	}
}

static void end_waits_for_the_backlog_of_a_slow_reader(void **state)
{
	for (size_t f = 0; f < ARRAY_SIZE(all); f++) {
		struct stream out, in;
		struct rig r;

		if (!usable(all[f]))
			continue;
		make(&r);
		go(&r, all[f]);
		out = (struct stream){ .fd = r.client, .size = 48 * MB, .seed = 5 };
		in = (struct stream){ .fd = r.server, .seed = 5 };
		start(&out, write_stream);
		usleep(500000);
		start(&in, read_stream);
		pthread_join(out.thread, NULL);
		pthread_join(in.thread, NULL);
		assert_true(in.ended);
		assert_int_equal(in.good, out.size);
		shutdown(r.server, SHUT_WR);
		finish(&r, PW_FORWARD_DONE);
	}
}

static void gone_receiver_stops_the_pull(void **state)
{
	for (size_t f = 0; f < ARRAY_SIZE(all); f++) {
		const struct linger now = { .l_onoff = 1 };
		struct stream out;
		struct rig r;

		if (!usable(all[f]))
			continue;
		make(&r);
		go(&r, all[f]);
		out = (struct stream){ .fd = r.server, .size = 1024 * (size_t)MB, .seed = 5 };
		start(&out, write_stream);
		usleep(50000);
		setsockopt(r.client, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
		pw_closep(&r.client);
		pthread_join(out.thread, NULL);
		assert_true(out.error == ECONNRESET || out.error == EPIPE);
		finish(&r, PW_FORWARD_RESET);
	}
}

static void copy_serves_when_nothing_better_can(void **state)
{
	const enum pw_forwarder allowed[] = { PW_FORWARDER_PACKET, PW_FORWARDER_SOCKMAP,
					      PW_FORWARDER_NONE };
	struct rig r;

	make(&r);
	r.env.kernel = NULL;
	pw_flow_start(&r.flow, allowed, pw_now_mono_ms());
	assert_ptr_equal(r.flow.ops, &pw_forward_copy);
	assert_string_equal(r.flow.why, "sockmap is not available on this host");
	assert_int_equal(pthread_create(&r.thread, NULL, pump, &r), 0);
	shutdown(r.client, SHUT_WR);
	shutdown(r.server, SHUT_WR);
	finish(&r, PW_FORWARD_DONE);
}

static void allow(bool on)
{
	struct pw_policy_entry e = { .key = policy, .value = { .action = PW_ACTION_ALLOW } };
	struct pw_kernel_state want = { .policies = &e, .n_policies = on };
	struct pw_err err = PW_ERR_INIT;

	assert_int_equal(pw_kernel_stage(kernel, &want, &err), 0);
	pw_kernel_publish(kernel);
}

static void deny_cuts_a_sockmap_flow_at_once(void **state)
{
	struct rig r;
	char in[8];

	if (!kernel) {
		print_message("SKIP sockmap: %s\n", no_sockmap);
		skip();
	}
	make(&r);
	go(&r, &pw_forward_sockmap);
	assert_int_equal(send(r.client, "one", 3, 0), 3);
	assert_int_equal(recv(r.server, in, 3, MSG_WAITALL), 3);
	allow(false);
	assert_int_equal(send(r.client, "two", 3, 0), 3);
	/* The verdict drops it; the worker resets with its next event, here at the latest. */
	shutdown(r.client, SHUT_WR);
	assert_int_equal(recv(r.server, in, 3, 0), -1);
	assert_int_equal(errno, ECONNRESET);
	finish(&r, PW_FORWARD_RESET);
	allow(true);
}

static void sockmap_moves_bytes_without_us(void **state)
{
	struct pw_flow_value v;
	uint64_t cookie;
	struct rig r;
	char in[8];

	if (!kernel) {
		print_message("SKIP sockmap: %s\n", no_sockmap);
		skip();
	}
	make(&r);
	cookie = r.flow.cookies[0];
	go(&r, &pw_forward_sockmap);
	for (int i = 0; i < 200; i++) {
		assert_int_equal(send(r.client, "ping", 4, 0), 4);
		assert_int_equal(recv(r.server, in, 4, MSG_WAITALL), 4);
		assert_int_equal(send(r.server, "pong", 4, 0), 4);
		assert_int_equal(recv(r.client, in, 4, MSG_WAITALL), 4);
	}
	assert_int_equal(pw_flow_get(kernel, cookie, &v), 0);
	assert_int_equal(v.paused, 0);
	assert_in_range(v.redirected, 4 * 190, 4 * 200);
	shutdown(r.client, SHUT_WR);
	shutdown(r.server, SHUT_WR);
	finish(&r, PW_FORWARD_DONE);
	assert_int_equal(pw_flow_get(kernel, cookie, &v), -ENOENT);
}

static int setup(void **state)
{
	signal(SIGPIPE, SIG_IGN);
	base = event_base_new();
	kernel = sandbox_kernel(base, MB, no_sockmap, sizeof(no_sockmap));
	if (kernel)
		allow(true);
	return 0;
}

static int teardown(void **state)
{
	pw_kernel_close(&kernel);
	event_base_free(base);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_bytes_need_no_second_send),
		cmocka_unit_test(every_size_and_pattern_arrives_exact),
		cmocka_unit_test(every_pair_of_families_arrives_exact),
		cmocka_unit_test(without_pipes_the_bytes_are_copied_and_counted),
		cmocka_unit_test(small_pipes_carry_all_and_are_counted),
		cmocka_unit_test(half_joined_flow_is_whole_and_counted),
		cmocka_unit_test(half_close_passes_and_the_other_way_lives_on),
		cmocka_unit_test(reset_stays_a_reset_behind_what_came_before),
		cmocka_unit_test(deaf_reader_stops_its_sender),
		cmocka_unit_test(end_waits_for_the_backlog_of_a_slow_reader),
		cmocka_unit_test(gone_receiver_stops_the_pull),
		cmocka_unit_test(copy_serves_when_nothing_better_can),
		cmocka_unit_test(sockmap_moves_bytes_without_us),
		cmocka_unit_test(deny_cuts_a_sockmap_flow_at_once),
		cmocka_unit_test(a_hundred_megabytes_arrive_exact),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
