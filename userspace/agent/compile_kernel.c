// SPDX-License-Identifier: Apache-2.0
#include "compile_private.h"
#include "../base/log.h"
#include "../catalog/catalog.h"
#include "../catalog/config_entry.h"
#include <string.h>
#include <uthash.h>

/* Keys must be unique within one compilation: a small set for each map whose keys can repeat. */
struct seen {
	struct pw_policy_key key;
	UT_hash_handle hh;
};
/* How many peers a service is exported to, counted from the ingress entries: each is one of them.
 */
struct exported {
	uint32_t service_id;
	uint32_t peers;
	UT_hash_handle hh;
};
struct guarded {
	struct pw_guard_key key;
	UT_hash_handle hh;
};
struct build {
	struct pw_compiler *c;
	struct pw_kernel_state *out;
	struct seen *policies;
	struct guarded *guards;
	struct exported *exported;
	bool full[2]; /* as in the compiler, of this compilation */
};
enum { FULL_SERVICES, FULL_GUARD };

/*
 * What peers announce may take half of a map that is also ours: else one of them could fill it, and
 * every later change of ours would be refused. Their rows in pw_services and pw_routes are there
 * for people; a guard entry that is missing costs its peer the larger budget.
 */
static bool share_is_full(size_t all, size_t own, size_t max)
{
	/* The last eighth stays free: additions come before the removals that make room for them.
	 */
	return all - own >= max / 2 || all >= max - max / 8;
}

static void say_full(struct build *b, unsigned which, const char *map, const char *peer)
{
	if (!b->full[which] && !b->c->full[which])
		pw_log_warn("compile.peers_share_full", "map", map, "peer", peer, "note",
			    "what peers announce beyond it is left out of the map", NULL);
	b->full[which] = true;
}

#define GROW(array, n) ((array) = pw_xrealloc((array), ((n) + 1) * sizeof(*(array))))

static void add_policy(struct build *b, struct pw_policy_key key, enum pw_action action,
		       uint32_t precedence, const char *peer, const char *source,
		       const char *destination)
{
	struct pw_kernel_state *out = b->out;
	struct pw_policy_entry *e;
	struct seen *s = NULL;

	HASH_FIND(hh, b->policies, &key, sizeof(key), s);
	if (s)
		return;
	s = pw_new0(struct seen);
	s->key = key;
	HASH_ADD(hh, b->policies, key, sizeof(s->key), s);
	GROW(out->policies, out->n_policies);
	e = &out->policies[out->n_policies++];
	memset(e, 0, sizeof(*e));
	e->key = key;
	e->value.action = action;
	e->value.precedence = precedence;
	e->value.generation = b->c->generation;
	pw_str_fill(e->value.peer, sizeof(e->value.peer), peer);
	pw_str_fill(e->value.source, sizeof(e->value.source), source);
	pw_str_fill(e->value.destination, sizeof(e->value.destination), destination);
}

/* Verdicts that in-kernel forwarders ask for come first; the rules themselves follow, for people.
 */
static void compile_policies(struct build *b, const struct pw_routing *r)
{
	const struct pw_policy_rule *rules;
	struct pw_ids *ids = b->c->ids;
	size_t n;

	for (size_t i = 0; i < r->n_ingress; i++) {
		const struct pw_ingress *in = r->ingress[i];
		bool any = pw_policy_any_allowed(r->policy, in->peer, in->service);

		add_policy(b,
			   (struct pw_policy_key){ .peer_id = in->peer_id,
						   .destination_id = in->service_id },
			   any ? PW_ACTION_ALLOW : PW_ACTION_DENY, 0, in->peer, "opaque",
			   in->service);
	}
	for (size_t i = 0; i < r->n_egress; i++) {
		const struct pw_egress *e = r->egress[i];
		struct pw_verdict v;

		if (*e->peer)
			continue; /* the peer decides about its own services */
		v = pw_policy_check(r->policy, "", e->source, e->destination);
		add_policy(b,
			   (struct pw_policy_key){ .source_id = e->source_id,
						   .destination_id = e->destination_id },
			   v.action, v.precedence, "", e->source, e->destination);
	}
	n = pw_policy_rules(r->policy, &rules);
	for (size_t i = 0; i < n; i++)
		add_policy(b,
			   (struct pw_policy_key){
				   .peer_id = pw_ids_get(ids, rules[i].peer, ""),
				   .source_id = pw_ids_get(ids, rules[i].peer, rules[i].source),
				   .destination_id = pw_ids_get(ids, "", rules[i].destination) },
			   rules[i].action, rules[i].precedence, rules[i].peer, rules[i].source,
			   rules[i].destination);
}

static enum pw_health health_of(enum pw_status s)
{
	switch (s) {
	case PW_STATUS_PASSING:
		return PW_HEALTH_PASSING;
	case PW_STATUS_WARNING:
		return PW_HEALTH_WARNING;
	default:
		return PW_HEALTH_CRITICAL;
	}
}

static void add_route(struct build *b, uint32_t service_id, uint32_t slot,
		      const struct pw_service *svc, enum pw_status status)
{
	struct pw_kernel_state *out = b->out;
	const char *host = pw_catalog_instance_address(b->c->store, svc);
	struct pw_route_entry *e;
	struct pw_addr addr;

	if (!host || svc->port < 1 || svc->port > 65535)
		return;
	GROW(out->routes, out->n_routes);
	e = &out->routes[out->n_routes++];
	memset(e, 0, sizeof(*e));
	e->key.service_id = service_id;
	e->key.slot = slot;
	e->value.port_be = htons((uint16_t)svc->port);
	e->value.weight = (uint32_t)pw_max(1, pw_min(svc->weights.passing, 65535));
	e->value.health = health_of(status);
	/* Only names that upstreams need are looked up for a peer, see compile.c. */
	if (pw_str_empty(svc->peer)
		    ? pw_resolver_get(b->c->resolver, host, (uint16_t)svc->port, &addr, 1) > 0
		    : pw_addr_parse(host, (uint16_t)svc->port, &addr) == 0) {
		pw_addr_to16(&addr, e->value.addr_be);
		pw_addr_text(&addr, e->value.text);
	} else {
		pw_autofree char *text = pw_xasprintf("%s:%lld", host, (long long)svc->port);

		pw_str_fill(e->value.text, sizeof(e->value.text), text);
	}
}

static void count_exports(struct build *b, const struct pw_routing *r)
{
	for (size_t i = 0; i < r->n_ingress; i++) {
		struct exported *e = NULL;

		HASH_FIND(hh, b->exported, &r->ingress[i]->service_id, sizeof(e->service_id), e);
		if (!e) {
			e = pw_new0(struct exported);
			e->service_id = r->ingress[i]->service_id;
			HASH_ADD(hh, b->exported, service_id, sizeof(e->service_id), e);
		}
		e->peers++;
	}
}

static uint32_t exports_of(const struct build *b, uint32_t service_id)
{
	struct exported *e = NULL;

	HASH_FIND(hh, b->exported, &service_id, sizeof(service_id), e);
	return e ? e->peers : 0;
}

static bool peers_share_is_full(struct build *b, const struct pw_service *svc, size_t own_services,
				size_t own_routes)
{
	const struct pw_kernel_state *out = b->out;

	if (pw_str_empty(svc->peer) ||
	    (!share_is_full(out->n_services, own_services, PW_MAX_SERVICES) &&
	     !share_is_full(out->n_routes, own_routes, PW_MAX_ROUTES)))
		return false;
	say_full(b, FULL_SERVICES, "pw_services, pw_routes", svc->peer);
	return true;
}

/* Instances come in the order of the table's second key, so those of one service are neighbours,
 * and ours come before those of peers. */
static void compile_services(struct build *b)
{
	pw_autoiter struct pw_iter it =
		pw_store_iter_alt(b->c->store, PW_T_SERVICE, /* prefix= */ NULL);
	struct pw_kernel_state *out = b->out;
	struct pw_service_entry *e = NULL;
	size_t own_services = 0, own_routes = 0;
	const struct pw_service *svc;

	while ((svc = pw_iter_next(&it))) {
		enum pw_status status;
		struct pw_service_key key = { 0 };

		if (peers_share_is_full(b, svc, own_services, own_routes))
			break;
		status = pw_catalog_instance_status(b->c->store, svc);
		pw_str_fill(key.name, sizeof(key.name), svc->name);
		pw_str_fill(key.peer, sizeof(key.peer), svc->peer);
		if (!e || memcmp(&e->key, &key, sizeof(key)) != 0) {
			GROW(out->services, out->n_services);
			e = &out->services[out->n_services++];
			memset(e, 0, sizeof(*e));
			e->key = key;
			e->value.service_id =
				pw_ids_get(b->c->ids, pw_str_or_empty(svc->peer), svc->name);
			e->value.peer_id = pw_ids_get(b->c->ids, pw_str_or_empty(svc->peer), "");
			if (pw_str_empty(svc->peer)) {
				e->value.exported = exports_of(b, e->value.service_id);
				e->value.passthrough =
					pw_catalog_speaks_mesh(b->c->store, svc->name);
			}
		}
		add_route(b, e->value.service_id, e->value.instances, svc, status);
		e->value.instances++;
		e->value.healthy += status == PW_STATUS_PASSING || status == PW_STATUS_WARNING;
		if (pw_str_empty(svc->peer)) {
			own_services = out->n_services;
			own_routes = out->n_routes;
		}
	}
}

static void add_guard(struct build *b, const char *prefix, enum pw_action action, const char *peer)
{
	struct pw_kernel_state *out = b->out;
	struct pw_guard_key key = { 0 };
	struct pw_guard_entry *e;
	struct guarded *s = NULL;
	unsigned bits;

	if (pw_prefix_parse(prefix, key.addr_be, &bits) < 0)
		return;
	key.prefixlen = bits;
	/* The operator's lines come first and win over what peers announce. */
	HASH_FIND(hh, b->guards, &key, sizeof(key), s);
	if (s)
		return;
	s = pw_new0(struct guarded);
	s->key = key;
	HASH_ADD(hh, b->guards, key, sizeof(s->key), s);
	GROW(out->guards, out->n_guards);
	e = &out->guards[out->n_guards++];
	memset(e, 0, sizeof(*e));
	e->key = key;
	e->value.action = action;
	e->value.peer_id = pw_ids_get(b->c->ids, peer, "");
	pw_str_fill(e->value.peer, sizeof(e->value.peer), peer);
	pw_str_fill(e->value.prefix, sizeof(e->value.prefix), prefix);
}

struct peer_guards {
	struct build *b;
	size_t own; /* lines of the operator */
};

static void guard_of_peer(void *arg, const char *peer, const char *ip)
{
	struct peer_guards *g = arg;

	if (!share_is_full(g->b->out->n_guards, g->own, PW_MAX_GUARD))
		add_guard(g->b, ip, PW_ACTION_ALLOW, peer);
	else
		say_full(g->b, FULL_GUARD, "pw_guard", peer);
}

static void compile_guards(struct build *b)
{
	const struct pw_config_guard *g = &b->c->config->gateway.guard;
	struct peer_guards peers = { .b = b };

	for (size_t i = 0; i < g->deny.n; i++)
		add_guard(b, g->deny.items[i], PW_ACTION_DENY, "");
	for (size_t i = 0; i < g->allow.n; i++)
		add_guard(b, g->allow.items[i], PW_ACTION_ALLOW, "");
	peers.own = b->out->n_guards;
	if (b->c->peering)
		pw_peering_each_address(b->c->peering, guard_of_peer, &peers);
}

void pw_compile_kernel(struct pw_compiler *c, const struct pw_routing *r,
		       struct pw_kernel_state *ret)
{
	struct build b = { .c = c, .out = ret };
	struct exported *e, *next;
	struct guarded *g, *after;
	struct seen *s, *tmp;

	ret->generation = c->generation;
	compile_policies(&b, r);
	count_exports(&b, r);
	compile_services(&b);
	compile_guards(&b);
	memcpy(c->full, b.full, sizeof(c->full));
	HASH_ITER(hh, b.policies, s, tmp)
	{
		HASH_DEL(b.policies, s);
		free(s);
	}
	HASH_ITER(hh, b.guards, g, after)
	{
		HASH_DEL(b.guards, g);
		free(g);
	}
	HASH_ITER(hh, b.exported, e, next)
	{
		HASH_DEL(b.exported, e);
		free(e);
	}
}
