// SPDX-License-Identifier: Apache-2.0
/* Transactions: memory is changed at once, with a log that takes it back; the disk follows at
 * commit. */
#include "store_private.h"

#include <assert.h>
#include <string.h>

struct change {
	unsigned table;
	struct pw_obj *old; /* NULL: inserted */
	struct pw_obj *new; /* NULL: deleted */
};
struct pw_tx {
	struct pw_store *store;
	struct change *changes;
	size_t n;
	size_t size;
	uint32_t tables;
};

int pw_tx_begin(struct pw_store *s, struct pw_tx **ret, struct pw_err *err)
{
	if (s->tx || s->notifying)
		return pw_err_set(err, PW_ERR_INTERNAL, EBUSY,
				  "the store is in the middle of another change");
	store_empty_grave(s);
	s->tx = pw_new0(struct pw_tx);
	s->tx->store = s;
	*ret = s->tx;
	return 0;
}

struct pw_store *pw_tx_store(struct pw_tx *tx)
{
	return tx->store;
}

uint64_t pw_tx_index(const struct pw_tx *tx)
{
	return tx->store->index + 1;
}

static void apply_change(struct pw_tx *tx, unsigned table, struct pw_obj *old, struct pw_obj *new)
{
	table_swap(&tx->store->tables[table], old, new);
	if (tx->n == tx->size) {
		tx->size = tx->size ? tx->size * 2 : 16;
		tx->changes = pw_xrealloc(tx->changes, tx->size * sizeof(*tx->changes));
	}
	tx->changes[tx->n++] = (struct change){ .table = table, .old = old, .new = new };
	tx->tables |= PW_BIT(table);
}

/*
 * Names are joined with a control character: one that holds control characters could pass for
 * another row. One that is not UTF-8 would be stored in another form and not be found again.
 */
static int check_key(const struct table *t, const struct pw_obj *obj, struct pw_err *err)
{
	pw_autojson json_t *text = json_string(obj->key);
	unsigned separators = 0;
	bool bad = !text;

	for (const unsigned char *p = (const unsigned char *)obj->key; *p; p++) {
		if (*p == (unsigned char)PW_KEY_SEP[0])
			separators++;
		else
			bad |= *p < 0x20 || *p == 0x7f;
	}
	if (bad || separators != t->separators)
		return pw_err_set(err, PW_ERR_BAD_REQUEST, EINVAL,
				  "a name in a %s holds control characters or is not UTF-8",
				  t->def->name);
	return 0;
}

int pw_tx_put(struct pw_tx *tx, unsigned table, void *obj, struct pw_err *err)
{
	struct table *t;
	struct pw_obj *new = obj, *old;
	int r;

	assert(table < tx->store->n_tables);
	t = &tx->store->tables[table];
	row_prepare(t->def, new);
	r = check_key(t, new, err);
	if (r < 0) {
		row_free(t->def, new);
		return r;
	}
	old = table_find(t, new->key);
	if (old && pw_schema_equal(t->def->schema, old, new)) {
		row_free(t->def, new);
		return 0;
	}
	new->create_index = old ? old->create_index : pw_tx_index(tx);
	new->modify_index = pw_tx_index(tx);
	apply_change(tx, table, old, new);
	return 0;
}

int pw_tx_delete(struct pw_tx *tx, unsigned table, const char *key, struct pw_err *err)
{
	struct pw_obj *old;

	assert(table < tx->store->n_tables);
	old = table_find(&tx->store->tables[table], key);
	if (!old)
		return -ENOENT;
	apply_change(tx, table, old, /* new= */ NULL);
	return 0;
}

/* An object that one change brought and a later one took is an old and a new one: each list names
 * it once. */
static void finish(struct pw_tx *tx, bool keep)
{
	struct pw_store *s = tx->store;

	for (size_t i = tx->n; i > 0; i--) {
		const struct change *c = &tx->changes[i - 1];

		if (!keep)
			table_swap(&s->tables[c->table], c->new, c->old);
		store_bury(s, c->table, keep ? c->old : c->new);
	}
	s->tx = NULL;
	free(tx->changes);
	free(tx);
}

void pw_tx_abort(struct pw_tx **tx)
{
	struct pw_tx *t = TAKE_PTR(*tx);

	if (t)
		finish(t, /* keep= */ false);
}

static int write_change(struct pw_backend *b, const struct table *t, const struct change *c,
			struct pw_err *err)
{
	struct pw_backend_row row;
	char *text;
	int r;

	if (!c->new)
		return b->ops->remove(b, t->def->name, c->old->key, err);
	text = row_encode(t->def, c->new);
	row = (struct pw_backend_row){
		.table = t->def->name,
		.key = c->new->key,
		.body = text,
		.body_len = strlen(text),
		.create_index = c->new->create_index,
		.modify_index = c->new->modify_index,
	};
	if (text)
		r = b->ops->put(b, &row, err);
	else
		r = pw_err_set(err, PW_ERR_BAD_REQUEST, EILSEQ, "a %s holds text that is not UTF-8",
			       t->def->name);
	row_text_free(t->def, &text);
	return r;
}

static int write_meta(struct pw_tx *tx, struct pw_err *err)
{
	struct pw_store *s = tx->store;
	struct pw_backend *b = s->backend;
	int r = b->ops->set_meta(b, "index", s->index, err);

	for (size_t i = 0; r == 0 && i < s->n_tables; i++) {
		pw_autofree char *name = NULL;

		if (!(tx->tables & PW_BIT(i)))
			continue;
		name = pw_xasprintf("index/%s", s->tables[i].def->name);
		r = b->ops->set_meta(b, name, s->table_index[i], err);
	}
	return r;
}

static int write_disk(struct pw_tx *tx, struct pw_err *err)
{
	struct pw_store *s = tx->store;
	struct pw_backend *b = s->backend;
	int r;

	if (!b)
		return 0;
	r = b->ops->begin(b, err);
	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < tx->n; i++)
		r = write_change(b, &s->tables[tx->changes[i].table], &tx->changes[i], err);
	if (r == 0)
		r = write_meta(tx, err);
	if (r == 0)
		r = b->ops->commit(b, err);
	if (r < 0)
		b->ops->rollback(b);
	return r;
}

int pw_tx_commit(struct pw_tx **tx, struct pw_err *err)
{
	struct pw_tx *t = TAKE_PTR(*tx);
	struct pw_store *s = t->store;
	uint64_t old_table_index[STORE_MAX_TABLES];
	uint32_t tables = t->tables;
	bool staged = false;
	int r = 0;

	if (!t->n) {
		finish(t, /* keep= */ true);
		return 0;
	}
	memcpy(old_table_index, s->table_index, sizeof(old_table_index));
	s->index++;
	for (size_t i = 0; i < s->n_tables; i++)
		if (tables & PW_BIT(i))
			s->table_index[i] = s->index;
	if (s->apply.stage)
		r = s->apply.stage(s->apply_arg, tables, err);
	staged = r >= 0 && s->apply.stage;
	if (r >= 0)
		r = write_disk(t, err);
	if (r < 0) {
		s->index--;
		memcpy(s->table_index, old_table_index, sizeof(old_table_index));
	}
	finish(t, /* keep= */ r >= 0);
	if (r < 0) {
		if (staged && s->apply.abort)
			s->apply.abort(s->apply_arg);
		return r;
	}
	if (s->apply.publish)
		s->apply.publish(s->apply_arg);
	store_notify(s, tables);
	return 0;
}

void pw_store_set_apply(struct pw_store *s, const struct pw_apply_ops *ops, void *arg)
{
	s->apply = ops ? *ops : (struct pw_apply_ops){ 0 };
	s->apply_arg = arg;
}
