#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2317 # test functions are called by name
# A service that speaks mesh TLS itself is passed through, by each of the forwarders; every byte arrives, both ways.
# shellcheck source=tests/e2e/lib.sh disable=SC1091
. "$(dirname "$0")/lib.sh"

test_set_up() {
	peer_up
	serve app-west --listen "$WEST_APP:8090"
	native_up vault 8080 http
	native_up pit 8081 sink
	export_services west east vault pit
	intention west vault web east allow
	intention west pit web east allow
	register east "$(upstreams_of web vault:9000 pit:9001)"
	wait_until 5 "vault answers" vault_answers
}
vault_answers() { get 9000 | grep -q "hello from vault to spiffe://.*/svc/web"; }
forwarder_is() { flows west | jq -e --arg f "$1" '[.[] | select(.Destination == "vault" and .TLS == "passthrough" and .Forwarder == $f and .Source == "opaque")] | length > 0' >/dev/null; }

# The pattern's checksum, from a plain server beside it.
pattern_sum() { on app-west curl -s "http://$WEST_APP:8090/blob/20000000" | sha256sum; }

through() {
	local forwarder=$1 out
	printf 'gateway { forwarders = ["%s"%s] }\n' "$forwarder" "$([ "$forwarder" = copy ] || echo ', "copy"')" | lab config gw-west forwarders
	lab restart gw-west >/dev/null
	wait_until 10 "vault answers after the restart" vault_answers
	client_start 9000 slow.json --get /blob/50000000/5000000 --timeout 20000
	wait_until 5 "a flow by $forwarder" forwarder_is "$forwarder"
	kill "$PID"
	# down: the answer behind its head is the pattern; up: the sink checks it and says so
	expect "$(pattern_sum)" "$(get 9000 /blob/20000000 | sha256sum)" "checksum of 20 MB down"
	out=$(client 9001 --send 20000000 --half-close --timeout 20000)
	expect '{"bytes":20000000,"exact":true,"clean":true}.' "$(jq -r .text <<<"$out")" "20 MB up"
}
test_through_sockmap() { through sockmap; }
test_through_splice() { through splice; }
test_through_copy() { through copy; }

test_passthrough_off_refuses_it() {
	printf 'gateway { passthrough = false }\n' | lab config gw-west forwarders
	local before
	lab restart gw-west >/dev/null
	before=$(refusals west denied)
	(! get 9000 >/dev/null)
	wait_until 2 "the refusal is counted" refused_more west denied "$before"
}

run_tests
