// SPDX-License-Identifier: Apache-2.0
#include "cli_private.h"
#include "../base/time.h"
#include <inttypes.h>

/* "12s", "3m20s", "never". */
static char *age_of(const char *rfc3339, int64_t now_ns)
{
	int64_t ns;

	if (pw_time_parse_rfc3339(rfc3339, &ns) < 0 || ns == 0)
		return pw_xstrdup("never");
	return pw_duration_format_ms(pw_max(now_ns - ns, (int64_t)0) / 1000000000 * 1000);
}

static char *count_of(const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);

	/* A number, or the list that is counted. */
	if (json_is_array(v))
		return pw_xasprintf("%zu", json_array_size(v));
	return pw_xasprintf("%" PRId64, pw_json_int(o, key, 0));
}

static void print_peerings(const json_t *peerings, int64_t now_ns, FILE *to)
{
	pw_cleanup(cli_table_clear) struct cli_table t = { .n_columns = 7 };
	const json_t *p;
	size_t i;

	fprintf(to, "\nPeerings\n");
	if (json_array_size(peerings) == 0) {
		fprintf(to, "  none\n");
		return;
	}
	cli_table_row(&t, "", "Name", "State", "Heartbeat", "Imported", "Exported", "Reason");
	json_array_foreach((json_t *)peerings, i, p)
	{
		pw_autofree char *age = age_of(pw_json_str(p, "LastHeartbeat"), now_ns);
		pw_autofree char *imported = count_of(p, "Imported");
		pw_autofree char *exported = count_of(p, "Exported");
		const char *state = pw_json_str(p, "State");

		cli_table_row(&t, "", pw_json_str(p, "Name"), state, age, imported, exported,
			      pw_streq(state, "ACTIVE") ? "" : pw_json_str(p, "LastError"));
	}
	cli_table_print(&t, to);
}

static void print_features(const json_t *features, FILE *to)
{
	pw_cleanup(cli_table_clear) struct cli_table t = { .n_columns = 4 };
	const json_t *f;
	size_t i;

	if (json_array_size(features) == 0)
		return;
	fprintf(to, "\nKernel\n");
	json_array_foreach((json_t *)features, i, f)
	{
		bool present = pw_json_bool(f, "Present", false);

		cli_table_row(&t, "", pw_json_str(f, "Name"), present ? "yes" : "no",
			      pw_json_str(f, "Reason"));
	}
	cli_table_print(&t, to);
}

static void print_guard(const json_t *guard, FILE *to)
{
	const json_t *interfaces = json_object_get(guard, "Interfaces"), *i;
	pw_cleanup(cli_table_clear) struct cli_table t = { .n_columns = 4 };
	pw_autofree char *mode = cli_printable(pw_json_str(guard, "Mode"));
	size_t n;

	if (!json_is_object(guard))
		return;
	fprintf(to, "\nGuard: %s%s\n", mode,
		json_array_size(interfaces) ? "" : ", attached to no interface");
	json_array_foreach((json_t *)interfaces, n, i)
		cli_table_row(&t, "", pw_json_str(i, "Name"), pw_json_str(i, "Attach"),
			      pw_json_str(i, "Reason"));
	cli_table_print(&t, to);
}

static char *scalar(const json_t *v)
{
	if (json_is_string(v))
		return pw_xstrdup(json_string_value(v));
	return pw_json_dump(v);
}

/* {name: value} as lines; zero values are left out where only what happened is of interest. */
static void print_values(const char *title, const json_t *values, bool skip_zero, FILE *to)
{
	pw_cleanup(cli_table_clear) struct cli_table t = { .n_columns = 3 };
	const char *key;
	json_t *v;

	if (!json_is_object(values))
		return;
	fprintf(to, "\n%s\n", title);
	json_object_foreach((json_t *)values, key, v)
	{
		pw_autofree char *text = NULL;

		if (skip_zero && json_is_integer(v) && json_integer_value(v) == 0)
			continue;
		text = scalar(v);
		cli_table_row(&t, "", key, text);
	}
	if (t.cells.n == 0)
		fprintf(to, "  none\n");
	cli_table_print(&t, to);
}

void cli_status_print(const json_t *g, int64_t now_ns, FILE *to)
{
	fprintf(to, "Generation: %" PRId64 "\n", pw_json_int(g, "Generation", 0));
	print_peerings(json_object_get(g, "Peerings"), now_ns, to);
	print_features(json_object_get(g, "Features"), to);
	print_guard(json_object_get(g, "Guard"), to);
	print_values("Limits", json_object_get(g, "Limits"), /* skip_zero= */ false, to);
	print_values("Refusals", json_object_get(g, "Refusals"), /* skip_zero= */ true, to);
}

int cli_status(struct cli *c)
{
	pw_autojson json_t *gateway = NULL;
	struct pw_err err = PW_ERR_INIT;

	if (!cli_format_ok(c))
		return 1;
	if (cli_call(c, "GET", "/v1/agent/gateway", NULL, &gateway, NULL, &err) < 0)
		return cli_fail(c, "Error reading the gateway's status: %s", err.text);
	if (cli_wants_json(c))
		cli_print_json(c, gateway);
	else
		cli_status_print(gateway, pw_now_real_ns(), c->out);
	return 0;
}
