/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_STORE_PRIVATE_H
#define PW_STORE_PRIVATE_H
#include <sys/queue.h>

#include "backend.h"
#include "store.h"
#include "table_private.h"

#define STORE_MAX_TABLES 32 /* tables are bits of a 32-bit mask */

struct pw_watch {
	TAILQ_ENTRY(pw_watch) link;
	struct pw_store *store; /* NULL: the store was closed first */
	uint32_t tables;
	pw_watch_fn *fn; /* NULL: freed while watches were running */
	void *arg;
};
TAILQ_HEAD(watch_list, pw_watch);

/* Replaced objects, kept until the next transaction begins: see I1 of store.h. */
struct grave {
	struct pw_obj **items;
	unsigned *tables;
	size_t n;
	size_t size;
};

struct pw_store {
	struct table tables[STORE_MAX_TABLES];
	size_t n_tables;
	uint64_t index;
	uint64_t table_index[STORE_MAX_TABLES];
	struct pw_backend *backend; /* NULL: memory only */
	struct pw_tx *tx;
	struct pw_apply_ops apply;
	void *apply_arg;
	struct watch_list watches;
	unsigned notifying; /* depth */
	struct grave grave;
};

void store_notify(struct pw_store *s, uint32_t tables);
void store_bury(struct pw_store *s, unsigned table, struct pw_obj *obj);
void store_empty_grave(struct pw_store *s);
#endif
