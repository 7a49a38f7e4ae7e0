/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#ifndef PW_BPF_GUARD_LOGIC_H
#define PW_BPF_GUARD_LOGIC_H
/*
 * The guard's decisions, without maps: compiled into both programs, and natively into the unit
 * tests.
 *
 * I1  A denial wins in every mode but off.
 * I2  In limit, only what opens a connection costs a token; the rest passes.
 * I3  In enforce, every packet needs an allow entry, and what opens a connection costs a token too:
 * known peers have a larger budget, never an unlimited one.
 */
#include "parse.h"

#define PW_GUARD_PEER_FACTOR   50
#define PW_GUARD_BURST_SECONDS 2
#define PW_GUARD_TOKEN	       1000 /* one connection in a bucket's unit */
#define PW_GUARD_NS	       1000000000ULL
#define PW_GUARD_RATE_MAX      1000000000ULL /* keeps rate * nanoseconds in 64 bits */

/* New connections per second for this source; entry: its allow entry or NULL. */
static __always_inline __u64 guard_rate(const struct pw_config_value *config,
					const struct pw_guard_value *entry)
{
	__u64 rate = config->syn_per_second;

	if (entry && entry->syn_per_second)
		rate = entry->syn_per_second;
	if (entry && entry->peer_id)
		rate *= PW_GUARD_PEER_FACTOR;
	return rate < PW_GUARD_RATE_MAX ? rate : PW_GUARD_RATE_MAX;
}

static __always_inline __u64 guard_burst(__u64 rate)
{
	return rate * PW_GUARD_BURST_SECONDS * PW_GUARD_TOKEN;
}

/*
 * Takes one token; 0: there was none. Two CPUs may take the same token at once: the limit is one on
 * resources, not on rights, and does not have to be exact.
 */
static __always_inline int guard_take(struct pw_bucket *bucket, __u64 rate, __u64 now_ns)
{
	__u64 burst = guard_burst(rate), tokens = bucket->tokens,
	      elapsed = now_ns - bucket->refilled_ns;

	if ((__s64)elapsed < 0) /* another CPU was here with a later clock */
		elapsed = 0;
	if (elapsed >= PW_GUARD_BURST_SECONDS * PW_GUARD_NS)
		tokens = burst;
	else
		tokens += elapsed * rate / (PW_GUARD_NS / PW_GUARD_TOKEN);
	if (tokens > burst)
		tokens = burst;
	/* The clock only advances with whole units, or frequent packets would round every refill
	 * down to nothing. */
	if (tokens != bucket->tokens || elapsed >= PW_GUARD_NS)
		bucket->refilled_ns = now_ns;
	bucket->tokens = tokens < PW_GUARD_TOKEN ? tokens : tokens - PW_GUARD_TOKEN;
	return tokens >= PW_GUARD_TOKEN;
}

/* PASSED, GUARD_DENIED, or NONE: it depends on the source's bucket. */
static __always_inline enum pw_reason guard_admit(const struct pw_config_value *config, int denied,
						  const struct pw_guard_value *entry, int opens)
{
	if (config->guard_mode == PW_GUARD_OFF)
		return PW_REASON_PASSED;
	if (denied)
		return PW_REASON_GUARD_DENIED;
	if (config->guard_mode != PW_GUARD_LIMIT && (!entry || entry->action != PW_ACTION_ALLOW))
		return PW_REASON_GUARD_DENIED;
	return opens ? PW_REASON_NONE : PW_REASON_PASSED;
}

/* The source as its bucket knows it: an IPv6 host owns a /64, an IPv4 host one address. */
static __always_inline void guard_bucket_key(const __u8 source_be[16], struct pw_bucket_key *ret)
{
	__builtin_memcpy(ret->addr_be, source_be, 16);
	if (!parse_is_mapped(source_be))
		__builtin_memset(ret->addr_be + 8, 0, 8);
}

/* What the mode makes of a packet that is not to be judged: only malformed ones are dropped, and
 * not when off. */
static __always_inline int guard_passes(const struct pw_config_value *config, enum pw_reason reason)
{
	switch (reason) {
	case PW_REASON_PASSED:
	case PW_REASON_OTHER:
	case PW_REASON_FRAGMENT:
		return 1;
	case PW_REASON_MALFORMED:
		return config->guard_mode == PW_GUARD_OFF;
	default:
		return 0;
	}
}
#endif
