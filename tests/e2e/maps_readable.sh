#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2317 # test functions are called by name
# An operator reads the maps with bpftool, by pin: names, not numbers.
# shellcheck source=tests/e2e/lib.sh disable=SC1091
. "$(dirname "$0")/lib.sh"

dump() { on gw-west bpftool map dump pinned "$MAPS/$1"; }
has() { # has MAP TEXT...
	local map=$1 text
	shift
	dump "$map" >"$OUT/$map.txt"
	for text in "$@"; do grep -qF -- "$text" "$OUT/$map.txt" || fail "$map does not show $text; see $OUT/$map.txt"; done
}
carried() { flows west | jq -e --arg d "$1" '[.[] | select(.Destination == $d and .BytesOut > 100000)] | length > 0' >/dev/null; }

test_set_up() {
	billing_up
	native_up vault 8081
	export_services west east billing vault
	intention west vault web east allow
	register east "$(upstreams_of web billing:9000 vault:9001)"
	wait_until 5 "vault answers" get 9001
}
test_services_are_named() { has pw_services '"billing"' '"vault"'; }
test_policy_is_named() { has pw_policy '"billing"' '"web"' '"east"' PW_ACTION_ALLOW; }
test_routes_are_addresses() { has pw_routes "\"$WEST_APP:8080\"" PW_HEALTH_PASSING; }
test_the_guard_names_its_peers() { has pw_guard '"east"' "$EAST_WAN"; }
test_counters_are_named() { has pw_stats '"passed"' '"guard_limit"' '"denied"'; }
test_meta_tells_who_wrote() {
	local pid
	pid=$(lab pid gw-west)
	has pw_meta '"abi": 1' "\"agent_pid\": $pid"
}
test_flows_are_named() {
	client_start 9001 slow.json --get /blob/50000000/3000000 --timeout 20000
	wait_until 5 "the flow runs" carried vault
	has pw_flows '"vault"' '"east"' PW_FORWARDER_SOCKMAP PW_FLOW_OPEN
	kill "$PID"
}
test_every_map_is_pinned_under_its_version() {
	local m
	for m in pw_guard pw_services pw_policy pw_routes pw_flows pw_socks pw_stats pw_events pw_meta; do
		on gw-west test -e "$MAPS/$m" || fail "$m is not pinned"
	done
}

run_tests
