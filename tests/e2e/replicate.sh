#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2317 # test functions are called by name
# What changes at the exporter shows at the importer: health, registration, export, the peering's end.
# shellcheck source=tests/e2e/lib.sh disable=SC1091
. "$(dirname "$0")/lib.sh"

rows() { api east GET "/v1/health/service/${1:-billing}?peer=west"; }
rows_are() { [ "$(rows "${2:-billing}" | jq length)" = "$1" ]; }
check_is() { [ "$(rows | jq -r '[.[0].Checks[].Status] | if any(. == "critical") then "critical" else "passing" end')" = "$1" ]; }
passing_are() { [ "$(api east GET '/v1/health/service/billing?peer=west&passing' | jq length)" = "$1" ]; }

test_set_up() {
	serve app-west --listen "$WEST_APP:8080" --name billing
	register west "{\"Name\":\"billing\",\"Address\":\"$WEST_APP\",\"Port\":8080,\"Tags\":[\"v1\"],\"Check\":{\"TTL\":\"60s\",\"Status\":\"passing\"}}"
	peer_up
	export_services west east billing
	intention west billing web east allow
	upstream billing 9000
	wait_until 5 "billing answers" answers 9000 billing
}
test_an_instance_arrives_whole() {
	wait_until 2 "one row" rows_are 1
	expect v1 "$(rows | jq -r '.[0].Service.Tags[0]')" "tag"
	expect west "$(rows | jq -r '.[0].Service.PeerName')" "peer"
	expect dc-west "$(rows | jq -r '.[0].Node.Datacenter')" "datacenter"
}
test_a_health_change_arrives() {
	local start
	start=$(now_ms)
	api west PUT /v1/agent/check/fail/service:billing
	wait_until 2 "critical in the east" check_is critical
	echo "critical after $(($(now_ms) - start)) ms"
	wait_until 2 "not passing" passing_are 0
	wait_until 2 "not served" silent 9000
	api west PUT /v1/agent/check/pass/service:billing
	wait_until 2 "passing in the east" passing_are 1
	wait_until 2 "served again" answers 9000 billing
}
test_a_change_of_the_instance_arrives() {
	register west "{\"Name\":\"billing\",\"Address\":\"$WEST_APP\",\"Port\":8080,\"Tags\":[\"v2\"],\"Check\":{\"TTL\":\"60s\",\"Status\":\"passing\"}}"
	tag_is() { [ "$(rows | jq -r '.[0].Service.Tags[0]')" = v2 ]; }
	wait_until 2 "the new tag" tag_is
}
test_a_second_instance_comes_and_goes() {
	register west "{\"Name\":\"billing\",\"ID\":\"billing-2\",\"Address\":\"$WEST_APP\",\"Port\":8089}"
	wait_until 2 "two rows" rows_are 2
	api west PUT /v1/agent/service/deregister/billing-2
	wait_until 2 "one row" rows_are 1
}
test_unexport_takes_it_away() {
	api west DELETE /v1/config/exported-services/default >/dev/null
	wait_until 2 "no row" rows_are 0
	wait_until 2 "not served" silent 9000
	export_services west east billing
	wait_until 2 "one row" rows_are 1
	wait_until 2 "served again" answers 9000 billing
}
test_a_wildcard_never_exports_the_control_service() {
	api west PUT /v1/config '{"Kind":"exported-services","Name":"default","Services":[{"Name":"*","Consumers":[{"Peer":"east"}]}]}' >/dev/null
	register_west ledger 8081
	wait_until 2 "ledger arrives" rows_are 1 ledger
	expect 0 "$(rows consul | jq length)" "rows of consul"
	api west PUT /v1/agent/service/deregister/ledger
	wait_until 2 "ledger goes" rows_are 0 ledger
}
test_deregistration_takes_it_away() {
	api west PUT /v1/agent/service/deregister/billing
	wait_until 2 "no row" rows_are 0
	register_west billing 8080
	wait_until 2 "one row" rows_are 1
}
test_deleting_the_peering_takes_all_away() {
	api west DELETE /v1/peering/east
	wait_until 5 "TERMINATED in the east" state_is east west TERMINATED
	wait_until 2 "no row" rows_are 0
	expect 404 "$(api_status west GET /v1/peering/east)" "the peering in the west"
	api east DELETE /v1/peering/west
	gone() { [ "$(api_status east GET /v1/peering/west)" = 404 ]; }
	wait_until 2 "gone in the east" gone
}
test_a_new_token_starts_over() {
	peer_up
	wait_until 5 "billing answers" answers 9000 billing
}

run_tests
