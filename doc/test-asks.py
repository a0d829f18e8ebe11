#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The tests that asks.md names exist.

"FILE: `name`, `name`" are functions of that file; other names in the last column
are meson's tests, or programs.

usage: test-asks.py ASKS SOURCE-DIRECTORY
"""
import os
import re
import sys

FUNCTION = r"^(?:static void |def ){}\("


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def faults_of(row, sources, tests):
    for part in row.split("|")[5].split(";"):
        file, _, rest = part.rpartition(": ")
        if not file.strip().startswith("test-"):
            file, rest = "", part
        for name in re.findall(r"`([^`]+)`", rest):
            if not file and name not in tests:
                yield f"no test {name}"
            elif file and file.strip() not in sources:
                yield f"no file {file.strip()}"
            elif file and not re.search(FUNCTION.format(name),
                                        sources[file.strip()], re.M):
                yield f"no {name} in {file.strip()}"


def main(asks, top):
    sources, tests = {}, ""
    for directory in ("src", "test", "lab", "man"):
        for where, _, files in os.walk(os.path.join(top, directory)):
            for file in files:
                if file.startswith("test-"):
                    sources[file] = read(os.path.join(where, file))
                if file == "meson.build":
                    tests += read(os.path.join(where, file))
    # meson.build names a test by its last part only.
    names = set(re.findall(r"'([\w-]+)'", tests))
    names |= {p + n for p in ("e2e-", "fidelity-") for n in names}
    rows = [r for r in read(asks).split("\n") if re.match(r"\| \d", r)]
    faults = [f for row in rows for f in faults_of(row, sources, names)]
    if len(rows) != 15:
        faults.append(f"{len(rows)} rows, not 15")
    print("\n".join(faults))
    return 1 if faults else 0


sys.exit(main(*sys.argv[1:]))
