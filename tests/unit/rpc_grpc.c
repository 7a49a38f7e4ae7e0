// SPDX-License-Identifier: Apache-2.0
/*
 * Server and client against each other over loopback: calls of all shapes, limits, refusals, and
 * every way a call can end. Proves I1 to I3 of grpc.h. When one breaks: call.c for what happened to
 * the call, conn.c for when.
 */
#include "rpc_world.h"

static const struct pw_grpc_limits wide = { .max_receive_bytes = 8 << 20,
					    .max_streams = 100,
					    .max_send_queue_bytes = 16 << 20 };

/* Server side of all tests: one handler that does what the method's name says. */
struct service {
	const char *kind;
	size_t n_ends, n_half_closes;
	struct pw_grpc_status last; /* message is not kept */
	struct pw_call *held;
	bool trust;
};

static void serve_message(void *arg, struct pw_call *c, const uint8_t *data, size_t len)
{
	struct service *s = arg;

	if (s->trust)
		pw_call_trust(c);
	if (strcmp(s->kind, "hold") == 0) {
		s->held = c;
		return;
	}
	if (strcmp(s->kind, "details") == 0) {
		pw_call_finish(c, PW_GRPC_FAILED_PRECONDITION, "100% größer\n", "\x0a\x01\x02", 3);
		return;
	}
	assert_int_equal(pw_call_send(c, data, len), 0);
	if (strcmp(s->kind, "unary") == 0)
		pw_call_finish(c, PW_GRPC_OK, "", NULL, 0);
}

static void serve_half_close(void *arg, struct pw_call *c)
{
	struct service *s = arg;

	s->n_half_closes++;
	if (strcmp(s->kind, "chat") == 0)
		pw_call_finish(c, PW_GRPC_OK, "", NULL, 0);
}

static void serve_end(void *arg, struct pw_call *c, const struct pw_grpc_status *st)
{
	struct service *s = arg;

	s->n_ends++;
	s->last = *st;
	if (s->held == c)
		s->held = NULL;
}

static const struct pw_call_ops serve_ops = { serve_message, serve_half_close, serve_end, NULL };

static int open_any(void *arg, struct pw_call *c, const struct pw_call_ops **ret_ops,
		    void **ret_arg, struct pw_err *err)
{
	struct service *s = arg;

	if (strcmp(s->kind, "refuse") == 0) {
		pw_err_set(err, PW_ERR_DENIED, EACCES, "not for you: ü");
		return PW_GRPC_PERMISSION_DENIED;
	}
	*ret_ops = &serve_ops;
	*ret_arg = arg;
	return 0;
}

static const struct pw_grpc_method methods[] = { { "/t.Test/Do", open_any },
						 { "/t.Test/More", open_any } };

struct pair {
	struct world w;
	struct service s;
	struct pw_grpc_conn *conn;
	SSL_CTX *ctx;
};

static void dial_as(struct pair *p, const char *host, const char *name,
		    const struct pw_grpc_limits *lim)
{
	const char *roots[] = { p->w.root_pem };
	struct pw_grpc_client_options opt = { .base = p->w.base,
					      .host = host,
					      .port = p->w.port,
					      .server_name = name,
					      .connect_timeout_ms = 5000,
					      .limits = *lim };

	if (p->w.server_ctx && !p->ctx)
		assert_int_equal(pw_grpc_client_ctx(&p->ctx, roots, 1, NULL), 0);
	opt.ctx = p->ctx;
	assert_int_equal(pw_grpc_client_new(&p->conn, &opt, NULL), 0);
}

static void pair_open(struct pair *p, bool tls, const char *kind, const struct pw_grpc_limits *lim)
{
	memset(p, 0, sizeof(*p));
	p->s.kind = kind;
	p->s.trust = true;
	world_open(&p->w, tls, lim, methods, ARRAY_SIZE(methods), &p->s);
	dial_as(p, "127.0.0.1", SERVER_NAME, &wide);
}

static void pair_close(struct pair *p)
{
	pw_grpc_client_free(&p->conn);
	SSL_CTX_free(p->ctx);
	world_close(&p->w);
}

static struct pw_call *call(struct pair *p, const char *path, struct outcome *o)
{
	struct pw_call *c = NULL;

	memset(o, 0, sizeof(*o));
	assert_int_equal(pw_grpc_call(p->conn, path, &outcome_ops, o, &c, NULL), 0);
	return c;
}

static void unary_call(struct pair *p, struct outcome *o)
{
	struct pw_call *c = call(p, "/t.Test/Do", o);

	assert_int_equal(pw_call_send(c, "hello", 5), 0);
	pw_call_half_close(c);
	RUN_UNTIL(&p->w, o->n_ends == 1);
	assert_int_equal(o->n_messages, 1);
	assert_string_equal(o->last, "hello");
	assert_int_equal(o->code, 0);
	assert_false(o->transport);
}

static void unary_call_is_answered_over_tls(void **state)
{
	struct outcome o;
	struct pair p;

	pair_open(&p, true, "unary", &wide);
	unary_call(&p, &o);
	unary_call(&p, &o);
	RUN_UNTIL(&p.w, p.s.n_ends == 2);
	assert_int_equal(p.s.last.code, 0);
	assert_int_equal(p.w.n_accepted, 1);
	pair_close(&p);
}

static void unary_call_is_answered_in_plaintext(void **state)
{
	struct outcome o;
	struct pair p;

	pair_open(&p, false, "unary", &wide);
	unary_call(&p, &o);
	pair_close(&p);
}

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

static void thousand_messages_go_each_way(void **state)
{
	struct outcome o;
	struct pw_call *c;
	struct pair p;

	pair_open(&p, true, "chat", &wide);
	c = call(&p, "/t.Test/Do", &o);
	for (int i = 0; i < 1000; i++) {
		char text[32];

		assert_int_equal(pw_call_send(c, text, snprintf(text, sizeof(text), "m%d", i)), 0);
	}
	RUN_UNTIL(&p.w, o.n_messages == 1000);
	assert_string_equal(o.last, "m999");
	pw_call_half_close(c);
	RUN_UNTIL(&p.w, o.n_ends == 1 && p.s.n_ends == 1);
	assert_int_equal(o.code, 0);
	pair_close(&p);
}

static void five_mebibytes_come_back_unchanged(void **state)
{
	const size_t len = 5 << 20;
	pw_autofree uint8_t *big = pw_xcalloc(1, len);
	struct outcome o;
	struct pw_call *c;
	struct pair p;

	pair_open(&p, true, "chat", &wide);
	memset(big, 'x', len);
	c = call(&p, "/t.Test/Do", &o);
	assert_int_equal(pw_call_send(c, big, len), 0);
	RUN_UNTIL(&p.w, o.n_messages == 1);
	assert_int_equal(o.n_bytes, len);
	pair_close(&p);
	assert_int_equal(o.n_ends, 1);
}

static void empty_message_is_a_message(void **state)
{
	struct outcome o;
	struct pw_call *c;
	struct pair p;

	pair_open(&p, true, "chat", &wide);
	c = call(&p, "/t.Test/Do", &o);
	assert_int_equal(pw_call_send(c, "", 0), 0);
	assert_int_equal(pw_call_send(c, "x", 1), 0);
	RUN_UNTIL(&p.w, o.n_messages == 2);
	assert_int_equal(o.n_bytes, 1);
	pair_close(&p);
}

static void message_over_the_servers_limit_is_refused_with_8(void **state)
{
	struct pw_grpc_limits lim = wide;
	struct outcome o;
	struct pw_call *c;
	char data[101] = "";
	struct pair p;

	lim.max_receive_bytes = 100;
	pair_open(&p, true, "chat", &lim);
	c = call(&p, "/t.Test/Do", &o);
	assert_int_equal(pw_call_send(c, data, 101), 0);
	RUN_UNTIL(&p.w, o.n_ends == 1 && p.s.n_ends == 1);
	assert_int_equal(o.code, PW_GRPC_RESOURCE_EXHAUSTED);
	assert_string_equal(o.message, "grpc: received message larger than max (101 vs. 100)");
	assert_false(o.transport);
	assert_int_equal(p.s.last.code, PW_GRPC_RESOURCE_EXHAUSTED);
	/* At the limit it is taken. */
	c = call(&p, "/t.Test/Do", &o);
	assert_int_equal(pw_call_send(c, data, 100), 0);
	RUN_UNTIL(&p.w, o.n_messages == 1);
	pair_close(&p);
}

static void message_over_the_clients_limit_resets_the_stream(void **state)
{
	struct pw_grpc_limits lim = wide;
	struct outcome o;
	struct pw_call *c;
	char data[101] = "";
	struct pair p;

	pair_open(&p, true, "chat", &wide);
	pw_grpc_client_free(&p.conn);
	lim.max_receive_bytes = 100;
	dial_as(&p, "127.0.0.1", SERVER_NAME, &lim);
	c = call(&p, "/t.Test/Do", &o);
	assert_int_equal(pw_call_send(c, data, 101), 0);
	RUN_UNTIL(&p.w, o.n_ends == 1 && p.s.n_ends == 1);
	assert_int_equal(o.code, PW_GRPC_RESOURCE_EXHAUSTED);
	assert_true(o.transport);
	assert_int_equal(p.s.last.code, PW_GRPC_CANCELLED);
	assert_true(p.s.last.transport);
	pair_close(&p);
}

static void full_send_queue_answers_eagain_and_reports_room(void **state)
{
	struct pw_grpc_limits lim = wide;
	struct outcome o;
	struct pw_call *c;
	char data[100] = "";
	struct pair p;
	int r = 0;

	pair_open(&p, true, "chat", &wide);
	pw_grpc_client_free(&p.conn);
	lim.max_send_queue_bytes = 1000;
	dial_as(&p, "127.0.0.1", SERVER_NAME, &lim);
	c = call(&p, "/t.Test/Do", &o);
	for (int i = 0; i < 9; i++)
		assert_int_equal(pw_call_send(c, data, sizeof(data)), 0);
	r = pw_call_send(c, data, sizeof(data));
	assert_int_equal(r, -EAGAIN);
	assert_int_equal(pw_call_queued(c), 9 * 105);
	RUN_UNTIL(&p.w, o.n_writable == 1);
	RUN_UNTIL(&p.w, o.n_messages == 9);
	/* One message is always taken. */
	assert_int_equal(pw_call_queued(c), 0);
	pw_autofree char *large = pw_xcalloc(1, 5000);
	assert_int_equal(pw_call_send(c, large, 5000), 0);
	RUN_UNTIL(&p.w, o.n_messages == 10);
	assert_int_equal(o.n_writable, 1);
	pair_close(&p);
}

static void refusal_at_open_is_trailers_only(void **state)
{
	struct outcome o;
	struct pair p;

	pair_open(&p, true, "refuse", &wide);
	call(&p, "/t.Test/Do", &o);
	RUN_UNTIL(&p.w, o.n_ends == 1);
	assert_int_equal(o.code, PW_GRPC_PERMISSION_DENIED);
	assert_string_equal(o.message, "not for you: ü");
	assert_false(o.transport);
	pair_close(&p);
}

static void error_details_arrive_as_sent(void **state)
{
	struct outcome o;
	struct pw_call *c;
	struct pair p;

	pair_open(&p, true, "details", &wide);
	c = call(&p, "/t.Test/Do", &o);
	pw_call_send(c, "x", 1);
	RUN_UNTIL(&p.w, o.n_ends == 1 && p.s.n_ends == 1);
	assert_int_equal(o.code, PW_GRPC_FAILED_PRECONDITION);
	assert_string_equal(o.message, "100% größer\n");
	assert_int_equal(o.details_len, 3);
	assert_memory_equal(o.details, "\x0a\x01\x02", 3);
	pair_close(&p);
}

static void unknown_names_are_unimplemented(void **state)
{
	static const struct {
		const char *path, *text;
	} cases[] = { { "/t.Test/Nope", "unknown method Nope for service t.Test" },
		      { "/x.Other/Do", "unknown service x.Other" },
		      { "/t.Tes/Do", "unknown service t.Tes" },
		      { "nonsense", "malformed method name: \"nonsense\"" } };
	struct outcome o;
	struct pair p;

	pair_open(&p, true, "unary", &wide);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		call(&p, cases[i].path, &o);
		RUN_UNTIL(&p.w, o.n_ends == 1);
		assert_int_equal(o.code, PW_GRPC_UNIMPLEMENTED);
		assert_string_equal(o.message, cases[i].text);
	}
	pair_close(&p);
}

static void cancel_reaches_the_server(void **state)
{
	struct outcome o;
	struct pw_call *c;
	struct pair p;

	pair_open(&p, true, "hold", &wide);
	c = call(&p, "/t.Test/Do", &o);
	pw_call_send(c, "x", 1);
	RUN_UNTIL(&p.w, p.s.held);
	pw_call_cancel(c);
	assert_int_equal(o.n_ends, 0); /* from the loop only */
	assert_int_equal(pw_call_send(c, "x", 1), -EPIPE);
	RUN_UNTIL(&p.w, o.n_ends == 1 && p.s.n_ends == 1);
	assert_int_equal(o.code, PW_GRPC_CANCELLED);
	assert_int_equal(p.s.last.code, PW_GRPC_CANCELLED);
	assert_true(p.s.last.transport);
	pair_close(&p);
	assert_int_equal(o.n_ends, 1);
}

static void server_cancel_reaches_the_client(void **state)
{
	struct outcome o;
	struct pw_call *c;
	struct pair p;

	pair_open(&p, true, "hold", &wide);
	c = call(&p, "/t.Test/Do", &o);
	pw_call_send(c, "x", 1);
	RUN_UNTIL(&p.w, p.s.held);
	pw_call_cancel(p.s.held);
	RUN_UNTIL(&p.w, o.n_ends == 1 && p.s.n_ends == 1);
	assert_int_equal(o.code, PW_GRPC_CANCELLED);
	assert_true(o.transport);
	pair_close(&p);
}

static void detached_call_never_calls_back(void **state)
{
	struct outcome o;
	struct pw_call *c;
	struct pair p;

	pair_open(&p, true, "hold", &wide);
	c = call(&p, "/t.Test/Do", &o);
	pw_call_send(c, "x", 1);
	RUN_UNTIL(&p.w, p.s.held);
	pw_call_detach(c);
	RUN_UNTIL(&p.w, p.s.n_ends == 1);
	pair_close(&p);
	assert_int_equal(o.n_ends, 0);
}

static void lost_connection_ends_every_call_once(void **state)
{
	struct outcome a, b;
	struct pw_call *c;
	struct pw_err err = PW_ERR_INIT;
	struct pair p;

	pair_open(&p, true, "hold", &wide);
	c = call(&p, "/t.Test/Do", &a);
	call(&p, "/t.Test/Do", &b);
	pw_call_send(c, "x", 1);
	RUN_UNTIL(&p.w, p.s.held);
	pw_grpc_server_free(&p.w.server);
	assert_true(p.s.n_ends >= 1);
	RUN_UNTIL(&p.w, a.n_ends == 1 && b.n_ends == 1);
	assert_int_equal(a.code, PW_GRPC_UNAVAILABLE);
	assert_true(a.transport);
	assert_int_equal(pw_grpc_call(p.conn, "/t.Test/Do", &outcome_ops, &a, &c, &err), -ENOTCONN);
	pair_close(&p);
	assert_int_equal(a.n_ends + b.n_ends, 2);
}

static void free_client_in_end(void *arg, struct pw_call *c, const struct pw_grpc_status *st)
{
	struct pair *p = arg;

	p->s.n_half_closes += 100;
	pw_grpc_client_free(&p->conn);
}

static void free_client_in_message(void *arg, struct pw_call *c, const uint8_t *data, size_t len)
{
	struct pair *p = arg;

	pw_grpc_client_free(&p->conn);
}

static void client_may_be_freed_inside_its_callbacks(void **state)
{
	static const struct pw_call_ops in_message = { .on_message = free_client_in_message,
						       .on_end = free_client_in_end };
	struct pw_call *c;
	struct pair p;

	pair_open(&p, true, "chat", &wide);
	assert_int_equal(pw_grpc_call(p.conn, "/t.Test/Do", &in_message, &p, &c, NULL), 0);
	pw_call_send(c, "a", 1);
	pw_call_send(c, "b", 1);
	RUN_UNTIL(&p.w, !p.conn && p.s.n_ends == 1);
	assert_int_equal(p.s.n_half_closes, 100); /* on_end once */
	pair_close(&p);
}

static void what_was_queued_before_free_still_arrives(void **state)
{
	struct outcome o;
	struct pw_call *c;
	struct pair p;

	pair_open(&p, true, "hold", &wide);
	c = call(&p, "/t.Test/Do", &o);
	pw_call_send(c, "x", 1);
	RUN_UNTIL(&p.w, p.s.held);
	p.s.held = NULL;
	pw_call_send(c, "last words", 10);
	pw_call_half_close(c);
	pw_grpc_client_free(&p.conn);
	assert_int_equal(o.n_ends, 1);
	RUN_UNTIL(&p.w, p.s.n_half_closes == 1);
	RUN_UNTIL(&p.w, p.s.n_ends == 1);
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
		cmocka_unit_test(unary_call_is_answered_over_tls),
		cmocka_unit_test(unary_call_is_answered_in_plaintext),
		cmocka_unit_test(tls_1_2_works_as_well),
		cmocka_unit_test(names_are_resolved),
		cmocka_unit_test(unresolved_name_ends_the_call),
		cmocka_unit_test(client_freed_while_resolving_is_forgotten),
		cmocka_unit_test(thousand_messages_go_each_way),
		cmocka_unit_test(five_mebibytes_come_back_unchanged),
		cmocka_unit_test(empty_message_is_a_message),
		cmocka_unit_test(message_over_the_servers_limit_is_refused_with_8),
		cmocka_unit_test(message_over_the_clients_limit_resets_the_stream),
		cmocka_unit_test(full_send_queue_answers_eagain_and_reports_room),
		cmocka_unit_test(refusal_at_open_is_trailers_only),
		cmocka_unit_test(error_details_arrive_as_sent),
		cmocka_unit_test(unknown_names_are_unimplemented),
		cmocka_unit_test(cancel_reaches_the_server),
		cmocka_unit_test(server_cancel_reaches_the_client),
		cmocka_unit_test(detached_call_never_calls_back),
		cmocka_unit_test(lost_connection_ends_every_call_once),
		cmocka_unit_test(client_may_be_freed_inside_its_callbacks),
		cmocka_unit_test(what_was_queued_before_free_still_arrives),
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
