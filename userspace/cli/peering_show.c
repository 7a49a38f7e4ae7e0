// SPDX-License-Identifier: Apache-2.0
#include "cli_private.h"
#include "../base/time.h"
#include <string.h>

static size_t stream_count(const json_t *peering, const char *key)
{
	return json_array_size(json_object_get(json_object_get(peering, "StreamStatus"), key));
}

/* "k=v" of an object of strings, sorted. */
static void meta_pairs(const json_t *meta, struct pw_strv *ret)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)meta, key, value)
	{
		pw_autofree char *raw =
			pw_xasprintf("%s=%s", key, pw_str_or_empty(json_string_value(value)));
		pw_autofree char *pair = cli_printable(raw);

		pw_strv_add(ret, pair);
	}
	pw_strv_sort(ret);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(pw_str_or_empty(pw_json_str(*(json_t *const *)a, "Name")),
		      pw_str_or_empty(pw_json_str(*(json_t *const *)b, "Name")));
}

static void add_row(struct cli_table *t, const json_t *peering)
{
	pw_autofree char *imported = pw_xasprintf("%zu", stream_count(peering, "ImportedServices"));
	pw_autofree char *exported = pw_xasprintf("%zu", stream_count(peering, "ExportedServices"));
	pw_cleanup(pw_strv_clear) struct pw_strv pairs = { 0 };
	pw_autofree char *meta = NULL;

	meta_pairs(json_object_get(peering, "Meta"), &pairs);
	meta = pw_strv_join(&pairs, ",");
	cli_table_row(t, pw_json_str(peering, "Name"), pw_json_str(peering, "State"), imported,
		      exported, meta);
}

void cli_peering_print_list(const json_t *peerings, FILE *to)
{
	pw_cleanup(cli_table_clear) struct cli_table t = { .n_columns = 5 };
	size_t n = json_array_size(peerings);
	pw_autofree const json_t **sorted = pw_xcalloc(n, sizeof(*sorted));

	for (size_t i = 0; i < n; i++)
		sorted[i] = json_array_get(peerings, i);
	qsort(sorted, n, sizeof(*sorted), by_name);
	cli_table_row(&t, "Name", "State", "Imported Svcs", "Exported Svcs", "Meta");
	for (size_t i = 0; i < n; i++)
		add_row(&t, sorted[i]);
	cli_table_print(&t, to);
}

static void line(FILE *to, const char *label, const char *value)
{
	pw_autofree char *safe = cli_printable(value);

	fprintf(to, "%s%s\n", label, safe);
}

static void optional_line(FILE *to, const char *label, const char *value)
{
	if (!pw_str_empty(value))
		line(to, label, value);
}

/* "2024-05-01 10:00:15.120931 +0000 UTC": how the tool that people know prints a time. */
static void time_line(FILE *to, const char *label, const char *rfc3339)
{
	pw_autofree char *text = NULL;
	int64_t ns;

	if (pw_time_parse_rfc3339(rfc3339, &ns) < 0 || ns == 0) {
		fprintf(to, "%s<nil>\n", label);
		return;
	}
	text = pw_time_rfc3339(ns);
	text[10] = ' ';
	fprintf(to, "%s%.*s +0000 UTC\n", label, (int)strlen(text) - 1, text);
}

static void print_identity(const json_t *p, FILE *to)
{
	pw_cleanup(pw_strv_clear) struct pw_strv pairs = { 0 };

	line(to, "Name:         ", pw_json_str(p, "Name"));
	line(to, "ID:           ", pw_json_str(p, "ID"));
	optional_line(to, "Partition:    ", pw_json_str(p, "Partition"));
	optional_line(to, "DeletedAt:    ", pw_json_str(p, "DeletedAt"));
	line(to, "State:        ", pw_json_str(p, "State"));
	meta_pairs(json_object_get(p, "Meta"), &pairs);
	if (pairs.n)
		fprintf(to, "Meta:\n");
	for (size_t i = 0; i < pairs.n; i++)
		fprintf(to, "    %s\n", pairs.items[i]);
}

static void print_peer(const json_t *p, FILE *to)
{
	const json_t *addresses = json_object_get(p, "PeerServerAddresses"), *address;
	size_t i;

	line(to, "Peer ID:               ", pw_json_str(p, "PeerID"));
	line(to, "Peer Server Name:      ", pw_json_str(p, "PeerServerName"));
	fprintf(to, "Peer CA Pems:          %zu\n",
		json_array_size(json_object_get(p, "PeerCAPems")));
	/* The blank line stands only where no addresses do. */
	if (json_array_size(addresses) == 0)
		fprintf(to, "\n");
	else
		fprintf(to, "Peer Server Addresses:\n");
	json_array_foreach((json_t *)addresses, i, address)
		line(to, "    ", json_string_value(address));
}

void cli_peering_print(const json_t *p, FILE *to)
{
	const json_t *stream = json_object_get(p, "StreamStatus");

	print_identity(p, to);
	fprintf(to, "\n");
	print_peer(p, to);
	fprintf(to, "Imported Services: %zu\n", stream_count(p, "ImportedServices"));
	fprintf(to, "Exported Services: %zu\n\n", stream_count(p, "ExportedServices"));
	time_line(to, "Last Heartbeat:    ", pw_json_str(stream, "LastHeartbeat"));
	time_line(to, "Last Send:         ", pw_json_str(stream, "LastSend"));
	time_line(to, "Last Receive:      ", pw_json_str(stream, "LastReceive"));
	/* Ours: why a stream failed last, and on whose side; absent while there was no fault. */
	if (!pw_str_empty(pw_json_str(stream, "LastError"))) {
		time_line(to, "Last Error Time:     ", pw_json_str(stream, "LastErrorTime"));
		line(to,
		     pw_json_bool(stream, "LastErrorRemote", false) ? "Last Error (theirs): "
								    : "Last Error (ours):   ",
		     pw_json_str(stream, "LastError"));
	}
	fprintf(to, "\nCreate Index: %lld\n", (long long)pw_json_int(p, "CreateIndex", 0));
	fprintf(to, "Modify Index: %lld\n\n", (long long)pw_json_int(p, "ModifyIndex", 0));
}
