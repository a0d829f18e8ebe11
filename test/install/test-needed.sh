#!/bin/sh
# SPDX-License-Identifier: MIT
#
# A library has this name and needs these libraries, no more and no fewer; so does
# a program, whose name is "". (The sanitizers' own do not count.)
#
# usage: test-needed.sh FILE SONAME NEEDED...
set -eu

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
file=$1
shift

{
	readelf -d "$file" | sed -n 's/.*(SONAME).*\[\(.*\)\]/\1/p'
	readelf -d "$file" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' |
		grep -v -e '^libasan\.' -e '^libubsan\.' | sort
} >"$tmp/found"
{
	[ -z "$1" ] || echo "$1"
	shift
	printf '%s\n' "$@" | sort
} >"$tmp/wanted"
diff -u "$tmp/wanted" "$tmp/found"
