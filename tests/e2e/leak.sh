#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2317 # test functions are called by name
# 2,000 connections opened and closed, plain and passed through, some of them rudely: fds, map entries and memory are back where they were.
# shellcheck source=tests/e2e/lib.sh disable=SC1091
. "$(dirname "$0")/lib.sh"

test_set_up() {
	billing_up
	native_up vault 8081
	export_services west east billing vault
	intention west vault web east allow
	register east "$(upstreams_of web billing:9000 vault:9001)"
	wait_until 5 "vault answers" get 9001
}
fds() { find "/proc/$(lab pid "$1")/fd" -mindepth 1 | wc -l; }
rss_kb() { awk '/^VmRSS/ {print $2}' "/proc/$(lab pid "$1")/status"; }
entries() { on "$1" bpftool -j map dump pinned "$MAPS/$2" | jq length; }
idle() { [ "$(flows west | jq length) $(flows east | jq length)" = "0 0" ]; }

# cycle N PORT ARGS...
cycle() { client "$2" --repeat "$1" --timeout 5000 "${@:3}" >"$OUT/cycle-$2-$RANDOM.json"; }

test_two_thousand_connections_leave_nothing() {
	local g before after
	local -A rss
	cycle 100 9000 --get /
	cycle 100 9001 --get /
	wait_until 5 "no flow" idle
	before=$(for g in gw-east gw-west; do echo "$g fds=$(fds "$g") flows=$(entries "$g" pw_flows)"; done)
	for g in gw-east gw-west; do rss[$g]=$(rss_kb "$g"); done
	cycle 900 9000 --get / &
	cycle 700 9001 --get / &
	wait -n
	wait -n
	cycle 200 9000 --get /blob/1000000 --reset-after 1000
	cycle 200 9001 --get /blob/1000000 --reset-after 1000
	wait_until 10 "no flow" idle
	settled() {
		after=$(for g in gw-east gw-west; do echo "$g fds=$(fds "$g") flows=$(entries "$g" pw_flows)"; done)
		[ "$before" = "$after" ]
	}
	wait_until 5 "fds and map entries are back: before $(tr '\n' ' ' <<<"$before")" settled
	for g in gw-east gw-west; do
		[ $(($(rss_kb "$g") - rss[$g])) -lt 4096 ] || fail "$g grew from ${rss[$g]} to $(rss_kb "$g") kB"
	done
}

run_tests
