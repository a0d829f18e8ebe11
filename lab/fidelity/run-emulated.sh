#!/bin/bash
# SPDX-License-Identifier: MIT
# run-emulated.sh BUILD_DIR SCRIPT - run one fidelity script on an emulated host of
# its own and print what came out.
set -euo pipefail
build=$(cd "$1" && pwd)
script=$2
dir=$(mktemp -d "${TMPDIR:-/tmp}/fidelity.XXXXXX")
export XENHOST="$build/src/xenhost/xenhost --dir $dir"
agent=$build/lab/fidelity/fidelity-agent
trap '$XENHOST down >/dev/null 2>&1 || :; rm -rf "$dir"' EXIT
here=$(cd "$(dirname "$0")" && pwd)

$XENHOST up >/dev/null
for d in 1 2 3; do $XENHOST create $d "domu$d" >/dev/null; done
agents=()
for d in 0 1 2 3 4; do agents+=(-a "$d=$XENHOST run -d $d -- $agent"); done
"$build/lab/fidelity/fidelity" "${agents[@]}" -H "$here/host-emulated" "$script"
