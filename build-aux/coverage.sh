#!/bin/sh
# SPDX-License-Identifier: MIT
#
# How many lines of what meets a peer's bytes the unit tests reach: of src/shm,
# src/vchan and src/console. Names those that they do not, with the reasons of
# coverage-reasons, and fails below 95 %.
#
# usage: build-aux/coverage.sh          builds, runs the tests, reports
#        build-aux/coverage.sh BUILD    reports of a build with -Db_coverage=true
#                                       in which the tests have run
set -eu
cd "$(dirname "$0")/.."

measure() {
	build="build-coverage"
	build-aux/packages.sh build test
	[ -e $build/build.ninja ] ||
		meson setup -Db_coverage=true -Doptimization=0 $build >/dev/null
	find $build -name '*.gcda' -delete
	meson compile -C $build >/dev/null
	meson test -C $build --no-rebuild --print-errorlogs --suite unit \
		--no-suite long --no-suite soak --no-suite once
}

build-aux/packages.sh coverage
build=${1:-}
[ -n "$build" ] || measure
# What the folders' own tests reach alone: a header counts where they include it.
gcovr --root . --filter 'src/(shm|vchan|console)/' --exclude '.*/test-[^/]*$' \
	--json "$build/coverage.json" \
	"$build/src/shm" "$build/src/vchan" "$build/src/console"
python3 build-aux/coverage.py "$build/coverage.json" \
	build-aux/coverage-reasons 95
