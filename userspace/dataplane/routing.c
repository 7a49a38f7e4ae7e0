// SPDX-License-Identifier: Apache-2.0
#include "routing.h"
#include "../base/hash.h"
#include <assert.h>
#include <stdatomic.h>
#include <string.h>

/* One open hash table for all kinds of names; the kind is part of the key. */
enum entry_kind { ENTRY_SNI, ENTRY_LISTENER, ENTRY_EGRESS_ID, ENTRY_KNOWN };
struct index_entry {
	enum entry_kind kind;
	char *name;
	void *item;
	struct index_entry *next;
};
struct routing_index {
	size_t n_buckets; /* power of two */
	struct index_entry **buckets;
};

struct pw_routing *pw_routing_new(void)
{
	struct pw_routing *r = pw_new0(struct pw_routing);

	r->refs = 1;
	return r;
}

void pw_routing_add_ingress(struct pw_routing *r, struct pw_ingress *i)
{
	r->ingress = pw_xrealloc(r->ingress, (r->n_ingress + 1) * sizeof(*r->ingress));
	r->ingress[r->n_ingress++] = i;
}

void pw_routing_add_egress(struct pw_routing *r, struct pw_egress *e)
{
	r->egress = pw_xrealloc(r->egress, (r->n_egress + 1) * sizeof(*r->egress));
	r->egress[r->n_egress++] = e;
}

struct pw_routing *pw_routing_ref(struct pw_routing *r)
{
	if (r)
		atomic_fetch_add(&r->refs, 1);
	return r;
}

static void ingress_free(struct pw_ingress *i)
{
	SSL_CTX_free(i->ctx);
	pw_identity_unref(&i->identity);
	pw_trust_unref(&i->trust);
	free(i->endpoints);
	free(i->sni);
	free(i->peer);
	free(i->service);
	free(i);
}

static void egress_free(struct pw_egress *e)
{
	SSL_CTX_free(e->ctx);
	pw_identity_unref(&e->identity);
	pw_trust_unref(&e->trust);
	pw_strv_clear(&e->spiffe_ids);
	free(e->endpoints);
	free(e->allowed);
	free(e->id);
	free(e->source);
	free(e->destination);
	free(e->peer);
	free(e->sni);
	free(e);
}

static void index_free(struct routing_index *x)
{
	if (!x)
		return;
	for (size_t i = 0; i < x->n_buckets; i++) {
		struct index_entry *e = x->buckets[i];

		while (e) {
			struct index_entry *next = e->next;

			free(e->name);
			free(e);
			e = next;
		}
	}
	free(x->buckets);
	free(x);
}

void pw_routing_unref(struct pw_routing **pr)
{
	struct pw_routing *r = TAKE_PTR(*pr);

	if (!r || atomic_fetch_sub(&r->refs, 1) != 1)
		return;
	for (size_t i = 0; i < r->n_ingress; i++)
		ingress_free(r->ingress[i]);
	for (size_t i = 0; i < r->n_egress; i++)
		egress_free(r->egress[i]);
	index_free(r->index);
	pw_policy_unref(&r->policy);
	pw_strv_clear(&r->known);
	free(r->ingress);
	free(r->egress);
	free(r->control_sni);
	free(r);
}

static struct index_entry **bucket_of(const struct routing_index *x, const char *name)
{
	return &x->buckets[pw_hash64(name, strlen(name)) & (x->n_buckets - 1)];
}

static void *index_get(const struct routing_index *x, enum entry_kind kind, const char *name)
{
	if (!x || !name)
		return NULL;
	for (const struct index_entry *e = *bucket_of(x, name); e; e = e->next)
		if (e->kind == kind && !strcmp(e->name, name))
			return e->item;
	return NULL;
}

static void index_put(struct routing_index *x, enum entry_kind kind, const char *name, void *item)
{
	struct index_entry **bucket, *e;

	if (pw_str_empty(name) || index_get(x, kind, name))
		return;
	bucket = bucket_of(x, name);
	e = pw_new0(struct index_entry);
	e->kind = kind;
	e->name = pw_xstrdup(name);
	e->item = item;
	e->next = *bucket;
	*bucket = e;
}

void pw_routing_index(struct pw_routing *r)
{
	struct routing_index *x = pw_new0(struct routing_index);
	char text[PW_ADDR_TEXT];

	assert(!r->index);
	x->n_buckets = 16;
	while (x->n_buckets < r->n_ingress + 2 * r->n_egress + r->known.n)
		x->n_buckets *= 2;
	x->buckets = pw_xcalloc(x->n_buckets, sizeof(*x->buckets));
	for (size_t i = 0; i < r->n_ingress; i++)
		index_put(x, ENTRY_SNI, r->ingress[i]->sni, r->ingress[i]);
	for (size_t i = 0; i < r->n_egress; i++) {
		struct pw_egress *e = r->egress[i];

		index_put(x, ENTRY_LISTENER, pw_addr_text(&e->bind, text), e);
		index_put(x, ENTRY_EGRESS_ID, e->id, e);
	}
	for (size_t i = 0; i < r->known.n; i++)
		index_put(x, ENTRY_KNOWN, r->known.items[i], r);
	r->index = x;
}

struct pw_ingress *pw_routing_ingress(const struct pw_routing *r, const char *sni)
{
	return r ? index_get(r->index, ENTRY_SNI, sni) : NULL;
}

struct pw_egress *pw_routing_egress_at(const struct pw_routing *r, const char *address)
{
	return r ? index_get(r->index, ENTRY_LISTENER, address) : NULL;
}

bool pw_routing_knows(const struct pw_routing *r, const struct pw_addr *client)
{
	char text[PW_ADDR_TEXT];

	return r && index_get(r->index, ENTRY_KNOWN, pw_addr_ip_text(client, text));
}

struct pw_egress *pw_routing_egress(const struct pw_routing *r, const char *id)
{
	return r ? index_get(r->index, ENTRY_EGRESS_ID, id) : NULL;
}
