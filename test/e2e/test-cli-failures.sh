#!/bin/sh
# SPDX-License-Identifier: MIT
#
# xenchan when something is wrong: it ends, with the right status, one line that
# says why, and nothing left behind.
# shellcheck source=test/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

# run STATUS TEXT COMMAND...: in the foreground; standard error has one line
# with the text, or none at all if that is empty.
run() {
	wanted=$1 text=$2
	shift 2
	status=0
	"$@" 2>err || status=$?
	ends "$*" "$status" "$wanted" "$text" err
}

# ends WHAT STATUS WANTED TEXT ERR
ends() {
	[ "$2" = "$3" ] || fail "$1: status $2, not $3: $(cat "$5")"
	if [ -z "$4" ]; then
		[ -s "$5" ] && fail "$1: says: $(cat "$5")"
		return 0
	fi
	grep -q -e "$4" "$5" || fail "$1: no \"$4\" in: $(cat "$5")"
	equal "$1: lines on standard error" "$(wc -l <"$5")" 1
}

# start NAME DOMAIN ARGUMENT...: in the background; its output goes to NAME.out
# and NAME.err, its process id to NAME.pid
start() {
	name=$1 in=$2
	shift 2
	rm -f "$name.pid"
	# Not by the shell in the background: it might be too late.
	: >"$name.out"
	: >"$name.err"
	exec 3<&0 # which the shell takes from what runs in the background
	# shellcheck disable=SC2016 # the inner shell's
	dom "$in" sh -c 'echo $$ >"$0.tmp" && mv "$0.tmp" "$0.pid" && exec "$@"' \
		"$name" "$XENCHAN" vchan "$@" \
		<&3 3<&- >"$name.out" 2>"$name.err" &
	echo $! >"$name.job"
	exec 3<&-
}

# finish NAME STATUS TEXT
finish() {
	status=0
	wait "$(cat "$1.job")" || status=$?
	ends "$1" "$status" "$2" "$3" "$1.err"
}

# gone NAME: whatever its status
gone() {
	wait "$(cat "$1.job")" || :
}

signal() {
	kill "-$1" "$(cat "$2.pid")"
}

# takes_signals NAME: it is past its start, where a signal just ends it
takes_signals() {
	caught=$(sed -n 's/^SigCgt:[[:space:]]*//p' "/proc/$(cat "$1.pid")/status")
	[ -n "$caught" ] && [ $((0x$caught >> 14 & 1)) = 1 ]
}

serves() { dom 1 xenstore-exists "$1/event-channel"; }
is_connected() { [ "$(column ports 2)" = 1 ]; }
has_output() { [ -s "$1.out" ]; }

nothing_is_left() {
	equal "$1: nodes" "$(dom 1 xenstore-ls data | grep -c ring-ref)" 0
	for id in 1 2; do
		for what in pages_shared pages_mapped ports processes; do
			equal "$1: domain $id: $what" \
				"$(column "$what" "$id")" 0
		done
	done
}

host
exec </dev/null
"$XENHOST" create 1 >/dev/null
"$XENHOST" create 2 >/dev/null
"$XENHOST" create 3 >/dev/null
cd "${dir:?}" || exit

# Usage
for command in "" "--foo" "vchan" "vchan lisen" "vchan listen" \
	"vchan listen -d 2" "vchan listen data/x" "vchan listen -d 2 a b" \
	"vchan listen -d 32752 a" "vchan listen -d -1 a" "vchan listen -d" \
	"vchan listen -d 2 --ring 2M a" "vchan listen -d 2 --ring 1K, a" \
	"vchan listen -d 2 --ring ,1K a" "vchan listen -d 2 --ring 1,2,3 a" \
	"vchan listen -d 2 --eof=never a" "vchan listen -d 2 --timeout 1h a" \
	"vchan listen -d 2 --progress=yes a" "vchan listen -d 2 -x a" \
	"vchan connect -d 2 --ring 4K a" "doctor now" "doctor --jso=n" \
	"vchan proxy -d 2 a" "vchan proxy -d 2 --stdio" \
	"vchan proxy --stdio a" "vchan proxy -d 2 a b --stdio" \
	"vchan proxy -d 2 a --stdio --listen s" "vchan proxy -d 2 a --exec" \
	"vchan proxy -d 2 a --listen" "vchan proxy -d 2 a --stdio --exec cat" \
	"vchan proxy -d 2 a --connect s --mode 600" \
	"vchan proxy -d 2 a --listen s --mode 8" \
	"vchan proxy -d 2 a --listen s --mode 1777" \
	"vchan proxy -d 2 a --listen s --ring 4K" \
	"vchan proxy -d 2 a --listen s --max-sessions 0" \
	"vchan proxy -d 2 a --listen s --max-sessions 1001" \
	"vchan proxy -d 2 a --listen s --idle x" \
	"vchan proxy -d 2 a --connect s --compat --max-sessions 2"; do
	# shellcheck disable=SC2086 # several words
	run 2 "(see: xenchan" "$XENCHAN" $command </dev/null
done
run 2 "did you mean: vchan listen" "$XENCHAN" vchan lisen
run 2 "did you mean: vchan connect" "$XENCHAN" conect
run 2 "did you mean: vchan connect" "$XENCHAN" conect -d 1 path
run 2 "no command \"vchn\"; did you mean: vchan (see: xenchan --help)" \
	"$XENCHAN" vchn
run 2 "no command \"vhcan lisen\"; did you mean: vchan listen (" \
	"$XENCHAN" vhcan lisen -d 1 path
run 2 "no command \"conect\"; did you mean: vchan connect (" \
	"$XENCHAN" conect data/x
run 2 "no command \"quite\" (see" "$XENCHAN" quite different
run 0 "" "$XENCHAN" --help >/dev/null
run 0 "" "$XENCHAN" vchan --help >/dev/null
run 0 "" "$XENCHAN" vchan listen --help >/dev/null
run 0 "" "$XENCHAN" --version >/dev/null
run 1 "standard output: No space" "$XENCHAN" --help >/dev/full

# Not on Xen at all: said at once, not waited for
run 1 "not a domain of Xen" "$XENCHAN" vchan connect -d 1 data/x
run 1 "not a domain of Xen" "$XENCHAN" vchan listen -d 1 data/x
run 1 "not a domain of Xen" "$XENCHAN" vchan proxy -d 1 data/x --exec cat
run 1 "not a domain of Xen" "$XENCHAN" vchan proxy -d 1 data/x --listen "$dir/s"
[ -e "$dir/s" ] && fail "the socket of a proxy that failed is left"
"$XENCHAN" doctor >found && fail "doctor is content where there is no Xen"
grep -q "MISSING" found || fail "doctor: $(cat found)"
dom 1 "$XENCHAN" doctor >/dev/null || fail "doctor in a domain: $?"
dom 1 "$XENCHAN" doctor --json | grep -q '^{"ok":true,"domain":1,' ||
	fail "doctor --json"
dom 1 "$XENCHAN" doctor --run-dir nowhere |
	grep -q '^channels  daemon   none answers in nowhere (No such file' ||
	fail "doctor without xenchanneld"

# Nobody comes
run 1 "no client came" \
	dom 1 "$XENCHAN" vchan listen -d 2 --timeout 100ms data/a
run 1 "no server" dom 2 "$XENCHAN" vchan connect -d 1 --timeout 0 data/a
run 1 "no server came within" \
	dom 2 "$XENCHAN" vchan connect -d 1 --timeout 100ms data/a
nothing_is_left "nobody came"

# Nobody can come any more: the client's domain has ended
"$XENHOST" create 5 >/dev/null
start server 1 listen -d 5 data/a
wait_for serves data/a
"$XENHOST" destroy 5
finish server 1 "or it has ended"
nothing_is_left "nobody can come"

# Refused: where this domain may not write, no path, too long a path
run 1 "may not write" dom 1 "$XENCHAN" vchan listen -d 2 /local/domain/2/data/a
run 1 "a path has" dom 1 "$XENCHAN" vchan listen -d 2 data//a
run 1 "a path may have" \
	dom 1 "$XENCHAN" vchan listen -d 2 "$(printf '%02100d' 0)"
nothing_is_left "refused"

# A server for another domain is no server; a second client is one too many
start server 1 listen -d 3 data/a
wait_for serves data/a
run 1 "not for this domain" \
	dom 2 "$XENCHAN" vchan connect -d 1 --timeout 100ms data/a
signal TERM server
finish server 143 ""
start server 1 listen -d 2 data/a
wait_for serves data/a
run 1 "another server of this domain" \
	dom 1 "$XENCHAN" vchan listen -d 2 /local/domain/1/data/a
start client 2 connect -d 1 --eof=keep data/a
wait_for is_connected
run 1 "one client at a time" \
	dom 2 "$XENCHAN" vchan connect -d 1 --timeout 0 data/a

# Interrupted: the first signal ends it in order, also while it waits
signal INT client
finish client 130 ""
finish server 0 ""
start server 1 listen -d 2 data/b
wait_for serves data/b
signal INT server
finish server 130 ""
start client 2 connect -d 1 data/b
wait_for takes_signals client
signal TERM client
finish client 143 ""
nothing_is_left "interrupted"

# The receiver is killed: the sender fails, in either role
start server 1 listen -d 2 data/c
start client 2 connect -d 1 data/c </dev/zero
wait_for has_output server
signal KILL server
finish client 1 "closed or died before"
gone server
dom 1 xenstore-rm data/c

start server 1 listen -d 2 data/c </dev/zero
start client 2 connect -d 1 data/c
wait_for has_output client
signal KILL client
finish server 1 "closed or died before"
gone client

# The sender is killed: what the receiver has may be incomplete, and it says so
start server 1 listen -d 2 data/d
start client 2 connect -d 1 data/d </dev/zero
wait_for has_output server
signal KILL client
gone client
finish server 1 "may be incomplete"
nothing_is_left "killed"

# A dead server's nodes are waited over
start server 1 listen -d 2 data/e
wait_for serves data/e
signal KILL server
gone server
run 1 "left over" dom 2 "$XENCHAN" vchan connect -d 1 --timeout 0 data/e
start client 2 connect -d 1 --timeout 30 data/e
wait_for test -s client.pid
echo new >new
dom 1 "$XENCHAN" vchan listen -d 2 data/e <new
finish client 0 ""
equal "from the new server" "$(cat client.out)" new

# Broken output
start client 2 connect -d 1 data/f </dev/zero
run 1 "standard output.*No space" \
	dom 1 "$XENCHAN" vchan listen -d 2 data/f >/dev/full
finish client 1 "closed or died before"
start client 2 connect -d 1 data/f </dev/zero
{ run 1 "standard output.*Broken pipe" \
	dom 1 "$XENCHAN" vchan listen -d 2 data/f; } | head -c 1000 >/dev/null
finish client 1 "closed or died before"
start client 2 connect -d 1 data/f </dev/zero
run 1 "standard output.*Bad file" \
	dom 1 "$XENCHAN" vchan listen -d 2 data/f >&-
finish client 1 "closed or died before"

# Broken input
start server 1 listen -d 2 data/g
run 1 "standard input: Is a directory" \
	dom 2 "$XENCHAN" vchan connect -d 1 data/g </
finish server 0 ""
nothing_is_left "at the end"

# The client's domain ends before a client came
"$XENHOST" create 4 >/dev/null
start server 1 listen -d 4 data/i
wait_for serves data/i
"$XENHOST" destroy 4
finish server 1 "it has ended"
nothing_is_left "without a domain"

# Progress and messages, for who wants them
start client 2 connect -d 1 --progress --timeout 30 data/h </dev/null
dom 1 "$XENCHAN" vchan listen -d 2 data/h <new
wait "$(cat client.job)" || fail "with --progress: $?"
grep -q "received 4 B" client.err || fail "--progress: $(cat client.err)"
dom 2 "$XENCHAN" vchan connect -d 1 -v -t 0 data/h 2>err && fail "no server"
equal "lines with --verbose" "$(grep -c client_init err)" 2

# Nobody can come from a domain that is not there.
run 1 "no such domain" dom 1 "$XENCHAN" vchan listen -d 99 data/nobody </dev/null

# What was typed is named, also where getopt is in the middle of a word; and what
# others wrote does not move the cursor.
run 2 'xenchan: -x: no such option' "$XENCHAN" doctor --json -xh
run 2 'xenchan: -x: no such option' "$XENCHAN" vchan listen -vx data/a
run 2 'xenchan: -d wants a value' "$XENCHAN" vchan listen -vd
run 2 'xenchan: --domain wants a value' "$XENCHAN" vchan listen --domain
run 2 'xenchan: --json=1: no such option' "$XENCHAN" doctor --json=1
run 2 'xenchan: --nonsense: no such option' "$XENCHAN" doctor --nonsense
run 2 'no command "a?\[1mb"' "$XENCHAN" "$(printf 'a\033[1mb')"

# Without xenstore: what would mend it
for command in names list 'open a'; do
	# shellcheck disable=SC2086 # words
	run 1 'cannot reach xenstore: .*: .*xenhost run' \
		env XENSTORED_PATH=/nonexistent "$XENCHAN" channel $command
done
