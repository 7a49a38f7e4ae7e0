// SPDX-License-Identifier: Apache-2.0
#include "table.h"

#include <bpf/bpf.h>
#include <string.h>

struct pw_row *pw_row_new(const void *key, size_t key_size, const void *value, size_t value_size)
{
	/* The value starts at a multiple of 8: it is read as a struct. */
	size_t room = (key_size + 7) / 8 * 8;
	struct pw_row *row = pw_xcalloc(1, sizeof(*row) + room + value_size);

	row->value = row->key + room;
	memcpy(row->key, key, key_size);
	memcpy(row->value, value, value_size);
	return row;
}

void pw_rows_clear(struct pw_row **rows)
{
	struct pw_row *row, *next;

	HASH_ITER(hh, *rows, row, next)
	{
		HASH_DEL(*rows, row);
		free(row);
	}
}

void pw_table_clear(struct pw_table *t)
{
	pw_rows_clear(&t->rows);
}

struct pw_row *pw_table_find(const struct pw_table *t, const void *key)
{
	struct pw_row *row;

	HASH_FIND(hh, t->rows, key, t->key_size, row);
	return row;
}

enum pw_action pw_row_action(const struct pw_row *row)
{
	enum pw_action action;

	memcpy(&action, row->value, sizeof(action));
	return action;
}

static void copy_put(struct pw_table *t, const void *key, const void *value)
{
	struct pw_row *row = pw_table_find(t, key);

	if (row) {
		memcpy(row->value, value, t->value_size);
		return;
	}
	row = pw_row_new(key, t->key_size, value, t->value_size);
	HASH_ADD(hh, t->rows, key, t->key_size, row);
}

int pw_table_load(struct pw_table *t, struct pw_err *err)
{
	pw_autofree uint8_t *key = pw_xcalloc(1, t->key_size);
	pw_autofree uint8_t *value = pw_xcalloc(1, t->value_size);
	void *previous = NULL;
	uint32_t n = 0;
	int r;

	/* At most max rows: a map that somebody else changes meanwhile must not keep us here. */
	while (n++ < t->max) {
		r = bpf_map_get_next_key(t->fd, previous, key);
		if (r == -ENOENT)
			return 0;
		if (r < 0)
			return pw_err_set(err, PW_ERR_INTERNAL, r, "read map %s: %s", t->name,
					  strerror(-r));
		previous = key;
		if (bpf_map_lookup_elem(t->fd, key, value) == 0)
			copy_put(t, key, value);
	}
	return 0;
}

static int put_failed(const struct pw_table *t, int r, struct pw_err *err)
{
	if (r == -ENOSPC) /* a trie says full in its own way */
		r = -E2BIG;
	if (r == -E2BIG)
		return pw_err_set(err, PW_ERR_LIMIT, r,
				  "map %s is full: it holds at most %u entries", t->name, t->max);
	return pw_err_set(err, PW_ERR_INTERNAL, r, "write map %s: %s", t->name, strerror(-r));
}

/*
 * The trie of denials follows pw_guard; called before it when a denial comes and behind it when one
 * goes, so that a failure in between errs on the side of the denial.
 */
static int mirror_denial(const struct pw_table *t, const void *key, const void *value,
			 struct pw_err *err)
{
	int r;

	if (value) {
		r = bpf_map_update_elem(t->deny_fd, key, value, BPF_ANY);
		return r < 0 ? put_failed(t, r, err) : 0;
	}
	r = bpf_map_delete_elem(t->deny_fd, key);
	return r < 0 && r != -ENOENT ? r : 0;
}

int pw_table_put(struct pw_table *t, const void *key, const void *value, struct pw_err *err)
{
	enum pw_action action = PW_ACTION_NONE;
	int r;

	if (t->deny_fd >= 0)
		memcpy(&action, value, sizeof(action));
	if (action == PW_ACTION_DENY) {
		r = mirror_denial(t, key, value, err);
		if (r < 0)
			return r;
	}
	r = bpf_map_update_elem(t->fd, key, value, BPF_ANY);
	if (r < 0)
		return put_failed(t, r, err);
	copy_put(t, key, value);
	if (t->deny_fd >= 0 && action != PW_ACTION_DENY)
		return mirror_denial(t, key, /* value= */ NULL, err);
	return 0;
}

int pw_table_delete(struct pw_table *t, const void *key)
{
	struct pw_row *row = pw_table_find(t, key);
	int r = bpf_map_delete_elem(t->fd, key);

	if (r < 0 && r != -ENOENT)
		return r;
	if (t->deny_fd >= 0)
		mirror_denial(t, key, /* value= */ NULL, /* err= */ NULL);
	if (row) {
		/* key may point into the row. */
		HASH_DEL(t->rows, row);
		free(row);
	}
	return r;
}
