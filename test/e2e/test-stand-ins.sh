#!/bin/sh
# SPDX-License-Identifier: MIT
# What strangers' programs do with the libraries: one process, both ends.
#
# usage: test-stand-ins.sh MODE...: the modes of stand-ins.c, beside those of any build
# shellcheck source=test/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
host 1
"$XENHOST" create 2 few --grants 4 >/dev/null
"$XENHOST" create 3 many --grants 65536 >/dev/null

dom 2 "$STAND_INS" descriptors 2
dom 1 "$STAND_INS" fork 1
dom 1 "$STAND_INS" parts 1
dom 1 "$STAND_INS" copy 1
dom 3 "$STAND_INS" many-pages 3
for mode; do
	dom 1 "$STAND_INS" "$mode" 1
done
