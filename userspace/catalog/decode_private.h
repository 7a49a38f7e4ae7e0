/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_CATALOG_DECODE_PRIVATE_H
#define PW_CATALOG_DECODE_PRIVATE_H
/* Shared by the two kinds of registration. */
#include "registration.h"

/* What a client sends beside a struct's own fields. */
struct decode_extra {
	json_t *tagged_addresses; /* map by tag */
	char *peer;
	char *ns;
	char *partition;
	json_t *ignored; /* never set: accepted and dropped */
};
/* Accepted since clients send back what they have read. Each use needs the struct's name and its
 * extra member. */
#define IGNORED(st, key) PW_FIELD(st, key, extra.ignored, PW_F_JSON, PW_F_READONLY)
#define EXTRA_FIELDS(st)                                          \
	PW_FIELD(st, "PeerName", extra.peer, PW_F_STR, 0),        \
		PW_FIELD(st, "Namespace", extra.ns, PW_F_STR, 0), \
		PW_FIELD(st, "Partition", extra.partition, PW_F_STR, 0)

/* Connect as a user may write it: PeerMeta comes from peers only. */
extern const struct pw_schema decode_connect_schema;

bool decode_key_is(const char *key, const char *name); /* without case and underscores */
int decode_failed(struct pw_err *err);		       /* puts "Request decode failed" in front */
int decode_extra_check(const struct decode_extra *e, struct pw_err *err);
int decode_tagged_addresses(const json_t *map, struct pw_list *ret, struct pw_err *err);
/* Check and Checks of a service's definition; ret belongs to the caller also on failure. */
int decode_agent_checks(const struct pw_service *svc, json_t *check, json_t *checks,
			struct pw_list *ret, struct pw_err *err);
#endif
