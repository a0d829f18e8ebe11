# SPDX-License-Identifier: MIT
"""For tests in which each call that a program makes of the host fails once.

CALL_FAILURES=all lets every call fail, with several errnos; otherwise the first
and the last of each kind do, with EIO.
"""
import os
import subprocess

ALL = os.environ.get("CALL_FAILURES") == "all"
NEVER = str(2**32 - 2)
XENHOST = os.environ["XENHOST"]


def fault(*argv):
    return subprocess.run([XENHOST, "fault", *argv], check=True,
                          capture_output=True, text=True).stdout


def errnos_of(kind):
    if not ALL:
        return ["EIO"]
    if kind.startswith("xs-"):
        return ["EIO", "EACCES"]
    return ["EIO", "ENOMEM"]


def count_calls(domid, action):
    """{kind: how often the action calls it}"""
    for kind in fault("kinds").split():
        if kind != "any":
            fault("add", "-d", str(domid), kind, "--errno", "EIO", "--nth",
                  NEVER)
    action()
    rows = [r.split("\t") for r in
            fault("list", "-d", str(domid)).splitlines()[1:]]
    fault("clear", "-d", str(domid))
    return {row[1]: int(row[-1]) for row in rows if int(row[-1])}


def each_failure(domid, calls, prepare=lambda: None):
    """Sets each fault in turn, prepared for, and yields what it is."""
    for kind, n_calls in calls.items():
        for n in range(1, n_calls + 1) if ALL else sorted({1, n_calls}):
            for errno in errnos_of(kind):
                prepare()
                fault("add", "-d", str(domid), kind, "--errno", errno,
                      "--nth", str(n))
                yield f"call {n} of {kind} fails with {errno}"
                fault("clear", "-d", str(domid))
