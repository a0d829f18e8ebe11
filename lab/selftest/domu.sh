#!/bin/sh
# SPDX-License-Identifier: MIT
set -e
N=16777216; D=/local/domain; id=$(xenstore-read domid)
if [ "$id" = 1 ]; then
  ./vtest client 0 $D/0/data/vchan/1/2 $N
  ./vtest server 0 data/vchan/0/3 $N
  ./vtest server 2 data/vchan/2/4 $N
  # a channel's tty: hvcN where N counts the console devices in order
  n=0; for c in $(xenstore-list device/console | sort -n); do
    n=$((n+1)); echo "console $c is /dev/hvc$n, name $(xenstore-read device/console/"$c"/name)"; done
  xenstore-write data/channels 1
  ./chan echo /dev/hvc1 65536
  ./chan echo /dev/hvc2 65536
else
  ./vtest client 1 $D/1/data/vchan/2/4 $N
fi
