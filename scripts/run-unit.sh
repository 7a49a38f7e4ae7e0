#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs cmocka programs one after the other; prints the output of those that fail. Last line: unit: N passed, N failed.
set -u
passed=0 failed=0
for bin in "$@"; do
	out=$(ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1 timeout 120 "$bin" 2>&1)
	rc=$?
	ok=$(grep -c '^\[       OK \]' <<<"$out")
	passed=$((passed + ok))
	if [ $rc -ne 0 ]; then
		bad=$(grep -c '^\[  FAILED  \] [^0-9]' <<<"$out")
		failed=$((failed + (bad > 0 ? bad : 1)))
		printf '%s\n' "--- $bin (exit $rc)" "$out"
	else
		echo "  ok    $(basename "$bin") ($ok)"
	fi
done
echo "unit: $passed passed, $failed failed"
[ $failed -eq 0 ]
