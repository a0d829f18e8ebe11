# SPDX-License-Identifier: MIT
# shellcheck shell=dash disable=SC2153,SC2154 # libraries' variables
# Guests with a device that QEMU serves; guests that cannot be made; two guests, one of
# QEMU's and one of ours.

logged() { # logged NAME TEXT: in the log of this guest's device model
	grep -q "$2" "/var/log/xen/qemu-dm-$1.log" || {
		bad "the log of $1 does not say: $2"
		tail -n 5 "/var/log/xen/qemu-dm-$1.log"
	}
}
greets() { # a server of VNC
	[ "$(nc 127.0.0.1 5900 </dev/null | head -c 4)" = "RFB " ]
}

with_screen() {
	ifconfig lo 127.0.0.1 up # for VNC
	test_begin "a guest with a screen gets QEMU for that, and its channels from xenchanneld"
	d=$(lab-domu screen "$DM" "$(channels screen)" 'vfb=["vnc=1,vncunused=1"]') || bad "xl create"
	booted "$d"
	check running 1 "$QEMU"
	logged screen "needs QEMU for vfb"
	served_by_us screen a.socket a.pty
	within 60 greets || bad "no greeting of RFB"
	measured "screen: backend/vfb is at $(node "0/backend/vfb/$d/0/state"), vkbd at $(node "0/backend/vkbd/$d/0/state")"
	check [ "$(node "0/backend/vfb/$d/0/state")" -ge 2 ]
	check opening "$d" a.socket a.pty
	both_echo "$d" screen 20000
	check running 0 xenchan-dm
	check xl destroy screen
	check within 60 running 0 "$QEMU"
	test_end
}

# with_device NAME TYPE CONFIG: it waits for a driver that this guest does not have
with_device() {
	d=$(lab-domu "$1" "$DM" "$(channels "$1")" "$3") || bad "xl create $1"
	check running 1 "$QEMU"
	logged "$1" "needs QEMU for $2"
	served_by_us "$1" a.socket a.pty
	within 60 eval "xenstore-ls $D/0/backend/$2/$d | grep -q 'state = .2'" || bad "the state of $2: $(xenstore-ls "$D/0/backend/$2/$d")"
	check xl destroy "$1"
	check within 60 running 0 "$QEMU"
}
with_disk() {
	test_begin "a guest with a disk of qdisk"
	insmod /modules/loop.ko
	dd if=/dev/zero of=/tmp/disk bs=1M count=1 2>/dev/null
	losetup /dev/loop0 /tmp/disk
	with_device disk qdisk 'disk=["format=raw,backendtype=qdisk,vdev=xvda,access=rw,target=/dev/loop0"]'
	losetup -d /dev/loop0
	test_end
}
with_share() {
	test_begin "a guest with a directory by 9pfs"
	mkdir -p /tmp/share
	with_device share 9pfs 'p9=["tag=share,security_model=none,path=/tmp/share"]'
	test_end
}

# refused NAME TEXT LINE...: xl does not make such a guest, and the log says TEXT
refused() {
	name_=$1 text=$2
	shift 2
	lab-domu "$name_" "$DM" "$@" >"/tmp/t.xl-$name_" 2>&1 && bad "$name_ was made"
	# All that xl says of it
	grep -q "device model did not start" "/tmp/t.xl-$name_" || bad "xl says: $(cat "/tmp/t.xl-$name_")"
	logged "$name_" "$text"
	xl domid "$name_" >/dev/null 2>&1 || return
	bad "$name_ is still there"
	xl destroy "$name_"
}
numbered() { # numbered N: so many channels, but the first
	printf 'channel=["name=lost,connection=pty"'
	for n in $(seq "$1"); do printf ',"name=n.%s,connection=pty"' "$n"; done
	printf ']'
}
not_made() {
	test_begin "guests that cannot be made, with the reason in their log"
	refused eight "beyond device 7" "$(numbered 8)"
	real=$(ls /usr/libexec/xen-qemu-system-i386)
	mv "$real" /tmp/away
	refused none "needs QEMU for vfb, and there is none" "$(channels none)" 'vfb=["vnc=1,vncunused=1"]'
	mv /tmp/away "$real"
	d=$(lab-domu seven "$DM" "$(numbered 7)") || bad "seven channels"
	check [ "$($XC channel list -d seven --tsv | grep -c "	n\.[1-7]	")" = 7 ]
	check xl destroy seven
	test_end
}

two_guests() {
	test_begin "two guests with traffic at once: one of QEMU's, one of xenchan-dm's"
	a=$(lab-domu qemus "$(channels qemus)") || bad "xl create qemus"
	b=$(lab-domu ours "$DM" "$(channels ours)") || bad "xl create ours"
	for d in $a $b; do booted "$d"; done
	check running 1 "$QEMU"
	check running 1 xenchan-dm
	for n in a.socket a.pty; do check [ "$(server $n qemus)" = qemu ]; done
	served_by_us ours a.socket a.pty
	for d in $a $b; do check opening "$d" a.socket a.pty; done
	all "echoed $a a.socket /run/qemus.sock 50000" "echoed $a a.pty $(tty "$a" 2) 50000" \
		"echoed $b a.socket /run/ours.sock 50000" "echoed $b a.pty $(tty "$b" 2) 50000"
	pings=''
	for path in /run/qemus.sock "$(tty "$a" 2)" /run/ours.sock "$(tty "$b" 2)"; do
		ping "$path" "$LONG" &
		pings="$pings $!"
	done
	# shellcheck disable=SC2086 # several
	begun $pings
	kill_daemon
	for p in $pings; do check wait "$p"; done
	ping /run/ours.sock "$LONG" &
	p1=$!
	begun $p1
	kill -9 "$(model "$a")"
	check xl destroy qemus
	check wait $p1
	check running 1 xenchan-dm
	check xl destroy ours
	check within 60 running 0 xenchan-dm
	test_end
}

not_bound() {
	test_begin "guests whose sockets cannot be bound are not made, either"
	refused nowhere "cannot.*/run/none/x" 'channel=["name=lost,connection=pty","name=a.socket,connection=socket,path=/run/none/x"]'
	echo kept >/tmp/file
	refused file "cannot.*/tmp/file" 'channel=["name=lost,connection=pty","name=a.socket,connection=socket,path=/tmp/file"]'
	check grep -qx kept /tmp/file
	test_end
}

without_daemon() {
	test_begin "without xenchanneld no guest is made, and its log says why"
	kill "$(cat /run/keeper.pid)"
	within 60 running 0 xenchanneld || bad "the daemon's end"
	refused four "xenchanneld has to run" "$(channels four)"
	test_end
}

start_daemon
with_screen
with_disk
with_share
two_guests
not_made
not_bound
without_daemon
