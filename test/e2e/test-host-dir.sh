#!/bin/sh
# SPDX-License-Identifier: MIT
# The directory of a host: what in it is the host's to remove, and who may have it.
# shellcheck source=test/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
host

at() {
	at_dir=$1
	shift
	"$XENHOST" --dir "$at_dir" "$@"
}

# state DIR: its mode, and what is in it.
state() { stat -c %a "$1" && ls -A "$1"; }

# A user's own directory is left alone, whatever the names in it are.
mine=$dir/mine
mkdir -m 755 "$mine"
touch "$mine/ctl" "$mine/log" "$mine/notes.xs" "$mine/1.hv" "$mine/1.xs"
before=$(state "$mine")
for command in up 'up --foreground' create 'run -d 1 true'; do
	# shellcheck disable=SC2086 # words
	! at "$mine" $command 2>"$dir/err" || fail "$command in $mine"
	grep -q "no host's; choose another" "$dir/err" || fail "$(cat "$dir/err")"
done
at "$mine" down
equal "a user's directory" "$(state "$mine")" "$before"
echo mine >"$mine/lock" # nor with a lock of somebody's
! at "$mine" up 2>"$dir/err" || fail "up in $mine"
at "$mine" down
rm "$mine/lock"
equal "a user's directory" "$(state "$mine")" "$before"
ln -s "$dir/err" "$mine/lock"
! at "$mine" up 2>/dev/null || fail "up by a symbolic link"
rm -r "$mine"

# An empty one can be a host's. Files that somebody puts there stay.
mkdir -m 755 "$mine"
at "$mine" up
equal "mode" "$(stat -c %a "$mine")" 700
touch "$mine/notes.xs" "$mine/77.hv"
at "$mine" create 5 >/dev/null
at "$mine" down
equal "what down left" "$(ls -A "$mine")" "$(printf '77.hv\nnotes.xs')"
rm -r "$mine"

# A host that was killed: its log is kept for a look, and gone with the next host.
at "$mine" up
kill -9 "$(pgrep -f -- "--dir $mine up")"
wait_for flock -n "$mine/lock" true
echo 'its last words' >>"$mine/log"
at "$mine" up
grep -q 'its last words' "$mine/log.old" || fail "the log is gone"
at "$mine" down
[ ! -e "$mine" ] || fail "down left $(ls -A "$mine")"

# A host starts with few descriptors, and with its caller's streams closed; its
# lock is its own all the same.
few() { timeout 60 prlimit --nofile=256 "$XENHOST" --dir "$mine" "$@"; }
few up || fail "up: $?"
few create 1 >/dev/null || fail "create: $?"
at "$mine" down
few run -d 1 true || fail "run: $?"
at "$mine" down
at "$mine" up <&- >&-
! flock -n "$mine/lock" true || fail "the host lost its lock"
at "$mine" up
equal "domains" "$(at "$mine" list --tsv | wc -l)" 2
# shellcheck disable=SC2016 # for the shell in the domain
dom 0 sh -c '[ ! -e /proc/$$/fd/0 ]' <&- || fail "run opened a stream"
at "$mine" down
