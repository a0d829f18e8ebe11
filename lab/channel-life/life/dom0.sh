#!/bin/sh
# SPDX-License-Identifier: MIT
# What becomes of channels when guests are saved, restored, crash, reboot and die, or have
# no driver. domU 1 uses the kernel's driver, domU 2 our own side.
# shellcheck disable=SC2034 # part: lib.sh's
part=life
# shellcheck source=lab/channels/lib.sh
. /payload/lib.sh

autopsy() {
	tail -n 8 /out/daemon.log
	for d in $(xl domid domu1) $(xl domid domu2); do
		LAB_RUN_LIMIT=10 lab-run "$d" "tail -n 5 /tmp/*.log; dmesg | tail -n 12"
	done
}
ping() { # ping SOCKET BYTES [GREETING]
	timeout 200 ./channel-peer ping "/run/$1" "$2" ${3:+"$3"} >"/tmp/t.$1" 2>&1
}
tty_agent() { # tty_agent DOMID NAME
	lab-run "$1" "/payload/tty-agent hvc1 $2 >/dev/null 2>&1 &"
}
serve() { # serve DOMID NAME
	lab-run "$1" "mkdir -p /tmp/agents; cp /payload/agent /tmp/agents/$2; cd /payload; ./xenchan channel serve --agents /tmp/agents >/tmp/serve.log 2>&1 &"
}

begin() {
	test_begin "persistent channels of two guests, the kernel's driver and ours"
	./xenchanneld --keeper --debug 2>>/out/daemon.log &
	keeper=$!
	within 60 test -S /run/xenchanneld/control
	attach 1 l.kernel --persist && attach 2 l.ours --persist
	rc=$?
	for d in 1 2; do lab-wait $d data/boot >/dev/null || exit 1; done
	within 60 is $D/1/device/console/7/state 4 || rc=1
	tty_agent 1 l.kernel
	serve 2 l.ours
	ping 1-l.kernel 20000 l.kernel || rc=1
	ping 2-l.ours 20000 l.ours || rc=1
	test_end $rc
}

# What a program with the kernel's terminal sees when its channel is detached
terminal() {
	test_begin "a terminal of the kernel's driver, detached"
	attach 1 l.terminal --wait 60
	rc=$?
	lab-run 1 "{ exec 3<>/dev/hvc2; stty raw -echo <&3; echo reading; cat <&3; echo read \$?; echo x >&3; exec 3>&-; sleep 1; true 4<>/dev/hvc2; echo opened \$?; } >/tmp/seen 2>&1 &"
	lab-run 1 "until grep -q reading /tmp/seen; do sleep 0.2; done; sleep 1" || rc=1
	detach 1 l.terminal || rc=1
	lab-run 1 "until grep -q ^opened /tmp/seen; do sleep 0.2; done; cat /tmp/seen" >/tmp/t.seen
	measured "detached, the kernel's driver: $(tr '\n' ';' </tmp/t.seen)"
	grep -q "^read 0" /tmp/t.seen && grep -q "Input/output error" /tmp/t.seen && grep -q "No such device" /tmp/t.seen || rc=1
	test_end $rc
}

# in_transfer SOCKET: its client goes on until the channel ends
in_transfer() {
	ping "$1" 100000000 &
	transfer=$!
	sleep 1
	kill -0 $transfer
}
cut_off() { # cut_off SOCKET WHAT: the client saw that
	wait $transfer && return 1
	measured "$2: the client: $(tail -n 1 "/tmp/t.$1")"
	grep -qE "ended after [1-9]|Broken pipe" "/tmp/t.$1"
}

restored_kernel() {
	test_begin "saved in mid-transfer and restored with another id: the kernel's driver"
	in_transfer 1-l.kernel
	rc=$?
	xl save domu1 /tmp/saved >/tmp/t.save 2>&1 && absent $D/0/backend/console/1 || rc=1
	cut_off 1-l.kernel "saved" || rc=1
	xl restore /tmp/saved >/tmp/t.restore 2>&1 || rc=1
	rm /tmp/saved
	one=$(xl domid domu1)
	[ "$one" != 1 ] && ping 1-l.kernel 20000 l.kernel || rc=1
	lab-run "$one" "cat /tmp/tty.log; dmesg | grep -A 3 xenconsole" >/tmp/t.seen
	measured "restored, the kernel's driver: $(tr '\n' ';' </tmp/t.seen)"
	test_end $rc
}

# The guest's clocks tell that it has slept, where its id does not
restored_ours() {
	test_begin "saved in mid-transfer and restored with the same id: our own side"
	in_transfer 2-l.ours
	rc=$?
	xl save -D domu2 /tmp/saved >/tmp/t.save 2>&1 && within 20 absent $D/2/device/console/7 || rc=1
	cut_off 2-l.ours "saved, ours" || rc=1
	# libxl keeps an id from being used again for a minute
	rm -f /run/xen/domid-history
	xl restore /tmp/saved >/tmp/t.restore 2>&1 || rc=1
	rm /tmp/saved
	[ "$(xl domid domu2)" = 2 ] && ping 2-l.ours 20000 l.ours || rc=1
	lab-run 2 "cat /tmp/serve.log; ps | grep xenchan; dmesg | grep -c kernel.BUG" >/tmp/t.seen
	tail -n 1 /tmp/t.seen | grep -qx 0 || rc=1
	measured "restored, ours: $(tr '\n' ';' </tmp/t.seen)"
	test_end $rc
}

# A kernel whose driver of consoles does not come up
without_driver() {
	test_begin "a guest that does not take a channel up"
	none=$(lab-domu none 'extra="console=hvc0 quiet cryptomgr.notests rodata=off mitigations=off initcall_blacklist=xen_hvc_init"' 'on_crash="destroy"')
	lab-wait "$none" data/boot >/dev/null
	attach "$none" n.one --wait 5
	rc=$?
	cat /tmp/t.attach
	[ $rc = 1 ] && grep -q "the guest has not taken the channel up" /tmp/t.attach
	rc=$?
	$XC channel list -d none --tsv | grep -q "n.one.*initialising.init-wait" || rc=1
	detach "$none" n.one && absent "$D/$none/device/console/1" || rc=1
	attach "$none" n.two || rc=1
	opened "$none" n.two
	ping "$none-n.two" 20000 n.two || rc=1
	test_end $rc
}

crashed() {
	test_begin "panics: on_crash=restart brings the channel again, destroy leaves nothing"
	in_transfer 1-l.kernel
	rc=$?
	for d in $one $none; do lab-run "$d" "(sleep 1; echo c >/proc/sysrq-trigger) >/dev/null 2>&1 &"; done
	cut_off 1-l.kernel "panic" || rc=1
	within 90 eval "xl domid domu1 | grep -qvx $one" || rc=1
	old=$one one=$(xl domid domu1)
	within 60 absent "$D/0/backend/console/$old" || rc=1
	within 60 absent "$D/$none" && absent "/libxl/$none" || rc=1
	lab-wait "$one" data/boot >/dev/null && tty_agent "$one" l.kernel
	ping 1-l.kernel 20000 l.kernel || rc=1
	test_end $rc
}

rebooted() {
	test_begin "rebooted in mid-transfer"
	in_transfer 1-l.kernel
	rc=$?
	lab-run "$one" "(sleep 1; reboot -f) >/dev/null 2>&1 &"
	cut_off 1-l.kernel "reboot" || rc=1
	within 90 eval "xl domid domu1 | grep -qvx $one" || rc=1
	one=$(xl domid domu1)
	lab-wait "$one" data/boot >/dev/null && tty_agent "$one" l.kernel
	ping 1-l.kernel 20000 l.kernel || rc=1
	test_end $rc
}

destroyed() {
	test_begin "destroyed: nothing is left but the records"
	rc=0
	for d in $one 2; do xl destroy "$d" || rc=1; done
	for d in $one 2; do
		within 60 absent "$D/0/backend/console/$d" && within 60 absent "/libxl/$d" || rc=1
	done
	# shellcheck disable=SC2016
	within 60 eval '[ "$(xl list | wc -l)" = 2 ]' || { rc=1; xl list >/tmp/t.zombies; }
	within 60 eval '! ls /run/[1-9]*-* 2>/dev/null' || rc=1
	kill $keeper
	wait $keeper || rc=1
	test_end $rc
}

dmesg -n 1
cd /payload || exit
begin
terminal
restored_kernel
restored_ours
without_driver
crashed
rebooted
destroyed
cp /tmp/open.log /out/
exit $failed
