#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The drop-in library takes nothing away from the distribution's and changes
# nothing. Debian ships no debug information for its own, so that library is
# compared by symbols, and by types a stand-in for it that is compiled from the
# distribution's header.
#
# usage: test-abi.sh DISTRIBUTION OURS SYMBOL-MAP STAND-IN.c
set -eu

distribution=$1
ours=$2
map=$3
source=$4
header=/usr/include/libxenvchan.h
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

for file in "$distribution" $header; do
	[ -e "$file" ] || { echo "there is no $file here"; exit 77; }
done

# Xen 4.17 declares the flags as int:1, which reads as 0 or -1; later releases
# as unsigned:1, which we follow. The bits are the same.
sed 's/\bint \([a-z_]*\):1;/unsigned int \1:1;/' $header >"$tmp/libxenvchan.h"
cc -g -shared -fPIC -I"$tmp" -o "$tmp/stand-in.so" "$source" \
	-Wl,-soname,"${distribution##*/}" -Wl,--version-script="$map"

abidiff --no-added-syms "$distribution" "$ours"
abidiff --no-added-syms "$tmp/stand-in.so" "$ours"
