// SPDX-License-Identifier: Apache-2.0
/* Our catalog rows as the protobuf that peers get. Strings are borrowed from the rows: encoding
 * happens before anything else can run. */
#include "stream.h"
#include "arena.h"
#include "../base/hash.h"
#include "../ca/spiffe.h"
#include "../catalog/catalog.h"
#include "../rpc/pb.h"

#include <string.h>

#define PROXY_SUFFIX "-sidecar-proxy"

typedef PW_PB(Service, CheckServiceNode) Instance;
typedef PW_PB(Service, Node) Node;
typedef PW_PB(Service, NodeService) Service;
typedef PW_PB(Service, HealthCheck) Check;
typedef PW_PB(Service, ServiceAddress) ServiceAddress;
typedef PW_PB(Common, EnterpriseMeta) EnterpriseMeta;

bool pw_is_proxy_name(const char *name)
{
	return pw_str_ends(name, PROXY_SUFFIX);
}

char *pw_proxy_name(const char *name)
{
	return pw_xasprintf("%s" PROXY_SUFFIX, name);
}

static char *str(const char *s)
{
	return (char *)pw_str_or_empty(s); /* protobuf-c takes no const, and does not write */
}

/* --- parts ---------------------------------------------------------------------------------------
 */

/* map<string, string>: each entry type is its own struct with the same shape. */
#define FILL_MAP(arena, map, field, Type, INIT)                              \
	do {                                                                 \
		(field) = pw_arena_alloc(arena, (map)->n, sizeof(*(field))); \
		for (size_t i_ = 0; i_ < (map)->n; i_++) {                   \
			Type *entry_ = PW_ARENA_NEW(arena, Type);            \
			*entry_ = (Type)INIT;                                \
			entry_->key = (map)->items[i_].key;                  \
			entry_->value = (map)->items[i_].value;              \
			(field)[i_] = entry_;                                \
		}                                                            \
	} while (0)

static PW_PB(Common, Locality) * locality(struct pw_arena *a, const json_t *j)
{
	PW_PB(Common, Locality) * l;

	if (!json_is_object(j))
		return NULL;
	l = pw_arena_alloc(a, 1, sizeof(*l));
	hashicorp__consul__internal__common__locality__init(l);
	l->region = str(pw_json_str(j, "Region"));
	l->zone = str(pw_json_str(j, "Zone"));
	return l;
}

static Node *encode_node(struct pw_arena *a, const struct pw_link *l, const struct pw_node *n)
{
	Node *ret = PW_ARENA_NEW(a, Node);

	PW_PB_FN(service, node__init)(ret);
	ret->id = str(n->id);
	ret->node = str(n->name);
	ret->address = str(n->address);
	ret->datacenter =
		str(pw_str_empty(n->datacenter) ? pw_ca_datacenter(l->mgr->ca) : n->datacenter);
	ret->n_tagged_addresses = n->tagged_addresses.n;
	FILL_MAP(a, &n->tagged_addresses, ret->tagged_addresses,
		 PW_PB(Service, Node__TaggedAddressesEntry),
		 PW_PB_INIT(SERVICE, NODE__TAGGED_ADDRESSES_ENTRY));
	ret->n_meta = n->meta.n;
	FILL_MAP(a, &n->meta, ret->meta, PW_PB(Service, Node__MetaEntry),
		 PW_PB_INIT(SERVICE, NODE__META_ENTRY));
	ret->locality = locality(a, n->locality);
	return ret;
}

static EnterpriseMeta *enterprise_meta(struct pw_arena *a)
{
	EnterpriseMeta *e = PW_ARENA_NEW(a, EnterpriseMeta);

	PW_PB_FN(common, enterprise_meta__init)(e);
	return e; /* present and empty, as a real community exporter sends it */
}

static PW_PB(Service, Weights) * weights(struct pw_arena *a, int64_t passing, int64_t warning)
{
	PW_PB(Service, Weights) *w = pw_arena_alloc(a, 1, sizeof(*w));

	PW_PB_FN(service, weights__init)(w);
	w->passing = (int32_t)passing;
	w->warning = (int32_t)warning;
	return w;
}

static void add_address(struct pw_arena *a, Service *s, const char *tag, const char *address,
			int64_t port)
{
	PW_PB(Service, NodeService__TaggedAddressesEntry) *e = pw_arena_alloc(a, 1, sizeof(*e));
	ServiceAddress *v = PW_ARENA_NEW(a, ServiceAddress);

	PW_PB_FN(service, node_service__tagged_addresses_entry__init)(e);
	PW_PB_FN(service, service_address__init)(v);
	v->address = str(address);
	v->port = (int32_t)port;
	e->key = str(tag);
	e->value = v;
	s->tagged_addresses[s->n_tagged_addresses++] = e;
}

static Service *encode_service(struct pw_arena *a, const struct pw_service *svc)
{
	Service *ret = PW_ARENA_NEW(a, Service);

	PW_PB_FN(service, node_service__init)(ret);
	ret->id = str(svc->id);
	ret->service = str(svc->name);
	ret->n_tags = svc->tags.n;
	ret->tags = svc->tags.items;
	ret->address = str(svc->address);
	ret->n_meta = svc->meta.n;
	FILL_MAP(a, &svc->meta, ret->meta, PW_PB(Service, NodeService__MetaEntry),
		 PW_PB_INIT(SERVICE, NODE_SERVICE__META_ENTRY));
	ret->port = (int32_t)svc->port;
	ret->weights = weights(a, svc->weights.passing ?: 1, svc->weights.warning ?: 1);
	ret->enable_tag_override = svc->enable_tag_override;
	ret->tagged_addresses =
		pw_arena_alloc(a, svc->tagged_addresses.n, sizeof(*ret->tagged_addresses));
	for (size_t i = 0; i < svc->tagged_addresses.n; i++) {
		const struct pw_service_address *t = svc->tagged_addresses.items[i];

		/* a virtual address means nothing elsewhere */
		if (!pw_streq(t->tag, "virtual") && !pw_streq(t->tag, "consul-virtual"))
			add_address(a, ret, t->tag, t->address, t->port);
	}
	ret->socket_path = str(svc->socket_path);
	ret->locality = locality(a, svc->locality);
	ret->enterprise_meta = enterprise_meta(a);
	return ret;
}

static Check *encode_check(struct pw_arena *a, const Service *s, const char *node,
			   enum pw_status status)
{
	Check *c = PW_ARENA_NEW(a, Check);
	size_t len = strlen(s->id) + sizeof(":overall-check");
	char *id = pw_arena_alloc(a, 1, len);

	snprintf(id, len, "%s:overall-check", s->id);
	PW_PB_FN(service, health_check__init)(c);
	c->node = str(node);
	c->check_id = id;
	c->name = (char *)"overall-check";
	c->status = str(pw_status_name(status));
	c->service_id = s->id;
	c->service_name = s->service;
	c->enterprise_meta = enterprise_meta(a);
	return c;
}

/* --- an instance
 * ---------------------------------------------------------------------------------- */

static bool is_maintenance(const struct pw_check *c)
{
	return pw_streq(c->id, "_node_maintenance") ||
	       pw_str_starts(pw_str_or_empty(c->id), "_service_maintenance:");
}

static enum pw_status check_status(const struct pw_check *c)
{
	enum pw_status s;

	if (is_maintenance(c))
		return PW_STATUS_MAINTENANCE;
	return pw_status_parse(pw_str_or_empty(c->status), &s) < 0 ? PW_STATUS_CRITICAL : s;
}

/* All checks as one. false: there is none. */
static bool flatten(const struct pw_store *s, const struct pw_service *svc, enum pw_status *ret)
{
	pw_autofree const struct pw_check **checks = NULL;
	size_t n = pw_catalog_instance_checks(s, svc, &checks);

	*ret = PW_STATUS_PASSING;
	for (size_t i = 0; i < n; i++)
		*ret = pw_max(*ret, check_status(checks[i]));
	return n > 0;
}

static Instance *encode_instance(struct pw_arena *a, const struct pw_link *l,
				 const struct pw_service *svc)
{
	const struct pw_store *store = l->mgr->store;
	const struct pw_node *node = pw_catalog_node(store, /*peer=*/"", svc->node);
	enum pw_status status;
	Instance *ret;

	/* an importer dies of an empty name, so none is ever sent */
	if (!node || pw_str_empty(node->name) || pw_str_empty(svc->id))
		return NULL;
	ret = PW_ARENA_NEW(a, Instance);
	PW_PB_FN(service, check_service_node__init)(ret);
	ret->node = encode_node(a, l, node);
	ret->service = encode_service(a, svc);
	if (flatten(store, svc, &status)) {
		ret->n_checks = 1;
		ret->checks = pw_arena_alloc(a, 1, sizeof(*ret->checks));
		ret->checks[0] = encode_check(a, ret->service, node->name, status);
	}
	return ret;
}

static struct pw_iter instances(const struct pw_store *s, const char *name)
{
	pw_autofree char *prefix = pw_key(/*trailing=*/true, /*peer=*/"", name, NULL);

	return pw_store_iter_alt(s, PW_T_SERVICE, prefix);
}

uint8_t *pw_instances_encode(const struct pw_link *l, const char *name, size_t *ret_len)
{
	PW_PB(Peerstream, ExportedService)
	msg = PW_PB_INIT(PEERSTREAM, EXPORTED_SERVICE);
	pw_autoiter struct pw_iter count = instances(l->mgr->store, name);
	pw_autoiter struct pw_iter it = instances(l->mgr->store, name);
	pw_autoarena struct pw_arena a = { 0 };
	const struct pw_service *svc;
	size_t n = 0;

	while (pw_iter_next(&count))
		n++;
	msg.nodes = pw_arena_alloc(&a, n, sizeof(*msg.nodes));
	while ((svc = pw_iter_next(&it))) {
		Instance *i = pw_str_empty(svc->kind) ? encode_instance(&a, l, svc) : NULL;

		if (i)
			msg.nodes[msg.n_nodes++] = i;
	}
	return pw_pb_encode(&msg, ret_len);
}

/* --- the gateway as a proxy
 * ------------------------------------------------------------------------ */

struct health {
	const struct pw_store *store;
	size_t instances;
	bool any_healthy;
};

static bool count_health(void *arg, const struct pw_service *svc)
{
	struct health *h = arg;
	enum pw_status status;

	flatten(h->store, svc, &status);
	h->instances++;
	h->any_healthy |= status <= PW_STATUS_WARNING;
	return true;
}

/* Those that a call through the gateway can end at. */
static struct health service_health(const struct pw_store *s, const char *name)
{
	struct health h = { .store = s };

	if (pw_catalog_speaks_mesh(s, name)) {
		pw_catalog_each_connect(s, /*peer=*/"", name, count_health, &h);
	} else {
		pw_autoiter struct pw_iter it = instances(s, name);
		const struct pw_service *svc;

		while ((svc = pw_iter_next(&it)))
			if (pw_str_empty(svc->kind))
				count_health(&h, svc);
	}
	return h;
}

static Node *gateway_node(struct pw_arena *a, const struct pw_link *l)
{
	const struct pw_peering_mgr *m = l->mgr;
	const struct pw_node *row = pw_catalog_node(m->store, /*peer=*/"", m->node_name);
	struct pw_node made = { .name = m->node_name, .address = m->advertise_host };

	/* one node must not be sent with two addresses: the importer would flip between them */
	return encode_node(a, l, row ?: &made);
}

static char *arena_str(struct pw_arena *a, char *heap)
{
	size_t len = strlen(heap) + 1;
	char *s = pw_arena_alloc(a, 1, len);

	memcpy(s, heap, len);
	free(heap);
	return s;
}

static PW_PB(Service, ServiceConnect) *
	peer_meta(struct pw_arena *a, const struct pw_link *l, const char *name)
{
	const char *td = pw_ca_trust_domain(l->mgr->ca);
	const char *dc = pw_ca_datacenter(l->mgr->ca);
	PW_PB(Service, ServiceConnect) *c = pw_arena_alloc(a, 1, sizeof(*c));
	PW_PB(Service, PeeringServiceMeta) *m = pw_arena_alloc(a, 1, sizeof(*m));

	PW_PB_FN(service, service_connect__init)(c);
	PW_PB_FN(service, peering_service_meta__init)(m);
	m->n_sni = 1;
	m->sni = pw_arena_alloc(a, 1, sizeof(char *));
	m->sni[0] = arena_str(a, pw_sni_exported(name, l->name, td));
	m->n_spiffe_id = 2;
	m->spiffe_id = pw_arena_alloc(a, 2, sizeof(char *));
	m->spiffe_id[0] = arena_str(a, pw_spiffe_service(td, dc, name));
	m->spiffe_id[1] = arena_str(a, pw_spiffe_gateway(td, dc));
	m->protocol = (char *)"tcp";
	c->peer_meta = m;
	return c;
}

static Service *proxy_service(struct pw_arena *a, const struct pw_link *l, const char *name)
{
	const struct pw_peering_mgr *m = l->mgr;
	Service *s = PW_ARENA_NEW(a, Service);
	PW_PB(Service, ConnectProxyConfig) *p = pw_arena_alloc(a, 1, sizeof(*p));

	PW_PB_FN(service, connect_proxy_config__init)(p);
	p->destination_service_name = str(name);
	p->destination_service_id = arena_str(a, pw_xasprintf("%s-instance-0", name));
	PW_PB_FN(service, node_service__init)(s);
	s->kind = (char *)"connect-proxy";
	s->id = arena_str(a, pw_xasprintf("%s" PROXY_SUFFIX "-instance-0", name));
	s->service = arena_str(a, pw_proxy_name(name));
	s->address = str(m->advertise_host);
	s->port = m->gateway_port;
	s->weights = weights(a, 1, 1);
	s->proxy = p;
	s->connect = peer_meta(a, l, name);
	s->tagged_addresses = pw_arena_alloc(a, 1, sizeof(*s->tagged_addresses));
	add_address(a, s, "wan", m->advertise_host, m->gateway_port);
	s->enterprise_meta = enterprise_meta(a);
	return s;
}

uint8_t *pw_proxy_encode(const struct pw_link *l, const char *name, size_t *ret_len,
			 bool *ret_empty)
{
	PW_PB(Peerstream, ExportedService)
	msg = PW_PB_INIT(PEERSTREAM, EXPORTED_SERVICE);
	struct health h = service_health(l->mgr->store, name);
	pw_autoarena struct pw_arena a = { 0 };
	Instance instance = PW_PB_INIT(SERVICE, CHECK_SERVICE_NODE);
	Instance *nodes[] = { &instance };
	Check *checks[1];

	*ret_empty = h.instances == 0;
	if (h.instances > 0) {
		instance.node = gateway_node(&a, l);
		instance.service = proxy_service(&a, l, name);
		checks[0] = encode_check(&a, instance.service, instance.node->node,
					 h.any_healthy ? PW_STATUS_PASSING : PW_STATUS_CRITICAL);
		instance.n_checks = 1;
		instance.checks = checks;
		msg.n_nodes = 1;
		msg.nodes = nodes;
	}
	return pw_pb_encode(&msg, ret_len);
}

/* --- signature
 * ------------------------------------------------------------------------------------- */

static void mix(uint64_t *sum, uint64_t v)
{
	*sum = (*sum ^ v) * UINT64_C(0x100000001b3);
}

struct signature {
	const struct pw_store *store;
	uint64_t sum;
};

static bool mix_instance(void *arg, const struct pw_service *svc)
{
	struct signature *c = arg;
	const struct pw_node *node = pw_catalog_node(c->store, /*peer=*/"", svc->node);
	pw_autofree const struct pw_check **checks = NULL;
	size_t n = pw_catalog_instance_checks(c->store, svc, &checks);

	mix(&c->sum, svc->obj.create_index);
	mix(&c->sum, svc->obj.modify_index);
	mix(&c->sum, node ? node->obj.modify_index : 0);
	mix(&c->sum, n);
	for (size_t i = 0; i < n; i++)
		mix(&c->sum, checks[i]->obj.modify_index);
	return true;
}

uint64_t pw_instances_signature(const struct pw_store *s, const char *name)
{
	struct signature c = { s, UINT64_C(0xcbf29ce484222325) };
	pw_autoiter struct pw_iter it = instances(s, name);
	const struct pw_service *svc;

	while ((svc = pw_iter_next(&it)))
		mix_instance(&c, svc);
	mix(&c.sum, 1);
	pw_catalog_each_connect(s, /*peer=*/"", name, mix_instance, &c);
	return c.sum;
}
