#!/bin/sh
# SPDX-License-Identifier: MIT
# Programs of the distribution that use libxenctrl, unmodified, in emulated
# domains: they start, learn which domains there are, and are told ENOSYS of
# what is not there.
# shellcheck source=test/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
bin=/usr/lib/xen-4.17/bin
[ -x "$bin/xl" ] || skip "no xen-utils-4.17"
host 1 2

# listed DOMAIN ID-OR-NAME...: what xl lists there.
listed() {
	id=$1
	dom "$id" "$bin/xl" list >"$dir/list" 2>"$dir/errors"
	shift
	equal "xl list in $id" \
		"$(awk 'NR > 1 { print $1 == "(null)" ? $2 : $1 }' "$dir/list" |
			paste -sd' ')" "$*"
	[ ! -s "$dir/errors" ] || fail "xl says $(cat "$dir/errors")"
}
listed 0 Domain-0 domu1 domu2
# Unlike on Xen any domain may ask, but not for another's name.
listed 1 0 domu1 2
"$XENHOST" destroy 2
listed 0 Domain-0 domu1
equal "xl domid" "$(dom 0 "$bin/xl" domid domu1)" 1

"$XENHOST" fault add -d 0 xc-open --errno EPERM
! dom 0 "$bin/xl" list 2>"$dir/errors" || fail "xl opens in spite of a fault"
grep -q 'Operation not permitted' "$dir/errors" || fail "$(cat "$dir/errors")"

equal "xenstore-control" "$(dom 0 "$bin/xenstore-control" check)" OK

# fails_with TEXT PROGRAM ARGUMENT...
fails_with() {
	text=$1
	shift
	program=$bin/$1
	shift
	dom 0 "$program" "$@" >"$dir/errors" 2>&1 || :
	grep -q "$text" "$dir/errors" || fail "$program: $(cat "$dir/errors")"
}
fails_with 'Function not implemented' lsevtchn 1
fails_with 'Function not implemented' xl info
fails_with 'Function not implemented' xenctx 1
