#!/bin/sh
# SPDX-License-Identifier: MIT
# The distribution's libxenvchan, unmodified, at both ends, in two domains:
# data both ways, every byte checked, for rings in and outside of the page.
# shellcheck source=test/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
host 1 2

for ring in 0 4096 65536 1048576; do
	dom 1 "$VCHAN_PEER" server move 2 data/v 20000000 "$ring" &
	dom 2 "$VCHAN_PEER" client move 1 /local/domain/1/data/v 20000000 ||
		fail "client, ring $ring"
	wait $! || fail "server, ring $ring"
done

idle() { [ "$(column processes 1)$(column processes 2)" = 00 ]; }
wait_for idle
# Everything that the four made is gone with them.
for id in 1 2; do
	for what in pages_shared pages_mapped ports; do
		equal "domain $id: $what" "$(column "$what" "$id")" 0
	done
	[ "$(column events "$id")" -gt 0 ] || fail "domain $id sent no events"
done
