#!/bin/sh
# SPDX-License-Identifier: MIT
# test-close-race.sh SESSIONS: as many in which a process writes and closes at once while
# another reads, half in each role. No byte is lost.
# shellcheck source=test/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
host 1 2
n=$(($1 / 2))
for writer in client server; do
	dom 1 "$CLOSE_RACE" server $writer 2 data/v "$dir/turns-$writer" $n &
	server=$!
	dom 2 "$CLOSE_RACE" client $writer 1 /local/domain/1/data/v "$dir/turns-$writer" $n ||
		fail "the client, of writing ${writer}s"
	wait $server || fail "the server, of writing ${writer}s"
	echo "$n ${writer}s wrote and closed, no byte lost"
done
