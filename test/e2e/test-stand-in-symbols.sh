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

for lib in libxengnttab.so.1 libxenevtchn.so.1; do
	theirs=$(symbols "$system/$lib")
	ours=$(symbols "$1/$lib")
	equal "symbols of $lib" "$ours" "$theirs"
	equal "soname of $lib" "$(soname "$1/$lib")" "$lib"
done

# Of libxenctrl only what vchan-socket-proxy needs, in the distribution's way.
equal "soname of libxenctrl" "$(soname "$1/libxenctrl.so.4.17")" \
	libxenctrl.so.4.17
symbols "$1/libxenctrl.so.4.17" | while read -r symbol; do
	symbols "$system/libxenctrl.so.4.17" | grep -qxF "$symbol" ||
		fail "libxenctrl has no $symbol"
done
proxy=/usr/lib/xen-4.17/bin/vchan-socket-proxy
if [ -x "$proxy" ]; then
	for name in $(nm -D "$proxy" | awk '$2 ~ /^xc_/ { print $2 }' |
		sed 's/@.*//'); do
		symbols "$1/libxenctrl.so.4.17" | grep -q " $name@" ||
			fail "vchan-socket-proxy needs $name"
	done
fi
