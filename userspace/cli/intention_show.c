// SPDX-License-Identifier: Apache-2.0
#include "cli_private.h"
#include "../base/time.h"
#include <string.h>
#include <time.h>

static const char *action_of(const json_t *i)
{
	const char *action = pw_json_str(i, "Action");

	/* An intention with permissions decides by request, not by connection. */
	return pw_str_empty(action) ? "permissions" : action;
}

static char *with_namespace(const char *ns, const char *name)
{
	if (pw_str_empty(ns) || strcmp(ns, "default") == 0)
		return pw_xstrdup(pw_str_or_empty(name));
	return pw_xasprintf("%s/%s", ns, pw_str_or_empty(name));
}

static char *source_of(const json_t *i)
{
	return with_namespace(pw_json_str(i, "SourceNS"), pw_json_str(i, "SourceName"));
}

static char *destination_of(const json_t *i)
{
	return with_namespace(pw_json_str(i, "DestinationNS"), pw_json_str(i, "DestinationName"));
}

static bool any_peer(const json_t *list)
{
	const json_t *item;
	size_t i;

	json_array_foreach((json_t *)list, i,
			   item) if (!pw_str_empty(pw_json_str(item, "SourcePeer"))) return true;
	return false;
}

static void print_list(const json_t *list, FILE *to)
{
	bool peers = any_peer(list);
	pw_cleanup(cli_table_clear) struct cli_table t = { .n_columns = peers ? 6 : 5 };
	const json_t *item;
	size_t i;

	if (peers)
		cli_table_row(&t, "ID", "Source", "Source Peer", "Action", "Destination",
			      "Precedence");
	else
		cli_table_row(&t, "ID", "Source", "Action", "Destination", "Precedence");
	json_array_foreach((json_t *)list, i, item)
	{
		pw_autofree char *source = source_of(item), *destination = destination_of(item);
		pw_autofree char *precedence =
			pw_xasprintf("%lld", (long long)pw_json_int(item, "Precedence", 0));
		const char *id = pw_json_str(item, "ID");

		if (peers)
			cli_table_row(&t, id, source, pw_json_str(item, "SourcePeer"),
				      action_of(item), destination, precedence);
		else
			cli_table_row(&t, id, source, action_of(item), destination, precedence);
	}
	cli_table_print(&t, to);
}

int cli_intention_list(struct cli *c)
{
	pw_autofree char *filter = cli_escape(c->o.filter);
	pw_autofree char *path =
		pw_xasprintf("/v1/connect/intentions%s%s", *filter ? "?filter=" : "", filter);
	pw_autojson json_t *answer = NULL;
	struct pw_err err = PW_ERR_INIT;

	if (cli_call(c, "GET", path, NULL, &answer, NULL, &err) < 0)
		return cli_fail(c, "Failed to retrieve the intentions list: %s", err.text);
	if (json_array_size(answer) == 0) {
		cli_fail(c, "There are no intentions.");
		return 2;
	}
	print_list(answer, c->out);
	return 0;
}

static void print_matches(const json_t *list, FILE *to)
{
	pw_cleanup(cli_table_clear) struct cli_table t = { .n_columns = 4 };
	bool peers = any_peer(list);
	const json_t *item;
	size_t i;

	if (peers)
		cli_table_row(&t, "Source", "Source Peer", "Action", "Destination");
	json_array_foreach((json_t *)list, i, item)
	{
		pw_autofree char *source = source_of(item), *destination = destination_of(item);

		if (peers)
			cli_table_row(&t, source, pw_json_str(item, "SourcePeer"), action_of(item),
				      destination);
		else
			fprintf(to, "%s => %s (%s)\n", source, destination, action_of(item));
	}
	cli_table_print(&t, to);
}

int cli_intention_match(struct cli *c)
{
	pw_autofree char *name = NULL, *path = NULL;
	pw_autojson json_t *answer = NULL;
	struct pw_err err = PW_ERR_INIT;

	if (c->args.n != 1)
		return cli_fail(c, "Error: command requires exactly one argument: src or dst");
	if (c->o.source && c->o.destination)
		return cli_fail(c, "Error: only one of -source or -destination may be specified");
	name = cli_escape(c->args.items[0]);
	path = pw_xasprintf("/v1/connect/intentions/match?by=%s&name=%s",
			    c->o.source ? "source" : "destination", name);
	if (cli_call(c, "GET", path, NULL, &answer, NULL, &err) < 0)
		return cli_fail(c, "Error matching the connection: %s", err.text);
	/* One name was asked for, so there is one list. */
	print_matches(json_object_iter_value(json_object_iter(answer)), c->out);
	return 0;
}

/* "Wednesday, 25-Nov-26 02:37:47 UTC"; "" without a time. */
static void format_created(const char *rfc3339, char *buf, size_t size)
{
	static const char *const days[] = { "Sunday",	"Monday", "Tuesday", "Wednesday",
					    "Thursday", "Friday", "Saturday" };
	static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
					      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	struct tm tm;
	int64_t ns;
	time_t t;

	buf[0] = '\0';
	if (pw_time_parse_rfc3339(rfc3339, &ns) < 0 || ns <= 0)
		return;
	t = (time_t)(ns / 1000000000);
	gmtime_r(&t, &tm);
	snprintf(buf, size, "%s, %02d-%s-%02d %02d:%02d:%02d UTC", days[tm.tm_wday], tm.tm_mday,
		 months[tm.tm_mon], tm.tm_year % 100, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

static void add_optional(struct cli_table *t, const char *label, const char *value)
{
	if (!pw_str_empty(value))
		cli_table_row(t, label, value);
}

static void print_one(const json_t *i, FILE *to)
{
	pw_cleanup(cli_table_clear) struct cli_table t = { .n_columns = 2 };
	pw_autofree char *source = source_of(i), *destination = destination_of(i);
	char created[96];
	const char *key;
	json_t *value;

	cli_table_row(&t, "Source:", source);
	add_optional(&t, "Source Peer:", pw_json_str(i, "SourcePeer"));
	cli_table_row(&t, "Destination:", destination);
	cli_table_row(&t, "Action:", action_of(i));
	add_optional(&t, "ID:", pw_json_str(i, "ID"));
	add_optional(&t, "Description:", pw_json_str(i, "Description"));
	json_object_foreach(json_object_get(i, "Meta"), key, value)
	{
		pw_autofree char *label = pw_xasprintf("Meta[%s]:", key);

		cli_table_row(&t, label, json_string_value(value));
	}
	format_created(pw_json_str(i, "CreatedAt"), created, sizeof(created));
	add_optional(&t, "Created At:", created);
	cli_table_print(&t, to);
}

int cli_intention_get(struct cli *c)
{
	pw_autofree char *source = NULL, *destination = NULL, *path = NULL;
	pw_autojson json_t *answer = NULL;
	struct pw_err err = PW_ERR_INIT;
	int status;

	if (c->args.n != 2)
		return cli_fail(c, "Error: command requires exactly two arguments: src and dst");
	source = cli_escape(c->args.items[0]);
	destination = cli_escape(c->args.items[1]);
	path = pw_xasprintf("/v1/connect/intentions/exact?source=%s&destination=%s", source,
			    destination);
	if (cli_call(c, "GET", path, NULL, &answer, &status, &err) < 0 && status == 404)
		return cli_fail(c, "Intention not found with source \"%s\" and destination \"%s\"",
				c->args.items[0], c->args.items[1]);
	if (!answer)
		return cli_fail(c, "Error: %s", err.text);
	print_one(answer, c->out);
	return 0;
}
