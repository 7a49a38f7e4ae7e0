#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The main job in front of the user: two clusters, four steps, a request across, what the maps show, a denial that
# cuts a running download. Takes everything down again; exits 0 only if every step did what it says.
set -euo pipefail
cd "$(dirname "$0")/.."
export PW_LAB=${PW_LAB:-demo}
lab=scripts/lab.sh
work=$(mktemp -d)
start=$SECONDS

bold() { printf '\n\033[1m%s\033[0m\n' "$*"; }
say() { printf '  %s\n' "$*"; }
# on HOST CMD...: shows the command as its operator would type it, and runs it there.
on() {
	local host=$1
	shift
	printf '\033[36m%s$\033[0m %s\n' "$host" "${SHOWN:-$*}"
	"$lab" exec "$host" "$@" | sed 's/^/  /'
}
fail() {
	echo "demo: $*" >&2
	for h in gw-east gw-west; do
		echo "--- log of $h" >&2
		"$lab" logs "$h" 2>/dev/null | tail -n 15 >&2 || true
	done
	exit 1
}
cleanup() {
	"$lab" down >/dev/null 2>&1 || true
	rm -rf "$work"
}
trap cleanup EXIT
# until SECONDS WHAT CMD...: asks until the answer is yes.
until_true() {
	local deadline=$((SECONDS + $1)) what=$2
	shift 2
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $deadline ] || fail "$what did not happen in time"
		sleep 0.05
	done
}
maps=/sys/fs/bpf/peerway/v1/maps
state_is() { [ "$("$lab" exec "$1" peerway peering read -name "$2" -format json | jq -r .State)" = "$3" ]; }
has_healthy() { [ "$(curl -sf "$1/v1/health/connect/$2?peer=$3&passing" | jq length)" -ge 1 ]; }

bold "Two clusters in network namespaces"
"$lab" up >/dev/null
eval "$("$lab" env)"
say "east: gateway $EAST_WAN, application host $EAST_APP      west: gateway $WEST_WAN, application host $WEST_APP"
"$lab" exec app-west pwserve --listen "$WEST_APP:7000" --mode http --name billing --background >/dev/null

bold "1. west makes a peering token for east"
token=$("$lab" exec gw-west peerway peering generate-token -name east)
printf '\033[36mgw-west$\033[0m peerway peering generate-token -name east\n  %s… (%d characters, good for one use)\n' "${token:0:40}" ${#token}

bold "2. east establishes with it"
SHOWN="peerway peering establish -name west -peering-token TOKEN" \
	on gw-east peerway peering establish -name west -peering-token "$token"
until_true 10 "ACTIVE in east" state_is gw-east west ACTIVE
until_true 10 "ACTIVE in west" state_is gw-west east ACTIVE
on gw-east peerway peering list

bold "3. west registers two services and exports them"
cat >"$work/billing.json" <<-J
	{"Name": "billing", "Port": 7000, "Address": "$WEST_APP", "Check": {"TCP": "$WEST_APP:7000", "Interval": "1s"}}
J
cat >"$work/ledger.json" <<-J
	{"Name": "ledger", "Port": 7443, "Address": "$WEST_APP", "Connect": {"Native": true}}
J
on gw-west peerway services register "$work/billing.json"
on gw-west peerway services register "$work/ledger.json"
say "billing is a plain HTTP server; ledger speaks mesh TLS itself, with a certificate from the agent."
curl -sf "$WEST_API/v1/agent/connect/ca/leaf/ledger" >"$work/leaf.json"
until_true 5 "the peer's roots" sh -c "curl -sf $WEST_API/v1/peering/east | jq -e '.PeerCAPems | length > 0'"
curl -sf "$WEST_API/v1/peering/east" >"$work/peering.json"
east_domain=$(curl -sf "$EAST_API/v1/connect/ca/roots" | jq -r .TrustDomain)
"$lab" exec app-west pwnative --listen "$WEST_APP:7443" --leaf "$work/leaf.json" --roots "$work/peering.json" \
	--allow "spiffe://$east_domain/ns/default/dc/dc-east/svc/web" --mode http --name ledger --background >/dev/null
on gw-west peerway services export -name billing -consumer-peers east
on gw-west peerway services export -name ledger -consumer-peers east

bold "4. west allows east's web to call them"
on gw-west peerway intention create -allow peer:east/web billing
on gw-west peerway intention create -allow peer:east/web ledger

bold "An application in east says what it calls; it needs no sidecar"
cat >"$work/web.json" <<-J
	{"Name": "web", "Port": 8080, "Address": "$EAST_APP", "Upstreams": [
	 {"DestinationName": "billing", "DestinationPeer": "west", "LocalBindAddress": "$EAST_LAN", "LocalBindPort": 9000},
	 {"DestinationName": "ledger", "DestinationPeer": "west", "LocalBindAddress": "$EAST_LAN", "LocalBindPort": 9001}]}
J
on gw-east peerway services register "$work/web.json"
until_true 10 "billing in east" has_healthy "$EAST_API" billing west
until_true 10 "ledger in east" has_healthy "$EAST_API" ledger west
answer() { "$lab" exec app-east curl -sf --max-time 3 "http://$EAST_LAN:$1/"; }
until_true 5 "an answer from billing" answer 9000
until_true 5 "an answer from ledger" answer 9001
on app-east curl -s "http://$EAST_LAN:9000/"
on app-east curl -s "http://$EAST_LAN:9001/"

bold "Where the bytes went"
"$lab" exec app-east curl -s -o "$work/billing.out" --limit-rate 2M "http://$EAST_LAN:9000/blob/200000000/2000000" &
download=$!
"$lab" exec app-east curl -s -o /dev/null "http://$EAST_LAN:9001/blob/200000000/2000000" &
ledger=$!
forwarder_is() { "$lab" exec gw-west peerway flows -format=json | jq -e ".[] | select(.Destination == \"$1\" and .Forwarder == \"$2\")"; }
until_true 5 "ledger by sockmap" forwarder_is ledger sockmap
on gw-west peerway flows
# dump MAP FILTER: what bpftool prints of a map, one entry a line.
dump() {
	printf '\033[36mgw-west$\033[0m bpftool map dump pinned %s/%s\n' "$maps" "$1"
	"$lab" exec gw-west bpftool -j map dump pinned "$maps/$1" | jq -r "$2" | sed 's/^/  /'
}
dump pw_policy '.[].formatted.value | "\(.action)  peer=\(.peer) source=\(.source) destination=\(.destination) precedence=\(.precedence)"'
dump pw_routes '.[].formatted | "service \(.key.service_id)  \(.value.text)  \(.value.health)  weight \(.value.weight)"'
dump pw_flows '.[].formatted | "socket \(.key)  \(.value.forwarder)  \(.value.peer)/\(.value.source) -> \(.value.destination)  bytes \(.value.bytes)  redirected in the kernel \(.value.redirected)"'
dump pw_guard '.[].formatted.value | "\(.action)  \(.prefix)  peer=\(.peer)"'

bold "west changes its mind: the running downloads are cut"
on gw-west peerway intention create -deny -replace peer:east/web billing
on gw-west peerway intention create -deny -replace peer:east/web ledger
rc=0
wait $download || rc=$?
[ $rc -ne 0 ] || fail "the download of billing was not cut"
rcl=0
wait $ledger || rcl=$?
[ $rcl -ne 0 ] || fail "the download of ledger was not cut"
say "both downloads ended with an error (curl $rc and $rcl); billing stopped after $(stat -c %s "$work/billing.out") of 200000000 bytes"
refused() { ! answer "$1"; }
refused 9000 || fail "billing still answers"
refused 9001 || fail "ledger still answers"
say "new requests are refused, and neither service ever saw them"

bold "… and back"
on gw-west peerway intention create -allow -replace peer:east/web billing
until_true 5 "an answer from billing" answer 9000
on app-east curl -s "http://$EAST_LAN:9000/"

bold "What this machine's kernel has, and lacks"
on gw-west peerway status

bold "All of it goes away again"
cleanup
ip netns list | grep -q "pw-$PW_LAB-" && fail "network namespaces are left"
say "nothing is left. That took $((SECONDS - start)) s."
