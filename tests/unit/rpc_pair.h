/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_TESTS_RPC_PAIR_H
#define PW_TESTS_RPC_PAIR_H
/* A server whose methods do what "kind" says, and a client of it. Included once by a test program.
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
#endif
