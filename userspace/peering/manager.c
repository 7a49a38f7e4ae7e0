// SPDX-License-Identifier: Apache-2.0
/* The manager's life, its links, and the three things an operator asks for. */
#include "stream.h"
#include "../base/log.h"
#include "../base/uuid.h"
#include "../ca/spiffe.h"
#include "../catalog/config_entry.h"

#include <string.h>

#define WATCHED_TABLES                                                                         \
	(PW_BIT(PW_T_NODE) | PW_BIT(PW_T_SERVICE) | PW_BIT(PW_T_CHECK) | PW_BIT(PW_T_CONFIG) | \
	 PW_BIT(PW_T_PEERING) | PW_BIT(PW_T_CA_ROOT))
/* Looking for changes may take a fifth of the thread, no more. */
#define WORK_SHARE 4

/* --- rows ---------------------------------------------------------------------------------------
 */

const struct pw_peering *pw_peering_get(struct pw_peering_mgr *m, const char *name)
{
	pw_autofree char *lower = pw_str_lower(name);

	return pw_store_get(m->store, PW_T_PEERING, lower);
}

const struct pw_peering *pw_peering_by_id(struct pw_peering_mgr *m, const char *id)
{
	struct pw_link *l = pw_link_by_id(m, id);

	return l ? pw_link_row(l) : NULL;
}

struct pw_peering *pw_peering_dup(const struct pw_peering *p)
{
	return pw_schema_dup(&pw_peering_schema, p);
}

/* --- links --------------------------------------------------------------------------------------
 */

struct pw_link *pw_link_by_id(struct pw_peering_mgr *m, const char *id)
{
	struct pw_link *l;

	HASH_FIND(hh, m->links, id, strlen(id), l);
	return l;
}

const struct pw_peering *pw_link_row(const struct pw_link *l)
{
	const struct pw_peering *p = pw_store_get(l->mgr->store, PW_T_PEERING, l->name);

	return p && pw_streq(p->id, l->id) ? p : NULL;
}

static struct pw_link *link_new(struct pw_peering_mgr *m, const struct pw_peering *p)
{
	struct pw_link *l = pw_new0(struct pw_link);

	l->mgr = m;
	l->id = pw_xstrdup(p->id);
	l->name = pw_xstrdup(p->name);
	l->shown = p->state;
	HASH_ADD_KEYPTR(hh, m->links, l->id, strlen(l->id), l);
	return l;
}

static void link_free(struct pw_link *l)
{
	l->closing = true;
	if (l->stream)
		pw_stream_end(l->stream, PW_GRPC_OK, /*text=*/NULL);
	pw_dial_stop(l);
	pw_exchange_free(&l->exchange);
	if (l->cleanup)
		event_free(l->cleanup);
	if (l->calm_over)
		event_free(l->calm_over);
	HASH_DEL(l->mgr->links, l);
	pw_strv_clear(&l->imported);
	pw_strv_clear(&l->exported);
	free(l->last_error);
	free(l->name);
	free(l->id);
	free(l);
}

/* What a row asks for when its link is new. */
static void link_begin(struct pw_link *l, const struct pw_peering *p)
{
	const struct pw_peering_secret *s = pw_secret_get(l->mgr->store, p->id);

	if (p->state == PW_PEERING_DELETING || p->state == PW_PEERING_TERMINATED)
		pw_link_cleanup_start(l);
	else if (p->state == PW_PEERING_ESTABLISHING)
		pw_dial_start(l, /*delay_ms=*/0);
	else if (p->state == PW_PEERING_PENDING && !pw_str_empty(p->peer_id) && s &&
		 !pw_str_empty(s->establishment))
		pw_exchange_resume(l);
}

void pw_links_sync(struct pw_peering_mgr *m)
{
	pw_autoiter struct pw_iter it = pw_store_iter(m->store, PW_T_PEERING, /*prefix=*/NULL);
	const struct pw_peering *p;
	struct pw_link *l, *tmp;

	HASH_ITER(hh, m->links, l, tmp)
	if (!pw_link_row(l))
		link_free(l);
	while ((p = pw_iter_next(&it))) {
		if (pw_str_empty(p->id) || pw_link_by_id(m, p->id))
			continue;
		l = link_new(m, p);
		link_begin(l, p);
	}
}

int pw_link_terminated(struct pw_link *l, struct pw_err *err)
{
	const struct pw_peering *row = pw_link_row(l);
	struct pw_peering *p;
	pw_autotx struct pw_tx *tx = NULL;
	bool more = false;
	int r;

	l->usage.known = false;
	if (!row || row->state == PW_PEERING_DELETING)
		return 0;
	p = pw_peering_dup(row);
	p->state = PW_PEERING_TERMINATED;
	r = pw_tx_begin(l->mgr->store, &tx, err);
	if (r < 0) {
		pw_schema_free(&pw_peering_schema, p);
		return r;
	}
	r = pw_tx_put(tx, PW_T_PEERING, p, err);
	if (r == 0)
		r = pw_secret_delete(tx, l->id, err);
	if (r == 0)
		r = pw_imports_remove(tx, l->name, PW_CLEANUP_ROWS, &more, err);
	if (r == 0)
		r = pw_tx_commit(&tx, err);
	if (r == 0 && more)
		pw_link_cleanup_start(l);
	return r;
}

/* --- work deferred from the store's watch --------------------------------------------------------
 */

/* Every stream asks after every commit, for the same answer. */
const struct pw_strv *pw_mgr_exports(struct pw_peering_mgr *m, const char *peer)
{
	uint64_t config = pw_store_table_index(m->store, PW_T_CONFIG);
	uint64_t service = pw_store_table_index(m->store, PW_T_SERVICE);

	if (!m->exports || config != m->exports_config_index ||
	    service != m->exports_service_index) {
		pw_exports_free(&m->exports);
		m->exports = pw_exports_new(m->store);
		m->exports_config_index = config;
		m->exports_service_index = service;
	}
	return pw_exports_of(m->exports, peer);
}

static void on_work(evutil_socket_t fd, short what, void *arg)
{
	struct pw_peering_mgr *m = arg;
	int64_t start = pw_now_mono_ms();
	uint32_t dirty = m->dirty;
	struct pw_link *l, *tmp;

	m->dirty = 0;
	if (dirty & PW_BIT(PW_T_PEERING))
		pw_links_sync(m);
	HASH_ITER(hh, m->links, l, tmp)
	if (l->stream)
		pw_stream_refresh(l->stream, dirty);
	pw_addresses_check(m);
	m->work_not_before_ms = pw_now_mono_ms() + WORK_SHARE * (pw_now_mono_ms() - start);
}

void pw_mgr_schedule(struct pw_peering_mgr *m, uint32_t tables)
{
	int64_t wait_ms = m->work_not_before_ms - pw_now_mono_ms();
	struct timeval tv;

	m->dirty |= tables;
	if (evtimer_pending(m->work, /*tv=*/NULL))
		return;
	wait_ms = pw_max(wait_ms, 0);
	tv = (struct timeval){ wait_ms / 1000, wait_ms % 1000 * 1000 };
	evtimer_add(m->work, &tv);
}

static void on_store(void *arg, uint32_t tables, uint64_t index)
{
	pw_mgr_schedule(arg, tables);
}

/* --- life ---------------------------------------------------------------------------------------
 */

static struct pw_peering_mgr *mgr_alloc(const struct pw_peering_options *opt)
{
	struct pw_peering_mgr *m = pw_new0(struct pw_peering_mgr);

	LIST_INIT(&m->exchanges);
	LIST_INIT(&m->conns);
	LIST_INIT(&m->calls);
	m->base = opt->base;
	m->store = opt->store;
	m->ca = opt->ca;
	m->node_name = pw_xstrdup(opt->node_name);
	m->advertise_host = pw_xstrdup(opt->advertise_host);
	m->gateway_port = opt->gateway_port;
	m->enabled = opt->enabled;
	m->allow_loopback = opt->allow_loopback;
	m->heartbeat_interval_ms = opt->heartbeat_interval_ms ?: 15000;
	m->heartbeat_timeout_ms = opt->heartbeat_timeout_ms ?: 120000;
	m->max_connections_per_source = opt->max_control_connections_per_source ?: 16;
	m->peer_bytes_max = PW_PEER_BYTES_MAX;
	m->server_name = pw_sni_server(pw_ca_datacenter(m->ca), pw_ca_trust_domain(m->ca));
	return m;
}

int pw_peering_mgr_new(struct pw_peering_mgr **ret, const struct pw_peering_options *opt,
		       struct pw_err *err)
{
	struct pw_peering_mgr *m = mgr_alloc(opt);
	int r;

	m->work = evtimer_new(m->base, on_work, m);
	if (!m->work) {
		pw_peering_mgr_free(&m);
		return pw_err_set(err, PW_ERR_INTERNAL, ENOMEM, "no event for the peerings");
	}
	r = pw_accept_new(m, err);
	if (r < 0) {
		pw_peering_mgr_free(&m);
		return r;
	}
	m->watch = pw_store_watch(m->store, WATCHED_TABLES, on_store, m);
	if (m->enabled)
		pw_links_sync(m);
	pw_addresses_check(m);
	*ret = m;
	return 0;
}

void pw_peering_mgr_free(struct pw_peering_mgr **mp)
{
	struct pw_peering_mgr *m = *mp;
	struct pw_link *l, *tmp;

	if (!m)
		return;
	*mp = NULL;
	pw_watch_free(&m->watch);
	HASH_ITER(hh, m->links, l, tmp)
	link_free(l);
	while (!LIST_EMPTY(&m->exchanges)) {
		struct pw_exchange *x = LIST_FIRST(&m->exchanges);

		pw_exchange_free(&x);
	}
	while (!LIST_EMPTY(&m->conns))
		pw_dial_conn_free(LIST_FIRST(&m->conns));
	pw_accept_free(m);
	if (m->work)
		event_free(m->work);
	pw_exports_free(&m->exports);
	pw_known_clear(m);
	pw_own_addrs_clear(&m->own);
	free(m->server_name);
	free(m->advertise_host);
	free(m->node_name);
	free(m);
}

/* --- generate -----------------------------------------------------------------------------------
 */

static int check_enabled(const struct pw_peering_mgr *m, struct pw_err *err)
{
	if (m->enabled)
		return 0;
	return pw_err_set(err, PW_ERR_INTERNAL, EPERM,
			  "peering must be enabled to use this endpoint");
}

static int check_generate(struct pw_peering_mgr *m, const struct pw_token_request *req,
			  struct pw_err *err)
{
	const struct pw_peering *p;
	int r;

	r = check_enabled(m, err);
	if (r < 0)
		return r;
	if (pw_str_empty(req->name))
		return pw_err_set(
			err, PW_ERR_BAD_REQUEST, EINVAL,
			"PeerName is required in the payload when generating a new peering token.");
	r = pw_peer_name_validate(req->name, err);
	if (r == 0)
		r = pw_peer_meta_validate(&req->meta, err);
	if (r < 0)
		return r;
	if (req->server_external_addresses.n > PW_TOKEN_MAX_ADDRESSES)
		return pw_err_set(err, PW_ERR_BAD_REQUEST, E2BIG,
				  "ServerExternalAddresses has %zu entries (limit: %d)",
				  req->server_external_addresses.n, PW_TOKEN_MAX_ADDRESSES);
	for (size_t i = 0; i < req->server_external_addresses.n; i++)
		if (!pw_server_address_valid(req->server_external_addresses.items[i]))
			return pw_err_set(
				err, PW_ERR_BAD_REQUEST, EINVAL,
				"ServerExternalAddresses: \"%s\" is not host:port with a port from 1 to 65535",
				req->server_external_addresses.items[i]);

	p = pw_peering_get(m, req->name);
	if (p && p->state == PW_PEERING_DELETING)
		return pw_err_set(err, PW_ERR_INTERNAL, EBUSY,
				  "cannot write to peering that is marked for deletion");
	if (p && !pw_str_empty(p->peer_id))
		return pw_err_set(
			err, PW_ERR_INTERNAL, EEXIST,
			"cannot create peering with name: \"%s\"; there is already an established peering",
			req->name);
	if (!p && pw_store_count(m->store, PW_T_PEERING) >= PW_PEERINGS_MAX)
		return pw_err_set(err, PW_ERR_LIMIT, ENOSPC,
				  "there are already %d peerings, which is the limit",
				  PW_PEERINGS_MAX);
	return 0;
}

static struct pw_peering *generated_row(struct pw_peering_mgr *m,
					const struct pw_token_request *req)
{
	const struct pw_peering *old = pw_peering_get(m, req->name);
	struct pw_peering *p = old ? pw_peering_dup(old) : pw_new0(struct pw_peering);

	if (!old) {
		char id[PW_UUID_LEN];

		pw_uuid_new(id);
		p->id = pw_xstrdup(id);
		p->name = pw_xstrdup(req->name);
	}
	if (req->meta.n > 0)
		pw_map_copy(&p->meta, &req->meta);
	/* over TERMINATED too: the token has to work at once */
	p->state = PW_PEERING_PENDING;
	return p;
}

static char *make_token(struct pw_peering_mgr *m, const struct pw_token_request *req,
			const char *id, const char *secret)
{
	pw_autotoken struct pw_token t = { 0 };

	pw_ca_root_pems(m->ca, &t.ca);
	pw_strv_copy(&t.manual_addresses, &req->server_external_addresses);
	pw_server_addresses(m, &t.server_addresses);
	t.server_name = pw_xstrdup(m->server_name);
	t.peer_id = pw_xstrdup(id);
	t.secret = pw_xstrdup(secret);
	t.remote_datacenter = pw_xstrdup(pw_ca_datacenter(m->ca));
	return pw_token_encode(&t);
}

int pw_peering_generate_token(struct pw_peering_mgr *m, const struct pw_token_request *req,
			      char **ret, struct pw_err *err)
{
	char secret[PW_UUID_LEN] = "";
	char id[PW_UUID_LEN];
	struct pw_peering *p;
	pw_autotx struct pw_tx *tx = NULL;
	int r;

	r = check_generate(m, req, err);
	if (r < 0)
		return r;
	r = pw_tx_begin(m->store, &tx, err);
	if (r < 0)
		return r;
	p = generated_row(m, req);
	pw_str_fill(id, sizeof(id), p->id);
	r = pw_tx_put(tx, PW_T_PEERING, p, err);
	if (r == 0)
		r = pw_secret_put_establishment(tx, id, secret, err);
	if (r == 0)
		r = pw_tx_commit(&tx, err);
	if (r == 0) {
		pw_links_sync(m);
		*ret = make_token(m, req, id, secret);
	}
	OPENSSL_cleanse(secret, sizeof(secret));
	return r;
}

/* --- establish ----------------------------------------------------------------------------------
 */

static int check_establish(struct pw_peering_mgr *m, const struct pw_establish_request *req,
			   struct pw_err *err)
{
	const struct pw_peering *p;
	int r;

	r = check_enabled(m, err);
	if (r < 0)
		return r;
	if (pw_str_empty(req->name))
		return pw_err_set(
			err, PW_ERR_BAD_REQUEST, EINVAL,
			"PeerName is required in the payload when establishing a peering.");
	if (pw_str_empty(req->token))
		return pw_err_set(
			err, PW_ERR_BAD_REQUEST, EINVAL,
			"PeeringToken is required in the payload when establishing a peering.");
	r = pw_peer_name_validate(req->name, err);
	if (r == 0)
		r = pw_peer_meta_validate(&req->meta, err);
	if (r < 0)
		return r;
	p = pw_peering_get(m, req->name);
	if (!p && pw_store_count(m->store, PW_T_PEERING) >= PW_PEERINGS_MAX)
		return pw_err_set(err, PW_ERR_LIMIT, ENOSPC,
				  "there are already %d peerings, which is the limit",
				  PW_PEERINGS_MAX);
	if (m->n_exchanges >= PW_ESTABLISH_MAX)
		return pw_err_set(err, PW_ERR_LIMIT, EBUSY,
				  "%d peerings are being established already, which is the limit",
				  PW_ESTABLISH_MAX);
	return 0;
}

int pw_peering_establish(struct pw_peering_mgr *m, const struct pw_establish_request *req,
			 pw_establish_fn *done, void *arg, struct pw_err *err)
{
	pw_autotoken struct pw_token t = { 0 };
	int r;

	r = check_establish(m, req, err);
	if (r == 0)
		r = pw_token_decode(req->token, &t, err);
	if (r == 0)
		r = pw_token_validate(&t, m->server_name, err);
	if (r < 0)
		return r;
	return pw_exchange_start(m, req, &t, done, arg, err);
}

/* --- delete -------------------------------------------------------------------------------------
 */

static int mark_deleted(struct pw_peering_mgr *m, const struct pw_peering *row, struct pw_err *err)
{
	struct pw_peering *p = pw_peering_dup(row);
	pw_autofree char *id = pw_xstrdup(row->id);
	pw_autotx struct pw_tx *tx = NULL;
	int r;

	p->state = PW_PEERING_DELETING;
	p->deleted_at_ns = pw_now_real_ns();
	r = pw_tx_begin(m->store, &tx, err);
	if (r < 0) {
		pw_schema_free(&pw_peering_schema, p);
		return r;
	}
	r = pw_tx_put(tx, PW_T_PEERING, p, err);
	if (r == 0)
		r = pw_secret_delete(tx, id, err);
	return r < 0 ? r : pw_tx_commit(&tx, err);
}

int pw_peering_delete(struct pw_peering_mgr *m, const char *name, struct pw_err *err)
{
	const struct pw_peering *p = pw_peering_get(m, name);
	pw_autofree char *id = NULL;
	struct pw_link *l;
	int r;

	r = check_enabled(m, err);
	if (r < 0)
		return r;
	if (!p || p->state == PW_PEERING_DELETING)
		return 0;
	id = pw_xstrdup(p->id);
	r = mark_deleted(m, p, err);
	if (r < 0)
		return r;
	pw_links_sync(m);
	l = pw_link_by_id(m, id);
	if (!l)
		return 0;
	pw_log_info("peering.deleting", "peer", l->name, "id", l->id, NULL);
	pw_exchange_free(&l->exchange);
	if (l->stream)
		pw_stream_terminate(l->stream);
	pw_dial_stop(l);
	pw_link_cleanup_start(l);
	pw_link_changed(l);
	return 0;
}
