/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#ifndef PEERWAY_ABI_H
#define PEERWAY_ABI_H
/*
 * The contract between the BPF programs and the agent: map keys, map values and reasons.
 *
 * Both sides compile this file, bpftool prints it. Rules:
 *  A1  Only fixed-width types; padding is explicit and zero.
 *  A2  A field that people read is a 4-byte enum or a char array beside its id (NUL-padded).
 *  A3  Byte order stands in the name: _be is network order, everything else is host order.
 *  A4  Any change of size, offset or meaning increments PW_ABI_VERSION, and with it the pin path.
 *  A5  Reason numbers are never reused; a retired one stays as a placeholder.
 */
#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

#define PW_ABI_VERSION	   1
#define PW_NAME_LEN	   64 /* service and peer names with their NUL; longer service names are cut */
#define PW_SNI_LEN	   256
#define PW_ADDR_LEN	   64 /* "[2001:db8::1]:65535" and some */
#define PW_REASON_NAME_LEN 24

/* Sizes of the maps; one that is full refuses with PW_REASON_LIMIT, see each map's comment. */
#define PW_MAX_GUARD	16384
#define PW_MAX_SERVICES 16384
#define PW_MAX_POLICY	65536
#define PW_MAX_ROUTES	65536
#define PW_MAX_FLOWS	65536
#define PW_MAX_SOCKS	65536
#define PW_EVENTS_BYTES (256 * 1024)

/* Why something was let through, refused, or moved to a slower path. */
enum pw_reason {
	PW_REASON_NONE = 0,
	PW_REASON_PASSED = 1,
	PW_REASON_UNKNOWN_CA = 2,
	PW_REASON_WRONG_SAN = 3,
	PW_REASON_EXPIRED = 4,
	PW_REASON_NO_CERTIFICATE = 5,
	PW_REASON_BAD_VERSION = 6,
	PW_REASON_UNKNOWN_SNI = 7,
	PW_REASON_NO_SNI = 8,
	PW_REASON_NOT_TLS = 9,
	PW_REASON_DENIED = 10,
	PW_REASON_NO_ROUTE = 11,
	PW_REASON_UPSTREAM_REFUSED = 12,
	PW_REASON_UPSTREAM_TIMEOUT = 13,
	PW_REASON_HELLO_TOO_BIG = 14,
	PW_REASON_HANDSHAKE_TIMEOUT = 15,
	PW_REASON_LIMIT = 16,
	PW_REASON_GUARD_LIMIT = 17,
	PW_REASON_GUARD_DENIED = 18,
	PW_REASON_REVOKED = 19,
	PW_REASON_FOREIGN_SOURCE = 20,
	PW_REASON_HANDSHAKE_FAILED = 21, /* any other end of a TLS handshake */
	PW_REASON_MALFORMED = 22,	 /* a packet to the gateway port that cannot be parsed */
	PW_REASON_FRAGMENT = 23,	 /* a later fragment: carries no port, not judged */
	PW_REASON_OTHER = 24,		 /* not for the gateway port: never touched */
	PW_REASON_CREDIT = 25,		 /* sockmap flow paused: its credit is used up */
	PW_REASON_REDIRECTED = 26,	 /* sockmap: forwarded in the kernel */
	PW_REASON_MAX
};

enum pw_action { PW_ACTION_NONE = 0, PW_ACTION_ALLOW = 1, PW_ACTION_DENY = 2 };
enum pw_forwarder {
	PW_FORWARDER_NONE = 0,
	PW_FORWARDER_COPY = 1,
	PW_FORWARDER_SPLICE = 2,
	PW_FORWARDER_SOCKMAP = 3,
	PW_FORWARDER_PACKET = 4,
};
enum pw_flow_state {
	PW_FLOW_NONE = 0,
	PW_FLOW_CONNECTING = 1,
	PW_FLOW_OPEN = 2,
	PW_FLOW_HALF_CLOSED = 3,
	PW_FLOW_CLOSING = 4,
};
enum pw_health {
	PW_HEALTH_NONE = 0,
	PW_HEALTH_PASSING = 1,
	PW_HEALTH_WARNING = 2,
	PW_HEALTH_CRITICAL = 3
};

/* pw_guard: LPM trie. IPv4 addresses are keyed as v4-mapped IPv6 (prefixlen + 96). */
struct pw_guard_key {
	__u32 prefixlen;
	__u8 addr_be[16];
};
struct pw_guard_value {
	enum pw_action action;
	__u32 peer_id;	      /* 0: a line of the configuration */
	__u32 syn_per_second; /* 0: the default budget */
	__u32 pad;
	char peer[PW_NAME_LEN];
	char prefix[PW_ADDR_LEN]; /* the key as text */
};

/* pw_buckets: LRU hash, one token bucket per source (IPv4 /32, IPv6 /64). */
struct pw_bucket_key {
	__u8 addr_be[16];
};
struct pw_bucket {
	__u64 refilled_ns;
	__u64 tokens; /* thousandths of a connection */
};

struct pw_service_key {
	char name[PW_NAME_LEN];
	char peer[PW_NAME_LEN]; /* "" is a local service */
};
struct pw_service_value {
	__u32 service_id;
	__u32 peer_id;
	__u32 instances;
	__u32 healthy;
	__u32 exported;	   /* number of peers it is exported to */
	__u32 passthrough; /* 1: an instance speaks mesh TLS itself */
};

struct pw_policy_key {
	__u32 peer_id;	 /* 0: local */
	__u32 source_id; /* 0: unknown (passthrough) */
	__u32 destination_id;
};
struct pw_policy_value {
	enum pw_action action;
	__u32 precedence;
	__u64 generation;
	char peer[PW_NAME_LEN];
	char source[PW_NAME_LEN];
	char destination[PW_NAME_LEN];
};

struct pw_route_key {
	__u32 service_id;
	__u32 slot;
};
struct pw_route_value {
	__u8 addr_be[16]; /* IPv4 as v4-mapped */
	__u16 port_be;
	__u16 pad;
	__u32 weight;
	enum pw_health health;
	char text[PW_ADDR_LEN];
};

/*
 * pw_flows: one entry for each of a flow's two sockets, keyed by the cookie of the socket that is
 * read from.
 *
 * Accounting of a sockmap flow, for the direction "this socket -> partner". Every number counts
 * bytes of this socket's stream; who may write a field is fixed, because neither side can lock the
 * other out:
 *
 *   start, base        the worker, once, before the socket joins pw_socks
 *   relayed            the worker (pw_flow_relayed(), the map pw_relayed): read with recv() since
 * the join AND taken whole by send() on the partner redirected, passed, paused, bytes, state the
 * verdict, as long as the socket is in pw_socks
 *
 * The verdict sends a buffer of len bytes to the partner when all of this holds, else it pauses
 * (paused = 1, passed += len, the buffer stays in this socket's queue, which closes the TCP
 * window):
 *
 *   position   bytes_received(this socket) - len == start + redirected + relayed
 *              nothing that came earlier waits in the queue of user space, so order is kept;
 *   credit     redirected + relayed - (bytes_acked(partner) - base) <= credit
 *              (half of the credit to leave a pause).
 *
 * So nobody un-pauses a flow: the worker only relays what it can recv(), reports it, and the
 * verdict takes over again with the first buffer that finds the queue empty. A flow joins with
 * paused = 1 (pw_flow_put() sees to it): what was queued before the join is drained by the worker.
 * Before it send()s relayed bytes the worker waits until what was redirected earlier has left the
 * kernel's backlog, which is exactly when
 *
 *   bytes_acked(partner) + SIOCOUTQ(partner) - base == redirected + relayed
 *
 * (`redirected` stands still while the worker holds bytes that it has not reported). The same sum
 * tells at the end of the stream that the partner may be shut down. bytes_acked and bytes_received
 * are TCP_INFO's.
 *
 * The verdict cuts (state = CLOSING, event FLOW_CUT, everything dropped from then on) when
 * pw_policy has no ALLOW for `policy`, and drops buffers of length 0.
 */
struct pw_flow_value {
	__u64 partner; /* cookie of the other socket */
	struct pw_policy_key policy;
	enum pw_forwarder forwarder;
	enum pw_flow_state state;
	__u32 paused;	  /* 1: user space relays until its queue is empty */
	__u64 bytes;	  /* read from this socket and passed on, by anyone */
	__u64 redirected; /* of these, what the verdict sent to the partner */
	__u64 passed;	  /* bytes the verdict left to user space */
	__u64 base;	  /* partner's bytes_acked + SIOCOUTQ when the flow joined */
	__u64 start;	  /* bytes user space had read from this socket when it joined */
	__u64 started_ns; /* CLOCK_MONOTONIC */
	char peer[PW_NAME_LEN];
	char source[PW_NAME_LEN];
	char destination[PW_NAME_LEN];
};

/* pw_relayed: socket cookie -> what the worker relayed since the join; see pw_flow_value. */
struct pw_relayed_value {
	__u64 bytes;
};

struct pw_stat_value {
	__u64 packets;
	__u64 bytes;
	char name[PW_REASON_NAME_LEN];
};

enum pw_event_kind {
	PW_EVENT_NONE = 0,
	PW_EVENT_GUARD = 1,
	PW_EVENT_FLOW_CUT = 2,
	PW_EVENT_FLOW_PAUSED = 3
};
struct pw_event {
	enum pw_event_kind kind;
	enum pw_reason reason;
	__u64 cookie; /* of the flow's socket, 0 at the guard */
	__u64 time_ns;
	__u8 source_be[16];
	__u16 source_port_be;
	__u16 pad[3];
	char peer[PW_NAME_LEN];
};

struct pw_meta_value {
	__u32 abi;
	__u32 agent_pid;
	__u64 generation;
	__u64 started_ns; /* CLOCK_REALTIME */
};

enum pw_guard_mode { PW_GUARD_OFF = 0, PW_GUARD_LIMIT = 1, PW_GUARD_ENFORCE = 2 };

/* pw_config: array of one, what programs obey at run time. */
struct pw_config_value {
	enum pw_guard_mode guard_mode;
	__u32 syn_per_second; /* new connections per source and second; 0: none */
	__u64 credit_bytes;   /* of a sockmap flow and direction */
	__u16 gateway_port_be;
	__u16 pad[3];
};

_Static_assert(sizeof(struct pw_guard_key) == 20, "abi");
_Static_assert(sizeof(struct pw_guard_value) == 16 + PW_NAME_LEN + PW_ADDR_LEN, "abi");
_Static_assert(sizeof(struct pw_policy_key) == 12, "abi");
_Static_assert(sizeof(struct pw_policy_value) == 16 + 3 * PW_NAME_LEN, "abi");
_Static_assert(sizeof(struct pw_route_value) == 28 + PW_ADDR_LEN, "abi");
_Static_assert(sizeof(struct pw_flow_value) == 80 + 3 * PW_NAME_LEN, "abi");
_Static_assert(sizeof(struct pw_stat_value) == 16 + PW_REASON_NAME_LEN, "abi");
_Static_assert(sizeof(struct pw_config_value) == 24, "abi");
_Static_assert(sizeof(struct pw_event) == 48 + PW_NAME_LEN, "abi");
#endif
