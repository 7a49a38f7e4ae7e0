// SPDX-License-Identifier: Apache-2.0
/* Writing the catalog. Everything is validated before the first write, so a refused call wrote
 * nothing. */
#include "../base/uuid.h"
#include "catalog_private.h"

#include <string.h>

void pw_registration_clear(struct pw_registration *r)
{
	pw_schema_clear(&pw_node_schema, &r->node);
	pw_schema_free(&pw_service_schema, r->service);
	pw_schema_list_clear(&pw_check_schema, &r->checks);
	*r = (struct pw_registration){ 0 };
}

static int refuse(struct pw_err *err, const char *text)
{
	return pw_err_set(err, PW_ERR_INTERNAL, EINVAL, "%s", text);
}

static const char *service_id(const struct pw_service *svc)
{
	return pw_str_empty(svc->id) ? svc->name : svc->id;
}

static const char *check_id(const struct pw_check *c)
{
	return pw_str_empty(c->id) ? c->name : c->id;
}

/* --- validation ----------------------------------------------------------------------------- */

static const char *own_datacenter(const struct pw_store *s)
{
	const struct pw_cluster *c = pw_store_get(s, PW_T_CLUSTER, "cluster");

	return c ? pw_str_or_empty(c->datacenter) : "";
}

static int check_local_node(const struct pw_store *s, const struct pw_registration *r,
			    struct pw_err *err)
{
	const struct pw_node *n = &r->node;
	const char *dc = own_datacenter(s);

	if (pw_str_empty(n->name))
		return refuse(err, "Must provide node");
	if (!r->skip_node_update && pw_str_empty(n->address))
		return refuse(err, "Must provide address if SkipNodeUpdate is not set");
	if (!pw_str_empty(n->id) && strlen(n->id) != PW_UUID_LEN - 1)
		return refuse(err, "Bad node ID: uuid string is wrong length");
	if (!pw_str_empty(n->id) && !pw_uuid_valid(n->id))
		return refuse(err, "Bad node ID: uuid is improperly formatted");
	if (!pw_str_empty(n->datacenter) && *dc && !pw_streq(n->datacenter, dc))
		return refuse(err, "No path to datacenter");
	return 0;
}

static int check_node(const struct pw_store *s, const struct pw_registration *r, struct pw_err *err)
{
	int rc = 0;

	if (pw_str_empty(r->node.peer))
		rc = check_local_node(s, r, err);
	if (rc == 0)
		rc = catalog_check_name("the node name", r->node.name, err);
	if (rc < 0)
		return rc;
	if (r->skip_node_update && pw_str_empty(r->node.address) &&
	    !pw_catalog_node(s, r->node.peer, r->node.name))
		return refuse(err, "Missing node registration");
	return 0;
}

static int check_imported_service(const struct pw_service *svc, struct pw_err *err)
{
	int rc = catalog_check_name("the service name", svc->name, err);

	return rc < 0 ? rc : catalog_check_name("the service ID", svc->id, err);
}

static int check_status(const struct pw_check *c, bool imported, struct pw_err *err)
{
	enum pw_status status;

	if (pw_str_empty(c->status) && !imported)
		return 0;
	if (pw_status_parse(c->status, &status) == 0 &&
	    (imported || status != PW_STATUS_MAINTENANCE))
		return 0;
	return pw_err_set(err, PW_ERR_INTERNAL, EINVAL,
			  "Invalid check status \"%.32s\": it must be passing, warning or critical",
			  pw_str_or_empty(c->status));
}

static int check_check(const struct pw_store *s, const struct pw_registration *r,
		       const struct pw_check *c, struct pw_err *err)
{
	bool imported = !pw_str_empty(r->node.peer);
	int rc;

	if (!pw_str_empty(c->node) && !pw_streq(c->node, r->node.name))
		return pw_err_set(err, PW_ERR_INTERNAL, EINVAL,
				  "check node \"%s\" does not match node \"%s\"", c->node,
				  r->node.name);
	rc = catalog_check_name("the check ID", imported ? c->id : check_id(c), err);
	if (rc == 0)
		rc = check_status(c, imported, err);
	if (rc < 0)
		return rc;
	if (pw_str_empty(c->service_id) ||
	    (r->service && pw_streq(service_id(r->service), c->service_id)) ||
	    pw_catalog_service(s, r->node.peer, r->node.name, c->service_id))
		return 0;
	return refuse(err, "Missing service registration");
}

static int validate(const struct pw_store *s, const struct pw_registration *r, struct pw_err *err)
{
	int rc = check_node(s, r, err);

	if (rc == 0 && r->service)
		rc = pw_str_empty(r->node.peer) ? catalog_check_service(r->service, err)
						: check_imported_service(r->service, err);
	for (size_t i = 0; rc == 0 && i < r->checks.n; i++)
		rc = check_check(s, r, r->checks.items[i], err);
	return rc;
}

/* --- deleting ------------------------------------------------------------------------------- */

/* Deletes rows of the second order that start with prefix; keys first, since a write moves the
 * table. */
static int delete_prefix(struct pw_tx *tx, unsigned table, bool alt, const char *prefix,
			 struct pw_err *err)
{
	pw_cleanup(pw_strv_clear) struct pw_strv keys = { 0 };
	struct pw_store *s = pw_tx_store(tx);
	pw_autoiter struct pw_iter it =
		alt ? pw_store_iter_alt(s, table, prefix) : pw_store_iter(s, table, prefix);
	const struct pw_obj *obj;

	while ((obj = pw_iter_next(&it)))
		pw_strv_add(&keys, obj->key);
	for (size_t i = 0; i < keys.n; i++) {
		int rc = pw_tx_delete(tx, table, keys.items[i], err);

		if (rc < 0 && rc != -ENOENT)
			return rc;
	}
	return 0;
}

static int delete_one(struct pw_tx *tx, unsigned table, const char *key, struct pw_err *err)
{
	int rc = pw_tx_delete(tx, table, key, err);

	return rc == -ENOENT ? 0 : rc;
}

static int delete_node(struct pw_tx *tx, const char *peer, const char *node, struct pw_err *err)
{
	pw_autofree char *prefix = pw_key(/* trailing= */ true, peer, node, NULL);
	pw_autofree char *key = pw_key(/* trailing= */ false, peer, node, NULL);
	int rc = delete_prefix(tx, PW_T_CHECK, /* alt= */ false, prefix, err);

	if (rc == 0)
		rc = delete_prefix(tx, PW_T_SERVICE, /* alt= */ false, prefix, err);
	return rc < 0 ? rc : delete_one(tx, PW_T_NODE, key, err);
}

static int delete_service(struct pw_tx *tx, const char *peer, const char *node, const char *id,
			  struct pw_err *err)
{
	pw_autofree char *prefix = pw_key(/* trailing= */ true, peer, node, id, NULL);
	pw_autofree char *key = pw_key(/* trailing= */ false, peer, node, id, NULL);
	int rc = delete_prefix(tx, PW_T_CHECK, /* alt= */ true, prefix, err);

	return rc < 0 ? rc : delete_one(tx, PW_T_SERVICE, key, err);
}

/* A sidecar that came with its service goes with it. */
static int delete_sidecar(struct pw_tx *tx, const struct pw_service *svc, struct pw_err *err)
{
	pw_autofree char *id = catalog_sidecar_id(svc->id);
	const struct pw_service *sidecar;

	if (!svc->connect.sidecar_service)
		return 0;
	sidecar = pw_catalog_service(pw_tx_store(tx), svc->peer, svc->node, id);
	if (!sidecar || !sidecar->agent ||
	    !pw_streq(sidecar->proxy.destination_service_id, svc->id))
		return 0;
	return delete_service(tx, svc->peer, svc->node, id, err);
}

int pw_catalog_deregister(struct pw_tx *tx, const char *peer, const char *node,
			  const char *service_id, const char *check_id, struct pw_err *err)
{
	pw_autofree char *check_key = NULL;
	const struct pw_service *svc;
	int rc;

	if (pw_str_empty(node))
		return refuse(err, "Must provide node");
	if (!pw_str_empty(service_id)) {
		svc = pw_catalog_service(pw_tx_store(tx), peer, node, service_id);
		rc = svc ? delete_sidecar(tx, svc, err) : 0;
		return rc < 0 ? rc : delete_service(tx, peer, node, service_id, err);
	}
	if (pw_str_empty(check_id))
		return delete_node(tx, peer, node, err);
	check_key = pw_key(/* trailing= */ false, peer, node, check_id, NULL);
	return delete_one(tx, PW_T_CHECK, check_key, err);
}

/* --- writing -------------------------------------------------------------------------------- */

static void set(char **field, const char *value)
{
	char *copy = pw_xstrdup(pw_str_or_empty(value));

	free(*field);
	*field = copy;
}

/* The same id under another name is the same machine, renamed: what it had under the old name is
 * gone. */
static int drop_renamed(struct pw_tx *tx, const struct pw_node *n, struct pw_err *err)
{
	pw_autofree char *prefix =
		pw_key(/* trailing= */ true, n->peer, pw_str_or_empty(n->id), NULL);
	pw_autofree char *old_name = NULL;
	const struct pw_node *old;

	if (pw_str_empty(n->id) || !pw_str_empty(n->peer))
		return 0;
	pw_autoiter struct pw_iter it = pw_store_iter_alt(pw_tx_store(tx), PW_T_NODE, prefix);

	while ((old = pw_iter_next(&it)))
		if (!pw_streq(old->name, n->name)) {
			old_name = pw_xstrdup(old->name);
			break;
		}
	return old_name ? delete_node(tx, n->peer, old_name, err) : 0;
}

static int write_node(struct pw_tx *tx, const struct pw_registration *r, struct pw_err *err)
{
	struct pw_store *s = pw_tx_store(tx);
	const struct pw_node *old = pw_catalog_node(s, r->node.peer, r->node.name);
	struct pw_node *n;
	int rc;

	if (r->skip_node_update && old)
		return 0;
	rc = drop_renamed(tx, &r->node, err);
	if (rc < 0)
		return rc;
	n = pw_schema_dup(&pw_node_schema, &r->node);
	if (pw_str_empty(n->id) && old)
		set(&n->id, old->id);
	if (pw_str_empty(n->datacenter) && pw_str_empty(n->peer))
		set(&n->datacenter, own_datacenter(s));
	return pw_tx_put(tx, PW_T_NODE, n, err);
}

/* Checks carry name and tags of their service, for readers that see only checks. */
static int follow_service(struct pw_tx *tx, const struct pw_service *svc, struct pw_err *err)
{
	pw_autofree char *prefix =
		pw_key(/* trailing= */ true, svc->peer, svc->node, svc->id, NULL);
	pw_cleanup(pw_strv_clear) struct pw_strv keys = { 0 };
	struct pw_store *s = pw_tx_store(tx);
	pw_autoiter struct pw_iter it = pw_store_iter_alt(s, PW_T_CHECK, prefix);
	const struct pw_check *c;

	while ((c = pw_iter_next(&it)))
		if (!pw_streq(c->service_name, svc->name) ||
		    !pw_strv_equal(&c->service_tags, &svc->tags))
			pw_strv_add(&keys, c->obj.key);
	for (size_t i = 0; i < keys.n; i++) {
		struct pw_check *copy =
			pw_schema_dup(&pw_check_schema, pw_store_get(s, PW_T_CHECK, keys.items[i]));
		int rc;

		set(&copy->service_name, svc->name);
		pw_strv_copy(&copy->service_tags, &svc->tags);
		rc = pw_tx_put(tx, PW_T_CHECK, copy, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int write_service(struct pw_tx *tx, const struct pw_registration *r, struct pw_err *err)
{
	struct pw_service *svc = pw_schema_dup(&pw_service_schema, r->service);
	pw_autofree char *id = pw_xstrdup(service_id(svc));
	int rc;

	set(&svc->id, id);
	set(&svc->peer, r->node.peer);
	set(&svc->node, r->node.name);
	if (!svc->weights.passing && !svc->weights.warning)
		svc->weights = (struct pw_weights){ .passing = 1, .warning = 1 };
	rc = pw_tx_put(tx, PW_T_SERVICE, svc, err);
	if (rc < 0)
		return rc;
	return follow_service(tx,
			      pw_catalog_service(pw_tx_store(tx), r->node.peer, r->node.name, id),
			      err);
}

/* Who registers an agent's check again without a status keeps what the check has found out
 * meanwhile. */
static void choose_status(struct pw_store *s, struct pw_check *c)
{
	pw_autofree char *key = pw_key(/* trailing= */ false, c->peer, c->node, c->id, NULL);
	const struct pw_check *old = c->agent ? pw_store_get(s, PW_T_CHECK, key) : NULL;

	if (!pw_str_empty(c->status))
		return;
	if (old && old->agent) {
		set(&c->status, old->status);
		set(&c->output, old->output);
	} else {
		set(&c->status, pw_status_name(PW_STATUS_CRITICAL));
	}
}

static int write_check(struct pw_tx *tx, const struct pw_registration *r,
		       const struct pw_check *from, struct pw_err *err)
{
	struct pw_check *c = pw_schema_dup(&pw_check_schema, from);
	pw_autofree char *id = pw_xstrdup(check_id(c));
	const struct pw_service *svc;

	set(&c->id, id);
	set(&c->peer, r->node.peer);
	set(&c->node, r->node.name);
	choose_status(pw_tx_store(tx), c);
	if (!pw_str_empty(c->service_id)) {
		svc = pw_catalog_service(pw_tx_store(tx), c->peer, c->node, c->service_id);
		set(&c->service_name, svc ? svc->name : "");
		if (svc)
			pw_strv_copy(&c->service_tags, &svc->tags);
	}
	return pw_tx_put(tx, PW_T_CHECK, c, err);
}

static bool lists_check(const struct pw_registration *r, const char *id)
{
	for (size_t i = 0; i < r->checks.n; i++)
		if (pw_streq(check_id(r->checks.items[i]), id))
			return true;
	return false;
}

static int replace_checks(struct pw_tx *tx, const struct pw_registration *r, struct pw_err *err)
{
	pw_autofree char *prefix = pw_key(/* trailing= */ true, r->node.peer, r->node.name,
					  service_id(r->service), NULL);
	pw_cleanup(pw_strv_clear) struct pw_strv keys = { 0 };
	pw_autoiter struct pw_iter it = pw_store_iter_alt(pw_tx_store(tx), PW_T_CHECK, prefix);
	const struct pw_check *c;
	int rc = 0;

	while ((c = pw_iter_next(&it)))
		if (c->agent && !lists_check(r, c->id))
			pw_strv_add(&keys, c->obj.key);
	for (size_t i = 0; rc == 0 && i < keys.n; i++)
		rc = delete_one(tx, PW_T_CHECK, keys.items[i], err);
	return rc;
}

static int write_all(struct pw_tx *tx, const struct pw_registration *r, struct pw_err *err)
{
	int rc = write_node(tx, r, err);

	if (rc == 0 && r->service)
		rc = write_service(tx, r, err);
	if (rc == 0 && r->service && (r->replace_checks || r->service->configured))
		rc = replace_checks(tx, r, err);
	for (size_t i = 0; rc == 0 && i < r->checks.n; i++)
		rc = write_check(tx, r, r->checks.items[i], err);
	return rc;
}

static void free_registration(struct pw_registration **r)
{
	if (*r)
		pw_registration_clear(*r);
	free(TAKE_PTR(*r));
}

int pw_catalog_register(struct pw_tx *tx, const struct pw_registration *r, struct pw_err *err)
{
	pw_cleanup(free_registration) struct pw_registration *sidecar = NULL;
	struct pw_store *s = pw_tx_store(tx);
	const struct pw_service *old;
	int rc = validate(s, r, err);

	if (rc == 0 && r->service && r->service->agent)
		rc = catalog_sidecar_make(s, r->service, r->node.name, &sidecar, err);
	if (rc == 0 && sidecar)
		rc = validate(s, sidecar, err);
	if (rc < 0)
		return rc;
	if (r->service && !sidecar) {
		old = pw_catalog_service(s, r->node.peer, r->node.name, service_id(r->service));
		rc = old ? delete_sidecar(tx, old, err) : 0;
	}
	if (rc == 0)
		rc = write_all(tx, r, err);
	if (rc == 0 && sidecar)
		rc = write_all(tx, sidecar, err);
	return rc;
}
