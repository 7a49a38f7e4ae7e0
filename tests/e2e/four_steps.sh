#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2317 # test functions are called by name
# The four steps of the README, with the commands of the README; then a plain request crosses.
# When it breaks: build/e2e/four_steps/gw-*.log, then `peerway status` on both gateways.
# shellcheck source=tests/e2e/lib.sh disable=SC1091
. "$(dirname "$0")/lib.sh"

test_a_token_establishes_a_peering() {
	local t out
	t=$(on gw-west peerway peering generate-token -name east)
	out=$(on gw-east peerway peering establish -name west -peering-token "$t")
	grep -q "Successfully established peering connection with west" <<<"$out"
	wait_until 5 "ACTIVE in the east" state_is east west ACTIVE
	wait_until 5 "ACTIVE in the west" state_is west east ACTIVE
	(! grep -qF "$t" <<<"$(lab logs gw-west; lab logs gw-east)")
}

test_a_service_is_exported_and_allowed() {
	serve app-west --listen "$WEST_APP:8080" --name billing
	printf 'service {\n  name = "billing"\n  port = 8080\n  address = "%s"\n}\n' "$WEST_APP" >"$OUT/billing.hcl"
	on gw-west peerway services register "$OUT/billing.hcl"
	on gw-west peerway services export -name billing -consumer-peers east
	on gw-west peerway intention create -allow peer:east/web billing
}

imported() { [ "$(api east GET '/v1/health/connect/billing?peer=west' | jq length)" = 1 ]; }
test_the_importer_sees_the_gateway_and_nothing_else() {
	local row
	wait_until 5 "billing is imported" imported
	row=$(api east GET '/v1/health/connect/billing?peer=west')
	expect "$WEST_WAN" "$(jq -r '.[0].Service.Address as $a | if $a == "" then .[0].Node.Address else $a end' <<<"$row")" "address"
	expect "$PORT" "$(jq -r '.[0].Service.Port' <<<"$row")" "port"
	expect "$(sni_of billing)" "$(jq -r '.[0].Service.Connect.PeerMeta.SNI[0]' <<<"$row")" "SNI"
}

test_a_plain_request_crosses() {
	upstream billing 9000
	wait_until 5 "billing answers across" answers 9000 billing
	expect "hello from billing" "$(on app-east curl -s "http://$EAST_LAN:9000/")" "answer"
}

test_ten_megabytes_cross_unchanged() {
	local sum
	sum=$(get 9000 /blob/10000000 | sha256sum)
	expect "$(on app-west curl -s "http://$WEST_APP:8080/blob/10000000" | sha256sum)" "$sum" "checksum"
}

crossing() { flows "$1" | jq -e --arg d "$2" '.[] | select(.Destination == "billing" and .Source == "web" and .Direction == $d)' >/dev/null; }
test_both_gateways_show_the_flow() {
	client_start 9000 slow.json --get /blob/100000000/2000000 --timeout 20000
	wait_until 5 "the exporter shows it" crossing west inbound
	wait_until 5 "the importer shows it" crossing east outbound
	flows west >"$OUT/flows.json"
	expect userspace "$(jq -r '[.[] | select(.Destination == "billing")][0].TLS' "$OUT/flows.json")" "TLS"
	expect east "$(jq -r '[.[] | select(.Destination == "billing")][0].Peer' "$OUT/flows.json")" "peer"
	on gw-west peerway flows | grep -q billing
	on gw-west peerway status | grep -q ACTIVE
	kill "$PID"
}

run_tests
