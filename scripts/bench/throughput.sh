#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# One bulk flow through each forwarder against plain routing, side by side in one run, with the guard off, at tc and native.
#
#   app-east ─ gw-east ─ wan ─ gw-west ─ app-west
#
# routed: every hop is the kernel's. plain forwarders: gw-west's last hop is a peerway upstream instead. mtls: both
# gateways, TLS in between. Prints Gb/s (median of PW_BENCH_ROUNDS) and the ratio to routed with the guard off.
set -euo pipefail
cd "$(dirname "$0")/../.."
export PW_LAB=${PW_LAB:-bench}
lab=scripts/lab.sh rounds=${PW_BENCH_ROUNDS:-3} seconds=${PW_BENCH_SECONDS:-2}
command -v iperf3 >/dev/null || { echo "bench: iperf3 is missing (apt-get install iperf3)" >&2; exit 1; }
work=$(mktemp -d)
trap '$lab down >/dev/null 2>&1 || true; rm -rf "$work"' EXIT

median() { sort -n | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'; }
# gbps ADDR PORT
gbps() {
	for _ in $(seq "$rounds"); do
		"$lab" exec app-east iperf3 -J -t "$seconds" -c "$1" -p "$2" | jq '.end.sum_received.bits_per_second / 1e9'
	done | median
}
# configure GATEWAY_BLOCK: both gateways start again with it (so that the dialer does not wait in its back-off), and their
# peering and upstreams are back.
configure() {
	for h in gw-west gw-east; do
		echo "gateway { $1 }" | "$lab" config $h bench
		"$lab" restart $h >/dev/null 2>&1
	done
	local end=$((SECONDS + 20))
	until [ "$("$lab" exec gw-east peerway peering read -name west -format json | jq -r .State)" = ACTIVE ] &&
		"$lab" exec app-east iperf3 -n 1M -c "$EAST_LAN" -p 9100 >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || { echo "bench: the path does not come up with $1" >&2; exit 1; }
		sleep 0.1
	done
}
row() { awk -v n="$1" -v v="$2" -v b="$base" 'BEGIN {printf "%-34s %7.2f Gb/s  %.2f\n", n, v, v / b}'; }

"$lab" up >/dev/null
eval "$("$lab" env)"
for h in gw-east gw-west; do "$lab" exec $h sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'; done
"$lab" exec app-east ip route add default via "$EAST_LAN"
"$lab" exec app-west ip route add default via "$WEST_LAN"
"$lab" exec wan ip route add "$EAST_APP/32" via "$EAST_WAN"
"$lab" exec wan ip route add "$WEST_APP/32" via "$WEST_WAN"
"$lab" exec app-west iperf3 -s -D -p 5201

token=$("$lab" exec gw-west peerway peering generate-token -name east)
"$lab" exec gw-east peerway peering establish -name west -peering-token "$token" >/dev/null
cat >"$work/iperf.json" <<-J
	{"Name": "iperf", "Port": 5201, "Address": "$WEST_APP"}
J
cat >"$work/local.json" <<-J
	{"Name": "client", "Port": 1, "Address": "$EAST_APP", "Upstreams": [
	 {"DestinationName": "iperf", "LocalBindAddress": "$WEST_WAN", "LocalBindPort": 9200}]}
J
cat >"$work/peer.json" <<-J
	{"Name": "client", "Port": 1, "Address": "$EAST_APP", "Upstreams": [
	 {"DestinationName": "iperf", "DestinationPeer": "west", "LocalBindAddress": "$EAST_LAN", "LocalBindPort": 9100}]}
J
"$lab" exec gw-west peerway services register "$work/iperf.json" >/dev/null
"$lab" exec gw-west peerway services register "$work/local.json" >/dev/null
"$lab" exec gw-west peerway services export -name iperf -consumer-peers east >/dev/null
"$lab" exec gw-west peerway intention create -allow peer:east/client iperf >/dev/null
"$lab" exec gw-east peerway services register "$work/peer.json" >/dev/null

base=
for guard in off tc native; do
	case $guard in
	off) block='guard { mode = "off" }' ;;
	*) block="guard { mode = \"limit\" }  interfaces = [\"wan0\"]  xdp = \"$guard\"" ;;
	esac
	for forwarder in copy splice sockmap; do
		configure "$block  forwarders = [\"$forwarder\", \"copy\"]"
		if [ $forwarder = copy ]; then
			routed=$(gbps "$WEST_APP" 5201)
			base=${base:-$routed}
			row "guard $guard: routed" "$routed"
		fi
		row "guard $guard: $forwarder" "$(gbps "$WEST_WAN" 9200)"
	done
	row "guard $guard: mtls, two gateways" "$(gbps "$EAST_LAN" 9100)"
done
