#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2317 # test functions are called by name
# A refused caller gets no byte of the service, its greeting included, and the service is not even connected to.
# shellcheck source=tests/e2e/lib.sh disable=SC1091
. "$(dirname "$0")/lib.sh"

test_set_up() {
	serve app-west --listen "$WEST_APP:8080" --mode greet --name mail --count "$OUT/connects"
	register_west mail 8080
	peer_up
	export_services west east mail
	upstream mail 9000
	leaf_files east web
}
connects() { cat "$OUT/connects"; }
imported() { [ "$(api east GET '/v1/health/connect/mail?peer=west' | jq length)" = 1 ]; }

test_without_an_intention_nothing_is_heard() {
	local denied out
	wait_until 5 "mail is imported" imported
	denied=$(refusals west denied)
	out=$(client 9000 --timeout 3000) || true
	expect 0 "$(jq .received <<<"$out")" "bytes heard"
	wait_until 2 "the refusal is counted" refused_more west denied "$denied"
	expect 0 "$(connects)" "connections at the service"
}

test_a_caller_with_a_certificate_hears_nothing_either() {
	local out v
	for v in --tls --tls1.2; do
		out=$(on gw-east pwclient --connect "$WEST_WAN:$PORT" --tls $v --cert "$OUT/web.crt" --key "$OUT/web.key" --sni "$(sni_of mail)" \
			--timeout 3000) || true
		expect 0 "$(jq .received <<<"$out")" "bytes heard ($v)"
		expect 0 "$(connects)" "connections at the service ($v)"
	done
}

test_another_source_hears_nothing() {
	local out
	intention west mail web east allow
	leaf_files east other
	out=$(on gw-east pwclient --connect "$WEST_WAN:$PORT" --tls --cert "$OUT/other.crt" --key "$OUT/other.key" --sni "$(sni_of mail)" \
		--timeout 3000) || true
	expect 0 "$(jq .received <<<"$out")" "bytes heard"
	expect 0 "$(connects)" "connections at the service"
}

hears() { client 9000 --expect 10 --timeout 2000 | jq -e '.text | startswith("220 mail")' >/dev/null; }
test_an_allowed_caller_hears_the_greeting_without_speaking() {
	wait_until 5 "the greeting comes" hears
	[ "$(connects)" -ge 1 ] || fail "the counter of connections does not count"
}

run_tests
