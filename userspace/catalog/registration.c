// SPDX-License-Identifier: Apache-2.0
/* PUT /v1/catalog/register. */
#include "decode_private.h"

#include <ctype.h>

static const struct pw_field connect_fields[] = {
	PW_FIELD(struct pw_connect, "Native", native, PW_F_BOOL, 0),
	PW_FIELD(struct pw_connect, "SidecarService", sidecar_service, PW_F_JSON, 0),
};
const struct pw_schema decode_connect_schema =
	PW_SCHEMA("ServiceConnect", struct pw_connect, connect_fields);

bool decode_key_is(const char *key, const char *name)
{
	for (;; key++, name++) {
		while (*key == '_')
			key++;
		if (tolower((unsigned char)*key) != tolower((unsigned char)*name))
			return false;
		if (!*key)
			return true;
	}
}

int decode_failed(struct pw_err *err)
{
	return pw_err_prefix(err, "Request decode failed");
}

static bool is_default(const char *tenancy)
{
	return pw_str_empty(tenancy) || pw_streq(tenancy, "default");
}

int decode_extra_check(const struct decode_extra *e, struct pw_err *err)
{
	if (!pw_str_empty(e->peer))
		return pw_err_set(err, PW_ERR_INTERNAL, EINVAL,
				  "cannot register requests with PeerName in them");
	if (!is_default(e->ns))
		return pw_err_set(err, PW_ERR_BAD_REQUEST, EINVAL,
				  "Namespaces are a Consul Enterprise feature");
	if (!is_default(e->partition))
		return pw_err_set(err, PW_ERR_BAD_REQUEST, EINVAL,
				  "Partitions are a Consul Enterprise feature");
	return 0;
}

static const struct pw_field address_fields[] = {
	PW_FIELD(struct pw_service_address, "Address", address, PW_F_STR, 0),
	PW_FIELD(struct pw_service_address, "Port", port, PW_F_INT, 0),
};
static const struct pw_schema address_schema =
	PW_SCHEMA("ServiceAddress", struct pw_service_address, address_fields);

int decode_tagged_addresses(const json_t *map, struct pw_list *ret, struct pw_err *err)
{
	const char *tag;
	json_t *value;

	if (!map || json_is_null(map))
		return 0;
	if (!json_is_object(map))
		return pw_err_set(
			err, PW_ERR_BAD_REQUEST, EINVAL,
			"json: TaggedAddresses must be an object of tags, each with Address and Port");
	json_object_foreach((json_t *)map, tag, value)
	{
		struct pw_service_address *a = pw_new0(struct pw_service_address);
		int r;

		pw_list_add(ret, a);
		r = pw_schema_decode(&address_schema, value, /* flags= */ 0, a, err);
		if (r < 0)
			return r;
		a->tag = pw_xstrdup(tag);
		if (a->port < 0 || a->port > 65535)
			return pw_err_set(err, PW_ERR_BAD_REQUEST, EINVAL,
					  "TaggedAddresses[%s].Port must be between 0 and 65535",
					  tag);
	}
	return 0;
}

/* --- service -------------------------------------------------------------------------------- */

struct service_body {
	struct pw_service svc;
	struct decode_extra extra;
};
static const struct pw_field service_fields[] = {
	PW_FIELD(struct service_body, "Kind", svc.kind, PW_F_STR, 0),
	PW_FIELD(struct service_body, "ID", svc.id, PW_F_STR, 0),
	PW_FIELD(struct service_body, "Service", svc.name, PW_F_STR, 0),
	PW_FIELD(struct service_body, "Tags", svc.tags, PW_F_STRV, 0),
	PW_FIELD(struct service_body, "Address", svc.address, PW_F_STR, 0),
	PW_FIELD(struct service_body, "TaggedAddresses", extra.tagged_addresses, PW_F_JSON, 0),
	PW_FIELD(struct service_body, "Meta", svc.meta, PW_F_MAP, 0),
	PW_FIELD(struct service_body, "Port", svc.port, PW_F_INT, 0),
	PW_FIELD(struct service_body, "SocketPath", svc.socket_path, PW_F_STR, 0),
	PW_FIELD_SUB(struct service_body, "Weights", svc.weights, PW_F_OBJECT, 0,
		     &pw_weights_schema),
	PW_FIELD(struct service_body, "EnableTagOverride", svc.enable_tag_override, PW_F_BOOL, 0),
	PW_FIELD_SUB(struct service_body, "Proxy", svc.proxy, PW_F_OBJECT, 0, &pw_proxy_schema),
	PW_FIELD_SUB(struct service_body, "Connect", svc.connect, PW_F_OBJECT, 0,
		     &decode_connect_schema),
	PW_FIELD(struct service_body, "Locality", svc.locality, PW_F_JSON, 0),
	EXTRA_FIELDS(struct service_body),
	IGNORED(struct service_body, "Datacenter"),
	IGNORED(struct service_body, "ContentHash"),
	IGNORED(struct service_body, "CreateIndex"),
	IGNORED(struct service_body, "ModifyIndex"),
};
static const struct pw_schema service_schema =
	PW_SCHEMA("NodeService", struct service_body, service_fields);

static void clear_service(struct service_body *b)
{
	pw_schema_list_clear(&pw_service_address_schema, &b->svc.tagged_addresses);
	pw_schema_clear(&service_schema, b);
}

static int decode_service(const json_t *v, struct pw_registration *r, struct pw_err *err)
{
	pw_cleanup(clear_service) struct service_body b = { 0 };
	int rc = pw_schema_decode(&service_schema, v, PW_DECODE_STRICT, &b, err);

	if (rc == 0)
		rc = decode_tagged_addresses(b.extra.tagged_addresses, &b.svc.tagged_addresses,
					     err);
	if (rc < 0)
		return decode_failed(err);
	rc = decode_extra_check(&b.extra, err);
	if (rc < 0)
		return rc;
	r->service = pw_new0(struct pw_service);
	pw_schema_move(&pw_service_schema, r->service, &b.svc);
	return 0;
}

/* --- check ---------------------------------------------------------------------------------- */

struct check_body {
	struct pw_check check;
	struct decode_extra extra;
};
static const struct pw_field check_fields[] = {
	PW_FIELD(struct check_body, "Node", check.node, PW_F_STR, 0),
	PW_FIELD(struct check_body, "CheckID", check.id, PW_F_STR, 0),
	PW_FIELD(struct check_body, "Name", check.name, PW_F_STR, 0),
	PW_FIELD(struct check_body, "Status", check.status, PW_F_STR, 0),
	PW_FIELD(struct check_body, "Notes", check.notes, PW_F_STR, 0),
	PW_FIELD(struct check_body, "Output", check.output, PW_F_STR, 0),
	PW_FIELD(struct check_body, "ServiceID", check.service_id, PW_F_STR, 0),
	PW_FIELD(struct check_body, "ServiceName", check.service_name, PW_F_STR, 0),
	PW_FIELD(struct check_body, "ServiceTags", check.service_tags, PW_F_STRV, 0),
	PW_FIELD(struct check_body, "Type", check.type, PW_F_STR, 0),
	PW_FIELD(struct check_body, "Interval", check.interval, PW_F_STR, 0),
	PW_FIELD(struct check_body, "Timeout", check.timeout, PW_F_STR, 0),
	PW_FIELD(struct check_body, "Definition", check.definition, PW_F_JSON, 0),
	EXTRA_FIELDS(struct check_body),
	IGNORED(struct check_body, "ExposedPort"),
	IGNORED(struct check_body, "CreateIndex"),
	IGNORED(struct check_body, "ModifyIndex"),
};
static const struct pw_schema check_schema =
	PW_SCHEMA("HealthCheck", struct check_body, check_fields);

static void clear_check(struct check_body *b)
{
	pw_schema_clear(&check_schema, b);
}

static bool is_zero(const json_t *v)
{
	const char *s = json_string_value(v);

	return json_is_null(v) || json_is_false(v) || (s && (!*s || pw_streq(s, "0s"))) ||
	       (json_is_number(v) && json_number_value(v) == 0) ||
	       (json_is_array(v) && !json_array_size(v)) ||
	       (json_is_object(v) && !json_object_size(v));
}

/* Clients send every field of a definition; only those that say something are kept, as Consul shows
 * it. */
static void trim_definition(json_t *definition)
{
	const char *key;
	json_t *value;
	void *next;

	json_object_foreach_safe(definition, next, key, value) if (is_zero(value))
		json_object_del(definition, key);
}

static int decode_check(const json_t *v, struct pw_registration *r, struct pw_err *err)
{
	pw_cleanup(clear_check) struct check_body b = { 0 };
	struct pw_check *c;
	int rc = pw_schema_decode(&check_schema, v, PW_DECODE_STRICT, &b, err);

	if (rc < 0)
		return decode_failed(err);
	rc = decode_extra_check(&b.extra, err);
	if (rc < 0)
		return rc;
	trim_definition(b.check.definition);
	c = pw_new0(struct pw_check);
	pw_schema_move(&pw_check_schema, c, &b.check);
	pw_list_add(&r->checks, c);
	return 0;
}

/* --- body ----------------------------------------------------------------------------------- */

struct body {
	struct pw_node node;
	bool skip_node_update;
	json_t *service;
	json_t *check;
	json_t *checks;
	struct decode_extra extra;
};
static const struct pw_field body_fields[] = {
	PW_FIELD(struct body, "Datacenter", node.datacenter, PW_F_STR, 0),
	PW_FIELD(struct body, "ID", node.id, PW_F_STR, 0),
	PW_FIELD(struct body, "Node", node.name, PW_F_STR, 0),
	PW_FIELD(struct body, "Address", node.address, PW_F_STR, 0),
	PW_FIELD(struct body, "TaggedAddresses", node.tagged_addresses, PW_F_MAP, 0),
	PW_FIELD(struct body, "NodeMeta", node.meta, PW_F_MAP, 0),
	PW_FIELD(struct body, "Service", service, PW_F_JSON, 0),
	PW_FIELD(struct body, "Check", check, PW_F_JSON, 0),
	PW_FIELD(struct body, "Checks", checks, PW_F_JSON, 0),
	PW_FIELD(struct body, "SkipNodeUpdate", skip_node_update, PW_F_BOOL, 0),
	PW_FIELD(struct body, "Locality", node.locality, PW_F_JSON, 0),
	EXTRA_FIELDS(struct body),
};
static const struct pw_schema body_schema = PW_SCHEMA("RegisterRequest", struct body, body_fields);

static void clear_body(struct body *b)
{
	pw_schema_clear(&body_schema, b);
}

static int decode_parts(struct body *b, struct pw_registration *r, struct pw_err *err)
{
	json_t *check;
	size_t i;
	int rc = 0;

	if (b->service && !json_is_null(b->service))
		rc = decode_service(b->service, r, err);
	if (rc == 0 && b->check && !json_is_null(b->check))
		rc = decode_check(b->check, r, err);
	if (rc == 0 && b->checks && !json_is_array(b->checks) && !json_is_null(b->checks)) {
		pw_err_set(err, PW_ERR_BAD_REQUEST, EINVAL, "json: Checks must be a list");
		return decode_failed(err);
	}
	json_array_foreach(b->checks, i, check)
	{
		if (rc < 0)
			break;
		rc = decode_check(check, r, err);
	}
	return rc;
}

int pw_registration_decode(const json_t *body, struct pw_registration *ret, struct pw_err *err)
{
	pw_cleanup(clear_body) struct body b = { 0 };
	pw_cleanup(pw_registration_clear) struct pw_registration r = { 0 };
	int rc = pw_schema_decode(&body_schema, body, PW_DECODE_STRICT, &b, err);

	if (rc < 0)
		return decode_failed(err);
	rc = decode_extra_check(&b.extra, err);
	if (rc == 0)
		rc = decode_parts(&b, &r, err);
	if (rc < 0)
		return rc;
	pw_schema_move(&pw_node_schema, &r.node, &b.node);
	r.skip_node_update = b.skip_node_update;
	*ret = r;
	r = (struct pw_registration){ 0 };
	return 0;
}
