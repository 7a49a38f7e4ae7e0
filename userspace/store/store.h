/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_STORE_STORE_H
#define PW_STORE_STORE_H
/*
 * The store: typed tables in memory, every committed write durable in a backend (sqlite.c; etcd
 * later) before anyone sees it.
 *
 * Life: open → (begin → put/delete … → commit | abort)* → close.
 * Owned by the control thread; nothing here is thread-safe.
 *
 * I1 Reads come from memory and never fail. A pointer that was read stays valid until the next
 *    transaction begins or the caller returns to the loop.
 * I2 At most one transaction is open. Inside it, reads see its writes.
 * I3 commit: stage() of the apply hook → durable commit → publish() → watches. A failure of stage
 *    or of the disk restores memory as it was.
 * I4 The index grows by one a transaction that changed something; a table's index is that of its
 *    last change (or touch).
 * I5 A put of an equal object changes nothing, not even its modify index.
 */
#include "../base/err.h"
#include "../model/model.h"

struct pw_store;
struct pw_tx;
struct pw_watch;

struct pw_store_options {
	/* Database file, made 0600 with its -wal and -shm. NULL: memory only, nothing survives. */
	const char *path;
	const struct pw_table_def *tables;
	size_t n_tables; /* at most 32 */
};
/*
 * A newer or corrupt database is refused with advice. Rows that no longer decode are refused too,
 * naming table and key.
 */
int pw_store_open(struct pw_store **ret, const struct pw_store_options *opt, struct pw_err *err);
void pw_store_close(struct pw_store **s);

uint64_t pw_store_index(const struct pw_store *s);			 /* at least 1 */
uint64_t pw_store_table_index(const struct pw_store *s, unsigned table); /* at least 1 */
/*
 * Something computed at read time changed (a peering became ACTIVE): raises the table's index and
 * fires its watches; nothing is written.
 */
void pw_store_touch(struct pw_store *s, unsigned table);

/* NULL: not there. */
const void *pw_store_get(const struct pw_store *s, unsigned table, const char *key);
size_t pw_store_count(const struct pw_store *s, unsigned table);
/*
 * In the order of the key, of alt_key or of part_key of pw_table_def: those that start with prefix
 * (NULL: all). The table must not be written while iterating.
 */
struct pw_iter {
	const struct pw_store *store;
	unsigned table;
	unsigned order;
	size_t pos;
	char *prefix;
};
struct pw_iter pw_store_iter(const struct pw_store *s, unsigned table, const char *prefix);
struct pw_iter pw_store_iter_alt(const struct pw_store *s, unsigned table, const char *prefix);
struct pw_iter pw_store_iter_part(const struct pw_store *s, unsigned table, const char *prefix);
const void *pw_iter_next(struct pw_iter *it); /* NULL at the end */
void pw_iter_clear(struct pw_iter *it);
#define pw_autoiter pw_cleanup(pw_iter_clear)

/* -EBUSY: one is open, or watches are running. */
int pw_tx_begin(struct pw_store *s, struct pw_tx **ret, struct pw_err *err);
struct pw_store *pw_tx_store(struct pw_tx *tx);
uint64_t pw_tx_index(const struct pw_tx *tx); /* what its writes will carry */
/*
 * Takes obj (a heap struct of the table's schema) in every case. The key comes from the table;
 * indexes are set here. Class BAD_REQUEST: a name holds control characters or is not UTF-8.
 */
int pw_tx_put(struct pw_tx *tx, unsigned table, void *obj, struct pw_err *err);
/* -ENOENT, without text: not there. */
int pw_tx_delete(struct pw_tx *tx, unsigned table, const char *key, struct pw_err *err);
int pw_tx_commit(struct pw_tx **tx, struct pw_err *err); /* always ends the transaction */
void pw_tx_abort(struct pw_tx **tx);			 /* NULL-safe: the cleanup function */
#define pw_autotx pw_cleanup(pw_tx_abort)

/* One transaction as the apply hook sees it; tables: those that were written, as a bit mask. */
struct pw_apply_ops {
	/* Memory shows the new state; may refuse. */
	int (*stage)(void *arg, uint32_t tables, struct pw_err *err);
	/* Durable now; must not fail. */
	void (*publish)(void *arg);
	/* The disk refused after stage; memory is as it was before the transaction. */
	void (*abort)(void *arg);
};
void pw_store_set_apply(struct pw_store *s, const struct pw_apply_ops *ops, void *arg);

/*
 * Called after publish, in the order of registration, with the tables that changed. A watch that
 * wants to write defers itself through the loop.
 */
typedef void pw_watch_fn(void *arg, uint32_t tables, uint64_t index);
struct pw_watch *pw_store_watch(struct pw_store *s, uint32_t tables, pw_watch_fn *fn, void *arg);
void pw_watch_free(struct pw_watch **w); /* allowed inside the callback */
#define PW_BIT(table) (1u << (table))
/* Copy of the database for `peerway snapshot`; consistent. */
int pw_store_backup(struct pw_store *s, const char *path, struct pw_err *err);
#endif
