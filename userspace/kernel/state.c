// SPDX-License-Identifier: Apache-2.0
/*
 * The desired state in two phases. Between stage and publish the maps hold the old and the new
 * additions, but already none of the permissions that go: a failure in between refuses too much,
 * never too little.
 */
#include "../base/str.h"
#include "kernel_private.h"

#include <bpf/bpf.h>
#include <string.h>

struct undo {
	struct pw_table *table;
	struct pw_row *row; /* as it was; its value counts only if it was there */
	bool there;
};

struct pw_stage {
	struct pw_row *want[PW_TABLE_MAX_];
	uint64_t generation;
	struct undo *undo;
	size_t n_undo, size_undo;
};

static const struct {
	enum pw_map_id map;
	uint32_t max;
	size_t key_size, value_size;
} table_specs[] = {
	[PW_TABLE_SERVICES] = { PW_MAP_SERVICES, PW_MAX_SERVICES, sizeof(struct pw_service_key),
				sizeof(struct pw_service_value) },
	[PW_TABLE_ROUTES] = { PW_MAP_ROUTES, PW_MAX_ROUTES, sizeof(struct pw_route_key),
			      sizeof(struct pw_route_value) },
	[PW_TABLE_POLICY] = { PW_MAP_POLICY, PW_MAX_POLICY, sizeof(struct pw_policy_key),
			      sizeof(struct pw_policy_value) },
	[PW_TABLE_GUARD] = { PW_MAP_GUARD, PW_MAX_GUARD, sizeof(struct pw_guard_key),
			     sizeof(struct pw_guard_value) },
};
_Static_assert(ARRAY_SIZE(table_specs) == PW_TABLE_MAX_, "a spec for each table");
_Static_assert(offsetof(struct pw_policy_value, action) == 0, "pw_row_action");
_Static_assert(offsetof(struct pw_guard_value, action) == 0, "pw_row_action");

int pw_state_open(struct pw_kernel *k, struct pw_err *err)
{
	int r;

	for (int i = 0; i < PW_TABLE_MAX_; i++) {
		k->tables[i] = (struct pw_table){
			.name = pw_map_name(table_specs[i].map),
			.fd = k->maps[table_specs[i].map],
			.deny_fd = i == PW_TABLE_GUARD ? k->maps[PW_MAP_GUARD_DENY] : -1,
			.max = table_specs[i].max,
			.key_size = table_specs[i].key_size,
			.value_size = table_specs[i].value_size,
		};
		r = pw_table_load(&k->tables[i], err);
		if (r < 0)
			return r;
	}
	return 0;
}

static void stage_free(struct pw_kernel *k)
{
	struct pw_stage *s = TAKE_PTR(k->stage);

	if (!s)
		return;
	for (int i = 0; i < PW_TABLE_MAX_; i++)
		pw_rows_clear(&s->want[i]);
	for (size_t i = 0; i < s->n_undo; i++)
		free(s->undo[i].row);
	free(s->undo);
	free(s);
}

void pw_state_close(struct pw_kernel *k)
{
	stage_free(k);
	for (int i = 0; i < PW_TABLE_MAX_; i++)
		pw_table_clear(&k->tables[i]);
}

void pw_kernel_state_clear(struct pw_kernel_state *s)
{
	free(s->services);
	free(s->policies);
	free(s->routes);
	free(s->guards);
	memset(s, 0, sizeof(*s));
}

/* Clears the bits behind the prefix, so that equal prefixes are equal keys. */
static void guard_key_mask(struct pw_guard_key *key)
{
	for (uint32_t i = 0; i < sizeof(key->addr_be); i++) {
		uint32_t bits = key->prefixlen > i * 8 ? key->prefixlen - i * 8 : 0;

		if (bits < 8)
			key->addr_be[i] &= (uint8_t)(0xff00 >> bits);
	}
}

/* Of two rows with one key the last counts, but a denial stays one. */
static void want_add(struct pw_row **rows, const struct pw_table *t, bool has_action,
		     const void *key, const void *value)
{
	struct pw_row *row = pw_row_new(key, t->key_size, value, t->value_size), *old;

	HASH_FIND(hh, *rows, key, t->key_size, old);
	if (old && has_action && pw_row_action(old) != PW_ACTION_ALLOW) {
		free(row);
		return;
	}
	if (old) {
		HASH_DEL(*rows, old);
		free(old);
	}
	HASH_ADD(hh, *rows, key, t->key_size, row);
}

static struct pw_stage *stage_new(const struct pw_kernel *k, const struct pw_kernel_state *want)
{
	struct pw_stage *s = pw_new0(struct pw_stage);
	const struct pw_table *t = k->tables;

	s->generation = want->generation;
	for (size_t i = 0; i < want->n_services; i++)
		want_add(&s->want[PW_TABLE_SERVICES], &t[PW_TABLE_SERVICES],
			 /* has_action= */ false, &want->services[i].key, &want->services[i].value);
	for (size_t i = 0; i < want->n_routes; i++)
		want_add(&s->want[PW_TABLE_ROUTES], &t[PW_TABLE_ROUTES], /* has_action= */ false,
			 &want->routes[i].key, &want->routes[i].value);
	for (size_t i = 0; i < want->n_policies; i++)
		want_add(&s->want[PW_TABLE_POLICY], &t[PW_TABLE_POLICY], /* has_action= */ true,
			 &want->policies[i].key, &want->policies[i].value);
	for (size_t i = 0; i < want->n_guards; i++) {
		struct pw_guard_key key = want->guards[i].key;

		guard_key_mask(&key);
		want_add(&s->want[PW_TABLE_GUARD], &t[PW_TABLE_GUARD], /* has_action= */ true, &key,
			 &want->guards[i].value);
	}
	return s;
}

static struct pw_row *want_find(const struct pw_stage *s, enum pw_table_id id,
				const struct pw_table *t, const void *key)
{
	struct pw_row *row;

	HASH_FIND(hh, s->want[id], key, t->key_size, row);
	return row;
}

/* Takes what is no longer allowed away, and writes denials. Never undone. */
static int tighten(struct pw_kernel *k, enum pw_table_id id, struct pw_err *err)
{
	struct pw_table *t = &k->tables[id];
	struct pw_row *row, *next, *want;
	int r;

	HASH_ITER(hh, t->rows, row, next)
	{
		if (pw_row_action(row) != PW_ACTION_ALLOW)
			continue;
		want = want_find(k->stage, id, t, row->key);
		if (want && pw_row_action(want) == PW_ACTION_ALLOW)
			continue;
		/* First away, then the denial: nothing can keep the removal from happening. */
		r = pw_table_delete(t, row->key);
		if (r < 0 && r != -ENOENT)
			return pw_err_set(err, PW_ERR_INTERNAL, r, "write map %s: %s", t->name,
					  strerror(-r));
		if (want)
			r = pw_table_put(t, want->key, want->value, err);
		if (want && r < 0)
			return r;
	}
	HASH_ITER(hh, k->stage->want[id], want, next)
	{
		if (pw_row_action(want) == PW_ACTION_ALLOW || pw_table_find(t, want->key))
			continue;
		r = pw_table_put(t, want->key, want->value, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static void undo_push(struct pw_stage *s, struct pw_table *t, const struct pw_row *want,
		      const struct pw_row *old)
{
	const struct pw_row *from = old ? old : want;

	if (s->n_undo == s->size_undo) {
		s->size_undo = s->size_undo ? s->size_undo * 2 : 64;
		s->undo = pw_xrealloc(s->undo, s->size_undo * sizeof(*s->undo));
	}
	s->undo[s->n_undo++] = (struct undo){
		.table = t,
		.row = pw_row_new(from->key, t->key_size, from->value, t->value_size),
		.there = old != NULL,
	};
}

/* A policy's generation is that of its last change: it alone is no change. */
static bool row_equal(const struct pw_table *t, enum pw_table_id id, const struct pw_row *a,
		      const struct pw_row *b)
{
	struct pw_policy_value x, y;

	if (id != PW_TABLE_POLICY)
		return !memcmp(a->value, b->value, t->value_size);
	memcpy(&x, a->value, sizeof(x));
	memcpy(&y, b->value, sizeof(y));
	x.generation = y.generation = 0;
	return !memcmp(&x, &y, sizeof(x));
}

static int add(struct pw_kernel *k, enum pw_table_id id, struct pw_err *err)
{
	struct pw_table *t = &k->tables[id];
	struct pw_row *want, *next;
	int r;

	HASH_ITER(hh, k->stage->want[id], want, next)
	{
		struct pw_row *old = pw_table_find(t, want->key);

		if (old && row_equal(t, id, old, want))
			continue;
		undo_push(k->stage, t, want, old);
		r = pw_table_put(t, want->key, want->value, err);
		if (r < 0)
			return r;
	}
	return 0;
}

void pw_kernel_abort(struct pw_kernel *k)
{
	struct pw_stage *s = k->stage;

	while (s && s->n_undo) {
		struct undo *u = &s->undo[--s->n_undo];

		/* Taking back frees room before it needs any, so it does not fail for want of it.
		 */
		if (u->there)
			pw_table_put(u->table, u->row->key, u->row->value, /* err= */ NULL);
		else
			pw_table_delete(u->table, u->row->key);
		free(u->row);
	}
	stage_free(k);
}

int pw_kernel_stage(struct pw_kernel *k, const struct pw_kernel_state *want, struct pw_err *err)
{
	int r;

	if (!pw_kernel_has_maps(k))
		return 0;
	if (k->stage)
		return pw_err_set(err, PW_ERR_INTERNAL, EBUSY,
				  "a state is staged already: publish or abort it first");
	k->stage = stage_new(k, want);
	r = tighten(k, PW_TABLE_POLICY, err);
	if (r == 0)
		r = tighten(k, PW_TABLE_GUARD, err);
	for (int i = 0; i < PW_TABLE_MAX_ && r == 0; i++)
		r = add(k, i, err);
	if (r < 0)
		pw_kernel_abort(k);
	return r;
}

void pw_kernel_publish(struct pw_kernel *k)
{
	if (!k->stage)
		return;
	/* References before targets. */
	for (int i = PW_TABLE_MAX_ - 1; i >= 0; i--) {
		struct pw_table *t = &k->tables[i];
		struct pw_row *row, *next;

		HASH_ITER(hh, t->rows, row, next)
		{
			if (!want_find(k->stage, i, t, row->key))
				pw_table_delete(t, row->key);
		}
	}
	pw_meta_write(k, k->stage->generation);
	stage_free(k);
}

int pw_guard_put(struct pw_kernel *k, const struct pw_guard_key *key,
		 const struct pw_guard_value *v, struct pw_err *err)
{
	struct pw_guard_key masked = *key;

	if (key->prefixlen > 128)
		return pw_err_set(err, PW_ERR_BAD_REQUEST, EINVAL,
				  "guard: a prefix has at most 128 bits, not %u", key->prefixlen);
	if (!pw_kernel_has_maps(k))
		return 0;
	guard_key_mask(&masked);
	return pw_table_put(&k->tables[PW_TABLE_GUARD], &masked, v, err);
}

int pw_guard_delete(struct pw_kernel *k, const struct pw_guard_key *key)
{
	struct pw_guard_key masked = *key;

	if (!pw_kernel_has_maps(k))
		return -ENOENT;
	guard_key_mask(&masked);
	return pw_table_delete(&k->tables[PW_TABLE_GUARD], &masked);
}
