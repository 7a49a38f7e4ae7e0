#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The house rules, checked: each violation is one line "file:line: rule: text"; exit 1 if there is any.
# Rules: spdx, include-order, mark, path, file-length, function-length, static-name, public-name, format, shell.
set -u
cd "$(dirname "$0")/.." || exit 2

FILE_LINES=700
FUNCTION_LINES=80
CLANG_FORMAT=$(command -v clang-format-14 || command -v clang-format || true)

violations=$(mktemp)
trap 'rm -f "$violations"' EXIT

# Files under version control that are there; from a tarball, all of them. Recordings and data are not ours to format.
list() {
	{ git ls-files 2>/dev/null || find . -type f -not -path './build*' | sed 's,^\./,,'; } |
		grep -v '^tests/conformance/\(expected\|scenarios\)/' | grep -v '^tests/wire/.*\.json$' |
		while IFS= read -r f; do [ -f "$f" ] && [ ! -L "$f" ] && printf '%s\n' "$f"; done
}

mapfile -t all < <(list)
select_files() { printf '%s\n' "${all[@]}" | grep -E "$1"; }
mapfile -t c_files < <(select_files '\.[ch]$')
mapfile -t other_code < <(select_files '(\.(sh|py|proto|mk)$|(^|/)Makefile$)')
mapfile -t shell_files < <(select_files '\.sh$')

# Which licence a C file has to name: the verifier wants GPL for BPF, and what both sides share is under both.
spdx() {
	local f want first
	for f in "${c_files[@]}"; do
		case $f in
		bpf/lib/* | include/peerway/abi.h) want='GPL-2.0-only OR Apache-2.0' ;;
		bpf/*) want='GPL-2.0-only' ;;
		*) want='Apache-2.0' ;;
		esac
		case $f in
		*.h) want="/* SPDX-License-Identifier: $want */" ;;
		*) want="// SPDX-License-Identifier: $want" ;;
		esac
		IFS= read -r first <"$f"
		[ "$first" = "$want" ] || echo "$f:1: spdx: the first line must be: $want"
	done
	[ ${#other_code[@]} -eq 0 ] || for f in "${other_code[@]}"; do
		head -n 3 "$f" | grep -q 'SPDX-License-Identifier: ' ||
			echo "$f:1: spdx: a licence line is missing among the first three"
	done
}

# Text that must stand nowhere. The patterns are written so that they do not match themselves.
text() {
	grep -nHwE 'TOD[O]|FIXM[E]|XX[X]|HAC[K]' -- "${c_files[@]}" "${other_code[@]}" |
		sed -E 's/^([^:]+:[0-9]+):[[:space:]]*/\1: mark: /'
	grep -nHIE '(^|[^A-Za-z0-9_.-])/wor[k]/|/tmp/brie[f]|(registry\.npmj[s]|pyp[i]|proxy\.golan[g]|crate[s]|docke[r]|ghc[r])\.(org|io)' \
		-- "${all[@]}" | sed -E 's/^([^:]+:[0-9]+):[[:space:]]*/\1: path: /'
}

# One pass over the C files: lengths, the order of the folders, and names.
structure() {
	awk -v max_file="$FILE_LINES" -v max_function="$FUNCTION_LINES" \
		-v folders="$(sed -n 's/^FOLDERS *:= *//p' Makefile)" '
	BEGIN {
		n = split(folders, name, " ")
		for (i = 1; i <= n; i++)
			order[name[i]] = i
	}
	function file_done() {
		if (file != "" && lines > max_file)
			printf "%s:%d: file-length: %d lines, at most %d: split it by noun\n", file, lines, lines, max_file
	}
	FNR == 1 {
		file_done()
		file = FILENAME
		split(file, part, "/")
		folder = part[1] == "userspace" ? part[2] : ""
		private = file ~ /(_private|internal)\.h$/
		head = ""
	}
	{ lines = FNR }
	/^#include "/ && folder != "" {
		path = $2
		gsub(/"/, "", path)
		if (path ~ /^userspace\//)
			printf "%s:%d: include-order: %s: write it relative (../folder/file.h)\n", file, FNR, path
		if (path ~ /^\.\.\//) {
			split(path, up, "/")
			if (up[2] in order && order[up[2]] > order[folder])
				printf "%s:%d: include-order: %s may not use %s, which comes later\n", file, FNR, folder, up[2]
		}
	}
	# Functions that a private header names belong to the folder and need no prefix.
	private && match($0, /[a-z_][a-z0-9_]*\(/) {
		known[folder "/" substr($0, RSTART, RLENGTH - 1)] = 1
	}
	/^[a-zA-Z_]/ { head = $0; head_line = FNR }
	/^\{/ { start = FNR }
	/^\}/ && start {
		if (FNR - start - 1 > max_function)
			printf "%s:%d: function-length: %d lines, at most %d\n", file, start, FNR - start - 1, max_function
		start = 0
	}
	/^\{/ && folder != "" && file ~ /\.c$/ && match(head, /[A-Za-z_][A-Za-z0-9_]*\(/) {
		f = substr(head, RSTART, RLENGTH - 1)
		if (head ~ /^static / && f ~ /^pw_/)
			printf "%s:%d: static-name: %s is static and needs no pw_\n", file, head_line, f
		if (head !~ /^static / && f !~ /^pw_/ && f != "main" && !(f ~ /^__/)) {
			pending[++n_pending] = sprintf("%s:%d: public-name: %s leaves its file: pw_, or a private header", file, head_line, f)
			pending_key[n_pending] = folder "/" f
		}
	}
	END {
		file_done()
		for (i = 1; i <= n_pending; i++)
			if (!(pending_key[i] in known))
				print pending[i]
	}' "${c_files[@]}"
}

# The first place of each file is enough: make fmt mends them all.
format() {
	if [ -z "$CLANG_FORMAT" ]; then
		echo "lint: format: skipped, clang-format is not installed" >&2
		return
	fi
	printf '%s\n' "${c_files[@]}" | xargs -P 2 -n 12 "$CLANG_FORMAT" --dry-run -Werror --ferror-limit=1 2>&1 |
		sed -nE 's/^([^:]+:[0-9]+):[0-9]+: error: .*/\1: format: run make fmt/p' | sort -u -t: -k1,1
}

shell() {
	if ! command -v shellcheck >/dev/null; then
		echo "lint: shell: skipped, shellcheck is not installed" >&2
		return
	fi
	[ ${#shell_files[@]} -eq 0 ] || shellcheck -S warning -x -f gcc "${shell_files[@]}" |
		sed -E 's/^([^:]+:[0-9]+):[0-9]+: [a-z]+: /\1: shell: /'
}

for rule in spdx text structure format shell; do "$rule"; done >"$violations"
cat "$violations"
if [ -s "$violations" ]; then
	echo "lint: $(wc -l <"$violations") violations in ${#c_files[@]} C files and ${#other_code[@]} others" >&2
	exit 1
fi
echo "lint: ok (${#c_files[@]} C files, ${#other_code[@]} others)"
