#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2317 # test functions are called by name
# Who may call: a chain to that peer's root, its trust domain, its time, exactly one URI of exactly the right form. The forged
# certificates are signed by east's real root, so each is refused for its own fault.
# shellcheck source=tests/e2e/lib.sh disable=SC1091
. "$(dirname "$0")/lib.sh"

test_set_up() {
	billing_up
	serve app-west --listen "$WEST_APP:8081" --name ledger
	register_west ledger 8081
	export_services west east billing ledger
	leaf_files east web
	EAST_TD=$(trust_domain east)
	echo "$EAST_TD" >"$OUT/td"
	# A quiet moment: the database and its log together are a consistent copy.
	on gw-east sh -c "cp /var/lib/peerway/peerway.db* $OUT/"
}
connects() { cat "$OUT/connects"; }
td() { cat "$OUT/td"; }
uri() { echo "spiffe://$(td)/ns/default/dc/dc-east/svc/${1:-web}"; }
call() { # call CERT [ARGS...]
	on gw-east pwclient --connect "$WEST_WAN:$PORT" --timeout 3000 --tls --sni "$(sni_of billing)" --cert "$OUT/$1.crt" --key "$OUT/$1.key" --get / "${@:2}" || true
}
served() { jq -e '.text | endswith("hello from billing.")' >/dev/null; }

# refused REASON CMD...: in both versions of TLS
refused() {
	local reason=$1 before n v out
	shift
	for v in '' --tls1.2; do
		before=$(refusals west "$reason")
		n=$(connects)
		out=$("$@" $v)
		expect 0 "$(jq .received <<<"$out")" "bytes heard${v:+ ($v)}"
		wait_until 2 "$reason is counted${v:+ ($v)}" refused_more west "$reason" "$before"
		expect "$n" "$(connects)" "connections at the service"
	done
}
forge() { "$ROOT/build/harness/pwforge" --db "$OUT/peerway.db" --out "$OUT/forged" "$@"; }

test_the_right_certificate_is_served() {
	call web | served
	call web --tls1.2 | served
}
test_a_forged_copy_of_the_right_one_is_served() { # proves the forge itself
	forge --uri "$(uri)"
	call forged | served
}
test_another_authority_is_refused() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$OUT/alien.key" -out "$OUT/alien.crt" -subj /CN=alien \
		-addext "subjectAltName=URI:$(uri)" -days 2 2>/dev/null
	refused unknown_ca call alien
}
test_the_wrong_clusters_certificate_is_refused() {
	api west GET /v1/agent/connect/ca/leaf/web >"$OUT/own.json"
	jq -r .CertPEM "$OUT/own.json" >"$OUT/own.crt"
	jq -r .PrivateKeyPEM "$OUT/own.json" >"$OUT/own.key"
	refused unknown_ca call own
}
no_certificate() { on gw-east pwclient --connect "$WEST_WAN:$PORT" --timeout 3000 --tls --sni "$(sni_of billing)" --get / "$@" || true; }
test_no_certificate_is_refused() { refused no_certificate no_certificate; }
test_an_expired_certificate_is_refused() {
	forge --uri "$(uri)" --from -7200 --to -3600
	refused expired call forged
}
test_a_certificate_of_tomorrow_is_refused() {
	forge --uri "$(uri)" --from 3600 --to 7200
	refused expired call forged
}
test_two_uris_are_refused() {
	forge --uri "$(uri)" --uri "$(uri other)"
	refused wrong_san call forged
}
test_another_trust_domain_is_refused() {
	forge --uri "spiffe://$(trust_domain west)/ns/default/dc/dc-east/svc/web"
	refused wrong_san call forged
}
test_tricks_in_the_path_are_refused() {
	local u
	for u in "ns/default/dc/dc-east/SVC/web" "ns/default/dc/dc-east/svc/%77eb" "ns/default/dc/dc-east%2Fsvc%2Fweb" "ns/default/dc/dc-east/svc/web/" \
		"gateway/mesh/dc/dc-east" "agent/server/dc/dc-east"; do
		forge --uri "spiffe://$(td)/$u"
		refused wrong_san call forged
	done
}
test_the_name_in_another_case_is_another_service() {
	forge --uri "$(uri Web)"
	refused denied call forged
}
test_the_log_names_both_identities() {
	lab logs gw-west | grep unknown_ca | grep -qF "$(uri)" || fail "the log of the refusal does not name the caller's identity"
}

test_a_session_is_not_resumed_under_another_name() {
	local v out
	for v in '' --tls1.2; do
		rm -f "$OUT/session"
		call web $v --session "$OUT/session" | served
		[ -s "$OUT/session" ] || continue # no session was offered: nothing to resume
		call web $v --session "$OUT/session" | served
		out=$(on gw-east pwclient --connect "$WEST_WAN:$PORT" --timeout 3000 --tls $v --sni "$(sni_of ledger)" --cert "$OUT/web.crt" \
			--key "$OUT/web.key" --session "$OUT/session" --get /) || true
		expect false "$(jq .resumed <<<"$out")" "resumed under ledger's name ($v)"
		expect 0 "$(jq .received <<<"$out")" "bytes heard from ledger ($v)"
	done
}
test_a_resumed_session_is_judged_again() {
	local v out
	for v in '' --tls1.2; do
		rm -f "$OUT/session"
		call web $v --session "$OUT/session" | served
		intention west billing web east deny
		out=$(call web $v --session "$OUT/session")
		intention west billing web east allow
		expect 0 "$(jq .received <<<"$out")" "bytes heard after a deny ($v)"
	done
}

run_tests
