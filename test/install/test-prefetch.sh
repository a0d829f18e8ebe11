#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The library fetches the next place in the ring for writing. That is a hint without any
# effect that a program sees, so that a compiler may drop it, and has.
#
# usage: test-prefetch.sh LIBRARY INSTRUCTION
set -eu

objdump -d "$1" | grep -qw "$2" || {
	echo "$1: no $2 in it"
	exit 1
}
