#!/bin/sh
# SPDX-License-Identifier: MIT
# `xenchan channel open --exec` in a guest: the channel lasts as long as the
# command does, whatever it closes, and no longer than the host's patience.
# shellcheck source=test/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
host

"$XENHOST" create 1
detach() { dom 0 "$XENCHAN" channel detach -d 1 org.example.a; }
opens() { dom 1 "$XENCHAN" channel open --dir "$dir/channels" org.example.a "$@"; }
node() { dom 0 xenstore-read "/local/domain/1/device/console/1/$1" 2>/dev/null; }
is_open() { [ "$(node guest-open)" = 1 ]; }
is_state() { [ "$(node state)" = "$1" ]; }

# A new channel with a backend, whose input is written to descriptor 8.
attach() {
	dom 0 "$XENCHAN" channel attach -d 1 org.example.a --pty
	rm -f "$dir/to"
	mkfifo "$dir/to"
	dom 0 "$CHANNEL_BACKEND" 1 1 <"$dir/to" >"$dir/from" &
	backend=$!
	exec 8>"$dir/to"
}
end_backend() {
	exec 8>&-
	wait "$backend" || fail "backend"
}

# A command that cannot be run: the channel is closed again, not left behind.
attach
status=0
opens --exec "$dir/missing" 2>"$dir/err" || status=$?
equal "status without a command" "$status" 1
grep -q 'cannot run .*/missing' "$dir/err" || fail "$(cat "$dir/err")"
is_state 1 || fail "left at state $(node state)"
equal "guest-open" "$(node guest-open)" ""

# One that closes its output, here at once, is still there: what the host sends
# later it gets, all of it.
head -c 100000 /dev/urandom >"$dir/doc"
# shellcheck disable=SC2016 # for the shell in the guest
opens --exec sh -c 'exec cat >"$1"' sh "$dir/got" &
opener=$!
wait_for is_open
sleep 0.5
cat "$dir/doc" >&8
is_whole() { [ "$(wc -c <"$dir/got")" = 100000 ]; }
wait_for is_whole
detach
wait "$opener" || fail "status of a command that closed its output"
cmp "$dir/doc" "$dir/got"
end_backend

# Its status is waited for, not its output; and what it wrote is taken.
attach
status=0
opens --exec sh -c 'echo said; exec >&-; sleep 1; exit 3' || status=$?
equal "status of a command without output" "$status" 3
equal "what it said" "$(cat "$dir/from")" said

# With --eof close, the end of its output is the end: it reads end of file.
status=0
opens --eof close --exec sh -c 'echo said; exec >&-; cat; exit 4' || status=$?
equal "status with --eof close" "$status" 4
equal "what was said" "$(cat "$dir/from")" "said
said"

# Its own children, who still hold the pipes, do not count; our parent may ignore
# the deaths of children.
status=0
# shellcheck disable=SC2016 # for the shell in the guest
dom 1 env --ignore-signal=CHLD "$XENCHAN" channel open --dir "$dir/channels" \
	org.example.a --exec sh -c \
	'sleep 60 </dev/null & echo $! >"$0"; exit 5' "$dir/child" || status=$?
kill "$(cat "$dir/child")"
equal "status of a command with children" "$status" 5

# A command that does not read: it may take five seconds, and not for ever.
opens --exec sh -c 'exec sleep 1000' &
opener=$!
wait_for is_open
dd if=/dev/zero of=/dev/fd/8 bs=1000 count=66 2>"$dir/err"
detach
status=0
wait "$opener" || status=$?
equal "status of a command that did not read" "$status" 143
end_backend
