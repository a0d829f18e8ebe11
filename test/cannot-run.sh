#!/bin/sh
# SPDX-License-Identifier: MIT
# Stands for tests that this machine has not what is needed for: skipped ones are
# seen, and fail in CI; what meson leaves out is not.
#
# usage: cannot-run.sh REASON
echo "SKIP: $*"
exit 77
