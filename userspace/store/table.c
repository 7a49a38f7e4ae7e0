// SPDX-License-Identifier: Apache-2.0
#include "table_private.h"

#include <assert.h>
#include <string.h>

/* NULL: the object is not in that order. ret_owned: the caller, then the entry, owns the string. */
static const char *key_of(const struct table *t, enum order_kind kind, const struct pw_obj *obj,
			  char **ret_owned)
{
	*ret_owned = NULL;
	if (!obj)
		return NULL;
	if (kind == ORDER_KEY)
		return obj->key;
	if (kind == ORDER_ALT)
		return obj->alt_key;
	*ret_owned = t->def->part_key ? t->def->part_key(obj) : NULL;
	return *ret_owned;
}

static size_t lower_bound(const struct order *o, const char *key)
{
	size_t low = 0, high = o->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (strcmp(o->items[mid].key, key) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static void grow(struct order *o)
{
	if (o->n < o->size)
		return;
	o->size = o->size ? o->size * 2 : 16;
	o->items = pw_xrealloc(o->items, o->size * sizeof(*o->items));
}

static void order_insert(struct order *o, size_t at, const char *key, struct pw_obj *obj)
{
	grow(o);
	memmove(&o->items[at + 1], &o->items[at], (o->n - at) * sizeof(*o->items));
	o->items[at] = (struct entry){ .key = key, .obj = obj };
	o->n++;
}

static void order_remove(struct order *o, enum order_kind kind, size_t at)
{
	if (kind == ORDER_PART)
		free((char *)o->items[at].key);
	o->n--;
	memmove(&o->items[at], &o->items[at + 1], (o->n - at) * sizeof(*o->items));
}

static void order_swap(struct table *t, enum order_kind kind, struct pw_obj *from,
		       struct pw_obj *to)
{
	struct order *o = &t->orders[kind];
	pw_autofree char *from_owned = NULL;
	pw_autofree char *to_owned = NULL;
	const char *from_key = key_of(t, kind, from, &from_owned);
	const char *to_key = key_of(t, kind, to, &to_owned);

	if (from_key) {
		size_t at = lower_bound(o, from_key);

		assert(at < o->n && o->items[at].obj == from);
		if (to_key && !strcmp(from_key, to_key)) {
			if (kind != ORDER_PART)
				o->items[at].key = to_key;
			o->items[at].obj = to;
			return;
		}
		order_remove(o, kind, at);
	}
	if (to_key) {
		order_insert(o, lower_bound(o, to_key), to_key, to);
		to_owned = NULL;
	}
}

void table_swap(struct table *t, struct pw_obj *from, struct pw_obj *to)
{
	for (enum order_kind kind = ORDER_KEY; kind < ORDER_MAX_; kind++)
		order_swap(t, kind, from, to);
}

struct pw_obj *table_find(const struct table *t, const char *key)
{
	const struct order *o = &t->orders[ORDER_KEY];
	size_t at = lower_bound(o, key);

	return at < o->n && !strcmp(o->items[at].key, key) ? o->items[at].obj : NULL;
}

size_t table_lower_bound(const struct table *t, enum order_kind kind, const char *key)
{
	return lower_bound(&t->orders[kind], key);
}

void table_append(struct table *t, struct pw_obj *obj)
{
	for (enum order_kind kind = ORDER_KEY; kind < ORDER_MAX_; kind++) {
		struct order *o = &t->orders[kind];
		char *owned;
		const char *key = key_of(t, kind, obj, &owned);

		if (key)
			order_insert(o, o->n, key, obj);
	}
}

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct entry *)a)->key, ((const struct entry *)b)->key);
}

void table_sort(struct table *t)
{
	for (enum order_kind kind = ORDER_KEY; kind < ORDER_MAX_; kind++)
		if (t->orders[kind].n)
			qsort(t->orders[kind].items, t->orders[kind].n, sizeof(struct entry),
			      compare);
}

/* The key of an empty object has as many separators as all others: what differs holds one in a
 * name. */
void table_init(struct table *t, const struct pw_table_def *def)
{
	pw_autofree void *empty = pw_xcalloc(1, def->schema->size);
	pw_autofree char *key = def->key(empty);

	*t = (struct table){ .def = def };
	for (const char *p = key; *p; p++)
		t->separators += *p == PW_KEY_SEP[0];
}

void table_clear(struct table *t)
{
	struct order *part = &t->orders[ORDER_PART];

	for (size_t i = 0; i < part->n; i++)
		free((char *)part->items[i].key);
	for (size_t i = 0; i < t->orders[ORDER_KEY].n; i++)
		row_free(t->def, t->orders[ORDER_KEY].items[i].obj);
	for (enum order_kind kind = ORDER_KEY; kind < ORDER_MAX_; kind++) {
		free(t->orders[kind].items);
		t->orders[kind] = (struct order){ 0 };
	}
}
