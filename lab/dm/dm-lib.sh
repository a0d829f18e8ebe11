# SPDX-License-Identifier: MIT
# shellcheck shell=dash disable=SC2034,SC2154 # variables of this and of channels/lib.sh
# What the tests of channels in xl.cfg share; sourced by dom0.sh. Nothing with a single
# quote goes to lab-run.
DM='device_model_override="/usr/bin/xenchan-dm"'
QEMU=xen-qemu-system

autopsy() { tail -n 12 /tmp/guest.log /out/daemon.log /var/log/xen/qemu-dm-*.log; }
check() { # check COMMAND...: the test fails if it does
	"$@" || bad "failed: $*"
}
node() { xenstore-read "$D/$1" 2>/dev/null; }
state() { within 60 is "$D/$1/state" "$2"; }
# running N NAME: so many processes of this name, of which Linux keeps 15 characters
running() { [ "$(cat /proc/[0-9]*/comm 2>/dev/null | grep -cx "$2")" = "$1" ]; }
channels() { # channels NAME: a lost first entry, a socket, a terminal
	printf 'channel=["name=lost,connection=pty","name=a.socket,connection=socket,path=/run/%s.sock","name=a.pty,connection=pty"]' "$1"
}
tty() { node "$1/device/console/$2/tty"; }
server() { # server NAME DOMAIN: who serves the channel
	$XC channel list -d "$2" --json | tr '{' '\n' | grep "\"name\": *\"$1\"" | grep -o '"server": *"[a-z]*"' | grep -o '[a-z]*"$' | tr -d '"'
}
# served_by_us DOMAIN NAME...
served_by_us() {
	domain=$1
	shift
	for n; do
		[ "$(server "$n" "$domain")" = xenchanneld ] || bad "$n of $domain is served by $(server "$n" "$domain")"
	done
}
start_daemon() { ./systemctl enable --now xenchanneld; }
# The process that serves, below the keeper
daemon() { awk -v k="$(cat /run/keeper.pid)" '$4 == k { print $1 }' /proc/[0-9]*/stat 2>/dev/null; }
kill_daemon() {
	old_daemon=$(daemon)
	check kill -9 "$old_daemon"
	# shellcheck disable=SC2016
	within 60 eval '[ "$(daemon)" ] && [ "$(daemon)" != "$old_daemon" ]' || bad "the daemon is not there again"
}
model() { node "$1/image/device-model-pid"; }

# The guest echoes on these channels, by "open", one process each; returns once it does
opening() { # opening DOMID NAME...
	d=$1
	shift
	lab-run "$d" "rm -f /tmp/ready-* /tmp/got-*" || return 1
	for n; do
		LAB_RUN_LIMIT=900 lab-run "$d" "cd /payload; ./xenchan channel open -t 60 $n --exec ./agent" >>/tmp/guest.log 2>&1 &
	done
	is_ready "$d" "$@"
}
# The same by "serve"
serving() { # serving DOMID NAME...
	d=$1
	shift
	lab-run "$d" "killall xenchan; while pidof xenchan; do sleep 0.2; done; rm -rf /tmp/ready-* /tmp/got-* /tmp/agents; mkdir /tmp/agents; for n in $*; do cp /payload/agent /tmp/agents/\$n; done" || return 1
	LAB_RUN_LIMIT=900 lab-run "$d" "/payload/xenchan channel serve --agents /tmp/agents" >>/tmp/guest.log 2>&1 &
	is_ready "$d" "$@"
}
is_ready() {
	d=$1
	shift
	lab-run "$d" "for n in $*; do until [ -e /tmp/ready-\$n ]; do sleep 0.2; done; done"
}
ping() { # ping PATH BYTES
	./channel-peer ping "$1" "$2" >"/tmp/t.ping-$(basename "$1")" 2>&1
}
# echoed DOMID NAME PATH BYTES: and it was the agent of this name that did it
echoed() {
	before=$(lab-run "$1" "wc -c </tmp/got-$2")
	ping "$3" "$4" || return 1
	[ "$(($(lab-run "$1" "wc -c </tmp/got-$2") - before))" = "$4" ]
}
# all COMMAND...: each of these lines at once; the test fails if one does
all() {
	pids=''
	for line; do
		eval "$line" &
		pids="$pids $!"
	done
	for p in $pids; do wait "$p" || bad "one of: $*"; done
}
both_echo() { # both_echo DOMID NAME-OF-GUEST BYTES
	all "echoed $1 a.socket /run/$2.sock $3" "echoed $1 a.pty $(tty "$1" 2) $3"
}
# begun PID...: these are in mid-transfer
begun() {
	sleep 0.5
	for p; do kill -0 "$p" || bad "a transfer has ended too soon"; done
}
LONG=1000000 # bytes, of such a transfer
booted() { lab-wait "$1" data/boot 200 >/dev/null || exit 1; }
# A guest whose "reboot" ends the domain properly
new_domain() { # new_domain NAME OLD: waits for another id, and prints it
	within 120 eval "xl domid $1 | grep -qvx $2" || return 1
	xl domid "$1"
}
