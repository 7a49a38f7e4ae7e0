// SPDX-License-Identifier: Apache-2.0
#include "internal.h"
#include "../base/str.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define MAX_TRAILERS 5

static nghttp2_nv header(const char *name, const char *value)
{
	return (nghttp2_nv){ .name = (uint8_t *)name,
			     .value = (uint8_t *)value,
			     .namelen = strlen(name),
			     .valuelen = strlen(value) };
}

static void keep(char **member, const uint8_t *value, size_t len)
{
	free(*member);
	*member = pw_xstrndup((const char *)value, len);
}

static void request_header(struct pw_call *c, const char *name, const uint8_t *value, size_t len)
{
	if (strcmp(name, ":method") == 0)
		keep(&c->method, value, len);
	else if (strcmp(name, ":path") == 0)
		keep(&c->path, value, len);
	else if (strcmp(name, "content-type") == 0)
		keep(&c->content_type, value, len);
	else if (strcmp(name, "grpc-encoding") == 0)
		keep(&c->encoding, value, len);
}

static void answer_header(struct pw_call *c, const char *name, const uint8_t *value, size_t len)
{
	const char *text = (const char *)value;

	if (strcmp(name, ":status") == 0) {
		c->http_status = atoi(text); /* three digits: nghttp2 has checked it */
	} else if (strcmp(name, "content-type") == 0) {
		keep(&c->content_type, value, len);
	} else if (strcmp(name, "grpc-status") == 0) {
		c->status.code = rpc_status_parse(text, len);
		c->has_status = true;
	} else if (strcmp(name, "grpc-message") == 0) {
		free(c->status.message);
		c->status.message = rpc_status_decode_message(text, len);
	} else if (strcmp(name, "grpc-status-details-bin") == 0) {
		pw_freep(&c->status.details);
		c->status.details_len = 0;
		(void)rpc_status_decode_details(text, len, &c->status.details,
						&c->status.details_len);
	}
}

/*
 * The server's session runs without nghttp2's own checks of messages, because those refuse a
 * request without :authority, which a real server takes. What matters of them is here (RFC
 * 9113, 8.2): names in lower case, nothing that belongs to one hop of HTTP/1.
 */
static bool name_allowed(const uint8_t *name, size_t len)
{
	static const char *const forbidden[] = { "connection", "keep-alive", "proxy-connection",
						 "transfer-encoding", "upgrade" };

	if (len == 0)
		return false;
	for (size_t i = 0; i < len; i++)
		if (name[i] <= ' ' || name[i] >= 0x7f || isupper(name[i]) ||
		    (name[i] == ':' && i > 0))
			return false;
	for (size_t i = 0; i < ARRAY_SIZE(forbidden); i++)
		if (strlen(forbidden[i]) == len && memcmp(forbidden[i], name, len) == 0)
			return false;
	return true;
}

static bool value_allowed(const uint8_t *value, size_t len)
{
	return !memchr(value, '\0', len) && !memchr(value, '\r', len) && !memchr(value, '\n', len);
}

static int on_begin_headers(nghttp2_session *h2, const nghttp2_frame *frame, void *arg)
{
	struct pw_grpc_conn *conn = arg;

	if (!conn->is_server || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
		return 0;
	conn->n_streams++;
	if (!conn->trusted && conn->n_streams > RPC_STRANGER_CALLS) {
		nghttp2_session_terminate_session(h2, NGHTTP2_ENHANCE_YOUR_CALM);
		return 0;
	}
	rpc_call_link(rpc_call_new(conn), frame->hd.stream_id);
	return 0;
}

static int on_header(nghttp2_session *h2, const nghttp2_frame *frame, const uint8_t *name,
		     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
		     void *arg)
{
	struct pw_grpc_conn *conn = arg;
	struct pw_call *c = rpc_call_find(conn, frame->hd.stream_id);

	if (!c || c->bad_header)
		return 0;
	c->header_bytes += name_len + value_len + 32;
	if (c->header_bytes > RPC_HEADER_BYTES)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	if (!conn->is_server) {
		answer_header(c, (const char *)name, value, value_len);
		return 0;
	}
	if (!name_allowed(name, name_len) || !value_allowed(value, value_len)) {
		c->bad_header = true;
		rpc_call_reset(c, NGHTTP2_PROTOCOL_ERROR);
		return 0;
	}
	if (!c->opened)
		request_header(c, (const char *)name, value, value_len);
	return 0;
}

static void request_frame(struct pw_call *c, const nghttp2_frame *frame)
{
	bool end = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;

	if (frame->hd.type == NGHTTP2_HEADERS && c->opened && !end) {
		/* Trailers end the stream, by definition. */
		rpc_call_reset(c, NGHTTP2_PROTOCOL_ERROR);
		rpc_call_end(c, PW_GRPC_INTERNAL, "trailers without end of stream",
			     /*transport=*/true);
		return;
	}
	if (frame->hd.type == NGHTTP2_HEADERS && !c->opened)
		rpc_server_open(c);
	if (end && !c->ended)
		rpc_call_remote_done(c);
}

static int on_frame_recv(nghttp2_session *h2, const nghttp2_frame *frame, void *arg)
{
	struct pw_grpc_conn *conn = arg;
	struct pw_call *c;

	if (frame->hd.type == NGHTTP2_GOAWAY) {
		conn->going_away = true;
		conn->goaway_error = frame->goaway.error_code;
		return 0;
	}
	if (frame->hd.type == NGHTTP2_PING && (frame->hd.flags & NGHTTP2_FLAG_ACK))
		conn->ping_deadline_ms = 0;
	if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
		return 0;
	c = rpc_call_find(conn, frame->hd.stream_id);
	if (!c || c->bad_header)
		return 0;
	if (conn->is_server)
		request_frame(c, frame);
	else if (frame->hd.type == NGHTTP2_HEADERS)
		rpc_client_headers(c, frame->hd.flags & NGHTTP2_FLAG_END_STREAM);
	else if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
		rpc_call_remote_done(c);
	return 0;
}

static int on_data_chunk(nghttp2_session *h2, uint8_t flags, int32_t stream_id, const uint8_t *data,
			 size_t len, void *arg)
{
	struct pw_call *c = rpc_call_find(arg, stream_id);

	if (c && c->opened)
		rpc_call_data(c, data, len);
	return 0;
}

static int on_stream_close(nghttp2_session *h2, int32_t stream_id, uint32_t error_code, void *arg)
{
	struct pw_call *c = rpc_call_find(arg, stream_id);

	if (c)
		rpc_call_stream_closed(c, error_code);
	return 0;
}

/* The server has said all: a client that has not ended its side is told that nobody listens any
 * more. */
static int on_frame_send(nghttp2_session *h2, const nghttp2_frame *frame, void *arg)
{
	struct pw_grpc_conn *conn = arg;
	struct pw_call *c;

	if (frame->hd.type == NGHTTP2_GOAWAY)
		conn->goaway_error = frame->goaway.error_code;
	if (!conn->is_server || frame->hd.type != NGHTTP2_HEADERS ||
	    !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
		return 0;
	c = rpc_call_find(conn, frame->hd.stream_id);
	if (!c)
		return 0;
	c->flushed = true;
	if (!c->remote_done)
		nghttp2_submit_rst_stream(h2, NGHTTP2_FLAG_NONE, c->id, NGHTTP2_NO_ERROR);
	return 0;
}

static int on_frame_not_send(nghttp2_session *h2, const nghttp2_frame *frame, int error, void *arg)
{
	struct pw_call *c = rpc_call_find(arg, frame->hd.stream_id);

	if (c && frame->hd.type == NGHTTP2_HEADERS)
		rpc_call_end(c, PW_GRPC_UNAVAILABLE, nghttp2_strerror(error), /*transport=*/true);
	return 0;
}

static ssize_t read_out(nghttp2_session *h2, int32_t stream_id, uint8_t *buf, size_t len,
			uint32_t *flags, nghttp2_data_source *source, void *arg)
{
	struct pw_call *c = rpc_call_find(arg, stream_id);

	/* Without a call its RST_STREAM is under way, and takes this frame with it. */
	return c ? rpc_call_read_out(c, buf, len, flags) : NGHTTP2_ERR_DEFERRED;
}

static nghttp2_session_callbacks *new_callbacks(void)
{
	nghttp2_session_callbacks *cb = NULL;

	if (nghttp2_session_callbacks_new(&cb) != 0)
		return NULL;
	nghttp2_session_callbacks_set_on_begin_headers_callback(cb, on_begin_headers);
	nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
	nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame_recv);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data_chunk);
	nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_stream_close);
	nghttp2_session_callbacks_set_on_frame_send_callback(cb, on_frame_send);
	nghttp2_session_callbacks_set_on_frame_not_send_callback(cb, on_frame_not_send);
	return cb;
}

static int submit_settings(struct pw_grpc_conn *conn)
{
	nghttp2_settings_entry server[] = {
		{ NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS,
		  pw_min(conn->limits.max_streams, (uint32_t)RPC_STRANGER_STREAMS) },
		{ NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, RPC_HEADER_BYTES },
	};
	nghttp2_settings_entry client[] = {
		{ NGHTTP2_SETTINGS_ENABLE_PUSH, 0 },
		{ NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, RPC_WINDOW },
		{ NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, RPC_HEADER_BYTES },
	};
	int r;

	if (conn->is_server)
		return nghttp2_submit_settings(conn->h2, NGHTTP2_FLAG_NONE, server,
					       ARRAY_SIZE(server));
	r = nghttp2_submit_settings(conn->h2, NGHTTP2_FLAG_NONE, client, ARRAY_SIZE(client));
	return r ? r : nghttp2_session_set_local_window_size(conn->h2, 0, 0, RPC_WINDOW);
}

int rpc_h2_new(struct pw_grpc_conn *conn)
{
	nghttp2_session_callbacks *cb = new_callbacks();
	nghttp2_option *opt = NULL;
	int r = NGHTTP2_ERR_NOMEM;

	if (cb && nghttp2_option_new(&opt) == 0) {
		nghttp2_option_set_no_closed_streams(opt, 1);
		nghttp2_option_set_no_http_messaging(opt, conn->is_server);
		r = conn->is_server ? nghttp2_session_server_new2(&conn->h2, cb, conn, opt)
				    : nghttp2_session_client_new2(&conn->h2, cb, conn, opt);
	}
	nghttp2_option_del(opt);
	nghttp2_session_callbacks_del(cb);
	if (r == 0)
		r = submit_settings(conn);
	return r ? -ENOMEM : 0;
}

int rpc_h2_receive(struct pw_grpc_conn *conn, const uint8_t *data, size_t len)
{
	ssize_t n = nghttp2_session_mem_recv(conn->h2, data, len);

	if (n < 0) {
		rpc_conn_fail(conn, PW_GRPC_UNAVAILABLE, "HTTP/2: %s", nghttp2_strerror((int)n));
		return -EPROTO;
	}
	return 0;
}

void rpc_h2_trust(struct pw_grpc_conn *conn)
{
	nghttp2_settings_entry more[] = {
		{ NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, conn->limits.max_streams },
		{ NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, RPC_WINDOW },
	};

	nghttp2_submit_settings(conn->h2, NGHTTP2_FLAG_NONE, more, ARRAY_SIZE(more));
	nghttp2_session_set_local_window_size(conn->h2, NGHTTP2_FLAG_NONE, 0, RPC_WINDOW);
}

int32_t rpc_h2_request(struct pw_call *c, const char *path, const char *authority, bool tls)
{
	nghttp2_nv nv[] = { header(":method", "POST"),
			    header(":scheme", tls ? "https" : "http"),
			    header(":path", path),
			    header(":authority", authority),
			    header("content-type", "application/grpc"),
			    header("user-agent", "peerway"),
			    header("te", "trailers") };
	nghttp2_data_provider body = { .read_callback = read_out };

	return nghttp2_submit_request(c->conn->h2, /*pri_spec=*/NULL, nv, ARRAY_SIZE(nv), &body,
				      /*stream_user_data=*/NULL);
}

static const char *answer_type(const struct pw_call *c)
{
	return c->content_type && pw_streq(c->content_type, "application/grpc+proto")
		       ? "application/grpc+proto"
		       : "application/grpc";
}

int rpc_h2_answer(struct pw_call *c)
{
	nghttp2_nv nv[] = { header(":status", "200"), header("content-type", answer_type(c)) };
	nghttp2_data_provider body = { .read_callback = read_out };

	return nghttp2_submit_response(c->conn->h2, c->id, nv, ARRAY_SIZE(nv), &body);
}

/* Strings that must live until nghttp2 has copied the headers. */
struct trailers {
	char code[16];
	char *message;
	char *details;
};

static void clear_trailers(struct trailers *t)
{
	free(t->message);
	free(t->details);
}

static size_t fill_trailers(const struct rpc_status *st, struct trailers *t, nghttp2_nv *nv)
{
	size_t n = 0;

	snprintf(t->code, sizeof(t->code), "%d", st->code);
	t->message = rpc_status_encode_message(pw_str_or_empty(st->message));
	nv[n++] = header("grpc-status", t->code);
	nv[n++] = header("grpc-message", t->message);
	if (st->details_len > 0) {
		t->details = rpc_status_encode_details(st->details, st->details_len);
		nv[n++] = header("grpc-status-details-bin", t->details);
	}
	return n;
}

int rpc_h2_answer_only(struct pw_call *c, int http_status)
{
	pw_cleanup(clear_trailers) struct trailers t = { 0 };
	nghttp2_nv nv[MAX_TRAILERS];
	char status[8];

	snprintf(status, sizeof(status), "%d", http_status);
	nv[0] = header(":status", status);
	nv[1] = header("content-type", answer_type(c));
	return nghttp2_submit_response(c->conn->h2, c->id, nv,
				       2 + fill_trailers(&c->status, &t, nv + 2),
				       /*data_prd=*/NULL);
}

int rpc_h2_trailers(struct pw_call *c)
{
	pw_cleanup(clear_trailers) struct trailers t = { 0 };
	nghttp2_nv nv[MAX_TRAILERS];

	return nghttp2_submit_trailer(c->conn->h2, c->id, nv, fill_trailers(&c->status, &t, nv));
}
