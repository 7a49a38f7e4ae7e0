// SPDX-License-Identifier: Apache-2.0
#include "cli_private.h"
#include <string.h>

#define KIND	  "service-intentions"
#define CAS_TRIES 5

struct source {
	char *peer; /* NULL: a service of ours */
	char *name;
};

static void source_clear(struct source *s)
{
	free(s->peer);
	free(s->name);
	*s = (struct source){ 0 };
}

/* "web", "default/web", "peer:west/web": the namespace can only be the default and is left to the
 * agent to refuse. */
static int source_parse(const char *text, struct source *ret, struct pw_err *err)
{
	const char *slash = strchr(text, '/');

	if (!pw_str_starts(text, "peer:")) {
		ret->name = pw_xstrdup(pw_str_starts(text, "default/") ? slash + 1 : text);
		return 0;
	}
	text += strlen("peer:");
	if (!slash || slash == text || !slash[1])
		return pw_err_set(err, PW_ERR_BAD_REQUEST, EINVAL,
				  "a source of a peer is written peer:ALIAS/NAME");
	ret->peer = pw_xstrndup(text, (size_t)(slash - text));
	ret->name = pw_xstrdup(slash + 1);
	return 0;
}

static json_t *source_entry(const struct source *s, const char *action)
{
	json_t *o = json_object();

	json_object_set_new(o, "Name", json_string(s->name));
	if (s->peer)
		json_object_set_new(o, "Peer", json_string(s->peer));
	json_object_set_new(o, "Action", json_string(action));
	return o;
}

static bool same_source(const json_t *entry, const struct source *s)
{
	return pw_streq(pw_json_str(entry, "Name"), s->name) &&
	       pw_streq(pw_json_str(entry, "Peer"), s->peer);
}

/* Adds the source. With replace it takes the place of its like; without, the agent refuses the
 * second. */
static void add_source(const struct cli *c, json_t *entry, const struct source *s,
		       const char *action)
{
	json_t *sources = json_object_get(entry, "Sources");
	size_t i;

	if (!json_is_array(sources)) {
		sources = json_array();
		json_object_set_new(entry, "Sources", sources);
	}
	for (i = 0; c->o.replace && i < json_array_size(sources); i++)
		if (same_source(json_array_get(sources, i), s))
			break;
	if (c->o.replace && i < json_array_size(sources))
		json_array_set_new(sources, i, source_entry(s, action));
	else
		json_array_append_new(sources, source_entry(s, action));
}

static void add_meta(const struct cli *c, json_t *entry)
{
	json_t *meta = json_object_get(entry, "Meta");

	if (c->o.meta.n == 0)
		return;
	if (!json_is_object(meta)) {
		meta = json_object();
		json_object_set_new(entry, "Meta", meta);
	}
	for (size_t i = 0; i < c->o.meta.n; i++)
		json_object_set_new(meta, c->o.meta.items[i].key,
				    json_string(c->o.meta.items[i].value));
}

static int try_create(struct cli *c, const struct source *s, const char *destination,
		      const char *action, bool *ret_done, struct pw_err *err)
{
	pw_autojson json_t *entry = NULL;
	uint64_t index;
	int r;

	r = cli_config_get(c, KIND, destination, &entry, &index, err);
	if (r < 0)
		return r;
	if (!entry)
		entry = json_pack("{s:s,s:s}", "Kind", KIND, "Name", destination);
	add_source(c, entry, s, action);
	add_meta(c, entry);
	return cli_put_cas(c, entry, /* cas= */ true, index, ret_done, err);
}

/*
 * Through the destination's config entry, read and written back under its index: so peers can be
 * sources, and two writers cannot lose each other's.
 */
static int create_one(struct cli *c, const char *source, const char *destination,
		      const char *action)
{
	pw_cleanup(source_clear) struct source s = { 0 };
	struct pw_err err = PW_ERR_INIT;
	bool done = false;
	int r;

	r = source_parse(source, &s, &err);
	for (int i = 0; r == 0 && i < CAS_TRIES && !done; i++)
		r = try_create(c, &s, destination, action, &done, &err);
	if (r == 0 && !done)
		r = pw_err_set(&err, PW_ERR_INTERNAL, EAGAIN,
			       "the config entry keeps changing, try again");
	if (r < 0)
		return cli_fail(c, "Error creating intention \"%s => %s (%s)\": %s", source,
				destination, action, err.text);
	if (!c->o.replace)
		fprintf(c->out, "Created: %s => %s (%s)\n", source, destination, action);
	return 0;
}

static int create_from_file(struct cli *c, const char *path)
{
	pw_autofree char *source = NULL;
	pw_autojson json_t *doc = NULL;
	struct pw_err err = PW_ERR_INIT;
	const char *name, *peer, *destination, *action;

	if (cli_read_document(c, path, &doc, &err) < 0)
		return cli_fail(c, "Error: %s", err.text);
	name = json_string_value(cli_member(doc, "SourceName"));
	peer = json_string_value(cli_member(doc, "SourcePeer"));
	destination = json_string_value(cli_member(doc, "DestinationName"));
	action = json_string_value(cli_member(doc, "Action"));
	if (pw_str_empty(name) || pw_str_empty(destination))
		return cli_fail(c, "Error: %s: SourceName and DestinationName are required", path);
	source = pw_str_empty(peer) ? pw_xstrdup(name) : pw_xasprintf("peer:%s/%s", peer, name);
	return create_one(c, source, destination, pw_str_empty(action) ? "allow" : action);
}

static bool two_args(struct cli *c)
{
	if (c->args.n == 2)
		return true;
	cli_fail(c, "Error: command requires exactly two arguments: src and dst");
	return false;
}

int cli_intention_create(struct cli *c)
{
	if (c->o.allow && c->o.deny)
		return cli_fail(c, "Only one of -allow or -deny may be specified.");
	if (c->o.file && c->args.n == 0)
		return cli_fail(c, "Error: -file needs at least one file");
	for (size_t i = 0; c->o.file && i < c->args.n; i++)
		if (create_from_file(c, c->args.items[i]) != 0)
			return 1;
	if (c->o.file)
		return 0;
	if (!two_args(c))
		return 1;
	return create_one(c, c->args.items[0], c->args.items[1], c->o.deny ? "deny" : "allow");
}

static char *pair_path(const struct cli *c, const char *endpoint)
{
	pw_autofree char *source = cli_escape(c->args.items[0]);
	pw_autofree char *destination = cli_escape(c->args.items[1]);

	return pw_xasprintf("/v1/connect/intentions/%s?source=%s&destination=%s", endpoint, source,
			    destination);
}

int cli_intention_check(struct cli *c)
{
	pw_autojson json_t *answer = NULL;
	pw_autofree char *path = NULL;
	struct pw_err err = PW_ERR_INIT;
	bool allowed;

	/* 0 and 1 are the answers, so a failure is 2. */
	if (!two_args(c))
		return 2;
	path = pair_path(c, "check");
	if (cli_call(c, "GET", path, NULL, &answer, NULL, &err) < 0) {
		cli_fail(c, "Error checking the connection: %s", err.text);
		return 2;
	}
	allowed = pw_json_bool(answer, "Allowed", false);
	fprintf(c->out, "%s\n", allowed ? "Allowed" : "Denied");
	return allowed ? 0 : 1;
}

int cli_intention_delete(struct cli *c)
{
	pw_autofree char *path = NULL;
	struct pw_err err = PW_ERR_INIT;

	if (!two_args(c))
		return 1;
	path = pair_path(c, "exact");
	if (cli_call(c, "DELETE", path, NULL, NULL, NULL, &err) < 0)
		return cli_fail(c, "Error deleting the intention: %s", err.text);
	fprintf(c->out, "Intention deleted.\n");
	return 0;
}
