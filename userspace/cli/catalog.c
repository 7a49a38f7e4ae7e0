// SPDX-License-Identifier: Apache-2.0
#include "cli_private.h"
#include <string.h>

static void add_query(struct pw_strbuf *path, const char *key, const char *value)
{
	pw_autofree char *escaped = NULL;

	if (pw_str_empty(value))
		return;
	escaped = cli_escape(value);
	pw_strbuf_add(path, "%c%s=%s", strchr(path->text, '?') ? '&' : '?', key, escaped);
}

static void add_queries(const struct cli *c, struct pw_strbuf *path)
{
	add_query(path, "peer", c->o.peer);
	add_query(path, "filter", c->o.filter);
	for (size_t i = 0; i < c->o.node_meta.n; i++) {
		pw_autofree char *pair = pw_xasprintf("%s:%s", c->o.node_meta.items[i].key,
						      c->o.node_meta.items[i].value);

		add_query(path, "node-meta", pair);
	}
}

static char *join_tags(const json_t *tags)
{
	pw_cleanup(pw_strv_clear) struct pw_strv v = { 0 };
	const json_t *tag;
	size_t i;

	json_array_foreach((json_t *)tags, i, tag) pw_strv_add(&v, json_string_value(tag));
	pw_strv_sort(&v);
	return pw_strv_join(&v, ",");
}

/* {name: tags}, or with a node its {Services: {id: {Service, Tags}}}: both as one map from name to
 * tags. */
static void collect_services(const json_t *answer, bool of_node, struct pw_map *ret)
{
	const json_t *services = of_node ? json_object_get(answer, "Services") : answer;
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)services, key, value)
	{
		pw_autofree char *tags =
			join_tags(of_node ? json_object_get(value, "Tags") : value);
		const char *name = of_node ? pw_json_str(value, "Service") : key;

		pw_map_set(ret, pw_str_or_empty(name), tags);
	}
}

int cli_catalog_services(struct cli *c)
{
	pw_cleanup(cli_table_clear) struct cli_table t = { .n_columns = c->o.tags ? 2 : 1 };
	pw_cleanup(pw_strbuf_clear) struct pw_strbuf path = { 0 };
	pw_autofree char *node = cli_escape(c->o.node);
	pw_cleanup(pw_map_clear) struct pw_map services = { 0 };
	pw_autojson json_t *answer = NULL;
	struct pw_err err = PW_ERR_INIT;

	if (*node)
		pw_strbuf_add(&path, "/v1/catalog/node/%s", node);
	else
		pw_strbuf_add(&path, "/v1/catalog/services");
	add_queries(c, &path);
	if (cli_call(c, "GET", path.text, NULL, &answer, NULL, &err) < 0)
		return cli_fail(c, "Error listing services: %s", err.text);
	collect_services(answer, *node, &services);
	for (size_t i = 0; i < services.n; i++)
		cli_table_row(&t, services.items[i].key, services.items[i].value);
	cli_table_print(&t, c->out);
	return 0;
}

static char *pairs_of(const json_t *o)
{
	pw_cleanup(pw_strv_clear) struct pw_strv v = { 0 };
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)o, key, value)
	{
		pw_autofree char *pair =
			pw_xasprintf("%s=%s", key, pw_str_or_empty(json_string_value(value)));

		pw_strv_add(&v, pair);
	}
	pw_strv_sort(&v);
	return pw_strv_join(&v, ", ");
}

static void add_node(const struct cli *c, struct cli_table *t, const json_t *node)
{
	const char *name = pw_json_str(node, "Node"), *id = pw_json_str(node, "ID");
	const char *address = pw_json_str(node, "Address"), *dc = pw_json_str(node, "Datacenter");

	if (c->o.detailed) {
		pw_autofree char *addresses = pairs_of(json_object_get(node, "TaggedAddresses"));
		pw_autofree char *meta = pairs_of(json_object_get(node, "Meta"));

		cli_table_row(t, name, id, address, dc, addresses, meta);
	} else {
		/* The first group of the id tells nodes apart well enough for a table. */
		pw_autofree char *short_id = pw_xstrndup(pw_str_or_empty(id), 8);

		cli_table_row(t, name, short_id, address, dc);
	}
}

/* A service's instances repeat their node: each is shown once. */
static void print_nodes(const struct cli *c, const json_t *nodes)
{
	pw_cleanup(cli_table_clear) struct cli_table t = { .n_columns = c->o.detailed ? 6 : 4 };
	pw_cleanup(pw_strv_clear) struct pw_strv seen = { 0 };
	const json_t *node;
	size_t i;

	if (c->o.detailed)
		cli_table_row(&t, "Node", "ID", "Address", "DC", "TaggedAddresses", "Meta");
	else
		cli_table_row(&t, "Node", "ID", "Address", "DC");
	json_array_foreach((json_t *)nodes, i, node)
	{
		const char *name = pw_str_or_empty(pw_json_str(node, "Node"));

		if (!pw_str_empty(c->o.service) && pw_strv_has(&seen, name))
			continue;
		pw_strv_add(&seen, name);
		add_node(c, &t, node);
	}
	cli_table_print(&t, c->out);
}

int cli_catalog_nodes(struct cli *c)
{
	pw_cleanup(pw_strbuf_clear) struct pw_strbuf path = { 0 };
	pw_autofree char *service = cli_escape(c->o.service);
	pw_autojson json_t *answer = NULL;
	struct pw_err err = PW_ERR_INIT;

	if (*service)
		pw_strbuf_add(&path, "/v1/catalog/service/%s", service);
	else
		pw_strbuf_add(&path, "/v1/catalog/nodes");
	add_queries(c, &path);
	if (cli_call(c, "GET", path.text, NULL, &answer, NULL, &err) < 0)
		return cli_fail(c, "Error listing nodes: %s", err.text);
	if (json_array_size(answer) == 0) {
		cli_fail(c, "No nodes match the given query - try expanding your search.");
		return 0;
	}
	print_nodes(c, answer);
	return 0;
}

int cli_catalog_datacenters(struct cli *c)
{
	pw_autojson json_t *answer = NULL;
	struct pw_err err = PW_ERR_INIT;
	const json_t *dc;
	size_t i;

	if (cli_call(c, "GET", "/v1/catalog/datacenters", NULL, &answer, NULL, &err) < 0)
		return cli_fail(c, "Error listing datacenters: %s", err.text);
	json_array_foreach(answer, i, dc)
		fprintf(c->out, "%s\n", pw_str_or_empty(json_string_value(dc)));
	return 0;
}
