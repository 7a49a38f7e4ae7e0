// SPDX-License-Identifier: Apache-2.0
#include "cli_private.h"
#include "../base/time.h"
#include <inttypes.h>

/* "1.5 MiB": three digits say enough in a table; -format=json has the bytes. */
static char *bytes_text(int64_t n)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double v = (double)n;
	size_t unit = 0;

	while (v >= 1024 && unit + 1 < ARRAY_SIZE(units)) {
		v /= 1024;
		unit++;
	}
	if (unit == 0)
		return pw_xasprintf("%" PRId64 " B", n);
	return pw_xasprintf("%.1f %s", v, units[unit]);
}

/* "copy (reason)"; the reason says why it is not a better one. */
static char *with_reason(const json_t *flow, const char *what, const char *reason)
{
	const char *why = pw_json_str(flow, reason);

	if (pw_str_empty(why))
		return pw_xstrdup(pw_str_or_empty(pw_json_str(flow, what)));
	return pw_xasprintf("%s (%s)", pw_str_or_empty(pw_json_str(flow, what)), why);
}

static char *id_of(const json_t *flow)
{
	const json_t *id = json_object_get(flow, "ID");

	return json_is_string(id) ? pw_xstrdup(json_string_value(id))
				  : pw_xasprintf("%" PRId64, pw_json_int(flow, "ID", 0));
}

static void add_row(struct cli_table *t, const json_t *flow)
{
	pw_autofree char *id = id_of(flow);
	pw_autofree char *forwarder = with_reason(flow, "Forwarder", "ForwarderReason");
	pw_autofree char *tls = with_reason(flow, "TLS", "TLSReason");
	pw_autofree char *in = bytes_text(pw_json_int(flow, "BytesIn", 0));
	pw_autofree char *out = bytes_text(pw_json_int(flow, "BytesOut", 0));
	pw_autofree char *age = pw_duration_format_ms(
		(int64_t)json_number_value(json_object_get(flow, "AgeSeconds")) * 1000);

	cli_table_row(t, id, pw_json_str(flow, "Peer"), pw_json_str(flow, "Direction"),
		      pw_json_str(flow, "Source"), pw_json_str(flow, "Destination"), forwarder, tls,
		      in, out, age, pw_json_str(flow, "State"));
}

void cli_flows_print(const json_t *flows, FILE *to)
{
	pw_cleanup(cli_table_clear) struct cli_table t = { .n_columns = 11 };
	const json_t *flow;
	size_t i;

	cli_table_row(&t, "ID", "Peer", "Direction", "Source", "Destination", "Forwarder", "TLS",
		      "In", "Out", "Age", "State");
	json_array_foreach((json_t *)flows, i, flow) add_row(&t, flow);
	cli_table_print(&t, to);
}

int cli_flows(struct cli *c)
{
	pw_autojson json_t *flows = NULL;
	struct pw_err err = PW_ERR_INIT;

	if (!cli_format_ok(c))
		return 1;
	if (cli_call(c, "GET", "/v1/agent/flows", NULL, &flows, NULL, &err) < 0)
		return cli_fail(c, "Error reading flows: %s", err.text);
	if (cli_wants_json(c))
		cli_print_json(c, flows);
	else if (json_array_size(flows) == 0)
		fprintf(c->out, "There are no flows.\n");
	else
		cli_flows_print(flows, c->out);
	return 0;
}
