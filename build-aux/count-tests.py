#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Prints "PASSED FAILED SKIPPED" of a meson test log (JSON, one test a line).

Names the failed and the skipped tests, the latter with their reason, on
standard error. A test that exits with 77 is a skipped one; the last line
that it printed is its reason. Where CI=true, it is a failed one, unless the
reason begins with "not on this machine": what no package gives a machine.
"""
import json
import os
import sys

PASSED = {"OK", "EXPECTEDFAIL"}
MACHINE = "not on this machine: "


def reason(test):
    lines = (test.get("stdout", "") + test.get("stderr", "")).split("\n")
    lines = [line.strip() for line in lines if line.strip()]
    return lines[-1] if lines else "it does not say why"


def main(path):
    passed = failed = skipped = 0
    if not os.path.exists(path):
        print(f"FAIL  no test left a result in {path}", file=sys.stderr)
        print(0, 1, 0)
        return
    with open(path, encoding="utf-8", errors="replace") as log:
        for test in map(json.loads, log):
            result, name = test["result"], test["name"]
            if result in PASSED:
                passed += 1
            elif result == "SKIP" and os.environ.get("CI") == "true" and (
                    MACHINE not in reason(test)):
                failed += 1
                print(f"FAIL  {name}: cannot run in CI: {reason(test)}",
                      file=sys.stderr)
            elif result == "SKIP":
                skipped += 1
                print(f"SKIP  {name}: {reason(test)}", file=sys.stderr)
            else:
                failed += 1
                print(f"FAIL  {name}: {result}", file=sys.stderr)
    print(passed, failed, skipped)


main(sys.argv[1])
