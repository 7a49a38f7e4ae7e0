// SPDX-License-Identifier: Apache-2.0
#include "internal.h"
#include "../base/time.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void on_kick(evutil_socket_t fd, short what, void *arg)
{
	struct pw_grpc_conn *conn = arg;

	rpc_conn_enter(conn);
	rpc_conn_progress(conn);
	rpc_conn_leave(conn);
}

static void finish_untrusted(struct pw_grpc_conn *conn, int64_t now)
{
	struct pw_call *c, *tmp;

	HASH_ITER(hh, conn->calls, c, tmp)
	{
		if (c->deadline_ms > now)
			continue;
		if (!c->local_done) {
			pw_call_finish(c, PW_GRPC_DEADLINE_EXCEEDED,
				       "no valid first message in time", /*details=*/NULL, 0);
			continue;
		}
		rpc_call_reset(c, NGHTTP2_CANCEL);
		rpc_call_end(c, PW_GRPC_CANCELLED, "the client does not read",
			     /*transport=*/true);
	}
}

/* Says good-bye and ends: what can be sent at once is sent. */
static void close_politely(struct pw_grpc_conn *conn, const char *why)
{
	if (conn->state == RPC_UP) {
		rpc_conn_flush(conn);
		if (conn->state == RPC_DEAD)
			return;
		nghttp2_session_terminate_session(conn->h2, NGHTTP2_NO_ERROR);
		rpc_conn_flush(conn);
	}
	rpc_conn_fail(conn, PW_GRPC_UNAVAILABLE, "%s", why);
}

static void check_server(struct pw_grpc_conn *conn, int64_t now)
{
	if (!conn->trusted && conn->stranger_deadline_ms <= now) {
		struct pw_call *c, *tmp;

		HASH_ITER(hh, conn->calls, c, tmp)
		c->deadline_ms = now;
		finish_untrusted(conn, now);
		close_politely(conn, "nobody proved to be a peer in time");
		return;
	}
	finish_untrusted(conn, now);
	if (!conn->calls && conn->state == RPC_UP &&
	    conn->idle_since_ms + conn->limits.idle_ms <= now)
		close_politely(conn, "idle");
}

static void check_keepalive(struct pw_grpc_conn *conn, int64_t now)
{
	const struct pw_grpc_limits *l = &conn->limits;

	if (conn->state != RPC_UP || l->keepalive_ms <= 0)
		return;
	if (conn->ping_deadline_ms > 0 && conn->ping_deadline_ms <= now) {
		rpc_conn_fail(conn, PW_GRPC_UNAVAILABLE,
			      "keepalive ping was not answered within %lld ms",
			      (long long)l->keepalive_timeout_ms);
		return;
	}
	if (conn->ping_deadline_ms > 0 || conn->last_received_ms + l->keepalive_ms > now)
		return;
	nghttp2_submit_ping(conn->h2, NGHTTP2_FLAG_NONE, /*opaque_data=*/NULL);
	conn->ping_deadline_ms = now + l->keepalive_timeout_ms;
}

static int64_t next_deadline(const struct pw_grpc_conn *conn)
{
	const struct pw_grpc_limits *l = &conn->limits;
	int64_t next = RPC_NEVER;

	if (conn->state == RPC_DEAD)
		return RPC_NEVER;
	if (conn->state != RPC_UP)
		next = pw_min(next, conn->start_deadline_ms);
	if (conn->is_server && !conn->trusted)
		next = pw_min(next, conn->stranger_deadline_ms);
	if (conn->is_server && !conn->calls && conn->state == RPC_UP)
		next = pw_min(next, conn->idle_since_ms + conn->limits.idle_ms);
	for (const struct pw_call *c = conn->calls; c; c = c->hh.next)
		next = pw_min(next, c->deadline_ms);
	if (conn->state == RPC_UP && l->keepalive_ms > 0)
		next = pw_min(next, conn->ping_deadline_ms > 0
					    ? conn->ping_deadline_ms
					    : conn->last_received_ms + l->keepalive_ms);
	return next;
}

/* One timer a connection. A deadline that moves away does not move it: when it fires too early, it
 * looks again.
 */
static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct pw_grpc_conn *conn = arg;
	int64_t now = pw_now_mono_ms();

	conn->armed_ms = RPC_NEVER;
	rpc_conn_enter(conn);
	if (conn->state < RPC_UP && conn->start_deadline_ms <= now) {
		if (conn->is_server)
			rpc_conn_fail(conn, PW_GRPC_UNAVAILABLE, "no handshake in time");
		else
			rpc_client_retry(conn, /*why=*/NULL);
	}
	if (conn->is_server && conn->state != RPC_DEAD)
		check_server(conn, now);
	check_keepalive(conn, now);
	rpc_conn_progress(conn);
	rpc_conn_arm(conn, next_deadline(conn));
	rpc_conn_leave(conn);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	on_kick(fd, what, arg);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct pw_grpc_conn *conn = arg;

	rpc_conn_enter(conn);
	if (conn->state == RPC_CONNECTING)
		rpc_client_connected(conn);
	rpc_conn_progress(conn);
	rpc_conn_leave(conn);
}

struct pw_grpc_conn *rpc_conn_new(struct event_base *base, const struct pw_grpc_limits *lim)
{
	struct pw_grpc_conn *conn = pw_new0(struct pw_grpc_conn);

	conn->base = base;
	conn->limits = *lim;
	conn->io.fd = -1;
	conn->armed_ms = conn->start_deadline_ms = conn->stranger_deadline_ms = RPC_NEVER;
	conn->ev_kick = event_new(base, -1, 0, on_kick, conn);
	conn->ev_timer = event_new(base, -1, 0, on_timer, conn);
	return conn;
}

void rpc_conn_attach(struct pw_grpc_conn *conn)
{
	conn->ev_read = event_new(conn->base, conn->io.fd, EV_READ | EV_PERSIST, on_readable, conn);
	conn->ev_write = event_new(conn->base, conn->io.fd, EV_WRITE, on_writable, conn);
	if (conn->state == RPC_CONNECTING)
		event_add(conn->ev_write, /*timeout=*/NULL);
	else
		event_add(conn->ev_read, /*timeout=*/NULL);
}

static void free_event(struct event **ev)
{
	if (*ev)
		event_free(*ev);
	*ev = NULL;
}

void rpc_conn_detach_fd(struct pw_grpc_conn *conn)
{
	free_event(&conn->ev_read);
	free_event(&conn->ev_write);
	rpc_transport_close(&conn->io);
}

void rpc_conn_kick(struct pw_grpc_conn *conn)
{
	event_active(conn->ev_kick, EV_TIMEOUT, 0);
}

void rpc_conn_arm(struct pw_grpc_conn *conn, int64_t deadline_ms)
{
	int64_t left = deadline_ms == RPC_NEVER ? 0 : pw_max(deadline_ms - pw_now_mono_ms(), 0);
	struct timeval tv = { left / 1000, left % 1000 * 1000 + 999 };

	if (deadline_ms >= conn->armed_ms || conn->state == RPC_DEAD)
		return;
	conn->armed_ms = deadline_ms;
	event_add(conn->ev_timer, &tv);
}

void rpc_conn_fail(struct pw_grpc_conn *conn, int code, const char *fmt, ...)
{
	char text[384];
	struct pw_call *c, *tmp;
	va_list args;

	if (conn->state == RPC_DEAD)
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	conn->state = RPC_DEAD;
	conn->why = pw_xstrdup(text);
	rpc_conn_detach_fd(conn);
	event_del(conn->ev_timer);
	HASH_ITER(hh, conn->calls, c, tmp)
	rpc_call_end(c, code, text, /*transport=*/true);
	rpc_conn_kick(conn);
}

void rpc_conn_flush(struct pw_grpc_conn *conn)
{
	while (conn->state == RPC_UP) {
		const uint8_t *frame = NULL;
		ssize_t n = 1;

		while (pw_buf_used(&conn->out) < RPC_WRITE_CHUNK && n > 0) {
			n = nghttp2_session_mem_send(conn->h2, &frame);
			if (n < 0) {
				rpc_conn_fail(conn, PW_GRPC_UNAVAILABLE, "HTTP/2: %s",
					      nghttp2_strerror((int)n));
				return;
			}
			if (n > 0)
				pw_buf_add(&conn->out, frame, n);
		}
		if (pw_buf_used(&conn->out) == 0)
			return;
		n = rpc_transport_write(&conn->io, pw_buf_head(&conn->out),
					pw_buf_used(&conn->out));
		if (n == -EAGAIN) {
			if (conn->io.want_write)
				event_add(conn->ev_write, /*timeout=*/NULL);
			return;
		}
		if (n < 0) {
			rpc_conn_fail(conn, PW_GRPC_UNAVAILABLE, "connection lost: %s",
				      conn->io.why);
			return;
		}
		pw_buf_consume(&conn->out, n);
	}
}

/* Frames that only answer (RST_STREAM, ACKs) pile up when the other side makes us answer and does
 * not read. */
static bool floods(struct pw_grpc_conn *conn)
{
	if (nghttp2_session_get_outbound_queue_size(conn->h2) <= RPC_MAX_ANSWERS)
		return false;
	rpc_conn_flush(conn);
	if (conn->state == RPC_UP &&
	    nghttp2_session_get_outbound_queue_size(conn->h2) > RPC_MAX_ANSWERS)
		rpc_conn_fail(conn, PW_GRPC_UNAVAILABLE, "the other side floods us");
	return conn->state != RPC_UP;
}

static void receive(struct pw_grpc_conn *conn)
{
	uint8_t buf[16 * 1024];
	size_t total = 0;

	while (conn->state == RPC_UP && !conn->closing) {
		ssize_t n;

		if (total >= RPC_READ_BUDGET) {
			rpc_conn_kick(conn);
			return;
		}
		n = rpc_transport_read(&conn->io, buf, sizeof(buf));
		if (n == -EAGAIN) {
			if (conn->io.want_write)
				event_add(conn->ev_write, /*timeout=*/NULL);
			return;
		}
		if (n <= 0) {
			rpc_conn_fail(conn, PW_GRPC_UNAVAILABLE, "connection lost: %s",
				      conn->io.why);
			return;
		}
		total += n;
		conn->last_received_ms = pw_now_mono_ms();
		conn->ping_deadline_ms = 0;
		if (rpc_h2_receive(conn, buf, n) < 0)
			return;
		if (floods(conn))
			return;
	}
}

void rpc_conn_up(struct pw_grpc_conn *conn)
{
	if (!conn->h2 && rpc_h2_new(conn) < 0) {
		rpc_conn_fail(conn, PW_GRPC_UNAVAILABLE, "no memory for HTTP/2");
		return;
	}
	conn->state = RPC_UP;
	conn->last_received_ms = conn->idle_since_ms = pw_now_mono_ms();
	conn->start_deadline_ms = RPC_NEVER;
	rpc_conn_arm(conn, next_deadline(conn));
}

static void handshake(struct pw_grpc_conn *conn)
{
	int r = rpc_transport_handshake(&conn->io);

	if (r == 0)
		rpc_conn_up(conn);
	else if (r == -EAGAIN && conn->io.want_write)
		event_add(conn->ev_write, /*timeout=*/NULL);
	else if (r != -EAGAIN && conn->is_server)
		rpc_conn_fail(conn, PW_GRPC_UNAVAILABLE, "handshake failed: %s", conn->io.why);
	else if (r != -EAGAIN)
		rpc_client_retry(conn, conn->io.why);
}

static struct pw_call *first_drained(struct pw_grpc_conn *conn)
{
	struct pw_call *c, *tmp;

	HASH_ITER(hh, conn->calls, c, tmp)
	if (c->drained)
		return c;
	return NULL;
}

static void deliver_drained(struct pw_grpc_conn *conn)
{
	struct pw_call *c;

	if (!conn->any_drained)
		return;
	conn->any_drained = false;
	while (!conn->closing && (c = first_drained(conn))) {
		c->drained = false;
		if (c->ops && c->ops->on_writable && !c->local_done)
			c->ops->on_writable(c->arg, c);
	}
}

static void deliver_ends(struct pw_grpc_conn *conn)
{
	struct pw_call *c;

	while ((c = conn->ending)) {
		DL_DELETE(conn->ending, c);
		DL_APPEND(conn->graveyard, c);
		rpc_call_deliver_end(c);
	}
}

/* Whatever can go on goes on: one step of all for every event, so that none is forgotten. */
void rpc_conn_progress(struct pw_grpc_conn *conn)
{
	if (conn->state == RPC_NEW && !conn->closing)
		rpc_client_start(conn);
	if (conn->state == RPC_HANDSHAKE)
		handshake(conn);
	if (conn->state == RPC_UP) {
		receive(conn);
		rpc_conn_flush(conn);
	}
	if (conn->state == RPC_UP && !nghttp2_session_want_read(conn->h2) &&
	    !nghttp2_session_want_write(conn->h2) && pw_buf_used(&conn->out) == 0)
		rpc_conn_fail(conn, PW_GRPC_UNAVAILABLE, "connection closed: HTTP/2 %s",
			      nghttp2_http2_strerror(conn->goaway_error));
	deliver_drained(conn);
	deliver_ends(conn);
}

static void free_calls(struct pw_grpc_conn *conn)
{
	struct pw_call *c, *tmp;

	DL_FOREACH_SAFE(conn->graveyard, c, tmp)
	{
		DL_DELETE(conn->graveyard, c);
		rpc_call_free(c);
	}
}

static void destroy(struct pw_grpc_conn *conn)
{
	struct pw_call *c, *tmp;

	/* The last words: what was queued before the owner let go, then that we go. */
	rpc_conn_flush(conn);
	if (conn->state == RPC_UP) {
		nghttp2_session_terminate_session(conn->h2, NGHTTP2_NO_ERROR);
		rpc_conn_flush(conn);
	}
	conn->state = RPC_DEAD;
	rpc_conn_detach_fd(conn);
	HASH_ITER(hh, conn->calls, c, tmp)
	{
		HASH_DEL(conn->calls, c);
		DL_APPEND(conn->graveyard, c);
	}
	DL_CONCAT(conn->graveyard, conn->ending);
	free_calls(conn);
	nghttp2_session_del(conn->h2);
	rpc_buf_wipe(&conn->out);
	free_event(&conn->ev_kick);
	free_event(&conn->ev_timer);
	rpc_client_clear(&conn->client);
	free(conn->why);
	free(conn);
}

void rpc_conn_enter(struct pw_grpc_conn *conn)
{
	conn->depth++;
}

void rpc_conn_leave(struct pw_grpc_conn *conn)
{
	if (--conn->depth > 0)
		return;
	/* A server's connection belongs to nobody else. */
	if (conn->is_server && conn->state == RPC_DEAD && !conn->ending) {
		rpc_server_forget(conn);
		conn->closing = true;
	}
	if (conn->closing)
		destroy(conn);
	else
		free_calls(conn);
}

void rpc_conn_abandon(struct pw_grpc_conn *conn)
{
	struct pw_call *c, *tmp;

	rpc_conn_enter(conn);
	conn->closing = true;
	deliver_ends(conn);
	/* They stay linked, so that what they have queued still goes out. */
	HASH_ITER(hh, conn->calls, c, tmp)
	rpc_call_abandon(c);
	deliver_ends(conn); /* of those that one on_end canceled for another */
	rpc_conn_leave(conn);
}
