#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2317 # test functions are called by name
# A deny takes effect at once for new connections, within 1 s for live ones, and for nobody else; so do un-export, deregistration and
# the end of the peering. When it breaks: pw_policy and pw_flows (maps_readable shows how), revoked/denied in `peerway status`.
# shellcheck source=tests/e2e/lib.sh disable=SC1091
. "$(dirname "$0")/lib.sh"

connects() { cat "$OUT/connects"; }
connects_are() { [ "$(connects)" -gt "$1" ]; }

# download PORT NAME: a slow one in the background; returns when its connection is there. Sets PID.
download() {
	local before=$(($(flows west | jq length) + 0))
	client_start "$1" "$2.json" --get /blob/2000000000/3000000 --timeout 30000
	wait_until 5 "the download of $2 runs" more_flows "$before"
}
more_flows() { [ "$(flows west | jq '[.[] | select(.BytesOut > 100000)] | length')" -gt "$1" ]; }

# cut_within MS NAME START: the download ends by a reset, in time.
cut_within() {
	local took
	wait "$PID" || true
	took=$(($(now_ms) - $3))
	expect reset "$(jq -r .end "$OUT/$2.json")" "how the download of $2 ends"
	[ "$took" -le "$1" ] || fail "the download of $2 was cut after $took ms, not $1"
}

test_set_up() {
	billing_up
	serve app-west --listen "$WEST_APP:8081" --name ledger
	register_west ledger 8081
	export_services west east billing ledger
	intention west ledger web east allow
	register east "$(upstreams_of web billing:9000 ledger:9001)"
	wait_until 5 "ledger answers" answers 9001 ledger
}

test_new_connections_are_refused_at_once() {
	local denied n
	denied=$(refusals west denied)
	n=$(connects)
	intention west billing web east deny
	(! get 9000 >/dev/null)
	wait_until 2 "the refusal is counted" refused_more west denied "$denied"
	expect "$n" "$(connects)" "connections at the service"
	expect "hello from ledger" "$(get 9001)" "the other service"
	intention west billing web east allow
	wait_until 2 "billing answers again" answers 9000 billing
}

test_a_live_download_is_cut_within_a_second() {
	local start
	download 9000 billing
	start=$(now_ms)
	intention west billing web east deny
	cut_within 1000 billing "$start"
	intention west billing web east allow
}

test_other_flows_go_on() {
	local other
	download 9001 ledger
	other=$PID
	download 9000 billing
	start=$(now_ms)
	intention west billing web east deny
	cut_within 1000 billing "$start"
	kill -0 "$other" || fail "the download of ledger ended too"
	kill "$other"
	intention west billing web east allow
}

test_an_unexported_service_is_cut() {
	local start
	download 9000 billing
	start=$(now_ms)
	export_services west east ledger
	cut_within 1000 billing "$start"
	(! get 9000 >/dev/null)
	export_services west east billing ledger
	wait_until 5 "billing answers again" answers 9000 billing
}

test_a_deregistered_service_is_cut() {
	local start
	download 9000 billing
	start=$(now_ms)
	api west PUT /v1/agent/service/deregister/billing
	cut_within 1000 billing "$start"
	register_west billing 8080
	wait_until 5 "billing answers again" answers 9000 billing
}

test_a_sockmap_flow_is_cut_at_once() {
	local start
	native_up vault 8082
	export_services west east billing ledger vault
	intention west vault web east allow
	register east "$(upstreams_of web billing:9000 ledger:9001 vault:9002)"
	wait_until 5 "vault answers" get 9002
	download 9002 vault
	expect sockmap "$(flows west | jq -r '[.[] | select(.Destination == "vault")][0].Forwarder')" "forwarder"
	start=$(now_ms)
	intention west vault web east deny
	cut_within 300 vault "$start"
}

test_a_deleted_peering_is_cut() {
	local start
	download 9000 billing
	start=$(now_ms)
	api west DELETE /v1/peering/east
	cut_within 1000 billing "$start"
	(! get 9000 >/dev/null)
}

run_tests
