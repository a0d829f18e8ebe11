#!/bin/sh
# SPDX-License-Identifier: MIT
#
# What a library exports is exactly what the list says, versions included.
#
# usage: test-symbols.sh LIBRARY LIST
set -eu

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

nm -D --defined-only --with-symbol-versions "$1" |
	awk '$2 != "A" { sub("@@", " "); print $3, $4 }' |
	LC_ALL=C sort >"$tmp/found"
grep -v '^#' "$2" | LC_ALL=C sort >"$tmp/wanted"
diff -u "$tmp/wanted" "$tmp/found"
