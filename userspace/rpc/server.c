// SPDX-License-Identifier: Apache-2.0
#include "internal.h"
#include "../base/str.h"
#include "../base/time.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <netinet/tcp.h>

struct pw_grpc_server {
	struct event_base *base;
	struct pw_grpc_limits limits;
	struct pw_grpc_method *methods; /* paths are ours */
	size_t n_methods;
	void *arg;
	struct pw_grpc_conn *conns;
};

int pw_grpc_server_new(struct pw_grpc_server **ret, struct event_base *base,
		       const struct pw_grpc_limits *lim, const struct pw_grpc_method *methods,
		       size_t n, void *arg, struct pw_err *err)
{
	struct pw_grpc_server *s;

	if (lim->max_receive_bytes == 0 || lim->max_streams == 0)
		return pw_err_set(err, PW_ERR_INTERNAL, EINVAL,
				  "a gRPC server needs limits for messages and streams");
	s = pw_new0(struct pw_grpc_server);
	s->base = base;
	s->limits = *lim;
	if (s->limits.idle_ms <= 0)
		s->limits.idle_ms = RPC_IDLE_MS;
	s->arg = arg;
	s->methods = pw_xcalloc(n ? n : 1, sizeof(*methods));
	for (s->n_methods = 0; s->n_methods < n; s->n_methods++) {
		s->methods[s->n_methods] = methods[s->n_methods];
		s->methods[s->n_methods].path = pw_xstrdup(methods[s->n_methods].path);
	}
	*ret = s;
	return 0;
}

void rpc_server_forget(struct pw_grpc_conn *conn)
{
	if (conn->server)
		DL_DELETE(conn->server->conns, conn);
	conn->server = NULL;
}

void pw_grpc_server_free(struct pw_grpc_server **server)
{
	struct pw_grpc_server *s = TAKE_PTR(*server);

	if (!s)
		return;
	while (s->conns) {
		struct pw_grpc_conn *conn = s->conns;

		rpc_server_forget(conn);
		rpc_conn_abandon(conn);
	}
	for (size_t i = 0; i < s->n_methods; i++)
		free((char *)s->methods[i].path);
	free(s->methods);
	free(s);
}

int pw_grpc_server_accept(struct pw_grpc_server *s, int fd, SSL_CTX *ctx,
			  const struct pw_addr *client, struct pw_err *err)
{
	struct pw_grpc_conn *conn = rpc_conn_new(s->base, &s->limits);
	int64_t limit_ms = s->limits.first_message_ms;
	int on = 1, r;

	conn->is_server = true;
	conn->peer = *client;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	r = rpc_transport_open(&conn->io, fd, ctx, /*server_name=*/NULL);
	if (r < 0) {
		rpc_conn_abandon(conn);
		return pw_err_set(err, PW_ERR_INTERNAL, r, "no memory for a TLS session");
	}
	conn->server = s;
	DL_APPEND(s->conns, conn);
	conn->state = RPC_HANDSHAKE;
	if (limit_ms > 0)
		conn->start_deadline_ms = conn->stranger_deadline_ms = pw_now_mono_ms() + limit_ms;
	rpc_conn_attach(conn);
	rpc_conn_arm(conn, conn->stranger_deadline_ms);
	rpc_conn_kick(conn);
	return 0;
}

size_t pw_grpc_server_connections(const struct pw_grpc_server *s, const struct pw_addr *from)
{
	const struct pw_grpc_conn *conn;
	size_t n = 0;

	DL_FOREACH(s->conns, conn)
	if (!from || pw_addr_same_ip(&conn->peer, from))
		n++;
	return n;
}

static void answer_only(struct pw_call *c, int http_status, int code, const char *fmt, ...)
	pw_printf(4, 5);

/* A refusal before the method started: nobody has ops yet. */
static void answer_only(struct pw_call *c, int http_status, int code, const char *fmt, ...)
{
	char text[1200];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	c->status.code = code;
	c->status.message = pw_xstrdup(text);
	c->local_done = c->answered = true;
	c->deadline_ms = pw_now_mono_ms() + RPC_LINGER_MS;
	rpc_conn_arm(c->conn, c->deadline_ms);
	rpc_h2_answer_only(c, http_status);
}

static bool is_grpc(const char *type)
{
	size_t n = strlen("application/grpc");

	return type && strncmp(type, "application/grpc", n) == 0 &&
	       (type[n] == '\0' || type[n] == '+' || type[n] == ';');
}

static const struct pw_grpc_method *find_method(const struct pw_grpc_server *s, const char *path)
{
	for (size_t i = 0; i < s->n_methods; i++)
		if (strcmp(s->methods[i].path, path) == 0)
			return &s->methods[i];
	return NULL;
}

static void refuse_path(struct pw_call *c, const struct pw_grpc_server *s, const char *path)
{
	const char *slash = path[0] == '/' ? strrchr(path, '/') : path;
	int len = (int)(slash - path);

	if (len <= 0) {
		answer_only(c, 200, PW_GRPC_UNIMPLEMENTED, "malformed method name: \"%.256s\"",
			    path);
		return;
	}
	for (size_t i = 0; i < s->n_methods; i++) {
		if (strncmp(s->methods[i].path, path, (size_t)len + 1) != 0)
			continue;
		answer_only(c, 200, PW_GRPC_UNIMPLEMENTED, "unknown method %.256s for service %.*s",
			    slash + 1, pw_min(len - 1, 256), path + 1);
		return;
	}
	answer_only(c, 200, PW_GRPC_UNIMPLEMENTED, "unknown service %.*s", pw_min(len - 1, 256),
		    path + 1);
}

static bool acceptable(struct pw_call *c)
{
	const char *method = pw_str_or_empty(c->method);

	if (strcmp(method, "POST") != 0) {
		answer_only(c, 405, PW_GRPC_INTERNAL,
			    "Received a HEADERS frame with :method \"%.32s\" which should be POST",
			    method);
		return false;
	}
	if (!is_grpc(c->content_type)) {
		answer_only(c, 415, PW_GRPC_INVALID_ARGUMENT,
			    "invalid gRPC request content-type \"%.128s\"",
			    pw_str_or_empty(c->content_type));
		return false;
	}
	if (!pw_str_empty(c->encoding) && strcmp(c->encoding, "identity") != 0) {
		answer_only(c, 200, PW_GRPC_UNIMPLEMENTED,
			    "grpc: Decompressor is not installed for grpc-encoding \"%.64s\"",
			    c->encoding);
		return false;
	}
	return true;
}

void rpc_server_open(struct pw_call *c)
{
	const struct pw_grpc_server *s = c->conn->server;
	const struct pw_grpc_method *m;
	struct pw_err err = PW_ERR_INIT;
	int r;

	c->opened = true;
	if (!s || !acceptable(c))
		return;
	m = find_method(s, pw_str_or_empty(c->path));
	if (!m) {
		refuse_path(c, s, pw_str_or_empty(c->path));
		return;
	}
	if (s->limits.first_message_ms > 0) {
		c->deadline_ms = pw_now_mono_ms() + s->limits.first_message_ms;
		rpc_conn_arm(c->conn, c->deadline_ms);
	}
	r = m->open(s->arg, c, &c->ops, &c->arg, &err);
	if (r == 0 && !c->conn->closing)
		return;
	c->ops = NULL; /* refused, or the server was freed meanwhile */
	if (!c->local_done)
		answer_only(c, 200, r > 0 ? r : PW_GRPC_INTERNAL, "%s", err.text);
}
