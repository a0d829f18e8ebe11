#!/bin/sh
# SPDX-License-Identifier: MIT
# The commands of xenhost: what they print, how they fail, what they leave.
# shellcheck source=test/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
host 1

# status WANTED COMMAND...
status() {
	wanted=$1
	shift
	got=0
	"$@" >"$dir/out" 2>"$dir/err" || got=$?
	equal "status of $*" "$got" "$wanted"
}

# Exit codes, and one line that names the thing.
status 0 "$XENHOST" up
status 2 "$XENHOST"
status 2 "$XENHOST" frobnicate
status 2 "$XENHOST" create 99999
status 2 "$XENHOST" create 7 --grants many
status 1 "$XENHOST" create 1
grep -q 'domain 1 exists' "$dir/err" || fail "$(cat "$dir/err")"
status 1 "$XENHOST" destroy 5
grep -q 'no domain 5; see' "$dir/err" || fail "$(cat "$dir/err")"
status 1 "$XENHOST" destroy 0
status 1 "$XENHOST" create 7 'a b'
status 1 "$XENHOST" --dir "$dir/none" list
grep -q 'xenhost up' "$dir/err" || fail "$(cat "$dir/err")"
status 1 "$XENHOST" --dir "/tmp/$(printf '%0100d' 0)" up
status 2 "$XENHOST" fault add -d 1 gntshr-share --errno EWHAT
status 2 "$XENHOST" fault add -d 1 nothing --errno EIO
status 0 "$XENHOST" --help
status 0 "$XENHOST" run --help

# Listings for programs.
equal "lowest free id" "$("$XENHOST" create)" 2
equal "name" "$(column name 1)" domu1
"$XENHOST" list --json >"$dir/json"
if command -v python3 >/dev/null; then
	python3 -c 'import json, sys
assert [d["id"] for d in json.load(open(sys.argv[1]))] == [0, 1, 2]' \
		"$dir/json" || fail "list --json: $(cat "$dir/json")"
fi

# run: exit status, signals, the caller's libraries behind ours.
status 7 dom 1 sh -c 'exit 7'
status 127 dom 1 no-such-program
status 126 dom 1 /etc/passwd
status 143 dom 1 sh -c 'kill -TERM $$'

# The program is found, and a script without #! run, as by a shell.
mkdir "$dir/bin" "$dir/dirs" "$dir/dirs/found" "$dir/dirs/none"
echo "echo got \"\$@\"" >"$dir/bin/found"
cp "$dir/bin/found" "$dir/bin/locked"
chmod +x "$dir/bin/found"
found_in() {
	at_path=$1 wants=$2
	shift 2
	cd "$dir/bin"
	status "$wants" env PATH="$at_path" "$XENHOST" run -d 1 -- "$@"
	cd "$OLDPWD"
}
found_in "$dir/dirs::$PATH" 0 found 1 '2 3'
equal "an empty part of \$PATH" "$(cat "$dir/out")" "got 1 2 3"
found_in "$dir/dirs:$dir/bin:$PATH" 0 found x
found_in "$PATH" 0 ./found x
found_in "$dir/dirs:$PATH" 126 none
found_in "$dir/bin:$PATH" 126 locked
found_in "$PATH" 127 ""

"$XENHOST" run -d 1 sleep 60 &
wait_for sh -c "ps -o args= --ppid $! | grep -q '^sleep'"
kill -TERM $!
got=0
wait $! || got=$?
equal "status after a passed-on SIGTERM" "$got" 143
# shellcheck disable=SC2016 # for the shell in the domain
LD_LIBRARY_PATH=/mine "$XENHOST" run -d 1 \
	sh -c 'echo "$LD_LIBRARY_PATH"' >"$dir/path"
grep -q '/.*:/mine$' "$dir/path" || fail "library path: $(cat "$dir/path")"


# What the caller ignores the program ignores, and it costs us nothing.
ignoring() { timeout -s KILL 60 env --ignore-signal=CHLD "$XENHOST" run -d 1 "$@"; }
status 7 ignoring sh -c 'exit 7'
ignoring cat /proc/self/status >"$dir/status"
grep -q 'SigIgn:.*1....$' "$dir/status" || fail "SIGCHLD is not ignored"

# Faults: the n-th call, and then no more.
"$XENHOST" fault add -d 1 xs-write --nth 2 --errno ENOSPC
status 0 dom 1 xenstore-write data/a 1
status 1 dom 1 xenstore-write data/a 2
status 0 dom 1 xenstore-write data/a 3
equal "calls seen" "$("$XENHOST" fault list -d 1 | cut -f 7 | tail -1)" 3
"$XENHOST" fault clear -d 1
equal "faults" "$(column faults 1)" 0

# Two hosts know nothing of each other; a killed one leaves nothing that hurts.
other=$dir/other
"$XENHOST" --dir "$other" create 1 other >/dev/null
equal "name here" "$(column name 1)" domu1
killed=$(pgrep -f -- "--dir $other create 1 other") || true
if [ -n "$killed" ]; then
	kill -9 "$killed"
	"$XENHOST" --dir "$other" up
	[ "$("$XENHOST" --dir "$other" list --tsv | wc -l)" = 2 ] ||
		fail "a new host has old domains"
fi
"$XENHOST" --dir "$other" down
[ ! -e "$other" ] || fail "down left $other"

# Processes that a program leaves behind end with their domain, by whatever name
# of its directory they were started, and with a host that was killed.
is_gone() { ! kill -0 "$1" 2>/dev/null || grep -q '^State:.Z' "/proc/$1/status"; }
# left_by COMMAND...: the pid of a process that the command leaves behind.
left_by() {
	"$@" sh -c 'sleep 1000 & echo $!' >"$dir/left"
	left=$(cat "$dir/left")
	! is_gone "$left" || fail "a background process ended with its command"
}
ln -s h "$dir/link"
mkdir "$dir/sub"
cd "$dir/sub"
for name in ./../h/ ../link "$dir/sub/../h/"; do
	left_by "$XENHOST" --dir "$name" run -d 5
	"$XENHOST" destroy 5
	is_gone "$left" || fail "$name: a process outlived its domain"
done
cd /
big=$(printf '%0100000d' 0)
left_by env BIG1="$big" BIG2="$big" "$XENHOST" run -d 1
"$XENHOST" destroy 1
is_gone "$left" || fail "a process with a large environment"

left_by "$XENHOST" --dir "$other" run -d 1
kill -9 "$(pgrep -f -- "--dir $other run")"
"$XENHOST" --dir "$other" down
is_gone "$left" || fail "a process outlived its host"
[ ! -e "$other" ] || fail "down left $other"
