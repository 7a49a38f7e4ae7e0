#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2317 # test functions are called by name
# An upstream on a LAN address speaks for its service: only that service's own instances may use it. On loopback the host decides.
# shellcheck source=tests/e2e/lib.sh disable=SC1091
. "$(dirname "$0")/lib.sh"

test_set_up() {
	billing_up
	ip -n "pw-$PW_LAB-app-east" addr add 10.1.1.77/24 dev lan0
	register east "{\"Name\":\"cron\",\"Address\":\"$EAST_APP\",\"Port\":81,\"Upstreams\":[{\"DestinationName\":\"billing\",\"DestinationPeer\":\"west\",\"LocalBindPort\":9100}]}"
}
test_a_foreign_address_is_refused_and_counted() {
	local before n out
	before=$(refusals east foreign_source)
	n=$(cat "$OUT/connects")
	out=$(client 9000 --bind 10.1.1.77 --get / --timeout 3000) || true
	expect 0 "$(jq .received <<<"$out")" "bytes heard"
	wait_until 2 "foreign_source is counted" refused_more east foreign_source "$before"
	expect "$n" "$(cat "$OUT/connects")" "connections at the service"
}
test_the_services_own_address_is_served() { expect "hello from billing" "$(get 9000)" "answer"; }
test_loopback_is_for_anybody_on_the_host() {
	api west PUT /v1/config '{"Kind":"service-intentions","Name":"billing","Sources":[{"Name":"web","Peer":"east","Action":"allow"},{"Name":"cron","Peer":"east","Action":"allow"}]}' >/dev/null
	loop() { [ "$(on gw-east curl -s -m 2 http://127.0.0.1:9100/)" = "hello from billing" ]; }
	wait_until 5 "the loopback upstream answers" loop
}
test_a_new_instance_may_at_once() {
	register east "{\"Name\":\"web\",\"ID\":\"web-2\",\"Address\":\"10.1.1.77\",\"Port\":80}"
	second() { client 9000 --bind 10.1.1.77 --get / --timeout 2000 >/dev/null; }
	wait_until 2 "the second instance is served" second
}

run_tests
