// SPDX-License-Identifier: Apache-2.0
#include "store_private.h"

#include <assert.h>
#include <string.h>

/* --- open and close ------------------------------------------------------------------------- */

static int table_by_name(const struct pw_store *s, const char *name)
{
	for (size_t i = 0; i < s->n_tables; i++)
		if (!strcmp(s->tables[i].def->name, name))
			return (int)i;
	return -ENOENT;
}

static int load_row(void *arg, const struct pw_backend_row *row, struct pw_err *err)
{
	struct pw_store *s = arg;
	struct pw_obj *obj = NULL;
	int table = table_by_name(s, row->table), r;

	if (table < 0)
		return pw_err_set(
			err, PW_ERR_INTERNAL, EINVAL,
			"the database has a table \"%s\" that this version does not know: install the version that wrote it",
			row->table);
	r = row_decode(s->tables[table].def, row->body, row->body_len, &obj, err);
	if (r == 0 && strcmp(obj->key, row->key))
		r = pw_err_set(err, PW_ERR_INTERNAL, EBADMSG, "its key does not fit its content");
	if (r < 0) {
		pw_autofree char *key = pw_xstrdup(row->key);

		for (char *p = key; *p; p++)
			if (*p == PW_KEY_SEP[0])
				*p = '/';
		row_free(s->tables[table].def, obj);
		return pw_err_prefix(err,
				     "the database's row \"%s\" of table \"%s\" cannot be read",
				     key, row->table);
	}
	obj->create_index = row->create_index;
	obj->modify_index = row->modify_index;
	s->table_index[table] = pw_max(s->table_index[table], row->modify_index);
	s->index = pw_max(s->index, row->modify_index);
	table_append(&s->tables[table], obj);
	return 0;
}

static void load_meta(void *arg, const char *name, uint64_t value)
{
	struct pw_store *s = arg;
	int table;

	if (!strcmp(name, "index")) {
		s->index = pw_max(s->index, value);
		return;
	}
	if (strncmp(name, "index/", 6))
		return;
	table = table_by_name(s, name + 6);
	if (table >= 0)
		s->table_index[table] = pw_max(s->table_index[table], value);
}

static int load(struct pw_store *s, struct pw_err *err)
{
	const struct pw_backend_sink sink = { .row = load_row, .meta = load_meta, .arg = s };
	int r = s->backend->ops->load(s->backend, &sink, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < s->n_tables; i++)
		table_sort(&s->tables[i]);
	return 0;
}

int pw_store_open(struct pw_store **ret, const struct pw_store_options *opt, struct pw_err *err)
{
	pw_cleanup(pw_store_close) struct pw_store *s = NULL;
	int r;

	assert(opt->n_tables <= STORE_MAX_TABLES);
	s = pw_new0(struct pw_store);
	TAILQ_INIT(&s->watches);
	s->n_tables = opt->n_tables;
	s->index = 1;
	for (size_t i = 0; i < opt->n_tables; i++) {
		table_init(&s->tables[i], &opt->tables[i]);
		s->table_index[i] = 1;
	}
	if (opt->path) {
		r = pw_sqlite_open(&s->backend, opt->path, err);
		if (r < 0)
			return r;
		r = load(s, err);
		if (r < 0)
			return pw_err_prefix(err, "%s", opt->path);
	}
	*ret = TAKE_PTR(s);
	return 0;
}

void pw_store_close(struct pw_store **s)
{
	struct pw_store *store = TAKE_PTR(*s);
	struct pw_watch *w;

	if (!store)
		return;
	assert(!store->tx && !store->notifying);
	TAILQ_FOREACH(w, &store->watches, link)
	w->store = NULL;
	store_empty_grave(store);
	free(store->grave.items);
	free(store->grave.tables);
	for (size_t i = 0; i < store->n_tables; i++)
		table_clear(&store->tables[i]);
	if (store->backend)
		store->backend->ops->close(store->backend);
	free(store);
}

int pw_store_backup(struct pw_store *s, const char *path, struct pw_err *err)
{
	if (!s->backend)
		return pw_err_set(err, PW_ERR_INTERNAL, EOPNOTSUPP,
				  "the store lives in memory only: there is nothing to save");
	return s->backend->ops->backup(s->backend, path, err);
}

/* --- replaced objects ----------------------------------------------------------------------- */

void store_bury(struct pw_store *s, unsigned table, struct pw_obj *obj)
{
	struct grave *g = &s->grave;

	if (!obj)
		return;
	if (g->n == g->size) {
		g->size = g->size ? g->size * 2 : 16;
		g->items = pw_xrealloc(g->items, g->size * sizeof(*g->items));
		g->tables = pw_xrealloc(g->tables, g->size * sizeof(*g->tables));
	}
	g->items[g->n] = obj;
	g->tables[g->n++] = table;
}

void store_empty_grave(struct pw_store *s)
{
	for (size_t i = 0; i < s->grave.n; i++)
		row_free(s->tables[s->grave.tables[i]].def, s->grave.items[i]);
	s->grave.n = 0;
}

/* --- reading -------------------------------------------------------------------------------- */

uint64_t pw_store_index(const struct pw_store *s)
{
	return s->index;
}

uint64_t pw_store_table_index(const struct pw_store *s, unsigned table)
{
	assert(table < s->n_tables);
	return s->table_index[table];
}

const void *pw_store_get(const struct pw_store *s, unsigned table, const char *key)
{
	assert(table < s->n_tables);
	return key ? table_find(&s->tables[table], key) : NULL;
}

size_t pw_store_count(const struct pw_store *s, unsigned table)
{
	assert(table < s->n_tables);
	return s->tables[table].orders[ORDER_KEY].n;
}

static struct pw_iter iter(const struct pw_store *s, unsigned table, const char *prefix,
			   enum order_kind kind)
{
	assert(table < s->n_tables);
	return (struct pw_iter){
		.store = s,
		.table = table,
		.order = kind,
		.pos = prefix ? table_lower_bound(&s->tables[table], kind, prefix) : 0,
		.prefix = pw_xstrdup(prefix),
	};
}

struct pw_iter pw_store_iter(const struct pw_store *s, unsigned table, const char *prefix)
{
	return iter(s, table, prefix, ORDER_KEY);
}

struct pw_iter pw_store_iter_alt(const struct pw_store *s, unsigned table, const char *prefix)
{
	return iter(s, table, prefix, ORDER_ALT);
}

struct pw_iter pw_store_iter_part(const struct pw_store *s, unsigned table, const char *prefix)
{
	return iter(s, table, prefix, ORDER_PART);
}

const void *pw_iter_next(struct pw_iter *it)
{
	const struct order *o = &it->store->tables[it->table].orders[it->order];
	const struct entry *e;

	if (it->pos >= o->n)
		return NULL;
	e = &o->items[it->pos];
	if (it->prefix && strncmp(e->key, it->prefix, strlen(it->prefix)))
		return NULL;
	it->pos++;
	return e->obj;
}

void pw_iter_clear(struct pw_iter *it)
{
	free(TAKE_PTR(it->prefix));
}
