// SPDX-License-Identifier: Apache-2.0
/*
 * The client against servers that are not ours: the bytes that a real Consul answered
 * (tests/wire/e-raw-http2.json), and every way to end a stream. When it breaks:
 * rpc_client_headers() in client.c and rpc_call_stream_closed() in call.c.
 */
#include "rpc_world.h"
#include "userspace/base/json.h"

#define SETTINGS "000000040000000000"

static const struct pw_grpc_limits lim = { .max_receive_bytes = 1 << 20,
					   .max_streams = 100,
					   .max_send_queue_bytes = 1 << 20 };

/* A client with one call on stream 1, and a server that says hex. */
static void answer_with(const char *hex, struct outcome *o)
{
	struct pw_grpc_client_options opt = { .host = "127.0.0.1", .limits = lim };
	struct pw_grpc_conn *conn = NULL;
	size_t len = strlen(hex) / 2;
	pw_autofree uint8_t *data = pw_xcalloc(1, len + 1);
	struct pw_call *c;
	struct world w;

	memset(o, 0, sizeof(*o));
	for (size_t i = 0; i < len; i++)
		assert_int_equal(sscanf(hex + 2 * i, "%2hhx", &data[i]), 1);
	world_open(&w, false, &lim, NULL, 0, NULL);
	w.mute = true;
	opt.base = w.base;
	opt.port = w.port;
	assert_int_equal(pw_grpc_client_new(&conn, &opt, NULL), 0);
	assert_int_equal(pw_grpc_call(conn, "/t.T/D", &outcome_ops, o, &c, NULL), 0);
	pw_call_send(c, "x", 1);
	RUN_UNTIL(&w, w.mute_fd >= 0);
	for (int i = 0; i < 2; i++)
		world_step(&w);
	assert_int_equal(send(w.mute_fd, data, len, MSG_NOSIGNAL), len);
	RUN_UNTIL(&w, o->n_ends == 1);
	pw_grpc_client_free(&conn);
	world_close(&w);
	assert_int_equal(o->n_ends, 1);
}

static size_t replay(json_t *entry)
{
	json_t *frames = json_object_get(entry, "frames");
	const char *last = json_string_value(json_array_get(frames, json_array_size(frames) - 1));
	const char *hex = pw_json_str(entry, "received_hex");
	const char *status = last ? strstr(last, "grpc-status=") : NULL;
	struct outcome o;

	if (!hex || !last || !strstr(last, " stream=1 "))
		return 0;
	answer_with(hex, &o);
	if (!status) { /* RST_STREAM */
		assert_int_equal(o.code, PW_GRPC_INTERNAL);
		assert_true(o.transport);
		return 1;
	}
	assert_int_equal(o.code, atoi(status + strlen("grpc-status=")));
	assert_false(o.transport);
	status = strstr(status, "grpc-message=") + strlen("grpc-message=");
	if (!strchr(status, '%'))
		assert_string_equal(o.message, status);
	return 1;
}

static void recorded_answers_become_their_status(void **state)
{
	pw_autofree char *text = NULL;
	pw_autojson json_t *doc = NULL;
	size_t len, i, n = 0;
	json_t *entry;

	assert_int_equal(pw_fs_read("tests/wire/e-raw-http2.json", 1 << 20, &text, &len, NULL), 0);
	assert_int_equal(pw_json_parse(text, len, &doc, NULL), 0);
	json_array_foreach(json_object_get(doc, "entries"), i, entry) n += replay(entry);
	print_message("%zu answers\n", n);
	assert_true(n >= 30);
}

/* 88: ":status 200"; 48 LEN TEXT: another; 5f LEN TEXT: content-type */
static void every_other_end_has_its_code(void **state)
{
	static const struct {
		const char *hex;
		int code;
		bool transport;
		const char *text;
	} cases[] = {
		{ SETTINGS "00000403000000000100000008", PW_GRPC_CANCELLED, true, "CANCEL" },
		{ SETTINGS "00000403000000000100000007", PW_GRPC_UNAVAILABLE, true,
		  "REFUSED_STREAM" },
		{ SETTINGS "00000403000000000100000002", PW_GRPC_INTERNAL, true, "INTERNAL_ERROR" },
		{ SETTINGS "0000080700000000000000000000000000", PW_GRPC_UNAVAILABLE, true, "" },
		{ SETTINGS "0000050105000000014803353033", PW_GRPC_UNAVAILABLE, false,
		  "status code received from server: 503" },
		{ SETTINGS "0000050105000000014803343033", PW_GRPC_PERMISSION_DENIED, false,
		  "403" },
		{ SETTINGS "0000050105000000014803343034", PW_GRPC_UNIMPLEMENTED, false, "404" },
		{ SETTINGS "0000050104000000014803353032", PW_GRPC_UNAVAILABLE, false, "502" },
		{ SETTINGS "00000101050000000188", PW_GRPC_UNKNOWN, false, "content-type" },
		{ SETTINGS "00000c010400000001885f09746578742f68746d6c", PW_GRPC_UNKNOWN, false,
		  "text/html" },
		{ "485454502f312e3120343030204261642052657175657374", PW_GRPC_UNAVAILABLE, true,
		  "HTTP/2" },
	};
	struct outcome o;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		answer_with(cases[i].hex, &o);
		if (o.code != cases[i].code || o.transport != cases[i].transport ||
		    !strstr(o.message, cases[i].text))
			fail_msg("case %zu: %d \"%s\"", i, o.code, o.message);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(recorded_answers_become_their_status),
		cmocka_unit_test(every_other_end_has_its_code),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
