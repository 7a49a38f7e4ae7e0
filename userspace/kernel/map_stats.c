// SPDX-License-Identifier: Apache-2.0
#include "../base/str.h"
#include "../model/reason.h"
#include "kernel_private.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <string.h>

/* One row for each CPU, each at a multiple of 8 as the kernel lays them out. */
_Static_assert(sizeof(struct pw_stat_value) % 8 == 0, "rows of a per-CPU map");

int pw_stats_init(int fd)
{
	int cpus = libbpf_num_possible_cpus();
	pw_autofree struct pw_stat_value *rows = NULL;
	int r;

	if (cpus < 0)
		return cpus;
	rows = pw_xcalloc((size_t)cpus, sizeof(*rows));
	for (uint32_t reason = 0; reason < PW_REASON_MAX; reason++) {
		bool named = true;

		r = bpf_map_lookup_elem(fd, &reason, rows);
		if (r < 0)
			return r;
		for (int cpu = 0; cpu < cpus; cpu++)
			named &= !strcmp(rows[cpu].name, pw_reason_name(reason));
		if (named) /* writing would lose what programs count meanwhile */
			continue;
		for (int cpu = 0; cpu < cpus; cpu++)
			pw_str_fill(rows[cpu].name, sizeof(rows[cpu].name), pw_reason_name(reason));
		r = bpf_map_update_elem(fd, &reason, rows, BPF_ANY);
		if (r < 0)
			return r;
	}
	return 0;
}

int pw_kernel_stats(struct pw_kernel *k, struct pw_stat_value ret[PW_REASON_MAX])
{
	int cpus = libbpf_num_possible_cpus();
	pw_autofree struct pw_stat_value *rows = NULL;

	memset(ret, 0, sizeof(*ret) * PW_REASON_MAX);
	for (uint32_t reason = 0; reason < PW_REASON_MAX; reason++)
		pw_str_fill(ret[reason].name, sizeof(ret[reason].name), pw_reason_name(reason));
	if (!pw_kernel_has_maps(k))
		return -EOPNOTSUPP;
	if (cpus < 0)
		return cpus;
	rows = pw_xcalloc((size_t)cpus, sizeof(*rows));
	for (uint32_t reason = 0; reason < PW_REASON_MAX; reason++) {
		int r = bpf_map_lookup_elem(k->maps[PW_MAP_STATS], &reason, rows);

		if (r < 0)
			return r;
		for (int cpu = 0; cpu < cpus; cpu++) {
			ret[reason].packets += rows[cpu].packets;
			ret[reason].bytes += rows[cpu].bytes;
		}
	}
	return 0;
}
