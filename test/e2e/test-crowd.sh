#!/bin/sh
# SPDX-License-Identifier: MIT
# The size that a host is made for: 200 domains, and 1,000 vchans at once, ten
# between each of 100 pairs of domains.
# shellcheck source=test/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck disable=SC2046 # one word an id
host $(seq 1 200)

servers='' clients=''
for id in $(seq 1 100); do
	dom "$id" "$CROWD" server $((id + 100)) 10 >"$dir/ready$id" &
	servers="$servers $!"
done
all_ready() { [ "$(cat "$dir"/ready* | grep -c ready)" = 100 ]; }
wait_for all_ready

for id in $(seq 1 100); do
	dom $((id + 100)) "$CROWD" client "$id" 10 >/dev/null &
	clients="$clients $!"
done
# The clients first: a server waits for its clients for ever.
for pid in $clients $servers; do
	wait "$pid" || fail "one of the crowd"
done
idle() { ! "$XENHOST" list --tsv | cut -f 5-9 | grep -v '^[a-z]' | grep -q '[1-9]'; }
wait_for idle

# Many between two domains, as xenstore's quota of 1000 nodes a domain allows.
n=300
dom 1 "$CROWD" server 2 $n >"$dir/ready" &
wait_for grep -q ready "$dir/ready"
dom 2 "$CROWD" client 1 $n >/dev/null || fail "client of $n"
wait $! || fail "server of $n"
