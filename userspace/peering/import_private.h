/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_PEERING_IMPORT_PRIVATE_H
#define PW_PEERING_IMPORT_PRIVATE_H
/* Between import.c (what a batch does to the store) and import_instance.c (protobuf into rows). */
#include "stream.h"
#include "../rpc/pb.h"

typedef PW_PB(Peerstream, ExportedService) pw_pb_exported_service;
typedef PW_PB(Service, CheckServiceNode) pw_pb_instance;

#define PW_IMPORT_OUTPUT_MAX 4096 /* of a check's output; what is longer is cut */
#define PW_IMPORT_NAME_MAX   512

/* -EBADMSG, -E2BIG. Free with pw_pb_freep. ret_cost: bytes that it takes, roughly. */
int pw_import_decode_service(const uint8_t *data, size_t len, pw_pb_exported_service **ret,
			     size_t *ret_cost);
/* The name in a resource id: "svc", or the last part of "partition/namespace/svc". */
const char *pw_import_service_name(const char *resource_id);
/* Everything that can be wrong with it. 0, or -errno with *ret_code (a gRPC code) and *err. */
int pw_import_check_service(const char *resource_id, const pw_pb_exported_service *es,
			    int *ret_code, struct pw_err *err);
/* What all rows of the peer take. */
struct pw_usage pw_import_usage(const struct pw_store *s, const char *peer);
size_t pw_import_row_bytes(unsigned table, const void *row);
/* New rows, for the store. */
struct pw_node *pw_import_node(const char *peer, const pw_pb_instance *i);
struct pw_service *pw_import_service(const char *peer, const pw_pb_instance *i);
struct pw_check *pw_import_check(const char *peer, const pw_pb_instance *i, size_t n);
#endif
