#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs cmocka programs, PW_UNIT_JOBS (3) at a time, since many of them wait; prints the output of those that fail. Last line: unit: N
# passed, N failed.
set -u
jobs=${PW_UNIT_JOBS:-3} passed=0 failed=0
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

# one PROGRAM: its output and exit status go to files of its name.
one() {
	local name
	name=$(basename "$1")
	ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1 timeout 180 "$1" >"$work/$name.out" 2>&1
	echo $? >"$work/$name.rc"
}

for bin in "$@"; do
	while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do wait -n; done
	one "$bin" &
done
wait
for bin in "$@"; do
	name=$(basename "$bin")
	out=$(cat "$work/$name.out")
	rc=$(cat "$work/$name.rc" 2>/dev/null || echo 1)
	ok=$(grep -c '^\[       OK \]' <<<"$out")
	passed=$((passed + ok))
	if [ "$rc" -ne 0 ]; then
		bad=$(grep -c '^\[  FAILED  \] [^0-9]' <<<"$out")
		failed=$((failed + (bad > 0 ? bad : 1)))
		printf '%s\n' "--- $bin (exit $rc)" "$out"
	else
		echo "  ok    $name ($ok)"
	fi
done
echo "unit: $passed passed, $failed failed"
[ $failed -eq 0 ]
