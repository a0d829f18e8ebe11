#!/bin/bash
# SPDX-License-Identifier: MIT
# selftest.sh [run-lab.sh options] - prove the lab: vchan and PV channels with
# Debian's own libxenvchan and QEMU, dom0 and two domUs. Needs gcc.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$("$here/run-lab.sh" -b)
lib=$root/usr/lib/x86_64-linux-gnu
payload=$(mktemp -d)
trap 'rm -rf "$payload"' EXIT
cp "$here"/selftest/dom* "$payload/"
gcc -O2 -Wall -o "$payload/chan" "$here/selftest/chan.c"
gcc -O2 -Wall -o "$payload/vtest" "$here/selftest/vtest.c" \
	-I"$root/usr/include" -L"$lib" -lxenvchan -Wl,-rpath-link,"$lib"
"$here/run-lab.sh" -n 2 "$@" "$payload"
