#!/bin/sh
# SPDX-License-Identifier: MIT
# The stand-ins export what the distribution's libraries do, with the same
# names and versions: any program that starts with those starts with these.
# usage: test-stand-in-symbols.sh BUILD_DIR
# shellcheck source=test/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

system=/usr/lib/$(cc -dumpmachine)
[ -e "$system/libxengnttab.so.1" ] || skip "no libxengnttab in $system"

symbols() {
	nm -D --defined-only --with-symbol-versions "$1" |
		awk '$2 ~ /[TDA]/ { print $2, $3 }' | sort
}

soname() { readelf -d "$1" | sed -n 's/.*SONAME.*\[\(.*\)\]/\1/p'; }

for lib in libxengnttab.so.1 libxenevtchn.so.1 libxencall.so.1 \
	libxenforeignmemory.so.1 libxendevicemodel.so.1; do
	[ -e "$system/$lib" ] || continue
	theirs=$(symbols "$system/$lib")
	ours=$(symbols "$1/$lib")
	equal "symbols of $lib" "$ours" "$theirs"
	equal "soname of $lib" "$(soname "$1/$lib")" "$lib"
done
