#!/bin/bash
# SPDX-License-Identifier: MIT
# test-emulated.sh BUILD_DIR NAME - does the emulated host answer the operations of
# scripts/NAME.ops as the real one did (expected/NAME.txt)? Where it may not is in
# differences/NAME.txt: the lines of diff(1), each group with its reason above it.
# A difference that is not listed fails, and so does one that is no more.
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
diff "$here/expected/$name.txt" "$tmp/emulated" | grep '^[<>]' >"$tmp/differences" || :
grep '^[<>]' "$here/differences/$name.txt" >"$tmp/listed" 2>/dev/null || :
echo "$(grep -c ' -> ' "$tmp/emulated") operations, $(grep -c '^>' "$tmp/listed") listed differences"
if ! diff -u "$tmp/listed" "$tmp/differences"; then
	echo "the emulated host does not answer as the real one: -< and -> were listed," \
		"+< is real, +> is emulated"
	exit 1
fi
