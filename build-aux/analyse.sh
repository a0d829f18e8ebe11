#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Looks for mistakes without running anything: clang-tidy, by .clang-tidy, and
# cppcheck, by cppcheck.cfg and cppcheck.suppress, which give the reason of each
# exception.
#
# usage: build-aux/analyse.sh clang-tidy BUILD    one that clang has compiled
#        build-aux/analyse.sh cppcheck
set -eu -o pipefail
cd "$(dirname "$0")/.."

folders=(src model fuzz test)

# What BUILD compiles: it knows with which options.
tidy_sources() {
	local pattern

	pattern="^($(IFS='|'; echo "${folders[*]}"))/"
	python3 -c '
import json, os, sys
for c in json.load(open(sys.argv[1] + "/compile_commands.json")):
    print(os.path.relpath(os.path.join(c["directory"], c["file"])))
' "$1" | grep -E "$pattern.*\.c$" | sort -u
}

case ${1:-} in
clang-tidy)
	tidy_sources "$2" | tr '\n' '\0' |
		xargs -0 -n 8 -P "$(nproc)" clang-tidy -quiet -p "$2"
	;;
cppcheck)
	exec cppcheck -q -j "$(nproc)" --error-exitcode=1 --std=c11 \
		--enable=warning,performance,portability --max-configs=1 \
		--library=build-aux/cppcheck.cfg \
		--suppressions-list=build-aux/cppcheck.suppress \
		-D_GNU_SOURCE -D__cppcheck__ -Isrc -Iinclude "${folders[@]}"
	;;
*)
	echo "usage: $0 clang-tidy BUILD | cppcheck" >&2
	exit 2
	;;
esac
