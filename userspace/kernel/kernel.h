/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_KERNEL_KERNEL_H
#define PW_KERNEL_KERNEL_H
/*
 * The only callers of bpf(): probe, load, pin, attach, typed maps, events, uninstall.
 *
 * Life: open (mount or find bpffs, sweep stale stages, reuse pins of our ABI after checking them,
 * or create by stage and rename under a lock; load programs) → use → close (pins and attached
 * programs stay) or uninstall (nothing stays). Functions marked [any] may be called by workers; the
 * rest belong to the control thread. Map writes go through typed functions below; each names the
 * map and its limit when it is full (-E2BIG/-ENOSPC).
 */
#include "../base/err.h"
#include <peerway/abi.h>

struct event_base;
struct pw_kernel;

enum pw_xdp_mode { PW_XDP_AUTO, PW_XDP_NATIVE, PW_XDP_GENERIC, PW_XDP_TC, PW_XDP_MODE_MAX_ };
/* A thing the kernel can or cannot do here, found by trying. */
enum pw_feature {
	PW_FEATURE_BPF,
	PW_FEATURE_XDP_NATIVE, /* on the configured interfaces */
	PW_FEATURE_TC,
	PW_FEATURE_SOCKMAP, /* verdict loads, attaches, redirects and reads bytes_acked (loopback
			       pair) */
	PW_FEATURE_KTLS,    /* TCP_ULP "tls" on a loopback pair */
	PW_FEATURE_SPLICE,
	PW_FEATURE_RINGBUF,
	PW_FEATURE_MAX_
};
struct pw_feature_state {
	bool present;
	char why[160]; /* what is missing, or the mode in use and its reason */
};
const char *pw_feature_name(enum pw_feature f);

struct pw_guard_options {
	enum pw_guard_mode mode;
	uint16_t gateway_port;
	uint32_t syn_per_second;
};
struct pw_kernel_options {
	struct event_base *base;
	const char *
		bpf_dir; /* /sys/fs/bpf/peerway: mounted if no bpffs is there, or refused by name */
	const char *const
		*interfaces; /* WAN interfaces of the guard, NULL-terminated; may be empty */
	enum pw_xdp_mode xdp;
	struct pw_guard_options guard;
	uint64_t credit_bytes; /* sockmap credit a flow, default 1 MiB */
	bool sockmap;	       /* allowed by the configuration */
};
/* Opens even if single features are missing (they are then absent from features with the reason);
 * fails only when bpf_dir is unusable or pins are foreign. */
int pw_kernel_open(struct pw_kernel **ret, const struct pw_kernel_options *opt, struct pw_err *err);
void pw_kernel_close(struct pw_kernel **k);
const struct pw_feature_state *
pw_kernel_features(const struct pw_kernel *k); /* PW_FEATURE_MAX_ of them */
/* Removes programs, links, qdiscs and pins below bpf_dir, of every ABI version; foreign XDP
 * programs are left alone and named. 0 also when nothing was there. */
int pw_kernel_uninstall(const char *bpf_dir, const char *const *interfaces, struct pw_err *err);

/* Attach the guard to the interfaces / take it off; called by open, and later by a switch at run
 * time. */
int pw_kernel_guard_set(struct pw_kernel *k, const struct pw_guard_options *g, struct pw_err *err);

/* Where the guard stands, one entry for each configured interface. The array is the kernel's own.
 */
struct pw_guard_attachment {
	char name[32];
	const char *hook; /* native, generic, tc; none: this interface is not guarded */
	char why[160];
};
size_t pw_kernel_guard_attachments(const struct pw_kernel *k,
				   const struct pw_guard_attachment **ret);
enum pw_guard_mode pw_kernel_guard_mode(const struct pw_kernel *k);
const char *pw_guard_mode_name(enum pw_guard_mode m); /* off limit enforce */

/* pw_guard. */
int pw_guard_put(struct pw_kernel *k, const struct pw_guard_key *key,
		 const struct pw_guard_value *v, struct pw_err *err);
int pw_guard_delete(struct pw_kernel *k, const struct pw_guard_key *key);
/* pw_services, pw_policy, pw_routes: the agent stages a whole desired set, the module writes the
 * difference. Arrays of key and value side by side. */
struct pw_service_entry {
	struct pw_service_key key;
	struct pw_service_value value;
};
struct pw_policy_entry {
	struct pw_policy_key key;
	struct pw_policy_value value;
};
struct pw_route_entry {
	struct pw_route_key key;
	struct pw_route_value value;
};
struct pw_guard_entry {
	struct pw_guard_key key;
	struct pw_guard_value value;
};
struct pw_kernel_state {
	struct pw_service_entry *services;
	size_t n_services;
	struct pw_policy_entry *policies;
	size_t n_policies;
	struct pw_route_entry *routes;
	size_t n_routes;
	struct pw_guard_entry *guards;
	size_t n_guards;
	uint64_t generation;
};
void pw_kernel_state_clear(struct pw_kernel_state *s);
/*
 * Two-phase: stage writes denials and removals of permissions first (they stay even if abort
 * follows: fail closed), then additions, targets before references. On failure what was added is
 * taken back, and err names map and limit. publish removes what is no longer wanted and writes
 * pw_meta. abort undoes additions.
 */
int pw_kernel_stage(struct pw_kernel *k, const struct pw_kernel_state *want, struct pw_err *err);
void pw_kernel_publish(struct pw_kernel *k);
void pw_kernel_abort(struct pw_kernel *k);

/*
 * Flows and sockets. [any]
 *
 * Joining the sockmap: read both sockets until EAGAIN, each time with a buffer that takes all that
 * is queued (the verdict sees a buffer that was read in part from its beginning), and send on →
 * pw_flow_put ×2 (forwarder SOCKMAP, start, base as in abi.h) → pw_sock_put ×2 → relay once what
 * had come in between. From then on, for each readable socket: recv, wait for the backlog (abi.h),
 * send, pw_flow_relayed. Leaving: relay until nothing is left, pw_sock_delete ×2, then pw_flow_put
 * or pw_flow_delete.
 */
/* A sockmap flow starts paused. -E2BIG: full; -EBUSY: the socket is in the sockmap, its entry
 * belongs to the verdict. */
int pw_flow_put(struct pw_kernel *k, uint64_t cookie, const struct pw_flow_value *v);
/* Sets how many bytes of this socket the worker has relayed since the join: a total, not a
 * difference. */
int pw_flow_relayed(struct pw_kernel *k, uint64_t cookie, uint64_t total);
int pw_flow_get(struct pw_kernel *k, uint64_t cookie, struct pw_flow_value *ret); /* -ENOENT */
int pw_flow_delete(struct pw_kernel *k, uint64_t cookie);
int pw_sock_put(struct pw_kernel *k, uint64_t cookie,
		int partner_fd); /* cookie's data goes to partner_fd. -EINVAL: kTLS ULP;
				    -EOPNOTSUPP: not ESTABLISHED */
int pw_sock_delete(struct pw_kernel *k, uint64_t cookie);
uint64_t pw_socket_cookie(int fd); /* 0 on failure */
bool pw_kernel_sockmap_ready(const struct pw_kernel *k);

/* pw_stats: sum over CPUs. */
int pw_kernel_stats(struct pw_kernel *k, struct pw_stat_value ret[PW_REASON_MAX]);
/* fn runs in the loop for each event of the ring buffer. */
void pw_kernel_on_event(struct pw_kernel *k, void (*fn)(void *arg, const struct pw_event *e),
			void *arg);
#endif
