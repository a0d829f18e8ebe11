#!/bin/sh
# SPDX-License-Identifier: MIT
# 10,000 times set-up and close, with rings that the distribution's library
# gives back by munmap alone: neither end nor the host keeps anything.
# shellcheck source=test/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
host 1 2
host_pid=$(fuser "$XENHOST_DIR/lock" 2>/dev/null | tr -d ' ') || true
fds() { find "/proc/$host_pid/fd" | wc -l; }
same_fds() { [ "$(fds)" = "$before" ]; }
idle() { [ "$(column processes 1)" = 0 ]; }

dom 1 "$VCHAN_PEER" server cycle 2 data/v 10
wait_for idle # the host has seen the end of the process
[ -z "$host_pid" ] || before=$(fds)
dom 1 "$VCHAN_PEER" server cycle 2 data/v 8000
dom 1 "$VCHAN_PEER" server cycle 2 data/v 2000 65536
wait_for idle
for what in pages_shared pages_mapped ports; do
	equal "$what" "$(column $what 1)" 0
done
[ -z "$host_pid" ] || wait_for same_fds
