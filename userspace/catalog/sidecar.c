// SPDX-License-Identifier: Apache-2.0
/*
 * connect { sidecar_service {} }: a proxy is registered beside the service, with Consul's defaults.
 * The proxy itself is somebody else's process; we only tell peers and callers where it listens.
 */
#include "catalog_private.h"
#include "decode_private.h"

#include <string.h>

char *catalog_sidecar_id(const char *service_id)
{
	return pw_xasprintf("%s-sidecar-proxy", pw_str_or_empty(service_id));
}

static bool port_taken(const struct pw_store *s, const char *node, const char *id, int64_t port)
{
	pw_autofree char *local = pw_key(/* trailing= */ true, /* peer= */ "", NULL);
	pw_autoiter struct pw_iter it = pw_store_iter_part(s, PW_T_SERVICE, local);
	const struct pw_service *svc;

	while ((svc = pw_iter_next(&it)))
		if (svc->port == port && pw_streq(svc->node, node) && !pw_streq(svc->id, id))
			return true;
	return false;
}

/* One that is registered already keeps its port: the proxy listens there. */
static int choose_port(const struct pw_store *s, const char *node, struct pw_service *sidecar,
		       struct pw_err *err)
{
	const struct pw_service *old = pw_catalog_service(s, /* peer= */ "", node, sidecar->id);

	if (sidecar->port)
		return 0;
	if (old && old->port) {
		sidecar->port = old->port;
		return 0;
	}
	for (int64_t port = PW_SIDECAR_PORT_MIN; port <= PW_SIDECAR_PORT_MAX; port++)
		if (!port_taken(s, node, sidecar->id, port)) {
			sidecar->port = port;
			return 0;
		}
	return pw_err_set(
		err, PW_ERR_INTERNAL, ENOSPC,
		"no port between %d and %d is free for a sidecar: name one in SidecarService.Port",
		PW_SIDECAR_PORT_MIN, PW_SIDECAR_PORT_MAX);
}

static void default_str(char **field, const char *value)
{
	if (!pw_str_empty(*field))
		return;
	free(*field);
	*field = pw_xstrdup(value);
}

static void fill(struct pw_service *sidecar, const struct pw_service *svc)
{
	default_str(&sidecar->kind, "connect-proxy");
	default_str(&sidecar->address, svc->address);
	default_str(&sidecar->proxy.destination_service_name, svc->name);
	default_str(&sidecar->proxy.destination_service_id, svc->id);
	if (svc->port && !sidecar->proxy.local_service_port) {
		sidecar->proxy.local_service_port = svc->port;
		default_str(&sidecar->proxy.local_service_address, "127.0.0.1");
	}
	if (!sidecar->tags.n)
		pw_strv_copy(&sidecar->tags, &svc->tags);
	if (!sidecar->meta.n)
		pw_map_copy(&sidecar->meta, &svc->meta);
}

/*
 * The block as a definition of its own. Kind and ID are not for the user to choose; the port is set
 * later, since an absent one is chosen.
 */
static json_t *definition(const struct pw_service *svc, const char *id, int64_t *ret_port)
{
	pw_autofree char *name = pw_xasprintf("%s-sidecar-proxy", svc->name);
	json_t *v = json_object(), *value;
	bool named = false;
	const char *key;

	*ret_port = 0;
	json_object_foreach(svc->connect.sidecar_service, key, value)
	{
		named |= decode_key_is(key, "Name");
		if (decode_key_is(key, "Port") && json_is_integer(value))
			*ret_port = json_integer_value(value);
		else if (!decode_key_is(key, "Kind") && !decode_key_is(key, "ID"))
			json_object_set(v, key, value);
	}
	json_object_set_new(v, "ID", json_string(id));
	if (!named)
		json_object_set_new(v, "Name", json_string(name));
	return v;
}

/* Without checks of its own the proxy counts as up while it accepts connections. */
static int add_default_check(struct pw_registration *r, struct pw_err *err)
{
	pw_autofree char *tcp = NULL;
	pw_autojson json_t *check = NULL;
	const struct pw_service *svc = r->service;
	const char *host = pw_str_empty(svc->address) ? "127.0.0.1" : svc->address;

	if (r->checks.n)
		return 0;
	tcp = pw_xasprintf(strchr(host, ':') ? "[%s]:%d" : "%s:%d", host, (int)svc->port);
	check = json_pack("{s:s, s:s, s:s}", "Name", "Connect Sidecar Listening", "TCP", tcp,
			  "Interval", "10s");
	return decode_agent_checks(svc, check, /* checks= */ NULL, &r->checks, err);
}

static int make(const struct pw_store *s, const struct pw_service *svc, const char *node,
		struct pw_registration *r, struct pw_err *err)
{
	pw_autofree char *id = catalog_sidecar_id(svc->id);
	pw_autojson json_t *v = NULL;
	int64_t port;
	int rc;

	v = definition(svc, id, &port);
	rc = pw_agent_service_decode(v, node, r, err);
	if (rc < 0)
		return rc;
	if (r->service->connect.sidecar_service)
		return pw_err_set(err, PW_ERR_BAD_REQUEST, EINVAL, "a sidecar has no sidecar");
	r->service->port = port;
	r->replace_checks = true;
	fill(r->service, svc);
	rc = choose_port(s, node, r->service, err);
	return rc < 0 ? rc : add_default_check(r, err);
}

int catalog_sidecar_make(const struct pw_store *s, const struct pw_service *svc, const char *node,
			 struct pw_registration **ret, struct pw_err *err)
{
	pw_cleanup(pw_registration_clear) struct pw_registration r = { 0 };
	int rc;

	if (!svc->connect.sidecar_service)
		return 0;
	if (!json_is_object(svc->connect.sidecar_service))
		return pw_err_set(err, PW_ERR_BAD_REQUEST, EINVAL,
				  "Connect.SidecarService must be an object");
	rc = make(s, svc, node, &r, err);
	if (rc < 0)
		return pw_err_prefix(err, "Connect.SidecarService");
	*ret = pw_new0(struct pw_registration);
	**ret = r;
	r = (struct pw_registration){ 0 };
	return 0;
}
