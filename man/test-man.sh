#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Each function of the public header has a page of its own that names it in the
# synopsis, and each page of a function belongs to one that exists.
#
# usage: test-man.sh HEADER PAGE...
set -eu

header=$1
shift
status=0

fail() {
	echo "$*"
	status=1
}

functions=$(grep -o '\blibxenvchan_[a-z_]*(' "$header" |
	grep -v '_ring(' | tr -d '(' | sort -u)
[ "$(echo "$functions" | wc -l)" -ge 12 ] || fail "$header: functions not found"

for function in $functions; do
	found=no
	for page; do
		[ "${page##*/}" = "$function.3" ] || continue
		found=yes
		grep -Eq "^\.F[no] \"?$function\b" "$page" ||
			fail "$page: no synopsis of $function"
	done
	[ $found = yes ] || fail "$function has no manual page"
done

for page; do
	name=${page##*/}
	case $name in
	libxenvchan_*.3)
		echo "$functions" | grep -qx "${name%.3}" ||
			fail "$page: no such function in $header"
		;;
	esac
done
exit $status
