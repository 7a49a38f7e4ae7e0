/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#ifndef PW_BPF_STATS_H
#define PW_BPF_STATS_H
/* Counters: one row for each reason, one copy for each CPU. The names in the rows are the agent's
 * work. */
#include "maps.h"

static __always_inline void stats_count(enum pw_reason reason, __u64 bytes)
{
	__u32 key = reason;
	struct pw_stat_value *row = bpf_map_lookup_elem(&pw_stats, &key);

	if (!row)
		return;
	row->packets++;
	row->bytes += bytes;
}
#endif
