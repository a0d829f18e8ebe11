#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Builds for i386, and runs there, what of the tests needs neither libxen, which
# Debian does not have for it, nor cmocka: vchans on the in-process host, the rings of
# channels and the spool, between liars and by the inputs of fuzz/corpus.
# compile-as.py compiles the rest.
set -eu
cd "$(dirname "$0")/.."
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

# run NAME SOURCE... -- ARG...
run() {
	name=$1 sources=
	shift
	while [ "$1" != -- ]; do
		sources="$sources $1"
		shift
	done
	shift
	# shellcheck disable=SC2086 # a list
	gcc -m32 -std=gnu17 -O2 -Wall -Wextra -Wno-psabi -Wno-unused-parameter \
		-Wno-missing-field-initializers -Werror -D_GNU_SOURCE \
		-D_FILE_OFFSET_BITS=64 -Isrc -Iinclude -Itest/hostile -Ifuzz \
		$sources -o "$out/$name" -lpthread
	"$out/$name" "$@" >"$out/log" 2>&1 || {
		echo "$name: status $?"
		cat "$out/log"
		exit 1
	}
	echo "$name: good"
}

# The sources of a folder's library
of() {
	for source in "$1"/*.c; do
		case $source in
		*/test-* | */compat.c | */xenstored.c | */main.c) ;;
		*) echo "$source" ;;
		esac
	done
}

vchan="$(of src/vchan) $(of src/xen) $(of src/base) $(of src/xenhost/fake)"
vchan="$vchan $(of src/xenhost/xenstored)"

# shellcheck disable=SC2086 # lists
run fuzz-vchan fuzz/fuzz-vchan.c fuzz/replay.c $vchan -- fuzz/corpus/vchan
# shellcheck disable=SC2086
run vchan-hostile test/hostile/vchan-hostile.c test/hostile/liar.c \
	test/hostile/victim.c $vchan -- 100 1
run console-hostile test/hostile/console-hostile.c src/console/ring.c -- 20000 1
run fuzz-ring fuzz/fuzz-ring.c fuzz/replay.c src/console/ring.c -- fuzz/corpus/ring
run fuzz-spool fuzz/fuzz-spool.c fuzz/replay.c src/backend/spool.c \
	src/backend/own-socket.c -- fuzz/corpus/spool
run fuzz-stats fuzz/fuzz-stats.c fuzz/replay.c src/cli/stats-scan.c \
	src/base/parse.c -- fuzz/corpus/stats
