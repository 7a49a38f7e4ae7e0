// SPDX-License-Identifier: Apache-2.0
#include "compile_private.h"
#include "../base/log.h"
#include "../ca/spiffe.h"
#include "../catalog/catalog.h"
#include "../catalog/config_entry.h"
#include <string.h>

#define MAX_ADDRS_PER_NAME 16
/* Host names of a peer's gateways, an upstream: each is looked up again and again. */
#define MAX_FOREIGN_NAMES 32

bool pw_peering_is_live(const struct pw_peering *p)
{
	return p->state != PW_PEERING_DELETING && p->state != PW_PEERING_TERMINATED;
}

struct endpoints {
	struct pw_compiler *c;
	bool foreign;	/* addresses come from a peer: some must not be dialed */
	unsigned names; /* of those, how many are host names */
	struct pw_endpoint *items;
	size_t n;
};

static void endpoint_add(struct endpoints *e, const struct pw_addr *addr, int64_t weight,
			 bool unhealthy)
{
	/* A peer that names our loopback or link-local addresses would make us attack ourselves. */
	if (e->foreign && !e->c->config->dev &&
	    (pw_addr_is_special(addr) || pw_own_addrs_has(&e->c->own, addr)))
		return;
	e->items = pw_xrealloc(e->items, (e->n + 1) * sizeof(*e->items));
	e->items[e->n++] = (struct pw_endpoint){
		.addr = *addr,
		.weight = (uint32_t)pw_max(1, pw_min(weight, 65535)),
		.unhealthy = unhealthy,
	};
}

/* Across clusters the WAN address is the one that is meant to be reached. */
static const char *wan_address(struct pw_compiler *c, const struct pw_service *svc, int64_t *port)
{
	const struct pw_node *node;
	const char *wan;

	*port = svc->port;
	for (size_t i = 0; i < svc->tagged_addresses.n; i++) {
		const struct pw_service_address *a = svc->tagged_addresses.items[i];

		if (pw_streq(a->tag, "wan") && !pw_str_empty(a->address)) {
			if (a->port)
				*port = a->port;
			return a->address;
		}
	}
	if (!pw_str_empty(svc->address))
		return svc->address;
	node = pw_catalog_node(c->store, svc->peer, svc->node);
	if (!node)
		return NULL;
	wan = pw_map_get(&node->tagged_addresses, "wan");
	return pw_str_empty(wan) ? node->address : wan;
}

static bool endpoint_of_instance(void *arg, const struct pw_service *svc)
{
	struct endpoints *e = arg;
	enum pw_status status = pw_catalog_instance_status(e->c->store, svc);
	struct pw_addr addrs[MAX_ADDRS_PER_NAME];
	int64_t port = svc->port;
	const char *host;
	size_t n;

	host = e->foreign ? wan_address(e->c, svc, &port)
			  : pw_catalog_instance_address(e->c->store, svc);
	if (!host || port < 1 || port > 65535)
		return true;
	if (e->foreign && pw_addr_parse(host, (uint16_t)port, addrs) < 0 &&
	    ++e->names > MAX_FOREIGN_NAMES)
		return true;
	n = pw_resolver_get(e->c->resolver, host, (uint16_t)port, addrs, ARRAY_SIZE(addrs));
	for (size_t i = 0; i < n; i++)
		endpoint_add(e, &addrs[i],
			     status == PW_STATUS_WARNING ? svc->weights.warning
							 : svc->weights.passing,
			     status != PW_STATUS_PASSING && status != PW_STATUS_WARNING);
	return true;
}

static bool plain_endpoint(void *arg, const struct pw_service *svc)
{
	return pw_str_empty(svc->kind) ? endpoint_of_instance(arg, svc) : true;
}

static struct pw_identity *leaf_of(struct pw_compiler *c, const char *service)
{
	struct pw_identity *identity = NULL;
	struct pw_err err = PW_ERR_INIT;

	if (pw_ca_leaf(c->ca, service, &identity, &err) < 0)
		pw_log_error("compile.leaf", "service", service, "error", err.text, NULL);
	return identity;
}

static void add_ingress(struct pw_compiler *c, struct pw_routing *r, const char *peer,
			const char *service, const struct pw_trust *trust)
{
	bool native = pw_catalog_speaks_mesh(c->store, service);
	struct endpoints e = { .c = c };
	struct pw_ingress *in = pw_new0(struct pw_ingress);

	in->sni = pw_sni_exported(service, peer, pw_ca_trust_domain(c->ca));
	in->peer = pw_xstrdup(peer);
	in->service = pw_xstrdup(service);
	in->peer_id = pw_ids_get(c->ids, peer, "");
	in->service_id = pw_ids_get(c->ids, "", service);
	in->mode = native ? PW_INGRESS_PASSTHROUGH : PW_INGRESS_TERMINATE;
	if (native) {
		pw_catalog_each_connect(c->store, "", service, endpoint_of_instance, &e);
	} else {
		in->identity = leaf_of(c, service);
		in->trust = trust ? pw_trust_ref((struct pw_trust *)trust) : NULL;
		pw_catalog_each(c->store, "", service, plain_endpoint, &e);
	}
	in->endpoints = e.items;
	in->n_endpoints = e.n;
	pw_routing_add_ingress(r, in);
}

static void compile_ingress(struct pw_compiler *c, struct pw_routing *r)
{
	pw_autoiter struct pw_iter it = pw_store_iter(c->store, PW_T_PEERING, /* prefix= */ NULL);
	pw_cleanup(pw_exports_free) struct pw_exports *exports = pw_exports_new(c->store);
	const struct pw_peering *p;

	while ((p = pw_iter_next(&it))) {
		const struct pw_strv *names = pw_exports_of(exports, p->name);
		pw_cleanup(pw_trust_unref) struct pw_trust *trust = NULL;

		if (!pw_peering_is_live(p))
			continue;
		trust = pw_compile_trust(c, p->name);
		for (size_t i = 0; i < names->n; i++)
			add_ingress(c, r, p->name, names->items[i], trust);
	}
}

/* What the peer says of its service: SNI and the identities to expect there. */
static bool take_peer_meta(void *arg, const struct pw_service *svc)
{
	struct pw_egress *e = arg;
	const struct pw_peer_meta *m = svc->connect.peer_meta;

	if (!m || !m->sni.n || e->sni)
		return true;
	e->sni = pw_str_lower(m->sni.items[0]);
	pw_strv_copy(&e->spiffe_ids, &m->spiffe_id);
	return true;
}

struct allow_ctx {
	struct pw_compiler *c;
	struct pw_egress *e;
};

static bool allow_instance(void *arg, const struct pw_service *svc)
{
	struct allow_ctx *ctx = arg;
	struct pw_egress *e = ctx->e;
	const char *host = pw_catalog_instance_address(ctx->c->store, svc);
	struct pw_addr addrs[MAX_ADDRS_PER_NAME];
	size_t n;

	if (!pw_str_empty(svc->kind) || !host)
		return true;
	n = pw_resolver_get(ctx->c->resolver, host, 1, addrs, ARRAY_SIZE(addrs));
	e->allowed = pw_xrealloc(e->allowed, (e->n_allowed + n + 1) * sizeof(*e->allowed));
	for (size_t i = 0; i < n; i++)
		e->allowed[e->n_allowed++] = addrs[i];
	return true;
}

static void fill_peer_upstream(struct pw_compiler *c, struct pw_egress *e)
{
	const struct pw_peering *p = pw_store_get(c->store, PW_T_PEERING, e->peer);
	struct endpoints found = { .c = c, .foreign = true };

	e->peer_id = pw_ids_get(c->ids, e->peer, "");
	e->destination_id = pw_ids_get(c->ids, e->peer, e->destination);
	if (!p || !pw_peering_is_live(p))
		return;
	e->trust = pw_compile_trust(c, e->peer);
	e->identity = leaf_of(c, e->source);
	pw_catalog_each_connect(c->store, e->peer, e->destination, take_peer_meta, e);
	pw_catalog_each_connect(c->store, e->peer, e->destination, endpoint_of_instance, &found);
	e->endpoints = found.items;
	e->n_endpoints = found.n;
}

static void fill_local_upstream(struct pw_compiler *c, struct pw_egress *e)
{
	struct endpoints found = { .c = c };

	e->destination_id = pw_ids_get(c->ids, "", e->destination);
	pw_catalog_each(c->store, "", e->destination, plain_endpoint, &found);
	e->endpoints = found.items;
	e->n_endpoints = found.n;
}

static bool has_listener(const struct pw_routing *r, const char *source, const struct pw_addr *bind)
{
	for (size_t i = 0; i < r->n_egress; i++) {
		const struct pw_egress *e = r->egress[i];

		if (pw_streq(e->source, source) && pw_addr_same_ip(&e->bind, bind) &&
		    pw_addr_port(&e->bind) == pw_addr_port(bind))
			return true;
	}
	return false;
}

static void add_egress(struct pw_compiler *c, struct pw_routing *r, const struct pw_service *svc,
		       const struct pw_upstream *u)
{
	const char *host =
		pw_str_empty(u->local_bind_address) ? "127.0.0.1" : u->local_bind_address;
	struct pw_egress *e;
	char text[PW_ADDR_TEXT];
	struct pw_addr bind;

	if (pw_addr_parse(host, (uint16_t)u->local_bind_port, &bind) < 0) {
		pw_log_warn("compile.upstream", "service", svc->name, "destination",
			    u->destination_name, "error", "local_bind_address is no IP address",
			    NULL);
		return;
	}
	if (has_listener(r, svc->name, &bind))
		return; /* several instances of one service declare the same upstream */
	e = pw_new0(struct pw_egress);
	e->bind = bind;
	e->source = pw_xstrdup(svc->name);
	e->destination = pw_xstrdup(u->destination_name);
	e->peer = pw_xstrdup(pw_str_or_empty(u->destination_peer));
	e->id = pw_xasprintf("%s>%s@%s %s", e->source, e->destination, e->peer,
			     pw_addr_text(&bind, text));
	e->source_id = pw_ids_get(c->ids, "", svc->name);
	pw_catalog_each(c->store, "", svc->name, allow_instance,
			&(struct allow_ctx){ .c = c, .e = e });
	if (*e->peer)
		fill_peer_upstream(c, e);
	else
		fill_local_upstream(c, e);
	pw_routing_add_egress(r, e);
}

static void compile_egress(struct pw_compiler *c, struct pw_routing *r)
{
	pw_autofree char *local = pw_key(/* trailing= */ true, "", NULL);
	pw_autoiter struct pw_iter it = pw_store_iter(c->store, PW_T_SERVICE, local);
	const struct pw_service *svc;

	while ((svc = pw_iter_next(&it)))
		for (size_t i = 0; i < svc->upstreams.n; i++)
			add_egress(c, r, svc, svc->upstreams.items[i]);
}

static void add_known(void *arg, const char *peer, const char *ip)
{
	pw_strv_add(arg, ip);
}

int pw_compile(struct pw_compiler *c, struct pw_routing **ret_routing,
	       struct pw_kernel_state *ret_state, struct pw_err *err)
{
	pw_cleanup(pw_routing_unref) struct pw_routing *r = pw_routing_new();
	struct pw_kernel_state state = { 0 };

	r->generation = c->generation;
	r->passthrough = c->config->gateway.passthrough;
	r->control_sni = pw_sni_server(pw_ca_datacenter(c->ca), pw_ca_trust_domain(c->ca));
	r->policy = pw_policy_compile(c->store, &c->defaults);
	if (c->config->peering.enabled)
		compile_ingress(c, r);
	compile_egress(c, r);
	if (c->peering)
		pw_peering_each_address(c->peering, add_known, &r->known);
	pw_compile_kernel(c, r, &state);
	pw_ids_sweep(c->ids);
	*ret_state = state;
	*ret_routing = TAKE_PTR(r);
	return 0;
}
