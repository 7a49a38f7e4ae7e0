#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what building and testing need, and only what is missing. Debian 12; as root. Safe to run again.
set -euo pipefail

packages=(
	# build
	gcc clang llvm make pkg-config bpftool protobuf-c-compiler
	libbpf-dev libelf-dev zlib1g-dev libssl-dev libmnl-dev libcap-dev
	libevent-dev libnghttp2-dev libprotobuf-c-dev libjansson-dev libsqlite3-dev uthash-dev
	# check and test
	libcmocka-dev clang-format-14 libclang-rt-14-dev shellcheck
	# lab and demo
	iproute2 nftables util-linux procps curl jq openssl python3
)

missing=()
for p in "${packages[@]}"; do
	dpkg-query -W -f='${Status}\n' "$p" 2>/dev/null | grep -q '^install ok installed' || missing+=("$p")
done
if [ ${#missing[@]} -eq 0 ]; then
	echo "install-deps: nothing is missing"
	exit 0
fi
if [ "$(id -u)" -ne 0 ]; then
	echo "install-deps: missing ${missing[*]}; run as root, or install them" >&2
	exit 1
fi
echo "install-deps: installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
