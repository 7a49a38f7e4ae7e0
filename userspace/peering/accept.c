// SPDX-License-Identifier: Apache-2.0
/* The acceptor: the gRPC service that dialers call, and how a stranger becomes a stream. */
#include "stream.h"
#include "../base/log.h"
#include "../base/uuid.h"
#include "../model/reason.h"
#include "../rpc/pb.h"

#include <openssl/crypto.h>
#include <string.h>
#include <unistd.h>

#define MAX_STREAMS 2048

/* One call, from its first byte to on_end. */
struct pw_accept_call {
	LIST_ENTRY(pw_accept_call) next;
	struct pw_peering_mgr *mgr;
	struct pw_call *call;
	struct pw_stream *stream; /* NULL: not opened yet, or ended */
	bool finished;		  /* trailers are on their way */
};

typedef PW_PB(Peerstream, ReplicationMessage) Message;
typedef PW_PB(Peerstream, ReplicationMessage__Open) Open;

/* --- calls
 * ---------------------------------------------------------------------------------------------- */

static struct pw_accept_call *call_new(struct pw_peering_mgr *m, struct pw_call *call)
{
	struct pw_accept_call *c = pw_new0(struct pw_accept_call);

	c->mgr = m;
	c->call = call;
	LIST_INSERT_HEAD(&m->calls, c, next);
	m->n_calls++;
	return c;
}

static void call_free(struct pw_accept_call *c)
{
	LIST_REMOVE(c, next);
	c->mgr->n_calls--;
	free(c);
}

static void finish(struct pw_accept_call *c, int code, const char *text)
{
	if (c->finished)
		return;
	c->finished = true;
	pw_call_finish(c->call, code, text, /*details=*/NULL, /*details_len=*/0);
}

/* A stranger's mistake is its own affair; it is told, and we say it at debug. */
static void refuse(struct pw_accept_call *c, int code, const char *text)
{
	char from[PW_ADDR_TEXT] = "";
	const struct pw_addr *a = pw_call_client(c->call);

	pw_log_debug("accept.refused", "from", a ? pw_addr_text(a, from) : "", "code",
		     pw_log_i64(code), "error", text, NULL);
	finish(c, code, text);
}

/* --- ExchangeSecret
 * ------------------------------------------------------------------------------------- */

static void exchange_reply(struct pw_accept_call *c, const char *secret)
{
	PW_PB(Peerstream, ExchangeSecretResponse)
	m = PW_PB_INIT(PEERSTREAM, EXCHANGE_SECRET_RESPONSE);
	uint8_t *data;
	size_t len;

	m.stream_secret = (char *)secret;
	data = pw_pb_encode(&m, &len);
	pw_call_trust(c->call);
	pw_call_send(c->call, data, len);
	OPENSSL_cleanse(data, len);
	free(data);
	finish(c, PW_GRPC_OK, "");
}

static void exchange_message(void *arg, struct pw_call *call, const uint8_t *data, size_t len)
{
	pw_autopb PW_PB(Peerstream, ExchangeSecretRequest) *m = NULL;
	struct pw_accept_call *c = arg;
	struct pw_err err = PW_ERR_INIT;
	char secret[PW_UUID_LEN] = "";
	int r;

	if (c->finished)
		return;
	if (pw_pb_decode(&PW_PB_DESC(peerstream, exchange_secret_request), data, len, &m) < 0) {
		refuse(c, PW_GRPC_INTERNAL, "grpc: failed to unmarshal the received message");
		return;
	}
	if (!pw_uuid_valid(m->peer_id)) {
		refuse(c, PW_GRPC_INTERNAL,
		       "failed to read peering secret: the PeerID is not a UUID");
		return;
	}
	r = pw_secret_exchange(c->mgr, m->peer_id, m->establishment_secret, secret, &err);
	if (r < 0) {
		refuse(c, r == -EACCES ? PW_GRPC_PERMISSION_DENIED : PW_GRPC_INTERNAL, err.text);
		return;
	}
	pw_log_info("peering.secret_exchanged", "id", m->peer_id, NULL);
	exchange_reply(c, secret);
	OPENSSL_cleanse(secret, sizeof(secret));
}

static void exchange_half_close(void *arg, struct pw_call *call)
{
	finish(arg, PW_GRPC_INTERNAL, "the request ended before its message");
}

static void call_end(void *arg, struct pw_call *call, const struct pw_grpc_status *st)
{
	struct pw_accept_call *c = arg;

	if (c->stream) {
		struct pw_stream *s = TAKE_PTR(c->stream);
		pw_autofree char *text =
			pw_xasprintf("stream ended unexpectedly: %s",
				     *st->message ? st->message : "the connection was closed");

		if (pw_is_interruption(st))
			pw_stream_interrupted(s);
		pw_stream_lost(s, /*remote=*/!st->transport, text);
	}
	call_free(c);
}

static const struct pw_call_ops exchange_ops = { .on_message = exchange_message,
						 .on_half_close = exchange_half_close,
						 .on_end = call_end };

static int exchange_open(void *arg, struct pw_call *call, const struct pw_call_ops **ret_ops,
			 void **ret_arg, struct pw_err *err)
{
	*ret_ops = &exchange_ops;
	*ret_arg = call_new(arg, call);
	return 0;
}

/* --- StreamResources
 * ------------------------------------------------------------------------------------ */

static int transport_send(void *arg, const uint8_t *data, size_t len)
{
	struct pw_accept_call *c = arg;

	return pw_call_send(c->call, data, len);
}

static void transport_end(void *arg, int code, const char *text)
{
	struct pw_accept_call *c = arg;

	c->stream = NULL;
	finish(c, code, pw_str_or_empty(text));
}

static const struct pw_stream_ops transport_ops = { transport_send, transport_end };

static void send_terminated(struct pw_accept_call *c)
{
	Message m = PW_PB_INIT(PEERSTREAM, REPLICATION_MESSAGE);
	PW_PB(Peerstream, ReplicationMessage__Terminated)
	t = PW_PB_INIT(PEERSTREAM, REPLICATION_MESSAGE__TERMINATED);
	uint8_t *data;
	size_t len;

	m.payload_case = PW_PB_ENUM(PEERSTREAM, REPLICATION_MESSAGE__PAYLOAD_TERMINATED);
	m.terminated = &t;
	data = pw_pb_encode(&m, &len);
	pw_call_send(c->call, data, len);
	free(data);
}

static int refused(int *ret_code, int code, struct pw_err *err, const char *text, const char *what)
{
	*ret_code = code;
	return pw_err_set(err, PW_ERR_DENIED, EACCES, "%s%s", text, what);
}

/* In Consul's order: a stranger's probes get the answers they would get there. */
static int check_open(struct pw_accept_call *c, const Open *open, enum pw_secret_match *ret_match,
		      int *ret_code, struct pw_err *err)
{
	const struct pw_peering *p;
	const struct pw_peering_secret *s;

	if (!*open->peer_id)
		return refused(ret_code, PW_GRPC_INVALID_ARGUMENT, err,
			       "initial subscription request must specify a PeerID", "");
	if (!pw_uuid_valid(open->peer_id))
		return refused(ret_code, PW_GRPC_INTERNAL, err,
			       "failed to find PeerID: ", open->peer_id);
	p = pw_peering_by_id(c->mgr, open->peer_id);
	if (!p)
		return refused(ret_code, PW_GRPC_INVALID_ARGUMENT, err,
			       "initial subscription for unknown PeerID: ", open->peer_id);
	if (p->state == PW_PEERING_DELETING || p->state == PW_PEERING_TERMINATED) {
		send_terminated(c);
		return refused(ret_code, PW_GRPC_ABORTED, err,
			       "peering is marked as deleted: ", open->peer_id);
	}
	s = pw_secret_get(c->mgr->store, open->peer_id);
	if (!s)
		return refused(ret_code, PW_GRPC_INTERNAL, err,
			       "unable to authorize connection, peering must be re-established",
			       "");
	*ret_match = pw_secret_match(s, open->stream_secret_id);
	if (*ret_match == PW_SECRET_NONE)
		return refused(ret_code, PW_GRPC_PERMISSION_DENIED, err,
			       "invalid peering stream secret", "");
	if (!pw_str_empty(p->peer_id))
		return refused(ret_code, PW_GRPC_INVALID_ARGUMENT, err,
			       "the wrong end of peering is being dialed", "");
	return 0;
}

static void set_remote(struct pw_peering *p, const Open *open)
{
	const PW_PB(Peering, RemoteInfo) *remote = open->remote;

	if (!remote || pw_str_has_control(remote->partition) ||
	    pw_str_has_control(remote->datacenter))
		return;
	free(p->remote_partition);
	free(p->remote_datacenter);
	p->remote_partition = pw_xstrdup(remote->partition);
	p->remote_datacenter = pw_xstrdup(remote->datacenter);
	pw_json_decrefp(&p->remote_locality);
	if (remote->locality)
		p->remote_locality = json_pack("{s:s, s:s}", "Region", remote->locality->region,
					       "Zone", remote->locality->zone);
}

/* The first use of a new secret makes it the only one; who comes is then remembered too. */
static int promote(struct pw_accept_call *c, const Open *open, struct pw_err *err)
{
	struct pw_peering *p = pw_peering_dup(pw_peering_by_id(c->mgr, open->peer_id));
	pw_autotx struct pw_tx *tx = NULL;
	int r;

	set_remote(p, open);
	r = pw_tx_begin(c->mgr->store, &tx, err);
	if (r < 0) {
		pw_schema_free(&pw_peering_schema, p);
		return r;
	}
	r = pw_tx_put(tx, PW_T_PEERING, p, err);
	if (r == 0)
		r = pw_secret_promote(tx, open->peer_id, err);
	return r < 0 ? r : pw_tx_commit(&tx, err);
}

static void open_stream(struct pw_accept_call *c, const Open *open)
{
	enum pw_secret_match match = PW_SECRET_NONE;
	struct pw_err err = PW_ERR_INIT;
	int code = PW_GRPC_INTERNAL;
	struct pw_link *l;
	int r;

	r = check_open(c, open, &match, &code, &err);
	if (r == 0 && match == PW_SECRET_PENDING)
		r = promote(c, open, &err);
	if (r < 0) {
		refuse(c, code, err.text);
		return;
	}
	l = pw_link_by_id(c->mgr, open->peer_id);
	if (l->stream) {
		pw_autofree char *text = pw_xasprintf(
			"failed to register stream: there is an active stream for the given PeerID \"%s\"",
			open->peer_id);

		refuse(c, PW_GRPC_UNKNOWN, text);
		return;
	}
	pw_call_trust(c->call);
	pw_link_saw(l, pw_call_client(c->call));
	c->stream = pw_stream_new(l, /*remote_id=*/NULL, &transport_ops, c);
	pw_stream_start(c->stream);
}

static void stream_message(void *arg, struct pw_call *call, const uint8_t *data, size_t len)
{
	struct pw_accept_call *c = arg;
	pw_autopb Message *m = NULL;

	if (c->finished)
		return;
	if (c->stream) {
		pw_stream_receive(c->stream, data, len);
		return;
	}
	if (pw_pb_decode(&PW_PB_DESC(peerstream, replication_message), data, len, &m) < 0)
		refuse(c, PW_GRPC_INTERNAL, "grpc: failed to unmarshal the received message");
	else if (m->payload_case != PW_PB_ENUM(PEERSTREAM, REPLICATION_MESSAGE__PAYLOAD_OPEN))
		refuse(c, PW_GRPC_INVALID_ARGUMENT,
		       "first message when initiating a peering must be: Open");
	else
		open_stream(c, m->open);
}

static void stream_half_close(void *arg, struct pw_call *call)
{
	struct pw_accept_call *c = arg;

	if (c->stream) {
		pw_stream_interrupted(c->stream);
		pw_stream_end(c->stream, PW_GRPC_UNKNOWN, "stream ended unexpectedly");
	} else
		finish(c, PW_GRPC_UNKNOWN, "EOF");
}

static void stream_writable(void *arg, struct pw_call *call)
{
	struct pw_accept_call *c = arg;

	if (c->stream)
		pw_stream_writable(c->stream);
}

static const struct pw_call_ops stream_ops = { .on_message = stream_message,
					       .on_half_close = stream_half_close,
					       .on_writable = stream_writable,
					       .on_end = call_end };

static int stream_open(void *arg, struct pw_call *call, const struct pw_call_ops **ret_ops,
		       void **ret_arg, struct pw_err *err)
{
	*ret_ops = &stream_ops;
	*ret_arg = call_new(arg, call);
	return 0;
}

/* --- the server
 * ----------------------------------------------------------------------------------------- */

int pw_accept_new(struct pw_peering_mgr *m, struct pw_err *err)
{
	static const struct pw_grpc_method methods[] = {
		{ PW_PATH_EXCHANGE, exchange_open },
		{ PW_PATH_STREAM, stream_open },
	};
	static const struct pw_grpc_limits limits = {
		.max_receive_bytes = PW_MESSAGE_MAX_BYTES,
		.first_message_bytes = PW_STRANGER_BYTES,
		.first_message_ms = PW_STRANGER_MS,
		.max_streams = MAX_STREAMS,
		.max_send_queue_bytes = PW_SEND_QUEUE_BYTES,
		.keepalive_ms = 30000,
		.keepalive_timeout_ms = 20000,
	};

	return pw_grpc_server_new(&m->server, m->base, &limits, methods, ARRAY_SIZE(methods), m,
				  err);
}

void pw_accept_free(struct pw_peering_mgr *m)
{
	pw_grpc_server_free(&m->server);
	/* the server ended its calls; what is left was never told */
	while (!LIST_EMPTY(&m->calls))
		call_free(LIST_FIRST(&m->calls));
	SSL_CTX_free(m->server_ctx);
	m->server_ctx = NULL;
}

/* As a real server: TLS 1.2 and 1.3, no ALPN answer, no client certificate, and no tickets for
 * control. */
static int make_ctx(const struct pw_identity *id, SSL_CTX **ret, struct pw_err *err)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	if (!ctx || SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1 ||
	    SSL_CTX_use_certificate(ctx, id->cert) != 1 ||
	    SSL_CTX_use_PrivateKey(ctx, id->key) != 1 || SSL_CTX_set_num_tickets(ctx, 0) != 1) {
		SSL_CTX_free(ctx);
		return pw_openssl_err(err, "the TLS context of the control server");
	}
	SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, /*callback=*/NULL);
	*ret = ctx;
	return 0;
}

static int server_ctx(struct pw_peering_mgr *m, struct pw_err *err)
{
	struct pw_identity *id = NULL;
	SSL_CTX *ctx = NULL;
	int r;

	r = pw_ca_server_leaf(m->ca, &id, err);
	if (r < 0)
		return r;
	if (!m->server_ctx || m->server_ctx_generation != id->generation) {
		r = make_ctx(id, &ctx, err);
		if (r == 0) {
			SSL_CTX_free(m->server_ctx);
			m->server_ctx = ctx;
			m->server_ctx_generation = id->generation;
		}
	}
	pw_identity_unref(&id);
	return r;
}

/* Streams count as known; whoever else is connected has still to prove itself. */
static size_t count_strangers(struct pw_peering_mgr *m)
{
	size_t all = pw_grpc_server_connections(m->server, /*from=*/NULL);
	struct pw_accept_call *c;

	LIST_FOREACH(c, &m->calls, next)
	if (c->stream && all > 0)
		all--;
	return all;
}

static bool too_many(struct pw_peering_mgr *m, const struct pw_addr *client)
{
	if (pw_grpc_server_connections(m->server, client) >= m->max_connections_per_source)
		return true;
	return !pw_address_known(m, client) && count_strangers(m) >= PW_STRANGERS_MAX;
}

void pw_peering_accept(struct pw_peering_mgr *m, int fd, const struct pw_addr *client)
{
	struct pw_err err = PW_ERR_INIT;
	char from[PW_ADDR_TEXT];
	int r;

	if (!m->enabled || too_many(m, client)) {
		pw_reason_count(PW_REASON_LIMIT);
		pw_log_debug("accept.limit", "from", pw_addr_text(client, from), NULL);
		close(fd);
		return;
	}
	r = server_ctx(m, &err);
	if (r < 0) {
		close(fd);
	} else {
		r = pw_grpc_server_accept(m->server, fd, m->server_ctx, client, &err);
	}
	if (r < 0)
		pw_log_warn("accept.failed", "from", pw_addr_text(client, from), "error", err.text,
			    NULL);
}
