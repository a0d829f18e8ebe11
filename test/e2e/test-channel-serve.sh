#!/bin/sh
# SPDX-License-Identifier: MIT
# `xenchan channel serve`: terminals by name, agents by name, whatever appears,
# disappears, dies and is restarted.
# shellcheck source=test/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
host

"$XENHOST" create 1
channels=$dir/channels agents=$dir/agents
mkdir "$agents"

attach() { dom 0 "$XENCHAN" channel attach -d 1 "$1" --pty; }
detach() { dom 0 "$XENCHAN" channel detach -d 1 "$1"; }
serve() {
	# Its parent may ignore the deaths of children.
	dom 1 env --ignore-signal=CHLD "$XENCHAN" channel serve --dir "$channels" --agents "$agents" \
		--restart-delay 50ms 2>>"$dir/log" &
	serve_pid=$!
}
# The backend of device $1: its input is the FIFO to$1, its output from$1.
backend() {
	mkfifo "$dir/to$1"
	: >"$dir/from$1"
	dom 0 "$CHANNEL_BACKEND" 1 "$1" <"$dir/to$1" >>"$dir/from$1" &
	eval "backend_$1=\$!"
}
end_backend() {
	eval "wait \$backend_$1" || fail "backend $1"
	rm "$dir/to$1" "$dir/from$1"
}
# In a subshell: to a shell that leads a session, as a test may, the terminal
# would become its controlling one.
put() { (printf '%s\n' "$2" >"$channels/$1"); }
said() { grep -q "$1" "$dir/log"; }
got() { [ "$(cat "$dir/from$1")" = "$2" ]; }
has_last() { [ "$(tail -n 1 "$dir/from$1")" = "$2" ]; }
count() { [ "$(grep -c "$1" "$dir/log")" = "$2" ]; }
device_of() {
	dom 1 "$XENCHAN" channel names --tsv |
		awk -F '\t' -v n="$1" '$1 == n { print $2 }'
}
node() { dom 0 xenstore-read "/local/domain/1/device/console/$1" 2>/dev/null; }
has_no_node() { ! node "$1"; }
has_no_link() { [ ! -e "$channels/$1" ]; }
is_node() { [ "$(node "$1")" = "$2" ]; }

# A second console for people: libxl gives it no name. Its backend is ready.
fe=/local/domain/1/device/console/7 be=/local/domain/0/backend/console/1/7
attach org.example.console # for the directories above
dom 0 sh -c "xenstore-write $be/state 2 $be/online 1 &&
	xenstore-chmod -r $be n0 r1 &&
	xenstore-write $fe/backend $be $fe/state 1 &&
	xenstore-chmod -r $fe n1 r0"
detach org.example.console

# A channel that is there first, and one that appears later.
attach org.example.one
backend 1
exec 3>"$dir/to1"
serve
wait_for test -L "$channels/org.example.one"
wait_for said 'org.example.one: open'
attach org.example.two
backend 2
exec 4>"$dir/to2"
wait_for said 'org.example.two: open'

# Both ways, raw: nothing is echoed, and no byte means anything.
put org.example.one "$(printf 'a\003\004\r\nz')"
wait_for got 1 "$(printf 'a\003\004\r\nz')"
(
	exec 5<>"$channels/org.example.two"
	wait_for is_node 2/guest-open 1
	printf 'line\r\n\003' >&4
	equal "what the guest read" \
		"$(head -c 7 <&5 | od -An -c | tr -d ' ')" 'line\r\n003'
)
equal "what came back" "$(cat "$dir/from2")" ""
wait_for has_no_node 2/guest-open

# What the host says while nobody listens waits for who comes.
printf 'early\n' >&4
equal "what had come early" "$( (head -n 1 <"$channels/org.example.two") )" early

# A program opens what the daemon has, too.
echo through | dom 1 "$XENCHAN" channel open --dir "$channels" org.example.one
wait_for got 1 "$(printf 'a\003\004\r\nz\nthrough')"

# Devices with holes: each name reaches its own, whatever its number.
detach org.example.one
exec 3>&-
end_backend 1
wait_for has_no_link org.example.one
attach org.example.three
equal "device of three" "$(device_of org.example.three)" 1
backend 1
exec 3>"$dir/to1"
wait_for said 'org.example.three: open'
put org.example.three 3
put org.example.two 2
wait_for got 1 3
wait_for got 2 2

# An agent that comes later, answers, and dies: each time it is started again.
cat >"$agents/org.example.two" <<-'END'
	#!/bin/sh
	read -r question || exit 1
	echo "$question, says $XEN_CHANNEL"
	exit 3
END
chmod 755 "$agents/org.example.two"
wait_for said 'org.example.two: agent started'
printf 'one\n' >&4
wait_for has_last 2 'one, says org.example.two'
wait_for said 'org.example.two: agent ended with status 3, started again in'
wait_for count 'org.example.two: agent started' 2
printf 'two\n' >&4
wait_for has_last 2 'two, says org.example.two'

# One that others can change is not run.
printf '#!/bin/sh\n' >"$agents/org.example.three"
chmod 777 "$agents/org.example.three"
wait_for said 'others can change it'

# The daemon is killed, and comes again: its links are mended, its channels
# opened anew.
daemon=$(cut -d ' ' -f 1 "$channels"/.lock-*-1-0)
kill -9 "$daemon"
wait "$serve_pid" || true
ln -s /dev/pts/0 "$channels/stale"
: >"$dir/log"
serve
wait_for said 'org.example.two: open'
wait_for said 'org.example.three: open'
[ ! -L "$channels/stale" ] || fail "a stale link is still there"
put org.example.three again
wait_for has_last 1 again
printf 'three\n' >&4
wait_for has_last 2 'three, says org.example.two'

# There is one daemon a directory.
status=0
dom 1 "$XENCHAN" channel serve --dir "$channels" 2>"$dir/err" || status=$?
equal "status of a second daemon" "$status" 1
grep -q 'is served by process [0-9]' "$dir/err" || fail "$(cat "$dir/err")"

# The console has been left to the kernel and its getty all the time.
equal "state of the console" "$(node 7/state)" 1
equal "ring of the console" "$(node 7/ring-ref)" ""
[ -z "$(find "$channels" -name '.lock-*-1-7')" ] || fail "the console was locked"
equal "links" "$(ls "$channels")" "org.example.three
org.example.two"
# With a name it would not have been.
dom 0 xenstore-write "$fe/name" org.example.console
wait_for test -L "$channels/org.example.console"
wait_for is_node 7/state 3
dom 0 sh -c "xenstore-rm $fe; xenstore-rm $be"
is_unlinked() { [ ! -L "$channels/org.example.console" ]; }
wait_for is_unlinked

# Asked to end, it leaves nothing; the channels are free for others.
daemon=$(cut -d ' ' -f 1 "$channels"/.lock-*-1-0)
kill "$daemon"
wait "$serve_pid" || fail "status of the daemon"
equal "links" "$(ls "$channels")" ""
for what in pages_shared ports; do
	equal "domain 1: $what" "$(column "$what" 1)" 0
done
equal "state" "$(node 1/state)" 1
echo later | dom 1 "$XENCHAN" channel open --dir "$channels" org.example.two
wait_for has_last 2 later

detach org.example.two
detach org.example.three
exec 3>&- 4>&-
end_backend 1
end_backend 2
