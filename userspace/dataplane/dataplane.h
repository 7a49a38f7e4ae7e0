/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_DATAPLANE_DATAPLANE_H
#define PW_DATAPLANE_DATAPLANE_H
/*
 * Workers that accept, authenticate, authorise, connect and forward. Public face for the control
 * thread. Life: new (binds the gateway port, starts workers) → publish … → drain → free. Callbacks
 * run on the control thread's loop. Before the first publish every connection is refused (deny by
 * default).
 */
#include "routing.h"

struct event_base;
struct pw_kernel;
struct pw_dataplane;

struct pw_limits {
	int64_t handshake_timeout_ms, connect_timeout_ms, half_close_timeout_ms,
		idle_timeout_ms /* 0: none */, unacked_timeout_ms, drain_timeout_ms;
	uint32_t max_connections, max_connections_per_source, max_pending_handshakes,
		max_control_connections_per_source;
	uint32_t buffer_bytes, hello_bytes;
};
/* What refused or ended a connection, for the log: strings live during the call only; any may be
 * NULL. */
struct pw_dp_event {
	enum pw_reason reason;
	const char *client, *sni, *peer, *source, *destination, *their_id, *our_id, *detail;
};
struct pw_dataplane_options {
	struct event_base *base;
	struct pw_kernel *kernel; /* NULL: no maps (unit tests): sockmap is then not eligible */
	struct pw_addr bind;	  /* gateway { bind_addr, ports.gateway } */
	unsigned workers;	  /* 0: one per CPU */
	struct pw_limits limits;
	enum pw_forwarder forwarders[4]; /* allowed, best first, ended by NONE */
	const char *ktls;		 /* auto | off | require */
	/* A connection for the control SNI: fd is nonblocking, its ClientHello still unread in the
	 * socket. Callee owns fd. */
	void (*on_control)(void *arg, int fd, const struct pw_addr *client);
	void (*on_event)(void *arg, const struct pw_dp_event *e);
	void *arg;
};
int pw_dataplane_new(struct pw_dataplane **ret, const struct pw_dataplane_options *opt,
		     struct pw_err *err);
void pw_dataplane_free(struct pw_dataplane **d); /* cuts what is left */
/*
 * Binds listeners of new egress entries (bind failures: the entry is left out, logged by the caller
 * from ret_failed: "id: error", may be NULL), closes vanished ones, makes SSL_CTXs, swaps. Takes r.
 * Live flows that the new policy, exports or peers no longer allow are cut within 1 s, in sockmap
 * flows at once by the verdict (pw_policy was staged before).
 */
void pw_dataplane_publish(struct pw_dataplane *d, struct pw_routing *r, struct pw_strv *ret_failed);
/* Stops listening; done(arg) on the loop when the last connection ended or drain_timeout passed. */
void pw_dataplane_drain(struct pw_dataplane *d, void (*done)(void *arg), void *arg);

enum pw_direction { PW_DIRECTION_INBOUND, PW_DIRECTION_OUTBOUND, PW_DIRECTION_LOCAL };
enum pw_tls_mode { PW_TLS_NONE, PW_TLS_PASSTHROUGH, PW_TLS_USERSPACE, PW_TLS_KTLS, PW_TLS_KTLS_TX };
struct pw_flow_info {
	uint64_t id; /* cookie of the accepted socket */
	char peer[PW_NAME_LEN], source[PW_NAME_LEN], destination[PW_NAME_LEN];
	enum pw_direction direction;
	enum pw_forwarder forwarder;
	char forwarder_reason[96];
	enum pw_tls_mode tls;
	char tls_reason[96];
	uint64_t bytes_in, bytes_out; /* from the accepted socket, towards it */
	int64_t started_ms;	      /* pw_now_mono_ms() */
	enum pw_flow_state state;
};
const char *pw_direction_name(enum pw_direction d); /* inbound outbound local */
const char *pw_forwarder_name(enum pw_forwarder f); /* copy splice sockmap packet */
int pw_forwarder_parse(const char *s, enum pw_forwarder *ret);
const char *pw_tls_mode_name(enum pw_tls_mode m);     /* none passthrough userspace ktls ktls-tx */
const char *pw_flow_state_name(enum pw_flow_state s); /* connecting open half-closed closing */
/* Copy of all flows (those past the ClientHello), free(*ret). */
int pw_dataplane_flows(struct pw_dataplane *d, struct pw_flow_info **ret, size_t *ret_n);
/* Limits that share PW_REASON_LIMIT; named as in the configuration where it sets them. */
enum pw_limit {
	PW_LIMIT_CONNECTIONS,
	PW_LIMIT_CONNECTIONS_PER_SOURCE,
	PW_LIMIT_PENDING_HANDSHAKES,
	PW_LIMIT_HALF_CLOSE_TIMEOUT,
	PW_LIMIT_IDLE_TIMEOUT,
	PW_LIMIT_UNACKED_TIMEOUT,
	PW_LIMIT_CONTROL_QUEUE,	   /* connections for the control thread that it did not take yet */
	PW_LIMIT_FILE_DESCRIPTORS, /* the process's */
	PW_LIMIT_MAX_
};
const char *pw_limit_name(enum pw_limit l);
/* Since the start. */
struct pw_dataplane_counters {
	uint64_t half_joined; /* sockmap flows of which one direction goes through user space */
	uint64_t small_pipes; /* pipes smaller than wanted (a user's pipe pages are limited) */
	uint64_t no_pipes;    /* no pipe to be had: the bytes were copied instead of spliced */
	uint64_t limits[PW_LIMIT_MAX_]; /* how often each was reached */
};
void pw_dataplane_counters(struct pw_dataplane *d, struct pw_dataplane_counters *ret);
unsigned pw_dataplane_connections(const struct pw_dataplane *d);
uint16_t pw_dataplane_port(
	const struct pw_dataplane *d); /* of the gateway: the one chosen when opt.bind's was 0 */
#endif
