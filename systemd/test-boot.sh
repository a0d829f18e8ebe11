#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Both units on a systemd of their own, in a container on this machine's files,
# where nothing that is written stays; Xen is emulated. test-boot-inside.py is the
# test.
#
# usage: test-boot.sh BUILD_DIR INSIDE
set -eu

build=$1 inside=$2
skip() { echo "SKIP: $*"; exit 77; }

[ "$(id -u)" = 0 ] || skip "not root"
command -v systemd-nspawn >/dev/null || skip "no systemd-nspawn"
unshare --mount true 2>/dev/null || skip "not on this machine: no mount name spaces"

dir=$(mktemp -d /run/test-boot.XXXXXX)
trap 'rm -rf "$dir"' EXIT
mkdir "$dir/root" "$dir/io"
cp "$inside" "$dir/io/inside.py"
cat >"$dir/test-boot.service" <<END
[Unit]
Wants=basic.target
After=basic.target
[Service]
Type=oneshot
ExecStart=/usr/bin/python3 /run/io/inside.py $build
StandardOutput=append:/run/io/out
StandardError=append:/run/io/out
ExecStopPost=/bin/systemctl --no-block exit
END
# The root directory itself is not let be one of a container.
# shellcheck disable=SC2016
timeout -k 10 240 unshare --mount --propagation private sh -c '
	mount --bind / "$1/root" &&
	exec systemd-nspawn --register=no --keep-unit --link-journal=no \
		--machine="test-boot-$$" --directory="$1/root" --volatile=overlay \
		--private-network --bind-ro="$2" --bind="$1/io:/run/io" \
		--bind-ro="$1/test-boot.service:/etc/systemd/system/test-boot.service" \
		--boot --console=pipe -- --unit=test-boot.service
	' sh "$dir" "$build" >"$dir/said" 2>&1 </dev/null || true
if [ ! -s "$dir/io/out" ]; then
	cat "$dir/said"
	skip "not on this machine: systemd-nspawn starts no systemd"
fi
cat "$dir/io/out"
tail -n 1 "$dir/io/out" | grep -qx "done"
