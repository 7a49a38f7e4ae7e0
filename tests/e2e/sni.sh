#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2317 # test functions are called by name
# What the public port answers to each kind of name: one counted refusal each, never a backend.
# shellcheck source=tests/e2e/lib.sh disable=SC1091
. "$(dirname "$0")/lib.sh"

test_set_up() {
	billing_up
	leaf_files east web
}
connects() { cat "$OUT/connects"; }
# knock ARGS...: to west's public port; prints pwclient's JSON
knock() { on gw-east pwclient --connect "$WEST_WAN:$PORT" --timeout 3000 "$@" || true; }
knock_tls() { knock --tls --cert "$OUT/web.crt" --key "$OUT/web.key" "$@"; }

# refused REASON ARGS...: counted under that name, nothing heard, no connection made
refused() {
	local reason=$1 before n out
	shift
	before=$(refusals west "$reason")
	n=$(connects)
	out=$("$@")
	expect 0 "$(jq .received <<<"$out")" "bytes heard"
	wait_until 2 "$reason is counted" refused_more west "$reason" "$before"
	expect "$n" "$(connects)" "connections at the service"
}

test_the_right_name_is_served() {
	expect true "$(knock_tls --sni "$(sni_of billing)" --get / | jq '.text | endswith("hello from billing.")')" "answer"
}
test_letter_case_does_not_matter() {
	expect true "$(knock_tls --sni "$(sni_of BILLING)" --get / | jq '.text | endswith("hello from billing.")')" "answer"
}
test_a_hello_in_single_bytes_is_served() {
	expect true "$(knock_tls --sni "$(sni_of billing)" --split 1 --get / | jq '.text | endswith("hello from billing.")')" "answer"
}
test_an_unknown_name_is_refused() { refused unknown_sni knock_tls --sni "nothing.default.default.east.external.$(trust_domain west)" --get /; }
test_an_internal_name_is_refused() { refused unknown_sni knock_tls --sni "billing.default.dc-west.internal.$(trust_domain west)" --get /; }
test_a_bare_name_is_refused() { refused unknown_sni knock_tls --sni billing --get /; }
test_no_name_is_refused() { refused no_sni knock_tls --get /; }
test_plain_http_is_refused() { refused not_tls knock --get /; }

test_another_peers_name_is_refused() {
	local n out
	n=$(connects)
	token west third >/dev/null
	api west PUT /v1/config '{"Kind":"exported-services","Name":"default","Services":[{"Name":"billing","Consumers":[{"Peer":"east"},{"Peer":"third"}]}]}' >/dev/null
	out=$(knock_tls --sni "$(sni_of billing third)" --get /)
	expect 0 "$(jq .received <<<"$out")" "bytes heard"
	expect "$n" "$(connects)" "connections at the service"
}

test_a_promise_of_a_large_hello_is_refused_at_once() {
	local before
	before=$(refusals west hello_too_big)
	# A handshake record whose ClientHello claims 200,000 bytes.
	printf '\x16\x03\x01\x40\x00\x01\x03\x0d\x40\x03\x03' >"$OUT/large"
	# shellcheck disable=SC2016
	on gw-east timeout 3 bash -c 'cat "$1" >"/dev/tcp/$2/$3"' large "$OUT/large" "$WEST_WAN" "$PORT" || true
	wait_until 2 "hello_too_big is counted" refused_more west hello_too_big "$before"
}

run_tests
