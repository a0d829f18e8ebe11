#!/bin/sh
# SPDX-License-Identifier: MIT
# test-storm.sh PROGRAM TEST...: another test, in which a signal interrupts each call of
# PROGRAM that can be interrupted, every millisecond. It passes all the same.
set -eu
log=$(mktemp "${TMPDIR:-/tmp}/storm.XXXXXX")
trap 'rm -f "$log"' EXIT
STORM=$1 STORM_LOG=$log
export STORM STORM_LOG
shift
LD_PRELOAD=$STORM_LIBRARY "$@"
[ -s "$log" ] || { echo "FAIL: no signals came" >&2; exit 1; }
echo "in $(wc -l <"$log") processes"
