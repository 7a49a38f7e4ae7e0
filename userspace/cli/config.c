// SPDX-License-Identifier: Apache-2.0
#include "cli_private.h"
#include <inttypes.h>
#include <string.h>

/* What the agent says when the body itself is wrong; the command says it as its own. */
#define DECODE_FAILED "Request decoding failed: "

static const char *text_of(const json_t *doc, const char *key)
{
	return pw_str_or_empty(json_string_value(cli_member(doc, key)));
}

/* "… (Request decoding failed: WHAT)" gives WHAT, without the bracket. */
static char *decode_error(const char *text)
{
	const char *at = strstr(text, DECODE_FAILED);

	if (!at)
		return NULL;
	at += strlen(DECODE_FAILED);
	return pw_xstrndup(at, strlen(at) - (pw_str_ends(at, ")") ? 1 : 0));
}

int cli_config_write(struct cli *c)
{
	pw_autofree char *inner = NULL;
	pw_autojson json_t *entry = NULL;
	struct pw_err err = PW_ERR_INIT;
	bool done = false;

	if (c->args.n != 1)
		return cli_fail(
			c,
			"Must provide exactly one positional argument to specify the config entry to write");
	if (cli_read_document(c, c->args.items[0], &entry, &err) < 0)
		return cli_fail(c, "%s%s",
				pw_str_starts(err.text, "Failed to load data")
					? ""
					: "Failed to decode config entry input: ",
				err.text);
	if (cli_put_cas(c, entry, c->o.cas, c->o.modify_index, &done, &err) < 0) {
		inner = decode_error(err.text);
		if (inner)
			return cli_fail(c, "Failed to decode config entry input: %s", inner);
		return cli_fail(c, "Error writing config entry %s/%s: %s", text_of(entry, "Kind"),
				text_of(entry, "Name"), err.text);
	}
	if (!done)
		return cli_fail(c, "Config entry not updated: %s/%s", text_of(entry, "Kind"),
				text_of(entry, "Name"));
	fprintf(c->out, "Config entry written: %s/%s\n", text_of(entry, "Kind"),
		text_of(entry, "Name"));
	return 0;
}

static bool has_kind(struct cli *c)
{
	if (!pw_str_empty(c->o.kind))
		return true;
	cli_fail(c, "Must specify the -kind parameter");
	return false;
}

static char *entry_path(const char *kind, const char *name)
{
	pw_autofree char *k = cli_escape(kind);
	pw_autofree char *n = cli_escape(name);

	return pw_xasprintf("/v1/config/%s/%s", k, n);
}

/* The API gives a source's peer last; people are used to reading it beside the name. */
static void peers_beside_names(json_t *entry)
{
	json_t *sources = json_object_get(entry, "Sources"), *source, *value;
	const char *key;
	size_t i;

	json_array_foreach(sources, i, source)
	{
		json_t *peer = json_object_get(source, "Peer");
		json_t *ordered;

		if (!peer)
			continue;
		ordered = json_object();
		json_object_set(ordered, "Name", json_object_get(source, "Name"));
		json_object_set(ordered, "Peer", peer);
		json_object_foreach(source, key, value) json_object_set(ordered, key, value);
		json_array_set_new(sources, i, ordered);
	}
}

int cli_config_read(struct cli *c)
{
	pw_autofree char *path = NULL, *text = NULL;
	pw_autojson json_t *entry = NULL;
	struct pw_err err = PW_ERR_INIT;

	if (!has_kind(c))
		return 1;
	if (pw_str_empty(c->o.name))
		return cli_fail(c, "Must specify the -name parameter");
	path = entry_path(c->o.kind, c->o.name);
	if (cli_call(c, "GET", path, NULL, &entry, NULL, &err) < 0)
		return cli_fail(c, "Error reading config entry %s/%s: %s", c->o.kind, c->o.name,
				err.text);
	/* A checksum for machines that compare; of no use to a reader. */
	json_object_del(entry, "Hash");
	peers_beside_names(entry);
	text = pw_json_pretty(entry);
	fprintf(c->out, "%s\n", text);
	return 0;
}

int cli_config_list(struct cli *c)
{
	pw_autofree char *kind = NULL, *filter = NULL, *path = NULL;
	pw_autojson json_t *entries = NULL;
	struct pw_err err = PW_ERR_INIT;
	const json_t *entry;
	size_t i;

	if (!has_kind(c))
		return 1;
	kind = cli_escape(c->o.kind);
	filter = cli_escape(c->o.filter);
	path = pw_xasprintf("/v1/config/%s%s%s", kind, *filter ? "?filter=" : "", filter);
	if (cli_call(c, "GET", path, NULL, &entries, NULL, &err) < 0)
		return cli_fail(c, "Error listing config entries for kind \"%s\": %s", c->o.kind,
				err.text);
	json_array_foreach(entries, i, entry) fprintf(c->out, "%s\n", text_of(entry, "Name"));
	return 0;
}

/* -filename names the entry by what the file holds. */
static int name_by_file(struct cli *c)
{
	pw_autojson json_t *entry = NULL;
	struct pw_err err = PW_ERR_INIT;

	if (!pw_str_empty(c->o.kind) || !pw_str_empty(c->o.name))
		return cli_fail(c, "filename can't be used with kind or name");
	if (cli_read_document(c, c->o.filename, &entry, &err) < 0)
		return cli_fail(c, "%s", err.text);
	c->o.kind = pw_xstrdup(text_of(entry, "Kind"));
	c->o.name = pw_xstrdup(text_of(entry, "Name"));
	return 0;
}

int cli_config_delete(struct cli *c)
{
	pw_autofree char *plain = NULL, *path = NULL;
	pw_autojson json_t *answer = NULL;
	struct pw_err err = PW_ERR_INIT;

	if (!pw_str_empty(c->o.filename) && name_by_file(c) != 0)
		return 1;
	if (!has_kind(c))
		return 1;
	if (pw_str_empty(c->o.name))
		return cli_fail(c, "Must specify the -name parameter");
	if (c->o.cas && c->o.modify_index == 0)
		return cli_fail(c, "Must specify a -modify-index greater than 0 with -cas");
	plain = entry_path(c->o.kind, c->o.name);
	path = c->o.cas ? pw_xasprintf("%s?cas=%" PRIu64, plain, c->o.modify_index)
			: TAKE_PTR(plain);
	if (cli_call(c, "DELETE", path, NULL, &answer, NULL, &err) < 0)
		return cli_fail(c, "Error deleting config entry %s/%s: %s", c->o.kind, c->o.name,
				err.text);
	if (json_is_false(answer))
		return cli_fail(c, "Config entry not deleted: %s/%s", c->o.kind, c->o.name);
	fprintf(c->out, "Config entry deleted: %s/%s\n", c->o.kind, c->o.name);
	return 0;
}
