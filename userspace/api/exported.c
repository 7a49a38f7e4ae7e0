// SPDX-License-Identifier: Apache-2.0
/* GET /v1/exported-services and /v1/imported-services */
#include "internal.h"
#include "../catalog/catalog.h"
#include "../catalog/config_entry.h"

/* Every name of an exported-services entry, wildcards expanded. */
static void exported_names(const struct pw_store *s, struct pw_strv *names)
{
	pw_autofree char *prefix = pw_key(/* trailing= */ true, "exported-services", NULL);
	pw_autoiter struct pw_iter it = pw_store_iter(s, PW_T_CONFIG, prefix);
	const struct pw_config_entry *e;
	json_t *service;
	size_t i;

	while ((e = pw_iter_next(&it))) {
		json_array_foreach(json_object_get(e->body, "Services"), i, service)
		{
			const char *name = pw_json_str(service, "Name");

			if (pw_streq(name, "*"))
				pw_catalog_names(s, names);
			else if (!pw_str_empty(name) && !pw_streq(name, PW_AGENT_SERVICE))
				pw_strv_add(names, name);
		}
	}
	pw_strv_sort(names);
}

static json_t *strings(const struct pw_strv *v)
{
	json_t *list = json_array();

	for (size_t i = 0; i < v->n; i++)
		json_array_append_new(list, json_string(v->items[i]));
	return list;
}

int pw_h_exported(struct pw_request *r, struct pw_err *err)
{
	const struct pw_store *s = r->api->opt.store;
	pw_cleanup(pw_strv_clear) struct pw_strv names = { 0 };
	json_t *rows = json_array();

	exported_names(s, &names);
	for (size_t i = 0; i < names.n; i++) {
		pw_cleanup(pw_strv_clear) struct pw_strv peers = { 0 };

		if (i && pw_streq(names.items[i], names.items[i - 1]))
			continue;
		pw_exports_peers_of(s, names.items[i], &peers);
		if (peers.n)
			json_array_append_new(rows,
					      json_pack("{s:s, s:{s:o}}", "Service", names.items[i],
							"Consumers", "Peers", strings(&peers)));
	}
	return pw_reply_rows(r, rows, err);
}

int pw_h_imported(struct pw_request *r, struct pw_err *err)
{
	pw_autoiter struct pw_iter it =
		pw_store_iter(r->api->opt.store, PW_T_IMPORT, /* prefix= */ NULL);
	const struct pw_import *import;
	json_t *rows = json_array();

	while ((import = pw_iter_next(&it)))
		for (size_t i = 0; i < import->services.n; i++)
			json_array_append_new(rows, json_pack("{s:s, s:s}", "Service",
							      import->services.items[i],
							      "SourcePeer", import->peer));
	return pw_reply_rows(r, rows, err);
}
