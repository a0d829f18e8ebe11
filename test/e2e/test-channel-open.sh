#!/bin/sh
# SPDX-License-Identifier: MIT
# `xenchan channel open` and `names` in a guest: waiting for the channel, both
# ways of bytes, commands, who else has it, and how it ends.
# shellcheck source=test/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
host

"$XENHOST" create 1
# Run by dom, in domain 0 and in the guest; the directory is this guest's.
attach() { dom 0 "$XENCHAN" channel attach -d 1 "$@"; }
names() { dom 1 "$XENCHAN" channel names "$@"; }
opens() { dom 1 "$XENCHAN" channel open --dir "$dir/channels" "$@"; }

# In the background: the backend of device $1, with a FIFO for its input.
backend() {
	mkfifo "$dir/to$1"
	dom 0 "$CHANNEL_BACKEND" 1 "$1" <"$dir/to$1" >"$dir/from$1" &
	backend_pid=$!
}
state() { names --tsv | awk -F '\t' -v n="$1" '$1 == n { print $3 }'; }
is_state() { [ "$(state "$1")" = "$2" ]; }
says() { [ "$(cat "$1")" = "$2" ]; }

# There is none yet.
equal "names" "$(names --json)" "[]"
equal "columns" "$(names --tsv)" \
	"$(printf 'name\tdevice\tfrontend\tbackend-state\tbackend\tuser')"
status=0
opens org.example.a --timeout 100ms 2>"$dir/err" </dev/null || status=$?
equal "status without the channel" "$status" 1
grep -q 'no such channel' "$dir/err" || fail "$(cat "$dir/err")"
equal "lines" "$(wc -l <"$dir/err")" 1

# One that appears while somebody waits for it; the host speaks first.
printf 'from the guest\n' | opens org.example.a >"$dir/out" &
opener=$!
attach org.example.a --pty
backend 1
exec 8>"$dir/to1"
wait "$opener" || fail "open"
equal "what the host got" "$(cat "$dir/from1")" "from the guest"
wait_for is_state org.example.a initialising

# The same again, on the nodes of before, with the command's status.
printf 'question\n' >&8
status=0
# shellcheck disable=SC2016 # for the shell in the guest
opens org.example.a --exec sh -c \
	'read -r q; echo "$q answered on $XEN_CHANNEL"; exit 7' || status=$?
equal "status of the command" "$status" 7
equal "what the host got then" "$(tail -n 1 "$dir/from1")" \
	"question answered on org.example.a"

# Only one at a time; the second one names the first.
mkfifo "$dir/in"
opens org.example.a <"$dir/in" >"$dir/out" &
opener=$!
exec 9>"$dir/in"
wait_for is_state org.example.a connected
status=0
opens org.example.a </dev/null 2>"$dir/err" || status=$?
equal "status of the second" "$status" 1
grep -q 'in use by process [0-9]' "$dir/err" || fail "$(cat "$dir/err")"

# What the host sends while the channel is open, and a detach: all of it is
# received, and that is the end.
printf 'last words' >&8
wait_for says "$dir/out" "last words"
dom 0 "$XENCHAN" channel detach -d 1 org.example.a
wait "$opener" || fail "open, detached"
exec 8>&- 9>&-
wait "$backend_pid" || fail "backend"
equal "names after detach" "$(names --json)" "[]"

# Two of one name, as another toolstack may make them: which one?
attach org.example.a --pty
attach org.example.b --pty
dom 0 xenstore-write /local/domain/1/device/console/2/name org.example.a
status=0
opens org.example.a </dev/null 2>"$dir/err" || status=$?
equal "status of two" "$status" 1
grep -q -- '--device' "$dir/err" || fail "$(cat "$dir/err")"
status=0
opens org.example.a --device 2 --timeout 100ms </dev/null 2>"$dir/err" || status=$?
equal "status without a backend" "$status" 1
grep -q 'did not connect' "$dir/err" || fail "$(cat "$dir/err")"

# A process that is killed leaves the channel for the next one.
dom 0 xenstore-write /local/domain/1/device/console/2/name org.example.b
backend 2
exec 8>"$dir/to2"
# shellcheck disable=SC2016 # for the shell in the guest
opens org.example.b --exec sh -c 'kill -9 $PPID' || true
echo again | opens org.example.b
wait_for says "$dir/from2" again
exec 8>&-

for what in pages_shared ports; do
	equal "domain 1: $what" "$(column "$what" 1)" 0
done
dom 0 "$XENCHAN" channel detach -d 1 org.example.b
wait "$backend_pid" || fail "backend 2"
