// SPDX-License-Identifier: Apache-2.0
#include "config_private.h"

#define F(st, key, member, type) PW_FIELD(struct st, key, member, type, 0)

static const struct pw_field limits_fields[] = {
	F(pw_config_limits, "handshake_timeout", handshake_timeout_ms, PW_F_DURATION_MS),
	F(pw_config_limits, "connect_timeout", connect_timeout_ms, PW_F_DURATION_MS),
	F(pw_config_limits, "half_close_timeout", half_close_timeout_ms, PW_F_DURATION_MS),
	F(pw_config_limits, "idle_timeout", idle_timeout_ms, PW_F_DURATION_MS),
	F(pw_config_limits, "unacked_timeout", unacked_timeout_ms, PW_F_DURATION_MS),
	F(pw_config_limits, "drain_timeout", drain_timeout_ms, PW_F_DURATION_MS),
	F(pw_config_limits, "max_connections", max_connections, PW_F_INT),
	F(pw_config_limits, "max_connections_per_source", max_connections_per_source, PW_F_INT),
	F(pw_config_limits, "max_pending_handshakes", max_pending_handshakes, PW_F_INT),
	F(pw_config_limits, "max_control_connections_per_source",
	  max_control_connections_per_source, PW_F_INT),
	F(pw_config_limits, "buffer_bytes", buffer_bytes, PW_F_INT),
	F(pw_config_limits, "hello_bytes", hello_bytes, PW_F_INT),
};
static const struct pw_schema limits_schema =
	PW_SCHEMA("gateway.limits", struct pw_config_limits, limits_fields);

static const struct pw_field guard_fields[] = {
	F(pw_config_guard, "mode", mode, PW_F_STR),
	F(pw_config_guard, "allow", allow, PW_F_STRV),
	F(pw_config_guard, "deny", deny, PW_F_STRV),
	F(pw_config_guard, "new_connections_per_second", new_connections_per_second, PW_F_INT),
};
static const struct pw_schema guard_schema =
	PW_SCHEMA("gateway.guard", struct pw_config_guard, guard_fields);

static const struct pw_field gateway_fields[] = {
	F(pw_config_gateway, "bind_addr", bind_addr, PW_F_STR),
	F(pw_config_gateway, "interfaces", interfaces, PW_F_STRV),
	F(pw_config_gateway, "xdp", xdp, PW_F_STR),
	F(pw_config_gateway, "workers", workers, PW_F_INT),
	F(pw_config_gateway, "ktls", ktls, PW_F_STR),
	F(pw_config_gateway, "passthrough", passthrough, PW_F_BOOL),
	F(pw_config_gateway, "forwarders", forwarders, PW_F_STRV),
	PW_FIELD_SUB(struct pw_config_gateway, "guard", guard, PW_F_OBJECT, 0, &guard_schema),
	PW_FIELD_SUB(struct pw_config_gateway, "limits", limits, PW_F_OBJECT, 0, &limits_schema),
};
static const struct pw_schema gateway_schema =
	PW_SCHEMA("gateway", struct pw_config_gateway, gateway_fields);

static const struct pw_field ports_fields[] = {
	F(pw_config_ports, "http", http, PW_F_INT),
	F(pw_config_ports, "https", https, PW_F_INT),
	F(pw_config_ports, "dns", dns, PW_F_INT),
	F(pw_config_ports, "gateway", gateway, PW_F_INT),
	F(pw_config_ports, "mesh", mesh, PW_F_INT),
};
static const struct pw_schema ports_schema =
	PW_SCHEMA("ports", struct pw_config_ports, ports_fields);

static const struct pw_field peering_fields[] = {
	F(pw_config_peering, "enabled", enabled, PW_F_BOOL),
	F(pw_config_peering, "heartbeat_interval", heartbeat_interval_ms, PW_F_DURATION_MS),
	F(pw_config_peering, "heartbeat_timeout", heartbeat_timeout_ms, PW_F_DURATION_MS),
};
static const struct pw_schema peering_schema =
	PW_SCHEMA("peering", struct pw_config_peering, peering_fields);

static const struct pw_field acl_tokens_fields[] = {
	PW_FIELD(struct pw_config_acl_tokens, "initial_management", initial_management, PW_F_STR,
		 PW_F_HIDDEN),
};
static const struct pw_schema acl_tokens_schema =
	PW_SCHEMA("acl.tokens", struct pw_config_acl_tokens, acl_tokens_fields);

static const struct pw_field acl_fields[] = {
	F(pw_config_acl, "enabled", enabled, PW_F_BOOL),
	F(pw_config_acl, "default_policy", default_policy, PW_F_STR),
	PW_FIELD_SUB(struct pw_config_acl, "tokens", tokens, PW_F_OBJECT, 0, &acl_tokens_schema),
};
static const struct pw_schema acl_schema = PW_SCHEMA("acl", struct pw_config_acl, acl_fields);

static const struct pw_field store_fields[] = {
	F(pw_config_store, "backend", backend, PW_F_STR),
};
static const struct pw_schema store_schema =
	PW_SCHEMA("store", struct pw_config_store, store_fields);

static const struct pw_field config_fields[] = {
	F(pw_config, "datacenter", datacenter, PW_F_STR),
	F(pw_config, "node_name", node_name, PW_F_STR),
	F(pw_config, "data_dir", data_dir, PW_F_STR),
	F(pw_config, "bpf_dir", bpf_dir, PW_F_STR),
	F(pw_config, "client_addr", client_addr, PW_F_STR),
	F(pw_config, "advertise_addr_wan", advertise_addr_wan, PW_F_STR),
	F(pw_config, "default_intention_policy", default_intention_policy, PW_F_STR),
	F(pw_config, "log_level", log_level, PW_F_STR),
	PW_FIELD_SUB(struct pw_config, "ports", ports, PW_F_OBJECT, 0, &ports_schema),
	PW_FIELD_SUB(struct pw_config, "peering", peering, PW_F_OBJECT, 0, &peering_schema),
	PW_FIELD_SUB(struct pw_config, "acl", acl, PW_F_OBJECT, 0, &acl_schema),
	PW_FIELD_SUB(struct pw_config, "store", store, PW_F_OBJECT, 0, &store_schema),
	PW_FIELD_SUB(struct pw_config, "gateway", gateway, PW_F_OBJECT, 0, &gateway_schema),
	F(pw_config, "service", services, PW_F_JSON),
	PW_FIELD(struct pw_config, "services", services, PW_F_JSON, PW_F_ALIAS),
};
const struct pw_schema pw_config_schema =
	PW_SCHEMA("configuration", struct pw_config, config_fields);
