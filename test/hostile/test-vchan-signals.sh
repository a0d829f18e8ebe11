#!/bin/sh
# SPDX-License-Identifier: MIT
# Two ends that a signal interrupts every millisecond: no byte is lost.
#
# usage: test-vchan-signals.sh SESSIONS
# shellcheck source=test/e2e/lib.sh
. "$(dirname "$0")/../e2e/lib.sh"
host 1 2

dom 1 "$VCHAN_SIGNALS" server 2 "$1" >"$dir/server" &
server=$!
dom 2 "$VCHAN_SIGNALS" client 1 "$1" || fail "the client"
wait "$server" || fail "the server"
cat "$dir/server"
