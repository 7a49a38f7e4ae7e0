// SPDX-License-Identifier: Apache-2.0
/*
 * Whole conversations of a real Consul with a recorder (tests/wire), played again with us in
 * Consul's place: what the recorder sent is received, what operators did in between is done to our
 * store, and what we send is compared with what Consul sent. Where to look when it breaks: the
 * message names the file, the second of the recording and the resource.
 *
 * Not compared: nonces and order, heartbeats, roots and addresses (their content is each cluster's
 * own), and the -sidecar-proxy resources: here the gateway offers every exported service, there
 * only those with a sidecar and a registered mesh gateway.
 */
#include "peering_fake.h"
#include "../../userspace/catalog/registration.h"

#define DIR "tests/wire/"

static struct cluster c;
static struct fake *f;
static const char *where_file;
static double where_t;

static json_t *load(const char *name)
{
	pw_autofree char *path = pw_xasprintf(DIR "%s", name);
	json_error_t e;
	json_t *doc = json_load_file(path, 0, &e);
	json_t *entries;

	if (!doc)
		fail_msg("%s: %s (run from the root of the tree)", path, e.text);
	entries = json_incref(json_object_get(doc, "entries"));
	json_decref(doc);
	where_file = name;
	return entries;
}

static uint8_t *unhex(const char *hex, size_t *ret_len)
{
	uint8_t *b = pw_xcalloc(1, strlen(hex) / 2 + 1);
	unsigned v;

	*ret_len = strlen(hex) / 2;
	for (size_t i = 0; i < *ret_len; i++) {
		assert_int_equal(sscanf(hex + 2 * i, "%2x", &v), 1);
		b[i] = (uint8_t)v;
	}
	return b;
}

/* --- protobuf as canonical text: maps are sorted, defaults left out
 * ------------------------------- */

static void canon(const ProtobufCMessage *m, struct pw_strbuf *out);

static void canon_value(const ProtobufCFieldDescriptor *fd, const void *p, struct pw_strbuf *out)
{
	if (fd->type == PROTOBUF_C_TYPE_STRING)
		pw_strbuf_add(out, "\"%s\"", *(char *const *)p);
	else if (fd->type == PROTOBUF_C_TYPE_MESSAGE)
		canon(*(const ProtobufCMessage *const *)p, out);
	else
		pw_strbuf_add(out, "%d", *(const int32_t *)p);
}

static bool is_default(const ProtobufCFieldDescriptor *fd, const void *p)
{
	if (fd->type == PROTOBUF_C_TYPE_STRING)
		return !**(char *const *)p;
	if (fd->type == PROTOBUF_C_TYPE_MESSAGE)
		return !*(const void *const *)p;
	return *(const int32_t *)p == 0;
}

static void canon_repeated(const ProtobufCFieldDescriptor *fd, const ProtobufCMessage *m,
			   struct pw_strbuf *out)
{
	size_t n = *(const size_t *)((const char *)m + fd->quantifier_offset);
	const char *items = *(char *const *)((const char *)m + fd->offset);
	struct pw_strv v = { 0 };

	for (size_t i = 0; i < n; i++) {
		struct pw_strbuf one = { 0 };

		canon_value(fd, items + i * sizeof(void *), &one);
		pw_strv_add(&v, one.text);
		pw_strbuf_clear(&one);
	}
	if (fd->type == PROTOBUF_C_TYPE_MESSAGE)
		pw_strv_sort(&v);
	for (size_t i = 0; i < v.n; i++)
		pw_strbuf_add(out, "%s=%s ", fd->name, v.items[i]);
	pw_strv_clear(&v);
}

static void canon(const ProtobufCMessage *m, struct pw_strbuf *out)
{
	pw_strbuf_add(out, "{");
	for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *fd = &m->descriptor->fields[i];
		const void *p = (const char *)m + fd->offset;

		if (fd->label == PROTOBUF_C_LABEL_REPEATED) {
			canon_repeated(fd, m, out);
		} else if (!is_default(fd, p)) {
			pw_strbuf_add(out, "%s=", fd->name);
			canon_value(fd, p, out);
			pw_strbuf_add(out, " ");
		}
	}
	pw_strbuf_add(out, "}");
}

static char *canon_resource(const Response *r)
{
	bool list = strcmp(r->resource_url, pw_resource_url(PW_RESOURCE_LIST)) == 0;
	const ProtobufCMessageDescriptor *d = list ? &PW_PB_DESC(peerstream, exported_service_list)
						   : &PW_PB_DESC(peerstream, exported_service);
	struct pw_strbuf b = { 0 };
	ProtobufCMessage *m = NULL;

	assert_int_equal(pw_pb_decode_any(d, r->resource, &m), 0);
	canon(m, &b);
	pw_pb_freep(&m);
	return b.text;
}

/* --- what an operator did
 * --------------------------------------------------------------------------- */

static void put_config(struct pw_tx *tx, const json_t *body)
{
	struct pw_config_entry *e = NULL;
	struct pw_err err = PW_ERR_INIT;
	bool written;

	/* other kinds shape what sidecars do, which is not compared */
	if (!pw_streq(pw_json_str(body, "Kind"), "exported-services"))
		return;
	assert_int_equal(pw_config_entry_decode(body, &e, &err), 0);
	assert_int_equal(pw_config_entry_put(tx, e, NULL, &written, &err), 0);
}

static void put_registration(struct pw_tx *tx, const json_t *body)
{
	struct pw_registration r = { 0 };
	struct pw_err err = PW_ERR_INIT;

	if (pw_registration_decode(body, &r, &err) < 0 || pw_catalog_register(tx, &r, &err) < 0)
		fail_msg("%s %.2f: %s", where_file, where_t, err.text);
	pw_registration_clear(&r);
}

static void operate(const char *call, const json_t *body)
{
	struct pw_err err = PW_ERR_INIT;
	struct pw_tx *tx = NULL;
	bool gone;

	assert_int_equal(pw_tx_begin(c.store, &tx, &err), 0);
	if (strcmp(call, "PUT /v1/catalog/register") == 0)
		put_registration(tx, body);
	else if (strcmp(call, "PUT /v1/catalog/deregister") == 0)
		assert_int_equal(pw_catalog_deregister(tx, "", pw_json_str(body, "Node"),
						       pw_json_str(body, "ServiceID"),
						       pw_json_str(body, "CheckID"), &err),
				 0);
	else if (strcmp(call, "PUT /v1/config") == 0)
		put_config(tx, body);
	else if (strcmp(call, "DELETE /v1/config/exported-services/default") == 0)
		assert_int_equal(pw_config_entry_delete(tx, "exported-services", "default", NULL,
							&gone, &err),
				 0);
	assert_int_equal(pw_tx_commit(&tx, &err), 0);
	fake_run();
}

/* --- export
 * ------------------------------------------------------------------------------------------ */

static bool compared(const Response *r)
{
	enum pw_resource_type t;

	return pw_resource_type_parse(r->resource_url, &t) == 0 &&
	       (t == PW_RESOURCE_LIST ||
		(t == PW_RESOURCE_SERVICE && !pw_is_proxy_name(r->resource_id)));
}

/* The recorded state of each resource, after each step, against the last that we sent. */
static void expect_sent(const Response *want)
{
	enum pw_resource_type t;
	const Response *got;
	pw_autofree char *a = NULL;
	pw_autofree char *b = NULL;

	pw_resource_type_parse(want->resource_url, &t);
	got = fake_sent(f, t, want->resource_id);
	if (!got)
		fail_msg("%s %.2f: \"%s\" was not sent", where_file, where_t, want->resource_id);
	a = canon_resource(want);
	b = canon_resource(got);
	if (strcmp(a, b) != 0)
		fail_msg("%s %.2f: \"%s\"\n  sent     %s\n  expected %s", where_file, where_t,
			 want->resource_id, b, a);
}

/* A step ends where the operator does the next thing: only then is everything on its way. */
static size_t check_step(struct pw_strv *wanted)
{
	size_t n = 0;

	for (size_t i = 0; i < wanted->n; i++) {
		pw_autopb Message *m = NULL;
		bool later = false;
		size_t len;
		pw_autofree uint8_t *data = unhex(wanted->items[i], &len);

		assert_int_equal(pw_pb_decode(&PW_PB_DESC(peerstream, replication_message), data,
					      len, &m),
				 0);
		for (size_t k = i + 1; k < wanted->n && !later; k++) {
			pw_autopb Message *o = NULL;
			size_t olen;
			pw_autofree uint8_t *odata = unhex(wanted->items[k], &olen);

			pw_pb_decode(&PW_PB_DESC(peerstream, replication_message), odata, olen, &o);
			later = compared(o->response) &&
				strcmp(o->response->resource_id, m->response->resource_id) == 0;
		}
		if (compared(m->response) && !later) {
			expect_sent(m->response);
			n++;
		}
	}
	pw_strv_clear(wanted);
	return n;
}

static void feed(const char *hex)
{
	size_t len;
	pw_autofree uint8_t *data = unhex(hex, &len);

	pw_stream_receive(f->link->stream, data, len);
	fake_run();
	assert_false(f->ended);
}

static void play_export(const char *file, const char *peer, const char *remote_id)
{
	json_t *entries = load(file);
	struct pw_strv wanted = { 0 };
	size_t n = 0, i;
	json_t *e;

	f = fake_new(&c, peer, remote_id);
	json_array_foreach(entries, i, e)
	{
		const char *call = pw_json_str(e, "http");
		const char *hex = pw_json_str(e, "hex");
		const json_t *m = json_object_get(e, "message");
		bool sent = pw_streq(pw_json_str(e, "dir"), "sent");

		where_t = json_number_value(json_object_get(e, "t"));
		if (json_object_get(e, "event"))
			n += check_step(&wanted);
		if (call)
			operate(call, json_object_get(e, "request_body"));
		else if (hex && pw_streq(pw_json_str(e, "rpc"), "StreamResources") && sent &&
			 !json_object_get(m, "open"))
			feed(hex);
		else if (hex && !sent && json_object_get(m, "response"))
			pw_strv_add(&wanted, hex);
		else if (hex && !sent && json_object_get(m, "terminated"))
			break;
	}
	n += check_step(&wanted);
	print_message("%s: %zu resources as Consul sent them\n", file, n);
	assert_true(n >= 20);
	json_decref(entries);
	fake_free(f);
}

/* --- import
 * ------------------------------------------------------------------------------------------ */

/* Where we are stricter on purpose, by the name of the recorder's test. */
static bool stricter(const char *test)
{
	static const char *const known[] = {
		"ResourceID other than Service.Service", /* an instance of another service */
		"ResourceID empty",			 /* no service to prune it with */
	};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (strcmp(known[i], test) == 0)
			return true;
	return false;
}

/* What kills a real dialer's process is recorded as the end of its stream: ours is a NACK. */
static void check_verdict(const json_t *e, int code)
{
	const char *verdict = pw_json_str(e, "verdict");
	const char *test = pw_json_str(e, "event") + strlen("RESULT ");
	int64_t want = pw_json_int(e, "code", 0);

	if (stricter(test)) {
		assert_int_not_equal(code, 0);
		return;
	}
	if (strcmp(verdict, "ACK") == 0 && code != 0)
		fail_msg("%s %.2f: \"%s\" is refused with %d: %s", where_file, where_t, test, code,
			 f->out[f->n_out - 1]->request->error->message);
	if (strcmp(verdict, "NACK") == 0 && code != want)
		fail_msg("%s %.2f: \"%s\" gives %d, expected %d", where_file, where_t, test, code,
			 (int)want);
}

static bool is_response(const json_t *e)
{
	return pw_json_str(e, "hex") && pw_streq(pw_json_str(e, "dir"), "sent") &&
	       json_object_get(json_object_get(e, "message"), "response");
}

static void play_import(const char *file, const char *peer, const char *remote_id)
{
	json_t *entries = load(file);
	bool judged = false;
	size_t n = 0, i;
	int code = 0;
	json_t *e;

	f = fake_new(&c, peer, remote_id);
	json_array_foreach(entries, i, e)
	{
		where_t = json_number_value(json_object_get(e, "t"));
		if (is_response(e)) {
			const json_t *r =
				json_object_get(json_object_get(e, "message"), "response");

			feed(pw_json_str(e, "hex"));
			code = fake_verdict(f, pw_str_or_empty(pw_json_str(r, "Nonce")));
			judged = true;
			fake_forget(f);
		} else if (pw_json_str(e, "verdict") && judged) {
			check_verdict(e, code);
			judged = false;
			n++;
		} else if (pw_json_str(e, "hex_prefix")) {
			judged = false; /* too large to be kept: tested elsewhere */
		}
	}
	print_message("%s: %zu verdicts as Consul gave them\n", file, n);
	assert_true(n >= 30);
	json_decref(entries);
	fake_free(f);
}

/* --- tests
 * ------------------------------------------------------------------------------------------- */

static int setup(const char *dc)
{
	pw_log_set_level(PW_LOG_LEVEL_MAX_);
	cluster_new(&c, dc);
	c.opt.heartbeat_interval_ms = c.opt.heartbeat_timeout_ms = 600000;
	cluster_start(&c);
	return 0;
}
static int setup_east(void **state)
{
	return setup("dc-east");
}
static int setup_west(void **state)
{
	return setup("dc-west");
}
static int teardown(void **state)
{
	cluster_free(&c);
	world_free();
	return 0;
}

static void our_acceptor_exports_what_consuls_did(void **state)
{
	play_export("a-fake-dialer.json", "fa", NULL);
}

static void our_dialer_exports_what_consuls_did(void **state)
{
	play_export("a-fake-acceptor.json", "fb", "da8c4f59-7681-4480-842b-01ab676f2300");
}

static void our_acceptor_judges_imports_as_consuls_did(void **state)
{
	play_import("e-import-fake-dialer.json", "tol-a", NULL);
}

static void our_dialer_judges_imports_as_consuls_did(void **state)
{
	play_import("e-import-fake-acceptor.json", "tol-b", "0d9a2c6e-9a0f-4a36-9d0c-7c1c6d0f9b21");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(our_acceptor_exports_what_consuls_did, setup_east,
						teardown),
		cmocka_unit_test_setup_teardown(our_dialer_exports_what_consuls_did, setup_west,
						teardown),
		cmocka_unit_test_setup_teardown(our_acceptor_judges_imports_as_consuls_did,
						setup_east, teardown),
		cmocka_unit_test_setup_teardown(our_dialer_judges_imports_as_consuls_did,
						setup_west, teardown),
	};

	return cmocka_run_group_tests_name("peering_replay", tests, NULL, NULL);
}
