#!/bin/sh
# SPDX-License-Identifier: MIT
# What one end sees when the other dies: a killed process is an event and
# is_open 0; a destroyed domain is neither, as on Xen.
# shellcheck source=test/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
host 1 2

path=/local/domain/1/data/v

# start END ACTION: domain 1 serves, domain 2 is its client; output in $dir.
server='' client='' # of start; by eval
start() {
	case $1 in
	server) set -- server "$2" 1 2 data/v ;;
	client) set -- client "$2" 2 1 $path ;;
	esac
	: >"$dir/$1" # by the shell in the background it would be too late
	"$XENHOST" run -d "$3" -- "$VCHAN_PEER" "$1" "$2" "$4" "$5" \
		>"$dir/$1" 2>&1 &
	eval "$1=$!"
}

both_open() {
	wait_for grep -q open "$dir/server"
	wait_for grep -q open "$dir/client"
}

for victim in server client; do
	survivor=client
	[ $victim = client ] && survivor=server
	start $victim stay
	start $survivor hold
	both_open
	# SIGKILL to `run` is SIGKILL to its program.
	eval "kill -9 \$$victim"
	eval "wait \$$survivor" || fail "$survivor of a killed $victim"
	grep -q closed "$dir/$survivor" || fail "$survivor saw no close"
	eval "wait \$$victim" || true
	# A client of Xen's library may take a dead server's nodes for those
	# of the next one, and fail after it was seen.
	! dom 1 xenstore-exists data/v || dom 1 xenstore-rm data/v
done

# A second client is refused while the first is there.
start server hold
start client stay
both_open
! dom 2 "$VCHAN_PEER" client try 1 $path 2>"$dir/second" ||
	fail "a second client was let in"
kill -9 "$client"
wait "$server" "$client" || true
! dom 1 xenstore-exists data/v || dom 1 xenstore-rm data/v

# The domain's end: its processes, at once; its peer is not told.
start server stay
start client hold
both_open
"$XENHOST" destroy 1
if wait "$server"; then fail "the server outlived its domain"; fi
grep -q 'domain 1 was destroyed' "$dir/server" || fail "run does not say why"
kill -0 "$client" || fail "the client saw the end of its peer's domain"
equal "state while mapped" "$(column state 1)" dying
! "$XENHOST" create 1 2>"$dir/busy" || fail "the id was used again too early"
grep -q 'still map' "$dir/busy" || fail "no reason: $(cat "$dir/busy")"
"$XENHOST" destroy 2
wait "$client" || true
equal "state when unmapped" "$(column state 1)" ""
"$XENHOST" create 1 >/dev/null || fail "the id is free again"
