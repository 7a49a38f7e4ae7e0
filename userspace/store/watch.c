// SPDX-License-Identifier: Apache-2.0
#include "store_private.h"

#include <assert.h>

struct pw_watch *pw_store_watch(struct pw_store *s, uint32_t tables, pw_watch_fn *fn, void *arg)
{
	struct pw_watch *w = pw_new0(struct pw_watch);

	*w = (struct pw_watch){ .store = s, .tables = tables, .fn = fn, .arg = arg };
	TAILQ_INSERT_TAIL(&s->watches, w, link);
	return w;
}

/* While watches run, one that is freed only falls silent: the walk may stand on it. */
void pw_watch_free(struct pw_watch **w)
{
	struct pw_watch *watch = TAKE_PTR(*w);

	if (!watch)
		return;
	if (watch->store && watch->store->notifying) {
		watch->fn = NULL;
		return;
	}
	if (watch->store)
		TAILQ_REMOVE(&watch->store->watches, watch, link);
	free(watch);
}

static void sweep(struct pw_store *s)
{
	struct pw_watch *w = TAILQ_FIRST(&s->watches);

	while (w) {
		struct pw_watch *next = TAILQ_NEXT(w, link);

		if (!w->fn) {
			TAILQ_REMOVE(&s->watches, w, link);
			free(w);
		}
		w = next;
	}
}

void store_notify(struct pw_store *s, uint32_t tables)
{
	struct pw_watch *last = TAILQ_LAST(&s->watches, watch_list);
	struct pw_watch *w = TAILQ_FIRST(&s->watches);

	s->notifying++;
	for (; w; w = w == last ? NULL : TAILQ_NEXT(w, link)) /* not those that callbacks add */
		if (w->fn && (w->tables & tables))
			w->fn(w->arg, tables, s->index);
	if (--s->notifying == 0)
		sweep(s);
}

void pw_store_touch(struct pw_store *s, unsigned table)
{
	assert(table < s->n_tables && !s->tx);
	s->table_index[table] = ++s->index;
	store_notify(s, PW_BIT(table));
}
