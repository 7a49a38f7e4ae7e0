// SPDX-License-Identifier: Apache-2.0
/* What a service must be to be registered. Texts are Consul's where it has one. */
#include "../base/addr.h"
#include "catalog_private.h"

#include <string.h>

static int refuse(struct pw_err *err, const char *text)
{
	return pw_err_set(err, PW_ERR_INTERNAL, EINVAL, "%s", text);
}

int catalog_check_name(const char *what, const char *name, struct pw_err *err)
{
	pw_autojson json_t *text = NULL;

	if (pw_str_empty(name))
		return pw_err_set(err, PW_ERR_INTERNAL, EINVAL, "%s must not be empty", what);
	if (strlen(name) > CATALOG_MAX_NAME)
		return pw_err_set(err, PW_ERR_INTERNAL, EINVAL, "%s is longer than %d bytes", what,
				  CATALOG_MAX_NAME);
	text = json_string(name);
	if (!text || pw_str_has_control(name))
		return pw_err_set(err, PW_ERR_INTERNAL, EINVAL,
				  "%s holds control characters or is not UTF-8", what);
	return 0;
}

static bool kind_known(const char *kind)
{
	static const char *const kinds[] = { "connect-proxy", "mesh-gateway", "terminating-gateway",
					     "ingress-gateway", "api-gateway" };

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (pw_streq(kind, kinds[i]))
			return true;
	return pw_str_empty(kind);
}

static bool is_default(const char *tenancy)
{
	return pw_str_empty(tenancy) || pw_streq(tenancy, "default");
}

int catalog_check_upstream(const struct pw_upstream *u, struct pw_err *err)
{
	if (pw_str_empty(u->destination_name))
		return refuse(err, "upstream destination name cannot be empty");
	if (strchr(u->destination_name, '*'))
		return refuse(
			err, "upstream destination name cannot contain the wildcard character '*'");
	if (!pw_str_empty(u->destination_peer) && !pw_str_empty(u->datacenter))
		return refuse(err, "upstream cannot specify both destination peer and datacenter");
	if (!is_default(u->destination_namespace) || !is_default(u->destination_partition))
		return refuse(
			err,
			"namespaces and partitions of upstreams are an enterprise-only feature");
	if (u->local_bind_port < 0 || u->local_bind_port > 65535)
		return refuse(err, "upstream local bind port must be between 1 and 65535");
	return 0;
}

static int check_upstreams(const struct pw_list *l, struct pw_err *err)
{
	for (size_t i = 0; i < l->n; i++) {
		int r = catalog_check_upstream(l->items[i], err);

		if (r < 0)
			return r;
	}
	return 0;
}

static int check_proxy(const struct pw_service *svc, struct pw_err *err)
{
	const char *destination = svc->proxy.destination_service_name;

	if (!pw_streq(svc->kind, "connect-proxy"))
		return 0;
	if (pw_str_empty(destination))
		return refuse(
			err,
			"Proxy.DestinationServiceName must be non-empty for Connect proxy services");
	if (pw_streq(destination, "*"))
		return refuse(
			err,
			"Proxy.DestinationServiceName must not be a wildcard for Connect proxy services");
	if (!svc->port && pw_str_empty(svc->socket_path))
		return refuse(err, "Port or SocketPath must be set for a Connect proxy");
	if (svc->connect.native)
		return refuse(err, "A Proxy cannot also be Connect Native, only typical services");
	return 0;
}

static int check_meta(const struct pw_map *m, struct pw_err *err)
{
	if (m->n > CATALOG_MAX_META)
		return pw_err_set(err, PW_ERR_INTERNAL, EINVAL,
				  "Service metadata cannot contain more than %d key/value pairs",
				  CATALOG_MAX_META);
	for (size_t i = 0; i < m->n; i++)
		if (strlen(m->items[i].key) > 128 ||
		    strlen(pw_str_or_empty(m->items[i].value)) > 512)
			return pw_err_set(
				err, PW_ERR_INTERNAL, EINVAL,
				"Service metadata \"%.128s\" is too long (limit: 128 bytes of key, 512 of value)",
				m->items[i].key);
	return 0;
}

static int check_place(const struct pw_service *svc, struct pw_err *err)
{
	struct pw_addr addr;

	if (svc->port < 0 || svc->port > 65535)
		return refuse(err, "Invalid service port: it must be between 0 and 65535");
	if (!pw_str_empty(svc->address) && pw_addr_parse(svc->address, 0, &addr) == 0 &&
	    pw_addr_is_unspecified(&addr))
		return refuse(err, "Invalid service address");
	if (svc->weights.passing < 0 || svc->weights.passing > 65535 || svc->weights.warning < 0 ||
	    svc->weights.warning > 65535)
		return refuse(err, "Invalid service weights: they must be between 0 and 65535");
	if (!svc->weights.passing && svc->weights.warning)
		return refuse(err, "Passing must be greater than 0");
	return 0;
}

int catalog_check_service(const struct pw_service *svc, struct pw_err *err)
{
	int r;

	if (pw_str_empty(svc->name))
		return refuse(
			err,
			pw_str_empty(svc->id)
				? "Must provide service name"
				: "Must provide service name (Service.Service) when service ID is provided");
	if (!kind_known(svc->kind))
		return pw_err_set(err, PW_ERR_INTERNAL, EINVAL,
				  "unsupported service kind \"%.64s\"", svc->kind);
	r = catalog_check_name("the service name", svc->name, err);
	if (r == 0 && !pw_str_empty(svc->id))
		r = catalog_check_name("the service ID", svc->id, err);
	if (r == 0)
		r = check_place(svc, err);
	if (r == 0)
		r = check_meta(&svc->meta, err);
	if (r == 0)
		r = check_proxy(svc, err);
	if (r == 0)
		r = check_upstreams(&svc->proxy.upstreams, err);
	if (r == 0)
		r = check_upstreams(&svc->upstreams, err);
	return r;
}
