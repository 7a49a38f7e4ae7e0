#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs each libFuzzer program for PW_FUZZ_SECONDS (20), with a memory limit; a crash is kept under build/fuzz-crashes.
set -u
seconds=${PW_FUZZ_SECONDS:-20} failed=0
mkdir -p build/fuzz-crashes
for bin in "$@"; do
	name=$(basename "$bin")
	mkdir -p "build/fuzz-corpus/$name"
	out=$("$bin" -max_total_time="$seconds" -rss_limit_mb=2048 -timeout=5 -max_len=65536 -print_final_stats=1 \
		-artifact_prefix="build/fuzz-crashes/$name-" "build/fuzz-corpus/$name" 2>&1)
	rc=$?
	runs=$(sed -nE 's/^stat::number_of_executed_units: *([0-9]+)/\1/p' <<<"$out")
	if [ $rc -eq 0 ]; then
		echo "  ok    $name: ${runs:-0} inputs in $seconds s"
	else
		failed=$((failed + 1))
		printf '%s\n' "--- $name failed" "$(tail -n 40 <<<"$out")"
	fi
done
echo "fuzz: $(($# - failed)) passed, $failed failed"
[ $failed -eq 0 ]
