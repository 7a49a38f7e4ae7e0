// SPDX-License-Identifier: Apache-2.0
/* Messages of the peer stream and the resources in them: nothing that is taken may differ from what
 * it is encoded to and decoded from again. */
#include "userspace/rpc/pb.h"
#include <assert.h>
#include <string.h>

static const ProtobufCMessageDescriptor *const known[] = {
	&PW_PB_DESC(peerstream, exported_service),  &PW_PB_DESC(peerstream, exported_service_list),
	&PW_PB_DESC(peering, peering_trust_bundle), &PW_PB_DESC(peering, peering_server_addresses),
	&PW_PB_DESC(peerstream, leader_address),
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const ProtobufCMessageDescriptor *d, const uint8_t *data, size_t size)
{
	pw_autopb ProtobufCMessage *m = NULL, *again = NULL;
	pw_autofree uint8_t *once = NULL, *twice = NULL;
	size_t once_len, twice_len;

	if (pw_pb_decode(d, data, size, &m) < 0)
		return;
	once = pw_pb_encode(m, &once_len);
	/* An unusual way to write a number may be longer or shorter than ours: only the second
	 * round must agree. */
	if (pw_pb_decode(d, once, once_len, &again) < 0)
		return;
	twice = pw_pb_encode(again, &twice_len);
	assert(twice_len == once_len && memcmp(once, twice, once_len) == 0);
}

static void check_resource(const PW_PB(Peerstream, ReplicationMessage) * m)
{
	if (m->payload_case != PW_PB_ENUM(PEERSTREAM, REPLICATION_MESSAGE__PAYLOAD_RESPONSE) ||
	    !m->response->resource)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		pw_autopb ProtobufCMessage *inner = NULL;

		(void)pw_pb_decode_any(known[i], m->response->resource, &inner);
		check(known[i], m->response->resource->value.data,
		      m->response->resource->value.len);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	pw_autopb PW_PB(Peerstream, ReplicationMessage) *m = NULL;

	check(&PW_PB_DESC(peerstream, replication_message), data, size);
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		check(known[i], data, size);
	if (pw_pb_decode(&PW_PB_DESC(peerstream, replication_message), data, size, &m) == 0)
		check_resource(m);
	return 0;
}
