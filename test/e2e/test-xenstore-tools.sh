#!/bin/sh
# SPDX-License-Identifier: MIT
# The distribution's xenstore-* tools, unmodified, in emulated domains.
# shellcheck source=test/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
command -v xenstore-ls >/dev/null || skip "no xenstore-utils"
host 1 2

# What a toolstack writes, and who may see it.
equal "own name" "$(dom 1 xenstore-read name)" domu1
equal "own id" "$(dom 2 xenstore-read domid)" 2
dom 0 xenstore-ls -fp /local/domain/1 >"$dir/ls"
grep -qx '/local/domain/1/data = ""   (n1)' "$dir/ls" || fail "no data node"
grep -qx '/local/domain/1/domid = "1"   (n0,r1)' "$dir/ls" || fail "no domid"
! dom 1 xenstore-read /local/domain/2/name 2>/dev/null ||
	fail "a domain reads another's nodes"
! dom 1 xenstore-write name x 2>/dev/null || fail "a domain renames itself"

# A node for one peer, as a vchan server makes it.
dom 1 xenstore-write data/key value
! dom 2 xenstore-read /local/domain/1/data/key 2>/dev/null ||
	fail "readable before it was granted"
dom 1 xenstore-chmod data/key n1 r2
equal "granted key" "$(dom 2 xenstore-read /local/domain/1/data/key)" value
dom 0 xenstore-ls -fp /local/domain/1/data |
	grep -qxF '/local/domain/1/data/key = "value"   (n1,r2)' ||
	fail "permissions: $(dom 0 xenstore-ls -fp /local/domain/1/data)"

# A watch fires for a change made by another domain, and for domains' ends.
dom 0 timeout 30 xenstore-watch -n 2 /local/domain/1/data/key >"$dir/watch" &
watcher=$!
wait_for grep -q key "$dir/watch" # the one that each watch starts with
dom 1 xenstore-write data/key other
wait $watcher || fail "the watch did not fire"

dom 0 timeout 30 xenstore-watch -n 2 @releaseDomain >"$dir/release" &
watcher=$!
wait_for grep -q release "$dir/release"
"$XENHOST" destroy 2
wait $watcher || fail "@releaseDomain did not fire"
! dom 0 xenstore-read /local/domain/2/name 2>/dev/null || fail "nodes stay"
