#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2317 # test functions are called by name
# The guard at the edge, in each of its modes; counters are read as an operator would, by bpftool from the pinned map.
# shellcheck disable=SC2034
LAB_CONFIG='gateway { guard { mode = "limit"  new_connections_per_second = 5 } }'
# shellcheck source=tests/e2e/lib.sh disable=SC1091
. "$(dirname "$0")/lib.sh"

STRANGER=198.51.100.77
test_set_up() {
	billing_up
	ip -n "pw-$PW_LAB-gw-east" addr add $STRANGER/24 dev wan0
}
# counter NAME: packets over all CPUs
counter() {
	on gw-west bpftool -j map dump pinned "$MAPS/pw_stats" |
		jq --arg n "$1" '[.[] | .formatted.values[].value | select(.name == $n) | .packets] | add // 0'
}
# knocks FROM N: how many of N connects are answered
knocks() { on gw-east pwclient --connect "$WEST_WAN:$PORT" --bind "$1" --hold 1 --timeout 60 --repeat "$2" | jq .ok || true; }
mode() {
	printf 'gateway { guard { %s } }\n' "$1" | lab config gw-west guard
	lab restart gw-west >/dev/null
}

test_limit_stops_a_flood_of_a_stranger() {
	local before ok
	before=$(counter guard_limit)
	ok=$(knocks $STRANGER 40)
	[ "$ok" -ge 5 ] || fail "only $ok of the budget were let in"
	[ "$ok" -le 30 ] || fail "$ok of 40 were let in"
	[ "$(counter guard_limit)" -gt "$before" ] || fail "guard_limit does not count"
}
test_a_known_peer_has_a_larger_budget() {
	expect 60 "$(knocks "$EAST_WAN" 60)" "connects of the peer"
	expect "hello from billing" "$(get 9000)" "service"
}
test_other_ports_are_never_touched() {
	local ok
	on gw-west pwserve --listen "$WEST_WAN:9999" --background >/dev/null
	ok=$(on gw-east pwclient --connect "$WEST_WAN:9999" --bind $STRANGER --get / --timeout 1000 --repeat 60 | jq .ok)
	expect 60 "$ok" "connects to another port"
}
test_enforce_lets_in_only_who_is_known() {
	local before
	mode "mode = \"enforce\"  allow = [\"$EAST_WAN/32\"]"
	wait_until 15 "billing answers" answers 9000 billing
	before=$(counter guard_denied)
	expect 0 "$(knocks $STRANGER 5)" "connects of a stranger"
	[ "$(counter guard_denied)" -gt "$before" ] || fail "guard_denied does not count"
}
test_enforce_knows_an_authenticated_peer() {
	on gw-west bpftool map dump pinned "$MAPS/pw_guard" | grep -qF "$EAST_WAN" || fail "the peer's address is not in pw_guard"
}
test_deny_wins_in_every_mode() {
	mode "mode = \"limit\"  deny = [\"$STRANGER/32\"]"
	wait_until 15 "billing answers" answers 9000 billing
	expect 0 "$(knocks $STRANGER 3)" "connects of a denied address"
}
test_status_says_how_it_is_attached() {
	api west GET /v1/agent/gateway | jq -e '.Guard.Interfaces[] | select(.Name == "wan0" and .Attach == "native")' >"$OUT/attach.json" ||
		fail "wan0 is not in the status"
	on gw-west ip -d link show wan0 | grep -q prog/xdp
}
test_off_drops_nothing() {
	mode 'mode = "off"'
	wait_until 15 "billing answers" answers 9000 billing
	expect 60 "$(knocks $STRANGER 60)" "connects"
	(! on gw-west ip -d link show wan0 | grep -q prog/xdp)
}

run_tests
