// SPDX-License-Identifier: Apache-2.0
/* The dialer: keeps the stream of an established peering up, address after address, with a bounded
 * back-off. */
#include "stream.h"
#include "../base/log.h"
#include "../base/uuid.h"

#include <openssl/crypto.h>
#include <string.h>

#define CONNECT_TIMEOUT_MS   10000
#define KEEPALIVE_MS	     30000
#define KEEPALIVE_TIMEOUT_MS 10000
#define LINGER_MS	     1000  /* for what was sent last to leave */
#define GOOD_LIFE_MS	     30000 /* a stream that lived that long starts the back-off anew */
#define FOLLOWER_MS	     8
#define FOLLOWER_TRIES	     5
#define FOLLOWER_MAX_MS	     1000
#define EXHAUSTED_MS	     8192
#define BACKOFF_MAX_SHIFT    6 /* 64 s */

struct pw_dial {
	struct pw_link *link;
	struct pw_dial_conn *conn; /* connecting or up */
	struct event *timer;
	unsigned attempt;   /* failures in a row */
	unsigned followers; /* answers in a row that the leader is elsewhere */
	size_t turn;	    /* which address comes next */
};

/* One connection with its one call; outlives the stream for as long as the last bytes take. */
struct pw_dial_conn {
	LIST_ENTRY(pw_dial_conn) next;
	struct pw_peering_mgr *mgr;
	struct pw_dial *dial; /* NULL: lingers */
	struct pw_stream *stream;
	struct pw_grpc_conn *conn;
	struct pw_call *call;
	struct event *linger;
	char *address;
	struct pw_addr resolved; /* the last one we agreed to dial */
	const char *refusal;	 /* why we did not */
	int64_t confirmed_ms;	 /* when the acceptor first answered; 0: not yet */
};

int64_t pw_backoff_ms(unsigned attempt)
{
	int64_t ms = INT64_C(1000) << pw_min(attempt, (unsigned)BACKOFF_MAX_SHIFT);
	uint32_t r;

	/* plus or minus an eighth, so that many dialers do not come at once */
	pw_random(&r, sizeof(r));
	return ms - ms / 8 + (int64_t)(r % (uint32_t)(ms / 4));
}

const char *pw_dial_refusal(const struct pw_peering_mgr *m, const struct pw_addr *a)
{
	if (pw_addr_is_loopback(a))
		return m->allow_loopback ? NULL : "it is a loopback address";
	if (pw_addr_is_special(a))
		return "it is a link-local, multicast or unspecified address";
	if (pw_addr_is_own(a) && !m->allow_loopback)
		return "it is an address of this host";
	return NULL;
}

int pw_dial_client(struct pw_peering_mgr *m, const char *hostport, const struct pw_strv *roots,
		   const char *server_name, int64_t timeout_ms,
		   bool (*may_dial)(void *arg, const struct pw_addr *a), void *arg,
		   struct pw_grpc_conn **ret, struct pw_err *err)
{
	struct pw_grpc_client_options opt = {
		.base = m->base,
		.server_name = server_name,
		.connect_timeout_ms = timeout_ms,
		.limits = { .max_receive_bytes = PW_MESSAGE_MAX_BYTES,
			    .max_send_queue_bytes = PW_SEND_QUEUE_BYTES,
			    .keepalive_ms = KEEPALIVE_MS,
			    .keepalive_timeout_ms = KEEPALIVE_TIMEOUT_MS },
		.may_dial = may_dial,
		.arg = arg,
	};
	pw_autofree char *host = NULL;
	SSL_CTX *ctx = NULL;
	int r;

	r = pw_addr_split(hostport, &host, &opt.port);
	if (r < 0)
		return pw_err_set(err, PW_ERR_INTERNAL, r,
				  "%s is not a valid peering server address", hostport);
	opt.host = host;
	/* no roots: the token asks for plaintext, as those without TLS did */
	if (roots->n > 0) {
		r = pw_grpc_client_ctx(&ctx, (const char *const *)roots->items, roots->n, err);
		if (r < 0)
			return r;
	}
	opt.ctx = ctx;
	r = pw_grpc_client_new(ret, &opt, err);
	SSL_CTX_free(ctx);
	return r;
}

/* --- connections
 * ------------------------------------------------------------------------------------- */

void pw_dial_conn_free(struct pw_dial_conn *c)
{
	LIST_REMOVE(c, next);
	if (c->call)
		pw_call_detach(c->call);
	pw_grpc_client_free(&c->conn);
	if (c->linger)
		event_free(c->linger);
	free(c->address);
	free(c);
}

static void on_linger(evutil_socket_t fd, short what, void *arg)
{
	pw_dial_conn_free(arg);
}

/* From here on nobody owns it but its timer. */
static void linger(struct pw_dial_conn *c, int64_t ms)
{
	struct timeval tv = { ms / 1000, ms % 1000 * 1000 };

	if (c->dial)
		c->dial->conn = NULL;
	c->dial = NULL;
	c->stream = NULL;
	evtimer_add(c->linger, &tv);
}

static bool may_dial(void *arg, const struct pw_addr *a)
{
	struct pw_dial_conn *c = arg;
	const char *refusal = pw_dial_refusal(c->mgr, a);

	if (refusal) {
		c->refusal = refusal;
		return false;
	}
	c->resolved = *a;
	return true;
}

/* --- when to come again
 * -------------------------------------------------------------------------------- */

static void schedule(struct pw_dial *d, int64_t ms)
{
	struct timeval tv = { ms / 1000, ms % 1000 * 1000 };

	evtimer_add(d->timer, &tv);
}

static int64_t next_delay_ms(struct pw_dial *d, int code, int64_t lived_ms)
{
	if (lived_ms >= GOOD_LIFE_MS)
		d->attempt = 0;
	if (code == PW_GRPC_FAILED_PRECONDITION && d->followers < 16) {
		/* the leader is found by asking the next address, not by what a follower says of it
		 */
		unsigned n = d->followers++;

		return n < FOLLOWER_TRIES
			       ? FOLLOWER_MS
			       : pw_min(FOLLOWER_MS << (n - FOLLOWER_TRIES + 1), FOLLOWER_MAX_MS);
	}
	d->followers = 0;
	if (code == PW_GRPC_RESOURCE_EXHAUSTED)
		return EXHAUSTED_MS;
	return pw_backoff_ms(d->attempt++);
}

static int64_t lived_ms(const struct pw_dial_conn *c)
{
	return c->confirmed_ms ? pw_now_mono_ms() - c->confirmed_ms : 0;
}

/* --- the stream's transport
 * ----------------------------------------------------------------------------- */

static int transport_send(void *arg, const uint8_t *data, size_t len)
{
	struct pw_dial_conn *c = arg;

	return c->call ? pw_call_send(c->call, data, len) : -EPIPE;
}

static void transport_end(void *arg, int code, const char *text)
{
	struct pw_dial_conn *c = arg;
	struct pw_dial *d = c->dial;
	const struct pw_peering *p = d ? pw_link_row(d->link) : NULL;

	if (c->call && code == PW_GRPC_OK)
		pw_call_half_close(c->call);
	else if (c->call)
		pw_call_cancel(c->call);
	linger(c, LINGER_MS);
	if (d && code != PW_GRPC_OK && p && p->state == PW_PEERING_ESTABLISHING)
		schedule(d, next_delay_ms(d, code, lived_ms(c)));
}

static const struct pw_stream_ops transport_ops = { transport_send, transport_end };

static void on_message(void *arg, struct pw_call *call, const uint8_t *data, size_t len)
{
	struct pw_dial_conn *c = arg;

	if (!c->stream)
		return;
	if (!c->confirmed_ms) {
		c->confirmed_ms = pw_now_mono_ms();
		pw_link_saw(c->dial->link, &c->resolved);
	}
	pw_stream_receive(c->stream, data, len);
}

static void on_end(void *arg, struct pw_call *call, const struct pw_grpc_status *st)
{
	struct pw_dial_conn *c = arg;
	struct pw_dial *d = c->dial;
	struct pw_stream *s = c->stream;
	pw_autofree char *text = NULL;

	c->call = NULL;
	if (!d) {
		linger(c, 0);
		return;
	}
	if (st->code == PW_GRPC_OK)
		text = pw_xstrdup("stream ended unexpectedly");
	else
		text = pw_xasprintf("%s%s%s%s%s", st->transport ? c->address : "",
				    st->transport ? ": " : "", st->message, c->refusal ? ": " : "",
				    pw_str_or_empty(c->refusal));
	schedule(d, next_delay_ms(d, st->code, lived_ms(c)));
	linger(c, 0);
	if (pw_is_interruption(st))
		pw_stream_interrupted(s);
	pw_stream_lost(s, /*remote=*/!st->transport, text);
}

static void on_writable(void *arg, struct pw_call *call)
{
	struct pw_dial_conn *c = arg;

	if (c->stream)
		pw_stream_writable(c->stream);
}

static const struct pw_call_ops call_ops = { .on_message = on_message,
					     .on_writable = on_writable,
					     .on_end = on_end };

/* --- dialing
 * -------------------------------------------------------------------------------------------- */

static const char *next_address(struct pw_dial *d, const struct pw_peering *p)
{
	const struct pw_strv *v = p->manual_server_addresses.n ? &p->manual_server_addresses
							       : &p->peer_server_addresses;

	return v->n ? v->items[d->turn++ % v->n] : NULL;
}

static int connect_stream(struct pw_dial *d, const struct pw_peering *p, const char *secret,
			  const char *address, struct pw_err *err)
{
	const struct pw_strv *roots = p->peer_ca_pems.n ? &p->peer_ca_pems : &p->token_ca_pems;
	struct pw_dial_conn *c = pw_new0(struct pw_dial_conn);
	int r;

	c->mgr = d->link->mgr;
	c->address = pw_xstrdup(address);
	c->linger = evtimer_new(c->mgr->base, on_linger, c);
	LIST_INSERT_HEAD(&c->mgr->conns, c, next);
	/* with a token without roots there is no TLS, whatever the peer sends later */
	if (p->token_ca_pems.n == 0)
		roots = &p->token_ca_pems;
	r = pw_dial_client(c->mgr, address, roots, p->peer_server_name, CONNECT_TIMEOUT_MS,
			   may_dial, c, &c->conn, err);
	if (r == 0)
		r = pw_grpc_call(c->conn, PW_PATH_STREAM, &call_ops, c, &c->call, err);
	if (r < 0) {
		pw_dial_conn_free(c);
		return r;
	}
	c->dial = d;
	d->conn = c;
	c->stream = pw_stream_new(d->link, p->peer_id, &transport_ops, c);
	pw_stream_open(c->stream, secret);
	pw_stream_start(c->stream);
	return 0;
}

static void on_dial(evutil_socket_t fd, short what, void *arg)
{
	struct pw_dial *d = arg;
	struct pw_link *l = d->link;
	const struct pw_peering *p = pw_link_row(l);
	const struct pw_peering_secret *s = pw_secret_get(l->mgr->store, l->id);
	const char *address;
	struct pw_err err = PW_ERR_INIT;

	if (l->stream || !p || p->state != PW_PEERING_ESTABLISHING || !s)
		return;
	address = next_address(d, p);
	if (!address)
		pw_err_set(&err, PW_ERR_INTERNAL, ENOENT, "the peer has no address");
	else
		connect_stream(d, p, s->stream_active, address, &err);
	if (err.code == 0)
		return;
	l->failed = true;
	pw_link_error(l, /*remote=*/false, "%s", err.text);
	pw_log_warn("stream.dial_failed", "peer", l->name, "error", err.text, NULL);
	pw_link_changed(l);
	schedule(d, next_delay_ms(d, /*code=*/-1, /*lived_ms=*/0));
}

void pw_dial_start(struct pw_link *l, int64_t delay_ms)
{
	struct pw_dial *d = l->dial;

	if (!d) {
		d = pw_new0(struct pw_dial);
		d->link = l;
		d->timer = evtimer_new(l->mgr->base, on_dial, d);
		l->dial = d;
	}
	if (l->stream)
		pw_stream_end(l->stream, PW_GRPC_OK, /*text=*/NULL);
	d->attempt = 0;
	d->followers = 0;
	d->turn = 0;
	schedule(d, delay_ms);
}

void pw_dial_stop(struct pw_link *l)
{
	struct pw_dial *d = l->dial;

	if (!d)
		return;
	l->dial = NULL;
	if (l->stream)
		pw_stream_end(l->stream, PW_GRPC_OK, /*text=*/NULL);
	if (d->conn)
		linger(d->conn, 0);
	event_free(d->timer);
	free(d);
}
