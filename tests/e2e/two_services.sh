#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2317 # test functions are called by name
# Two exported services side by side: each name reaches its own instances, each intention opens its own door.
# shellcheck source=tests/e2e/lib.sh disable=SC1091
. "$(dirname "$0")/lib.sh"

test_set_up() {
	serve app-west --listen "$WEST_APP:8080" --name billing
	serve app-west --listen "$WEST_APP:8081" --name ledger >"$OUT/ledger.pid"
	serve app-west --listen "$WEST_APP:8082" --name ledger
	register_west billing 8080
	register_west ledger 8081 ledger-1
	register_west ledger 8082 ledger-2
	peer_up
	export_services west east billing ledger
	register east "$(upstreams_of web billing:9000 ledger:9001)"
}
test_each_intention_opens_one_door() {
	intention west billing web east allow
	wait_until 5 "billing answers" answers 9000 billing
	(! get 9001 >/dev/null)
	intention west ledger web east allow
	wait_until 5 "ledger answers" answers 9001 ledger
	expect "hello from billing" "$(get 9000)" "billing"
}
test_one_instance_down_leaves_the_other() {
	local i
	kill "$(cat "$OUT/ledger.pid")"
	for i in 1 2 3 4 5 6; do expect "hello from ledger" "$(get 9001)" "try $i"; done
}
test_a_deregistered_service_leaves_the_other() {
	api west PUT /v1/agent/service/deregister/billing
	wait_until 5 "billing is gone" silent 9000
	expect "hello from ledger" "$(get 9001)" "ledger"
}

run_tests
