# SPDX-License-Identifier: MIT
"""For tests in which each call that a program makes of the host fails once.

CALL_FAILURES=all lets every call fail: with EIO, and with one of those that its
kind is likely to fail with, each in turn. Otherwise the first and the last of each
kind do, with EIO.
"""
import os
import subprocess

ALL = os.environ.get("CALL_FAILURES") == "all"
NEVER = str(2**32 - 2)
XENHOST = os.environ["XENHOST"]


def fault(*argv):
    return subprocess.run([XENHOST, "fault", *argv], check=True,
                          capture_output=True, text=True).stdout


# As src/vchan/test-sweep.c: what Linux's drivers, Xen and its xenstored give.
LIKELY = {
    "open": "ENOENT ENODEV ENXIO EACCES EPERM EMFILE ENFILE ENOMEM",
    "gntshr-share": "ENOSPC ENOMEM EAGAIN EINVAL",
    "gntshr-unshare": "EINVAL ENOMEM",
    "gnttab-map": "EINVAL ENOMEM ENOSPC EAGAIN EFAULT",
    "gnttab-unmap": "EINVAL ENOENT ENOMEM",
    "evtchn-bind": "ENOSPC ENOMEM EINVAL ESRCH EPERM EACCES",
    "evtchn-notify": "ENOTCONN EINVAL ENOMEM",
    "evtchn-pending": "EFBIG EINTR EFAULT",
    "evtchn-unmask": "ENOMEM EINVAL EFAULT",
    "xs-transaction-start": "ENOSPC EBUSY ENOMEM EBADF",
    "xs-transaction-end": "EAGAIN ENOSPC ENOMEM EBADF",
    "xs-write": "ENOSPC E2BIG EACCES EPERM EINVAL EPIPE",
    "xs-mkdir": "ENOSPC E2BIG EACCES EPERM EINVAL EPIPE",
    # Not ENOENT and EACCES: these are answers, of which one that is not so misleads.
    "xs-": "EPERM EINVAL EBUSY ENOMEM EBADF EPIPE",
    "": "ENOMEM EACCES EINVAL",
}


def errnos_of(kind, n):
    """Of the n-th call"""
    if not ALL:
        return ["EIO"]
    likely = LIKELY["open"] if kind.endswith("-open") else next(
        names for prefix, names in LIKELY.items() if kind.startswith(prefix))
    likely = likely.split()
    return ["EIO", likely[(n - 1) % len(likely)]]


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
    calls = {row[1]: int(row[-1]) for row in rows if int(row[-1])}
    assert calls, f"domain {domid} calls nothing"
    return calls


def each_failure(domid, calls, prepare=lambda: None):
    """Sets each fault in turn, prepared for, and yields what it is."""
    for kind, n_calls in calls.items():
        for n in range(1, n_calls + 1) if ALL else sorted({1, n_calls}):
            for errno in errnos_of(kind, n):
                prepare()
                fault("add", "-d", str(domid), kind, "--errno", errno,
                      "--nth", str(n))
                yield f"call {n} of {kind} fails with {errno}"
                fault("clear", "-d", str(domid))
