// SPDX-License-Identifier: Apache-2.0
/* Reading the catalog. Writing: register.c. */
#include "catalog.h"

#include <assert.h>
#include <string.h>

#define NODE_MAINTENANCE    "_node_maintenance"
#define SERVICE_MAINTENANCE "_service_maintenance:"

static const char *const status_names[] = {
	[PW_STATUS_PASSING] = "passing",
	[PW_STATUS_WARNING] = "warning",
	[PW_STATUS_CRITICAL] = "critical",
	[PW_STATUS_MAINTENANCE] = "maintenance",
};
static_assert(ARRAY_SIZE(status_names) == PW_STATUS_MAX_, "each status needs a name");

const char *pw_status_name(enum pw_status s)
{
	return (unsigned)s < PW_STATUS_MAX_ ? status_names[s] : status_names[PW_STATUS_CRITICAL];
}

int pw_status_parse(const char *s, enum pw_status *ret)
{
	for (unsigned i = 0; s && i < PW_STATUS_MAX_; i++)
		if (!strcmp(s, status_names[i])) {
			*ret = (enum pw_status)i;
			return 0;
		}
	return -EINVAL;
}

const struct pw_node *pw_catalog_node(const struct pw_store *s, const char *peer, const char *node)
{
	pw_autofree char *key = pw_key(/* trailing= */ false, peer, pw_str_or_empty(node), NULL);

	return pw_store_get(s, PW_T_NODE, key);
}

const struct pw_service *pw_catalog_service(const struct pw_store *s, const char *peer,
					    const char *node, const char *id)
{
	pw_autofree char *key = pw_key(/* trailing= */ false, peer, pw_str_or_empty(node),
				       pw_str_or_empty(id), NULL);

	return pw_store_get(s, PW_T_SERVICE, key);
}

/* --- status --------------------------------------------------------------------------------- */

/* A status that nobody knows counts as critical: traffic must not go where health is unclear. */
static enum pw_status check_status(const struct pw_check *c)
{
	enum pw_status status = PW_STATUS_CRITICAL;

	if (pw_streq(c->id, NODE_MAINTENANCE) ||
	    pw_str_starts(pw_str_or_empty(c->id), SERVICE_MAINTENANCE))
		return PW_STATUS_MAINTENANCE;
	(void)pw_status_parse(c->status, &status);
	return status;
}

static struct pw_iter checks_of(const struct pw_store *s, const struct pw_service *svc,
				const char *service_id)
{
	pw_autofree char *prefix = pw_key(/* trailing= */ true, svc->peer,
					  pw_str_or_empty(svc->node), service_id, NULL);

	return pw_store_iter_alt(s, PW_T_CHECK, prefix);
}

static enum pw_status worst(const struct pw_store *s, const struct pw_service *svc,
			    const char *service_id, enum pw_status status)
{
	pw_autoiter struct pw_iter it = checks_of(s, svc, service_id);
	const struct pw_check *c;

	while ((c = pw_iter_next(&it)))
		status = pw_max(status, check_status(c));
	return status;
}

enum pw_status pw_catalog_instance_status(const struct pw_store *s, const struct pw_service *svc)
{
	enum pw_status status = worst(s, svc, /* service_id= */ "", PW_STATUS_PASSING);

	return pw_str_empty(svc->id) ? status : worst(s, svc, svc->id, status);
}

/* Both halves come sorted by check id. */
size_t pw_catalog_instance_checks(const struct pw_store *s, const struct pw_service *svc,
				  const struct pw_check ***ret)
{
	pw_autoiter struct pw_iter node_it = checks_of(s, svc, /* service_id= */ "");
	pw_autoiter struct pw_iter own_it = checks_of(s, svc, pw_str_or_empty(svc->id));
	const struct pw_check **list = NULL, *node, *own;
	size_t n = 0, size = 0;

	node = pw_iter_next(&node_it);
	own = pw_str_empty(svc->id) ? NULL : pw_iter_next(&own_it);
	while (node || own) {
		bool take_own = own && (!node || strcmp(pw_str_or_empty(own->id),
							pw_str_or_empty(node->id)) < 0);

		if (n == size) {
			size = size ? size * 2 : 4;
			list = pw_xrealloc(list, size * sizeof(*list));
		}
		list[n++] = take_own ? own : node;
		if (take_own)
			own = pw_iter_next(&own_it);
		else
			node = pw_iter_next(&node_it);
	}
	*ret = list;
	return n;
}

/* --- instances ------------------------------------------------------------------------------ */

const char *pw_catalog_instance_address(const struct pw_store *s, const struct pw_service *svc)
{
	const struct pw_node *n;

	if (!pw_str_empty(svc->address))
		return svc->address;
	n = pw_catalog_node(s, svc->peer, svc->node);
	return n && !pw_str_empty(n->address) ? n->address : NULL;
}

static bool is_native(const struct pw_service *svc)
{
	return pw_str_empty(svc->kind) && svc->connect.native;
}

void pw_catalog_each(const struct pw_store *s, const char *peer, const char *name,
		     pw_service_fn *cb, void *arg)
{
	pw_autofree char *prefix = pw_key(/* trailing= */ true, peer, pw_str_or_empty(name), NULL);
	pw_autoiter struct pw_iter it = pw_store_iter_alt(s, PW_T_SERVICE, prefix);
	const struct pw_service *svc;

	while ((svc = pw_iter_next(&it)))
		if (!cb(arg, svc))
			return;
}

void pw_catalog_each_connect(const struct pw_store *s, const char *peer, const char *name,
			     pw_service_fn *cb, void *arg)
{
	pw_autofree char *prefix = pw_key(/* trailing= */ true, peer, pw_str_or_empty(name), NULL);
	pw_autoiter struct pw_iter proxies = pw_store_iter_part(s, PW_T_SERVICE, prefix);
	pw_autoiter struct pw_iter instances = pw_store_iter_alt(s, PW_T_SERVICE, prefix);
	const struct pw_service *svc;

	while ((svc = pw_iter_next(&proxies)))
		if (!cb(arg, svc))
			return;
	while ((svc = pw_iter_next(&instances)))
		if (is_native(svc) && !cb(arg, svc))
			return;
}

static bool found(void *arg, const struct pw_service *svc)
{
	*(bool *)arg = true;
	return false;
}

bool pw_catalog_speaks_mesh(const struct pw_store *s, const char *name)
{
	bool speaks = false;

	pw_catalog_each_connect(s, /* peer= */ "", name, found, &speaks);
	return speaks;
}

/* Instances of one name stand together in the second order. */
void pw_catalog_names(const struct pw_store *s, struct pw_strv *ret)
{
	pw_autofree char *local = pw_key(/* trailing= */ true, /* peer= */ "", NULL);
	pw_autoiter struct pw_iter it = pw_store_iter_alt(s, PW_T_SERVICE, local);
	const struct pw_service *svc;

	while ((svc = pw_iter_next(&it))) {
		if (!pw_str_empty(svc->kind) || pw_streq(svc->name, PW_AGENT_SERVICE))
			continue;
		if (!ret->n || !pw_streq(ret->items[ret->n - 1], svc->name))
			pw_strv_add(ret, svc->name);
	}
}
