#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""usage: coverage.py REPORT.json REASONS PERCENT

Prints how many lines of each file a run of the tests has reached, of what gcovr
has written as JSON; the lines that were not, each with the reason that REASONS
gives for its function, or "?"; and the sum. Fails below PERCENT.
"""
import json
import sys


def read_reasons(path):
    """{(file, function): reason}"""
    reasons = {}
    with open(path, encoding="utf-8") as f:
        for line in f:
            if line.strip() and not line.startswith("#"):
                file, function, reason = line.split(None, 2)
                reasons[file, function] = reason.strip()
    return reasons


def function_of(entry, line):
    """The last one that begins before this line"""
    before = [f for f in entry["functions"] if f["lineno"] <= line]
    return max(before, key=lambda f: f["lineno"])["name"] if before else "?"


def main(report, reasons, percent):
    with open(report, encoding="utf-8") as f:
        entries = sorted(json.load(f)["files"], key=lambda e: e["file"])
    reasons = read_reasons(reasons)
    missed, n_lines = [], 0
    for e in entries:
        lines = [x for x in e["lines"] if not x.get("gcovr/noncode")]
        missing = [x["line_number"] for x in lines if not x["count"]]
        n_lines += len(lines)
        missed += [(e, n) for n in missing]
        if lines:
            reached = len(lines) - len(missing)
            print(f"{e['file']:28} {reached:4} of {len(lines):4} lines  "
                  f"{100 * reached / len(lines):5.1f} %")
    print("\nNot reached:")
    places = {}
    for e, n in missed:
        places.setdefault((e["file"], function_of(e, n)), []).append(str(n))
    for (file, function), numbers in places.items():
        print(f"{file}:{','.join(numbers)} {function}(): "
              f"{reasons.get((file, function), '?')}")
    if n_lines == len(missed):
        sys.exit("coverage: no line of any file: were the tests run?")
    reached = 100 * (n_lines - len(missed)) / n_lines
    print(f"\n{n_lines - len(missed)} of {n_lines} lines: {reached:.1f} %, "
          f"wanted {percent} %")
    return reached < percent


sys.exit(main(sys.argv[1], sys.argv[2], float(sys.argv[3])))
