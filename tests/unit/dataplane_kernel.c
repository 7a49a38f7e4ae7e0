// SPDX-License-Identifier: Apache-2.0
/* Workers with the programs and maps loaded: what goes by sockmap, what `bpftool map dump` would
 * show, and what a changed policy does. Needs root. */
#include "dataplane_world.h"
#include "dataplane_sandbox.h"

#define PEER_ID	   7
#define SERVICE_ID 9

static struct event_base *base;
static struct pw_kernel *kernel;
static char missing[256];

static void stage(bool allowed)
{
	struct pw_policy_entry e = {
		.key = { .peer_id = PEER_ID, .destination_id = SERVICE_ID },
		.value = { .action = allowed ? PW_ACTION_ALLOW : PW_ACTION_DENY },
	};
	struct pw_kernel_state want = { .policies = &e, .n_policies = 1 };
	struct pw_err err = PW_ERR_INIT;

	if (pw_kernel_stage(kernel, &want, &err) < 0)
		fail_msg("%s", err.text);
	pw_kernel_publish(kernel);
}

static struct pw_routing *native_routes(struct world *w, const struct rule *rules)
{
	struct pw_routing *r = pw_routing_new();
	struct pw_ingress *in =
		ingress_of(w, BILLING, "east", "billing", NULL, PW_INGRESS_PASSTHROUGH);

	in->peer_id = PEER_ID;
	in->service_id = SERVICE_ID;
	r->policy = policy_of(rules);
	r->passthrough = true;
	pw_routing_add_ingress(r, in);
	return r;
}

static size_t make_hello(char *ret, size_t size)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = SSL_new(ctx);
	BIO *out = BIO_new(BIO_s_mem());
	int n;

	SSL_set_bio(ssl, BIO_new(BIO_s_mem()), out);
	SSL_set_tlsext_host_name(ssl, BILLING);
	SSL_connect(ssl);
	n = BIO_read(out, ret, (int)size);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	ERR_clear_error();
	assert_true(n > 0);
	return (size_t)n;
}

static void need_kernel(void)
{
	if (kernel)
		return;
	print_message("SKIP sockmap: %s\n", missing);
	skip();
}

static void say_hello(int fd, size_t *ret_len)
{
	char hello[4096], back[4096];
	size_t len = make_hello(hello, sizeof(hello));

	assert_int_equal(send(fd, hello, len, MSG_NOSIGNAL), len);
	assert_int_equal(recv(fd, back, len, MSG_WAITALL), len);
	assert_memory_equal(back, hello, len);
	*ret_len = len;
}

static void native_flow_goes_by_sockmap_and_is_cut_by_a_deny(void **state)
{
	struct pw_flow_info *flows = NULL;
	struct pw_flow_value v;
	struct world w;
	uint64_t cookie;
	size_t len, n = 0;
	char in[4];
	int fd;

	need_kernel();
	stage(true);
	world_start_with(&w, &plain_limits, kernel);
	pw_dataplane_publish(w.d, native_routes(&w, allow_web), NULL);
	fd = dial_port(w.port);
	say_hello(fd, &len);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(send(fd, "ping", 4, MSG_NOSIGNAL), 4);
		assert_int_equal(recv(fd, in, 4, MSG_WAITALL), 4);
	}
	assert_int_equal(pw_dataplane_flows(w.d, &flows, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(flows[0].forwarder, PW_FORWARDER_SOCKMAP);
	assert_int_equal(flows[0].bytes_in, len + 400);
	assert_int_equal(flows[0].bytes_out, len + 400);
	cookie = flows[0].id;
	free(flows);
	assert_int_equal(pw_flow_get(kernel, cookie, &v), 0);
	assert_string_equal(v.peer, "east");
	assert_string_equal(v.source, "opaque");
	assert_string_equal(v.destination, "billing");
	assert_true(v.redirected > 0);
	/* As apply does it: the maps first, then the routes. */
	stage(false);
	pw_dataplane_publish(w.d, native_routes(&w, allow_none), NULL);
	assert_int_equal(recv(fd, in, 1, 0), -1);
	assert_int_equal(errno, ECONNRESET);
	close(fd);
	WAIT_FOR(&w, pw_dataplane_connections(w.d) == 0);
	assert_int_equal(pw_flow_get(kernel, cookie, &v), -ENOENT);
	world_stop(&w);
}

static void local_flow_goes_by_sockmap_too(void **state)
{
	struct pw_flow_info *flows = NULL;
	struct pw_flow_value v;
	struct world w;
	size_t n = 0;
	struct pw_routing *r;
	struct pw_egress *e;
	uint16_t port;
	char in[4];
	int fd;

	need_kernel();
	world_start_with(&w, &plain_limits, kernel);
	r = routes(&w, (const struct rule[]){ { "", "web", "billing" }, { 0 } });
	e = pw_new0(struct pw_egress);
	port = free_port();
	e->id = pw_xstrdup("local");
	e->bind = loopback(port);
	e->source = pw_xstrdup("web");
	e->destination = pw_xstrdup("billing");
	e->peer = pw_xstrdup("");
	e->source_id = 21;
	e->destination_id = 22;
	e->endpoints = one_endpoint(w.echo_port);
	e->n_endpoints = 1;
	pw_routing_add_egress(r, e);
	{
		struct pw_policy_entry p = {
			.key = { .source_id = 21, .destination_id = 22 },
			.value = { .action = PW_ACTION_ALLOW },
		};
		struct pw_kernel_state want = { .policies = &p, .n_policies = 1 };

		assert_int_equal(pw_kernel_stage(kernel, &want, NULL), 0);
		pw_kernel_publish(kernel);
	}
	pw_dataplane_publish(w.d, r, NULL);
	fd = dial_port(port);
	for (int i = 0; i < 10; i++) {
		assert_int_equal(send(fd, "ping", 4, MSG_NOSIGNAL), 4);
		assert_int_equal(recv(fd, in, 4, MSG_WAITALL), 4);
	}
	assert_int_equal(pw_dataplane_flows(w.d, &flows, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(flows[0].direction, PW_DIRECTION_LOCAL);
	assert_int_equal(flows[0].forwarder, PW_FORWARDER_SOCKMAP);
	assert_int_equal(flows[0].bytes_in, 40);
	assert_int_equal(pw_flow_get(kernel, flows[0].id, &v), 0);
	assert_string_equal(v.source, "web");
	free(flows);
	shutdown(fd, SHUT_WR);
	assert_int_equal(recv(fd, in, 1, 0), 0);
	close(fd);
	WAIT_FOR(&w, pw_dataplane_connections(w.d) == 0);
	world_stop(&w);
}

static void a_dead_peer_is_given_up_after_the_unacked_limit(void **state)
{
	struct pw_dataplane_counters counters;
	struct pw_limits limits = plain_limits;
	int64_t start_ms, moved_ms;
	static char data[65536];
	struct world w;
	size_t len;
	int fd;

	need_kernel();
	stage(true);
	limits.unacked_timeout_ms = 600;
	world_start_with(&w, &limits, kernel);
	pw_dataplane_publish(w.d, native_routes(&w, allow_web), NULL);
	fd = dial_port(w.port);
	say_hello(fd, &len);
	moved_ms = pw_now_mono_ms();
	/* The echo is not read, so the gateway always has something to send. */
	while (pw_now_mono_ms() - moved_ms < 300) {
		if (send(fd, data, sizeof(data), MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
			moved_ms = pw_now_mono_ms();
		else
			usleep(1000);
	}
	start_ms = pw_now_mono_ms();
	assert_int_equal(set_loopback(false), 0);
	WAIT_FOR(&w, pw_dataplane_connections(w.d) == 0);
	assert_in_range(pw_now_mono_ms() - start_ms, 500, 5000);
	assert_int_equal(set_loopback(true), 0);
	pw_dataplane_counters(w.d, &counters);
	assert_true(counters.limits[PW_LIMIT_UNACKED_TIMEOUT] > 0);
	close(fd);
	world_stop(&w);
}

static void many_short_native_connections_leave_no_entry(void **state)
{
	struct world w;

	need_kernel();
	stage(true);
	world_start_with(&w, &plain_limits, kernel);
	pw_dataplane_publish(w.d, native_routes(&w, allow_web), NULL);
	for (int i = 0; i < 300; i++) {
		int fd = dial_port(w.port);
		struct pw_flow_info *flows = NULL;
		struct pw_flow_value v;
		size_t len, n = 0;

		say_hello(fd, &len);
		pw_dataplane_flows(w.d, &flows, &n);
		if (i % 2)
			reset_and_close(fd);
		else
			close(fd);
		WAIT_FOR(&w, pw_dataplane_connections(w.d) == 0);
		if (n == 1)
			assert_int_equal(pw_flow_get(kernel, flows[0].id, &v), -ENOENT);
		free(flows);
	}
	world_stop(&w);
}

static int setup(void **state)
{
	base = event_base_new();
	kernel = sandbox_kernel(base, 1 << 20, missing, sizeof(missing));
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
		cmocka_unit_test(native_flow_goes_by_sockmap_and_is_cut_by_a_deny),
		cmocka_unit_test(local_flow_goes_by_sockmap_too),
		cmocka_unit_test(a_dead_peer_is_given_up_after_the_unacked_limit),
		cmocka_unit_test(many_short_native_connections_leave_no_entry),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
