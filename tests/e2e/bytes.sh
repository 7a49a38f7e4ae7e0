#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2317 # test functions are called by name
# Every byte, both ways at once: an echo behind the terminating gateway, and one behind each forwarder of a passed-through service.
# The client ends its sending and still hears the rest, so a half-close is passed on too.
# shellcheck source=tests/e2e/lib.sh disable=SC1091
. "$(dirname "$0")/lib.sh"

test_set_up() {
	serve app-west --listen "$WEST_APP:8080" --mode echo >/dev/null
	serve app-west --listen "$WEST_APP:8082" --mode blob --size 100000000 >/dev/null
	register_west plain 8080
	register_west large 8082
	peer_up
	native_up vault 8081 echo
	export_services west east plain vault large
	for s in plain vault large; do intention west $s web east allow; done
	register east "$(upstreams_of web plain:9000 vault:9001 large:9002)"
	wait_until 5 "plain echoes" echoes 9000 10 10
	wait_until 5 "vault echoes" echoes 9001 10 10
}
# echoes PORT SIZE CHUNK
echoes() {
	client "$1" --send "$2" --chunk "$3" --half-close --pattern --timeout 30000 >"$OUT/echo.json" || return 1
	[ "$(jq '[.received, .exact, .end]' -c "$OUT/echo.json")" = "[$2,true,\"eof\"]" ]
}
sizes() {
	local n
	for n in 0 1 16383 16384 16385 65535 1000000; do
		echoes "$1" $n 65536 || fail "$n bytes: $(jq -c 'del(.text)' "$OUT/echo.json")"
	done
	echoes "$1" 3000 1 || fail "3000 single bytes: $(jq -c 'del(.text)' "$OUT/echo.json")"
	echoes "$1" 200000 777 || fail "pieces of 777: $(jq -c 'del(.text)' "$OUT/echo.json")"
	echoes "$1" 30000000 65536 || fail "30 MB: $(jq -c 'del(.text)' "$OUT/echo.json")"
}
test_through_the_terminating_gateway() { sizes 9000; }
redirected() { api west GET /v1/agent/gateway | jq .Sockmap.redirected.Bytes; }
test_through_sockmap() {
	local before
	before=$(redirected)
	sizes 9001
	# How much depends on how often a flow runs out of credit: what is checked is that the kernel takes its part.
	[ $(($(redirected) - before)) -gt 5000000 ] || fail "only $(($(redirected) - before)) bytes were redirected in the kernel"
}
use() {
	printf 'gateway { forwarders = ["%s", "copy"] }\n' "$1" | lab config gw-west forwarders
	lab restart gw-west >/dev/null
	wait_until 10 "vault echoes again" echoes 9001 10 10
}
test_through_splice() {
	use splice
	sizes 9001
}
test_a_hundred_megabytes_down_to_a_slow_reader() {
	client 9002 --half-close --pattern --read-after 1000 --timeout 30000 >"$OUT/large.json"
	expect '[100000000,true,"eof"]' "$(jq -c '[.received, .exact, .end]' "$OUT/large.json")" "the blob"
}

no_flow() { [ "$(flows west | jq length) $(flows east | jq length)" = "0 0" ]; }
test_a_reset_of_the_client_ends_both_sides() {
	client 9002 --reset-after 100000 >/dev/null
	wait_until 2 "no flow is left" no_flow
}

run_tests
