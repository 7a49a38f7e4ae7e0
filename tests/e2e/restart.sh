#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2317 # test functions are called by name
# An agent that is killed or stopped comes back with its peerings, and leaves nothing behind however often.
# shellcheck disable=SC2034
LAB_CONFIG='gateway { limits { drain_timeout = "10s" } }'
# shellcheck source=tests/e2e/lib.sh disable=SC1091
. "$(dirname "$0")/lib.sh"

test_set_up() { billing_up; }
objects() { # of west's agent: BPF objects it holds, pins, fds
	local pid
	pid=$(lab pid gw-west)
	echo "bpf=$(cat /proc/"$pid"/fdinfo/* 2>/dev/null | grep -cE '^(map_id|prog_id|link_id)') pins=$(on gw-west find /sys/fs/bpf -type f | wc -l)"
}
# Everything the kernel holds on gw-west's interface and pins, by id.
programs() { on gw-west bpftool -j net show dev wan0 2>/dev/null | jq -c '[.. | .id? // empty] | length'; }

test_killed_it_comes_back_without_a_new_token() {
	local id
	id=$(api west GET /v1/peering/east | jq -r .ID)
	lab stop gw-west KILL >/dev/null
	lab start gw-west
	wait_until 15 "ACTIVE in the west" state_is west east ACTIVE
	wait_until 5 "ACTIVE in the east" state_is east west ACTIVE
	expect "$id" "$(api west GET /v1/peering/east | jq -r .ID)" "the peering's id"
	wait_until 5 "billing answers again" answers 9000 billing
}
test_the_importer_killed_comes_back_too() {
	lab stop gw-east KILL >/dev/null
	lab start gw-east
	wait_until 15 "ACTIVE in the east" state_is east west ACTIVE
	wait_until 5 "billing answers again" answers 9000 billing
}

carried() { flows west | jq -e '[.[] | select(.BytesOut > 100000)] | length > 0' >/dev/null; }
listening() { on gw-east pwclient --connect "$WEST_WAN:$PORT" --timeout 300 --hold 20 >/dev/null; }
deaf() { (! listening); }
test_sigterm_lets_the_active_ones_finish() {
	local stopper
	client_start 9000 drain.json --get /blob/8000000/4000000 --timeout 20000
	wait_until 5 "the download runs" carried
	lab stop gw-west >"$OUT/stop" &
	stopper=$!
	wait_until 2 "no new connections" deaf
	wait "$PID" || fail "the download did not finish: $(cat "$OUT/drain.json")"
	wait "$stopper"
	expect "agent on gw-west ended with status 0" "$(cat "$OUT/stop")" "the end"
	lab start gw-west
	wait_until 15 "billing answers again" answers 9000 billing
}

test_five_restarts_leave_nothing_behind() {
	local i before after signal
	before="$(objects) programs=$(programs)"
	[[ $before =~ bpf=[1-9].*pins=[1-9].*programs=[1-9] ]] || fail "nothing is counted: $before"
	for i in 1 2 3 4 5; do
		signal=KILL
		[ $((i % 2)) -eq 0 ] && signal=TERM
		lab stop gw-west $signal >/dev/null
		lab start gw-west
	done
	wait_until 20 "billing answers again" answers 9000 billing
	after="$(objects) programs=$(programs)"
	expect "$before" "$after" "BPF objects"
}

test_while_the_agent_is_down_nobody_is_let_past() {
	lab stop gw-west KILL >/dev/null
	(! get 9000 >/dev/null)
	lab start gw-west
	wait_until 15 "billing answers again" answers 9000 billing
}

run_tests
