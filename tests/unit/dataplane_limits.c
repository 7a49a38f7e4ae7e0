// SPDX-License-Identifier: Apache-2.0
/*
 * Each limit of the gateway: what happens at it and what just below it, the reason and the counter
 * that tell of it, and that those whom it does not concern are served meanwhile.
 */
#include "dataplane_caller.h"
#include <dirent.h>
#include <sys/resource.h>

#define STRANGERS 300

static uint64_t reached(struct world *w, enum pw_limit limit)
{
	struct pw_dataplane_counters c;

	pw_dataplane_counters(w->d, &c);
	return c.limits[limit];
}

static void expect_reset(int fd)
{
	char byte;

	assert_int_equal(recv(fd, &byte, 1, 0), -1);
	assert_int_equal(errno, ECONNRESET);
	close(fd);
}

static unsigned count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

/* --- unfinished handshakes ----------------------------------------------------------------------
 */
struct stranger {
	const char *name;
	const void *bytes;
	size_t len;
};

static void start_one(struct stranger *s, int fd)
{
	if (s->len)
		assert_int_equal(send(fd, s->bytes, s->len, MSG_NOSIGNAL), s->len);
}

static void expect_service(struct world *w, struct pw_identity *id)
{
	struct caller c;

	assert_true(call(&c, w, id, BILLING, TLS1_3_VERSION, NULL, NULL));
	expect_echo(&c);
	SSL_shutdown(c.ssl);
	hang_up(&c);
}

static void wait_for_reset(int fd)
{
	char data[8192];
	ssize_t n;

	/* Whatever came before (a ServerHello), a reset is the end. */
	while ((n = recv(fd, data, sizeof(data), 0)) > 0)
		;
	assert_int_equal(n, -1);
	assert_int_equal(errno, ECONNRESET);
	close(fd);
}

static void many_unfinished(struct world *w, struct stranger *s, struct pw_identity *good)
{
	int64_t start_ms = pw_now_mono_ms();
	unsigned counted = w->seen[PW_REASON_HANDSHAKE_TIMEOUT];
	uint64_t total = pw_reason_total(PW_REASON_HANDSHAKE_TIMEOUT);
	int fds[STRANGERS];

	for (int i = 0; i < STRANGERS; i++) {
		fds[i] = dial_port(w->port);
		start_one(s, fds[i]);
	}
	WAIT_FOR(w, pw_dataplane_connections(w->d) >= STRANGERS);
	for (int i = 0; i < 5; i++)
		expect_service(w, good);
	for (int i = 0; i < STRANGERS; i++)
		wait_for_reset(fds[i]);
	assert_in_range(pw_now_mono_ms() - start_ms, 2000, 9000);
	WAIT_FOR(w, w->seen[PW_REASON_HANDSHAKE_TIMEOUT] == counted + STRANGERS);
	assert_int_equal(pw_reason_total(PW_REASON_HANDSHAKE_TIMEOUT), total + STRANGERS);
	WAIT_FOR(w, pw_dataplane_connections(w->d) == 0);
}

static void unfinished_handshakes_are_cut_and_others_served(void **state)
{
	struct pw_limits limits = plain_limits;
	char hello[4096];
	struct stranger kinds[] = {
		{ "connect only", "", 0 },
		{ "three bytes", "\x16\x03\x01", 3 },
		{ "a header that promises 16 KB", "\x16\x03\x01\x40\x00\x01", 6 },
		{ "stop after ServerHello", hello, make_hello(BILLING, hello, sizeof(hello)) },
	};
	struct pw_identity *good;
	unsigned before;
	struct world w;

	/* All are strangers here, so their half is what must do. */
	limits.handshake_timeout_ms = 2500;
	limits.max_pending_handshakes = 2 * STRANGERS + 20;
	world_start(&w, &limits);
	pw_dataplane_publish(w.d, routes(&w, allow_web), NULL);
	good = service_of(&w.east, EAST_TD, "web");
	expect_service(&w, good);
	WAIT_FOR(&w, pw_dataplane_connections(w.d) == 0);
	before = count_fds();
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		many_unfinished(&w, &kinds[i], good);
	WAIT_FOR(&w, count_fds() <= before);
	assert_int_equal(w.seen[PW_REASON_LIMIT], 0);
	pw_identity_unref(&good);
	world_stop(&w);
}

static void a_trickle_buys_no_time(void **state)
{
	struct pw_limits limits = plain_limits;
	int64_t start_ms = pw_now_mono_ms();
	char hello[4096];
	size_t len = make_hello(BILLING, hello, sizeof(hello));
	struct world w;
	int fd;

	limits.handshake_timeout_ms = 600;
	world_start(&w, &limits);
	pw_dataplane_publish(w.d, routes(&w, allow_web), NULL);
	fd = dial_port(w.port);
	for (size_t i = 0; i < len && pw_now_mono_ms() - start_ms < 5000; i++) {
		if (send(fd, &hello[i], 1, MSG_NOSIGNAL) < 0)
			break;
		usleep(50000);
	}
	assert_in_range(pw_now_mono_ms() - start_ms, 500, 4000);
	close(fd);
	WAIT_FOR(&w, w.seen[PW_REASON_HANDSHAKE_TIMEOUT] == 1);
	world_stop(&w);
}

/* --- how many -----------------------------------------------------------------------------------
 */
static void connections_in_all_are_limited(void **state)
{
	struct pw_limits limits = plain_limits;
	struct world w;
	int fds[4];

	limits.max_connections = 3;
	world_start(&w, &limits);
	for (unsigned i = 0; i < 3; i++) {
		fds[i] = dial_port(w.port);
		WAIT_FOR(&w, pw_dataplane_connections(w.d) == i + 1);
	}
	expect_reset(dial_port(w.port));
	WAIT_FOR(&w, w.seen[PW_REASON_LIMIT] == 1);
	assert_string_equal(w.last[PW_REASON_LIMIT].detail, "max_connections");
	assert_int_equal(reached(&w, PW_LIMIT_CONNECTIONS), 1);
	/* One that goes makes room for another. */
	close(fds[0]);
	WAIT_FOR(&w, pw_dataplane_connections(w.d) == 2);
	fds[0] = dial_port(w.port);
	WAIT_FOR(&w, pw_dataplane_connections(w.d) == 3);
	for (int i = 0; i < 3; i++)
		close(fds[i]);
	WAIT_FOR(&w, pw_dataplane_connections(w.d) == 0);
	assert_int_equal(reached(&w, PW_LIMIT_CONNECTIONS), 1);
	world_stop(&w);
}

static int dial_from(const char *source, uint16_t port)
{
	struct pw_addr from, to = loopback(port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(pw_addr_parse(source, 0, &from), 0);
	assert_int_equal(bind(fd, &from.u.sa, from.len), 0);
	assert_int_equal(connect(fd, &to.u.sa, to.len), 0);
	return fd;
}

static void connections_of_one_source_are_limited(void **state)
{
	struct pw_limits limits = plain_limits;
	struct world w;
	int fds[3];

	limits.max_connections_per_source = 2;
	world_start(&w, &limits);
	for (unsigned i = 0; i < 2; i++) {
		fds[i] = dial_from("127.0.0.2", w.port);
		WAIT_FOR(&w, pw_dataplane_connections(w.d) == i + 1);
	}
	expect_reset(dial_from("127.0.0.2", w.port));
	WAIT_FOR(&w, w.seen[PW_REASON_LIMIT] == 1);
	assert_string_equal(w.last[PW_REASON_LIMIT].detail, "max_connections_per_source");
	assert_int_equal(reached(&w, PW_LIMIT_CONNECTIONS_PER_SOURCE), 1);
	/* Others have their own share. */
	fds[2] = dial_from("127.0.0.3", w.port);
	WAIT_FOR(&w, pw_dataplane_connections(w.d) == 3);
	for (int i = 0; i < 3; i++)
		close(fds[i]);
	WAIT_FOR(&w, pw_dataplane_connections(w.d) == 0);
	fds[0] = dial_from("127.0.0.2", w.port);
	WAIT_FOR(&w, pw_dataplane_connections(w.d) == 1);
	close(fds[0]);
	world_stop(&w);
}

/* Of max pending handshakes strangers have half, and at least one. */
static void strangers_leave_room(uint32_t max, uint32_t share)
{
	struct pw_limits limits = plain_limits;
	struct pw_routing *r;
	struct world w;
	int fds[8], n = 0;

	limits.max_pending_handshakes = max;
	world_start(&w, &limits);
	r = routes(&w, allow_web);
	pw_strv_add(&r->known, "127.0.0.9");
	pw_dataplane_publish(w.d, r, NULL);
	/* The routes are known when this one is judged by them. */
	fds[0] = dial_from("127.0.0.9", w.port);
	assert_int_equal(send(fds[0], "x", 1, MSG_NOSIGNAL), 1);
	WAIT_FOR(&w, w.seen[PW_REASON_NOT_TLS] == 1);
	close(fds[0]);
	for (uint32_t i = 0; i < share; i++) {
		fds[n++] = dial_from("127.0.0.2", w.port);
		WAIT_FOR(&w, pw_dataplane_connections(w.d) == i + 1);
	}
	expect_reset(dial_from("127.0.0.3", w.port));
	WAIT_FOR(&w, w.seen[PW_REASON_LIMIT] == 1);
	assert_string_equal(w.last[PW_REASON_LIMIT].detail, "max_pending_handshakes");
	assert_int_equal(reached(&w, PW_LIMIT_PENDING_HANDSHAKES), 1);
	for (uint32_t i = share; i < max; i++) {
		fds[n++] = dial_from("127.0.0.9", w.port);
		WAIT_FOR(&w, pw_dataplane_connections(w.d) == i + 1);
	}
	expect_reset(dial_from("127.0.0.9", w.port));
	WAIT_FOR(&w, reached(&w, PW_LIMIT_PENDING_HANDSHAKES) == 2);
	while (n)
		close(fds[--n]);
	WAIT_FOR(&w, pw_dataplane_connections(w.d) == 0);
	world_stop(&w);
}

static void strangers_share_half_of_the_handshakes(void **state)
{
	strangers_leave_room(6, 3);
	strangers_leave_room(1, 1);
}

static void hello_bytes_are_limited(void **state)
{
	struct pw_limits limits = plain_limits;
	char hello[4096];
	size_t len = make_hello(BILLING, hello, sizeof(hello));
	struct world w;
	int fd;

	for (int more = 0; more < 2; more++) {
		uint64_t before = pw_reason_total(PW_REASON_HELLO_TOO_BIG);

		limits.hello_bytes = (uint32_t)len - (uint32_t)more;
		world_start(&w, &limits);
		pw_dataplane_publish(w.d, routes(&w, allow_web), NULL);
		fd = dial_port(w.port);
		/* The length alone decides: the rest is not waited for. */
		assert_int_equal(send(fd, hello, more ? 9 : len, MSG_NOSIGNAL), more ? 9 : len);
		if (more) {
			expect_reset(fd);
			WAIT_FOR(&w, w.seen[PW_REASON_HELLO_TOO_BIG] == 1);
			assert_int_equal(pw_reason_total(PW_REASON_HELLO_TOO_BIG), before + 1);
		} else {
			assert_int_equal(recv(fd, hello + sizeof(hello) - 1, 1, 0), 1);
			close(fd);
			WAIT_FOR(&w, pw_dataplane_connections(w.d) == 0);
			assert_int_equal(w.seen[PW_REASON_HELLO_TOO_BIG], 0);
		}
		world_stop(&w);
	}
}

/* --- how long -----------------------------------------------------------------------------------
 */
/* A listener whose backlog is full answers no SYN. */
static int deaf_listener(uint16_t *ret_port, int fillers[2])
{
	struct pw_addr a = loopback(0);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, &a.u.sa, a.len), 0);
	assert_int_equal(listen(fd, 0), 0);
	assert_int_equal(getsockname(fd, &a.u.sa, &a.len), 0);
	for (int i = 0; i < 2; i++) {
		fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		connect(fillers[i], &a.u.sa, a.len);
	}
	*ret_port = pw_addr_port(&a);
	return fd;
}

struct local {
	struct world w;
	uint16_t port, service_port;
};

static void publish_local(struct local *l)
{
	static const struct rule rules[] = { { "", "web", "billing" }, { 0 } };
	struct pw_routing *r = routes(&l->w, rules);
	struct pw_egress *e = pw_new0(struct pw_egress);

	e->id = pw_xstrdup("local");
	e->bind = loopback(l->port);
	e->source = pw_xstrdup("web");
	e->destination = pw_xstrdup("billing");
	e->peer = pw_xstrdup("");
	e->endpoints = one_endpoint(l->service_port);
	e->n_endpoints = 1;
	pw_routing_add_egress(r, e);
	pw_dataplane_publish(l->w.d, r, NULL);
}

static void local_start(struct local *l, const struct pw_limits *limits)
{
	world_start(&l->w, limits);
	l->port = free_port();
	l->service_port = l->w.echo_port;
	publish_local(l);
}

static void plain_echo(int fd)
{
	char in[5];

	assert_int_equal(send(fd, "hello", 5, MSG_NOSIGNAL), 5);
	assert_int_equal(recv(fd, in, 5, MSG_WAITALL), 5);
}

static void a_deaf_service_is_given_up(void **state)
{
	uint64_t before = pw_reason_total(PW_REASON_UPSTREAM_TIMEOUT);
	struct pw_limits limits = plain_limits;
	int64_t start_ms;
	int deaf, fillers[2];
	struct local l;

	limits.connect_timeout_ms = 300;
	local_start(&l, &limits);
	deaf = deaf_listener(&l.service_port, fillers);
	publish_local(&l);
	start_ms = pw_now_mono_ms();
	expect_reset(dial_port(l.port));
	assert_in_range(pw_now_mono_ms() - start_ms, 250, 4000);
	WAIT_FOR(&l.w, l.w.seen[PW_REASON_UPSTREAM_TIMEOUT] == 1);
	assert_int_equal(pw_reason_total(PW_REASON_UPSTREAM_TIMEOUT), before + 1);
	close(deaf);
	close(fillers[0]);
	close(fillers[1]);
	world_stop(&l.w);
}

static void silence_is_limited(void **state)
{
	struct pw_limits limits = plain_limits;
	int64_t start_ms;
	struct local l;
	int fd;

	limits.idle_timeout_ms = 1000;
	local_start(&l, &limits);
	fd = dial_port(l.port);
	/* Who speaks now and then is not idle. */
	for (int i = 0; i < 5; i++) {
		plain_echo(fd);
		usleep(300000);
	}
	assert_int_equal(reached(&l.w, PW_LIMIT_IDLE_TIMEOUT), 0);
	plain_echo(fd);
	start_ms = pw_now_mono_ms();
	expect_reset(fd);
	assert_in_range(pw_now_mono_ms() - start_ms, 900, 4000);
	WAIT_FOR(&l.w, l.w.seen[PW_REASON_LIMIT] == 1);
	assert_string_equal(l.w.last[PW_REASON_LIMIT].detail, "idle_timeout");
	assert_int_equal(reached(&l.w, PW_LIMIT_IDLE_TIMEOUT), 1);
	WAIT_FOR(&l.w, l.w.echo_resets == 1);
	world_stop(&l.w);
}

/* A service that is silent: its listener accepts, and we are the service. */
static int half_closed(struct local *l, int *ret_client, int64_t quiet_ms)
{
	int listener = listen_any(&l->service_port), service;

	publish_local(l);
	*ret_client = dial_port(l->port);
	service = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(service >= 0);
	usleep((useconds_t)quiet_ms * 1000);
	shutdown(*ret_client, SHUT_WR);
	close(listener);
	return service;
}

static void a_half_closed_flow_is_limited(void **state)
{
	struct pw_limits limits = plain_limits;
	int client, service;
	int64_t start_ms;
	struct local l;
	char byte;

	limits.half_close_timeout_ms = 400;
	local_start(&l, &limits);
	service = half_closed(&l, &client, 0);
	start_ms = pw_now_mono_ms();
	assert_int_equal(recv(service, &byte, 1, 0), 0);
	/* The answer is not there in time. */
	expect_reset(client);
	assert_in_range(pw_now_mono_ms() - start_ms, 350, 4000);
	WAIT_FOR(&l.w, l.w.seen[PW_REASON_LIMIT] == 1);
	assert_string_equal(l.w.last[PW_REASON_LIMIT].detail, "half_close_timeout");
	assert_int_equal(reached(&l.w, PW_LIMIT_HALF_CLOSE_TIMEOUT), 1);
	close(service);
	world_stop(&l.w);
}

/* A full window is not unacknowledged data. */
static void a_reader_that_rests_is_waited_for(void **state)
{
	struct pw_limits limits = plain_limits;
	int listener, client, service;
	size_t sent = 0, got = 0;
	static uint8_t data[65536];
	struct local l;
	ssize_t n;

	limits.unacked_timeout_ms = 500;
	local_start(&l, &limits);
	listener = listen_any(&l.service_port);
	publish_local(&l);
	client = dial_port(l.port);
	service = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	for (int64_t end_ms = pw_now_mono_ms() + 3000; pw_now_mono_ms() < end_ms;) {
		n = send(client, data, sizeof(data), MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n > 0)
			sent += (size_t)n;
		else
			usleep(1000);
	}
	shutdown(client, SHUT_WR);
	while ((n = recv(service, data, sizeof(data), 0)) > 0)
		got += (size_t)n;
	assert_int_equal(n, 0);
	assert_int_equal(got, sent);
	assert_int_equal(reached(&l.w, PW_LIMIT_UNACKED_TIMEOUT), 0);
	close(client);
	close(service);
	close(listener);
	world_stop(&l.w);
}

static void half_close_after_a_long_silence_still_gets_its_answer(void **state)
{
	struct pw_limits limits = plain_limits;
	int client, service;
	struct local l;
	char in[6];

	limits.half_close_timeout_ms = 1000;
	local_start(&l, &limits);
	service = half_closed(&l, &client, 1300);
	assert_int_equal(recv(service, in, 1, 0), 0);
	usleep(100000);
	assert_int_equal(send(service, "answer", 6, MSG_NOSIGNAL), 6);
	shutdown(service, SHUT_WR);
	assert_int_equal(recv(client, in, 6, MSG_WAITALL), 6);
	assert_int_equal(recv(client, in, 1, 0), 0);
	assert_int_equal(reached(&l.w, PW_LIMIT_HALF_CLOSE_TIMEOUT), 0);
	close(client);
	close(service);
	world_stop(&l.w);
}

/* Three fds are left: for our socket, the gateway's end of it, and its socket to the service. */
static void a_flow_without_a_pipe_is_served_and_counted(void **state)
{
	int fillers[512], n = 0, fd, listener, service;
	struct pw_dataplane_counters c;
	struct rlimit old, low;
	struct local l;

	local_start(&l, &plain_limits);
	listener = listen_any(&l.service_port);
	publish_local(&l);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	low = (struct rlimit){ .rlim_cur = 256, .rlim_max = old.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	while (n < 512 && (fillers[n] = dup(0)) >= 0)
		n++;
	assert_true(n > 3);
	for (int i = 0; i < 3; i++)
		close(fillers[--n]);
	fd = dial_port(l.port);
	WAIT_FOR(&l.w, ({
		pw_dataplane_counters(l.w.d, &c);
		c.no_pipes > 0;
	}));
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	while (n)
		close(fillers[--n]);
	service = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_int_equal(send(fd, "hello", 5, MSG_NOSIGNAL), 5);
	assert_int_equal(recv(service, (char[5]){ 0 }, 5, MSG_WAITALL), 5);
	close(service);
	close(listener);
	close(fd);
	world_stop(&l.w);
}

/* Its window is full, so that the alert stays with us for as long as we are ready to wait. */
static void a_refused_caller_is_pending_until_it_is_gone(void **state)
{
	pw_autofree char *name = pw_xcalloc(1, 6001), *uri = NULL;
	struct pw_limits limits = plain_limits;
	struct pw_addr a;
	struct pw_routing *r;
	const int small = 1;
	char hello[4096];
	size_t len = make_hello(BILLING, hello, sizeof(hello));
	struct world w;
	int fd;

	limits.max_pending_handshakes = 2;
	world_start(&w, &limits);
	memset(name, 'a', 6000);
	uri = pw_xasprintf("spiffe://" OUR_TD "/ns/default/dc/dc1/svc/%s", name);
	r = routes(&w, allow_web);
	pw_identity_unref(&r->ingress[0]->identity);
	r->ingress[0]->identity = issue(&w.ours, uri, 3600);
	pw_dataplane_publish(w.d, r, NULL);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	a = loopback(w.port);
	assert_int_equal(connect(fd, &a.u.sa, a.len), 0);
	assert_int_equal(send(fd, hello, len, MSG_NOSIGNAL), len);
	assert_int_equal(send(fd, "\x17\x03\x03\x00\x20", 5, MSG_NOSIGNAL), 5);
	assert_int_equal(send(fd, hello, 32, MSG_NOSIGNAL), 32);
	WAIT_FOR(&w, w.seen[PW_REASON_HANDSHAKE_FAILED] == 1);
	expect_reset(dial_port(w.port));
	WAIT_FOR(&w, reached(&w, PW_LIMIT_PENDING_HANDSHAKES) == 1);
	/* And it is not waited for longer than a second. */
	WAIT_FOR(&w, pw_dataplane_connections(w.d) == 0);
	close(fd);
	world_stop(&w);
}

static void a_known_address_is_known_in_both_spellings(void **state)
{
	struct pw_routing *r = pw_routing_new();
	static const struct {
		const char *ip;
		bool known;
	} cases[] = { { "192.0.2.9", true },	     { "::ffff:192.0.2.9", true },
		      { "2001:db8::9", true },	     { "192.0.2.8", false },
		      { "::ffff:192.0.2.8", false }, { "2001:db8::8", false } };

	pw_strv_add(&r->known, "192.0.2.9");
	pw_strv_add(&r->known, "2001:db8::9");
	pw_routing_index(r);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct pw_addr a;

		assert_int_equal(pw_addr_parse(cases[i].ip, 1234, &a), 0);
		assert_int_equal(pw_routing_knows(r, &a), cases[i].known);
	}
	pw_routing_unref(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unfinished_handshakes_are_cut_and_others_served),
		cmocka_unit_test(a_trickle_buys_no_time),
		cmocka_unit_test(connections_in_all_are_limited),
		cmocka_unit_test(connections_of_one_source_are_limited),
		cmocka_unit_test(strangers_share_half_of_the_handshakes),
		cmocka_unit_test(a_refused_caller_is_pending_until_it_is_gone),
		cmocka_unit_test(a_known_address_is_known_in_both_spellings),
		cmocka_unit_test(a_flow_without_a_pipe_is_served_and_counted),
		cmocka_unit_test(hello_bytes_are_limited),
		cmocka_unit_test(a_deaf_service_is_given_up),
		cmocka_unit_test(silence_is_limited),
		cmocka_unit_test(a_half_closed_flow_is_limited),
		cmocka_unit_test(a_reader_that_rests_is_waited_for),
		cmocka_unit_test(half_close_after_a_long_silence_still_gets_its_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
