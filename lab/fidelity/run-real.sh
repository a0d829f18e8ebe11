#!/bin/bash
# SPDX-License-Identifier: MIT
# run-real.sh BUILD_DIR OUT_DIR [run-lab.sh option]... - run the fidelity scripts on a
# real Xen host; their results go to OUT_DIR. BUILD_DIR holds lab/fidelity/fidelity.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
build=$1 out=$2
shift 2
payload=$(mktemp -d)
trap 'rm -rf "$payload"' EXIT
cp "$here"/guest/* "$here"/scripts/*.ops "$build"/lab/fidelity/fidelity{,-agent} "$payload/"
"$here/../run-lab.sh" -n 3 -u 128 -t 240 -o "$out" "$@" "$payload"
