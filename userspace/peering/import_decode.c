// SPDX-License-Identifier: Apache-2.0
/*
 * ExportedService from bytes, instance by instance. A service may have thousands of instances of a
 * few hundred bytes, which as structs take more than the general limit of pw_pb_decode allows for
 * one message; here that limit holds for each instance, and a limit of our own for all.
 */
#include "import_private.h"

#include <string.h>

#define DECODED_MAX   ((size_t)192 * 1024 * 1024)
#define INSTANCE_COST 1024 /* of the structs of one, roughly */
#define ITEM_COST     256  /* of a check, a tag, a pair */
#define WIRE_LENGTH   2
#define FIELD_NODES   1

struct reader {
	const uint8_t *p;
	const uint8_t *end;
};

static int read_varint(struct reader *r, uint64_t *ret)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 64 && r->p < r->end; shift += 7) {
		uint8_t b = *r->p++;

		v |= (uint64_t)(b & 0x7f) << shift;
		if (!(b & 0x80)) {
			*ret = v;
			return 0;
		}
	}
	return -EBADMSG;
}

/* The next field's bytes; ret_field 0: of no use to us. */
static int read_field(struct reader *r, uint64_t *ret_field, const uint8_t **ret, size_t *ret_len)
{
	uint64_t key, len = 0;
	int rc;

	rc = read_varint(r, &key);
	if (rc < 0 || key >> 3 == 0)
		return -EBADMSG;
	*ret_field = 0;
	switch (key & 7) {
	case 0:
		return read_varint(r, &len);
	case 1:
		len = 8;
		break;
	case 5:
		len = 4;
		break;
	case WIRE_LENGTH:
		rc = read_varint(r, &len);
		*ret_field = key >> 3;
		break;
	default:
		return -EBADMSG;
	}
	if (rc < 0 || len > (uint64_t)(r->end - r->p))
		return -EBADMSG;
	*ret = r->p;
	*ret_len = len;
	r->p += len;
	return 0;
}

static size_t cost(const pw_pb_instance *i, size_t len)
{
	size_t items = i->n_checks;

	if (i->node)
		items += i->node->n_meta + i->node->n_tagged_addresses;
	if (i->service)
		items += i->service->n_meta + i->service->n_tagged_addresses + i->service->n_tags;
	return INSTANCE_COST + items * ITEM_COST + 2 * len;
}

static void append(pw_pb_exported_service *es, size_t *size, pw_pb_instance *i)
{
	if (es->n_nodes == *size) {
		*size = *size ? 2 * *size : 8;
		es->nodes = pw_xrealloc(es->nodes, *size * sizeof(*es->nodes));
	}
	es->nodes[es->n_nodes++] = i;
}

int pw_import_decode_service(const uint8_t *data, size_t len, pw_pb_exported_service **ret,
			     size_t *ret_cost)
{
	struct reader r = { data, data + len };
	pw_autopb pw_pb_exported_service *es = NULL;
	size_t total = 0, size = 0;
	int rc;

	rc = pw_pb_decode(&PW_PB_DESC(peerstream, exported_service), "", 0, &es);
	while (rc == 0 && r.p < r.end) {
		pw_pb_instance *i = NULL;
		const uint8_t *part;
		size_t part_len;
		uint64_t field;

		rc = read_field(&r, &field, &part, &part_len);
		if (rc < 0 || field != FIELD_NODES)
			continue;
		rc = pw_pb_decode(&PW_PB_DESC(service, check_service_node), part, part_len, &i);
		if (rc < 0)
			continue;
		append(es, &size, i);
		total += cost(i, part_len);
		if (total > DECODED_MAX)
			rc = -E2BIG;
	}
	if (rc < 0)
		return rc;
	*ret = TAKE_PTR(es);
	*ret_cost = total;
	return 0;
}
