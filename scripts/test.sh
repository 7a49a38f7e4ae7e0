#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs every kind of test and adds up what they say. Each kind ends with a line "KIND: N passed, N failed[, N skipped]";
# skips are lines "SKIP name: reason". The last line is "N passed, N failed, N skipped"; exit 1 if anything failed.
set -u
cd "$(dirname "$0")/.." || exit 1
make=${MAKE:-make}
log=$(mktemp -d) || exit 1
trap 'rm -rf "$log"' EXIT
passed=0 failed=0 skipped=0 summary=()

# run KIND COMMAND...
run() {
	local kind=$1 start rc last p f s
	shift
	start=$(date +%s)
	echo "=== $kind"
	"$@" 2>&1 | tee "$log/$kind"
	rc=${PIPESTATUS[0]}
	last=$(grep -E "^$kind: [0-9]+ passed, [0-9]+ failed" "$log/$kind" | tail -n 1)
	p=$(sed -nE 's/.*: ([0-9]+) passed.*/\1/p' <<<"$last")
	f=$(sed -nE 's/.*, ([0-9]+) failed.*/\1/p' <<<"$last")
	s=$(grep -c '^SKIP ' "$log/$kind")
	p=${p:-0} f=${f:-0}
	# A kind that ended badly without naming a failure, or without its closing line, has failed all the same.
	if [ "$rc" -ne 0 ] && [ "$f" -eq 0 ]; then f=1; fi
	if [ -z "$last" ] && [ "$f" -eq 0 ]; then f=1; fi
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
	summary+=("$(printf '%-12s %4d passed, %d failed, %d skipped in %d s' "$kind" "$p" "$f" "$s" $(($(date +%s) - start)))")
}

run unit "$make" --no-print-directory unit
run bpf "$make" --no-print-directory bpf-test
run e2e "$make" --no-print-directory e2e
run conformance "$make" --no-print-directory conformance

echo "=== summary"
printf '%s\n' "${summary[@]}"
grep -h '^SKIP ' "$log"/* 2>/dev/null
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
