#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2317 # test functions are called by name
# The local API in a browser's world: a foreign page neither reads nor writes.
# shellcheck source=tests/e2e/lib.sh disable=SC1091
. "$(dirname "$0")/lib.sh"

ask() { on gw-west curl -s -m 5 -o /dev/null -w '%{http_code}' "$@"; }
test_addresses_and_localhost_are_served() {
	expect 200 "$(ask http://127.0.0.1:8500/v1/status/leader)" "by address"
	expect 200 "$(ask -H 'Host: localhost:8500' http://127.0.0.1:8500/v1/status/leader)" "by localhost"
}
test_a_foreign_host_name_is_refused() {
	expect 403 "$(ask -H 'Host: evil.example' http://127.0.0.1:8500/v1/status/leader)" "status"
	expect 403 "$(ask -H 'Host: evil.example:8500' -X PUT -d '{"Name":"x"}' http://127.0.0.1:8500/v1/agent/service/register)" "status of a write"
}
test_a_foreign_origin_is_refused() {
	expect 403 "$(ask -H 'Origin: http://evil.example' http://127.0.0.1:8500/v1/peerings)" "status"
	expect 403 "$(ask -H 'Origin: null' http://127.0.0.1:8500/v1/peerings)" "status of a null origin"
	expect 403 "$(ask -H 'Origin: http://evil.example' -X PUT -d '{"Name":"x"}' http://127.0.0.1:8500/v1/agent/service/register)" "status of a write"
	expect 0 "$(api west GET /v1/agent/services | jq '[.[] | select(.Service == "x")] | length')" "services registered"
}
test_the_api_listens_only_where_it_was_told() {
	(! on gw-east curl -s -m 2 "http://$WEST_WAN:8500/v1/status/leader")
	(! on app-west curl -s -m 2 "http://$WEST_LAN:8500/v1/status/leader")
}
test_wrong_methods_and_paths_have_consuls_answers() {
	expect 405 "$(ask -X PUT http://127.0.0.1:8500/v1/peering/token)" "method"
	expect 404 "$(ask http://127.0.0.1:8500/v1/nothing)" "path"
}

run_tests
