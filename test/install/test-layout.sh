#!/bin/sh
# SPDX-License-Identifier: MIT
#
# An installed tree has what the README promises.
#
# usage: test-layout.sh PREFIX
set -eu

prefix=$1
status=0
refs=$(mktemp)
trap 'rm -f "$refs"' EXIT

want() {
	[ -e "$prefix/$1" ] && return
	echo "missing: $prefix/$1"
	status=1
}

want bin/xenchan
want bin/xenhost
want include/libxenvchan.h
want lib/libxenvchan.so
want lib/libxenvchan.so.1.0
want lib/libxenvchan.so.1.0.0
want lib/pkgconfig/xenvchan.pc
want share/man/man1/xenchan.1
want share/man/man1/xenhost.1
want share/man/man3/libxenvchan.3
want share/man/man7/xenvchan.7

# Each page of ours that a page refers to is there.
sed -nE 's/^\.Xr ((lib)?xen(v?chan|host|-channel)[a-z_-]*) ([0-9]).*/\4 \1/p' \
	"$prefix"/share/man/man*/* | sort -u >"$refs"
while read -r section name; do
	want "share/man/man$section/$name.$section"
done <"$refs"
exit $status
