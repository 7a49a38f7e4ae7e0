// SPDX-License-Identifier: Apache-2.0
/* What a peer sent, into the store: only rows of that peer, never more than its share, and all of a
 * resource or nothing of it. */
#include "import_private.h"
#include "../base/log.h"
#include "../model/reason.h"

#include <string.h>
#include <strings.h>

typedef PW_PB(Peerstream, ExportedServiceList) List;
typedef PW_PB(Peering, PeeringTrustBundle) Bundle;
typedef PW_PB(Peering, PeeringServerAddresses) Addresses;

/* One batch. */
struct import {
	struct pw_link *link;
	struct pw_tx *tx;
	const char *peer;
	struct pw_usage usage; /* as it will be */
};

void pw_incoming_free(struct pw_incoming **inp)
{
	struct pw_incoming *in = *inp;

	if (!in)
		return;
	*inp = NULL;
	pw_pb_freep(&in->message);
	free(in->nonce);
	free(in->id);
	free(in->text);
	free(in);
}

/* --- rows
 * ------------------------------------------------------------------------------------------- */

static int over_limit(struct import *x, struct pw_err *err)
{
	size_t max_bytes = x->link->mgr->peer_bytes_max;

	if (x->usage.instances <= PW_PEER_INSTANCES_MAX && x->usage.bytes <= max_bytes)
		return 0;
	pw_reason_count(PW_REASON_LIMIT);
	if (x->usage.instances > PW_PEER_INSTANCES_MAX)
		return pw_err_set(err, PW_ERR_LIMIT, ENOSPC,
				  "a peer may send %d instances, and this is one more",
				  PW_PEER_INSTANCES_MAX);
	return pw_err_set(err, PW_ERR_LIMIT, ENOSPC,
			  "what a peer sends may take %zu bytes, and this is more", max_bytes);
}

/* Takes row. key: as the table makes it from row. */
static int put_row(struct import *x, unsigned table, const struct pw_schema *schema,
		   const char *key, void *row, struct pw_err *err)
{
	const void *old = pw_store_get(pw_tx_store(x->tx), table, key);
	int r;

	x->usage.bytes += pw_import_row_bytes(table, row);
	x->usage.bytes -= pw_min(x->usage.bytes, old ? pw_import_row_bytes(table, old) : 0);
	x->usage.instances += table == PW_T_SERVICE && !old;
	r = over_limit(x, err);
	if (r < 0) {
		pw_schema_free(schema, row);
		return r;
	}
	return pw_tx_put(x->tx, table, row, err);
}

/* What is not there is gone already. */
static int delete_row(struct import *x, unsigned table, const char *key, struct pw_err *err)
{
	const void *old = pw_store_get(pw_tx_store(x->tx), table, key);

	if (!old)
		return 0;
	x->usage.bytes -= pw_min(x->usage.bytes, pw_import_row_bytes(table, old));
	x->usage.instances -= table == PW_T_SERVICE && x->usage.instances > 0;
	return pw_tx_delete(x->tx, table, key, err);
}

/* --- a set of keys
 * ---------------------------------------------------------------------------------- */

struct key {
	UT_hash_handle hh;
	char text[];
};

static void keys_add(struct key **set, const char *text)
{
	size_t len = strlen(text);
	struct key *k;

	HASH_FIND(hh, *set, text, len, k);
	if (k)
		return;
	k = pw_xcalloc(1, sizeof(*k) + len + 1);
	memcpy(k->text, text, len);
	HASH_ADD(hh, *set, text, len, k);
}

static bool keys_has(struct key *set, const char *text)
{
	struct key *k;

	HASH_FIND(hh, set, text, strlen(text), k);
	return k != NULL;
}

static void keys_clear(struct key **set)
{
	struct key *k, *tmp;

	HASH_ITER(hh, *set, k, tmp)
	{
		HASH_DEL(*set, k);
		free(k);
	}
}

/* Keys of the rows of one table below a prefix, as a table must not be written while it is
 * iterated. */
static void collect(struct pw_iter it, struct pw_strv *ret)
{
	const struct pw_obj *o;

	while ((o = pw_iter_next(&it)))
		pw_strv_add(ret, o->key);
	pw_iter_clear(&it);
}

/* --- removing
 * ---------------------------------------------------------------------------------------- */

static bool node_in_use(struct import *x, const char *node)
{
	pw_autofree char *prefix = pw_key(/*trailing=*/true, x->peer, node, NULL);
	pw_autoiter struct pw_iter it = pw_store_iter(pw_tx_store(x->tx), PW_T_SERVICE, prefix);

	return pw_iter_next(&it) != NULL;
}

static int delete_all(struct import *x, unsigned table, const struct pw_strv *keys,
		      struct pw_err *err)
{
	for (size_t i = 0; i < keys->n; i++) {
		int r = delete_row(x, table, keys->items[i], err);

		if (r < 0)
			return r;
	}
	return 0;
}

/* Checks of one instance that are not in keep (NULL: all). */
static int remove_checks(struct import *x, const char *node, const char *id, struct key *keep,
			 struct pw_err *err)
{
	pw_autofree char *prefix = pw_key(/*trailing=*/true, x->peer, node, id, NULL);
	struct pw_strv all = { 0 };
	struct pw_strv gone = { 0 };
	int r;

	collect(pw_store_iter_alt(pw_tx_store(x->tx), PW_T_CHECK, prefix), &all);
	for (size_t i = 0; i < all.n; i++)
		if (!keys_has(keep, all.items[i]))
			pw_strv_add(&gone, all.items[i]);
	r = delete_all(x, PW_T_CHECK, &gone, err);
	pw_strv_clear(&gone);
	pw_strv_clear(&all);
	return r;
}

/* A node with nothing left goes, with its checks. */
static int remove_idle_node(struct import *x, const char *node, struct pw_err *err)
{
	pw_autofree char *key = pw_key(/*trailing=*/false, x->peer, node, NULL);
	pw_autofree char *prefix = pw_key(/*trailing=*/true, x->peer, node, NULL);
	struct pw_strv checks = { 0 };
	int r;

	if (node_in_use(x, node))
		return 0;
	collect(pw_store_iter(pw_tx_store(x->tx), PW_T_CHECK, prefix), &checks);
	r = delete_all(x, PW_T_CHECK, &checks, err);
	pw_strv_clear(&checks);
	return r < 0 ? r : delete_row(x, PW_T_NODE, key, err);
}

static int remove_instance(struct import *x, const char *key, struct pw_err *err)
{
	const struct pw_service *svc = pw_store_get(pw_tx_store(x->tx), PW_T_SERVICE, key);
	pw_autofree char *node = NULL;
	pw_autofree char *id = NULL;
	int r;

	if (!svc)
		return 0;
	node = pw_xstrdup(svc->node);
	id = pw_xstrdup(svc->id);
	r = delete_row(x, PW_T_SERVICE, key, err);
	if (r == 0)
		r = remove_checks(x, node, id, /*keep=*/NULL, err);
	if (r == 0)
		r = remove_idle_node(x, node, err);
	return r;
}

/* --- services
 * ---------------------------------------------------------------------------------------- */

static int put_checks(struct import *x, const pw_pb_instance *i, struct pw_err *err)
{
	struct key *keep = NULL;
	int r = 0;

	for (size_t k = 0; k < i->n_checks && r == 0; k++) {
		pw_autofree char *key = pw_key(/*trailing=*/false, x->peer, i->node->node,
					       i->checks[k]->check_id, NULL);

		keys_add(&keep, key);
		r = put_row(x, PW_T_CHECK, &pw_check_schema, key, pw_import_check(x->peer, i, k),
			    err);
	}
	if (r == 0)
		r = remove_checks(x, i->node->node, i->service->id, keep, err);
	keys_clear(&keep);
	return r;
}

static int put_instance(struct import *x, const pw_pb_instance *i, struct pw_err *err)
{
	pw_autofree char *node = pw_key(/*trailing=*/false, x->peer, i->node->node, NULL);
	pw_autofree char *key =
		pw_key(/*trailing=*/false, x->peer, i->node->node, i->service->id, NULL);
	int r;

	r = put_row(x, PW_T_NODE, &pw_node_schema, node, pw_import_node(x->peer, i), err);
	if (r == 0)
		r = put_row(x, PW_T_SERVICE, &pw_service_schema, key, pw_import_service(x->peer, i),
			    err);
	return r < 0 ? r : put_checks(x, i, err);
}

static int remove_others(struct import *x, const char *name, struct key *keep, struct pw_err *err)
{
	pw_autofree char *prefix = pw_key(/*trailing=*/true, x->peer, name, NULL);
	struct pw_strv all = { 0 };
	int r = 0;

	collect(pw_store_iter_alt(pw_tx_store(x->tx), PW_T_SERVICE, prefix), &all);
	for (size_t i = 0; i < all.n && r == 0; i++)
		if (!keys_has(keep, all.items[i]))
			r = remove_instance(x, all.items[i], err);
	pw_strv_clear(&all);
	return r;
}

static int apply_service(struct import *x, const struct pw_incoming *in, struct pw_err *err)
{
	const pw_pb_exported_service *es = in->message;
	struct key *keep = NULL;
	int r = 0;

	for (size_t i = 0; i < es->n_nodes && r == 0; i++) {
		pw_autofree char *key =
			pw_key(/*trailing=*/false, x->peer, es->nodes[i]->node->node,
			       es->nodes[i]->service->id, NULL);

		keys_add(&keep, key);
		r = put_instance(x, es->nodes[i], err);
	}
	if (r == 0)
		r = remove_others(x, pw_import_service_name(in->id), keep, err);
	keys_clear(&keep);
	return r;
}

/* --- the list
 * ---------------------------------------------------------------------------------------- */

static int check_list(const List *list, struct pw_err *err)
{
	if (list->n_services > PW_PEER_SERVICES_MAX) {
		pw_reason_count(PW_REASON_LIMIT);
		return pw_err_set(err, PW_ERR_LIMIT, E2BIG,
				  "a peer may export %d services, and these are %zu",
				  PW_PEER_SERVICES_MAX, list->n_services);
	}
	for (size_t i = 0; i < list->n_services; i++) {
		const char *name = pw_import_service_name(list->services[i]);

		if (!*name || strlen(name) > PW_IMPORT_NAME_MAX || pw_str_has_control(name))
			return pw_err_set(err, PW_ERR_BAD_REQUEST, EINVAL,
					  "the list holds a service without a usable name");
	}
	return 0;
}

/* Names and their proxies. */
static void list_keep(const struct pw_strv *names, struct key **ret)
{
	for (size_t i = 0; i < names->n; i++) {
		pw_autofree char *proxy = pw_proxy_name(names->items[i]);

		keys_add(ret, names->items[i]);
		keys_add(ret, proxy);
	}
}

static int prune(struct import *x, const struct pw_strv *names, struct pw_err *err)
{
	pw_autofree char *prefix = pw_key(/*trailing=*/true, x->peer, NULL);
	struct pw_iter it = pw_store_iter(pw_tx_store(x->tx), PW_T_SERVICE, prefix);
	struct pw_strv gone = { 0 };
	struct key *keep = NULL;
	const struct pw_service *svc;
	int r = 0;

	list_keep(names, &keep);
	while ((svc = pw_iter_next(&it)))
		if (!keys_has(keep, svc->name))
			pw_strv_add(&gone, svc->obj.key);
	pw_iter_clear(&it);
	for (size_t i = 0; i < gone.n && r == 0; i++)
		r = remove_instance(x, gone.items[i], err);
	pw_strv_clear(&gone);
	keys_clear(&keep);
	return r;
}

static int apply_list(struct import *x, const struct pw_incoming *in, struct pw_err *err)
{
	const List *list = in->message;
	struct pw_import *row = pw_new0(struct pw_import);
	struct pw_strv names = { 0 };
	struct key *seen = NULL;
	int r;

	for (size_t i = 0; i < list->n_services; i++) {
		const char *name = pw_import_service_name(list->services[i]);

		if (!keys_has(seen, name))
			pw_strv_add(&names, name);
		keys_add(&seen, name);
	}
	keys_clear(&seen);
	pw_strv_sort(&names);
	row->peer = pw_xstrdup(x->peer);
	pw_strv_copy(&row->services, &names);
	r = pw_tx_put(x->tx, PW_T_IMPORT, row, err);
	if (r == 0)
		r = prune(x, &names, err);
	pw_strv_clear(&names);
	return r;
}

/* --- trust bundle and addresses
 * ------------------------------------------------------------------------ */

/* As the data path will: what it cannot use must not take the place of what it can. */
static int check_usable(const Bundle *b, struct pw_err *err)
{
	pw_cleanup(pw_trust_unref) struct pw_trust *trust = NULL;
	struct pw_strv pems = { 0 };
	int r;

	for (size_t i = 0; i < b->n_root_pems; i++)
		pw_strv_add(&pems, b->root_pems[i]);
	r = pw_trust_new(&trust, b->trust_domain, &pems, err);
	pw_strv_clear(&pems);
	return r < 0 ? pw_err_prefix(err, "the trust bundle is of no use") : 0;
}

static int check_bundle(const struct pw_link *l, const Bundle *b, struct pw_err *err)
{
	if (!*b->trust_domain || strlen(b->trust_domain) > 253 ||
	    pw_str_has_control(b->trust_domain))
		return pw_err_set(err, PW_ERR_BAD_REQUEST, EINVAL,
				  "the trust bundle has no usable trust domain");
	/* Names of hosts: their case says nothing, and whoever reads them folds it. */
	if (strcasecmp(b->trust_domain, pw_ca_trust_domain(l->mgr->ca)) == 0)
		return pw_err_set(err, PW_ERR_BAD_REQUEST, EINVAL,
				  "the trust bundle claims our own trust domain");
	if (b->n_root_pems == 0 || b->n_root_pems > PW_TOKEN_MAX_ROOTS)
		return pw_err_set(err, PW_ERR_BAD_REQUEST, EINVAL,
				  "the trust bundle has %zu roots, and must have 1 to %d",
				  b->n_root_pems, PW_TOKEN_MAX_ROOTS);
	for (size_t i = 0; i < b->n_root_pems; i++)
		if (strlen(b->root_pems[i]) > PW_ROOT_MAX_BYTES || !pw_pem_valid(b->root_pems[i]))
			return pw_err_set(err, PW_ERR_BAD_REQUEST, EINVAL,
					  "root %zu of the trust bundle is not a certificate", i);
	return check_usable(b, err);
}

static struct pw_peering *edit_peering(struct import *x, struct pw_err *err)
{
	const struct pw_peering *row =
		pw_store_get(pw_tx_store(x->tx), PW_T_PEERING, x->link->name);

	if (row && pw_streq(row->id, x->link->id))
		return pw_peering_dup(row);
	pw_err_set(err, PW_ERR_NOT_FOUND, ENOENT, "the peering is gone");
	return NULL;
}

static int apply_bundle(struct import *x, const struct pw_incoming *in, struct pw_err *err)
{
	const Bundle *b = in->message;
	struct pw_peering *p = edit_peering(x, err);
	struct pw_trust_bundle *row;
	int r;

	if (!p)
		return -ENOENT;
	row = pw_new0(struct pw_trust_bundle);
	row->peer = pw_xstrdup(x->peer);
	row->trust_domain = pw_xstrdup(b->trust_domain);
	row->exported_partition = pw_xstrdup(b->exported_partition);
	for (size_t i = 0; i < b->n_root_pems; i++)
		pw_strv_add(&row->root_pems, b->root_pems[i]);
	pw_strv_copy(&p->peer_ca_pems, &row->root_pems);
	r = pw_tx_put(x->tx, PW_T_PEERING, p, err);
	if (r < 0) {
		pw_schema_free(&pw_trust_bundle_schema, row);
		return r;
	}
	return pw_tx_put(x->tx, PW_T_TRUST_BUNDLE, row, err);
}

static int check_addresses(const Addresses *a, struct pw_err *err)
{
	if (a->n_addresses == 0 || a->n_addresses > PW_PEER_ADDRESSES_MAX)
		return pw_err_set(err, PW_ERR_BAD_REQUEST, EINVAL,
				  "a peer has 1 to %d server addresses, and these are %zu",
				  PW_PEER_ADDRESSES_MAX, a->n_addresses);
	for (size_t i = 0; i < a->n_addresses; i++)
		if (!pw_server_address_valid(a->addresses[i]))
			return pw_err_set(err, PW_ERR_BAD_REQUEST, EINVAL,
					  "%s is not a valid peering server address",
					  a->addresses[i]);
	return 0;
}

static int apply_addresses(struct import *x, const struct pw_incoming *in, struct pw_err *err)
{
	const Addresses *a = in->message;
	struct pw_peering *p = edit_peering(x, err);

	if (!p)
		return -ENOENT;
	pw_strv_clear(&p->peer_server_addresses);
	for (size_t i = 0; i < a->n_addresses; i++)
		pw_strv_add(&p->peer_server_addresses, a->addresses[i]);
	return pw_tx_put(x->tx, PW_T_PEERING, p, err);
}

/* --- batches
 * ------------------------------------------------------------------------------------------ */

static void refuse(struct pw_incoming *in, int code, const char *text)
{
	in->code = code;
	in->text = pw_xasprintf("upsert error, ResourceURL: \"%s\", ResourceID: \"%.200s\": %.600s",
				pw_resource_url(in->type), in->id, text);
}

/* What needs no transaction to be seen. */
static void check(struct pw_link *l, struct pw_incoming *in)
{
	struct pw_err err = PW_ERR_INIT;
	int code = PW_GRPC_INTERNAL;
	int r;

	switch (in->type) {
	case PW_RESOURCE_SERVICE:
		r = pw_import_check_service(in->id, in->message, &code, &err);
		break;
	case PW_RESOURCE_LIST:
		r = check_list(in->message, &err);
		break;
	case PW_RESOURCE_BUNDLE:
		r = check_bundle(l, in->message, &err);
		break;
	default:
		r = check_addresses(in->message, &err);
		break;
	}
	if (r < 0)
		refuse(in, code, err.text);
}

static int apply_one(struct import *x, const struct pw_incoming *in, struct pw_err *err)
{
	switch (in->type) {
	case PW_RESOURCE_SERVICE:
		return apply_service(x, in, err);
	case PW_RESOURCE_LIST:
		return apply_list(x, in, err);
	case PW_RESOURCE_BUNDLE:
		return apply_bundle(x, in, err);
	default:
		return apply_addresses(x, in, err);
	}
}

/* From first up to (not including) last; NULL: to the end. */
static int apply_range(struct pw_link *l, struct pw_incoming *first, struct pw_incoming *last,
		       struct pw_err *err)
{
	pw_autotx struct pw_tx *tx = NULL;
	struct import x = { .link = l, .peer = l->name };
	int r;

	if (!l->usage.known)
		l->usage = pw_import_usage(l->mgr->store, l->name);
	x.usage = l->usage;
	r = pw_tx_begin(l->mgr->store, &tx, err);
	x.tx = tx;
	for (struct pw_incoming *in = first; r == 0 && in != last; in = STAILQ_NEXT(in, next))
		if (!in->code)
			r = apply_one(&x, in, err);
	if (r == 0)
		r = pw_tx_commit(&tx, err);
	if (r == 0)
		l->usage = x.usage;
	return r;
}

static void show_imported(struct pw_link *l)
{
	const struct pw_import *row = pw_store_get(l->mgr->store, PW_T_IMPORT, l->name);
	static const struct pw_strv none;
	const struct pw_strv *names = row ? &row->services : &none;

	if (pw_strv_equal(&l->imported, names))
		return;
	pw_strv_copy(&l->imported, names);
	pw_store_touch(l->mgr->store, PW_T_PEERING);
}

void pw_import_apply(struct pw_link *l, struct pw_incoming_list *list)
{
	const struct pw_peering *p = pw_link_row(l);
	struct pw_incoming *in;
	struct pw_err err = PW_ERR_INIT;
	bool listed = false;

	STAILQ_FOREACH(in, list, next)
	{
		if (!p || p->state == PW_PEERING_DELETING)
			refuse(in, PW_GRPC_INTERNAL, "the peering is being deleted");
		else
			check(l, in);
		listed |= in->type == PW_RESOURCE_LIST;
	}
	if (STAILQ_EMPTY(list) || apply_range(l, STAILQ_FIRST(list), /*last=*/NULL, &err) == 0)
		goto done;
	/* one of them, or the whole, is too much: find out which, and keep the others */
	STAILQ_FOREACH(in, list, next)
	{
		if (in->code)
			continue;
		err = (struct pw_err)PW_ERR_INIT;
		if (apply_range(l, in, STAILQ_NEXT(in, next), &err) < 0)
			refuse(in, PW_GRPC_INTERNAL, err.text);
	}
done:
	if (listed)
		show_imported(l);
}
