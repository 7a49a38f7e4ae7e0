// SPDX-License-Identifier: Apache-2.0
/* PUT /v1/agent/service/register and `service {}` blocks. */
#include "../base/addr.h"
#include "catalog_private.h"
#include "decode_private.h"

#include <string.h>

struct agent_body {
	struct pw_service svc;
	json_t *check;
	json_t *checks;
	struct decode_extra extra;
};
static const struct pw_field body_fields[] = {
	PW_FIELD(struct agent_body, "Name", svc.name, PW_F_STR, 0),
	PW_FIELD(struct agent_body, "ID", svc.id, PW_F_STR, 0),
	PW_FIELD(struct agent_body, "Kind", svc.kind, PW_F_STR, 0),
	PW_FIELD(struct agent_body, "Tags", svc.tags, PW_F_STRV, 0),
	PW_FIELD(struct agent_body, "Address", svc.address, PW_F_STR, 0),
	PW_FIELD(struct agent_body, "TaggedAddresses", extra.tagged_addresses, PW_F_JSON, 0),
	PW_FIELD(struct agent_body, "Meta", svc.meta, PW_F_MAP, 0),
	PW_FIELD(struct agent_body, "Port", svc.port, PW_F_INT, 0),
	PW_FIELD(struct agent_body, "SocketPath", svc.socket_path, PW_F_STR, 0),
	PW_FIELD(struct agent_body, "Check", check, PW_F_JSON, 0),
	PW_FIELD(struct agent_body, "Checks", checks, PW_F_JSON, 0),
	PW_FIELD_SUB(struct agent_body, "Weights", svc.weights, PW_F_OBJECT, 0, &pw_weights_schema),
	PW_FIELD(struct agent_body, "EnableTagOverride", svc.enable_tag_override, PW_F_BOOL, 0),
	PW_FIELD_SUB(struct agent_body, "Proxy", svc.proxy, PW_F_OBJECT, 0, &pw_proxy_schema),
	PW_FIELD_SUB(struct agent_body, "Connect", svc.connect, PW_F_OBJECT, 0,
		     &decode_connect_schema),
	PW_FIELD_SUB(struct agent_body, "Upstreams", svc.upstreams, PW_F_LIST, 0,
		     &pw_upstream_schema),
	PW_FIELD(struct agent_body, "Locality", svc.locality, PW_F_JSON, 0),
	EXTRA_FIELDS(struct agent_body),
};
static const struct pw_schema body_schema =
	PW_SCHEMA("ServiceDefinition", struct agent_body, body_fields);

static void clear_body(struct agent_body *b)
{
	pw_schema_list_clear(&pw_service_address_schema, &b->svc.tagged_addresses);
	pw_schema_clear(&body_schema, b);
}

static int bad(struct pw_err *err, const char *text)
{
	return pw_err_set(err, PW_ERR_BAD_REQUEST, EINVAL, "%s", text);
}

/* --- upstreams that the gateway serves ------------------------------------------------------ */

static bool same_listener(const struct pw_upstream *a, const struct pw_upstream *b)
{
	const char *ip_a =
		pw_str_empty(a->local_bind_address) ? "127.0.0.1" : a->local_bind_address;
	const char *ip_b =
		pw_str_empty(b->local_bind_address) ? "127.0.0.1" : b->local_bind_address;

	return a->local_bind_port == b->local_bind_port && pw_streq(ip_a, ip_b);
}

static int check_own_upstream(const struct pw_upstream *u, struct pw_err *err)
{
	struct pw_addr addr;
	int r = catalog_check_upstream(u, err);

	if (r < 0)
		return r;
	if (u->local_bind_port < 1)
		return bad(err, "upstream local bind port must be between 1 and 65535");
	if (!pw_str_empty(u->local_bind_address) &&
	    pw_addr_parse(u->local_bind_address, (uint16_t)u->local_bind_port, &addr) < 0)
		return pw_err_set(err, PW_ERR_BAD_REQUEST, EINVAL,
				  "upstream local bind address \"%.64s\" is not an IP address",
				  u->local_bind_address);
	if (!pw_str_empty(u->datacenter))
		return bad(err, "upstreams in other datacenters are not supported: use a peer");
	if (!pw_str_empty(u->destination_type) && !pw_streq(u->destination_type, "service"))
		return pw_err_set(
			err, PW_ERR_BAD_REQUEST, EINVAL,
			"upstream destination type \"%.64s\" is not supported: use service",
			u->destination_type);
	return 0;
}

static int check_own_upstreams(const struct pw_service *svc, struct pw_err *err)
{
	const struct pw_list *l = &svc->upstreams;

	if (l->n && !pw_str_empty(svc->kind))
		return bad(
			err,
			"Upstreams are for ordinary services: a proxy has its own in Proxy.Upstreams");
	for (size_t i = 0; i < l->n; i++) {
		int r = check_own_upstream(l->items[i], err);

		if (r < 0)
			return pw_err_prefix(err, "Upstreams[%zu]", i);
		for (size_t j = 0; j < i; j++)
			if (same_listener(l->items[i], l->items[j]))
				return pw_err_set(
					err, PW_ERR_BAD_REQUEST, EINVAL,
					"Upstreams[%zu] and Upstreams[%zu] listen at the same address and port",
					j, i);
	}
	return 0;
}

/* --- the whole ------------------------------------------------------------------------------ */

static int validate(struct pw_registration *r, struct pw_err *err)
{
	int rc = catalog_check_service(r->service, err);

	if (rc == 0)
		rc = check_own_upstreams(r->service, err);
	if (rc == 0 && r->service->connect.sidecar_service &&
	    (r->service->connect.native || !pw_str_empty(r->service->kind)))
		rc = bad(
			err,
			"Connect.SidecarService is for ordinary services that are not Connect.Native");
	if (rc < 0) {
		pw_err_prefix(err, "Validation failed");
		if (err)
			err->class = PW_ERR_BAD_REQUEST;
	}
	return rc;
}

/* false and null say that there is none; an empty object asks for one with defaults. */
static void trim_sidecar(struct pw_connect *c)
{
	if (c->sidecar_service &&
	    (json_is_null(c->sidecar_service) || json_is_false(c->sidecar_service)))
		pw_json_decrefp(&c->sidecar_service);
	else if (json_is_object(c->sidecar_service) && !json_object_size(c->sidecar_service))
		/* An empty object would be stored as absent. */
		json_object_set_new(c->sidecar_service, "Port", json_integer(0));
}

int pw_agent_service_decode(const json_t *body, const char *node, struct pw_registration *ret,
			    struct pw_err *err)
{
	pw_cleanup(clear_body) struct agent_body b = { 0 };
	pw_cleanup(pw_registration_clear) struct pw_registration r = { 0 };
	int rc = pw_schema_decode(&body_schema, body, /* flags= */ 0, &b, err);

	if (rc == 0)
		rc = decode_tagged_addresses(b.extra.tagged_addresses, &b.svc.tagged_addresses,
					     err);
	if (rc < 0)
		return decode_failed(err);
	rc = decode_extra_check(&b.extra, err);
	if (rc < 0)
		return rc;
	if (pw_str_empty(b.svc.name))
		return bad(err, "Missing service name");
	r.service = pw_new0(struct pw_service);
	pw_schema_move(&pw_service_schema, r.service, &b.svc);
	if (pw_str_empty(r.service->id)) {
		free(r.service->id);
		r.service->id = pw_xstrdup(r.service->name);
	}
	trim_sidecar(&r.service->connect);
	rc = validate(&r, err);
	if (rc == 0)
		rc = decode_agent_checks(r.service, b.check, b.checks, &r.checks, err);
	if (rc < 0)
		return rc;
	r.service->agent = true;
	r.node.name = pw_xstrdup(node);
	r.skip_node_update = true;
	*ret = r;
	r = (struct pw_registration){ 0 };
	return 0;
}
