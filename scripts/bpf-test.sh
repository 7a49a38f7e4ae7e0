#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs the BPF tests, each in a network and mount namespace of its own with a fresh bpffs: bpf-test.sh BINARY…
# Nothing on the machine sees them: not its interfaces, not its pins. Last line: bpf: N passed, N failed.
set -u -o pipefail
cd "$(dirname "$0")/.." || exit 1
if [ "${PW_BPF_INSIDE:-}" ]; then
	mount -t bpf -o mode=0700 bpf /sys/fs/bpf && ip link set lo up || exit 1
	exec "$@"
fi
if [ "$(id -u)" -ne 0 ]; then
	echo "SKIP bpf-test: needs root"
	echo "bpf: 0 passed, 0 failed"
	exit 0
fi
wrappers=$(mktemp -d)
trap 'rm -rf "$wrappers"' EXIT
for bin in "$@"; do
	# run-unit.sh takes programs, not commands.
	printf '#!/bin/sh\nPW_BPF_INSIDE=1 exec unshare --net --mount --propagation private %q %q\n' \
		"$PWD/scripts/bpf-test.sh" "$(realpath "$bin")" >"$wrappers/$(basename "$bin")"
	chmod +x "$wrappers/$(basename "$bin")"
done
PW_UNIT_JOBS=1 scripts/run-unit.sh "$wrappers"/* | sed 's/^unit:/bpf:/'
