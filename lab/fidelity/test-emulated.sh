#!/bin/bash
# SPDX-License-Identifier: MIT
# test-emulated.sh BUILD_DIR NAME - does the emulated host answer the operations of
# scripts/NAME.ops as the real one did (expected/NAME.txt)? Where it may not is in
# differences/NAME.txt: the lines of diff(1), each group with its reason above it and
# the name that it has in xenhost(1). A difference that is not listed fails, and so does
# one that is no more, and one that the manual does not explain.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
name=$2
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

"$here/run-emulated.sh" "$1" "$here/scripts/$name.ops" >"$tmp/emulated" 2>"$tmp/stderr" || {
	cat "$tmp/stderr"
	tail -n 3 "$tmp/emulated"
	exit 1
}
# Groups without a name, or with one that the manual does not have
unexplained() {
	awk '/^# xenhost\(1\): / { named = 1 }
		/^[<>]/ && !named { print "not explained in xenhost(1): " $0 }
		/^$/ { named = 0 }' "$1"
	sed -n 's/^# xenhost(1): //p' "$1" | while read -r difference; do
		grep -qxF ".It \"$difference\"" "$here/../../man/xenhost.1" ||
			echo "not in xenhost(1): $difference"
	done
}

diff "$here/expected/$name.txt" "$tmp/emulated" | grep '^[<>]' >"$tmp/differences" || :
grep '^[<>]' "$here/differences/$name.txt" >"$tmp/listed" 2>/dev/null || :
echo "$(grep -c ' -> ' "$tmp/emulated") operations, $(grep -c '^>' "$tmp/listed") listed differences"
if ! diff -u "$tmp/listed" "$tmp/differences"; then
	echo "the emulated host does not answer as the real one: -< and -> were listed," \
		"+< is real, +> is emulated"
	exit 1
fi
if [ -e "$here/differences/$name.txt" ] && unexplained "$here/differences/$name.txt" | grep .; then
	exit 1
fi
