// SPDX-License-Identifier: Apache-2.0
/*
 * How a client gets its connection, and how it notices that it has none: names, addresses,
 * certificates, silence. When one breaks: client.c, transport.c.
 */
#include "rpc_pair.h"

static void tls_1_2_works_as_well(void **state)
{
	struct outcome o;
	struct pair p;

	pair_open(&p, true, "unary", &wide);
	pw_grpc_client_free(&p.conn);
	SSL_CTX_set_max_proto_version(p.ctx, TLS1_2_VERSION);
	dial_as(&p, "127.0.0.1", SERVER_NAME, &wide);
	unary_call(&p, &o);
	pair_close(&p);
}

static void names_are_resolved(void **state)
{
	struct outcome o;
	struct pair p;

	pair_open(&p, true, "unary", &wide);
	pw_grpc_client_free(&p.conn);
	dial_as(&p, "localhost", SERVER_NAME, &wide); /* ::1 is refused, then 127.0.0.1 */
	unary_call(&p, &o);
	pair_close(&p);
}

static void unresolved_name_ends_the_call(void **state)
{
	struct outcome o;
	struct pair p;

	pair_open(&p, true, "unary", &wide);
	pw_grpc_client_free(&p.conn);
	dial_as(&p, "no-such-host.invalid", SERVER_NAME, &wide);
	call(&p, "/t.Test/Do", &o);
	RUN_UNTIL(&p.w, o.n_ends == 1);
	assert_int_equal(o.code, PW_GRPC_UNAVAILABLE);
	assert_true(o.transport);
	assert_non_null(strstr(o.message, "no-such-host.invalid"));
	pair_close(&p);
}

static void client_freed_while_resolving_is_forgotten(void **state)
{
	struct outcome o;
	struct pair p;

	pair_open(&p, true, "unary", &wide);
	pw_grpc_client_free(&p.conn);
	dial_as(&p, "no-such-host.invalid", SERVER_NAME, &wide);
	call(&p, "/t.Test/Do", &o);
	pw_grpc_client_free(&p.conn);
	assert_int_equal(o.n_ends, 1);
	for (int i = 0; i < 5; i++)
		world_step(&p.w);
	pair_close(&p);
}

static void wrong_server_name_fails_the_handshake(void **state)
{
	struct outcome o;
	struct pair p;

	pair_open(&p, true, "unary", &wide);
	pw_grpc_client_free(&p.conn);
	dial_as(&p, "127.0.0.1", "server.dc2.peering.example.consul", &wide);
	call(&p, "/t.Test/Do", &o);
	RUN_UNTIL(&p.w, o.n_ends == 1);
	assert_int_equal(o.code, PW_GRPC_UNAVAILABLE);
	assert_true(o.transport);
	assert_non_null(strstr(o.message, "ostname mismatch"));
	assert_non_null(strstr(o.message, "127.0.0.1"));
	pair_close(&p);
}

static void foreign_root_fails_the_handshake(void **state)
{
	struct world other;
	struct outcome o;
	struct pair p;

	pair_open(&p, true, "unary", &wide);
	pw_grpc_client_free(&p.conn);
	world_open(&other, true, &wide, methods, ARRAY_SIZE(methods), &p.s);
	SSL_CTX_free(p.ctx);
	assert_int_equal(pw_grpc_client_ctx(&p.ctx, (const char *[]){ other.root_pem }, 1, NULL),
			 0);
	dial_as(&p, "127.0.0.1", SERVER_NAME, &wide);
	call(&p, "/t.Test/Do", &o);
	RUN_UNTIL(&p.w, o.n_ends == 1);
	assert_int_equal(o.code, PW_GRPC_UNAVAILABLE);
	assert_non_null(strstr(o.message, "certificate"));
	world_close(&other);
	pair_close(&p);
}

static void context_without_roots_is_refused(void **state)
{
	struct pw_err err = PW_ERR_INIT;
	SSL_CTX *ctx = NULL;

	assert_int_equal(pw_grpc_client_ctx(&ctx, NULL, 0, &err), -EINVAL);
	assert_int_equal(pw_grpc_client_ctx(&ctx, (const char *[]){ "nonsense" }, 1, &err),
			 -EINVAL);
	assert_null(ctx);
	assert_true(err.text[0]);
}

static void refused_port_names_the_address(void **state)
{
	struct outcome o;
	struct pair p;

	pair_open(&p, true, "unary", &wide);
	pw_grpc_client_free(&p.conn);
	p.w.port = 1;
	dial_as(&p, "127.0.0.1", SERVER_NAME, &wide);
	call(&p, "/t.Test/Do", &o);
	RUN_UNTIL(&p.w, o.n_ends == 1);
	assert_string_equal(o.message, "127.0.0.1:1: Connection refused");
	assert_true(o.transport);
	pair_close(&p);
}

static bool never(void *arg, const struct pw_addr *a)
{
	return false;
}

static void forbidden_address_is_not_dialed(void **state)
{
	struct pw_grpc_client_options opt = { .host = "127.0.0.1",
					      .may_dial = never,
					      .limits = wide };
	struct outcome o;
	struct pair p;

	pair_open(&p, false, "unary", &wide);
	pw_grpc_client_free(&p.conn);
	RUN_UNTIL(&p.w, p.w.n_accepted <= 1);
	opt.base = p.w.base;
	opt.port = p.w.port;
	assert_int_equal(pw_grpc_client_new(&p.conn, &opt, NULL), 0);
	call(&p, "/t.Test/Do", &o);
	RUN_UNTIL(&p.w, o.n_ends == 1);
	assert_int_equal(o.code, PW_GRPC_UNAVAILABLE);
	assert_non_null(strstr(o.message, "may not be dialed"));
	assert_true(p.w.n_accepted <= 1);
	pair_close(&p);
}

static void silent_server_times_out(void **state)
{
	const struct pw_grpc_limits lim = wide;
	struct pw_grpc_client_options opt = { .host = "127.0.0.1",
					      .server_name = SERVER_NAME,
					      .connect_timeout_ms = 100,
					      .limits = lim };
	struct outcome o;
	struct pair p;

	pair_open(&p, true, "unary", &wide);
	pw_grpc_client_free(&p.conn);
	p.w.mute = true;
	opt.base = p.w.base;
	opt.port = p.w.port;
	opt.ctx = p.ctx;
	assert_int_equal(pw_grpc_client_new(&p.conn, &opt, NULL), 0);
	call(&p, "/t.Test/Do", &o);
	RUN_UNTIL(&p.w, o.n_ends == 1);
	assert_int_equal(o.code, PW_GRPC_UNAVAILABLE);
	assert_non_null(strstr(o.message, "timed out"));
	pair_close(&p);
}

static void keepalive_finds_a_dead_server(void **state)
{
	struct pw_grpc_limits lim = wide;
	struct outcome o;
	struct pair p;

	pair_open(&p, false, "unary", &wide);
	pw_grpc_client_free(&p.conn);
	p.w.mute = true;
	lim.keepalive_ms = 50;
	lim.keepalive_timeout_ms = 50;
	dial_as(&p, "127.0.0.1", SERVER_NAME, &lim);
	call(&p, "/t.Test/Do", &o);
	RUN_UNTIL(&p.w, o.n_ends == 1);
	assert_int_equal(o.code, PW_GRPC_UNAVAILABLE);
	assert_non_null(strstr(o.message, "keepalive"));
	pair_close(&p);
}

static void keepalive_keeps_a_quiet_connection(void **state)
{
	struct pw_grpc_limits lim = wide;
	struct outcome o;
	struct pw_call *c;
	struct pair p;
	int64_t until;

	pair_open(&p, false, "hold", &wide);
	pw_grpc_client_free(&p.conn);
	lim.keepalive_ms = 20;
	lim.keepalive_timeout_ms = 2000;
	dial_as(&p, "127.0.0.1", SERVER_NAME, &lim);
	c = call(&p, "/t.Test/Do", &o);
	pw_call_send(c, "x", 1);
	RUN_UNTIL(&p.w, p.s.held);
	for (until = pw_now_mono_ms() + 300; pw_now_mono_ms() < until;)
		world_step(&p.w);
	assert_int_equal(o.n_ends, 0);
	pair_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tls_1_2_works_as_well),
		cmocka_unit_test(names_are_resolved),
		cmocka_unit_test(unresolved_name_ends_the_call),
		cmocka_unit_test(client_freed_while_resolving_is_forgotten),
		cmocka_unit_test(wrong_server_name_fails_the_handshake),
		cmocka_unit_test(foreign_root_fails_the_handshake),
		cmocka_unit_test(context_without_roots_is_refused),
		cmocka_unit_test(refused_port_names_the_address),
		cmocka_unit_test(forbidden_address_is_not_dialed),
		cmocka_unit_test(silent_server_times_out),
		cmocka_unit_test(keepalive_finds_a_dead_server),
		cmocka_unit_test(keepalive_keeps_a_quiet_connection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
