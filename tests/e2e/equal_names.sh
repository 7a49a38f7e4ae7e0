#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2317 # test functions are called by name
# The same service name here and there never mixes: neither endpoints nor intentions.
# shellcheck source=tests/e2e/lib.sh disable=SC1091
. "$(dirname "$0")/lib.sh"

test_set_up() {
	serve app-west --listen "$WEST_APP:8080" --name west-billing
	serve app-east --listen "$EAST_APP:8080" --name east-billing
	register_west billing 8080
	register east "{\"Name\":\"billing\",\"Address\":\"$EAST_APP\",\"Port\":8080}"
	peer_up
	export_services west east billing
	intention west billing web east allow
	register east "{\"Name\":\"web\",\"Address\":\"$EAST_APP\",\"Port\":80,\"Upstreams\":[
		{\"DestinationName\":\"billing\",\"DestinationPeer\":\"west\",\"LocalBindAddress\":\"$EAST_LAN\",\"LocalBindPort\":9000},
		{\"DestinationName\":\"billing\",\"LocalBindAddress\":\"$EAST_LAN\",\"LocalBindPort\":9001}]}"
}
test_each_upstream_reaches_its_own() {
	wait_until 5 "west's answers" answers 9000 west-billing
	wait_until 5 "east's answers" answers 9001 east-billing
	expect 1 "$(api east GET '/v1/health/service/billing' | jq length)" "local instances"
	expect 1 "$(api east GET '/v1/health/service/billing?peer=west' | jq length)" "imported instances"
}
test_a_local_source_of_the_name_opens_nothing_for_the_peer() {
	api west PUT /v1/config '{"Kind":"service-intentions","Name":"billing","Sources":[{"Name":"web","Action":"allow"},{"Name":"web","Peer":"east","Action":"deny"}]}' >/dev/null
	wait_until 2 "the peer's web is refused" silent 9000
	api west PUT /v1/config '{"Kind":"service-intentions","Name":"billing","Sources":[{"Name":"web","Action":"deny"},{"Name":"web","Peer":"east","Action":"allow"}]}' >/dev/null
	wait_until 2 "the peer's web is served" answers 9000 west-billing
}
test_a_local_deny_does_not_touch_the_import() {
	api east PUT /v1/config '{"Kind":"service-intentions","Name":"billing","Sources":[{"Name":"web","Action":"deny"}]}' >/dev/null
	wait_until 2 "the local one is refused" silent 9001
	expect "hello from west-billing" "$(get 9000)" "the imported one"
}

run_tests
