#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Brings up a lab, measures how fast changes take effect (latency.py), takes it down.
set -euo pipefail
cd "$(dirname "$0")/../.."
export PW_LAB=${PW_LAB:-latency}
trap 'scripts/lab.sh down >/dev/null 2>&1 || true' EXIT
scripts/lab.sh up >/dev/null
eval "$(scripts/lab.sh env | sed 's/^/export /')"
"$PWD/scripts/lab.sh" exec app-west pwserve --listen "$WEST_APP:7000" --mode http --name billing --background >/dev/null
python3 scripts/bench/latency.py
