#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs the lab tests, each file on a fresh lab of its own. usage: e2e.sh [NAME ...]; as root. Logs of both gateways stay in build/e2e/NAME.
set -u
cd "$(dirname "$0")/.." || exit 1
[ "$(id -u)" -eq 0 ] || {
	echo "SKIP e2e: must run as root"
	echo "e2e: 0 passed, 0 failed, 1 skipped"
	exit 0
}
files=()
for name in "$@"; do
	[ -f "tests/e2e/$name.sh" ] || {
		echo "e2e.sh: no test tests/e2e/$name.sh" >&2
		exit 1
	}
	files+=("tests/e2e/$name.sh")
done
if [ ${#files[@]} -eq 0 ]; then
	for f in tests/e2e/*.sh; do [ "$f" = tests/e2e/lib.sh ] || files+=("$f"); done
fi
passed=0 failed=0 skipped=0
for f in "${files[@]}"; do
	out=$(timeout 120 bash "$f" 2>&1)
	rc=$?
	[ -z "$out" ] || printf '%s\n' "$out"
	p=$(grep -c '^ok ' <<<"$out")
	b=$(grep -c '^FAIL ' <<<"$out")
	s=$(grep -c '^SKIP ' <<<"$out")
	# Ended badly without a word, or without having tested anything: that counts too.
	if [ $rc -ne 0 ] && [ "$b" -eq 0 ]; then
		echo "FAIL $(basename "$f" .sh): ended with status $rc"
		b=1
	fi
	passed=$((passed + p)) failed=$((failed + b)) skipped=$((skipped + s))
done
echo "e2e: $passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ]
