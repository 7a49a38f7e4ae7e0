/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_CATALOG_CONFIG_ENTRY_H
#define PW_CATALOG_CONFIG_ENTRY_H
/*
 * Config entries: validate, normalise, store. Kinds now: exported-services, service-intentions,
 * mesh. Others are refused as Consul refuses unknown kinds. Texts and statuses are Consul's
 * (tests/conformance/expected/config.json, intentions.json). The body is kept normalised: Consul's
 * key spelling and order, precedence and "Type":"consul" added to intention sources, sources sorted
 * by precedence.
 */
#include "../store/store.h"

/* Decodes and validates; nothing is written. 400 "Request decoding failed: …", or 500 by field. */
int pw_config_entry_decode(const json_t *body, struct pw_config_entry **ret, struct pw_err *err);
/*
 * cas NULL: unconditional; else the ModifyIndex it must have (0: must not exist). *ret_written
 * false: CAS did not match. Takes entry in every case.
 */
int pw_config_entry_put(struct pw_tx *tx, struct pw_config_entry *entry, const uint64_t *cas,
			bool *ret_written, struct pw_err *err);
int pw_config_entry_delete(struct pw_tx *tx, const char *kind, const char *name,
			   const uint64_t *cas, bool *ret_deleted, struct pw_err *err);
bool pw_config_kind_valid(const char *kind); /* any kind Consul knows */
const struct pw_config_entry *pw_config_entry_get(const struct pw_store *s, const char *kind,
						  const char *name);
/* What is read back: body with CreateIndex, ModifyIndex (and Hash). New reference. */
json_t *pw_config_entry_json(const struct pw_config_entry *e);

/*
 * What exported-services says: exact names, and "*" for the services that are registered; never the
 * control service. Lists are the union of all lines, sorted and unique.
 */
/* For all peers at once: each line is read once. Holds copies. */
struct pw_exports;
struct pw_exports *pw_exports_new(const struct pw_store *s);
const struct pw_strv *pw_exports_of(const struct pw_exports *e, const char *peer); /* never NULL */
void pw_exports_free(struct pw_exports **e);
void pw_exports_peers_of(const struct pw_store *s, const char *service, struct pw_strv *ret_peers);

/*
 * service-intentions, decoded: the entry whose Name is destination, or NULL. Free with
 * pw_schema_free(&pw_service_intentions_schema, …).
 */
struct pw_service_intentions *pw_intentions_get(const struct pw_store *s, const char *destination);
int pw_intention_precedence(const char *source, const char *destination); /* 9, 8, 6, 5 */
#endif
