// SPDX-License-Identifier: Apache-2.0
#include "internal.h"
#include <string.h>

#define CATALOG (PW_BIT(PW_T_NODE) | PW_BIT(PW_T_SERVICE))
#define HEALTH	(CATALOG | PW_BIT(PW_T_CHECK))
#define CONFIG	PW_BIT(PW_T_CONFIG)
#define PEERING PW_BIT(PW_T_PEERING)
#define LEADER	PW_ROUTE_CONSISTENCY

/* Rows of one path stand together: their order is that of the Allow header. */
static const struct pw_route routes[] = {
	{ PW_GET, "/v1/peerings", pw_h_peerings, "peering:read", PEERING },
	{ PW_POST, "/v1/peering/token", pw_h_peering_token, "peering:write" },
	{ PW_POST, "/v1/peering/establish", pw_h_peering_establish, "peering:write" },
	{ PW_GET, "/v1/peering/", pw_h_peering_read, "peering:read", PEERING },
	{ PW_DELETE, "/v1/peering/", pw_h_peering_delete, "peering:write" },

	{ PW_PUT, "/v1/catalog/register", pw_h_catalog_register, "node:write" },
	{ PW_PUT, "/v1/catalog/deregister", pw_h_catalog_deregister, "node:write" },
	{ PW_GET, "/v1/catalog/datacenters", pw_h_catalog_datacenters, NULL },
	{ PW_GET, "/v1/catalog/services", pw_h_catalog_services, "service:read", CATALOG, LEADER },
	{ PW_GET, "/v1/catalog/service/", pw_h_catalog_service, "service:read", CATALOG, LEADER },
	{ PW_GET, "/v1/catalog/connect/", pw_h_catalog_connect, "service:read", CATALOG, LEADER },
	{ PW_GET, "/v1/catalog/nodes", pw_h_catalog_nodes, "node:read", CATALOG, LEADER },
	{ PW_GET, "/v1/catalog/node/", pw_h_catalog_node, "node:read", CATALOG, LEADER },
	{ PW_GET, "/v1/catalog/node-services/", pw_h_catalog_node_services, "node:read", CATALOG,
	  LEADER },

	{ PW_GET, "/v1/health/service/", pw_h_health_service, "service:read", HEALTH, LEADER },
	{ PW_GET, "/v1/health/connect/", pw_h_health_connect, "service:read", HEALTH, LEADER },
	{ PW_GET, "/v1/health/ingress/", pw_h_health_ingress, "service:read", HEALTH, LEADER },
	{ PW_GET, "/v1/health/node/", pw_h_health_node, "node:read", HEALTH, LEADER },
	{ PW_GET, "/v1/health/checks/", pw_h_health_checks, "service:read", HEALTH, LEADER },
	{ PW_GET, "/v1/health/state/", pw_h_health_state, "service:read", HEALTH, LEADER },

	{ PW_PUT, "/v1/agent/service/register", pw_h_agent_register, "service:write" },
	{ PW_PUT, "/v1/agent/service/deregister/", pw_h_agent_deregister, "service:write" },
	{ PW_GET, "/v1/agent/services", pw_h_agent_services, "service:read" },
	{ PW_GET, "/v1/agent/service/", pw_h_agent_service, "service:read", PW_BIT(PW_T_SERVICE), 0,
	  pw_agent_service_unchanged },
	{ PW_GET, "/v1/agent/checks", pw_h_agent_checks, "service:read" },
	{ PW_PUT, "/v1/agent/check/pass/", pw_h_agent_check_pass, "service:write" },
	{ PW_PUT, "/v1/agent/check/warn/", pw_h_agent_check_warn, "service:write" },
	{ PW_PUT, "/v1/agent/check/fail/", pw_h_agent_check_fail, "service:write" },
	{ PW_PUT, "/v1/agent/check/update/", pw_h_agent_check_update, "service:write" },
	{ PW_GET, "/v1/agent/health/service/name/", pw_h_agent_health_name, "service:read" },
	{ PW_GET, "/v1/agent/health/service/id/", pw_h_agent_health_id, "service:read" },
	{ PW_GET, "/v1/agent/connect/ca/roots", pw_h_ca_roots, NULL, PW_BIT(PW_T_CA_ROOT) },
	{ PW_GET, "/v1/agent/connect/ca/leaf/", pw_h_ca_leaf, "service:write",
	  PW_BIT(PW_T_CA_ROOT) },
	{ PW_POST, "/v1/agent/connect/authorize", pw_h_authorize, "service:write" },
	{ PW_GET, "/v1/agent/self", pw_h_self, "agent:read" },
	{ PW_GET, "/v1/agent/members", pw_h_members, "node:read" },
	{ PW_GET, "/v1/agent/flows", pw_h_flows, "agent:read" },
	{ PW_GET, "/v1/agent/gateway", pw_h_gateway, "agent:read" },

	{ PW_PUT, "/v1/config", pw_h_config_put, "mesh:write", 0, PW_ROUTE_BIG_BODY },
	{ PW_GET, "/v1/config/", pw_h_config_get, "mesh:read", CONFIG },
	{ PW_DELETE, "/v1/config/", pw_h_config_delete, "mesh:write" },

	{ PW_GET, "/v1/connect/intentions", pw_h_intentions, "intentions:read", CONFIG },
	{ PW_GET, "/v1/connect/intentions/match", pw_h_intention_match, "intentions:read", CONFIG,
	  LEADER },
	{ PW_GET, "/v1/connect/intentions/check", pw_h_intention_check, "intentions:read" },
	{ PW_GET, "/v1/connect/intentions/exact", pw_h_intention_get, "intentions:read", CONFIG },
	{ PW_PUT, "/v1/connect/intentions/exact", pw_h_intention_put, "intentions:write" },
	{ PW_DELETE, "/v1/connect/intentions/exact", pw_h_intention_delete, "intentions:write" },
	{ PW_GET, "/v1/connect/ca/roots", pw_h_ca_roots, NULL, PW_BIT(PW_T_CA_ROOT) },

	{ PW_GET, "/v1/exported-services", pw_h_exported, "mesh:read",
	  CONFIG | PW_BIT(PW_T_SERVICE) },
	{ PW_GET, "/v1/imported-services", pw_h_imported, "mesh:read", PW_BIT(PW_T_IMPORT) },

	{ PW_GET, "/v1/status/leader", pw_h_leader, NULL },
	{ PW_GET, "/v1/status/peers", pw_h_peers, NULL },

	/* ACLs are off, whatever is asked of them */
	{ PW_GET, "/v1/acl/", pw_h_acl_disabled, NULL },
	{ PW_PUT, "/v1/acl/", pw_h_acl_disabled, NULL },
	{ PW_POST, "/v1/acl/", pw_h_acl_disabled, NULL },
	{ PW_DELETE, "/v1/acl/", pw_h_acl_disabled, NULL },
};

static const char *method_name(unsigned method)
{
	switch (method) {
	case PW_GET:
		return "GET";
	case PW_PUT:
		return "PUT";
	case PW_POST:
		return "POST";
	default:
		return "DELETE";
	}
}

/* How many characters of path the route claims; 0: not its path. */
static size_t claim(const struct pw_route *route, const char *path)
{
	size_t len = strlen(route->path);
	bool prefix = route->path[len - 1] == '/';

	if (strncmp(route->path, path, len) != 0 || (!prefix && path[len]))
		return 0;
	return len;
}

const struct pw_route *pw_route_find(unsigned method, const char *path, struct pw_strbuf *ret_allow)
{
	const struct pw_route *found = NULL;
	size_t best = 0;

	for (size_t i = 0; i < ARRAY_SIZE(routes); i++)
		best = pw_max(best, claim(&routes[i], path));
	for (size_t i = 0; best && i < ARRAY_SIZE(routes); i++) {
		if (claim(&routes[i], path) != best)
			continue;
		pw_strbuf_add(ret_allow, "%s,%s", ret_allow->len ? "" : "OPTIONS",
			      method_name(routes[i].method));
		if (routes[i].method == method)
			found = &routes[i];
	}
	return found;
}
