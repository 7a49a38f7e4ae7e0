// SPDX-License-Identifier: Apache-2.0
#include "cli_private.h"

static json_t *map_to_json(const struct pw_map *m)
{
	json_t *o = json_object();

	for (size_t i = 0; i < m->n; i++)
		json_object_set_new(o, m->items[i].key, json_string(m->items[i].value));
	return o;
}

static json_t *strv_to_json(const struct pw_strv *v)
{
	json_t *list = json_array();

	for (size_t i = 0; i < v->n; i++)
		json_array_append_new(list, json_string(v->items[i]));
	return list;
}

static void add_common(const struct cli *c, json_t *request)
{
	json_object_set_new(request, "PeerName", json_string(c->o.name));
	if (c->o.meta.n)
		json_object_set_new(request, "Meta", map_to_json(&c->o.meta));
	if (!pw_str_empty(c->o.partition))
		json_object_set_new(request, "Partition", json_string(c->o.partition));
}

static bool has_name(struct cli *c)
{
	if (!pw_str_empty(c->o.name))
		return true;
	cli_fail(c, "Missing the required -name flag");
	return false;
}

int cli_peering_generate_token(struct cli *c)
{
	pw_autojson json_t *request = json_object(), *answer = NULL;
	struct pw_err err = PW_ERR_INIT;
	int r;

	if (!has_name(c) || !cli_format_ok(c))
		return 1;
	add_common(c, request);
	if (c->o.external_addresses.n)
		json_object_set_new(request, "ServerExternalAddresses",
				    strv_to_json(&c->o.external_addresses));
	r = cli_call(c, "POST", "/v1/peering/token", request, &answer, NULL, &err);
	if (r < 0)
		return cli_fail(c, "Error generating peering token for %s: %s", c->o.name,
				err.text);
	if (cli_wants_json(c))
		cli_print_json(c, answer);
	else
		fprintf(c->out, "%s\n", pw_str_or_empty(pw_json_str(answer, "PeeringToken")));
	return 0;
}

int cli_peering_establish(struct cli *c)
{
	pw_autojson json_t *request = json_object();
	struct pw_err err = PW_ERR_INIT;
	int r;

	if (!has_name(c))
		return 1;
	if (pw_str_empty(c->o.peering_token))
		return cli_fail(c, "Missing the required -peering-token flag");
	add_common(c, request);
	json_object_set_new(request, "PeeringToken", json_string(c->o.peering_token));
	if (c->o.retry)
		json_object_set_new(request, "Retry", json_true());
	r = cli_call(c, "POST", "/v1/peering/establish", request, NULL, NULL, &err);
	if (r < 0)
		return cli_fail(c, "Error establishing peering for %s: %s", c->o.name, err.text);
	fprintf(c->out, "Successfully established peering connection with %s\n", c->o.name);
	return 0;
}

int cli_peering_list(struct cli *c)
{
	pw_autojson json_t *answer = NULL;
	struct pw_err err = PW_ERR_INIT;

	if (!cli_format_ok(c))
		return 1;
	if (cli_call(c, "GET", "/v1/peerings", NULL, &answer, NULL, &err) < 0)
		return cli_fail(c, "Error listing peerings: %s", err.text);
	if (cli_wants_json(c))
		cli_print_json(c, answer);
	else if (json_array_size(answer) == 0)
		fprintf(c->out, "There are no peering connections.\n");
	else
		cli_peering_print_list(answer, c->out);
	return 0;
}

/* Prints the error itself. */
static int get_peering(struct cli *c, json_t **ret)
{
	pw_autofree char *name = cli_escape(c->o.name);
	pw_autofree char *path = pw_xasprintf("/v1/peering/%s", name);
	struct pw_err err = PW_ERR_INIT;
	int status;

	if (cli_call(c, "GET", path, NULL, ret, &status, &err) == 0)
		return 0;
	if (status == 404)
		return cli_fail(c, "No peering with name %s found.", c->o.name);
	return cli_fail(c, "Error reading peering: %s", err.text);
}

int cli_peering_read(struct cli *c)
{
	pw_autojson json_t *peering = NULL;

	if (!has_name(c) || !cli_format_ok(c) || get_peering(c, &peering) != 0)
		return 1;
	if (cli_wants_json(c))
		cli_print_json(c, peering);
	else
		cli_peering_print(peering, c->out);
	return 0;
}

int cli_peering_delete(struct cli *c)
{
	struct pw_err err = PW_ERR_INIT;

	if (!has_name(c))
		return 1;
	pw_autofree char *name = cli_escape(c->o.name);
	pw_autofree char *path = pw_xasprintf("/v1/peering/%s", name);

	if (cli_call(c, "DELETE", path, NULL, NULL, NULL, &err) < 0)
		return cli_fail(c, "Error deleting peering for %s: %s", c->o.name, err.text);
	fprintf(c->out, "Successfully submitted peering connection, %s, for deletion\n", c->o.name);
	return 0;
}

int cli_peering_exported_services(struct cli *c)
{
	pw_autojson json_t *peering = NULL, *list = json_array();
	const json_t *services, *service;
	size_t i;

	if (!has_name(c) || !cli_format_ok(c) || get_peering(c, &peering) != 0)
		return 1;
	services = json_object_get(json_object_get(peering, "StreamStatus"), "ExportedServices");
	json_array_foreach((json_t *)services, i, service)
	{
		pw_autofree char *name = cli_printable(json_string_value(service));

		if (cli_wants_json(c))
			json_array_append_new(list, json_pack("{s:O}", "ID", service));
		else
			fprintf(c->out, "%s\n", name);
	}
	if (cli_wants_json(c))
		cli_print_json(c, list);
	return 0;
}
