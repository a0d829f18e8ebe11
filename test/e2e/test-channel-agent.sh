#!/bin/sh
# SPDX-License-Identifier: MIT
# Agents of `xenchan channel serve`: found whenever their directory appears, alone
# on their terminals, and given the time to take and to say what there is at the
# end.
# shellcheck source=test/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
host

"$XENHOST" create 1
channels=$dir/channels agents=$dir/agents name=org.example.a

serve() {
	: >"$dir/log"
	dom 1 "$XENCHAN" channel serve --dir "$channels" --agents "$agents" \
		--restart-delay "$1" 2>>"$dir/log" &
	serve_pid=$!
}
end_serve() {
	kill "$(cut -d ' ' -f 1 "$channels"/.lock-*-1-0)"
	wait "$serve_pid" || fail "status of the daemon"
}
# A channel with a backend, whose input is written to descriptor 3.
attach() {
	dom 0 "$XENCHAN" channel attach -d 1 "$name" --pty
	mkfifo "$dir/to"
	: >"$dir/from"
	dom 0 "$CHANNEL_BACKEND" 1 1 <"$dir/to" >>"$dir/from" &
	backend_pid=$!
	exec 3>"$dir/to"
}
detach() {
	dom 0 "$XENCHAN" channel detach -d 1 "$name"
	exec 3>&-
	wait "$backend_pid" || fail "backend"
	rm "$dir/to"
}
agent() {
	cat >"$agents/.new"
	chmod 755 "$agents/.new"
	mv "$agents/.new" "$agents/$name"
}
said() { grep -q "$1" "$dir/log"; }
started() { [ "$(grep -c 'agent started' "$dir/log")" -ge "$1" ]; }
has() { grep -q "$1" "$dir/from"; }
is_gone() { [ ! -L "$channels/$name" ]; }

# The directory is made after the daemon has started, and again after it was
# removed.
serve 50ms
attach
wait_for said "$name: open"
mkdir "$agents"
agent <<-'END'
	#!/bin/sh
	echo first
	read -r line
END
wait_for has first
rm -r "$agents"
echo >&3
wait_for said 'agent ended'
mkdir "$agents"
agent <<-'END'
	#!/bin/sh
	echo second
	exec cat
END
wait_for has second
detach
wait_for is_gone

# What the host sent before it closed is read to its end by who reads slowly.
rm "$agents/$name"
attach
wait_for said "$name: open"
: >"$dir/lines"
: >"$dir/log"
agent <<-END
	#!/bin/sh
	while read -r line; do
		sleep 0.5
		echo "\$line" >>"$dir/lines"
	done
	echo ended >>"$dir/lines"
END
wait_for started 1
printf 'one\ntwo\nthree\n' >&3
# Then all three are in the terminal, and two of them not read yet.
has_one() { grep -q one "$dir/lines"; }
wait_for has_one
detach
has_ended() { grep -q ended "$dir/lines"; }
wait_for has_ended
equal "what the agent read" "$(tr '\n' ' ' <"$dir/lines")" "one two three ended "
end_serve

# An agent does not take the bytes of somebody who has the terminal open: it
# waits, now that it appears, and each time that it is due again.
rm -f "$agents/$name"
serve 2
attach
wait_for said "$name: open"
mkfifo "$dir/in"
dom 1 "$XENCHAN" channel open --dir "$channels" "$name" \
	<"$dir/in" >"$dir/out" &
opener=$!
exec 4>"$dir/in"
echo "from the user" >&4
wait_for has "from the user"
agent <<-'END'
	#!/bin/sh
	echo agent
	read -r line && echo "the agent got $line"
END
wait_for said 'waits until nobody else has the terminal open'
status=0
dom 1 "$XENCHAN" channel open --dir "$channels" "$name" </dev/null \
	2>"$dir/err" || status=$?
equal "status of another user of the terminal" "$status" 1
grep -q 'in use by' "$dir/err" || fail "$(cat "$dir/err")"
echo mine >&3
out_is() { [ "$(cat "$dir/out")" = "$1" ]; }
wait_for out_is mine
exec 4>&-
wait "$opener" || fail "status of the user"
wait_for has agent
echo end >&3
wait_for has "the agent got end"

# Asked to end, the daemon passes on what its agents say until they have ended:
# more than the ring holds.
end_serve
agent <<-'END'
	#!/bin/sh
	trap 'head -c 50000 /dev/zero | tr "\0" x; echo; echo farewell; exit' TERM
	echo ready
	while :; do sleep 0.05; done
END
serve 50ms
wait_for has ready
end_serve
has farewell || fail "the last words of the agent are missing"
equal "what it said before" "$(tr -cd x <"$dir/from" | wc -c)" 50000
detach
