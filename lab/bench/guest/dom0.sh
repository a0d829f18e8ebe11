#!/bin/sh
# SPDX-License-Identifier: MIT
# xenchan vchan bench between two unprivileged domains; what it prints for programs
# comes to dom0 through a vchan.

for d in 1 2; do lab-wait $d data/boot >/dev/null || exit 1; done
# What the contenders' rings of 1 MiB take at once, and a processor at a time each
lab-run 1 "echo 4096 >/sys/module/xen_gntalloc/parameters/limit"
export LAB_RUN_LIMIT=300
run() { lab-run "$1" "cd /payload; export LD_LIBRARY_PATH=/payload/ours; $2"; }
who="-c /lib/x86_64-linux-gnu/libxenvchan.so.4.17,ours,ours@0"

# measure NAME OPTION...
measure() {
	name=$1
	shift
	echo "# begin bench $name"
	started=$(cut -d. -f1 /proc/uptime)
	run 1 "bin/xenchan vchan bench --serve -d 2 $who $* data/$name" >/tmp/serve 2>&1 &
	run 2 "bin/xenchan vchan bench --json -d 1 $who -n 5 -t 200ms $* data/$name 2>/tmp/err | bin/xenchan vchan listen -d 0 -t 60 data/json; cat /tmp/err" >/tmp/ask 2>&1 &
	bin/xenchan vchan connect -d 2 -t 500 data/json >"/out/$name.json" 2>/tmp/connect
	rc=$?
	wait
	took=$(($(cut -d. -f1 /proc/uptime) - started))
	if [ $rc = 0 ] && [ -s "/out/$name.json" ]; then
		echo "ok bench: $name ($took s)"
	else
		echo "FAIL bench: $name ($took s)"
		sed 's/^/  | /' /tmp/serve /tmp/ask /tmp/connect
		failed=1
	fi
}

dmesg -n 1
failed=0
export LD_LIBRARY_PATH=/payload/ours
measure 64K -r 64K -m stream,latency -s 64,64K,1M
measure 1M -r 1M -m stream -s 64,64K
exit $failed
