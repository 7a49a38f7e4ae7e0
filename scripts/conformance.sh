#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Compares the HTTP API with the recordings of a real Consul, scenario by scenario, each on two fresh clusters of its own lab.
# usage: conformance.sh [SCENARIO ...]   (default: those that agree whole; config and queries need kinds that come later)
set -euo pipefail
cd "$(dirname "$0")/.."
export PW_LAB=${PW_LAB:-conf}
scenarios=("$@")
[ ${#scenarios[@]} -gt 0 ] || scenarios=(peering catalog intentions cli)
command -v python3 >/dev/null || { echo "SKIP conformance: python3 is missing"; echo "conformance: 0 passed, 0 failed"; exit 0; }
trap 'scripts/lab.sh down >/dev/null 2>&1 || true' EXIT
passed=0 failed=0
for s in "${scenarios[@]}"; do
	scripts/lab.sh up >/dev/null
	eval "$(scripts/lab.sh env)"
	export EAST_API WEST_API PYTHONDONTWRITEBYTECODE=1
	if [ "$s" = cli ]; then
		out=$(python3 tests/conformance/cli.py "$PWD/scripts/lab.sh") || true
	else
		out=$(python3 tests/conformance/run.py --east "$EAST_API" --west "$WEST_API" "$s") || true
	fi
	printf '%s\n' "$out"
	line=$(grep -E '^conformance: [0-9]+ of [0-9]+ equal' <<<"$out" | tail -n 1)
	equal=$(sed -nE 's/^conformance: ([0-9]+) of.*/\1/p' <<<"$line")
	of=$(sed -nE 's/.* of ([0-9]+) equal/\1/p' <<<"$line")
	passed=$((passed + ${equal:-0})) failed=$((failed + ${of:-1} - ${equal:-0}))
	scripts/lab.sh down >/dev/null
done
echo "conformance: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
