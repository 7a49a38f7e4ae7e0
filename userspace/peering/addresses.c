// SPDX-License-Identifier: Apache-2.0
/* Addresses: ours as peers get them, and those of authenticated peers, for the guard. */
#include "peering_private.h"
#include "../base/hash.h"

#include <string.h>

void pw_server_addresses(const struct pw_peering_mgr *m, struct pw_strv *ret)
{
	const char *host = pw_str_or_empty(m->advertise_host);
	bool bare6 = strchr(host, ':') && host[0] != '[';
	pw_autofree char *text = pw_xasprintf(bare6 ? "[%s]:%u" : "%s:%u", host, m->gateway_port);

	pw_strv_add(ret, text);
}

/* Never special, never our own: a peer must not open the guard to those. */
static bool may_be_peers(struct pw_peering_mgr *m, const struct pw_addr *a)
{
	return !pw_addr_is_special(a) && !pw_own_addrs_has(&m->own, a);
}

void pw_link_saw(struct pw_link *l, const struct pw_addr *a)
{
	if (!a || a->len == 0 || !may_be_peers(l->mgr, a))
		return;
	for (size_t i = 0; i < l->n_seen; i++)
		if (pw_addr_same_ip(&l->seen[i], a))
			return;
	if (l->n_seen == ARRAY_SIZE(l->seen)) {
		memmove(&l->seen[0], &l->seen[1], sizeof(l->seen) - sizeof(l->seen[0]));
		l->n_seen--;
	}
	l->seen[l->n_seen++] = *a;
	pw_mgr_schedule(l->mgr, /*tables=*/0);
}

/* The set of one peer while it is collected. */
struct set {
	struct pw_peering_mgr *mgr;
	struct pw_addr items[PW_PEER_ADDRESSES_MAX];
	size_t n;
};

static void set_add(struct set *s, const struct pw_addr *a)
{
	if (s->n == ARRAY_SIZE(s->items) || !may_be_peers(s->mgr, a))
		return;
	for (size_t i = 0; i < s->n; i++)
		if (pw_addr_same_ip(&s->items[i], a))
			return;
	s->items[s->n++] = *a;
}

/* Names are left out: what they resolve to is learnt from the connection itself. */
static void set_add_text(struct set *s, const char *ip)
{
	struct pw_addr a;

	if (!pw_str_empty(ip) && pw_addr_parse(ip, /*port=*/0, &a) == 0)
		set_add(s, &a);
}

static void set_add_hostports(struct set *s, const struct pw_strv *v)
{
	for (size_t i = 0; i < v->n; i++) {
		struct pw_addr a;

		if (pw_addr_parse_hostport(v->items[i], &a) == 0)
			set_add(s, &a);
	}
}

/* The peer's gateways as it announced them: they are also where its callers come from. */
static void set_add_gateways(struct set *s, const struct pw_link *l)
{
	pw_autofree char *prefix = pw_key(/*trailing=*/true, l->name, NULL);
	pw_autoiter struct pw_iter it = pw_store_iter(l->mgr->store, PW_T_SERVICE, prefix);
	const struct pw_service *svc;

	while (s->n < ARRAY_SIZE(s->items) && (svc = pw_iter_next(&it))) {
		if (!svc->connect.peer_meta)
			continue;
		set_add_text(s, svc->address);
		for (size_t i = 0; i < svc->tagged_addresses.n; i++) {
			const struct pw_service_address *t = svc->tagged_addresses.items[i];

			if (pw_streq(t->tag, "wan"))
				set_add_text(s, t->address);
		}
	}
}

static void collect(const struct pw_link *l, struct set *s)
{
	const struct pw_peering *p = pw_link_row(l);

	s->mgr = l->mgr;
	s->n = 0;
	if (!p || p->state == PW_PEERING_DELETING || p->state == PW_PEERING_TERMINATED)
		return;
	for (size_t i = l->n_seen; i > 0; i--)
		set_add(s, &l->seen[i - 1]);
	/* a token that was never used successfully proves nothing */
	if (p->state == PW_PEERING_PENDING && !pw_str_empty(p->peer_id))
		return;
	set_add_hostports(s, &p->manual_server_addresses);
	set_add_hostports(s, &p->peer_server_addresses);
	set_add_gateways(s, l);
}

void pw_peering_each_address(struct pw_peering_mgr *m,
			     void (*fn)(void *arg, const char *peer, const char *ip), void *arg)
{
	struct set *s = pw_new0(struct set);
	struct pw_link *l, *tmp;

	HASH_ITER(hh, m->links, l, tmp)
	{
		collect(l, s);
		for (size_t i = 0; i < s->n; i++) {
			char text[PW_ADDR_TEXT];

			fn(arg, l->name, pw_addr_ip_text(&s->items[i], text));
		}
	}
	free(s);
}

void pw_peering_on_addresses(struct pw_peering_mgr *m, void (*fn)(void *arg), void *arg)
{
	m->on_addresses = fn;
	m->on_addresses_arg = arg;
}

/* Order does not count: links come and go. */
static void mix(void *arg, const char *peer, const char *ip)
{
	pw_autofree char *text = pw_xasprintf("%s %s", peer, ip);
	uint64_t *sum = arg;

	*sum += pw_hash64(text, strlen(text)) * UINT64_C(0x9e3779b97f4a7c15) + 1;
}

struct pw_known {
	uint8_t ip[16];
	UT_hash_handle hh;
};

static struct pw_known *known_find(const struct pw_peering_mgr *m, const struct pw_addr *a)
{
	struct pw_known *k;
	uint8_t ip[16];

	pw_addr_to16(a, ip);
	HASH_FIND(hh, m->known, ip, sizeof(ip), k);
	return k;
}

static void known_add(void *arg, const char *peer, const char *ip)
{
	struct pw_peering_mgr *m = arg;
	struct pw_known *k;
	struct pw_addr a;

	if (pw_addr_parse(ip, /*port=*/0, &a) < 0 || known_find(m, &a))
		return;
	k = pw_new0(struct pw_known);
	pw_addr_to16(&a, k->ip);
	HASH_ADD(hh, m->known, ip, sizeof(k->ip), k);
}

void pw_known_clear(struct pw_peering_mgr *m)
{
	struct pw_known *k, *tmp;

	HASH_ITER(hh, m->known, k, tmp)
	{
		HASH_DEL(m->known, k);
		free(k);
	}
}

void pw_addresses_check(struct pw_peering_mgr *m)
{
	uint64_t sum = 0;

	pw_peering_each_address(m, mix, &sum);
	if (sum == m->addresses_hash)
		return;
	m->addresses_hash = sum;
	pw_known_clear(m);
	pw_peering_each_address(m, known_add, m);
	if (m->on_addresses)
		m->on_addresses(m->on_addresses_arg);
}

bool pw_address_known(const struct pw_peering_mgr *m, const struct pw_addr *a)
{
	return known_find(m, a) != NULL;
}
