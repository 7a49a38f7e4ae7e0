// SPDX-License-Identifier: Apache-2.0
/* Removing what a peer gave us, in steps that leave the loop free for others. */
#include "peering_private.h"
#include "../base/log.h"

#define RETRY_MS 1000

static const char *row_peer(unsigned table, const void *row)
{
	switch (table) {
	case PW_T_NODE:
		return ((const struct pw_node *)row)->peer;
	case PW_T_SERVICE:
		return ((const struct pw_service *)row)->peer;
	default:
		return ((const struct pw_check *)row)->peer;
	}
}

/* Collects keys first: a table must not be written while it is iterated. */
static int remove_rows(struct pw_tx *tx, unsigned table, const char *peer, size_t *limit,
		       struct pw_err *err)
{
	pw_autofree char *prefix = pw_key(/*trailing=*/true, peer, NULL);
	struct pw_iter it = pw_store_iter(pw_tx_store(tx), table, prefix);
	struct pw_strv keys = { 0 };
	const void *row;
	int r = 0;

	while (keys.n < *limit && (row = pw_iter_next(&it)))
		if (pw_streq(row_peer(table, row), peer))
			pw_strv_add(&keys, ((const struct pw_obj *)row)->key);
	pw_iter_clear(&it);
	/* from the end: each row that goes moves those behind it */
	for (size_t i = keys.n; i > 0 && r == 0; i--)
		r = pw_tx_delete(tx, table, keys.items[i - 1], err);
	*limit -= keys.n;
	pw_strv_clear(&keys);
	return r;
}

static int remove_row(struct pw_tx *tx, unsigned table, const char *key, struct pw_err *err)
{
	int r = pw_tx_delete(tx, table, key, err);

	return r == -ENOENT ? 0 : r;
}

int pw_imports_remove(struct pw_tx *tx, const char *peer, size_t limit, bool *ret_more,
		      struct pw_err *err)
{
	int r;

	/* services first: what is routed to goes before what describes it */
	r = remove_rows(tx, PW_T_SERVICE, peer, &limit, err);
	if (r == 0)
		r = remove_rows(tx, PW_T_CHECK, peer, &limit, err);
	if (r == 0)
		r = remove_rows(tx, PW_T_NODE, peer, &limit, err);
	if (r == 0)
		r = remove_row(tx, PW_T_IMPORT, peer, err);
	/* no bundle, no trust: nobody of that peer may call any more */
	if (r == 0)
		r = remove_row(tx, PW_T_TRUST_BUNDLE, peer, err);
	*ret_more = limit == 0;
	return r;
}

static int cleanup_step(struct pw_link *l, bool deleting, bool *ret_more, struct pw_err *err)
{
	pw_autotx struct pw_tx *tx = NULL;
	int r;

	l->usage.known = false;
	r = pw_tx_begin(l->mgr->store, &tx, err);
	if (r < 0)
		return r;
	r = pw_imports_remove(tx, l->name, PW_CLEANUP_ROWS, ret_more, err);
	if (r == 0 && deleting && !*ret_more)
		r = pw_tx_delete(tx, PW_T_PEERING, l->name, err);
	return r < 0 ? r : pw_tx_commit(&tx, err);
}

static void on_cleanup(evutil_socket_t fd, short what, void *arg)
{
	struct pw_link *l = arg;
	const struct pw_peering *p = pw_link_row(l);
	bool deleting = p && p->state == PW_PEERING_DELETING;
	struct pw_err err = PW_ERR_INIT;
	struct timeval tv = { 0 };
	bool more = false;
	int r;

	/* established anew: what is left is pruned by the peer's list */
	if (!deleting && (!p || p->state != PW_PEERING_TERMINATED))
		return;
	r = cleanup_step(l, deleting, &more, &err);
	if (r < 0) {
		pw_log_warn("peering.cleanup_failed", "peer", l->name, "error", err.text, NULL);
		tv = (struct timeval){ RETRY_MS / 1000, RETRY_MS % 1000 * 1000 };
		more = true;
	}
	if (more) {
		evtimer_add(l->cleanup, &tv);
		return;
	}
	if (!deleting)
		return;
	pw_log_info("peering.deleted", "peer", l->name, "id", l->id, NULL);
	pw_links_sync(l->mgr); /* frees the link, and this event */
}

void pw_link_cleanup_start(struct pw_link *l)
{
	struct timeval now = { 0 };

	if (!l->cleanup)
		l->cleanup = evtimer_new(l->mgr->base, on_cleanup, l);
	if (l->cleanup)
		evtimer_add(l->cleanup, &now);
}
