/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_PEERING_PEERING_H
#define PW_PEERING_PEERING_H
/*
 * Cluster peering as Consul does it: tokens, secrets, states, the peer stream in both roles, export
 * and import. Control thread only. Life: new (resumes stored peerings: dialers dial, deletions go
 * on) → free (streams end without Terminated).
 */
#include "../ca/ca.h"
#include "../store/store.h"

struct event_base;
struct pw_addr;
struct pw_peering_mgr;

struct pw_peering_options {
	struct event_base *base;
	struct pw_store *store;
	struct pw_ca *ca;
	const char *node_name;
	const char *advertise_host; /* advertise_addr_wan: IP or host name */
	uint16_t gateway_port;
	bool enabled;
	bool allow_loopback; /* -dev: peers on loopback may be dialed */
	int64_t heartbeat_interval_ms, heartbeat_timeout_ms;
	uint32_t max_control_connections_per_source;
};
int pw_peering_mgr_new(struct pw_peering_mgr **ret, const struct pw_peering_options *opt,
		       struct pw_err *err);
void pw_peering_mgr_free(struct pw_peering_mgr **m);
/* A connection for the control SNI, its ClientHello unread. Takes fd. */
void pw_peering_accept(struct pw_peering_mgr *m, int fd, const struct pw_addr *client);

struct pw_token_request {
	const char *name;
	struct pw_map meta;
	struct pw_strv server_external_addresses;
};
struct pw_establish_request {
	const char *name;
	const char *token;
	struct pw_map meta;
	bool retry;
};
/* Statuses and texts: tests/conformance/expected/peering.json. ret: base64 text, a secret. */
int pw_peering_generate_token(struct pw_peering_mgr *m, const struct pw_token_request *req,
			      char **ret, struct pw_err *err);
/* done comes from the loop, once, with err->code 0 on success; never before the call returns. Not
 * called if mgr is freed first. */
typedef void pw_establish_fn(void *arg, const struct pw_err *err);
int pw_peering_establish(struct pw_peering_mgr *m, const struct pw_establish_request *req,
			 pw_establish_fn *done, void *arg, struct pw_err *err);
/* Idempotent: unknown or already deleting is success. */
int pw_peering_delete(struct pw_peering_mgr *m, const char *name, struct pw_err *err);
const struct pw_peering *pw_peering_get(struct pw_peering_mgr *m,
					const char *name); /* name in any case; NULL */

/* What is known of a peering's stream, overlaid on what is stored. */
struct pw_peering_status {
	enum pw_peering_state state; /* ACTIVE only if bytes came in time */
	bool tracked; /* false: no stream since start: the lists and times below are unset */
	struct pw_strv imported,
		exported; /* names; valid only if the _set flag is true (else null in JSON) */
	bool imported_set, exported_set;
	int64_t last_heartbeat_ns, last_receive_ns, last_send_ns; /* 0: null */
	char *last_error;
	int64_t last_error_ns;
	bool last_error_remote; /* whose side it was on */
};
void pw_peering_status(struct pw_peering_mgr *m, const struct pw_peering *p,
		       struct pw_peering_status *ret);
void pw_peering_status_clear(struct pw_peering_status *s);
/* The JSON of one peering as GET /v1/peering/:name gives it. New reference. */
json_t *pw_peering_json(struct pw_peering_mgr *m, const struct pw_peering *p);
/* Source addresses that authenticated peers were seen at or announced (at most 64 a peer), for the
 * guard: called per (peer, address). */
void pw_peering_each_address(struct pw_peering_mgr *m,
			     void (*fn)(void *arg, const char *peer, const char *ip), void *arg);
/* fn runs whenever that set changed. */
void pw_peering_on_addresses(struct pw_peering_mgr *m, void (*fn)(void *arg), void *arg);
#endif
