/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_KERNEL_TABLE_H
#define PW_KERNEL_TABLE_H
/*
 * A map that only the agent writes, with a copy of its content in user space, so that a change
 * costs as many system calls as rows change.
 *
 * I1  The copy equals the map (control thread only, no other writer).
 * I2  Guard keys are masked: no bits behind the prefix.
 */
#include "../base/err.h"
#include <peerway/abi.h>
#include <uthash.h>

struct pw_row {
	UT_hash_handle hh;
	uint8_t *value; /* behind the key */
	uint8_t key[];
};

struct pw_table {
	const char *name; /* of the map */
	int fd;
	int deny_fd; /* pw_guard_deny behind pw_guard, -1 for the others */
	uint32_t max;
	size_t key_size, value_size;
	struct pw_row *rows;
};

int pw_table_load(struct pw_table *t, struct pw_err *err);
void pw_table_clear(struct pw_table *t); /* the copy */
struct pw_row *pw_table_find(const struct pw_table *t, const void *key);
/* -E2BIG: full, err names map and limit. */
int pw_table_put(struct pw_table *t, const void *key, const void *value, struct pw_err *err);
int pw_table_delete(struct pw_table *t, const void *key); /* -ENOENT */
/* The action stands first in the values of pw_policy and pw_guard. */
enum pw_action pw_row_action(const struct pw_row *row);

/* Sets of rows that are not in a map: what the agent wants. */
struct pw_row *pw_row_new(const void *key, size_t key_size, const void *value, size_t value_size);
void pw_rows_clear(struct pw_row **rows);
#endif
