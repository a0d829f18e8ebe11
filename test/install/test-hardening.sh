#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Each installed program and library is position independent, has nothing
# writable that is executable or that the dynamic linker is through with, and was
# compiled with guards on its stack and with checked calls of libc.
#
# usage: test-hardening.sh PREFIX
# shellcheck disable=SC2317 # must calls the functions
set -u

prefix=$1
status=0 n=0

# must FILE WHAT COMMAND...: COMMAND succeeds on it
must() {
	local file=$1 what=$2
	shift 2
	"$@" && return
	echo "${file#"$prefix"/}: $what"
	status=1
}

is_independent() {
	readelf -hW "$1" | grep -q 'Type: *DYN'
}

has_full_relro() {
	readelf -lW "$1" | grep -q GNU_RELRO &&
		readelf -dW "$1" | grep -qE 'BIND_NOW|FLAGS_1.*NOW'
}

has_no_executable_stack() {
	readelf -lW "$1" | grep -qE 'GNU_STACK.* RW +0x'
}

# No segment is both written to and executed.
keeps_w_from_x() {
	! readelf -lW "$1" | grep -qE 'LOAD.* RWE '
}

uses() {
	readelf -sW --dyn-syms "$1" | grep -qE "UND .*$2"
}

has_no_run_path() {
	! readelf -dW "$1" | grep -qE '\((RPATH|RUNPATH)\).*[[](/tmp|.*build|.*:)'
}

while read -r file; do
	n=$((n + 1))
	must "$file" "not position independent" is_independent "$file"
	must "$file" "the dynamic linker's tables stay writable" \
		has_full_relro "$file"
	must "$file" "the stack is executable" has_no_executable_stack "$file"
	must "$file" "memory is writable and executable" keeps_w_from_x "$file"
	case $file in
	# Some have no array, and call nothing of which there is a checked form.
	*/lib/xenhost/*) ;;
	*)
		must "$file" "no stack protector" uses "$file" __stack_chk_fail
		must "$file" "no checked libc calls (FORTIFY_SOURCE)" \
			uses "$file" '_chk@'
		;;
	esac
	must "$file" "looks for libraries where it was built" \
		has_no_run_path "$file"
done < <(find "$prefix" -type f \( -perm -u+x -o -name '*.so*' \) \
	-exec sh -c 'head -c 4 "$1" | grep -q ELF' - {} \; -print)

[ $n -ge 6 ] || { echo "only $n programs and libraries found"; status=1; }
exit $status
