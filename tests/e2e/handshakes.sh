#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2317,SC2016 # test functions are called by name; the strangers' script expands there
# Strangers that begin and never finish: each is cut by the limit on the whole handshake, known peers are served meanwhile, and nothing
# is left behind.
# shellcheck source=tests/e2e/lib.sh disable=SC1091
. "$(dirname "$0")/lib.sh"
# shellcheck disable=SC2034 # lib.sh reads it
LAB_CONFIG='gateway {
  limits { handshake_timeout = "1500ms"  max_pending_handshakes = 300 }
  guard { new_connections_per_second = 5000 }
}'

fds() { find "/proc/$(lab pid gw-west)/fd" -mindepth 1 | wc -l; }
# strangers N BYTES: N connections to the gateway port from the router, each saying BYTES and no more; they stay until the other side ends them.
strangers() {
	on wan bash -c 'for ((i = 0; i < $3; i++)); do exec {fd}<>"/dev/tcp/$1/$2" && printf "$4" >&"$fd"; done; exec sleep 60' \
		strangers "$WEST_WAN" "$PORT" "$1" "$2" >/dev/null 2>&1 &
	STRANGERS=$!
}
pending_like() { [ "$(fds)" -ge "$1" ]; }
quiet() { [ "$(fds)" -le "$1" ]; }

test_set_up() { billing_up; }

# cut BYTES: 120 strangers are all cut in time, and the peer is served while they hang.
cut() {
	local base before
	base=$(fds)
	before=$(refusals west handshake_timeout)
	strangers 120 "$1"
	wait_until 2 "the strangers are connected" pending_like $((base + 120))
	for _ in 1 2 3 4 5; do answers 9000 billing || fail "the peer is not served while strangers hang"; done
	wait_until 4 "the strangers are cut" quiet "$base"
	[ $(($(refusals west handshake_timeout) - before)) -ge 120 ] || fail "not every stranger was counted"
	kill "$STRANGERS" 2>/dev/null || true
}
test_connect_only() { cut ''; }
test_three_bytes() { cut '\x16\x03\x01'; }
test_a_header_that_promises_sixteen_kilobytes() { cut '\x16\x03\x01\x40\x00\x01'; }

test_one_byte_a_second_buys_no_time() {
	local start took
	start=$(now_ms)
	on wan bash -c 'exec 3<>"/dev/tcp/$1/$2"; for b in 16 03 01 02 00 01 00 01 fc 03; do
		printf "\x$b" >&3 || exit 0; read -r -t 1 -u 3 _ || [ $? -gt 128 ] || exit 0; done; exit 1' trickle "$WEST_WAN" "$PORT" 2>/dev/null ||
		fail "ten bytes in ten seconds were listened to"
	took=$(($(now_ms) - start))
	[ "$took" -lt 4000 ] || fail "it was cut after $took ms"
}

test_a_flood_of_strangers_leaves_room_for_peers() {
	local base before
	base=$(fds)
	before=$(refusals west limit)
	strangers 600 ''
	wait_until 3 "strangers are refused at the limit" refused_more west limit "$before"
	for _ in 1 2 3 4 5; do answers 9000 billing || fail "the peer is not served while strangers fill their share"; done
	wait_until 6 "the strangers are gone" quiet "$base"
	kill "$STRANGERS" 2>/dev/null || true
}

run_tests
