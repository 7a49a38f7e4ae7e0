// SPDX-License-Identifier: Apache-2.0
/* /v1/catalog/… ; ?peer= reads what was imported, which Consul offers for health only. */
#include "internal.h"
#include "../catalog/catalog.h"
#include "../catalog/registration.h"

static int do_register(struct pw_tx *tx, void *arg, struct pw_err *err)
{
	return pw_catalog_register(tx, arg, err);
}

static int check_datacenter(struct pw_request *r, const char *dc, struct pw_err *err)
{
	if (pw_str_empty(dc) || pw_streq(dc, r->api->datacenter))
		return 0;
	return pw_err_set(err, PW_ERR_INTERNAL, EINVAL, "No path to datacenter");
}

int pw_h_catalog_register(struct pw_request *r, struct pw_err *err)
{
	pw_cleanup(pw_registration_clear) struct pw_registration reg = { 0 };
	pw_autojson json_t *body = NULL;
	int rc;

	rc = pw_request_json(r, "Request decode failed", &body, err);
	if (rc < 0)
		return rc;
	rc = pw_registration_decode(body, &reg, err);
	if (rc == 0)
		rc = check_datacenter(r, reg.node.datacenter, err);
	if (rc < 0)
		return rc;
	if (pw_str_empty(reg.node.datacenter)) {
		free(reg.node.datacenter);
		reg.node.datacenter = pw_xstrdup(r->api->datacenter);
	}
	rc = pw_api_write(r->api, do_register, &reg, err);
	return rc < 0 ? rc : pw_reply_true(r);
}

struct deregistration {
	char *node, *service_id, *check_id, *datacenter, *address, *ns, *partition;
};
static const struct pw_field deregistration_fields[] = {
	PW_FIELD(struct deregistration, "Node", node, PW_F_STR, 0),
	PW_FIELD(struct deregistration, "ServiceID", service_id, PW_F_STR, 0),
	PW_FIELD(struct deregistration, "CheckID", check_id, PW_F_STR, 0),
	PW_FIELD(struct deregistration, "Datacenter", datacenter, PW_F_STR, 0),
	PW_FIELD(struct deregistration, "Address", address, PW_F_STR, 0),
	PW_FIELD(struct deregistration, "Namespace", ns, PW_F_STR, 0),
	PW_FIELD(struct deregistration, "Partition", partition, PW_F_STR, 0),
};
static const struct pw_schema deregistration_schema =
	PW_SCHEMA("DeregisterRequest", struct deregistration, deregistration_fields);

static void deregistration_clear(struct deregistration *d)
{
	pw_schema_clear(&deregistration_schema, d);
}

static int do_deregister(struct pw_tx *tx, void *arg, struct pw_err *err)
{
	const struct deregistration *d = arg;

	return pw_catalog_deregister(tx, /* peer= */ "", d->node, d->service_id, d->check_id, err);
}

int pw_h_catalog_deregister(struct pw_request *r, struct pw_err *err)
{
	pw_cleanup(deregistration_clear) struct deregistration d = { 0 };
	int rc;

	rc = pw_request_decode(r, "Request decode failed", &deregistration_schema, &d, err);
	if (rc == 0)
		rc = check_datacenter(r, d.datacenter, err);
	if (rc < 0)
		return rc;
	if (pw_str_empty(d.node))
		return pw_err_set(err, PW_ERR_INTERNAL, EINVAL, "Must provide node");
	rc = pw_api_write(r->api, do_deregister, &d, err);
	return rc < 0 ? rc : pw_reply_true(r);
}

/* seen: an object as a set, since a service may have as many tags as it has instances. */
static void add_tags(json_t *services, const struct pw_service *svc, json_t *seen)
{
	json_t *tags = json_object_get(services, svc->name);

	if (!tags) {
		tags = json_array();
		json_object_set_new(services, svc->name, tags);
		json_object_clear(seen);
	}
	for (size_t i = 0; i < svc->tags.n; i++) {
		if (json_object_get(seen, svc->tags.items[i]))
			continue;
		json_object_set_new(seen, svc->tags.items[i], json_true());
		json_array_append_new(tags, json_string(svc->tags.items[i]));
	}
}

int pw_h_catalog_services(struct pw_request *r, struct pw_err *err)
{
	const struct pw_store *s = r->api->opt.store;
	pw_cleanup(pw_selection_clear) struct pw_selection sel = { 0 };
	pw_autojson json_t *seen = json_object();
	pw_autofree char *prefix = NULL;
	const struct pw_service *svc;
	struct pw_iter it;
	json_t *services;
	int rc;

	rc = pw_selection_get(r, &sel, err);
	if (rc < 0)
		return rc;
	if (r->filter)
		return pw_err_set(err, PW_ERR_BAD_REQUEST, EOPNOTSUPP,
				  "filter is not supported on this endpoint by this version");
	services = json_object();
	prefix = pw_key(/* trailing= */ true, sel.peer, NULL);
	/* By name: the instances of one service follow each other. */
	it = pw_store_iter_alt(s, PW_T_SERVICE, prefix);
	while ((svc = pw_iter_next(&it)))
		if (pw_selection_has(r, &sel, svc))
			add_tags(services, svc, seen);
	pw_iter_clear(&it);
	return pw_reply_json(r, 200, services);
}

static void move_key(json_t *from, const char *key, json_t *to, const char *as, json_t *fallback)
{
	json_t *v = json_object_get(from, key);

	if (v)
		json_object_set(to, as, v);
	else if (fallback)
		json_object_set(to, as, fallback);
	json_decref(fallback);
}

/* The flat row that only the catalog shows. */
static json_t *flat_row(const struct pw_request *r, const struct pw_service *svc)
{
	static const char *const node_keys[][2] = {
		{ "ID", "ID" },
		{ "Node", "Node" },
		{ "Address", "Address" },
		{ "Datacenter", "Datacenter" },
		{ "TaggedAddresses", "TaggedAddresses" },
		{ "Meta", "NodeMeta" },
	};
	static const char *const service_keys[][2] = {
		{ "ID", "ServiceID" },
		{ "Service", "ServiceName" },
		{ "Tags", "ServiceTags" },
		{ "Address", "ServiceAddress" },
		{ "TaggedAddresses", "ServiceTaggedAddresses" },
		{ "Weights", "ServiceWeights" },
		{ "Meta", "ServiceMeta" },
		{ "Port", "ServicePort" },
	};
	const struct pw_node *n = pw_catalog_node(r->api->opt.store, svc->peer, svc->node);
	pw_autojson json_t *node = pw_row_node(r, n), *service = pw_service_json(svc);
	json_t *row = json_object();

	for (size_t i = 0; i < ARRAY_SIZE(node_keys); i++)
		move_key(node, node_keys[i][0], row, node_keys[i][1], NULL);
	move_key(service, "Kind", row, "ServiceKind", json_string(""));
	for (size_t i = 0; i < ARRAY_SIZE(service_keys); i++)
		move_key(service, service_keys[i][0], row, service_keys[i][1], NULL);
	move_key(service, "SocketPath", row, "ServiceSocketPath", json_string(""));
	move_key(service, "EnableTagOverride", row, "ServiceEnableTagOverride", json_false());
	move_key(service, "Proxy", row, "ServiceProxy", json_object());
	move_key(service, "Connect", row, "ServiceConnect", json_object());
	move_key(service, "Locality", row, "ServiceLocality", json_null());
	move_key(service, "CreateIndex", row, "CreateIndex", NULL);
	move_key(service, "ModifyIndex", row, "ModifyIndex", NULL);
	if (!pw_str_empty(svc->peer))
		json_object_set_new(row, "PeerName", json_string(svc->peer));
	return row;
}

int pw_h_catalog_service(struct pw_request *r, struct pw_err *err)
{
	return pw_list_instances(r, pw_catalog_each, flat_row, err);
}

int pw_h_catalog_connect(struct pw_request *r, struct pw_err *err)
{
	return pw_list_instances(r, pw_catalog_each_connect, flat_row, err);
}

int pw_h_catalog_nodes(struct pw_request *r, struct pw_err *err)
{
	pw_cleanup(pw_selection_clear) struct pw_selection sel = { 0 };
	pw_autofree char *prefix = NULL;
	const struct pw_node *n;
	struct pw_iter it;
	json_t *rows;
	int rc;

	rc = pw_selection_get(r, &sel, err);
	if (rc < 0)
		return rc;
	rows = json_array();
	prefix = pw_key(/* trailing= */ true, sel.peer, NULL);
	it = pw_store_iter(r->api->opt.store, PW_T_NODE, prefix);
	while ((n = pw_iter_next(&it)))
		if (pw_selection_has_node(&sel, n))
			json_array_append_new(rows, pw_row_node(r, n));
	pw_iter_clear(&it);
	return pw_reply_rows(r, rows, err);
}

/* Calls add for each instance on the node; NULL: there is no such node. */
static const struct pw_node *each_on_node(struct pw_request *r,
					  void (*add)(json_t *rows, const struct pw_service *svc),
					  json_t *rows)
{
	const char *peer = pw_str_or_empty(pw_request_param(r, "peer"));
	pw_autofree char *prefix = pw_key(/* trailing= */ true, peer, r->rest, NULL);
	pw_autoiter struct pw_iter it = pw_store_iter(r->api->opt.store, PW_T_SERVICE, prefix);
	const struct pw_service *svc;

	while ((svc = pw_iter_next(&it)))
		add(rows, svc);
	return pw_catalog_node(r->api->opt.store, peer, r->rest);
}

static void add_by_id(json_t *rows, const struct pw_service *svc)
{
	json_object_set_new(rows, svc->id, pw_service_json(svc));
}

static void add_to_list(json_t *rows, const struct pw_service *svc)
{
	json_array_append_new(rows, pw_service_json(svc));
}

static int reply_node(struct pw_request *r, const struct pw_node *n, json_t *services,
		      struct pw_err *err)
{
	json_t *answer;
	int rc = r->filter ? pw_filter_apply(r->filter, services, err) : 0;

	if (rc < 0) {
		json_decref(services);
		return rc;
	}
	answer = json_object();
	json_object_set_new(answer, "Node", pw_row_node(r, n));
	json_object_set_new(answer, "Services", services);
	return pw_reply_json(r, 200, answer);
}

int pw_h_catalog_node(struct pw_request *r, struct pw_err *err)
{
	json_t *services;
	const struct pw_node *n;

	if (!*r->rest)
		return pw_err_set(err, PW_ERR_BAD_REQUEST, EINVAL, "Missing node name");
	services = json_object();
	n = each_on_node(r, add_by_id, services);
	if (n)
		return reply_node(r, n, services, err);
	json_decref(services);
	return pw_reply_json(r, 200, json_null());
}

int pw_h_catalog_node_services(struct pw_request *r, struct pw_err *err)
{
	json_t *services;
	const struct pw_node *n;

	if (!*r->rest)
		return pw_err_set(err, PW_ERR_BAD_REQUEST, EINVAL, "Missing node name");
	services = json_array();
	n = each_on_node(r, add_to_list, services);
	return reply_node(r, n, services, err);
}

int pw_h_catalog_datacenters(struct pw_request *r, struct pw_err *err)
{
	return pw_reply_json(r, 200, json_pack("[s]", r->api->datacenter));
}
