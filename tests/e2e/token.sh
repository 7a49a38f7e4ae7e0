#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2317 # test functions are called by name
# A token works once, whoever is fastest; what is wrong with one is said at once and changes nothing.
# shellcheck source=tests/e2e/lib.sh disable=SC1091
. "$(dirname "$0")/lib.sh"

names() { api east GET /v1/peerings | jq -c '[.[].Name] | sort'; }

test_ten_parallel_uses_have_one_winner() {
	local t i won=0 lost=0 code
	t=$(token west east)
	for i in 0 1 2 3 4 5 6 7 8 9; do
		curl -s -m 20 -o "$OUT/use-$i" -w '%{http_code}' -X POST "$EAST_API/v1/peering/establish" \
			--data-binary "{\"PeerName\":\"west-$i\",\"PeeringToken\":\"$t\"}" >"$OUT/code-$i" &
	done
	wait
	for i in 0 1 2 3 4 5 6 7 8 9; do
		code=$(cat "$OUT/code-$i")
		if [ "$code" = 200 ]; then won=$((won + 1)); else lost=$((lost + 1)); fi
		[ "$code" -ge 200 ] || fail "use $i got no answer"
	done
	expect "1 won 9 lost" "$won won $lost lost" "uses"
	expect 1 "$(names | jq length)" "peerings in the east"
}
test_a_used_token_is_refused_and_changes_nothing() {
	local before code t
	t=$(token west second)
	api east POST /v1/peering/establish "{\"PeerName\":\"second\",\"PeeringToken\":\"$t\"}" >/dev/null || true
	before=$(names)
	code=$(api_status east POST /v1/peering/establish "{\"PeerName\":\"third\",\"PeeringToken\":\"$t\"}")
	[ "$code" -ge 400 ] || fail "status $code"
	expect "$before" "$(names)" "peerings"
}
test_tampered_tokens_are_refused_at_once() {
	local t start code bad before
	before=$(names)
	t=$(token west fresh)
	for bad in "${t:0:-8}" "${t:0:40}" "x$t" "" "bm90IGpzb24=" "$(base64 -d <<<"$t" | sed 's/"EstablishmentSecret":"[0-9a-f]\{8\}/"EstablishmentSecret":"00000000/' | base64 -w0)"; do
		start=$(now_ms)
		code=$(api_status east POST /v1/peering/establish "{\"PeerName\":\"bad\",\"PeeringToken\":\"$bad\"}")
		[[ $code =~ ^[45] ]] || fail "status $code for ${bad:0:20}…"
		[ $(($(now_ms) - start)) -lt 3500 ] || fail "took $(($(now_ms) - start)) ms for ${bad:0:20}…"
		[ -s "$OUT/body" ] || fail "no reason was given for ${bad:0:20}…"
	done
	expect "$before" "$(names)" "peerings"
	api east POST /v1/peering/establish "{\"PeerName\":\"fresh\",\"PeeringToken\":\"$t\"}" >/dev/null || fail "the untouched token no longer works"
}
test_an_unreachable_peer_is_named_within_three_seconds_and_nothing_kept() {
	local t start before code
	before=$(names)
	t=$(token west far)
	lab cut
	start=$(now_ms)
	code=$(api_status east POST /v1/peering/establish "{\"PeerName\":\"far\",\"PeeringToken\":\"$t\"}")
	lab heal
	expect 503 "$code" "status"
	[ $(($(now_ms) - start)) -lt 4500 ] || fail "took $(($(now_ms) - start)) ms"
	expect "$before" "$(names)" "peerings"
}
test_the_token_carries_the_advertised_address() {
	local t
	t=$(token west again)
	expect "[\"$WEST_WAN:$PORT\"]" "$(base64 -d <<<"$t" | jq -c .ServerAddresses)" "addresses"
}
test_no_secret_is_logged() {
	local t secret
	t=$(token west logged)
	secret=$(base64 -d <<<"$t" | jq -r .EstablishmentSecret)
	(! lab logs gw-west | grep -qF "$secret")
	(! lab logs gw-east | grep -qF "$secret")
	(! lab logs gw-west | grep -q "PRIVATE KEY")
}

run_tests
