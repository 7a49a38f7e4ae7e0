// SPDX-License-Identifier: Apache-2.0
/* What one peer gets: names exported to it, their instances, our roots and addresses; each only
 * when it differs from what was sent. */
#include "stream.h"
#include "../base/hash.h"
#include "../catalog/catalog.h"
#include "../catalog/config_entry.h"
#include "../rpc/pb.h"

#include <string.h>
#include <sys/queue.h>

struct sent {
	bool sent;
	uint8_t hash[32];
};

/* One exported name. Two resources: its instances, and the gateway as its proxy. */
struct entry {
	UT_hash_handle hh;
	TAILQ_ENTRY(entry) next; /* while queued */
	char *name;
	bool listed; /* false: un-exported; stays until its proxy was withdrawn */
	bool queued;
	uint64_t signature;
	struct sent service, proxy;
	bool proxy_shown; /* the last proxy sent was not empty */
	bool proxy_next;  /* of the two, the service was looked at */
};
TAILQ_HEAD(entry_list, entry);

struct pw_exporter {
	struct pw_link *link;
	struct entry *entries;
	struct entry_list withdrawn, changed;
	struct pw_strv names; /* to be listed, sorted */
	bool head_checked;    /* roots, addresses and list are as they were sent */
	struct sent list, bundle, addresses;
	uint64_t node_index; /* of the gateway's own node */
};

void pw_outgoing_clear(struct pw_outgoing *o)
{
	free(o->id);
	free(o->data);
	*o = (struct pw_outgoing){ 0 };
}

struct pw_exporter *pw_exporter_new(struct pw_link *l)
{
	struct pw_exporter *e = pw_new0(struct pw_exporter);

	e->link = l;
	TAILQ_INIT(&e->withdrawn);
	TAILQ_INIT(&e->changed);
	return e;
}

static void dequeue(struct pw_exporter *e, struct entry *x)
{
	if (x->queued)
		TAILQ_REMOVE(x->listed ? &e->changed : &e->withdrawn, x, next);
	x->queued = false;
	x->proxy_next = false;
}

static void enqueue(struct pw_exporter *e, struct entry *x)
{
	x->proxy_next = false;
	if (x->queued)
		return;
	x->queued = true;
	if (x->listed)
		TAILQ_INSERT_TAIL(&e->changed, x, next);
	else
		TAILQ_INSERT_TAIL(&e->withdrawn, x, next);
}

static void entry_free(struct pw_exporter *e, struct entry *x)
{
	dequeue(e, x);
	HASH_DEL(e->entries, x);
	free(x->name);
	free(x);
}

void pw_exporter_free(struct pw_exporter **ep)
{
	struct pw_exporter *e = *ep;
	struct entry *x, *tmp;

	if (!e)
		return;
	*ep = NULL;
	HASH_ITER(hh, e->entries, x, tmp)
	entry_free(e, x);
	pw_strv_clear(&e->names);
	free(e);
}

/* --- what may have changed
 * ------------------------------------------------------------------------- */

static void exported_names(const struct pw_exporter *e, struct pw_strv *ret)
{
	const struct pw_strv *all = pw_mgr_exports(e->link->mgr, e->link->name);

	for (size_t i = 0; i < all->n; i++)
		/* such a name belongs to the proxies that we make ourselves */
		if (!pw_is_proxy_name(all->items[i]) && !pw_streq(all->items[i], PW_AGENT_SERVICE))
			pw_strv_add(ret, all->items[i]);
	pw_strv_sort(ret);
}

static struct entry *entry_get(struct pw_exporter *e, const char *name)
{
	struct entry *x;

	HASH_FIND(hh, e->entries, name, strlen(name), x);
	if (x)
		return x;
	x = pw_new0(struct entry);
	x->name = pw_xstrdup(name);
	HASH_ADD_KEYPTR(hh, e->entries, x->name, strlen(x->name), x);
	return x;
}

static void refresh_entry(struct pw_exporter *e, struct entry *x, bool node_changed)
{
	uint64_t signature = pw_instances_signature(e->link->mgr->store, x->name);
	bool again = !x->listed;

	if (again) {
		/* exported again: the other side forgot it with the list that lacked it */
		dequeue(e, x);
		x->service.sent = false;
		x->listed = true;
	}
	if (again || signature != x->signature || node_changed)
		enqueue(e, x);
	x->signature = signature;
}

static bool node_changed(struct pw_exporter *e)
{
	const struct pw_peering_mgr *m = e->link->mgr;
	const struct pw_node *n = pw_catalog_node(m->store, /*peer=*/"", m->node_name);
	uint64_t index = n ? n->obj.modify_index : 0;
	bool changed = index != e->node_index;

	e->node_index = index;
	return changed;
}

void pw_exporter_refresh(struct pw_exporter *e)
{
	bool changed = node_changed(e);
	struct pw_strv names = { 0 };
	struct entry *x, *tmp;

	exported_names(e, &names);
	for (size_t i = 0; i < names.n; i++)
		refresh_entry(e, entry_get(e, names.items[i]), changed);
	HASH_ITER(hh, e->entries, x, tmp)
	{
		if (pw_strv_has_sorted(&names, x->name))
			continue;
		if (!x->proxy_shown) {
			entry_free(e, x);
			continue;
		}
		if (x->listed)
			dequeue(e, x);
		x->listed = false;
		enqueue(e, x);
	}
	pw_strv_clear(&e->names);
	e->names = names;
	e->head_checked = false;
}

/* --- the next to send
 * ------------------------------------------------------------------------------ */

/* Takes data. false: the peer has just this already. */
static bool differs(struct sent *s, uint8_t *data, size_t len, struct pw_outgoing *ret,
		    enum pw_resource_type type, const char *id)
{
	uint8_t hash[32];

	pw_sha256(data, len, hash);
	if (s->sent && memcmp(hash, s->hash, sizeof(hash)) == 0) {
		free(data);
		return false;
	}
	s->sent = true;
	memcpy(s->hash, hash, sizeof(hash));
	*ret = (struct pw_outgoing){ .type = type, .id = pw_xstrdup(id), .data = data, .len = len };
	return true;
}

static bool next_bundle(struct pw_exporter *e, struct pw_outgoing *ret)
{
	PW_PB(Peering, PeeringTrustBundle)
	b = PW_PB_INIT(PEERING, PEERING_TRUST_BUNDLE);
	struct pw_strv pems = { 0 };
	uint8_t *data;
	size_t len;

	pw_ca_root_pems(e->link->mgr->ca, &pems);
	b.trust_domain = (char *)pw_ca_trust_domain(e->link->mgr->ca);
	b.n_root_pems = pems.n;
	b.root_pems = pems.items;
	data = pw_pb_encode(&b, &len);
	pw_strv_clear(&pems);
	return differs(&e->bundle, data, len, ret, PW_RESOURCE_BUNDLE, "roots");
}

static bool next_addresses(struct pw_exporter *e, struct pw_outgoing *ret)
{
	PW_PB(Peering, PeeringServerAddresses)
	a = PW_PB_INIT(PEERING, PEERING_SERVER_ADDRESSES);
	struct pw_strv addresses = { 0 };
	uint8_t *data;
	size_t len;

	pw_server_addresses(e->link->mgr, &addresses);
	a.n_addresses = addresses.n;
	a.addresses = addresses.items;
	data = pw_pb_encode(&a, &len);
	pw_strv_clear(&addresses);
	return differs(&e->addresses, data, len, ret, PW_RESOURCE_ADDRESSES, "server-addrs");
}

static bool next_list(struct pw_exporter *e, struct pw_outgoing *ret)
{
	PW_PB(Peerstream, ExportedServiceList)
	l = PW_PB_INIT(PEERSTREAM, EXPORTED_SERVICE_LIST);
	struct pw_peering_mgr *m = e->link->mgr;
	uint8_t *data;
	size_t len;

	l.n_services = e->names.n;
	l.services = e->names.items;
	data = pw_pb_encode(&l, &len);
	if (!differs(&e->list, data, len, ret, PW_RESOURCE_LIST, "exported-service-list"))
		return false;
	if (!pw_strv_equal(&e->link->exported, &e->names)) {
		pw_strv_copy(&e->link->exported, &e->names);
		pw_store_touch(m->store, PW_T_PEERING);
	}
	return true;
}

static bool send_proxy(struct pw_exporter *e, struct entry *x, struct pw_outgoing *ret)
{
	pw_autofree char *id = pw_proxy_name(x->name);
	bool empty;
	size_t len;
	uint8_t *data = pw_proxy_encode(e->link, x->name, &len, &empty);

	if (empty && !x->proxy_shown) {
		free(data);
		x->proxy.sent = false;
		return false;
	}
	x->proxy_shown = !empty;
	return differs(&x->proxy, data, len, ret, PW_RESOURCE_SERVICE, id);
}

static bool send_service(struct pw_exporter *e, struct entry *x, struct pw_outgoing *ret)
{
	size_t len;
	uint8_t *data = pw_instances_encode(e->link, x->name, &len);

	return differs(&x->service, data, len, ret, PW_RESOURCE_SERVICE, x->name);
}

static struct pw_outgoing withdrawn_proxy(const struct entry *x)
{
	return (struct pw_outgoing){ .type = PW_RESOURCE_SERVICE,
				     .id = pw_proxy_name(x->name),
				     .data = pw_xcalloc(1, 1) };
}

/* Un-exported: the proxy goes before the name, so that nobody routes to it in between. */
static bool next_withdrawal(struct pw_exporter *e, struct pw_outgoing *ret)
{
	struct entry *x = TAILQ_FIRST(&e->withdrawn);

	if (!x)
		return false;
	*ret = withdrawn_proxy(x);
	entry_free(e, x);
	return true;
}

static bool next_service(struct pw_exporter *e, struct pw_outgoing *ret)
{
	struct entry *x;

	while ((x = TAILQ_FIRST(&e->changed))) {
		if (!x->proxy_next) {
			x->proxy_next = true;
			if (send_service(e, x, ret))
				return true;
		}
		dequeue(e, x);
		if (send_proxy(e, x, ret))
			return true;
	}
	return false;
}

/* Once after each refresh: these are encoded whole to see whether they differ. */
static bool next_head(struct pw_exporter *e, const bool subscribed[PW_RESOURCE_TYPE_MAX_],
		      struct pw_outgoing *ret)
{
	if (subscribed[PW_RESOURCE_ADDRESSES] && next_addresses(e, ret))
		return true;
	if (subscribed[PW_RESOURCE_BUNDLE] && next_bundle(e, ret))
		return true;
	if (subscribed[PW_RESOURCE_SERVICE] && next_withdrawal(e, ret))
		return true;
	return (subscribed[PW_RESOURCE_SERVICE] || subscribed[PW_RESOURCE_LIST]) &&
	       next_list(e, ret);
}

bool pw_exporter_next(struct pw_exporter *e, const bool subscribed[PW_RESOURCE_TYPE_MAX_],
		      struct pw_outgoing *ret)
{
	if (!e->head_checked && next_head(e, subscribed, ret))
		return true;
	e->head_checked = true;
	return subscribed[PW_RESOURCE_SERVICE] && next_service(e, ret);
}
