// SPDX-License-Identifier: Apache-2.0
#include "cli_private.h"
#include <inttypes.h>

/* Another writer may come between the reading and the writing of an entry: so often is it tried
 * anew. */
#define CAS_TRIES 5

static int register_one(struct cli *c, const json_t *service)
{
	const char *name = json_string_value(cli_member(service, "Name"));
	struct pw_err err = PW_ERR_INIT;

	if (cli_call(c, "PUT", "/v1/agent/service/register", service, NULL, NULL, &err) < 0)
		return cli_fail(c, "Error registering service \"%s\": %s", pw_str_or_empty(name),
				err.text);
	fprintf(c->out, "Registered service: %s\n", pw_str_or_empty(name));
	return 0;
}

static int register_each(struct cli *c, const json_t *services)
{
	const json_t *one;
	size_t i;

	if (!json_is_array(services))
		return register_one(c, services);
	json_array_foreach((json_t *)services, i, one) if (register_one(c, one) != 0) return 1;
	return 0;
}

/* service {…} and services [...], as in an agent's configuration, or one bare definition. */
static int register_document(struct cli *c, const json_t *doc)
{
	const json_t *one = cli_member(doc, "service"), *many = cli_member(doc, "services");

	if (!one && !many)
		return register_each(c, doc);
	if (one && register_each(c, one) != 0)
		return 1;
	return many ? register_each(c, many) : 0;
}

static json_t *definition_from_flags(const struct cli *c)
{
	json_t *o = json_object(), *tags = json_array(), *meta = json_object();

	json_object_set_new(o, "Name", json_string(c->o.name));
	if (!pw_str_empty(c->o.id))
		json_object_set_new(o, "ID", json_string(c->o.id));
	if (!pw_str_empty(c->o.address))
		json_object_set_new(o, "Address", json_string(c->o.address));
	if (c->o.port)
		json_object_set_new(o, "Port", json_integer((json_int_t)c->o.port));
	for (size_t i = 0; i < c->o.service_tags.n; i++)
		json_array_append_new(tags, json_string(c->o.service_tags.items[i]));
	json_object_set_new(o, "Tags", tags);
	for (size_t i = 0; i < c->o.meta.n; i++)
		json_object_set_new(meta, c->o.meta.items[i].key,
				    json_string(c->o.meta.items[i].value));
	json_object_set_new(o, "Meta", meta);
	return o;
}

int cli_services_register(struct cli *c)
{
	struct pw_err err = PW_ERR_INIT;

	if (c->args.n == 0 && pw_str_empty(c->o.name))
		return cli_fail(c, "Service registration requires at least one file, or -name");
	if (c->args.n && !pw_str_empty(c->o.name))
		return cli_fail(c, "Service registration takes files or -name, not both");
	if (c->args.n == 0) {
		pw_autojson json_t *service = definition_from_flags(c);

		return register_one(c, service);
	}
	for (size_t i = 0; i < c->args.n; i++) {
		pw_autojson json_t *doc = NULL;

		if (cli_read_document(c, c->args.items[i], &doc, &err) < 0)
			return cli_fail(c, "%s", err.text);
		if (register_document(c, doc) != 0)
			return 1;
	}
	return 0;
}

static int deregister_one(struct cli *c, const char *id)
{
	pw_autofree char *escaped = cli_escape(id);
	pw_autofree char *path = pw_xasprintf("/v1/agent/service/deregister/%s", escaped);
	struct pw_err err = PW_ERR_INIT;

	if (cli_call(c, "PUT", path, NULL, NULL, NULL, &err) < 0)
		return cli_fail(c, "Error deregistering service \"%s\": %s", id, err.text);
	fprintf(c->out, "Deregistered service: %s\n", id);
	return 0;
}

static int deregister_each(struct cli *c, const json_t *services)
{
	size_t n = json_is_array(services) ? json_array_size(services) : 1;

	for (size_t i = 0; i < n; i++) {
		const json_t *s = json_is_array(services) ? json_array_get(services, i) : services;
		const char *id = json_string_value(cli_member(s, "ID"));

		if (pw_str_empty(id))
			id = json_string_value(cli_member(s, "Name"));
		if (pw_str_empty(id))
			return cli_fail(c, "A service without ID and Name cannot be deregistered");
		if (deregister_one(c, id) != 0)
			return 1;
	}
	return 0;
}

int cli_services_deregister(struct cli *c)
{
	struct pw_err err = PW_ERR_INIT;

	if (!pw_str_empty(c->o.id) && c->args.n == 0)
		return deregister_one(c, c->o.id);
	if (c->args.n == 0 || !pw_str_empty(c->o.id))
		return cli_fail(c, "Service deregistration requires either -id or files");
	for (size_t i = 0; i < c->args.n; i++) {
		pw_autojson json_t *doc = NULL;
		const json_t *one, *many;

		if (cli_read_document(c, c->args.items[i], &doc, &err) < 0)
			return cli_fail(c, "%s", err.text);
		one = cli_member(doc, "service");
		many = cli_member(doc, "services");
		if ((one && deregister_each(c, one) != 0) ||
		    (many && deregister_each(c, many) != 0) ||
		    (!one && !many && deregister_each(c, doc) != 0))
			return 1;
	}
	return 0;
}

/* Adds {key: value} unless it is there. */
static void add_consumer(json_t *consumers, const char *key, const char *value)
{
	const json_t *consumer;
	size_t i;

	json_array_foreach(consumers, i,
			   consumer) if (pw_streq(json_string_value(cli_member(consumer, key)),
						  value)) return;
	json_array_append_new(consumers, json_pack("{s:s}", key, value));
}

/* The list at key of o, made when it is missing. */
static json_t *list_of(json_t *o, const char *key)
{
	json_t *list = json_object_get(o, key);

	if (json_is_array(list))
		return list;
	list = json_array();
	json_object_set_new(o, key, list);
	return list;
}

static json_t *find_service(json_t *services, const char *name)
{
	json_t *service;
	size_t i;

	json_array_foreach(services, i, service) if (pw_streq(pw_json_str(service, "Name"),
							      name)) return service;
	service = json_pack("{s:s}", "Name", name);
	json_array_append_new(services, service);
	return service;
}

static void add_export(const struct cli *c, json_t *entry)
{
	json_t *service = find_service(list_of(entry, "Services"), c->o.name);
	json_t *consumers = list_of(service, "Consumers");

	for (size_t i = 0; i < c->o.consumer_peers.n; i++)
		add_consumer(consumers, "Peer", c->o.consumer_peers.items[i]);
	for (size_t i = 0; i < c->o.consumer_partitions.n; i++)
		add_consumer(consumers, "Partition", c->o.consumer_partitions.items[i]);
}

static int try_export(struct cli *c, bool *ret_done, struct pw_err *err)
{
	pw_autojson json_t *entry = NULL;
	uint64_t index;
	int r;

	r = cli_config_get(c, "exported-services", "default", &entry, &index, err);
	if (r < 0)
		return r;
	if (!entry)
		entry = json_pack("{s:s,s:s}", "Kind", "exported-services", "Name", "default");
	add_export(c, entry);
	return cli_put_cas(c, entry, /* cas= */ true, index, ret_done, err);
}

static void say_exported(const struct cli *c)
{
	pw_autofree char *peers = pw_strv_join(&c->o.consumer_peers, ",");
	pw_autofree char *partitions = pw_strv_join(&c->o.consumer_partitions, ",");

	fprintf(c->out, "Successfully exported service \"%s\" to ", c->o.name);
	if (c->o.consumer_peers.n)
		fprintf(c->out, "cluster peers \"%s\"", peers);
	if (c->o.consumer_partitions.n)
		fprintf(c->out, "%spartitions \"%s\"", c->o.consumer_peers.n ? " and to " : "",
			partitions);
	fprintf(c->out, "\n");
}

int cli_services_export(struct cli *c)
{
	struct pw_err err = PW_ERR_INIT;
	bool done = false;

	if (pw_str_empty(c->o.name))
		return cli_fail(c, "Missing the required -name flag");
	if (c->o.consumer_peers.n == 0 && c->o.consumer_partitions.n == 0)
		return cli_fail(
			c, "Missing the required -consumer-peers or -consumer-partitions flag");
	for (int i = 0; i < CAS_TRIES && !done; i++)
		if (try_export(c, &done, &err) < 0)
			return cli_fail(c, "Error exporting service \"%s\": %s", c->o.name,
					err.text);
	if (!done)
		return cli_fail(
			c,
			"Error exporting service \"%s\": the exported-services entry keeps changing, try again",
			c->o.name);
	say_exported(c);
	return 0;
}

static char *join_json(const json_t *list)
{
	pw_cleanup(pw_strv_clear) struct pw_strv v = { 0 };
	const json_t *item;
	size_t i;

	json_array_foreach((json_t *)list, i, item) pw_strv_add(&v, json_string_value(item));
	return pw_strv_join(&v, ", ");
}

int cli_services_exported(struct cli *c)
{
	pw_cleanup(cli_table_clear) struct cli_table t = { .n_columns = 2 };
	pw_autofree char *filter = cli_escape(c->o.filter);
	pw_autofree char *path =
		pw_xasprintf("/v1/exported-services%s%s", *filter ? "?filter=" : "", filter);
	pw_autojson json_t *answer = NULL;
	struct pw_err err = PW_ERR_INIT;
	const json_t *row;
	size_t i;

	if (!cli_format_ok(c))
		return 1;
	if (cli_call(c, "GET", path, NULL, &answer, NULL, &err) < 0)
		return cli_fail(c, "Error reading exported services: %s", err.text);
	if (cli_wants_json(c)) {
		cli_print_json(c, answer);
		return 0;
	}
	if (json_array_size(answer) == 0) {
		fprintf(c->out, "No exported services found\n");
		return 0;
	}
	cli_table_row(&t, "Service", "Consumer Peers");
	json_array_foreach(answer, i, row)
	{
		pw_autofree char *peers =
			join_json(json_object_get(json_object_get(row, "Consumers"), "Peers"));

		cli_table_row(&t, pw_json_str(row, "Service"), peers);
	}
	cli_table_print(&t, c->out);
	return 0;
}
