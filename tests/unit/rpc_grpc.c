// SPDX-License-Identifier: Apache-2.0
/*
 * Server and client against each other over loopback: calls of all shapes, limits, refusals, and
 * every way a call can end. Proves I1 to I3 of grpc.h. When one breaks: call.c for what happened to
 * the call, conn.c for when.
 */
#include "rpc_pair.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unary_call_is_answered_over_tls),
		cmocka_unit_test(unary_call_is_answered_in_plaintext),
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
