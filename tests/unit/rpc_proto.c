// SPDX-License-Identifier: Apache-2.0
/*
 * Proves that proto/ describes what a real Consul sends: every recorded message in tests/wire
 * decodes to what the recorder's own decoder said (field by field), and encodes to the same bytes.
 * When it breaks: compare the field number in userspace/rpc/proto with the file and entry that is
 * named.
 */
#include "userspace/base/json.h"
#include "userspace/base/fs.h"
#include "userspace/base/str.h"
#include "userspace/rpc/pb.h"
#include <ctype.h>
#include <glob.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static const ProtobufCMessageDescriptor *const known[] = {
	&PW_PB_DESC(peerstream, exported_service),  &PW_PB_DESC(peerstream, exported_service_list),
	&PW_PB_DESC(peering, peering_trust_bundle), &PW_PB_DESC(peering, peering_server_addresses),
	&PW_PB_DESC(peerstream, leader_address),
};

struct tally {
	const char *file;
	size_t messages, fields, resources, reordered;
};

static uint8_t *unhex(const char *s, size_t *len)
{
	uint8_t *out = pw_xcalloc(1, strlen(s) / 2 + 1);

	*len = strlen(s) / 2;
	for (size_t i = 0; i < *len; i++) {
		unsigned v;

		assert_int_equal(sscanf(s + 2 * i, "%2x", &v), 1);
		out[i] = (uint8_t)v;
	}
	return out;
}

/* protojson's names differ from ours in case and underscores only. */
static bool same_name(const char *a, const char *b)
{
	for (;; a++, b++) {
		while (*a == '_')
			a++;
		while (*b == '_')
			b++;
		if (tolower(*a) != tolower(*b))
			return false;
		if (!*a)
			return true;
	}
}

static json_t *member(json_t *o, const char *name)
{
	const char *key;
	json_t *v;

	json_object_foreach(o, key, v) if (same_name(key, name)) return v;
	return NULL;
}

static void match_message(struct tally *t, const ProtobufCMessage *m, json_t *json);

static void match_any(struct tally *t, const Google__Protobuf__Any *any, json_t *json)
{
	pw_autopb ProtobufCMessage *m = NULL;

	assert_string_equal(any->type_url, pw_str_or_empty(pw_json_str(json, "@type")));
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (pw_pb_decode_any(known[i], any, &m) == 0)
			break;
	if (!m) /* the recorder tried unknown types, too */
		return;
	t->resources++;
	match_message(t, m, json);
}

static void match_value(struct tally *t, const ProtobufCFieldDescriptor *f, const void *p,
			json_t *json)
{
	double number =
		json_is_string(json) ? atof(json_string_value(json)) : json_number_value(json);

	t->fields++;
	switch (f->type) {
	case PROTOBUF_C_TYPE_STRING:
		assert_string_equal(*(char *const *)p, pw_str_or_empty(json_string_value(json)));
		break;
	case PROTOBUF_C_TYPE_INT32:
		assert_true(*(const int32_t *)p == (int32_t)number);
		break;
	case PROTOBUF_C_TYPE_UINT64:
		assert_true(*(const uint64_t *)p == (uint64_t)number);
		break;
	case PROTOBUF_C_TYPE_DOUBLE:
		assert_true(fabs(*(const double *)p - number) < 1e-9);
		break;
	case PROTOBUF_C_TYPE_BOOL:
		assert_int_equal(*(const protobuf_c_boolean *)p, json_is_true(json));
		break;
	case PROTOBUF_C_TYPE_ENUM: {
		const ProtobufCEnumValue *v =
			protobuf_c_enum_descriptor_get_value(f->descriptor, *(const int *)p);

		if (json_is_string(json))
			assert_string_equal(v->name, json_string_value(json));
		else
			assert_int_equal(*(const int *)p, json ? json_integer_value(json) : 0);
		break;
	}
	case PROTOBUF_C_TYPE_MESSAGE:
		match_message(t, *(ProtobufCMessage *const *)p, json);
		break;
	default:
		break;
	}
}

static bool is_map(const ProtobufCFieldDescriptor *f)
{
	const ProtobufCMessageDescriptor *d = f->descriptor;

	return f->type == PROTOBUF_C_TYPE_MESSAGE && pw_str_ends(d->short_name, "Entry");
}

static void match_repeated(struct tally *t, const ProtobufCFieldDescriptor *f, const void *base,
			   json_t *json)
{
	size_t n = *(const size_t *)((const char *)base + f->quantifier_offset);
	void *const *items = *(void *const *const *)((const char *)base + f->offset);

	if (is_map(f)) {
		assert_int_equal(n, json_object_size(json));
		for (size_t i = 0; i < n; i++) {
			const ProtobufCMessage *entry = items[i];
			const ProtobufCFieldDescriptor *fields = entry->descriptor->fields;
			const char *key = *(char *const *)((const char *)entry + fields[0].offset);

			match_value(t, &fields[1], (const char *)entry + fields[1].offset,
				    json_object_get(json, key));
		}
		return;
	}
	assert_int_equal(n, json_array_size(json));
	for (size_t i = 0; i < n; i++)
		match_value(t, f, &items[i], json_array_get(json, i));
}

static bool field_is_set(const ProtobufCFieldDescriptor *f, const ProtobufCMessage *m)
{
	if (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
		return *(const uint32_t *)((const char *)m + f->quantifier_offset) == f->id;
	return f->type != PROTOBUF_C_TYPE_MESSAGE ||
	       *(void *const *)((const char *)m + f->offset) != NULL;
}

static void match_message(struct tally *t, const ProtobufCMessage *m, json_t *json)
{
	const ProtobufCMessageDescriptor *d = m->descriptor;

	if (d == &google__protobuf__any__descriptor) {
		match_any(t, (const Google__Protobuf__Any *)m, json);
		return;
	}
	if (pw_str_starts(d->name, "google.protobuf.")) /* has a JSON of its own */
		return;
	for (unsigned i = 0; i < d->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &d->fields[i];
		json_t *v = member(json, f->name);

		if (f->label == PROTOBUF_C_LABEL_REPEATED)
			match_repeated(t, f, m, v);
		else if (field_is_set(f, m))
			match_value(t, f, (const char *)m + f->offset, v);
		else
			assert_null(v);
	}
}

static const ProtobufCMessageDescriptor *type_of(json_t *entry)
{
	const char *rpc = pw_str_or_empty(pw_json_str(entry, "rpc"));

	if (strcmp(rpc, "StreamResources") == 0)
		return &PW_PB_DESC(peerstream, replication_message);
	if (strcmp(rpc, "ExchangeSecret") != 0)
		return NULL;
	/* The recorder stood on either side: only a request has a PeerID. */
	if (member(json_object_get(entry, "message"), "PeerID"))
		return &PW_PB_DESC(peerstream, exchange_secret_request);
	return &PW_PB_DESC(peerstream, exchange_secret_response);
}

static void check_round_trip(struct tally *t, const ProtobufCMessageDescriptor *d,
			     const uint8_t *data, size_t len, const ProtobufCMessage *m)
{
	pw_autopb ProtobufCMessage *again = NULL;
	pw_autofree uint8_t *once = NULL, *twice = NULL;
	size_t once_len, twice_len;

	once = pw_pb_encode(m, &once_len);
	assert_int_equal(once_len, len);
	if (memcmp(once, data, len) == 0)
		return;
	/* Unknown fields are encoded last; nothing may be lost. */
	t->reordered++;
	assert_int_equal(pw_pb_decode(d, once, once_len, &again), 0);
	twice = pw_pb_encode(again, &twice_len);
	assert_int_equal(twice_len, once_len);
	assert_memory_equal(twice, once, once_len);
}

static void check_entry(struct tally *t, json_t *entry)
{
	const ProtobufCMessageDescriptor *d = type_of(entry);
	const char *hex = pw_json_str(entry, "hex");
	pw_autopb ProtobufCMessage *m = NULL;
	pw_autofree uint8_t *data = NULL;
	size_t len;

	if (!d || !hex)
		return;
	data = unhex(hex, &len);
	assert_int_equal(pw_pb_decode(d, data, len, &m), 0);
	check_round_trip(t, d, data, len, m);
	if (json_object_get(entry, "message"))
		match_message(t, m, json_object_get(entry, "message"));
	t->messages++;
}

static void check_file(struct tally *t, const char *path)
{
	pw_autojson json_t *doc = NULL;
	pw_autofree char *text = NULL;
	size_t len, i;
	json_t *entry;

	t->file = path;
	assert_int_equal(pw_fs_read(path, 4 << 20, &text, &len, NULL), 0);
	assert_int_equal(pw_json_parse(text, len, &doc, NULL), 0);
	json_array_foreach(json_object_get(doc, "entries"), i, entry) check_entry(t, entry);
}

static void recorded_messages_decode_as_recorded_and_encode_alike(void **state)
{
	struct tally t = { 0 };
	glob_t files;

	assert_int_equal(glob("tests/wire/*.json", 0, NULL, &files), 0);
	for (size_t i = 0; i < files.gl_pathc; i++)
		check_file(&t, files.gl_pathv[i]);
	globfree(&files);
	print_message("%zu messages, %zu resources, %zu values, %zu encoded in another order\n",
		      t.messages, t.resources, t.fields, t.reordered);
	assert_true(t.messages > 900);
	assert_true(t.resources > 200);
}

static void unknown_fields_are_kept(void **state)
{
	static const uint8_t data[] = { 0x0a, 1, 'x', 0xfa, 0x07, 2, 'h', 'i' };
	pw_autopb PW_PB(Peerstream, LeaderAddress) *m = NULL;
	pw_autofree uint8_t *out = NULL;
	size_t len;

	assert_int_equal(pw_pb_decode(&PW_PB_DESC(peerstream, leader_address), data, sizeof(data),
				      &m),
			 0);
	assert_string_equal(m->address, "x");
	out = pw_pb_encode(m, &len);
	assert_int_equal(len, sizeof(data));
	assert_memory_equal(out, data, len);
}

static void unnamed_enum_values_survive(void **state)
{
	static const uint8_t data[] = { 0x1a, 2, 0x28, 99 };
	pw_autopb PW_PB(Peerstream, ReplicationMessage) *m = NULL;

	assert_int_equal(pw_pb_decode(&PW_PB_DESC(peerstream, replication_message), data,
				      sizeof(data), &m),
			 0);
	assert_int_equal(m->payload_case,
			 PW_PB_ENUM(PEERSTREAM, REPLICATION_MESSAGE__PAYLOAD_RESPONSE));
	assert_int_equal(m->response->operation, 99);
}

static void strings_with_nul_or_broken_utf8_are_refused(void **state)
{
	static const char *const bad[] = { "\0",	   "\xff",     "\xc0\x80",
					   "\xed\xa0\x80", "\xe2\x82", "\xf5\x80\x80\x80" };
	static const size_t lens[] = { 1, 1, 2, 3, 2, 4 };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		uint8_t data[8] = { 0x0a, (uint8_t)lens[i] };
		void *m = NULL;

		memcpy(data + 2, bad[i], lens[i]);
		assert_int_equal(pw_pb_decode(&PW_PB_DESC(peerstream, leader_address), data,
					      2 + lens[i], &m),
				 -EBADMSG);
		assert_null(m);
	}
}

/* Lists within lists: each level is a length in front of the level before. */
static size_t nest(uint8_t *buf, size_t size, unsigned levels)
{
	size_t start = size, len = 0;

	for (unsigned i = 0; i < levels; i++) {
		uint8_t head[8];
		size_t n = 0;

		head[n++] = i % 2 ? 0x32 : 0x0a; /* Value.list_value, ListValue.values */
		for (size_t v = len; n == 1 || v; v >>= 7)
			head[n++] = (v & 0x7f) | (v >> 7 ? 0x80 : 0);
		start -= n;
		memcpy(buf + start, head, n);
		len += n;
	}
	memmove(buf, buf + start, len);
	return len;
}

static void nesting_is_limited(void **state)
{
	pw_autofree uint8_t *buf = pw_xcalloc(1, 1 << 20);
	void *m = NULL;
	size_t len = nest(buf, 1 << 20, 201);

	assert_int_equal(pw_pb_decode(&google__protobuf__list_value__descriptor, buf, len, &m),
			 -E2BIG);
	len = nest(buf, 1 << 20, 29);
	assert_int_equal(pw_pb_decode(&google__protobuf__list_value__descriptor, buf, len, &m), 0);
	pw_pb_freep(&m);
}

static void small_bytes_do_not_become_large_memory(void **state)
{
	const size_t n = 1 << 20;
	pw_autofree uint8_t *data = pw_xcalloc(2, n);
	void *m = NULL;

	for (size_t i = 0; i < n; i++)
		data[2 * i] = 0x0a; /* an empty instance in two bytes */
	assert_int_equal(pw_pb_decode(&PW_PB_DESC(peerstream, exported_service), data, 2 * n, &m),
			 -E2BIG);
	assert_null(m);
}

static void every_cut_of_a_message_is_refused_or_decoded(void **state)
{
	PW_PB(Service, Node) node = PW_PB_INIT(SERVICE, NODE);
	PW_PB(Service, CheckServiceNode) inst = PW_PB_INIT(SERVICE, CHECK_SERVICE_NODE);
	PW_PB(Service, CheckServiceNode) * list[] = { &inst };
	PW_PB(Peerstream, ExportedService) svc = PW_PB_INIT(PEERSTREAM, EXPORTED_SERVICE);
	pw_autofree uint8_t *data = NULL;
	size_t len;

	node.node = (char *)"n1";
	node.address = (char *)"10.0.0.1";
	inst.node = &node;
	svc.nodes = list;
	svc.n_nodes = 1;
	data = pw_pb_encode(&svc, &len);
	for (size_t i = 1; i < len; i++) {
		void *m = NULL;

		assert_int_equal(pw_pb_decode(&PW_PB_DESC(peerstream, exported_service), data, i,
					      &m),
				 -EBADMSG);
	}
}

static void any_of_another_type_is_not_decoded(void **state)
{
	PW_PB(Peerstream, LeaderAddress) m = PW_PB_INIT(PEERSTREAM, LEADER_ADDRESS);
	pw_autopb PW_PB(Peerstream, LeaderAddress) *back = NULL;
	Google__Protobuf__Any any;
	void *other = NULL;

	m.address = (char *)"10.0.0.1:8300";
	pw_pb_encode_any(&m, &any);
	assert_string_equal(any.type_url,
			    PW_PB_URL_PREFIX "hashicorp.consul.internal.peerstream.LeaderAddress");
	assert_int_equal(pw_pb_decode_any(&PW_PB_DESC(peering, peering_trust_bundle), &any, &other),
			 -ENOENT);
	assert_int_equal(pw_pb_decode_any(&PW_PB_DESC(peerstream, leader_address), &any, &back), 0);
	assert_string_equal(back->address, "10.0.0.1:8300");
	free(any.type_url);
	free(any.value.data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(recorded_messages_decode_as_recorded_and_encode_alike),
		cmocka_unit_test(unknown_fields_are_kept),
		cmocka_unit_test(unnamed_enum_values_survive),
		cmocka_unit_test(strings_with_nul_or_broken_utf8_are_refused),
		cmocka_unit_test(nesting_is_limited),
		cmocka_unit_test(small_bytes_do_not_become_large_memory),
		cmocka_unit_test(every_cut_of_a_message_is_refused_or_decoded),
		cmocka_unit_test(any_of_another_type_is_not_decoded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
