/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_PEERING_PRIVATE_H
#define PW_PEERING_PRIVATE_H
/*
 * Inside of peering/: the manager, and a link for each stored peering.
 *
 *	manager ─ link (one a peering) ─ stream (while one is up) ─ exporter, importer
 *	                               ├ dial (dialer: connects the stream, again and again)
 *	                               └ exchange (dialer: swaps a token's secret; also without a
 *link, while establish runs) ─ accept calls (acceptor: carry streams and exchanges of the gRPC
 *server)
 *
 * L1 The store is the truth; a link only knows what is happening now. links follow rows:
 *pw_links_sync(). L2 A link has at most one stream; the first one stays. L3 A stream never outlives
 *its link. Ends go one way: the stream is freed first, its transport learns it through ops->end. L4
 *Nothing here writes to the store from inside a store callback; it defers itself through the loop.
 */
#include "own.h"
#include "peering.h"
#include "token.h"
#include "../base/addr.h"
#include "../base/time.h"
#include "../rpc/grpc.h"

#include <event2/event.h>
#include <sys/queue.h>
#include <uthash.h>

#define PW_PEERINGS_MAX	      1024
#define PW_ESTABLISH_MAX      64		  /* running at the same time */
#define PW_PEER_ADDRESSES_MAX 64		  /* a peer, for the guard */
#define PW_PEER_SERVICES_MAX  8192		  /* exported names a peer may send */
#define PW_PEER_INSTANCES_MAX 65536		  /* instances a peer may send, in all */
#define PW_PEER_BYTES_MAX     (256 * 1024 * 1024) /* … and what they may take of our memory */
#define PW_ROOT_MAX_BYTES     (64 * 1024)	  /* one root of a peer's bundle */
#define PW_MESSAGE_MAX_BYTES  (8 * 1024 * 1024)	  /* what a real dialer receives */
#define PW_SEND_QUEUE_BYTES   (2 * 1024 * 1024)
#define PW_STRANGER_BYTES     (16 * 1024)
#define PW_STRANGER_MS	      10000
#define PW_STRANGER_STREAMS   8
#define PW_CALM_MS	      2000 /* how long an interrupted stream may stay away before it is a fault */
#define PW_CLEANUP_ROWS	      2000 /* removed in one go */
#define PW_LOG_LINES	      50
#define PW_STRANGERS_MAX \
	256 /* connections that have not proved themselves, from unknown addresses */

#define PW_PATH_EXCHANGE "/hashicorp.consul.internal.peerstream.PeerStreamService/ExchangeSecret"
#define PW_PATH_STREAM	 "/hashicorp.consul.internal.peerstream.PeerStreamService/StreamResources"

struct pw_stream;
struct pw_dial;
struct pw_exchange;
struct pw_dial_conn;
struct pw_accept_call;

/* What a peer's imports take; counted once, then kept up by import.c. */
struct pw_usage {
	bool known;
	size_t instances, bytes;
};

struct pw_link {
	UT_hash_handle hh; /* by id */
	struct pw_peering_mgr *mgr;
	char *id;   /* our id of the peering */
	char *name; /* our alias of the peer */
	struct pw_stream *stream;
	struct pw_dial *dial;
	struct pw_exchange *exchange; /* establish with retry, while PENDING */
	struct event *cleanup;	      /* while DELETING or TERMINATED: removes imports, in steps */
	bool closing;		      /* being freed: what its stream does now is no news */

	/* of the log, which what a peer sends must not fill */
	int64_t log_second;
	unsigned log_lines, log_left_out;

	/* what the status shows */
	bool tracked;
	bool failed; /* the last stream, or attempt at one, ended with an error */
	/* An active stream broke off without anybody saying why: until then another one may come.
	 */
	int64_t calm_until_ms;
	struct event *calm_over;
	struct pw_strv imported, exported;
	int64_t last_heartbeat_ns, last_receive_ns, last_send_ns;
	char *last_error;
	int64_t last_error_ns;
	bool last_error_remote;
	enum pw_peering_state shown; /* what the last touch of the table was about */

	struct pw_usage usage;
	/* where authenticated connections came from; oldest first */
	struct pw_addr seen[PW_PEER_ADDRESSES_MAX];
	size_t n_seen;
};

struct pw_peering_mgr {
	struct event_base *base;
	struct pw_store *store;
	struct pw_ca *ca;
	char *node_name;
	char *advertise_host;
	uint16_t gateway_port;
	bool enabled;
	bool allow_loopback;
	int64_t heartbeat_interval_ms, heartbeat_timeout_ms;
	uint32_t max_connections_per_source;
	char *server_name; /* in our tokens, and the name of our certificate */

	struct pw_link *links;
	LIST_HEAD(, pw_exchange) exchanges;
	size_t n_exchanges;
	LIST_HEAD(, pw_dial_conn) conns;
	LIST_HEAD(, pw_accept_call) calls;
	size_t n_calls;

	struct pw_grpc_server *server;
	SSL_CTX *server_ctx;
	uint64_t server_ctx_generation;

	struct pw_watch *watch;
	struct event *work; /* deferred: the store changed */
	uint32_t dirty;	    /* tables */
	int64_t work_not_before_ms;

	struct pw_exports *exports; /* to all peers, as of these indexes */
	uint64_t exports_config_index, exports_service_index;

	void (*on_addresses)(void *arg);
	void *on_addresses_arg;
	uint64_t addresses_hash;
	struct pw_known *known; /* the set of that hash */
	size_t peer_bytes_max;	/* PW_PEER_BYTES_MAX; tests lower it */
	struct pw_own_addrs own;
};

/* --- manager.c: rows and links
 * ---------------------------------------------------------------------------------------------------
 */
void pw_links_sync(struct pw_peering_mgr *m); /* after any write to PW_T_PEERING */
struct pw_link *pw_link_by_id(struct pw_peering_mgr *m, const char *id);
const struct pw_peering *pw_link_row(const struct pw_link *l); /* NULL: deleted meanwhile */
const struct pw_peering *pw_peering_by_id(struct pw_peering_mgr *m, const char *id);
struct pw_peering *pw_peering_dup(const struct pw_peering *p);
/* We learnt that the other side deleted the peering. */
int pw_link_terminated(struct pw_link *l, struct pw_err *err);
void pw_mgr_schedule(struct pw_peering_mgr *m, uint32_t tables);
/* Names that go to the peer; until the loop is reached again. */
const struct pw_strv *pw_mgr_exports(struct pw_peering_mgr *m, const char *peer);

/* --- cleanup.c: removing what a peer gave us
 * -------------------------------------------------------------------------------------- */
/* At most `limit` rows; ret_more: there are more. */
int pw_imports_remove(struct pw_tx *tx, const char *peer, size_t limit, bool *ret_more,
		      struct pw_err *err);
void pw_link_cleanup_start(struct pw_link *l);

/* --- status.c
 * ------------------------------------------------------------------------------------------------------------------
 */
/* Compares what is shown now with what was, and fires blocking queries. */
void pw_link_changed(struct pw_link *l);
/* One more line about what this peer did; at most PW_LOG_LINES a second. */
bool pw_link_may_log(struct pw_link *l);
/* Nobody named a fault: the connection broke, the other side stops, or its leader is elsewhere. */
bool pw_is_interruption(const struct pw_grpc_status *st);
/* The active stream broke off: no alarm for PW_CALM_MS. */
void pw_link_calm(struct pw_link *l);
/* An end or a fault: remembered for `peering read`, logged once by the caller. */
void pw_link_error(struct pw_link *l, bool remote, const char *fmt, ...) pw_printf(3, 4);

/* --- secret.c: who may come in
 * --------------------------------------------------------------------------------------------------
 */
int pw_secret_put_establishment(struct pw_tx *tx, const char *id, char ret[37], struct pw_err *err);
int pw_secret_put_active(struct pw_tx *tx, const char *id, const char *secret, struct pw_err *err);
int pw_secret_put_token(struct pw_tx *tx, const char *id, const char *secret, struct pw_err *err);
int pw_secret_delete(struct pw_tx *tx, const char *id, struct pw_err *err);
const struct pw_peering_secret *pw_secret_get(const struct pw_store *s, const char *id);
/* One use: swaps the establishment secret for a pending stream secret in one transaction. -EACCES.
 */
int pw_secret_exchange(struct pw_peering_mgr *m, const char *id, const char *secret, char ret[37],
		       struct pw_err *err);
enum pw_secret_match { PW_SECRET_NONE, PW_SECRET_ACTIVE, PW_SECRET_PENDING };
enum pw_secret_match pw_secret_match(const struct pw_peering_secret *s, const char *secret);
/* The pending secret becomes the active one. */
int pw_secret_promote(struct pw_tx *tx, const char *id, struct pw_err *err);

/* --- exchange.c: the dialer's half of a token
 * ------------------------------------------------------------------------------------ */
int pw_exchange_start(struct pw_peering_mgr *m, const struct pw_establish_request *req,
		      struct pw_token *token /* taken */, pw_establish_fn *done, void *arg,
		      struct pw_err *err);
/* A PENDING row that was kept for retry. */
void pw_exchange_resume(struct pw_link *l);
void pw_exchange_free(struct pw_exchange **x);

/* --- dial.c
 * -------------------------------------------------------------------------------------------------------------------
 */
/* Connects now, dropping a stream that is up (its secret or address is an old one). */
void pw_dial_start(struct pw_link *l, int64_t delay_ms);
void pw_dial_stop(struct pw_link *l);
void pw_dial_conn_free(struct pw_dial_conn *c);
/* The exchange dials by the same rules. */
int pw_dial_client(struct pw_peering_mgr *m, const char *hostport, const struct pw_strv *roots,
		   const char *server_name, int64_t timeout_ms,
		   bool (*may_dial)(void *arg, const struct pw_addr *a), void *arg,
		   struct pw_grpc_conn **ret, struct pw_err *err);
/* NULL: allowed, else why not. */
const char *pw_dial_refusal(const struct pw_peering_mgr *m, const struct pw_addr *a);
int64_t pw_backoff_ms(unsigned attempt); /* 2^attempt s up to 64 s, with jitter */

/* --- accept.c
 * ------------------------------------------------------------------------------------------------------------------
 */
int pw_accept_new(struct pw_peering_mgr *m, struct pw_err *err);
void pw_accept_free(struct pw_peering_mgr *m);

/* --- addresses.c
 * ----------------------------------------------------------------------------------------------------------------
 */
void pw_link_saw(struct pw_link *l, const struct pw_addr *a);
void pw_addresses_check(struct pw_peering_mgr *m); /* calls on_addresses if the set changed */
/* Of an authenticated peer: seen, or announced, also before a restart. */
bool pw_address_known(const struct pw_peering_mgr *m, const struct pw_addr *a);
void pw_known_clear(struct pw_peering_mgr *m);
void pw_server_addresses(const struct pw_peering_mgr *m,
			 struct pw_strv *ret); /* ours, as tokens and streams carry them */
#endif
