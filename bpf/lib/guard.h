/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#ifndef PW_BPF_GUARD_H
#define PW_BPF_GUARD_H
/* The guard between its logic and its maps: look up, decide, count, tell. */
#include "guard_logic.h"
#include "stats.h"

#define PW_GUARD_EVENT_NS \
	10000000ULL /* at most 100 events a second: a flood must not fill the ring */

static __u64 guard_last_event_ns;

static __always_inline void guard_tell(const struct pw_packet *packet,
				       const struct pw_guard_value *entry, enum pw_reason reason,
				       __u64 now_ns)
{
	struct pw_event *event;

	if (now_ns - guard_last_event_ns < PW_GUARD_EVENT_NS)
		return;
	guard_last_event_ns = now_ns;
	event = bpf_ringbuf_reserve(&pw_events, sizeof(*event), 0);
	if (!event)
		return;
	__builtin_memset(event, 0, sizeof(*event));
	event->kind = PW_EVENT_GUARD;
	event->reason = reason;
	event->time_ns = now_ns;
	event->source_port_be = packet->source_port_be;
	__builtin_memcpy(event->source_be, packet->source_be, sizeof(event->source_be));
	if (entry)
		__builtin_memcpy(event->peer, entry->peer, sizeof(event->peer));
	bpf_ringbuf_submit(event, 0);
}

/* Whether the source's bucket has a token; a source without a bucket gets a full one. */
static __always_inline int guard_spend(const struct pw_packet *packet, __u64 rate, __u64 now_ns)
{
	struct pw_bucket fresh = { .refilled_ns = now_ns, .tokens = guard_burst(rate) };
	struct pw_bucket_key key;
	struct pw_bucket *bucket;
	int taken;

	guard_bucket_key(packet->source_be, &key);
	bucket = bpf_map_lookup_elem(&pw_buckets, &key);
	if (bucket)
		return guard_take(bucket, rate, now_ns);
	taken = guard_take(&fresh, rate, now_ns);
	/* Open if no bucket can be had: the handshake behind the guard has limits of its own. */
	bpf_map_update_elem(&pw_buckets, &key, &fresh, BPF_ANY);
	return taken;
}

static __always_inline enum pw_reason guard_decide(const struct pw_config_value *config,
						   const struct pw_packet *packet)
{
	struct pw_guard_key key = { .prefixlen = 128 };
	struct pw_guard_value *entry, *deny;
	__u64 now_ns = bpf_ktime_get_ns();
	enum pw_reason reason;

	__builtin_memcpy(key.addr_be, packet->source_be, sizeof(key.addr_be));
	deny = bpf_map_lookup_elem(&pw_guard_deny, &key);
	entry = deny ? deny : bpf_map_lookup_elem(&pw_guard, &key);
	reason = guard_admit(config, deny != NULL, entry, packet->opens);
	if (reason == PW_REASON_NONE)
		reason = guard_spend(packet, guard_rate(config, entry), now_ns)
				 ? PW_REASON_PASSED
				 : PW_REASON_GUARD_LIMIT;
	if (reason != PW_REASON_PASSED)
		guard_tell(packet, entry, reason, now_ns);
	return reason;
}

/* What the program makes of a parsed packet of len bytes: whether it passes. */
static __always_inline int guard_judge(const struct pw_config_value *config,
				       const struct pw_packet *packet, enum pw_reason reason,
				       __u32 len)
{
	if (reason == PW_REASON_NONE)
		reason = guard_decide(config, packet);
	stats_count(reason, len);
	return guard_passes(config, reason);
}
#endif
