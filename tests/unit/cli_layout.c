// SPDX-License-Identifier: Apache-2.0
/* What people read: tables, the block of peering read, status and flows. The peering layouts are
 * recordings of Consul's tool. */
#include "userspace/base/time.h"
#include "userspace/cli/cli_private.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

typedef void (*print_fn)(const json_t *, FILE *);

static void prints(print_fn print, const char *json, const char *want)
{
	struct pw_err err = PW_ERR_INIT;
	pw_autojson json_t *v = NULL;
	char *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);

	if (pw_json_parse(json, strlen(json), &v, &err) < 0)
		fail_msg("%s", err.text);
	print(v, to);
	fclose(to);
	assert_string_equal(text, want);
	free(text);
}

static void print_table(const json_t *rows, FILE *to)
{
	struct cli_table t = { .n_columns = 3 };
	const json_t *row;
	size_t i;

	json_array_foreach((json_t *)rows, i, row)
	{
		cli_table_row(&t, json_string_value(json_array_get(row, 0)),
			      json_string_value(json_array_get(row, 1)),
			      json_string_value(json_array_get(row, 2)));
	}
	cli_table_print(&t, to);
	cli_table_clear(&t);
}

static void columns_are_two_blanks_apart_and_the_last_is_not_padded(void **state)
{
	prints(print_table,
	       "[[\"A\",\"Bcd\",\"E\"],[\"xyz\",\"\",\"e\"],[\"\xc3\xa9\",\"b\",null]]",
	       "A    Bcd  E\nxyz       e\n\xc3\xa9    b    \n");
	prints(print_table, "[]", "");
}

static void control_characters_of_others_do_not_reach_the_terminal(void **state)
{
	prints(print_table, "[[\"a\\u001b[2J\",\"b\\nc\",\"d\\u007f\"]]", "a?[2J  b?c  d?\n");
}

static void the_dialers_peering_reads_as_recorded(void **state)
{
	prints(cli_peering_print,
	       "{\"ID\":\"a6d9c8b8\",\"Name\":\"west\",\"State\":\"ACTIVE\",\"PeerID\":\"3bc68664\","
	       "\"PeerCAPems\":[\"x\"],\"PeerServerName\":\"server.dc-west\","
	       "\"PeerServerAddresses\":[\"10.44.0.2:8503\"],\"StreamStatus\":{"
	       "\"ImportedServices\":null,\"ExportedServices\":[\"billing\"],\"LastHeartbeat\":null,"
	       "\"LastReceive\":\"2026-11-25T02:37:41.728962914Z\","
	       "\"LastSend\":\"2026-11-25T02:37:44.064313426Z\"},\"CreateIndex\":20,"
	       "\"ModifyIndex\":25}",
	       "Name:         west\n"
	       "ID:           a6d9c8b8\n"
	       "State:        ACTIVE\n"
	       "\n"
	       "Peer ID:               3bc68664\n"
	       "Peer Server Name:      server.dc-west\n"
	       "Peer CA Pems:          1\n"
	       "Peer Server Addresses:\n"
	       "    10.44.0.2:8503\n"
	       "Imported Services: 0\n"
	       "Exported Services: 1\n"
	       "\n"
	       "Last Heartbeat:    <nil>\n"
	       "Last Send:         2026-11-25 02:37:44.064313426 +0000 UTC\n"
	       "Last Receive:      2026-11-25 02:37:41.728962914 +0000 UTC\n"
	       "\n"
	       "Create Index: 20\n"
	       "Modify Index: 25\n"
	       "\n");
}

static void a_pending_peering_with_meta_reads_as_recorded(void **state)
{
	prints(cli_peering_print,
	       "{\"ID\":\"32bf1950\",\"Name\":\"third\",\"State\":\"PENDING\","
	       "\"Meta\":{\"c\":\"d\",\"a\":\"b\"},\"StreamStatus\":{},\"CreateIndex\":34,"
	       "\"ModifyIndex\":35}",
	       "Name:         third\n"
	       "ID:           32bf1950\n"
	       "State:        PENDING\n"
	       "Meta:\n"
	       "    a=b\n"
	       "    c=d\n"
	       "\n"
	       "Peer ID:               \n"
	       "Peer Server Name:      \n"
	       "Peer CA Pems:          0\n"
	       "\n"
	       "Imported Services: 0\n"
	       "Exported Services: 0\n"
	       "\n"
	       "Last Heartbeat:    <nil>\n"
	       "Last Send:         <nil>\n"
	       "Last Receive:      <nil>\n"
	       "\n"
	       "Create Index: 34\n"
	       "Modify Index: 35\n"
	       "\n");
}

static void several_addresses_stand_on_lines_of_their_own(void **state)
{
	pw_autojson json_t *p = json_pack("{s:[s,s]}", "PeerServerAddresses", "a:1", "b:2");
	char *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);

	cli_peering_print(p, to);
	fclose(to);
	assert_non_null(strstr(text, "Peer Server Addresses:\n    a:1\n    b:2\nImported"));
	free(text);
}

static void peerings_are_listed_by_name_with_counts(void **state)
{
	prints(cli_peering_print_list,
	       "[{\"Name\":\"west\",\"State\":\"ACTIVE\",\"Meta\":{\"b\":\"2\",\"a\":\"1\"}},"
	       "{\"Name\":\"east\",\"State\":\"PENDING\",\"StreamStatus\":{\"ExportedServices\":"
	       "[\"a\",\"b\"],\"ImportedServices\":[\"c\"]}}]",
	       "Name  State    Imported Svcs  Exported Svcs  Meta\n"
	       "east  PENDING  1              2              \n"
	       "west  ACTIVE   0              0              a=1,b=2\n");
}

static void print_status_at_noon(const json_t *v, FILE *to)
{
	int64_t now;

	assert_int_equal(pw_time_parse_rfc3339("2026-01-01T12:00:00Z", &now), 0);
	cli_status_print(v, now, to);
}

static void status_says_why_and_leaves_out_what_did_not_happen(void **state)
{
	prints(print_status_at_noon,
	       "{\"Generation\":7,\"Peerings\":[{\"Name\":\"west\",\"State\":\"ACTIVE\","
	       "\"LastHeartbeat\":\"2026-01-01T11:59:48.5Z\",\"LastError\":\"old\",\"Imported\":2,"
	       "\"Exported\":[\"x\"]},{\"Name\":\"north\",\"State\":\"FAILING\","
	       "\"LastHeartbeat\":null,\"LastError\":\"timed out\"}],\"Features\":[{\"Name\":\"ktls\","
	       "\"Present\":false,\"Reason\":\"no module\"}],\"Limits\":{\"max_connections\":16000},"
	       "\"Refusals\":{\"denied\":3,\"no_route\":0},\"Guard\":{\"Mode\":\"limit\","
	       "\"Interfaces\":[{\"Name\":\"eth0\",\"Attach\":\"tc\",\"Reason\":\"no driver XDP\"}]}}",
	       "Generation: 7\n"
	       "\nPeerings\n"
	       "  Name   State    Heartbeat  Imported  Exported  Reason\n"
	       "  west   ACTIVE   11s        2         1         \n"
	       "  north  FAILING  never      0         0         timed out\n"
	       "\nKernel\n"
	       "  ktls  no  no module\n"
	       "\nGuard: limit\n"
	       "  eth0  tc  no driver XDP\n"
	       "\nLimits\n"
	       "  max_connections  16000\n"
	       "\nRefusals\n"
	       "  denied  3\n");
	prints(print_status_at_noon, "{}", "Generation: 0\n\nPeerings\n  none\n");
}

static void flows_show_where_the_bytes_went(void **state)
{
	prints(cli_flows_print,
	       "[{\"ID\":5,\"Peer\":\"west\",\"Source\":\"web\",\"Destination\":\"billing\","
	       "\"Direction\":\"out\",\"Forwarder\":\"copy\",\"ForwarderReason\":\"tls\","
	       "\"TLS\":\"userspace\",\"TLSReason\":\"\",\"BytesIn\":1536,\"BytesOut\":12,"
	       "\"AgeSeconds\":61.5,\"State\":\"open\"}]",
	       "ID  Peer  Direction  Source  Destination  Forwarder   TLS        In       Out   "
	       "Age   State\n"
	       "5   west  out        web     billing      copy (tls)  userspace  1.5 KiB  12 B  "
	       "1m1s  open\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(columns_are_two_blanks_apart_and_the_last_is_not_padded),
		cmocka_unit_test(control_characters_of_others_do_not_reach_the_terminal),
		cmocka_unit_test(the_dialers_peering_reads_as_recorded),
		cmocka_unit_test(a_pending_peering_with_meta_reads_as_recorded),
		cmocka_unit_test(several_addresses_stand_on_lines_of_their_own),
		cmocka_unit_test(peerings_are_listed_by_name_with_counts),
		cmocka_unit_test(status_says_why_and_leaves_out_what_did_not_happen),
		cmocka_unit_test(flows_show_where_the_bytes_went),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
