/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_AGENT_CONFIG_H
#define PW_AGENT_CONFIG_H
/*
 * The agent's configuration: HCL or JSON files, flags over them, defaults below them. Unknown keys
 * are refused with file and line, and so is every key whose feature is not built yet. Life:
 * pw_config_load → read-only use → pw_config_free.
 */
#include "../dataplane/dataplane.h"
#include "../kernel/kernel.h"

struct pw_config_limits {
	int64_t handshake_timeout_ms, connect_timeout_ms, half_close_timeout_ms, idle_timeout_ms;
	int64_t unacked_timeout_ms, drain_timeout_ms;
	int64_t max_connections, max_connections_per_source, max_pending_handshakes;
	int64_t max_control_connections_per_source, buffer_bytes, hello_bytes;
};
struct pw_config_guard {
	char *mode;
	struct pw_strv allow, deny;
	int64_t new_connections_per_second;
};
struct pw_config_gateway {
	char *bind_addr;
	struct pw_strv interfaces;
	char *xdp;
	int64_t workers;
	char *ktls;
	bool passthrough;
	struct pw_strv forwarders;
	struct pw_config_guard guard;
	struct pw_config_limits limits;
};
struct pw_config_ports {
	int64_t http, https, dns, gateway, mesh;
};
struct pw_config_peering {
	bool enabled;
	int64_t heartbeat_interval_ms, heartbeat_timeout_ms;
};
struct pw_config_acl_tokens {
	char *initial_management;
};
struct pw_config_acl {
	bool enabled;
	char *default_policy;
	struct pw_config_acl_tokens tokens;
};
struct pw_config_store {
	char *backend;
};
struct pw_config {
	char *datacenter, *node_name, *data_dir, *bpf_dir, *client_addr, *advertise_addr_wan;
	char *default_intention_policy, *log_level;
	struct pw_config_ports ports;
	struct pw_config_peering peering;
	struct pw_config_acl acl;
	struct pw_config_store store;
	struct pw_config_gateway gateway;
	json_t *services; /* array of service blocks, as PUT /v1/agent/service/register takes them
			   */
	bool dev;

	/* derived by validation */
	enum pw_guard_mode guard_mode;
	enum pw_xdp_mode xdp_mode;
	enum pw_forwarder forwarders[4];
	struct pw_addr gateway_bind;
	struct pw_limits limits;
};

/* argv behind "agent". Errors name the file and line, or the flag. -EINVAL; -ECANCELED after -h
 * (usage was printed). */
int pw_config_load(int argc, char **argv, struct pw_config **ret, struct pw_err *err);
void pw_config_free(struct pw_config **c);
#endif
