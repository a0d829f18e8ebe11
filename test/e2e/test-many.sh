#!/bin/sh
# SPDX-License-Identifier: MIT
# Many servers in one process and their clients in another, of two domains; and as
# many servers as an unprivileged domain may have, and the error after them.
#
# usage: test-many.sh N
# shellcheck source=test/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
host 1 2
many=$1

# A descriptor for the memory and one for the events each, and one or two a
# process: xenstore's, and the counters'.
few_descriptors() {
	read -r ready n fds <"$1"
	equal "$1" "$ready $n" "ready $many"
	[ "$fds" -le $((2 * n + 8)) ] || fail "$1: $fds descriptors for $n"
}

nothing_is_left() {
	for id; do
		for what in pages_shared pages_mapped ports; do
			equal "$what of $id" "$(column "$what" "$id")" 0
		done
		! dom 0 xenstore-ls -f "/local/domain/$id/data" |
			grep crowd/ || fail "nodes of $id are left"
	done
}

dom 0 "$CROWD_OURS" server 1 "$many" >"$dir/server" &
wait_for grep -q ready "$dir/server"
dom 1 "$CROWD_OURS" client 0 "$many" >"$dir/client" || fail "a client"
wait $! || fail "a server"
few_descriptors "$dir/server"
few_descriptors "$dir/client"
nothing_is_left 0 1

# xenstore's quota of 1000 nodes a domain, three a server.
for turn in 1 2; do
	dom 2 "$CROWD_OURS" fill 1 1000 >"$dir/full" || fail "fill: $turn"
	read -r why n fds <"$dir/full"
	equal "the last one" "$why" ENOSPC
	[ "$n" -ge 310 ] || fail "only $n servers"
	nothing_is_left 2
	equal "turn $turn" "$n" "${n_before:=$n}"
done
