/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_DATAPLANE_DATAPLANE_PRIVATE_H
#define PW_DATAPLANE_DATAPLANE_PRIVATE_H
/*
 * What the parts of the data plane know of each other.
 *
 * I1 A connection, its timer and its fds belong to one worker, and are touched with that worker's
 * lock held. The worker holds it except while it waits. I2 A connection that ended is freed after
 * the batch of events in which it ended: an event's pointer is never stale. I3 Control → worker: a
 * routing pointer and a queue of commands, each followed by a write to the worker's eventfd. Worker
 * → control: messages. I4 Locks are taken in the order worker, then queue or sources; never two
 * workers at once.
 */
#include "dataplane.h"
#include "forward.h"
#include "hello.h"
#include "sources.h"
#include "timers.h"
#include "tls.h"
#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>

struct pw_worker;
struct pw_conn;

/* What an epoll event points to. */
enum pw_poll_kind { PW_POLL_LEG, PW_POLL_LISTENER, PW_POLL_WAKE };
struct pw_poll {
	enum pw_poll_kind kind;
	int leg;
};

/* A listening socket; those of upstreams are shared by all workers. */
struct pw_listener {
	struct pw_poll poll;
	int fd;
	bool gateway;		    /* the public port, else an upstream */
	char address[PW_ADDR_TEXT]; /* key into the routing, for upstreams */
	bool loopback;
	bool wanted;		  /* control thread, during a publish */
	struct pw_listener *next; /* control thread's list */
	_Atomic unsigned refs;
};
int pw_listener_new(struct pw_listener **ret, const struct pw_addr *addr, bool gateway,
		    struct pw_err *err);
void pw_listener_unref(struct pw_listener **l);

enum pw_conn_state {
	PW_CONN_HELLO,	     /* the ClientHello is being peeked at */
	PW_CONN_ACCEPT_TLS,  /* terminate: handshake with the caller */
	PW_CONN_CONNECT,     /* to an instance or a gateway */
	PW_CONN_CONNECT_TLS, /* handshake with the peer's gateway */
	PW_CONN_FORWARD,
	PW_CONN_REFUSED, /* the alert is on its way, then reset */
	PW_CONN_DEAD,
};
struct pw_conn {
	struct pw_poll poll[2]; /* I2: by leg */
	struct pw_worker *worker;
	TAILQ_ENTRY(pw_conn) all;
	TAILQ_ENTRY(pw_conn) queue; /* ready or dead */
	bool is_ready;
	enum pw_conn_state state;
	enum pw_direction direction;
	enum pw_tls_mode tls;
	struct pw_addr client;
	struct pw_timer timer;
	int64_t started_ms, deadline_ms;
	bool counted_source, pending;
	bool stranger; /* no known peer: its pending handshake counts against their share */

	struct pw_routing *routing; /* until the flow is open */
	const struct pw_ingress *in;
	const struct pw_egress *out;
	char *sni, *egress_id, *peer, *source, *destination, *our_id;
	struct pw_policy_key policy;
	struct pw_tls_check check;
	uint64_t trust_hash;

	struct pw_addr endpoint;
	size_t tries, first_try;
	struct pw_flow flow;
	uint64_t idle_bytes;
	int64_t ack_check_ms, ack_due_ms[2]; /* next look for dead legs; by leg, pw_leg_is_dead() */
	int64_t half_closed_ms;		     /* when one direction ended; 0: both are open */
	int64_t mapped_ms;		     /* pw_flows was last written */
};
TAILQ_HEAD(pw_conn_list, pw_conn);

enum pw_command_kind {
	PW_COMMAND_ADD_LISTENER,
	PW_COMMAND_REMOVE_LISTENER,
	PW_COMMAND_DRAIN,
	PW_COMMAND_QUIT
};
struct pw_command {
	enum pw_command_kind kind;
	struct pw_listener *listener; /* a reference */
	STAILQ_ENTRY(pw_command) link;
};

struct pw_worker {
	struct pw_dataplane *d;
	pthread_t thread;
	bool running;
	pthread_mutex_t lock;
	struct pw_poll wake_poll;
	int epoll, wake;
	int spare; /* given up for a moment when fds run out */
	struct pw_listener *gateway;
	int64_t rearm_ms; /* listeners rest until then: no fd to accept with */
	bool quit, draining;

	struct pw_routing *routing;
	_Atomic(struct pw_routing *) next_routing;
	pthread_mutex_t commands_lock;
	STAILQ_HEAD(, pw_command) commands;

	struct pw_conn_list conns, ready, dead;
	struct pw_timers timers;
	struct pw_forward_env env;
	uint8_t *hello;
	uint64_t round; /* of the balancer */
};

struct pw_messages;
struct pw_dataplane {
	struct pw_dataplane_options opt;
	struct pw_worker *workers;
	unsigned n_workers;
	struct pw_listener *listeners; /* of upstreams */
	struct pw_routing *routing;    /* last one published */
	struct pw_sources *sources;
	struct pw_messages *messages;
	_Atomic uint32_t n_conns, n_pending, n_strangers /* of n_pending */;
	_Atomic uint64_t limits[PW_LIMIT_MAX_];
	_Atomic bool draining;
	struct event *drain_timer;
	void (*drained)(void *arg);
	void *drained_arg;
};

/* messages.c: worker → control. */
int pw_messages_new(struct pw_dataplane *d, struct pw_err *err);
void pw_messages_free(struct pw_dataplane *d);
void pw_message_event(struct pw_dataplane *d,
		      const struct pw_dp_event *e); /* copies; left out when the queue is full */
bool pw_message_control(struct pw_dataplane *d, int fd,
			const struct pw_addr *client);	 /* takes fd when true */
void pw_message_idle(struct pw_dataplane *d);		 /* the last connection ended */
void pw_dataplane_check_drained(struct pw_dataplane *d); /* control thread */

/* worker.c */
int pw_worker_start(struct pw_worker *w, struct pw_dataplane *d, struct pw_listener *gateway,
		    struct pw_err *err);
void pw_worker_stop(struct pw_worker *w);
void pw_worker_command(struct pw_worker *w, enum pw_command_kind kind,
		       struct pw_listener *l); /* any thread; takes its own reference */
void pw_worker_publish(struct pw_worker *w,
		       struct pw_routing *r); /* any thread; takes its own reference */
void pw_worker_ready(struct pw_conn *c);      /* its turn comes again in this loop */
/* accept.c */
void pw_worker_accept(struct pw_worker *w, struct pw_listener *l);
int pw_worker_watch(struct pw_worker *w, struct pw_listener *l);

/* conn.c */
struct pw_conn *pw_conn_new(struct pw_worker *w, int fd, const struct pw_addr *client,
			    enum pw_direction direction);
void pw_conn_event(struct pw_conn *c, int leg, uint32_t events);
void pw_conn_run(struct pw_conn *c); /* whatever its state says */
void pw_conn_timer(struct pw_conn *c);
void pw_conn_end(struct pw_conn *c, bool reset);
/* Counts and reports why; then resets, or waits a moment until an alert is delivered. */
void pw_conn_refuse(struct pw_conn *c, enum pw_reason reason, const char *detail);
void pw_conn_report(struct pw_conn *c, enum pw_reason reason, const char *detail);
/* The same, with PW_REASON_LIMIT and the limit's own counter and name. */
void pw_conn_report_limit(struct pw_conn *c, enum pw_limit limit);
void pw_conn_deadline(struct pw_conn *c, int64_t timeout_ms);
int pw_conn_watch(struct pw_conn *c, int leg);
void pw_conn_set_pending(struct pw_conn *c, bool pending);
/* One step of a leg's handshake, with the judgement of the other side at its end. 0: done; -EAGAIN:
 * an event will come; -EACCES: failed, reason and detail say how. */
int pw_conn_handshake(struct pw_conn *c, struct pw_leg *leg, enum pw_reason *ret_reason,
		      char *ret_detail, size_t size);
void pw_conn_free(struct pw_conn *c); /* memory only: it has ended */
/* flow.c: the open connection. */
void pw_conn_forward(struct pw_conn *c);
void pw_conn_flow_event(struct pw_conn *c);
void pw_conn_flow_timer(struct pw_conn *c);
void pw_conn_flow_stop(struct pw_conn *c);
void pw_conn_flow_info(const struct pw_conn *c, struct pw_flow_info *ret);
/* ingress.c, egress.c */
void pw_ingress_hello(struct pw_conn *c);
void pw_ingress_handshake(struct pw_conn *c);
void pw_egress_accepted(struct pw_conn *c, const struct pw_listener *l);
void pw_egress_handshake(struct pw_conn *c);
void pw_egress_start_tls(struct pw_conn *c);
/* balance.c: picks an endpoint and connects; on failure the next one. */
void pw_connect_start(struct pw_conn *c);
void pw_connect_event(struct pw_conn *c);
void pw_connect_failed(struct pw_conn *c, enum pw_reason reason, const char *detail);
/* recheck.c */
bool pw_conn_still_allowed(const struct pw_conn *c, const struct pw_routing *r);
void pw_worker_recheck(struct pw_worker *w);
#endif
