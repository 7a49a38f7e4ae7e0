// SPDX-License-Identifier: Apache-2.0
/*
 * The server against clients that are not ours: the HTTP/2 bytes that were tried on a real Consul
 * must get the answers that it gave (tests/wire/e-raw-http2.json), and strangers get little of
 * everything. When it breaks: h2.c and server.c for answers, conn.c for deadlines.
 */
#include "rpc_world.h"
#include "userspace/base/buf.h"
#include "userspace/base/json.h"
#include "userspace/rpc/pb.h"
#include <fcntl.h>
#include <nghttp2/nghttp2.h>

#define STREAM_PATH "/hashicorp.consul.internal.peerstream.PeerStreamService/ExchangeSecret"

static const struct pw_grpc_limits lim = { .max_receive_bytes = 1 << 20,
					   .max_streams = 100,
					   .max_send_queue_bytes = 1 << 20 };

/* The exchange as the recorded server answered it: every secret is wrong. */
struct exchange {
	struct pw_call *calls[64];
	size_t n_open, n_ends, n_messages;
	bool hold, answered;
};

static void exchange_message(void *arg, struct pw_call *c, const uint8_t *data, size_t len)
{
	pw_autopb PW_PB(Peerstream, ExchangeSecretRequest) *m = NULL;
	struct exchange *x = arg;

	x->n_messages++;
	if (x->hold)
		return;
	x->answered = true;
	if (pw_pb_decode(&PW_PB_DESC(peerstream, exchange_secret_request), data, len, &m) < 0)
		pw_call_finish(
			c, PW_GRPC_INTERNAL,
			"grpc: error unmarshalling request: proto:\u00a0cannot parse invalid wire-format data",
			NULL, 0);
	else
		pw_call_finish(c, PW_GRPC_PERMISSION_DENIED, "invalid peering establishment secret",
			       NULL, 0);
}

static void exchange_half_close(void *arg, struct pw_call *c)
{
	struct exchange *x = arg;

	if (!x->answered && !x->hold)
		pw_call_finish(c, PW_GRPC_UNKNOWN, "EOF", NULL, 0);
}

static void exchange_end(void *arg, struct pw_call *c, const struct pw_grpc_status *st)
{
	((struct exchange *)arg)->n_ends++;
}

static int exchange_open(void *arg, struct pw_call *c, const struct pw_call_ops **ret_ops,
			 void **ret_arg, struct pw_err *err)
{
	static const struct pw_call_ops ops = { .on_message = exchange_message,
						.on_half_close = exchange_half_close,
						.on_end = exchange_end };
	struct exchange *x = arg;

	if (x->n_open < ARRAY_SIZE(x->calls))
		x->calls[x->n_open] = c;
	x->n_open++;
	*ret_ops = &ops;
	*ret_arg = x;
	return 0;
}

static const struct pw_grpc_method methods[] = { { STREAM_PATH, exchange_open } };

/* A socket, and what it said on stream 1. */
struct raw {
	int fd;
	struct pw_buf in;
	nghttp2_hd_inflater *hd;
	char answer[1024];
	bool closed, goaway;
};

static void raw_open(struct raw *r, uint16_t port)
{
	struct pw_addr a;

	memset(r, 0, sizeof(*r));
	pw_addr_parse("127.0.0.1", port, &a);
	r->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(r->fd, &a.u.sa, a.len), 0);
	assert_int_equal(fcntl(r->fd, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(nghttp2_hd_inflate_new(&r->hd), 0);
}

static void raw_close(struct raw *r)
{
	close(r->fd);
	nghttp2_hd_inflate_del(r->hd);
	pw_buf_clear(&r->in);
}

static void raw_headers(struct raw *r, const uint8_t *p, size_t len)
{
	size_t at = 0;

	for (;;) {
		nghttp2_nv nv;
		int flags = 0;
		ssize_t n = nghttp2_hd_inflate_hd2(r->hd, &nv, &flags, p, len, /*in_final=*/1);

		assert_true(n >= 0);
		p += n;
		len -= n;
		if (flags & NGHTTP2_HD_INFLATE_EMIT)
			at += snprintf(r->answer + at, sizeof(r->answer) - at, "%s%s=%s",
				       at ? " " : "", nv.name, nv.value);
		if (flags & NGHTTP2_HD_INFLATE_FINAL)
			break;
	}
	nghttp2_hd_inflate_end_headers(r->hd);
}

static void raw_frame(struct raw *r, const uint8_t *p, size_t len)
{
	uint32_t stream = (p[5] & 0x7fu) << 24 | p[6] << 16 | p[7] << 8 | p[8];

	if (p[3] == NGHTTP2_GOAWAY)
		r->goaway = true;
	if (stream == 1 && p[3] == NGHTTP2_HEADERS)
		raw_headers(r, p + 9, len);
	else if (stream == 1 && p[3] == NGHTTP2_RST_STREAM && !r->answer[0])
		snprintf(r->answer, sizeof(r->answer), "%s", nghttp2_http2_strerror(p[12]));
}

static void raw_poll(struct raw *r)
{
	uint8_t buf[4096];
	ssize_t n;

	while ((n = recv(r->fd, buf, sizeof(buf), 0)) > 0)
		pw_buf_add(&r->in, buf, n);
	r->closed = n == 0 || (n < 0 && errno != EAGAIN);
	while (pw_buf_used(&r->in) >= 9) {
		const uint8_t *p = pw_buf_head(&r->in);
		size_t len = (size_t)p[0] << 16 | (size_t)p[1] << 8 | p[2];

		if (pw_buf_used(&r->in) < 9 + len)
			break;
		raw_frame(r, p, len);
		pw_buf_consume(&r->in, 9 + len);
	}
}

static bool raw_answered(struct raw *r)
{
	raw_poll(r);
	return r->answer[0] != '\0';
}

static bool raw_ended(struct raw *r)
{
	raw_poll(r);
	return r->closed;
}

static void raw_send_hex(struct raw *r, const char *hex)
{
	size_t len = strlen(hex) / 2;
	pw_autofree uint8_t *data = pw_xcalloc(1, len + 1);

	for (size_t i = 0; i < len; i++)
		assert_int_equal(sscanf(hex + 2 * i, "%2hhx", &data[i]), 1);
	assert_int_equal(send(r->fd, data, len, MSG_NOSIGNAL), len);
}

/* The last word about stream 1 in the recorder's list of frames, as raw_frame() writes it. */
static const char *recorded_answer(json_t *frames)
{
	const char *found = NULL;
	size_t i;
	json_t *v;

	json_array_foreach(frames, i, v)
	{
		const char *f = json_string_value(v);
		const char *text = strstr(f, "len=");

		if (!strstr(f, " stream=1 ") || !text || found)
			continue;
		text = strchr(text, ' ');
		found = text ? text + 1 : "";
	}
	return found;
}

static size_t replay(json_t *entry)
{
	const char *event = pw_json_str(entry, "event");
	const char *want = recorded_answer(json_object_get(entry, "frames"));
	struct exchange x = { 0 };
	struct world w;
	struct raw r;

	if (!event || !want || !pw_json_str(entry, "sent_hex"))
		return 0;
	world_open(&w, false, &lim, methods, ARRAY_SIZE(methods), &x);
	raw_open(&r, w.port);
	raw_send_hex(&r, pw_json_str(entry, "sent_hex"));
	RUN_UNTIL(&w, raw_answered(&r));
	if (strcmp(r.answer, want) != 0)
		fail_msg("%s: \"%s\" instead of \"%s\"", event, r.answer, want);
	raw_close(&r);
	world_close(&w);
	return 1;
}

static json_t *recording(void)
{
	pw_autofree char *text = NULL;
	json_t *doc = NULL;
	size_t len;

	assert_int_equal(pw_fs_read("tests/wire/e-raw-http2.json", 1 << 20, &text, &len, NULL), 0);
	assert_int_equal(pw_json_parse(text, len, &doc, NULL), 0);
	return doc;
}

static void recorded_requests_get_the_recorded_answers(void **state)
{
	pw_autojson json_t *doc = recording();
	size_t i, n = 0;
	json_t *entry;

	json_array_foreach(json_object_get(doc, "entries"), i, entry) n += replay(entry);
	print_message("%zu requests\n", n);
	assert_true(n >= 30);
}

static const char *baseline(json_t *doc)
{
	size_t i;
	json_t *entry;

	json_array_foreach(json_object_get(doc, "entries"), i,
			   entry) if (pw_streq(pw_json_str(entry, "event"),
					       "RESULT baseline")) return pw_json_str(entry,
										      "sent_hex");
	fail();
	return NULL;
}

static void every_cut_of_a_request_leaves_the_server_well(void **state)
{
	pw_autojson json_t *doc = recording();
	const char *hex = baseline(doc);
	struct exchange x = { 0 };
	struct world w;

	world_open(&w, false, &lim, methods, ARRAY_SIZE(methods), &x);
	for (size_t len = 0; len < strlen(hex); len += 2) {
		pw_autofree char *cut = pw_xstrndup(hex, len);
		struct raw r;

		raw_open(&r, w.port);
		raw_send_hex(&r, cut);
		event_base_loop(w.base, EVLOOP_NONBLOCK);
		raw_close(&r);
	}
	RUN_UNTIL(&w, pw_grpc_server_connections(w.server, NULL) == 0);
	assert_int_equal(x.n_ends, x.n_open);
	world_close(&w);
}

static void what_is_not_http2_is_disconnected(void **state)
{
	static const char *const cases[] = {
		"474554202f20485454502f312e310d0a0d0a0d0a0d0a0d0a0d0a", /* GET / HTTP/1.1 */
		"16030100c8010000c40303000000000000000000000000000000", /* a ClientHello */
	};
	struct exchange x = { 0 };
	struct world w;

	world_open(&w, false, &lim, methods, ARRAY_SIZE(methods), &x);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct raw r;

		raw_open(&r, w.port);
		raw_send_hex(&r, cases[i]);
		RUN_UNTIL(&w, raw_ended(&r));
		raw_close(&r);
	}
	world_close(&w);
}

/* SETTINGS, then HEADERS frames of the recorded request, which index the static table only and so
 * may be repeated. */
static size_t many_requests(const char *hex, size_t n, uint8_t **ret)
{
	size_t headers_len, at = 24 + 9;
	pw_autofree uint8_t *all = pw_xcalloc(1, strlen(hex) / 2);
	uint8_t *out;

	for (size_t i = 0; i < strlen(hex) / 2; i++)
		sscanf(hex + 2 * i, "%2hhx", &all[i]);
	headers_len = 9 + ((size_t)all[at] << 16 | (size_t)all[at + 1] << 8 | all[at + 2]);
	out = pw_xcalloc(1, at + n * headers_len);
	memcpy(out, all, at);
	for (size_t i = 0; i < n; i++) {
		uint8_t *frame = out + at + i * headers_len;
		uint32_t id = (uint32_t)(2 * i + 1);

		memcpy(frame, all + at, headers_len);
		for (int b = 0; b < 4; b++)
			frame[5 + b] = (uint8_t)(id >> (24 - 8 * b));
	}
	*ret = out;
	return at + n * headers_len;
}

static void stranger_has_eight_streams_at_once(void **state)
{
	pw_autojson json_t *doc = recording();
	pw_autofree uint8_t *data = NULL;
	struct exchange x = { .hold = true };
	struct world w;
	struct raw r;
	size_t len = many_requests(baseline(doc), 20, &data);

	world_open(&w, false, &lim, methods, ARRAY_SIZE(methods), &x);
	raw_open(&r, w.port);
	assert_int_equal(send(r.fd, data, len, MSG_NOSIGNAL), len);
	RUN_UNTIL(&w, (raw_poll(&r), x.n_open >= 8));
	for (int i = 0; i < 3; i++)
		world_step(&w);
	assert_int_equal(x.n_open, 8);
	raw_close(&r);
	world_close(&w);
	assert_int_equal(x.n_ends, 8);
}

static void client_that_only_makes_us_answer_is_cut_off(void **state)
{
	pw_autojson json_t *doc = recording();
	pw_autofree uint8_t *data = NULL;
	struct exchange x = { .hold = true };
	struct world w;
	struct raw r;
	size_t len = many_requests(baseline(doc), 200000, &data), at = 0;
	int small = 4096;

	world_open(&w, false, &lim, methods, ARRAY_SIZE(methods), &x);
	w.send_buffer_bytes = small;
	raw_open(&r, w.port);
	setsockopt(r.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	while (at < len && (w.n_accepted == 0 || pw_grpc_server_connections(w.server, NULL) > 0)) {
		ssize_t n = send(r.fd, data + at, len - at, MSG_NOSIGNAL);

		at += n > 0 ? n : 0;
		world_step(&w);
	}
	assert_int_equal(pw_grpc_server_connections(w.server, NULL), 0);
	assert_true(at < len);
	raw_close(&r);
	world_close(&w);
}

static void silent_strangers_are_cut_off_in_every_phase(void **state)
{
	pw_autojson json_t *doc = recording();
	struct pw_grpc_limits strict = lim;
	struct exchange x = { .hold = true };
	struct world w, plain;
	struct raw a, b, c;

	strict.first_message_ms = 200;
	world_open(&w, true, &strict, methods, ARRAY_SIZE(methods), &x);
	world_open(&plain, false, &strict, methods, ARRAY_SIZE(methods), &x);
	raw_open(&a, w.port); /* never says anything */
	raw_open(&b, w.port); /* half a ClientHello */
	raw_send_hex(&b, "16030100c8010000c4");
	raw_open(&c, plain.port); /* a request that is held */
	raw_send_hex(&c, baseline(doc));
	RUN_UNTIL(&plain, raw_ended(&c));
	assert_non_null(strstr(c.answer, "grpc-status=4"));
	assert_int_equal(x.n_ends, 1);
	RUN_UNTIL(&w, raw_ended(&a) && raw_ended(&b));
	assert_int_equal(pw_grpc_server_connections(w.server, NULL), 0);
	raw_close(&a);
	raw_close(&b);
	raw_close(&c);
	world_close(&w);
	world_close(&plain);
}

static void untrusted_call_of_a_trusted_connection_ends_alone(void **state)
{
	struct pw_grpc_limits strict = lim;
	struct outcome first, second;
	struct pw_grpc_client_options opt = { .host = "127.0.0.1", .limits = lim };
	struct exchange x = { .hold = true };
	struct pw_grpc_conn *conn = NULL;
	struct pw_call *c;
	struct world w;

	memset(&first, 0, sizeof(first));
	memset(&second, 0, sizeof(second));
	strict.first_message_ms = 200;
	strict.first_message_bytes = 16;
	world_open(&w, false, &strict, methods, ARRAY_SIZE(methods), &x);
	opt.base = w.base;
	opt.port = w.port;
	assert_int_equal(pw_grpc_client_new(&conn, &opt, NULL), 0);
	assert_int_equal(pw_grpc_call(conn, STREAM_PATH, &outcome_ops, &first, &c, NULL), 0);
	pw_call_send(c, "0123456789abcdef", 16);
	RUN_UNTIL(&w, x.n_messages == 1);
	pw_call_trust(x.calls[0]);
	pw_call_send(c, "0123456789abcdefg", 17); /* trusted: the limit has gone */
	assert_int_equal(pw_grpc_call(conn, STREAM_PATH, &outcome_ops, &second, &c, NULL), 0);
	RUN_UNTIL(&w, second.n_ends == 1);
	assert_int_equal(second.code, PW_GRPC_DEADLINE_EXCEEDED);
	assert_int_equal(x.n_messages, 2);
	assert_int_equal(first.n_ends, 0);
	pw_grpc_client_free(&conn);
	world_close(&w);
}

static void strangers_first_message_is_small(void **state)
{
	struct pw_grpc_limits strict = lim;
	struct pw_grpc_client_options opt = { .host = "127.0.0.1", .limits = lim };
	struct exchange x = { .hold = true };
	struct pw_grpc_conn *conn = NULL;
	struct outcome o;
	struct pw_call *c;
	struct world w;

	memset(&o, 0, sizeof(o));
	strict.first_message_bytes = 16;
	world_open(&w, false, &strict, methods, ARRAY_SIZE(methods), &x);
	opt.base = w.base;
	opt.port = w.port;
	assert_int_equal(pw_grpc_client_new(&conn, &opt, NULL), 0);
	assert_int_equal(pw_grpc_call(conn, STREAM_PATH, &outcome_ops, &o, &c, NULL), 0);
	pw_call_send(c, "0123456789abcdefg", 17);
	RUN_UNTIL(&w, o.n_ends == 1);
	assert_int_equal(o.code, PW_GRPC_RESOURCE_EXHAUSTED);
	assert_string_equal(o.message, "grpc: received message larger than max (17 vs. 16)");
	assert_int_equal(x.n_messages, 0);
	pw_grpc_client_free(&conn);
	world_close(&w);
}

static void idle_connection_is_closed_with_goaway(void **state)
{
	pw_autojson json_t *doc = recording();
	struct pw_grpc_limits quick = lim;
	struct exchange x = { 0 };
	struct world w;
	struct raw r;

	quick.idle_ms = 100;
	world_open(&w, false, &quick, methods, ARRAY_SIZE(methods), &x);
	raw_open(&r, w.port);
	raw_send_hex(&r, baseline(doc));
	RUN_UNTIL(&w, raw_ended(&r));
	assert_true(r.goaway);
	assert_int_equal(x.n_ends, 1);
	raw_close(&r);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(recorded_requests_get_the_recorded_answers),
		cmocka_unit_test(every_cut_of_a_request_leaves_the_server_well),
		cmocka_unit_test(what_is_not_http2_is_disconnected),
		cmocka_unit_test(stranger_has_eight_streams_at_once),
		cmocka_unit_test(client_that_only_makes_us_answer_is_cut_off),
		cmocka_unit_test(silent_strangers_are_cut_off_in_every_phase),
		cmocka_unit_test(untrusted_call_of_a_trusted_connection_ends_alone),
		cmocka_unit_test(strangers_first_message_is_small),
		cmocka_unit_test(idle_connection_is_closed_with_goaway),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
