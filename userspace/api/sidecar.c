// SPDX-License-Identifier: Apache-2.0
#include "sidecar.h"
#include <ctype.h>
#include <string.h>

/* As the schemas match keys: without regard to case and underscores. */
static bool same_key(const char *a, const char *b)
{
	for (;;) {
		a += strspn(a, "_");
		b += strspn(b, "_");
		if (tolower((unsigned char)*a) != tolower((unsigned char)*b))
			return false;
		if (!*a)
			return true;
		a++;
		b++;
	}
}

static json_t *find(json_t *o, const char *name)
{
	const char *key;
	json_t *v;

	json_object_foreach(o, key, v)
	{
		if (same_key(key, name))
			return v;
	}
	return NULL;
}

static void set_default(json_t *o, const char *key, json_t *value)
{
	if (find(o, key))
		json_decref(value);
	else
		json_object_set_new(o, key, value);
}

/* The port of this sidecar if it is registered already, else the first free one; 0: all are taken.
 */
static int choose_port(const struct pw_store *s, const char *node, const char *id)
{
	pw_autofree char *prefix = pw_key(/* trailing= */ true, "", node, NULL);
	pw_autoiter struct pw_iter it = pw_store_iter(s, PW_T_SERVICE, prefix);
	bool used[PW_SIDECAR_LAST_PORT - PW_SIDECAR_FIRST_PORT + 1] = { false };
	const struct pw_service *svc;

	while ((svc = pw_iter_next(&it))) {
		if (svc->port < PW_SIDECAR_FIRST_PORT || svc->port > PW_SIDECAR_LAST_PORT)
			continue;
		if (pw_streq(svc->id, id))
			return (int)svc->port;
		used[svc->port - PW_SIDECAR_FIRST_PORT] = true;
	}
	for (size_t i = 0; i < ARRAY_SIZE(used); i++)
		if (!used[i])
			return PW_SIDECAR_FIRST_PORT + (int)i;
	return 0;
}

static void set_proxy(json_t *body, const struct pw_service *svc)
{
	json_t *proxy;

	set_default(body, "Proxy", json_object());
	proxy = find(body, "Proxy");
	set_default(proxy, "DestinationServiceName", json_string(svc->name));
	set_default(proxy, "DestinationServiceID", json_string(svc->id));
	if (!svc->port)
		return;
	set_default(proxy, "LocalServiceAddress", json_string("127.0.0.1"));
	set_default(proxy, "LocalServicePort", json_integer(svc->port));
}

static void set_check(json_t *body)
{
	const char *address = json_string_value(find(body, "Address"));
	json_int_t port = json_integer_value(find(body, "Port"));

	if (find(body, "Check") || find(body, "Checks"))
		return;
	json_object_set_new(body, "Check",
			    json_pack("{s:s, s:o, s:s}", "Name", "Connect Sidecar Listening", "TCP",
				      json_sprintf("%s:%lld",
						   pw_str_empty(address) ? "127.0.0.1" : address,
						   (long long)port),
				      "Interval", "10s"));
}

int pw_sidecar_registration(const struct pw_store *s, const char *node,
			    const struct pw_service *svc, struct pw_registration *ret,
			    struct pw_err *err)
{
	pw_autofree char *id = pw_xasprintf("%s" PW_SIDECAR_SUFFIX, svc->id);
	pw_autojson json_t *body = json_deep_copy(svc->connect.sidecar_service);
	int rc;

	set_default(body, "Name", json_sprintf("%s" PW_SIDECAR_SUFFIX, svc->name));
	set_default(body, "ID", json_string(id));
	set_default(body, "Kind", json_string("connect-proxy"));
	set_proxy(body, svc);
	if (!find(body, "Port")) {
		int port = choose_port(s, node, id);

		if (!port)
			return pw_err_set(err, PW_ERR_BAD_REQUEST, EADDRINUSE,
					  "no free port for the sidecar of \"%s\" in %d to %d",
					  svc->id, PW_SIDECAR_FIRST_PORT, PW_SIDECAR_LAST_PORT);
		json_object_set_new(body, "Port", json_integer(port));
	}
	set_check(body);
	rc = pw_agent_service_decode(body, node, ret, err);
	return rc < 0 ? pw_err_prefix(err, "sidecar_service") : 0;
}
