// SPDX-License-Identifier: Apache-2.0
/* Swapping a token's one-time secret for a stream secret: once for establish (3 s in all), or again
 * and again for one kept to be retried. */
#include "peering_private.h"
#include "../base/log.h"
#include "../base/uuid.h"
#include "../rpc/pb.h"

#include <string.h>

#define TOTAL_MS	 3000
#define ATTEMPT_MS	 2000
#define PAUSE_MS	 150
#define RECONNECT_MS	 100 /* for the acceptor to see the old stream end before the new one comes */
#define SECRET_MAX_BYTES 256

enum phase { WAITING, RUNNING, ENDED };

struct pw_exchange {
	LIST_ENTRY(pw_exchange) next;
	struct pw_peering_mgr *mgr;
	struct pw_link *link; /* a kept one; NULL: for an establish that waits for its answer */
	struct pw_token token;
	char *name;
	struct pw_map meta;
	bool retry;
	pw_establish_fn *done;
	void *arg;

	enum phase phase;
	struct event *timer;
	int64_t deadline_ms;
	unsigned attempt;
	size_t turn;
	size_t refused; /* addresses in a row that we will not dial */

	/* the attempt that runs */
	struct pw_grpc_conn *conn;
	struct pw_call *call;
	const char *address;
	const char *refusal;
	char *secret; /* the answer */
	int code;
	struct pw_strv errors; /* one for each address that failed, the latest */
	char *last_error;
};

static void drop_attempt(struct pw_exchange *x)
{
	if (x->call)
		pw_call_detach(x->call);
	x->call = NULL;
	pw_grpc_client_free(&x->conn);
	x->refusal = NULL;
}

void pw_exchange_free(struct pw_exchange **xp)
{
	struct pw_exchange *x = *xp;

	if (!x)
		return;
	*xp = NULL;
	drop_attempt(x);
	LIST_REMOVE(x, next);
	x->mgr->n_exchanges--;
	if (x->link)
		x->link->exchange = NULL;
	if (x->timer)
		event_free(x->timer);
	pw_token_clear(&x->token);
	pw_secret_freep(&x->secret);
	pw_map_clear(&x->meta);
	pw_strv_clear(&x->errors);
	free(x->last_error);
	free(x->name);
	free(x);
}

static void schedule(struct pw_exchange *x, enum phase phase, int64_t ms)
{
	struct timeval tv = { ms / 1000, ms % 1000 * 1000 };

	x->phase = phase;
	evtimer_add(x->timer, &tv);
}

/* --- what an establish leaves behind
 * ------------------------------------------------------------------- */

static int check_row(struct pw_exchange *x, struct pw_err *err)
{
	const struct pw_peering *p = pw_peering_get(x->mgr, x->name);

	if (p && p->state == PW_PEERING_DELETING)
		return pw_err_set(err, PW_ERR_INTERNAL, EBUSY,
				  "cannot write to peering that is marked for deletion");
	if (p && pw_str_empty(p->peer_id))
		return pw_err_set(
			err, PW_ERR_INTERNAL, EEXIST,
			"cannot create peering with name: \"%s\"; there is an existing peering expecting to be dialed",
			x->name);
	return 0;
}

static void replace(char **s, const char *value)
{
	free(*s);
	*s = pw_xstrdup(value);
}

static struct pw_peering *make_row(struct pw_exchange *x, enum pw_peering_state state)
{
	const struct pw_peering *old = pw_peering_get(x->mgr, x->name);
	struct pw_peering *p = old ? pw_peering_dup(old) : pw_new0(struct pw_peering);
	const struct pw_token *t = &x->token;

	if (!old) {
		char id[PW_UUID_LEN];

		pw_uuid_new(id);
		p->id = pw_xstrdup(id);
		p->name = pw_xstrdup(x->name);
	}
	if (x->meta.n > 0)
		pw_map_copy(&p->meta, &x->meta);
	p->state = state;
	replace(&p->peer_id, t->peer_id);
	replace(&p->peer_server_name, t->server_name);
	pw_strv_copy(&p->peer_server_addresses, &t->server_addresses);
	pw_strv_copy(&p->manual_server_addresses, &t->manual_addresses);
	pw_strv_copy(&p->token_ca_pems, &t->ca);
	/* the peer may have been built anew: its roots are those of the token until it sends others
	 */
	pw_strv_clear(&p->peer_ca_pems);
	replace(&p->remote_partition, t->remote_partition);
	replace(&p->remote_datacenter, t->remote_datacenter);
	pw_json_decrefp(&p->remote_locality);
	p->remote_locality = json_incref(t->remote_locality);
	return p;
}

/* state PENDING: the token's secret is kept for later; ESTABLISHING: the stream secret. */
static int store_row(struct pw_exchange *x, enum pw_peering_state state, struct pw_err *err)
{
	pw_autotx struct pw_tx *tx = NULL;
	struct pw_peering *p;
	char id[PW_UUID_LEN];
	int r;

	r = check_row(x, err);
	if (r == 0)
		r = pw_tx_begin(x->mgr->store, &tx, err);
	if (r < 0)
		return r;
	p = make_row(x, state);
	pw_str_fill(id, sizeof(id), p->id);
	r = pw_tx_put(tx, PW_T_PEERING, p, err);
	if (r == 0)
		r = state == PW_PEERING_PENDING ? pw_secret_put_token(tx, id, x->token.secret, err)
						: pw_secret_put_active(tx, id, x->secret, err);
	return r < 0 ? r : pw_tx_commit(&tx, err);
}

/* --- ends
 * -----------------------------------------------------------------------------------------------
 */

static void answer(struct pw_exchange *x, const struct pw_err *err)
{
	pw_establish_fn *done = x->done;
	void *arg = x->arg;

	pw_exchange_free(&x);
	if (done)
		done(arg, err);
}

/* A kept one has nobody to answer: it is seen in the status. */
static void fail_kept(struct pw_exchange *x, const struct pw_err *err, bool remote)
{
	struct pw_link *l = x->link;

	l->failed = true;
	pw_link_error(l, remote, "%s", err->text);
	pw_link_changed(l);
}

static void succeed(struct pw_exchange *x)
{
	struct pw_peering_mgr *m = x->mgr;
	struct pw_err err = PW_ERR_INIT;
	const struct pw_peering *p;
	struct pw_link *l;
	bool known;

	if (store_row(x, PW_PEERING_ESTABLISHING, &err) < 0) {
		if (x->link)
			fail_kept(x, &err, /*remote=*/false);
		answer(x, &err);
		return;
	}
	p = pw_peering_get(m, x->name);
	known = pw_link_by_id(m, p->id) != NULL;
	pw_links_sync(m);
	l = pw_link_by_id(m, p->id);
	/* one kept for later would try its older token over what lives now */
	if (l->exchange && l->exchange != x)
		pw_exchange_free(&l->exchange);
	pw_log_info("peering.established", "peer", l->name, "id", l->id, "address", x->address,
		    NULL);
	if (known)
		pw_dial_start(l, l->stream ? RECONNECT_MS : 0);
	l->failed = false;
	pw_link_changed(l);
	answer(x, &err);
}

static void deny(struct pw_exchange *x)
{
	struct pw_err err = PW_ERR_INIT;
	struct pw_err ignored = PW_ERR_INIT;
	pw_autotx struct pw_tx *tx = NULL;

	pw_err_set(&err, PW_ERR_DENIED, EACCES, "a new peering token must be generated: %s",
		   x->last_error);
	if (x->link) {
		fail_kept(x, &err, /*remote=*/true);
		/* the secret is of no use any more: a restart must not try it again */
		if (pw_tx_begin(x->mgr->store, &tx, &ignored) == 0 &&
		    pw_secret_delete(tx, x->link->id, &ignored) == 0)
			pw_tx_commit(&tx, &ignored);
	}
	answer(x, &err);
}

static void unreachable_error(const struct pw_exchange *x, struct pw_err *err)
{
	pw_autofree char *all = pw_strv_join(&x->errors, "; ");

	pw_err_set(err, PW_ERR_UNAVAILABLE, EHOSTUNREACH,
		   "failed to exchange peering secret %s (%u attempts)", all, x->attempt);
}

static void give_up(struct pw_exchange *x)
{
	const struct pw_peering *p = pw_peering_get(x->mgr, x->name);
	struct pw_err err = PW_ERR_INIT;
	struct pw_peering_mgr *m = x->mgr;

	unreachable_error(x, &err);
	/* a peering that lives is not given up for a token that nobody answers */
	if (x->retry && (!p || p->state != PW_PEERING_ESTABLISHING)) {
		pw_autofree char *text = pw_xstrdup(err.text);
		pw_autofree char *name = pw_xstrdup(x->name);
		struct pw_link *l;

		err = (struct pw_err)PW_ERR_INIT;
		if (store_row(x, PW_PEERING_PENDING, &err) == 0) {
			pw_links_sync(m);
			p = pw_peering_get(m, name);
			l = pw_link_by_id(m, p->id);
			pw_exchange_free(&l->exchange); /* of the token before */
			pw_exchange_resume(l);
			pw_link_error(l, /*remote=*/false, "%s", text);
		}
	}
	answer(x, &err);
}

/* --- attempts
 * ------------------------------------------------------------------------------------------- */

static const struct pw_strv *addresses(const struct pw_exchange *x)
{
	const struct pw_token *t = &x->token;

	return t->manual_addresses.n ? &t->manual_addresses : &t->server_addresses;
}

static void note_error(struct pw_exchange *x, const char *text)
{
	pw_autofree char *prefix = pw_xasprintf("through address \"%s\": ", x->address);
	char *line = pw_xasprintf("%s%s%s%s", prefix, text, x->refusal ? ": " : "",
				  pw_str_or_empty(x->refusal));

	free(x->last_error);
	x->last_error = pw_xstrdup(text);
	for (size_t i = 0; i < x->errors.n; i++)
		if (pw_str_starts(x->errors.items[i], prefix)) {
			free(x->errors.items[i]);
			x->errors.items[i] = line;
			return;
		}
	pw_strv_add(&x->errors, line);
	free(line);
}

static void wait_for_next(struct pw_exchange *x)
{
	uint32_t jitter;
	int64_t pause_ms;

	x->refused = x->refusal ? x->refused + 1 : 0;
	drop_attempt(x);
	x->code = 0;
	if (x->link) {
		struct pw_err err = PW_ERR_INIT;

		unreachable_error(x, &err);
		pw_link_error(x->link, /*remote=*/false, "%s", err.text);
		schedule(x, WAITING, pw_backoff_ms((x->attempt - 1) / (unsigned)addresses(x)->n));
		return;
	}
	pw_random(&jitter, sizeof(jitter));
	pause_ms = PAUSE_MS + jitter % (PAUSE_MS / 4);
	/* addresses that we refuse do not become better by waiting */
	if (x->refused >= addresses(x)->n || pw_now_mono_ms() + pause_ms >= x->deadline_ms)
		give_up(x);
	else
		schedule(x, WAITING, pause_ms);
}

static bool may_dial(void *arg, const struct pw_addr *a)
{
	struct pw_exchange *x = arg;

	x->refusal = pw_dial_refusal(x->mgr, a);
	return !x->refusal;
}

static void on_message(void *arg, struct pw_call *call, const uint8_t *data, size_t len)
{
	pw_autopb PW_PB(Peerstream, ExchangeSecretResponse) *m = NULL;
	struct pw_exchange *x = arg;

	if (x->secret ||
	    pw_pb_decode(&PW_PB_DESC(peerstream, exchange_secret_response), data, len, &m) < 0)
		return;
	if (*m->stream_secret && strlen(m->stream_secret) <= SECRET_MAX_BYTES &&
	    !pw_str_has_control(m->stream_secret))
		x->secret = pw_xstrdup(m->stream_secret);
}

static void on_end(void *arg, struct pw_call *call, const struct pw_grpc_status *st)
{
	struct pw_exchange *x = arg;

	x->call = NULL;
	x->code = st->code;
	if (st->code == PW_GRPC_OK && !x->secret) {
		x->code = PW_GRPC_INTERNAL;
		note_error(x, "the peer answered without a stream secret");
	} else if (st->code != PW_GRPC_OK) {
		note_error(x, st->message);
		if (st->transport && st->code == PW_GRPC_PERMISSION_DENIED)
			x->code = PW_GRPC_UNAVAILABLE;
	}
	schedule(x, ENDED, 0); /* a connection is not freed from inside its own callback */
}

static const struct pw_call_ops call_ops = { .on_message = on_message, .on_end = on_end };

static int send_request(struct pw_exchange *x, struct pw_err *err)
{
	PW_PB(Peerstream, ExchangeSecretRequest)
	m = PW_PB_INIT(PEERSTREAM, EXCHANGE_SECRET_REQUEST);
	uint8_t *data;
	size_t len;
	int r;

	r = pw_grpc_call(x->conn, PW_PATH_EXCHANGE, &call_ops, x, &x->call, err);
	if (r < 0)
		return r;
	m.peer_id = x->token.peer_id;
	m.establishment_secret = (char *)pw_str_or_empty(x->token.secret);
	data = pw_pb_encode(&m, &len);
	r = pw_call_send(x->call, data, len);
	OPENSSL_cleanse(data, len);
	free(data);
	if (r < 0)
		return pw_err_set(err, PW_ERR_INTERNAL, r, "the request could not be sent");
	pw_call_half_close(x->call);
	return 0;
}

static void attempt(struct pw_exchange *x)
{
	const struct pw_strv *v = addresses(x);
	struct pw_err err = PW_ERR_INIT;
	int64_t ms = ATTEMPT_MS;
	int r;

	if (!x->link)
		ms = pw_min(ms, pw_max(x->deadline_ms - pw_now_mono_ms(), 1));
	x->address = v->items[x->turn++ % v->n];
	x->attempt++;
	r = pw_dial_client(x->mgr, x->address, &x->token.ca, x->token.server_name, ms, may_dial, x,
			   &x->conn, &err);
	if (r == 0)
		r = send_request(x, &err);
	if (r < 0) {
		note_error(x, err.text);
		x->code = PW_GRPC_UNAVAILABLE;
		schedule(x, ENDED, 0);
		return;
	}
	schedule(x, RUNNING, ms);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct pw_exchange *x = arg;

	switch (x->phase) {
	case WAITING:
		attempt(x);
		break;
	case RUNNING:
		note_error(x, "it did not answer in time");
		wait_for_next(x);
		break;
	case ENDED:
		if (x->secret)
			succeed(x);
		else if (x->code == PW_GRPC_PERMISSION_DENIED)
			deny(x);
		else
			wait_for_next(x);
		break;
	}
}

static struct pw_exchange *exchange_new(struct pw_peering_mgr *m, const char *name)
{
	struct pw_exchange *x = pw_new0(struct pw_exchange);

	x->mgr = m;
	x->name = pw_xstrdup(name);
	x->timer = evtimer_new(m->base, on_timer, x);
	x->deadline_ms = pw_now_mono_ms() + TOTAL_MS;
	LIST_INSERT_HEAD(&m->exchanges, x, next);
	m->n_exchanges++;
	schedule(x, WAITING, 0);
	return x;
}

int pw_exchange_start(struct pw_peering_mgr *m, const struct pw_establish_request *req,
		      struct pw_token *token, pw_establish_fn *done, void *arg, struct pw_err *err)
{
	struct pw_exchange *x = exchange_new(m, req->name);
	int r;

	r = check_row(x, err);
	if (r < 0) {
		pw_exchange_free(&x);
		return r;
	}
	x->token = *token;
	*token = (struct pw_token){ 0 };
	pw_map_copy(&x->meta, &req->meta);
	x->retry = req->retry;
	x->done = done;
	x->arg = arg;
	return 0;
}

void pw_exchange_resume(struct pw_link *l)
{
	const struct pw_peering *p = pw_link_row(l);
	const struct pw_peering_secret *s = pw_secret_get(l->mgr->store, l->id);
	struct pw_exchange *x;

	if (l->exchange || !p || !s)
		return;
	x = exchange_new(l->mgr, l->name);
	pw_strv_copy(&x->token.ca, &p->token_ca_pems);
	pw_strv_copy(&x->token.manual_addresses, &p->manual_server_addresses);
	pw_strv_copy(&x->token.server_addresses, &p->peer_server_addresses);
	x->token.server_name = pw_xstrdup(p->peer_server_name);
	x->token.peer_id = pw_xstrdup(p->peer_id);
	x->token.secret = pw_xstrdup(s->establishment);
	x->token.remote_partition = pw_xstrdup(p->remote_partition);
	x->token.remote_datacenter = pw_xstrdup(p->remote_datacenter);
	x->token.remote_locality = json_incref(p->remote_locality);
	x->link = l;
	l->exchange = x;
}
