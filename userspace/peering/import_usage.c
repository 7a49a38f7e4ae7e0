// SPDX-License-Identifier: Apache-2.0
/* How much of our memory a peer's rows take, roughly: strings, and what holds them. */
#include "import_private.h"

#include <string.h>

#define ROW_BYTES  512 /* of the struct, its keys and its places in the orders */
#define ITEM_BYTES 48  /* of one string: pointer, and what malloc adds */

static size_t text(const char *s)
{
	return s ? strlen(s) + ITEM_BYTES : 0;
}

static size_t strings(const struct pw_strv *v)
{
	size_t n = 0;

	for (size_t i = 0; i < v->n; i++)
		n += text(v->items[i]);
	return n;
}

static size_t pairs(const struct pw_map *m)
{
	size_t n = 0;

	for (size_t i = 0; i < m->n; i++)
		n += text(m->items[i].key) + text(m->items[i].value);
	return n;
}

static size_t place(const json_t *locality)
{
	return text(pw_json_str(locality, "Region")) + text(pw_json_str(locality, "Zone"));
}

static size_t node_bytes(const struct pw_node *n)
{
	return text(n->name) + text(n->id) + text(n->address) + text(n->datacenter) +
	       pairs(&n->tagged_addresses) + pairs(&n->meta) + place(n->locality);
}

static size_t service_bytes(const struct pw_service *s)
{
	const struct pw_peer_meta *m = s->connect.peer_meta;
	size_t n = text(s->node) + text(s->kind) + text(s->id) + text(s->name) + text(s->address) +
		   text(s->socket_path) + strings(&s->tags) + pairs(&s->meta) + place(s->locality);

	for (size_t i = 0; i < s->tagged_addresses.n; i++) {
		const struct pw_service_address *a = s->tagged_addresses.items[i];

		n += text(a->tag) + text(a->address);
	}
	n += text(s->proxy.destination_service_name) + text(s->proxy.destination_service_id) +
	     text(s->proxy.local_service_address) + text(s->proxy.mode);
	return m ? n + strings(&m->sni) + strings(&m->spiffe_id) + text(m->protocol) : n;
}

static size_t check_bytes(const struct pw_check *c)
{
	return text(c->node) + text(c->id) + text(c->name) + text(c->status) + text(c->notes) +
	       text(c->output) + text(c->service_id) + text(c->service_name) +
	       strings(&c->service_tags) + text(c->type) + text(c->interval) + text(c->timeout);
}

size_t pw_import_row_bytes(unsigned table, const void *row)
{
	switch (table) {
	case PW_T_NODE:
		return ROW_BYTES + node_bytes(row);
	case PW_T_SERVICE:
		return ROW_BYTES + service_bytes(row);
	case PW_T_CHECK:
		return ROW_BYTES + check_bytes(row);
	default:
		return 0; /* one row a peer */
	}
}

struct pw_usage pw_import_usage(const struct pw_store *s, const char *peer)
{
	static const unsigned tables[] = { PW_T_NODE, PW_T_SERVICE, PW_T_CHECK };
	pw_autofree char *prefix = pw_key(/*trailing=*/true, peer, NULL);
	struct pw_usage u = { .known = true };

	for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
		pw_autoiter struct pw_iter it = pw_store_iter(s, tables[i], prefix);
		const void *row;

		while ((row = pw_iter_next(&it))) {
			u.bytes += pw_import_row_bytes(tables[i], row);
			u.instances += tables[i] == PW_T_SERVICE;
		}
	}
	return u;
}
