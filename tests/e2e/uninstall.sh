#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2317 # test functions are called by name
# After uninstall the host is as before: no program, map, link, pin or qdisc. Other labs may run: only this host is looked at.
# shellcheck source=tests/e2e/lib.sh disable=SC1091
. "$(dirname "$0")/lib.sh"

test_set_up() { billing_up; }
traces() {
	on gw-west bash -c '
		find /sys/fs/bpf -mindepth 1 ! -name "*.debug" # two files of the kernel itself
		ip -d link show | grep -o "prog/xdp.*"
		tc qdisc show | grep -E "clsact|ingress"
		bpftool net show | grep -E "pw_|xdp.*id|clsact/"
		true'
}
test_there_is_something_to_take_away() { [ -n "$(traces)" ] || fail "nothing is attached"; }
test_uninstall_leaves_nothing() {
	local ids id
	# shellcheck disable=SC2016
	ids=$(on gw-west bash -c 'for m in /sys/fs/bpf/peerway/v*/maps/*; do bpftool -j map show pinned "$m" | jq .id; done')
	[ -n "$ids" ] || fail "no pinned map"
	lab stop gw-west >/dev/null
	on gw-west peerway uninstall
	expect "" "$(traces)" "what is left"
	for id in $ids; do
		map_gone() { (! bpftool map show id "$1" >/dev/null 2>&1); }
		wait_until 3 "map $id is freed" map_gone "$id"
	done
}
test_twice_is_no_error() { on gw-west peerway uninstall; }
test_it_starts_again_afterwards() {
	lab start gw-west
	wait_until 15 "billing answers" answers 9000 billing
}
test_a_foreign_program_is_left_alone() {
	lab stop gw-west >/dev/null
	on gw-west peerway uninstall
	command -v clang >/dev/null || skip "clang is missing"
	printf '__attribute__((section("xdp"), used)) int foreign(void *ctx) { return 2; }\nchar _l[] __attribute__((section("license"), used)) = "GPL";\n' >"$OUT/foreign.c"
	clang -O2 -g -target bpf -c "$OUT/foreign.c" -o "$OUT/foreign.o"
	on gw-west ip link set dev wan0 xdpdrv obj "$OUT/foreign.o" sec xdp || skip "this iproute2 cannot attach XDP"
	lab start gw-west || true
	on gw-west ip -d link show wan0 | grep -q 'prog/xdp' || fail "the foreign program is gone"
	lab pid gw-west >/dev/null && lab stop gw-west >/dev/null
	on gw-west peerway uninstall
	on gw-west ip -d link show wan0 | grep -q 'prog/xdp' || fail "uninstall took the foreign program"
	on gw-west ip link set dev wan0 xdpdrv off
}

run_tests
