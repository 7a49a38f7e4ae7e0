/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_DATAPLANE_FORWARD_H
#define PW_DATAPLANE_FORWARD_H
/*
 * Moving bytes between the two legs of a connection. A flow is what a forwarder sees: two legs, a
 * half for each direction, and no notion of peers or policy. Life: fill legs and env → choose →
 * start → on_event whenever a leg has news or wake_ms has come → stop. One thread at a time.
 *
 * I1 What is held between recv and send is bounded: at most one buffer or one pipe a half. A leg is
 * not read while its partner is full, so the TCP window closes: that is the back-pressure. I2 An
 * end is passed on only when everything that came before it has entered the partner's send queue.
 * I3 A reset or a truncated TLS stream never becomes a clean end; what came before it is delivered
 * first. I4 Nothing splices from a socket that is in a sockmap, and no TLS leg enters one.
 *
 * kTLS has its place before the handshake: TCP_ULP "tls" may be set once the ClientHello has been
 * peeked and the flow is known to be terminated (never on one that may be passed through: it bars
 * the socket from a sockmap), and keys are installed between the handshake's end and start(). A leg
 * with both keys in the kernel would have ssl == NULL and a splice forwarder that reads control
 * records. The two moments are terminate() in ingress.c (for upstreams pw_egress_start_tls()) and
 * pw_conn_forward(), before pw_flow_start().
 */
#include "leg.h"
#include "../base/buf.h"
#include <peerway/abi.h>

struct pw_kernel;
struct pw_flow;

/* What one worker's flows share. */
#define PW_PIPE_CACHE 32
struct pw_forward_env {
	struct pw_kernel *kernel; /* NULL: no sockmap, no map entries */
	uint8_t *scratch;
	size_t scratch_bytes;	  /* also the most that a half holds in user space */
	int64_t abort_timeout_ms; /* how long the bytes before a reset may take to be delivered */
	struct {
		int fd[2];
		size_t bytes;
	} pipes[PW_PIPE_CACHE]; /* empty ones */
	size_t n_pipes;
	/* Counters, see struct pw_dataplane_counters. */
	uint64_t small_pipes, no_pipes, half_joined;
};
int pw_forward_env_init(struct pw_forward_env *env, struct pw_kernel *kernel, size_t buffer_bytes,
			int64_t abort_timeout_ms);
void pw_forward_env_clear(struct pw_forward_env *env);

/* One direction: from legs[i] to the other. */
struct pw_half {
	struct pw_buf rest; /* read, not yet sent */
	int pipe[2];	    /* -1: none held */
	size_t pipe_bytes, in_pipe;
	uint64_t bytes;	  /* read from this leg and passed on */
	uint64_t relayed; /* sockmap: of these since the join, by us; reported to the verdict */
	uint64_t held;	  /* sockmap: read since the join, not yet reported */
	bool first_read;  /* sockmap: what was queued at the join has been read */
};
enum pw_forward_result {
	PW_FORWARD_WAIT,  /* for an event, or for wake_ms */
	PW_FORWARD_AGAIN, /* there is more, but others' turn comes first */
	PW_FORWARD_DONE,  /* both directions ended cleanly */
	PW_FORWARD_RESET, /* what could be delivered was: reset both legs */
};
struct pw_forward_ops {
	enum pw_forwarder id;
	bool (*eligible)(const struct pw_flow *f, const char **ret_why); /* why: set when not */
	int (*start)(
		struct pw_flow *f); /* negative: not possible after all, the flow is unchanged */
	enum pw_forward_result (*on_event)(struct pw_flow *f, int64_t now_ms);
	void (*stop)(struct pw_flow *f);
	void (*stats)(const struct pw_flow *f,
		      uint64_t ret_bytes[2]); /* by leg they were read from */
};
struct pw_flow {
	struct pw_leg legs[2];
	struct pw_half halves[2];
	const struct pw_forward_ops *ops;
	struct pw_forward_env *env;
	int64_t wake_ms; /* 0: only events count */
	int64_t last_byte_ms;
	int64_t abort_ms; /* when a leg failed; 0: none did */
	unsigned polls;
	uint64_t cookies[2];
	struct pw_flow_value values[2]; /* for pw_flows; names and policy filled by the owner */
	char why[96];			/* why this forwarder and not a better one */
};
extern const struct pw_forward_ops pw_forward_copy, pw_forward_splice, pw_forward_sockmap;
void pw_flow_init(struct pw_flow *f, struct pw_forward_env *env);
/* Starts the first of allowed (ended by NONE) that can serve; copy always can. */
void pw_flow_start(struct pw_flow *f, const enum pw_forwarder *allowed, int64_t now_ms);
void pw_flow_stop(struct pw_flow *f); /* then the legs may be closed */

/* For forwarders. move reads from legs[i] and writes to the other until one blocks; sets *again
 * when it stopped for fairness. */
struct pw_mover {
	void (*move)(struct pw_flow *f, int i, bool *again);
	bool (*settled)(struct pw_flow *f,
			int i); /* all that was read from legs[i] is in the partner's send queue */
};
enum pw_forward_result pw_flow_pump(struct pw_flow *f, const struct pw_mover *m, int64_t now_ms);
void pw_copy_move(struct pw_flow *f, int i, bool *again);
bool pw_copy_flush(struct pw_flow *f, int i); /* true: nothing is left in rest */
enum pw_forward_result pw_flow_poll(struct pw_flow *f,
				    int64_t now_ms); /* asks to be called again soon: WAIT */
void pw_flow_moved(struct pw_flow *f, int i, size_t bytes);
#endif
