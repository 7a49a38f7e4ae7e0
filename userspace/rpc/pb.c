// SPDX-License-Identifier: Apache-2.0
#include "pb.h"
#include "internal.h"

#include <string.h>

/* What protobuf-c keeps for each field while it parses a message; its own struct is private. */
#define SCAN_COST 48

struct scan {
	const uint8_t *p;
	const uint8_t *end;
};

static int read_varint(struct scan *s, uint64_t *ret)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 70 && s->p < s->end; shift += 7) {
		uint8_t b = *s->p++;

		if (shift < 64)
			v |= (uint64_t)(b & 0x7f) << shift;
		if (!(b & 0x80)) {
			*ret = v;
			return 0;
		}
	}
	return -EBADMSG;
}

/* Length of the UTF-8 sequence at p, 0 if there is none (RFC 3629: shortest form, no surrogates),
 * or if it is NUL. */
size_t rpc_utf8_len(const uint8_t *p, size_t left)
{
	if (p[0] < 0x80)
		return p[0] ? 1 : 0;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;

	size_t n = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;

	if (left < n)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
	    (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

static int check_string(const uint8_t *p, size_t len)
{
	while (len > 0) {
		size_t n = rpc_utf8_len(p, len);

		if (n == 0)
			return -EBADMSG;
		p += n;
		len -= n;
	}
	return 0;
}

static int charge(size_t *budget, size_t cost)
{
	if (cost > *budget)
		return -E2BIG;
	*budget -= cost;
	return 0;
}

static int scan_message(const ProtobufCMessageDescriptor *d, const uint8_t *data, size_t len,
			unsigned depth, size_t *budget);

static int scan_bytes(const ProtobufCFieldDescriptor *f, const uint8_t *p, size_t len,
		      unsigned depth, size_t *budget)
{
	int r = charge(budget, len + sizeof(ProtobufCMessageUnknownField));

	if (r < 0 || !f)
		return r;
	if (f->type == PROTOBUF_C_TYPE_STRING)
		return check_string(p, len);
	if (f->type == PROTOBUF_C_TYPE_MESSAGE)
		return scan_message(f->descriptor, p, len, depth + 1, budget);
	return 0;
}

/* One field behind its key. Groups do not exist in proto3. */
static int scan_value(const ProtobufCFieldDescriptor *f, unsigned wire_type, struct scan *s,
		      unsigned depth, size_t *budget)
{
	uint64_t v = 0;
	int r;

	switch (wire_type) {
	case PROTOBUF_C_WIRE_TYPE_VARINT:
		return read_varint(s, &v);
	case PROTOBUF_C_WIRE_TYPE_64BIT:
		v = 8;
		break;
	case PROTOBUF_C_WIRE_TYPE_32BIT:
		v = 4;
		break;
	case PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED:
		r = read_varint(s, &v);
		if (r < 0)
			return r;
		break;
	default:
		return -EBADMSG;
	}
	if (v > (size_t)(s->end - s->p))
		return -EBADMSG;
	if (wire_type == PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED) {
		r = scan_bytes(f, s->p, v, depth, budget);
		if (r < 0)
			return r;
	}
	s->p += v;
	return 0;
}

/* protobuf-c recurses without end and allocates what it is told to: walk the bytes first, with
 * limits. */
static int scan_message(const ProtobufCMessageDescriptor *d, const uint8_t *data, size_t len,
			unsigned depth, size_t *budget)
{
	static const uint8_t nothing[1];
	const uint8_t *start = len ? data : nothing; /* an empty field has no pointer to add to */
	struct scan s = { start, start + len };
	int r;

	if (depth > PW_PB_MAX_DEPTH)
		return -E2BIG;
	r = charge(budget, d->sizeof_message + sizeof(void *));
	while (r == 0 && s.p < s.end) {
		uint64_t key;

		r = read_varint(&s, &key);
		if (r < 0 || key >> 3 == 0 || key > UINT32_MAX)
			return -EBADMSG;
		r = charge(budget, SCAN_COST);
		if (r == 0)
			r = scan_value(protobuf_c_message_descriptor_get_field(d, key >> 3),
				       key & 7, &s, depth, budget);
	}
	return r;
}

int pw_pb_decode(const ProtobufCMessageDescriptor *desc, const void *data, size_t len, void *ret)
{
	size_t budget = len > SIZE_MAX / (2 * PW_PB_EXPANSION) ? SIZE_MAX
							       : len * PW_PB_EXPANSION + 64 * 1024;
	ProtobufCMessage *m;
	int r;

	r = scan_message(desc, data, len, /*depth=*/1, &budget);
	if (r < 0)
		return r;
	m = protobuf_c_message_unpack(desc, /*allocator=*/NULL, len, data);
	if (!m)
		return -EBADMSG;
	*(void **)ret = m;
	return 0;
}

int pw_pb_decode_any(const ProtobufCMessageDescriptor *desc, const Google__Protobuf__Any *any,
		     void *ret)
{
	size_t prefix = strlen(PW_PB_URL_PREFIX);

	if (strncmp(any->type_url, PW_PB_URL_PREFIX, prefix) != 0 ||
	    strcmp(any->type_url + prefix, desc->name) != 0)
		return -ENOENT;
	return pw_pb_decode(desc, any->value.data, any->value.len, ret);
}

uint8_t *pw_pb_encode(const void *msg, size_t *ret_len)
{
	size_t len = protobuf_c_message_get_packed_size(msg);
	uint8_t *data = pw_xcalloc(1, len + 1);

	*ret_len = protobuf_c_message_pack(msg, data);
	return data;
}

void pw_pb_encode_any(const void *msg, Google__Protobuf__Any *any)
{
	const ProtobufCMessage *m = msg;

	google__protobuf__any__init(any);
	any->type_url = pw_xasprintf("%s%s", PW_PB_URL_PREFIX, m->descriptor->name);
	any->value.data = pw_pb_encode(msg, &any->value.len);
}

void pw_pb_freep(void *pointer_to_message_pointer)
{
	ProtobufCMessage **m = pointer_to_message_pointer;

	if (*m)
		protobuf_c_message_free_unpacked(*m, /*allocator=*/NULL);
	*m = NULL;
}
