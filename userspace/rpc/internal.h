/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_RPC_INTERNAL_H
#define PW_RPC_INTERNAL_H
/*
 * The parts of a gRPC connection. transport.c: bytes over TCP or TLS. h2.c: the nghttp2 session.
 * frame.c: messages in DATA frames. status.c: errors in headers. call.c: one call. conn.c: life,
 * events, deadlines. server.c, client.c, resolve.c: the two roles.
 *
 * C1 Callbacks of the owner run only between rpc_conn_enter and rpc_conn_leave, or inside _free.
 * They may do anything, free the connection too: memory of calls and connections is given back only
 * when the outermost rpc_conn_leave is reached. C2 A call that is not ended is in conn->calls under
 * its stream id. Nothing else points to calls: nghttp2 knows only stream ids. C3
 * nghttp2_session_mem_send and _mem_recv are never entered from inside a callback of nghttp2;
 * functions for the owner only submit, and kick the loop.
 */
#include "grpc.h"
#include "../base/buf.h"
#include <event2/event.h>
#include <nghttp2/nghttp2.h>
#include <uthash.h>
#include <utlist.h>

#define RPC_HEADER_BYTES     (16 * 1024) /* header list of a request or an answer */
#define RPC_STRANGER_STREAMS 8
#define RPC_STRANGER_CALLS \
	64 /* streams in the whole life of a connection that never proved itself */
#define RPC_READ_BUDGET (256 * 1024) /* bytes before other connections have their turn */
#define RPC_MAX_ANSWERS 1000	     /* frames waiting to be sent */
#define RPC_WRITE_CHUNK (16 * 1024)
#define RPC_WINDOW	(1024 * 1024)
#define RPC_IDLE_MS                                                                  \
	15000 /* server: a connection without calls, unless the limits say otherwise \
	       */
#define RPC_LINGER_MS	  10000 /* server: trailers that the client does not take */
#define RPC_MAX_ADDRESSES 8
#define RPC_NEVER	  INT64_MAX

/* --- transport.c --- */
struct rpc_transport {
	int fd;		 /* -1: none */
	SSL *ssl;	 /* NULL: plaintext */
	bool want_write; /* the last -EAGAIN waits for writability */
	bool fatal;	 /* no shutdown alert any more */
	char why[256];	 /* of the last error */
};
/* Takes fd, also on failure. server_name: client side; NULL on the server side. */
int rpc_transport_open(struct rpc_transport *t, int fd, SSL_CTX *ctx, const char *server_name);
/* 0; -EAGAIN; other: failed, t->why says how. read: 0 is the end. */
int rpc_transport_handshake(struct rpc_transport *t);
ssize_t rpc_transport_read(struct rpc_transport *t, void *buf, size_t len);
ssize_t rpc_transport_write(struct rpc_transport *t, const void *buf, size_t len);
void rpc_transport_close(struct rpc_transport *t); /* safe when closed */

/* --- frame.c --- */
struct rpc_frame {
	uint8_t head[5];
	size_t head_len;
	size_t want;
	struct pw_buf body;
};
struct rpc_refusal {
	int code;
	char text[128];
};
/* 1: a message is in f->body (until the next call); 0: all eaten; -EPROTO: ret_refusal says what.
 */
int rpc_frame_feed(struct rpc_frame *f, const uint8_t **data, size_t *len, size_t max,
		   struct rpc_refusal *ret_refusal);
/* Messages may hold secrets of a peering. */
void rpc_buf_wipe(struct pw_buf *b);
bool rpc_frame_partial(const struct rpc_frame *f); /* in the middle of a message */
void rpc_frame_clear(struct rpc_frame *f);
void rpc_frame_head(uint8_t ret[5], size_t len);

/* --- status.c --- */
char *rpc_status_encode_message(const char *text);
char *rpc_status_decode_message(const char *value,
				size_t len); /* valid UTF-8 without NUL, whatever came */
char *rpc_status_encode_details(const void *data, size_t len);
int rpc_status_decode_details(const char *value, size_t len, uint8_t **ret, size_t *ret_len);
int rpc_status_of_http(int http_status);
int rpc_status_of_h2(uint32_t h2_error);
int rpc_status_parse(const char *value, size_t len); /* UNKNOWN for what is no number */

/* --- call.c --- */
struct rpc_status { /* owning twin of pw_grpc_status */
	int code;
	char *message;
	uint8_t *details;
	size_t details_len;
	bool transport;
};
struct pw_call {
	struct pw_grpc_conn *conn;
	int32_t id; /* stream */
	UT_hash_handle hh;
	struct pw_call *prev, *next;   /* conn->ending or conn->graveyard */
	const struct pw_call_ops *ops; /* NULL: nobody listens (refused, detached) */
	void *arg;
	struct rpc_frame in;
	struct pw_buf out;
	size_t header_bytes;
	/* What the headers said: request (server) or answer (client). */
	char *method, *path, *content_type, *encoding;
	int http_status;
	struct rpc_status status; /* client: as received; both: as it ended */
	bool has_status;	  /* client: grpc-status came */
	bool bad_header;	  /* server: reset, not opened */
	bool opened;   /* server: request headers are complete; client: answer headers came */
	bool answered; /* server: response headers submitted */
	bool flushed;  /* server: trailers are sent */
	bool remote_done, local_done; /* END_STREAM came; nothing may be queued any more */
	bool blocked, drained;	      /* pw_call_send answered -EAGAIN; there is room again */
	bool trusted;
	bool ended;
	int64_t deadline_ms;
};
struct pw_call *rpc_call_new(struct pw_grpc_conn *conn);
struct pw_call *rpc_call_find(struct pw_grpc_conn *conn, int32_t id);
void rpc_call_link(struct pw_call *c, int32_t id);
void rpc_call_free(struct pw_call *c);
/* The last word on a call: on_end follows from the loop. Later ends are ignored. Takes nothing. */
void rpc_call_end(struct pw_call *c, int code, const char *message, bool transport);
void rpc_call_end_as_is(struct pw_call *c); /* c->status is filled */
void rpc_call_deliver_end(struct pw_call *c);
void rpc_call_abandon(struct pw_call *c); /* on_end now: its owner frees the connection */
void rpc_call_reset(struct pw_call *c, uint32_t h2_error); /* RST_STREAM only */
void rpc_call_data(struct pw_call *c, const uint8_t *data, size_t len);
void rpc_call_remote_done(struct pw_call *c);
/* For nghttp2's data provider. */
ssize_t rpc_call_read_out(struct pw_call *c, uint8_t *buf, size_t len, uint32_t *flags);
void rpc_call_stream_closed(struct pw_call *c, uint32_t h2_error);

/* --- conn.c --- */
enum rpc_conn_state { RPC_NEW, RPC_RESOLVING, RPC_CONNECTING, RPC_HANDSHAKE, RPC_UP, RPC_DEAD };
struct pw_grpc_conn {
	struct event_base *base;
	struct pw_grpc_limits limits;
	struct pw_grpc_server *server; /* NULL: client, or the server is gone */
	bool is_server;
	struct pw_grpc_conn *prev, *next; /* server's list */
	struct pw_addr peer;
	struct rpc_client *client; /* client side only */
	enum rpc_conn_state state;
	struct rpc_transport io;
	nghttp2_session *h2;
	struct pw_buf out;
	struct event *ev_read, *ev_write, *ev_kick, *ev_timer;
	struct pw_call *calls;	   /* hash by stream id */
	struct pw_call *ending;	   /* on_end is due */
	struct pw_call *graveyard; /* over, freed at the outermost leave */
	unsigned depth;
	bool closing;	       /* freed by its owner, or done (server) */
	bool going_away;       /* GOAWAY came: no new calls */
	uint32_t goaway_error; /* of the last GOAWAY, theirs or ours */
	bool trusted;
	bool any_drained;
	unsigned n_streams; /* ever */
	char *why;	    /* of its death */
	int64_t armed_ms, start_deadline_ms, stranger_deadline_ms, idle_since_ms;
	int64_t last_received_ms, ping_deadline_ms;
};
struct pw_grpc_conn *rpc_conn_new(struct event_base *base, const struct pw_grpc_limits *lim);
void rpc_conn_attach(struct pw_grpc_conn *conn); /* makes the events of io.fd and waits for bytes */
void rpc_conn_detach_fd(struct pw_grpc_conn *conn);
void rpc_conn_enter(struct pw_grpc_conn *conn);
void rpc_conn_leave(struct pw_grpc_conn *conn); /* may free conn */
void rpc_conn_kick(struct pw_grpc_conn *conn);	/* flush and deliver, from the loop */
void rpc_conn_arm(struct pw_grpc_conn *conn, int64_t deadline_ms);
/* The connection is dead: its calls end with code, transport = true. */
void rpc_conn_fail(struct pw_grpc_conn *conn, int code, const char *fmt, ...) pw_printf(3, 4);
/* The owner lets go: on_end of all calls at once, then memory at once or at the outermost leave. */
void rpc_conn_abandon(struct pw_grpc_conn *conn);
void rpc_conn_flush(struct pw_grpc_conn *conn);
void rpc_conn_up(struct pw_grpc_conn *conn); /* transport is ready: talk HTTP/2 */
void rpc_conn_progress(struct pw_grpc_conn *conn);

/* --- h2.c --- */
int rpc_h2_new(struct pw_grpc_conn *conn);
int rpc_h2_receive(struct pw_grpc_conn *conn, const uint8_t *data, size_t len);
void rpc_h2_trust(struct pw_grpc_conn *conn);
int32_t rpc_h2_request(struct pw_call *c, const char *path, const char *authority, bool tls);
int rpc_h2_answer(struct pw_call *c);			    /* response headers, DATA follows */
int rpc_h2_answer_only(struct pw_call *c, int http_status); /* trailers-only from c->status */
int rpc_h2_trailers(struct pw_call *c);			    /* from c->status */

/* --- server.c, client.c, resolve.c --- */
void rpc_server_open(struct pw_call *c); /* request headers are complete */
void rpc_server_forget(struct pw_grpc_conn *conn);
void rpc_client_headers(struct pw_call *c, bool end_stream);
void rpc_client_start(struct pw_grpc_conn *conn);
void rpc_client_connected(struct pw_grpc_conn *conn); /* the socket is writable */
/* On to the next address. why NULL: this one took its share of the time. */
void rpc_client_retry(struct pw_grpc_conn *conn, const char *why);
void rpc_client_clear(struct rpc_client **cl);

struct rpc_resolve;
typedef void (*rpc_resolve_fn)(void *arg, const struct pw_addr *addrs, size_t n, const char *error);
/* fn may be called before this returns (then *ret is NULL); never after rpc_resolve_cancel. */
int rpc_resolve_start(struct rpc_resolve **ret, struct event_base *base, const char *host,
		      uint16_t port, rpc_resolve_fn fn, void *arg);
void rpc_resolve_cancel(struct rpc_resolve **r);

/* --- pb.c --- */
size_t rpc_utf8_len(const uint8_t *p, size_t left); /* of the sequence at p; 0: none, or NUL */
#endif
