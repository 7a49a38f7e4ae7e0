#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2317 # test functions are called by name
# The link between the clusters fails, silently or loudly, and comes back: states tell the truth, nothing has to be done by hand.
# shellcheck disable=SC2034
LAB_CONFIG='peering { enabled = true  heartbeat_interval = "200ms"  heartbeat_timeout = "1s" }'
# shellcheck source=tests/e2e/lib.sh disable=SC1091
. "$(dirname "$0")/lib.sh"

test_set_up() { billing_up; }
imported() { [ "$(api east GET '/v1/health/service/billing?peer=west' | jq length)" = 1 ]; }

falls_and_recovers() {
	wait_until 4 "FAILING in the east" state_is east west FAILING
	wait_until 4 "FAILING in the west" state_is west east FAILING
	imported || fail "the import is gone while the link is down"
	lab heal
	wait_until 15 "ACTIVE in the east" state_is east west ACTIVE
	wait_until 5 "ACTIVE in the west" state_is west east ACTIVE
	wait_until 5 "billing answers again" answers 9000 billing
}
test_a_silent_cut() {
	lab cut
	falls_and_recovers
}
test_a_link_that_goes_down() {
	lab cut --down
	falls_and_recovers
}
test_a_short_hiccup_raises_no_alarm() {
	local end
	lab cut
	end=$(($(now_ms) + 400))
	while [ "$(now_ms)" -lt $end ]; do
		state_is east west ACTIVE || fail "left ACTIVE within 0.4 s of silence"
	done
	lab heal
	wait_until 3 "ACTIVE" state_is east west ACTIVE
}
test_changes_made_meanwhile_arrive_afterwards() {
	lab cut
	wait_until 4 "FAILING" state_is east west FAILING
	api west PUT /v1/agent/service/deregister/billing
	lab heal
	gone() { [ "$(api east GET '/v1/health/service/billing?peer=west' | jq length)" = 0 ]; }
	wait_until 15 "the deregistration arrives" gone
}
test_deleting_while_cut_ends_locally_at_once() {
	lab cut
	api east DELETE /v1/peering/west
	gone() { [ "$(api_status east GET /v1/peering/west)" = 404 ]; }
	wait_until 3 "gone in the east" gone
	lab heal
}

run_tests
