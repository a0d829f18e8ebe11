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

restored_kernel() {
	test_begin "restored from a file, with another id: the kernel's driver"
	xl save domu1 /tmp/saved >/tmp/t.save 2>&1 && absent $D/0/backend/console/1
	rc=$?
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
	test_begin "restored with the same id: our own side"
	xl save -D domu2 /tmp/saved >/tmp/t.save 2>&1 && within 20 absent $D/2/device/console/7
	rc=$?
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
	rc=0
	for d in $one $none; do lab-run "$d" "(sleep 2; echo c >/proc/sysrq-trigger) >/dev/null 2>&1 &"; done
	ping 1-l.kernel 100000000
	tail -n 1 /tmp/t.1-l.kernel
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
	rc=0
	lab-run "$one" "(sleep 2; reboot -f) >/dev/null 2>&1 &"
	ping 1-l.kernel 100000000
	tail -n 1 /tmp/t.1-l.kernel
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
restored_kernel
restored_ours
without_driver
crashed
rebooted
destroyed
cp /tmp/open.log /out/
exit $failed
