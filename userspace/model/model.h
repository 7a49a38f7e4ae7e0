/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_MODEL_MODEL_H
#define PW_MODEL_MODEL_H
/* Schemas, keys and tables of the data model. Knows no store and no API. */
#include <peerway/model.h>

extern const struct pw_schema pw_cluster_schema, pw_node_schema, pw_service_schema, pw_check_schema,
	pw_config_entry_schema, pw_peering_schema, pw_peering_secret_schema, pw_trust_bundle_schema,
	pw_import_schema, pw_ca_root_schema, pw_upstream_schema, pw_proxy_schema, pw_connect_schema,
	pw_peer_meta_schema, pw_weights_schema, pw_service_address_schema,
	pw_exported_services_schema, pw_service_intentions_schema, pw_intention_source_schema;

/* One table of the store: how its rows are coded, and their keys (new strings). */
struct pw_table_def {
	const char *name;
	const struct pw_schema *schema;
	char *(*key)(const void *obj);
	char *(*alt_key)(const void *obj); /* NULL: the table has one order */
	/* A third order over a part of the rows: those for which it gives a string. NULL: none. */
	char *(*part_key)(const void *obj);
	bool secret; /* its text is wiped on the way to the disk and back */
};
extern const struct pw_table_def pw_tables[PW_T_MAX];

/*
 * "a SEP b SEP c": parts up to a NULL; NULL-safe for the first (use "" for local). trailing: end
 * with a separator, for prefix scans.
 */
char *pw_key(bool trailing, const char *a, ...) __attribute__((sentinel));
const char *pw_peering_state_name(enum pw_peering_state s); /* "ACTIVE" … */

/*
 * What the API shows of an object: Consul's keys in Consul's order, with its indexes; a service's
 * tagged addresses as a map by tag: {"lan": {"Address", "Port"}}. New references.
 */
json_t *pw_node_json(const struct pw_node *n);
json_t *pw_service_json(const struct pw_service *s);
json_t *pw_check_json(const struct pw_check *c);
json_t *pw_service_addresses_json(const struct pw_list *addresses);
/* Sets CreateIndex and ModifyIndex. */
void pw_obj_json_indexes(const struct pw_obj *obj, json_t *into);

/* The control service: never exported, not even by a wildcard. */
#define PW_AGENT_SERVICE "consul"
#endif
