#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2317 # test functions are called by name
# After its start the agent keeps four capabilities and can gain none; what it stores is its own.
# shellcheck source=tests/e2e/lib.sh disable=SC1091
. "$(dirname "$0")/lib.sh"

status_of() { awk -v k="$2:" '$1 == k {print $2}' "/proc/$(lab pid "$1")/status"; }
test_four_capabilities_are_kept() {
	local g set allowed
	allowed=$((1 << 10 | 1 << 12 | 1 << 38 | 1 << 39)) # net_bind_service, net_admin, perfmon, bpf
	for g in gw-east gw-west; do
		for set in CapEff CapPrm; do
			[ $((16#$(status_of $g $set) & ~allowed)) -eq 0 ] || fail "$g: $set is $(status_of $g $set)"
		done
		expect 0000000000000000 "$(status_of $g CapInh)" "$g: CapInh"
		expect 1 "$(status_of $g NoNewPrivs)" "$g: NoNewPrivs"
	done
}
test_data_is_readable_by_its_owner_alone() {
	billing_up
	expect 700 "$(on gw-west stat -c %a /var/lib/peerway)" "the data directory"
	[ -z "$(on gw-west find /var/lib/peerway -type f -perm /077)" ] || fail "others may read $(on gw-west find /var/lib/peerway -type f -perm /077)"
}
test_it_still_works_with_what_it_kept() { # maps are written after the drop
	intention west billing web east deny
	wait_until 2 "refused" silent 9000
	intention west billing web east allow
	wait_until 2 "served" answers 9000 billing
}

run_tests
