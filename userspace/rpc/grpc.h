/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_RPC_GRPC_H
#define PW_RPC_GRPC_H
/*
 * gRPC over HTTP/2 (nghttp2) over TLS or plaintext, on a libevent loop. Raw message bytes in and
 * out; protobuf is the caller's.
 *
 * Control thread only. Callbacks never run inside pw_call_send, pw_call_finish, pw_call_cancel or a
 * _connect/_accept call: they come from the loop. Only the _free functions call on_end themselves,
 * so that nothing is called after them; both may be called from inside any callback. What was
 * queued before is sent as far as the socket takes it. I1 on_end is the last callback of a call and
 * comes exactly once, also when the connection dies, unless the owner detached with
 * pw_call_detach(). I2 A call pointer is valid until its on_end returns (or it was detached). I3
 * Everything received is bounded by the limits below. Behaviour on the wire: tests/wire/README.md
 * (HTTP/2, refusals): trailers-only errors, percent-encoded grpc-message, grpc-status-details-bin
 * unpadded base64; content type application/grpc(+proto); compressed flag refused with 13; gzip
 * with 12; GET 405/13; PINGs and WINDOW_UPDATEs answered.
 */
#include "../base/addr.h"
#include "../base/err.h"
#include <openssl/ssl.h>

struct event_base;
struct pw_call;
struct pw_grpc_conn;

enum pw_grpc_code {
	PW_GRPC_OK = 0,
	PW_GRPC_CANCELLED = 1,
	PW_GRPC_UNKNOWN = 2,
	PW_GRPC_INVALID_ARGUMENT = 3,
	PW_GRPC_DEADLINE_EXCEEDED = 4,
	PW_GRPC_NOT_FOUND = 5,
	PW_GRPC_PERMISSION_DENIED = 7,
	PW_GRPC_RESOURCE_EXHAUSTED = 8,
	PW_GRPC_FAILED_PRECONDITION = 9,
	PW_GRPC_ABORTED = 10,
	PW_GRPC_UNIMPLEMENTED = 12,
	PW_GRPC_INTERNAL = 13,
	PW_GRPC_UNAVAILABLE = 14,
	PW_GRPC_UNAUTHENTICATED = 16
};
struct pw_grpc_status {
	int code;
	const char *message; /* never NULL */
	const uint8_t *details;
	size_t details_len; /* decoded grpc-status-details-bin (google.rpc.Status), may be empty */
	bool transport; /* made up here: the connection failed or was reset, nothing came from the
			   server */
};
struct pw_call_ops {
	void (*on_message)(void *arg, struct pw_call *c, const uint8_t *data, size_t len);
	void (*on_half_close)(
		void *arg, struct pw_call *c); /* server: the client ended its side; may be NULL */
	void (*on_end)(void *arg, struct pw_call *c, const struct pw_grpc_status *st);
	void (*on_writable)(void *arg, struct pw_call *c); /* after -EAGAIN: half of the queue is
							      free again; may be NULL */
};
/* Server side: how one method starts. Sets ops and arg and returns 0, or refuses: returns a
 * pw_grpc_code, text in *err. */
struct pw_grpc_method {
	const char *path; /* "/package.Service/Method" */
	int (*open)(void *arg, struct pw_call *c, const struct pw_call_ops **ret_ops,
		    void **ret_arg, struct pw_err *err);
};
struct pw_grpc_limits {
	size_t max_receive_bytes;   /* a message; larger: ResourceExhausted (8) "grpc: received
				       message larger than max (N vs. M)" */
	size_t first_message_bytes; /* server: until pw_call_trust(); 0: no extra limit */
	int64_t first_message_ms; /* server: a call that is not trusted by then is ended; 0: none */
	uint32_t max_streams;	  /* SETTINGS_MAX_CONCURRENT_STREAMS; untrusted connections: 8 */
	size_t max_send_queue_bytes; /* pw_call_send answers -EAGAIN beyond (but takes one message
					always) */
	int64_t keepalive_ms;	     /* PING after that long without a byte; 0: none */
	int64_t keepalive_timeout_ms;
	int64_t idle_ms; /* server: a connection without calls is closed after that long; 0: 15 s */
};
struct pw_grpc_server;
int pw_grpc_server_new(struct pw_grpc_server **ret, struct event_base *base,
		       const struct pw_grpc_limits *lim, const struct pw_grpc_method *methods,
		       size_t n, void *arg, struct pw_err *err);
void pw_grpc_server_free(struct pw_grpc_server **s); /* ends all its connections and calls */
/* Takes fd. ctx NULL: plaintext. The server context should offer no ALPN answer (as Consul) and ask
 * for no client certificate. */
int pw_grpc_server_accept(struct pw_grpc_server *s, int fd, SSL_CTX *ctx,
			  const struct pw_addr *client, struct pw_err *err);
size_t pw_grpc_server_connections(const struct pw_grpc_server *s,
				  const struct pw_addr *from /* NULL: all */);

struct pw_grpc_client_options {
	struct event_base *base;
	const char *host;
	uint16_t port; /* name or literal; names are resolved without blocking (evdns) */
	SSL_CTX *ctx;  /* NULL: plaintext; verification is the context's (see pw_grpc_client_ctx) */
	const char *server_name;    /* SNI, verified name and :authority */
	int64_t connect_timeout_ms; /* TCP and TLS together */
	struct pw_grpc_limits limits;
	/* Refuses addresses that we must not dial, after resolution; may be NULL. */
	bool (*may_dial)(void *arg, const struct pw_addr *a);
	void *arg;
};
/* Connects in the background; calls may be made at once and are sent when it is up. */
int pw_grpc_client_new(struct pw_grpc_conn **ret, const struct pw_grpc_client_options *opt,
		       struct pw_err *err);
void pw_grpc_client_free(
	struct pw_grpc_conn **c); /* its calls end with CANCELLED, transport = true */
/* TLS context that trusts only these PEM roots, offers ALPN h2, verifies server_name. Caller frees.
 */
int pw_grpc_client_ctx(SSL_CTX **ret, const char *const *root_pems, size_t n, struct pw_err *err);
int pw_grpc_call(struct pw_grpc_conn *c, const char *path, const struct pw_call_ops *ops, void *arg,
		 struct pw_call **ret, struct pw_err *err);

int pw_call_send(struct pw_call *c, const void *data,
		 size_t len); /* copies. -EAGAIN, -EPIPE (ended) */
size_t pw_call_queued(const struct pw_call *c);
void pw_call_half_close(struct pw_call *c); /* client: END_STREAM behind what is queued */
/* server: trailers behind what is queued; details may be NULL */
void pw_call_finish(struct pw_call *c, int code, const char *message, const void *details,
		    size_t details_len);
void pw_call_cancel(struct pw_call *c); /* RST_STREAM(CANCEL); on_end follows from the loop */
void pw_call_detach(struct pw_call *c); /* no callback any more; ended quietly as by cancel (what is
					   finished still goes out) */
void pw_call_trust(
	struct pw_call *c); /* server: the caller proved itself: the limits for strangers end */
const struct pw_addr *pw_call_client(const struct pw_call *c);
#endif
