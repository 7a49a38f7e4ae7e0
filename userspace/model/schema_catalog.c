// SPDX-License-Identifier: Apache-2.0
/*
 * Nodes, services and checks. The visible fields carry Consul's names in Consul's order; what only
 * we keep is hidden, so that the store sees it and the API does not.
 */
#include "model.h"

static const struct pw_field node_fields[] = {
	PW_FIELD(struct pw_node, "ID", id, PW_F_STR, 0),
	PW_FIELD(struct pw_node, "Node", name, PW_F_STR, 0),
	PW_FIELD(struct pw_node, "Address", address, PW_F_STR, 0),
	PW_FIELD(struct pw_node, "Datacenter", datacenter, PW_F_STR, 0),
	PW_FIELD(struct pw_node, "PeerName", peer, PW_F_STR, PW_F_OMITEMPTY),
	PW_FIELD(struct pw_node, "TaggedAddresses", tagged_addresses, PW_F_MAP, PW_F_NULL),
	PW_FIELD(struct pw_node, "Meta", meta, PW_F_MAP, PW_F_NULL),
	PW_FIELD(struct pw_node, "Locality", locality, PW_F_JSON, PW_F_OMITEMPTY),
};
const struct pw_schema pw_node_schema = PW_SCHEMA("Node", struct pw_node, node_fields);

static const struct pw_field service_address_fields[] = {
	PW_FIELD(struct pw_service_address, "Tag", tag, PW_F_STR, 0),
	PW_FIELD(struct pw_service_address, "Address", address, PW_F_STR, 0),
	PW_FIELD(struct pw_service_address, "Port", port, PW_F_INT, 0),
};
const struct pw_schema pw_service_address_schema =
	PW_SCHEMA("ServiceAddress", struct pw_service_address, service_address_fields);

static const struct pw_field upstream_fields[] = {
	PW_FIELD(struct pw_upstream, "DestinationType", destination_type, PW_F_STR, 0),
	PW_FIELD(struct pw_upstream, "DestinationNamespace", destination_namespace, PW_F_STR,
		 PW_F_OMITEMPTY),
	PW_FIELD(struct pw_upstream, "DestinationPartition", destination_partition, PW_F_STR,
		 PW_F_OMITEMPTY),
	PW_FIELD(struct pw_upstream, "DestinationPeer", destination_peer, PW_F_STR, PW_F_OMITEMPTY),
	PW_FIELD(struct pw_upstream, "DestinationName", destination_name, PW_F_STR, 0),
	PW_FIELD(struct pw_upstream, "Datacenter", datacenter, PW_F_STR, PW_F_OMITEMPTY),
	PW_FIELD(struct pw_upstream, "LocalBindAddress", local_bind_address, PW_F_STR,
		 PW_F_OMITEMPTY),
	PW_FIELD(struct pw_upstream, "LocalBindPort", local_bind_port, PW_F_INT, PW_F_OMITEMPTY),
	PW_FIELD(struct pw_upstream, "Config", config, PW_F_JSON, PW_F_OMITEMPTY),
	PW_FIELD(struct pw_upstream, "MeshGateway", mesh_gateway, PW_F_JSON, 0),
};
const struct pw_schema pw_upstream_schema =
	PW_SCHEMA("Upstream", struct pw_upstream, upstream_fields);

static const struct pw_field proxy_fields[] = {
	PW_FIELD(struct pw_proxy, "DestinationServiceName", destination_service_name, PW_F_STR,
		 PW_F_OMITEMPTY),
	PW_FIELD(struct pw_proxy, "DestinationServiceID", destination_service_id, PW_F_STR,
		 PW_F_OMITEMPTY),
	PW_FIELD(struct pw_proxy, "LocalServiceAddress", local_service_address, PW_F_STR,
		 PW_F_OMITEMPTY),
	PW_FIELD(struct pw_proxy, "LocalServicePort", local_service_port, PW_F_INT, PW_F_OMITEMPTY),
	PW_FIELD(struct pw_proxy, "Mode", mode, PW_F_STR, 0),
	PW_FIELD(struct pw_proxy, "TransparentProxy", transparent_proxy, PW_F_JSON, PW_F_OMITEMPTY),
	PW_FIELD(struct pw_proxy, "Config", config, PW_F_JSON, PW_F_OMITEMPTY),
	PW_FIELD_SUB(struct pw_proxy, "Upstreams", upstreams, PW_F_LIST, PW_F_OMITEMPTY,
		     &pw_upstream_schema),
	PW_FIELD(struct pw_proxy, "MeshGateway", mesh_gateway, PW_F_JSON, 0),
	PW_FIELD(struct pw_proxy, "Expose", expose, PW_F_JSON, 0),
};
const struct pw_schema pw_proxy_schema = PW_SCHEMA("Proxy", struct pw_proxy, proxy_fields);

static const struct pw_field peer_meta_fields[] = {
	PW_FIELD(struct pw_peer_meta, "SNI", sni, PW_F_STRV, PW_F_OMITEMPTY),
	PW_FIELD(struct pw_peer_meta, "SpiffeID", spiffe_id, PW_F_STRV, PW_F_OMITEMPTY),
	PW_FIELD(struct pw_peer_meta, "Protocol", protocol, PW_F_STR, PW_F_OMITEMPTY),
};
const struct pw_schema pw_peer_meta_schema =
	PW_SCHEMA("PeerMeta", struct pw_peer_meta, peer_meta_fields);

static const struct pw_field connect_fields[] = {
	PW_FIELD(struct pw_connect, "Native", native, PW_F_BOOL, PW_F_OMITEMPTY),
	PW_FIELD(struct pw_connect, "SidecarService", sidecar_service, PW_F_JSON,
		 PW_F_OMITEMPTY | PW_F_HIDDEN),
	PW_FIELD_SUB(struct pw_connect, "PeerMeta", peer_meta, PW_F_POINTER, PW_F_OMITEMPTY,
		     &pw_peer_meta_schema),
};
const struct pw_schema pw_connect_schema = PW_SCHEMA("Connect", struct pw_connect, connect_fields);

static const struct pw_field weights_fields[] = {
	PW_FIELD(struct pw_weights, "Passing", passing, PW_F_INT, 0),
	PW_FIELD(struct pw_weights, "Warning", warning, PW_F_INT, 0),
};
const struct pw_schema pw_weights_schema = PW_SCHEMA("Weights", struct pw_weights, weights_fields);

/* TaggedAddresses is a list here; pw_service_json shows it as the map that Consul's clients know.
 */
static const struct pw_field service_fields[] = {
	PW_FIELD(struct pw_service, "Kind", kind, PW_F_STR, PW_F_OMITEMPTY),
	PW_FIELD(struct pw_service, "ID", id, PW_F_STR, 0),
	PW_FIELD(struct pw_service, "Service", name, PW_F_STR, 0),
	PW_FIELD(struct pw_service, "Tags", tags, PW_F_STRV, 0),
	PW_FIELD(struct pw_service, "Address", address, PW_F_STR, 0),
	PW_FIELD_SUB(struct pw_service, "TaggedAddresses", tagged_addresses, PW_F_LIST,
		     PW_F_OMITEMPTY, &pw_service_address_schema),
	PW_FIELD(struct pw_service, "Meta", meta, PW_F_MAP, PW_F_NULL),
	PW_FIELD(struct pw_service, "Port", port, PW_F_INT, 0),
	PW_FIELD(struct pw_service, "SocketPath", socket_path, PW_F_STR, PW_F_OMITEMPTY),
	PW_FIELD_SUB(struct pw_service, "Weights", weights, PW_F_OBJECT, 0, &pw_weights_schema),
	PW_FIELD(struct pw_service, "EnableTagOverride", enable_tag_override, PW_F_BOOL, 0),
	PW_FIELD_SUB(struct pw_service, "Proxy", proxy, PW_F_OBJECT, 0, &pw_proxy_schema),
	PW_FIELD_SUB(struct pw_service, "Connect", connect, PW_F_OBJECT, 0, &pw_connect_schema),
	PW_FIELD(struct pw_service, "Locality", locality, PW_F_JSON, PW_F_OMITEMPTY),
	PW_FIELD(struct pw_service, "PeerName", peer, PW_F_STR, 0),
	PW_FIELD(struct pw_service, "Node", node, PW_F_STR, PW_F_HIDDEN),
	PW_FIELD_SUB(struct pw_service, "Upstreams", upstreams, PW_F_LIST,
		     PW_F_HIDDEN | PW_F_OMITEMPTY, &pw_upstream_schema),
	PW_FIELD(struct pw_service, "Agent", agent, PW_F_BOOL, PW_F_HIDDEN | PW_F_OMITEMPTY),
	PW_FIELD(struct pw_service, "Configured", configured, PW_F_BOOL,
		 PW_F_HIDDEN | PW_F_OMITEMPTY),
};
const struct pw_schema pw_service_schema = PW_SCHEMA("Service", struct pw_service, service_fields);

#define CHECK_OWN (PW_F_HIDDEN | PW_F_OMITEMPTY)
static const struct pw_field check_fields[] = {
	PW_FIELD(struct pw_check, "Node", node, PW_F_STR, 0),
	PW_FIELD(struct pw_check, "CheckID", id, PW_F_STR, 0),
	PW_FIELD(struct pw_check, "Name", name, PW_F_STR, 0),
	PW_FIELD(struct pw_check, "Status", status, PW_F_STR, 0),
	PW_FIELD(struct pw_check, "Notes", notes, PW_F_STR, 0),
	PW_FIELD(struct pw_check, "Output", output, PW_F_STR, 0),
	PW_FIELD(struct pw_check, "ServiceID", service_id, PW_F_STR, 0),
	PW_FIELD(struct pw_check, "ServiceName", service_name, PW_F_STR, 0),
	PW_FIELD(struct pw_check, "ServiceTags", service_tags, PW_F_STRV, 0),
	PW_FIELD(struct pw_check, "Type", type, PW_F_STR, 0),
	PW_FIELD(struct pw_check, "Interval", interval, PW_F_STR, 0),
	PW_FIELD(struct pw_check, "Timeout", timeout, PW_F_STR, 0),
	PW_FIELD(struct pw_check, "PeerName", peer, PW_F_STR, PW_F_OMITEMPTY),
	PW_FIELD(struct pw_check, "Definition", definition, PW_F_JSON, 0),
	PW_FIELD(struct pw_check, "Agent", agent, PW_F_BOOL, CHECK_OWN),
	PW_FIELD(struct pw_check, "RunTTL", ttl_ms, PW_F_INT, CHECK_OWN),
	PW_FIELD(struct pw_check, "RunTCP", tcp, PW_F_STR, CHECK_OWN),
	PW_FIELD(struct pw_check, "RunInterval", interval_ms, PW_F_INT, CHECK_OWN),
	PW_FIELD(struct pw_check, "RunTimeout", timeout_ms, PW_F_INT, CHECK_OWN),
	PW_FIELD(struct pw_check, "DeregisterAfter", deregister_after_ms, PW_F_INT, CHECK_OWN),
	PW_FIELD(struct pw_check, "SuccessBeforePassing", success_before_passing, PW_F_INT,
		 CHECK_OWN),
	PW_FIELD(struct pw_check, "FailuresBeforeCritical", failures_before_critical, PW_F_INT,
		 CHECK_OWN),
};
const struct pw_schema pw_check_schema = PW_SCHEMA("HealthCheck", struct pw_check, check_fields);
