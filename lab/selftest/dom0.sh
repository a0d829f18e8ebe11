#!/bin/sh
# SPDX-License-Identifier: MIT
# domu1 is domain 1 and has the channels, domu2 is domain 2
set -e
N=16777216; D=/local/domain
fail() { echo "FAIL $1"; exit 1; }
echo "== xl info"; xl info | grep -E '^(release|nr_cpus|total_memory|free_memory|xen_version|virt_caps)'
echo "== vchan dom0 - dom0"
./vtest server 0 $D/0/data/vchan/0/1 $N & ./vtest client 0 $D/0/data/vchan/0/1 $N || fail loop; wait $! || fail loop
echo "== vchan, server dom0, client domU 1"
./vtest server 1 $D/0/data/vchan/1/2 $N || fail dom0-domu
echo "== vchan, server domU 1, client dom0"
lab-wait 1 data/vchan/0/3/event-channel >/dev/null; ./vtest client 1 $D/1/data/vchan/0/3 $N || fail domu-dom0
echo "== vchan, server domU 1, client domU 2 (they report)"
lab-wait 2 data/status >/dev/null
echo "== PV channels of domU 1"
lab-wait 1 data/channels >/dev/null
xenstore-ls -fp > /out/xenstore.txt; xl channel-list 1
xenstore-ls -fp $D/1/device/console; xenstore-ls -fp $D/0/backend/console/1
./chan ping /run/domu1.sock 65536 || fail socket
./chan ping "$(xenstore-read $D/1/device/console/2/tty)" 65536 || fail pty
for d in 1 2; do [ "$(lab-wait $d data/status)" = 0 ] || fail "domU $d"; done
xl list; echo "SELFTEST OK"
