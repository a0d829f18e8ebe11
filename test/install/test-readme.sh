#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The server and client of README.md compile against an installed tree with
# nothing but pkg-config, and talk to each other on an emulated host.
#
# usage: test-readme.sh PREFIX README
set -eu -o pipefail

prefix=$1
readme=$2
tmp=$(mktemp -d)
export XENHOST_DIR=$tmp/host
PATH=$prefix/bin:$PATH
export PKG_CONFIG_PATH=$prefix/lib/pkgconfig
export LD_LIBRARY_PATH=$prefix/lib

stop() {
	xenhost down || true
	rm -rf "$tmp"
}
trap stop EXIT

# The block of C that begins with a comment of this name.
extract() {
	awk -v want="/* $1 */" '
		/^```/ { on = 0 }
		$0 == want { on = 1 }
		on' "$readme" >"$tmp/$1"
	[ -s "$tmp/$1" ] || { echo "$readme has no $1"; return 1; }
}

compile() {
	extract "$1.c"
	# shellcheck disable=SC2046 # words are what pkg-config prints
	cc -Wall -Wextra -Werror -o "$tmp/$1" "$tmp/$1.c" \
		$(pkg-config --cflags --libs xenvchan)
}

compile hello-server
compile hello-client

xenhost create 1
xenhost create 2
xenhost run -d 1 -- "$tmp/hello-server" &
server=$!
tries=0
until xenhost run -d 2 -- "$tmp/hello-client" >"$tmp/got" 2>"$tmp/errors"; do
	tries=$((tries + 1))
	if [ $tries = 300 ] || ! kill -0 $server; then
		cat "$tmp/errors"
		exit 1
	fi
	sleep 0.1
done
wait $server
echo "hello from domain 1" | diff - "$tmp/got"
