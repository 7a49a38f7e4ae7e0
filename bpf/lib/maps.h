/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#ifndef PW_BPF_MAPS_H
#define PW_BPF_MAPS_H
/*
 * Every map. All are pinned under <bpf_dir>/v<ABI>/maps, so that they outlive the agent. Maps that
 * only user space fills are not preallocated: their limits are for the worst day, their memory is
 * for today.
 */

/*
 * Who may talk to the gateway port: source prefix -> peer, action, budget; the longest prefix
 * counts. Writer: agent. Readers: guard, people. Full: the agent refuses the entry; its source
 * counts as a stranger.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, PW_MAX_GUARD);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct pw_guard_key);
	__type(value, struct pw_guard_value);
} pw_guard SEC(".maps");

/*
 * The denials of pw_guard once more, since a denial wins over any longer prefix and a trie answers
 * only the longest. Writer: agent, with each write to pw_guard. Reader: guard. Full: the agent
 * refuses the entry.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, PW_MAX_GUARD);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct pw_guard_key);
	__type(value, struct pw_guard_value);
} pw_guard_deny SEC(".maps");

/*
 * Token buckets for new connections: source (IPv4 /32, IPv6 /64) -> tokens.
 * Writer, reader: guard. Full: the bucket used longest ago goes; its source starts with a full one.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, PW_MAX_GUARD);
	__type(key, struct pw_bucket_key);
	__type(value, struct pw_bucket);
} pw_buckets SEC(".maps");

/*
 * Service name and peer -> ids and counts. Writer: agent. Readers: people, CLI.
 * Full: the change that needs the entry is refused as a whole, with the map's name.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PW_MAX_SERVICES);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct pw_service_key);
	__type(value, struct pw_service_value);
} pw_services SEC(".maps");

/*
 * Peer, source and destination ids -> allow or deny, with the names. What is missing is denied.
 * Writer: agent. Readers: verdict, people. Full: as pw_services.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PW_MAX_POLICY);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct pw_policy_key);
	__type(value, struct pw_policy_value);
} pw_policy SEC(".maps");

/* Service id and slot -> endpoint. Writer: agent. Readers: people. Full: as pw_services. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PW_MAX_ROUTES);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct pw_route_key);
	__type(value, struct pw_route_value);
} pw_routes SEC(".maps");

/*
 * Socket cookie -> its flow; see pw_flow_value for who writes which field. Writers: worker,
 * verdict. Readers: verdict, people. Full: the flow takes a forwarder that needs no entry (reason
 * limit).
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PW_MAX_FLOWS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, struct pw_flow_value);
} pw_flows SEC(".maps");

/*
 * Socket cookie -> bytes relayed in user space, apart from pw_flows so that each map value has one
 * writer. Writer: worker. Reader: verdict; a missing entry counts as 0. Full: as pw_flows.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PW_MAX_FLOWS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, struct pw_relayed_value);
} pw_relayed SEC(".maps");

/*
 * Socket cookie -> the partner's socket. Its typed twin is pw_flows. Writer: worker. Reader:
 * verdict. Full: the flow takes another forwarder (reason limit).
 */
struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, PW_MAX_SOCKS);
	__type(key, __u64);
	__type(value, __u64);
} pw_socks SEC(".maps");

/* Reason -> packets, bytes and the reason's name, for each CPU. Writer: programs. Readers: metrics,
 * people. Never full. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, PW_REASON_MAX);
	__type(key, __u32);
	__type(value, struct pw_stat_value);
} pw_stats SEC(".maps");

/* Events (struct pw_event). Writer: programs. Reader: agent. Full: the event is lost, its counter
 * is not. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, PW_EVENTS_BYTES);
} pw_events SEC(".maps");

/* 0 -> what programs obey at run time. Writer: agent. Readers: programs. All zero: the guard is
 * off. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct pw_config_value);
} pw_config SEC(".maps");

/* 0 -> ABI, generation, agent. Writer: agent. Readers: everyone. abi = 0: not finished, not to be
 * trusted. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct pw_meta_value);
} pw_meta SEC(".maps");
#endif
