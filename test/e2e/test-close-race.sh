#!/bin/sh
# SPDX-License-Identifier: MIT
# test-close-race.sh client|server|both SESSIONS...: as many, of SESSIONS the last counts, in
# which a process writes and closes at once while another reads. Who writes. No byte is lost.
# shellcheck source=test/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
host 1 2
writers=$1
[ "$writers" != both ] || writers='client server'
for n; do :; done
for writer in $writers; do
	dom 1 "$CLOSE_RACE" server "$writer" 2 data/v "$dir/turns-$writer" "$n" &
	server=$!
	dom 2 "$CLOSE_RACE" client "$writer" 1 /local/domain/1/data/v "$dir/turns-$writer" "$n" ||
		fail "the client, of writing ${writer}s"
	wait $server || fail "the server, of writing ${writer}s"
done
