#!/bin/sh
# SPDX-License-Identifier: MIT
# A domain's id is used again: the new one has none of the dead one's rights, also
# not those that it was given while its pages kept it from being gone.
# shellcheck source=test/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
host 2 3

# The two ends of a vchan, so that domain 2 maps pages of domain 3.
"$XENHOST" run -d 3 -- "$VCHAN_PEER" server stay 2 data/v >"$dir/server" 2>&1 &
server=$!
"$XENHOST" run -d 2 -- "$VCHAN_PEER" client stay 3 /local/domain/3/data/v \
	>"$dir/client" 2>&1 &
client=$!
wait_for grep -q open "$dir/server"
wait_for grep -q open "$dir/client"
dom 0 xenstore-write /before 1
dom 0 xenstore-chmod /before n0 r3
dom 3 xenstore-read /before >/dev/null

"$XENHOST" destroy 3
wait "$server" || true
equal "state while mapped" "$(column state 3)" dying
dom 0 xenstore-write /late 1
dom 0 xenstore-chmod /late n0 r3
dom 0 xenstore-write /owned 1
dom 0 xenstore-chmod /owned n3

# What `run` runs ends with it.
kill -9 "$client"
wait "$client" || true
wait_for "$XENHOST" create 3
for node in /before /late; do
	dom 0 xenstore-exists "$node" || fail "$node is gone"
	! dom 3 xenstore-read "$node" 2>/dev/null ||
		fail "the new domain 3 reads $node"
done
! dom 0 xenstore-exists /owned || fail "the new domain 3 owns /owned"
