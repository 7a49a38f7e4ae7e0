// SPDX-License-Identifier: Apache-2.0
/* /v1/agent/service…: what runs beside this agent. The agent has no catalog of its own: its
 * services are the rows of its node that carry the agent mark. */
#include "internal.h"
#include "../base/hash.h"
#include "../catalog/catalog.h"
#include "../catalog/registration.h"
#include <stdio.h>
#include <string.h>

static const struct pw_service *own_service(const struct pw_api *api, const char *id)
{
	const struct pw_service *svc =
		pw_catalog_service(api->opt.store, /* peer= */ "", api->node_name, id);

	return svc && svc->agent ? svc : NULL;
}

struct registering {
	const struct pw_api *api;
	struct pw_registration reg;
};

/* The agent's own node row is left as it is; without one (it is made at start) the registration
 * brings it. */
static void fill_node(struct pw_tx *tx, const struct pw_api *api, struct pw_registration *reg)
{
	struct pw_node *n = &reg->node;

	free(n->name);
	n->name = pw_xstrdup(api->node_name);
	if (pw_catalog_node(pw_tx_store(tx), /* peer= */ "", api->node_name)) {
		reg->skip_node_update = true;
		return;
	}
	reg->skip_node_update = false;
	free(n->id);
	free(n->address);
	free(n->datacenter);
	n->id = pw_xstrdup(api->node_id);
	n->address = pw_xstrdup(api->advertise_lan);
	n->datacenter = pw_xstrdup(api->datacenter);
}

static int do_register(struct pw_tx *tx, void *arg, struct pw_err *err)
{
	struct registering *g = arg;

	fill_node(tx, g->api, &g->reg);
	return pw_catalog_register(tx, &g->reg, err);
}

int pw_h_agent_register(struct pw_request *r, struct pw_err *err)
{
	struct registering g = { .api = r->api };
	pw_autojson json_t *body = NULL;
	int rc;

	rc = pw_request_json(r, "Request decode failed", &body, err);
	if (rc == 0)
		rc = pw_agent_service_decode(body, r->api->node_name, &g.reg, err);
	if (rc < 0)
		return rc;
	g.reg.replace_checks = pw_request_flag(r, "replace-existing-checks");
	rc = pw_api_write(r->api, do_register, &g, err);
	pw_registration_clear(&g.reg);
	return rc < 0 ? rc : pw_reply_empty(r, 200);
}

struct deregistering {
	const struct pw_api *api;
	const char *id;
};

static int do_deregister(struct pw_tx *tx, void *arg, struct pw_err *err)
{
	const struct deregistering *d = arg;

	return pw_catalog_deregister(tx, /* peer= */ "", d->api->node_name, d->id,
				     /* check_id= */ NULL, err);
}

int pw_h_agent_deregister(struct pw_request *r, struct pw_err *err)
{
	struct deregistering d = { .api = r->api, .id = r->rest };
	int rc;

	if (!*r->rest || !own_service(r->api, r->rest))
		return pw_err_set(
			err, PW_ERR_NOT_FOUND, ENOENT,
			"Unknown service ID \"%s\". Ensure that the service ID is passed, not the service name.",
			r->rest);
	rc = pw_api_write(r->api, do_deregister, &d, err);
	return rc < 0 ? rc : pw_reply_empty(r, 200);
}

json_t *pw_agent_service_json(const struct pw_api *api, const struct pw_service *svc)
{
	json_t *v = pw_service_json(svc);
	json_t *upstreams = json_array();

	json_object_del(v, "PeerName");
	json_object_del(v, "CreateIndex");
	json_object_del(v, "ModifyIndex");
	if (pw_str_empty(svc->kind))
		json_object_del(v, "Proxy");
	if (!json_object_size(json_object_get(v, "Connect")))
		json_object_del(v, "Connect");
	if (!json_is_object(json_object_get(v, "Meta")))
		json_object_set_new(v, "Meta", json_object());
	for (size_t i = 0; i < svc->upstreams.n; i++)
		json_array_append_new(upstreams,
				      pw_schema_encode(&pw_upstream_schema, svc->upstreams.items[i],
						       /* flags= */ 0));
	if (json_array_size(upstreams))
		json_object_set(v, "Upstreams", upstreams);
	json_decref(upstreams);
	json_object_set_new(v, "Datacenter", json_string(api->datacenter));
	return v;
}

int pw_h_agent_services(struct pw_request *r, struct pw_err *err)
{
	pw_autofree char *prefix = pw_key(/* trailing= */ true, "", r->api->node_name, NULL);
	pw_autoiter struct pw_iter it = pw_store_iter(r->api->opt.store, PW_T_SERVICE, prefix);
	const struct pw_service *svc;
	json_t *rows = json_object();

	while ((svc = pw_iter_next(&it)))
		if (svc->agent)
			json_object_set_new(rows, svc->id, pw_agent_service_json(r->api, svc));
	return pw_reply_rows(r, rows, err);
}

#define HASH_LEN 17

static json_t *hashed_json(const struct pw_api *api, const struct pw_service *svc,
			   char ret_hash[HASH_LEN])
{
	json_t *v = pw_agent_service_json(api, svc);
	pw_autofree char *text = pw_json_dump(v);

	snprintf(ret_hash, HASH_LEN, "%016llx", (unsigned long long)pw_hash64(text, strlen(text)));
	return v;
}

/* A service that is gone is a change too: the client learns it at once. */
bool pw_agent_service_unchanged(const struct pw_request *r)
{
	const char *known = pw_request_param(r, "hash");
	const struct pw_service *svc = own_service(r->api, r->rest);
	char hash[HASH_LEN];

	if (pw_str_empty(known) || !svc)
		return false;
	json_decref(hashed_json(r->api, svc, hash));
	return pw_streq(known, hash);
}

int pw_h_agent_service(struct pw_request *r, struct pw_err *err)
{
	const struct pw_service *svc = own_service(r->api, r->rest);
	char hash[HASH_LEN];
	json_t *v;

	if (!svc)
		return pw_err_set(err, PW_ERR_NOT_FOUND, ENOENT, "unknown service ID: %s", r->rest);
	v = hashed_json(r->api, svc, hash);
	json_object_set_new(v, "ContentHash", json_string(hash));
	pw_reply_header(r, "X-Consul-ContentHash", hash);
	return pw_reply_json(r, 200, v);
}
