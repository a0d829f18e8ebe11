#!/bin/sh
# SPDX-License-Identifier: MIT
#
# systemd understands the units, which are started where they should be, and the
# backend's sandbox is as tight as it was.
#
# usage: test-units.sh UNIT...
set -eu

# Of 100; what is left is root, its devices, and files wherever the
# administrator wants them.
limit=20

fail() { echo "FAIL: $*" >&2; exit 1; }

if ! systemd-analyze security --help 2>/dev/null | grep -q -- --offline; then
	echo "SKIP: no systemd-analyze that can check a unit offline"
	exit 77
fi
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# Conditions are asked before any ExecStartPre=.
if grep -H 'ConditionPathExists=.*/dev/xen/\(evtchn\|gnt\)' "$@"; then
	fail "a condition on a device that comes with a module"
fi
for unit; do
	# The program may not be installed.
	sed 's|^ExecStart=[^ ]*|ExecStart=/bin/true|' "$unit" \
		>"$dir/${unit##*/}"
	said=$(systemd-analyze verify --man=no "$dir/${unit##*/}" 2>&1) ||
		fail "$unit: $said"
	# Of other units on this machine it may say what it likes.
	! echo "$said" | grep -F "${unit##*/}" || fail "$unit"
done
[ -e "$dir/xenchanneld.service" ] || exit 0
systemd-analyze security --offline=true --threshold=$limit \
	"$dir/xenchanneld.service" >"$dir/said" ||
	fail "exposed: $(grep ✗ "$dir/said"; tail -n 1 "$dir/said")"
