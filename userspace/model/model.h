/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_MODEL_MODEL_H
#define PW_MODEL_MODEL_H
/* Schemas, keys and tables of the data model. Knows no store and no API. */
#include <peerway/model.h>

extern const struct pw_schema pw_cluster_schema, pw_node_schema, pw_service_schema, pw_check_schema, pw_config_entry_schema, pw_peering_schema,
	pw_peering_secret_schema, pw_trust_bundle_schema, pw_import_schema, pw_ca_root_schema, pw_upstream_schema, pw_proxy_schema, pw_connect_schema,
	pw_peer_meta_schema, pw_weights_schema, pw_service_address_schema, pw_exported_services_schema, pw_service_intentions_schema, pw_intention_source_schema;

/* One table of the store: how its rows are coded, and their keys (new strings). */
struct pw_table_def {
	const char *name;
	const struct pw_schema *schema;
	char *(*key)(const void *obj);
	char *(*alt_key)(const void *obj); /* NULL: the table has one order */
};
extern const struct pw_table_def pw_tables[PW_T_MAX];

/* "a SEP b SEP c": parts up to a NULL; NULL-safe for the first (use "" for local). trailing: end with a separator, for prefix scans. */
char *pw_key(bool trailing, const char *a, ...) __attribute__((sentinel));
/* For lookups in hot paths: the same into a buffer; returns buf; asserts that it fits. */
const char *pw_peering_state_name(enum pw_peering_state s); /* "ACTIVE" … */
#define PW_AGENT_SERVICE "consul" /* the control service: never exported, not even by a wildcard */
#endif
