// SPDX-License-Identifier: Apache-2.0
#include "internal.h"
#include "../base/str.h"
#include "../base/time.h"

#include <stdio.h>
#include <string.h>

struct pw_call *rpc_call_new(struct pw_grpc_conn *conn)
{
	struct pw_call *c = pw_new0(struct pw_call);

	c->conn = conn;
	c->deadline_ms = RPC_NEVER;
	return c;
}

void rpc_call_link(struct pw_call *c, int32_t id)
{
	c->id = id;
	HASH_ADD(hh, c->conn->calls, id, sizeof(c->id), c);
}

struct pw_call *rpc_call_find(struct pw_grpc_conn *conn, int32_t id)
{
	struct pw_call *c = NULL;

	HASH_FIND(hh, conn->calls, &id, sizeof(id), c);
	return c;
}

void rpc_call_free(struct pw_call *c)
{
	rpc_frame_clear(&c->in);
	rpc_buf_wipe(&c->out);
	free(c->method);
	free(c->path);
	free(c->content_type);
	free(c->encoding);
	free(c->status.message);
	free(c->status.details);
	free(c);
}

static void set_status(struct pw_call *c, int code, const char *message, bool transport)
{
	char *copy = pw_xstrdup(pw_str_or_empty(message)); /* may be the old one */

	pw_freep(&c->status.message);
	pw_freep(&c->status.details);
	c->status = (struct rpc_status){ .code = code, .message = copy, .transport = transport };
}

void rpc_call_end_as_is(struct pw_call *c)
{
	struct pw_grpc_conn *conn = c->conn;

	if (c->ended)
		return;
	c->ended = true;
	HASH_DEL(conn->calls, c);
	DL_APPEND(conn->ending, c);
	if (!conn->calls) {
		conn->idle_since_ms = pw_now_mono_ms();
		if (conn->is_server)
			rpc_conn_arm(conn, conn->idle_since_ms + conn->limits.idle_ms);
	}
	rpc_conn_kick(conn);
}

void rpc_call_end(struct pw_call *c, int code, const char *message, bool transport)
{
	if (c->ended)
		return;
	set_status(c, code, message, transport);
	rpc_call_end_as_is(c);
}

static void deliver(struct pw_call *c, const struct pw_grpc_status *st)
{
	const struct pw_call_ops *ops = c->ops;

	c->ops = NULL;
	if (ops)
		ops->on_end(c->arg, c, st);
}

void rpc_call_deliver_end(struct pw_call *c)
{
	struct pw_grpc_status st = {
		.code = c->status.code,
		.message = pw_str_or_empty(c->status.message),
		.details = c->status.details,
		.details_len = c->status.details_len,
		.transport = c->status.transport,
	};

	deliver(c, &st);
}

void rpc_call_abandon(struct pw_call *c)
{
	static const struct pw_grpc_status st = { .code = PW_GRPC_CANCELLED,
						  .message = "connection closed by its owner",
						  .transport = true };

	deliver(c, &st);
}

void rpc_call_reset(struct pw_call *c, uint32_t h2_error)
{
	if (c->conn->h2 && c->conn->state != RPC_DEAD)
		nghttp2_submit_rst_stream(c->conn->h2, NGHTTP2_FLAG_NONE, c->id, h2_error);
}

/* This side gives up on the call, for something that the other side did. */
static void refuse(struct pw_call *c, int code, const char *text)
{
	if (c->conn->is_server) {
		pw_call_finish(c, code, text, /*details=*/NULL, 0);
		return;
	}
	rpc_call_reset(c, NGHTTP2_CANCEL);
	rpc_call_end(c, code, text, /*transport=*/true);
}

/* Until an owner detaches, or the call ends on either side, its messages have somebody to go to. */
static bool listens(const struct pw_call *c)
{
	return c->ops && !c->ended && !(c->conn->is_server && c->local_done);
}

static size_t receive_limit(const struct pw_call *c)
{
	const struct pw_grpc_limits *l = &c->conn->limits;

	if (!c->conn->is_server || c->trusted || l->first_message_bytes == 0)
		return l->max_receive_bytes;
	return pw_min(l->first_message_bytes, l->max_receive_bytes);
}

void rpc_call_data(struct pw_call *c, const uint8_t *data, size_t len)
{
	struct rpc_refusal why;
	int r;

	while (listens(c)) {
		r = rpc_frame_feed(&c->in, &data, &len, receive_limit(c), &why);
		if (r < 0)
			refuse(c, why.code, why.text);
		if (r <= 0)
			return;
		c->ops->on_message(c->arg, c, pw_buf_head(&c->in.body), pw_buf_used(&c->in.body));
	}
}

void rpc_call_remote_done(struct pw_call *c)
{
	if (c->remote_done)
		return;
	c->remote_done = true;
	if (!c->conn->is_server)
		rpc_call_end(c, PW_GRPC_INTERNAL,
			     "server closed the stream without sending trailers",
			     /*transport=*/true);
	else if (!listens(c))
		return;
	else if (rpc_frame_partial(&c->in))
		refuse(c, PW_GRPC_UNKNOWN, "unexpected EOF");
	else if (c->ops->on_half_close)
		c->ops->on_half_close(c->arg, c);
}

ssize_t rpc_call_read_out(struct pw_call *c, uint8_t *buf, size_t len, uint32_t *flags)
{
	size_t n = pw_min(len, pw_buf_used(&c->out));

	if (n > 0) {
		memcpy(buf, pw_buf_head(&c->out), n);
		pw_buf_consume(&c->out, n);
		if (c->blocked &&
		    pw_buf_used(&c->out) <= c->conn->limits.max_send_queue_bytes / 2) {
			c->blocked = false;
			c->drained = c->conn->any_drained = true;
			rpc_conn_kick(c->conn);
		}
	}
	if (pw_buf_used(&c->out) > 0)
		return (ssize_t)n;
	if (!c->local_done)
		return n > 0 ? (ssize_t)n : NGHTTP2_ERR_DEFERRED;
	*flags |= NGHTTP2_DATA_FLAG_EOF;
	if (c->conn->is_server) {
		*flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
		if (rpc_h2_trailers(c) != 0)
			return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	}
	return (ssize_t)n;
}

void rpc_call_stream_closed(struct pw_call *c, uint32_t h2_error)
{
	char text[96];

	if (c->flushed) {
		rpc_call_end_as_is(c); /* as finished */
		return;
	}
	snprintf(text, sizeof(text), "stream terminated by RST_STREAM with error code: %s",
		 nghttp2_http2_strerror(h2_error));
	rpc_call_end(c, rpc_status_of_h2(h2_error), text, /*transport=*/true);
}

static int begin_answer(struct pw_call *c)
{
	if (!c->conn->is_server || c->answered)
		return 0;
	c->answered = true;
	return rpc_h2_answer(c) == 0 ? 0 : -EPIPE;
}

int pw_call_send(struct pw_call *c, const void *data, size_t len)
{
	size_t queued = pw_buf_used(&c->out), limit = c->conn->limits.max_send_queue_bytes;
	uint8_t head[5];

	if (c->ended || c->local_done || c->conn->closing || c->conn->state == RPC_DEAD)
		return -EPIPE;
	if (len > UINT32_MAX)
		return -EMSGSIZE;
	if (queued > 0 && limit > 0 && queued + len + sizeof(head) > limit) {
		c->blocked = true;
		return -EAGAIN;
	}
	rpc_frame_head(head, len);
	if (pw_buf_add(&c->out, head, sizeof(head)) < 0 || pw_buf_add(&c->out, data, len) < 0)
		return -ENOMEM;
	if (begin_answer(c) < 0)
		return -EPIPE;
	nghttp2_session_resume_data(c->conn->h2, c->id);
	rpc_conn_kick(c->conn);
	return 0;
}

size_t pw_call_queued(const struct pw_call *c)
{
	return pw_buf_used(&c->out);
}

void pw_call_half_close(struct pw_call *c)
{
	if (c->ended || c->local_done || c->conn->is_server || c->conn->state == RPC_DEAD)
		return;
	c->local_done = true;
	nghttp2_session_resume_data(c->conn->h2, c->id);
	rpc_conn_kick(c->conn);
}

void pw_call_finish(struct pw_call *c, int code, const char *message, const void *details,
		    size_t details_len)
{
	if (c->ended || c->local_done || !c->conn->is_server || c->conn->state == RPC_DEAD)
		return;
	set_status(c, code, message, /*transport=*/false);
	if (details_len > 0) {
		c->status.details = pw_xcalloc(1, details_len);
		c->status.details_len = details_len;
		memcpy(c->status.details, details, details_len);
	}
	c->local_done = true;
	c->deadline_ms = pw_now_mono_ms() + RPC_LINGER_MS;
	rpc_conn_arm(c->conn, c->deadline_ms);
	if (c->answered)
		nghttp2_session_resume_data(c->conn->h2, c->id);
	else
		rpc_h2_answer_only(c, 200);
	c->answered = true;
	rpc_conn_kick(c->conn);
}

void pw_call_cancel(struct pw_call *c)
{
	if (c->ended)
		return;
	rpc_call_reset(c, NGHTTP2_CANCEL);
	rpc_call_end(c, PW_GRPC_CANCELLED, "call canceled", /*transport=*/true);
}

void pw_call_detach(struct pw_call *c)
{
	c->ops = NULL;
	/* What is finished still goes out. */
	if (!c->conn->is_server || !c->local_done)
		pw_call_cancel(c);
}

void pw_call_trust(struct pw_call *c)
{
	struct pw_grpc_conn *conn = c->conn;

	if (!conn->is_server || c->ended || c->trusted)
		return;
	c->trusted = true;
	if (!c->local_done)
		c->deadline_ms = RPC_NEVER;
	if (conn->trusted)
		return;
	conn->trusted = true;
	rpc_h2_trust(conn);
	rpc_conn_kick(conn);
}

const struct pw_addr *pw_call_client(const struct pw_call *c)
{
	return &c->conn->peer;
}
