/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PEERWAY_MODEL_H
#define PEERWAY_MODEL_H
/*
 * The one data model: what the store holds, what the API shows, what the stream carries. Names are
 * Consul's.
 *
 * I1 A zeroed struct is valid; its schema (userspace/model/) decodes, encodes, copies and frees it.
 * I2 `peer` is our local alias of the peer something was imported from, "" or NULL: ours.
 * I3 Names hold no control characters: the store joins keys with PW_KEY_SEP.
 */
#include "../../userspace/base/json.h"
#include "../../userspace/base/schema.h"
#include "../../userspace/base/str.h"

#define PW_KEY_SEP "\x1f"

/* First member of everything the store keeps. Keys and indexes are the store's. */
struct pw_obj {
	char *key;
	char *alt_key; /* second order of the table, NULL: none */
	uint64_t create_index;
	uint64_t modify_index;
};

/* Tables of the store. */
enum pw_table {
	PW_T_CLUSTER,	     /* struct pw_cluster, one row, key "cluster" */
	PW_T_NODE,	     /* struct pw_node */
	PW_T_SERVICE,	     /* struct pw_service: one instance */
	PW_T_CHECK,	     /* struct pw_check */
	PW_T_CONFIG,	     /* struct pw_config_entry */
	PW_T_PEERING,	     /* struct pw_peering */
	PW_T_PEERING_SECRET, /* struct pw_peering_secret */
	PW_T_TRUST_BUNDLE,   /* struct pw_trust_bundle */
	PW_T_IMPORT,	     /* struct pw_import: latest ExportedServiceList of a peer */
	PW_T_CA_ROOT,	     /* struct pw_ca_root */
	PW_T_MAX
};

struct pw_cluster {
	struct pw_obj obj;
	char *id; /* uuid; trust domain is "<id>.consul" */
	char *datacenter;
};

struct pw_node {
	struct pw_obj obj; /* key: peer SEP node */
	char *peer;
	char *name;
	char *id; /* uuid or "" */
	char *address;
	char *datacenter;
	struct pw_map tagged_addresses;
	struct pw_map meta;
	json_t *locality;
};

struct pw_service_address {
	char *tag; /* "lan", "wan", "virtual" … */
	char *address;
	int64_t port;
};
struct pw_upstream {
	char *destination_type;
	char *destination_name;
	char *destination_peer;
	char *destination_namespace;
	char *destination_partition;
	char *datacenter;
	char *local_bind_address; /* default 127.0.0.1 */
	int64_t local_bind_port;
	json_t *config;
	json_t *mesh_gateway;
};
struct pw_proxy {
	char *destination_service_name;
	char *destination_service_id;
	char *local_service_address;
	int64_t local_service_port;
	char *mode;
	json_t *transparent_proxy;
	json_t *config;
	struct pw_list upstreams; /* struct pw_upstream */
	json_t *mesh_gateway;
	json_t *expose;
};
struct pw_peer_meta {
	struct pw_strv sni;
	struct pw_strv spiffe_id;
	char *protocol;
};
struct pw_connect {
	bool native;
	json_t *sidecar_service;	/* as registered; its proxy is a row of its own */
	struct pw_peer_meta *peer_meta; /* imported synthetic proxies only */
};
struct pw_weights {
	int64_t passing;
	int64_t warning;
};
struct pw_service {
	struct pw_obj obj; /* key: peer SEP node SEP id; alt: peer SEP name SEP node SEP id */
	char *peer;
	char *node;
	char *kind; /* "", connect-proxy, mesh-gateway … */
	char *id;
	char *name;
	struct pw_strv tags;
	char *address;
	struct pw_list tagged_addresses; /* struct pw_service_address; shown as a map by tag */
	struct pw_map meta;
	int64_t port;
	char *socket_path;
	struct pw_weights weights; /* 1/1 when absent */
	bool enable_tag_override;
	struct pw_proxy proxy;
	struct pw_connect connect;
	json_t *locality;
	/* ours */
	struct pw_list upstreams; /* struct pw_upstream: served by the gateway, no sidecar */
	bool agent;		  /* registered through /v1/agent or the configuration */
	bool configured; /* from the configuration file: pruned at start when it is gone from there
			  */
};

struct pw_check {
	struct pw_obj obj; /* key: peer SEP node SEP check id; alt: peer SEP node SEP service id SEP
			      check id */
	char *peer;
	char *node;
	char *id;
	char *name;
	char *status; /* passing | warning | critical | maintenance (imported) */
	char *notes;
	char *output;
	char *service_id; /* "": a check of the node */
	char *service_name;
	struct pw_strv service_tags;
	char *type; /* "", ttl, tcp */
	char *interval;
	char *timeout;
	json_t *definition;
	/* ours: how the agent runs it */
	bool agent;
	int64_t ttl_ms;
	char *tcp; /* host:port */
	int64_t interval_ms;
	int64_t timeout_ms;
	int64_t deregister_after_ms;
	int64_t success_before_passing;
	int64_t failures_before_critical;
};

struct pw_config_entry {
	struct pw_obj obj; /* key: kind SEP name */
	char *kind;
	char *name;
	json_t *body; /* normalised, as it is read back, without the indexes */
};

/* Decoded config entries (see catalog/config_entry.h). */
struct pw_export_consumer {
	char *peer;
	char *partition;
	char *sameness_group;
};
struct pw_exported_service {
	char *name;
	char *ns;
	struct pw_list consumers;
};
struct pw_exported_services {
	char *kind;
	char *name;
	char *partition;
	struct pw_list services;
	struct pw_map meta;
};
struct pw_intention_source {
	char *name;
	char *peer;
	char *partition;
	char *ns;
	char *sameness_group;
	char *action; /* allow | deny, "" with permissions */
	json_t *permissions;
	int64_t precedence;
	char *legacy_id; /* uuid, shown as ID by the intentions endpoints */
	char *type;
	char *description;
	struct pw_map legacy_meta;
	int64_t created_ns;
	int64_t updated_ns;
};
struct pw_service_intentions {
	char *kind;
	char *name;
	char *partition;
	char *ns;
	struct pw_list sources; /* struct pw_intention_source, highest precedence first */
	struct pw_map meta;
	json_t *jwt;
};

/* What is stored; ACTIVE and FAILING are computed when read. */
enum pw_peering_state {
	PW_PEERING_UNDEFINED,
	PW_PEERING_PENDING,
	PW_PEERING_ESTABLISHING,
	PW_PEERING_ACTIVE,
	PW_PEERING_FAILING,
	PW_PEERING_DELETING,
	PW_PEERING_TERMINATED,
	PW_PEERING_STATE_MAX_
};
struct pw_peering {
	struct pw_obj obj; /* key: name */
	char *id;
	char *name;
	int64_t deleted_at_ns;
	struct pw_map meta;
	int64_t state; /* enum pw_peering_state */
	/* dialer only */
	char *peer_id;
	char *peer_server_name;
	struct pw_strv peer_server_addresses;
	struct pw_strv manual_server_addresses;
	struct pw_strv token_ca_pems; /* roots the token carried; bundles replace them */
	/* both */
	struct pw_strv peer_ca_pems;
	char *remote_datacenter;
	char *remote_partition;
	json_t *remote_locality;
};
struct pw_peering_secret {
	struct pw_obj obj; /* key: peering id */
	char *id;
	char *establishment;
	char *stream_active;
	char *stream_pending;
};
struct pw_trust_bundle {
	struct pw_obj obj; /* key: peer */
	char *peer;
	char *trust_domain;
	char *exported_partition;
	struct pw_strv root_pems;
};
struct pw_import {
	struct pw_obj obj; /* key: peer */
	char *peer;
	struct pw_strv services;
};
struct pw_ca_root {
	struct pw_obj obj; /* key: id */
	char *id;	   /* "xx:xx:…" sha1 of the certificate, as Consul */
	char *name;
	int64_t serial;
	char *signing_key_id;
	char *cert_pem;
	char *key_pem; /* secret */
	int64_t not_before_ns;
	int64_t not_after_ns;
	bool active;
};
#endif
