# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2119,SC2120
# What the lab tests share. A test file sources this, defines functions test_NAME, and ends with run_tests. They run in the order of
# the file, on one fresh lab; each prints "ok FILE.NAME", "FAIL FILE.NAME: why" or "SKIP FILE.NAME: reason". A test fails at its
# first failing command. No sleeps: wait_until has a deadline.
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
FILE=$(basename "$0" .sh)
export PW_LAB=${PW_LAB:-e2e-${FILE//_/-}}
PW_LAB=${PW_LAB:0:16}
PW_LAB=${PW_LAB%-}
OUT=${PW_E2E_OUT:-$ROOT/build/e2e}/$FILE
PEERWAY=${PW_BIN:-$ROOT/build/peerway}
MAPS=/sys/fs/bpf/peerway/v1/maps
PORT=8443

lab() { "$ROOT/scripts/lab.sh" "$@"; }
on() { lab exec "$@"; }

fail() {
	echo "$*" >"$OUT/why"
	exit 1
}
skip() {
	echo "$*" >"$OUT/why"
	exit 77
}

# expect EXPECTED GOT WHAT
expect() { [ "$1" = "$2" ] || fail "$3: expected '$1', got '$2'"; }

now_ms() { echo $((${EPOCHREALTIME/[.,]/} / 1000)); }

# wait_until SECONDS WHAT CMD...: asks until CMD says yes; fails naming WHAT.
wait_until() {
	local deadline=$(($(now_ms) + $1 * 1000)) limit=$1 what=$2
	shift 2
	until "$@"; do
		[ "$(now_ms)" -lt "$deadline" ] || fail "$what: not within $limit s"
		sleep 0.02
	done
}

# --- the two APIs -----------------------------------------------------------------------------------------------------

api_of() { case $1 in east) echo "$EAST_API" ;; west) echo "$WEST_API" ;; *) fail "no side $1" ;; esac; }
# api SIDE METHOD PATH [BODY]: prints the answer; a status of 400 and more fails.
api() {
	local side=$1 method=$2 path=$3
	shift 3
	curl -s -m 10 -X "$method" --fail-with-body "$(api_of "$side")$path" ${1:+--data-binary "$1"}
}
# api_status SIDE METHOD PATH [BODY]: prints the status alone; the answer goes to $OUT/body.
api_status() {
	local side=$1 method=$2 path=$3
	shift 3
	curl -s -m 20 -o "$OUT/body" -w '%{http_code}' -X "$method" "$(api_of "$side")$path" ${1:+--data-binary "$1"}
}
cli() {
	local side=$1
	shift
	PEERWAY_HTTP_ADDR=$(api_of "$side") "$PEERWAY" "$@"
}
refusals() { api "$1" GET /v1/agent/gateway | jq -r --arg r "$2" '.Refusals[$r] // 0'; }
refused_more() { [ "$(refusals "$1" "$2")" -gt "$3" ]; }
trust_domain() { api "$1" GET /v1/connect/ca/roots | jq -r .TrustDomain; }
flows() { api "$1" GET /v1/agent/flows; }
peering_state() { api "$1" GET "/v1/peering/$2" 2>/dev/null | jq -r .State; }
state_is() { [ "$(peering_state "$1" "$2")" = "$3" ]; }

# --- set-up, in the steps of the README -------------------------------------------------------------------------------

token() { api "${1:-west}" POST /v1/peering/token "{\"PeerName\":\"${2:-east}\"}" | jq -r .PeeringToken; }
peer_up() {
	api east POST /v1/peering/establish "{\"PeerName\":\"west\",\"PeeringToken\":\"$(token)\"}" >/dev/null
	wait_until 5 "peering west of east is ACTIVE" state_is east west ACTIVE
	wait_until 5 "peering east of west is ACTIVE" state_is west east ACTIVE
}

# export_services SIDE PEER NAME...
export_services() {
	local side=$1 peer=$2
	shift 2
	api "$side" PUT /v1/config "$(printf '%s\n' "$@" | jq -Rn --arg p "$peer" \
		'{Kind: "exported-services", Name: "default", Services: [inputs | {Name: ., Consumers: [{Peer: $p}]}]}')" >/dev/null
}
# intention SIDE DESTINATION SOURCE PEER allow|deny
intention() {
	api "$1" PUT /v1/config "{\"Kind\":\"service-intentions\",\"Name\":\"$2\",\"Sources\":[{\"Name\":\"$3\",\"Peer\":\"$4\",\"Action\":\"$5\"}]}" >/dev/null
}
# register SIDE JSON
register() { api "$1" PUT /v1/agent/service/register "$2" >/dev/null; }
register_west() { register west "{\"Name\":\"$1\",\"ID\":\"${3:-$1}\",\"Address\":\"$WEST_APP\",\"Port\":$2}"; }
# upstream NAME PORT [SOURCE]: app-east's SOURCE (web) reaches west's NAME at EAST_LAN:PORT.
upstreams_of() {
	local source=$1
	shift
	printf '%s\n' "$@" | jq -Rn --arg s "$source" --arg a "$EAST_APP" --arg b "$EAST_LAN" '{Name: $s, ID: $s, Address: $a, Port: 80,
		Upstreams: [inputs | split(":") | {DestinationName: .[0], DestinationPeer: "west", LocalBindAddress: $b, LocalBindPort: (.[1] | tonumber)}]}'
}
upstream() { register east "$(upstreams_of "${3:-web}" "$1:$2")"; }

serve() { # serve HOST ARGS...: a server of ours in the background; prints its process number
	on "$1" pwserve "${@:2}" --background
}
# The whole way for one plain service: billing on app-west:8080, web on app-east through EAST_LAN:9000.
billing_up() {
	serve app-west --listen "$WEST_APP:8080" --mode "${1:-http}" --name billing --size "${2:-0}" --count "$OUT/connects"
	register_west billing 8080
	peer_up
	export_services west east billing
	intention west billing web east allow
	upstream billing 9000
	if [ "${1:-http}" = http ]; then
		wait_until 5 "billing answers across" answers 9000 billing
	fi
}
get() { on app-east curl -s -m 5 "http://$EAST_LAN:$1${2:-/}"; }
answers() { [ "$(get "$1")" = "hello from $2" ]; }
silent() { (! get "$1" >/dev/null); }
client() { on app-east pwclient --connect "$EAST_LAN:$1" "${@:2}"; }
# client_start PORT FILE ARGS...: in the background, its JSON to $OUT/FILE. PID is the client itself, so that a kill ends it.
client_start() {
	(exec "$ROOT/scripts/lab.sh" exec app-east pwclient --connect "$EAST_LAN:$1" "${@:3}") >"$OUT/$2" &
	PID=$!
}

# native_up NAME PORT MODE SIZE: a service on app-west that speaks mesh TLS itself and admits east's web.
native_up() {
	local name=$1 port=$2
	api west PUT /v1/agent/service/register "{\"Name\":\"$name\",\"Address\":\"$WEST_APP\",\"Port\":$port,\"Connect\":{\"Native\":true}}" >/dev/null
	api west GET "/v1/agent/connect/ca/leaf/$name" >"$OUT/leaf-$name.json"
	api west GET /v1/peering/east >"$OUT/peering-east.json"
	on app-west pwnative --listen "$WEST_APP:$port" --leaf "$OUT/leaf-$name.json" --roots "$OUT/peering-east.json" --name "$name" \
		--allow "spiffe://$(trust_domain east)/ns/default/dc/dc-east/svc/web" --mode "${3:-http}" --size "${4:-0}" --background >/dev/null
}

# --- identities of our own making -------------------------------------------------------------------------------------

# leaf_files SIDE SERVICE: the service's certificate and key as $OUT/SERVICE.crt and .key
leaf_files() {
	api "$1" GET "/v1/agent/connect/ca/leaf/$2" >"$OUT/$2.json"
	jq -r .CertPEM "$OUT/$2.json" >"$OUT/$2.crt"
	jq -r .PrivateKeyPEM "$OUT/$2.json" >"$OUT/$2.key"
}
sni_of() { echo "$1.default.default.${2:-east}.external.$(trust_domain west)"; }

# --- running ----------------------------------------------------------------------------------------------------------

lab_up() {
	local config=''
	rm -rf "$OUT"
	mkdir -p "$OUT"
	if [ -n "${LAB_CONFIG:-}" ]; then
		printf '%s\n' "$LAB_CONFIG" >"$OUT/lab.hcl"
		config=$OUT/lab.hcl
	fi
	PW_LAB_CONFIG=$config lab up >"$OUT/up.log" 2>&1 || return 1
	eval "$(lab env)"
}

lab_down() {
	local h
	for h in gw-east gw-west; do lab logs "$h" >"$OUT/$h.log" 2>/dev/null || true; done
	[ -n "${PW_E2E_KEEP:-}" ] || lab down
}

run_one() {
	local name=$1 rc start
	start=$(now_ms)
	rm -f "$OUT/why"
	set +e
	(
		set -eE
		trap '[ -e "$OUT/why" ] || echo "line $LINENO: $BASH_COMMAND" >"$OUT/why"' ERR
		"test_$name"
	) >"$OUT/$name.out" 2>&1
	rc=$?
	set -e
	case $rc in
	0) echo "ok $FILE.$name ($(($(now_ms) - start)) ms)" ;;
	77) echo "SKIP $FILE.$name: $(cat "$OUT/why")" ;;
	*)
		echo "FAIL $FILE.$name: $(cat "$OUT/why" 2>/dev/null || echo "exit $rc"); see $OUT"
		FAILED=1
		;;
	esac
}

run_tests() {
	local name
	FAILED=0
	trap lab_down EXIT
	lab_up || {
		echo "FAIL $FILE: the lab does not come up: $(tail -n 1 "$OUT/up.log")"
		exit 1
	}
	# shellcheck disable=SC2013
	for name in $(grep -oE '^test_[a-z0-9_]+' "$0"); do
		[ -z "${ONLY:-}" ] || [ "test_$ONLY" = "$name" ] || [ "$name" = test_set_up ] || continue
		run_one "${name#test_}"
		if [ "$name" = test_set_up ] && [ $FAILED -ne 0 ]; then break; fi
	done
	exit $FAILED
}
