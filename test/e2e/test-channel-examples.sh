#!/bin/sh
# SPDX-License-Identifier: MIT
# The examples for guests do what they say.
# shellcheck source=test/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
host

examples=$(cd "$(dirname "$0")/../../examples/guest" && pwd)
"$XENHOST" create 1
attach() { dom 0 "$XENCHAN" channel attach -d 1 "$1" --pty; }
opens() { dom 1 "$XENCHAN" channel open --dir "$dir/channels" "$@"; }
backend() {
	mkfifo "$dir/to$1"
	dom 0 "$CHANNEL_BACKEND" 1 "$1" <"$dir/to$1" >"$dir/from$1" &
}
has_last() { [ "$(tail -n 1 "$dir/from$1")" = "$2" ]; }

# First boot: the document arrives, is acknowledged, and lies where cloud-init
# looks. It was sent before the guest asked for it.
attach org.example.config
backend 1
exec 3>"$dir/to1"
{ printf '#cloud-config\n'; seq 1 20000; } >"$dir/user-data"
sum=$(sha256sum "$dir/user-data" | cut -d ' ' -f 1)
send() {
	echo "config $(wc -c <"$dir/user-data") $1"
	cat "$dir/user-data"
}
send "$sum" >&3 &
opens org.example.config --exec "$examples/first-boot" "$dir/seed" ||
	fail "first boot"
wait_for has_last 1 "ok $sum"
cmp "$dir/user-data" "$dir/seed/user-data"
grep -qx "instance-id: xen-channel-$sum" "$dir/seed/meta-data" ||
	fail "$(cat "$dir/seed/meta-data")"

# One that was damaged is refused, and what is there stays.
send "$(echo 0 | sha256sum | cut -d ' ' -f 1)" >&3 &
opens org.example.config --exec "$examples/first-boot" "$dir/seed" \
	2>/dev/null && fail "a damaged document was taken"
wait_for has_last 1 "error the checksum is $sum"
cmp "$dir/user-data" "$dir/seed/user-data"

# The agent: a line of answer to each line.
attach org.example.agent
backend 2
exec 4>"$dir/to2"
opens org.example.agent --exec "$examples/org.example.agent" &
agent=$!
i=0
while [ "$i" -lt 1000 ]; do
	i=$((i + 1))
	echo "ping $i"
done >&4
wait_for has_last 2 "pong 1000"
echo hostname >&4
wait_for has_last 2 "$(uname -n)"
echo what >&4
wait_for has_last 2 "error unknown question"
head -n 1000 "$dir/from2" >"$dir/answers"
seq -f 'pong %.0f' 1000 | cmp - "$dir/answers" ||
	fail "the answers are not those"
dom 0 "$XENCHAN" channel detach -d 1 org.example.agent
wait "$agent" || fail "status of the agent"
dom 0 "$XENCHAN" channel detach -d 1 org.example.config
exec 3>&- 4>&-
