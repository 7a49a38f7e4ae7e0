// SPDX-License-Identifier: Apache-2.0
/* What Consul's clients ask about the agent itself. One agent is the whole cluster, so it leads. */
#include "internal.h"
#include <string.h>

static json_t *own_address(const struct pw_api *api)
{
	bool v6 = strchr(api->advertise_lan, ':');

	return json_sprintf(v6 ? "[%s]:%u" : "%s:%u", api->advertise_lan, (unsigned)api->port);
}

int pw_h_leader(struct pw_request *r, struct pw_err *err)
{
	return pw_reply_json(r, 200, own_address(r->api));
}

int pw_h_peers(struct pw_request *r, struct pw_err *err)
{
	return pw_reply_json(r, 200, json_pack("[o]", own_address(r->api)));
}

static json_t *member(const struct pw_api *api)
{
	return json_pack("{s:s, s:s, s:i, s:{s:s, s:s, s:s}, s:i}", "Name", api->node_name, "Addr",
			 api->advertise_lan, "Port", (int)api->port, "Tags", "dc", api->datacenter,
			 "id", api->node_id, "role", "peerway", "Status", 1 /* alive */);
}

int pw_h_members(struct pw_request *r, struct pw_err *err)
{
	return pw_reply_rows(r, json_pack("[o]", member(r->api)), err);
}

int pw_h_self(struct pw_request *r, struct pw_err *err)
{
	const struct pw_api *api = r->api;
	json_t *config = json_pack("{s:s, s:s, s:s, s:s, s:b}", "Datacenter", api->datacenter,
				   "PrimaryDatacenter", api->datacenter, "NodeName", api->node_name,
				   "NodeID", api->node_id, "Server", 1);

	return pw_reply_json(r, 200,
			     json_pack("{s:o, s:o, s:{}}", "Config", config, "Member", member(api),
				       "Meta"));
}

int pw_h_acl_disabled(struct pw_request *r, struct pw_err *err)
{
	return pw_reply_text(r, 401, "ACL support disabled");
}
