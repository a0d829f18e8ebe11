#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every call that a program makes of the host fails once, in all that it does.

A command then works or ends with status 1 and one line that says of what; it
leaves the xenstore as it was, and the next attempt works.
"""
import os
import subprocess

from call_failures import count_calls, each_failure, fault
from channel_host import LONG, fail, run, stream

XENHOST = os.environ["XENHOST"]
XENCHAN = os.environ["XENCHAN"]


def command(host, domid, *argv, **kwargs):
    return subprocess.run([XENHOST, "run", "-d", str(domid), "--", XENCHAN,
                           *argv], capture_output=True, text=True,
                          check=False, timeout=LONG, cwd=host.dir, **kwargs)


def check_ended(what, p, *names):
    """Whether it has worked; else it has said so, and of what."""
    if p.returncode == 0:
        if p.stderr:
            fail(f"{what}: works, but says {p.stderr}")
        return True
    lines = p.stderr.splitlines()
    if p.returncode != 1 or len(lines) != 1:
        fail(f"{what}: status {p.returncode}: {p.stderr}")
    for name in names:
        if name not in lines[0]:
            fail(f"{what}: no {name} in: {lines[0]}")
    return False


def nodes(host):
    return [line for line in host.run(0, "xenstore-ls", "-f").splitlines()
            if "/device-model" not in line]


def check_nodes(host, what, before):
    now = nodes(host)
    if now != before:
        fail(f"{what}: gone: {sorted(set(before) - set(now))}, "
             f"left: {sorted(set(now) - set(before))}")


def attach(host):
    """xenchan channel attach, without a daemon"""
    host.create(1)
    argv = ["channel", "attach", "-d", "1", "agent", "--socket",
            host.dir + "/s"]
    undo = ["channel", "detach", "-d", "1", "agent", "--force"]

    def both():
        check_ended("attach", command(host, 0, *argv))
        check_ended("detach", command(host, 0, *undo))
    both()  # what the first one leaves for good is there from now on
    before = nodes(host)
    calls = count_calls(0, lambda: command(host, 0, *argv))
    check_ended("detach", command(host, 0, *undo))
    for what in each_failure(0, calls):
        p = command(host, 0, *argv)
        fault("clear", "-d", "0")
        if not check_ended(what, p, "domain 1"):
            check_nodes(host, what, before)
            assert check_ended("the next", command(host, 0, *argv))
        assert check_ended("detach", command(host, 0, *undo))
        check_nodes(host, what + ", then detach", before)


def detach(host):
    host.create(1)
    argv = ["channel", "attach", "-d", "1", "agent", "--socket",
            host.dir + "/s"]
    undo = ["channel", "detach", "-d", "1", "agent", "--force"]
    assert check_ended("attach", command(host, 0, *argv))
    assert check_ended("detach", command(host, 0, *undo))
    before = nodes(host)
    assert check_ended("attach", command(host, 0, *argv))
    calls = count_calls(0, lambda: command(host, 0, *undo))
    for what in each_failure(0, calls, lambda: command(host, 0, *argv)):
        p = command(host, 0, *undo)
        fault("clear", "-d", "0")
        if not check_ended(what, p, "domain 1"):
            p = command(host, 0, *undo)
            if p.returncode != 0 and "no channel" not in p.stderr:
                fail(f"{what}: the next detach: {p.stderr}")
        check_nodes(host, what, before)



def lists(host):
    """What only reads: the lists of host and guest"""
    host.create(1)
    host.channel("attach", "-d", "1", "agent", "--socket", host.dir + "/s")
    before = nodes(host)
    for domid, argv in (0, ["channel", "list", "--run-dir", host.run_dir]), \
            (1, ["channel", "names"]):
        good = command(host, domid, *argv)
        assert "agent" in good.stdout, good
        calls = count_calls(domid, lambda a=argv, d=domid:
                            command(host, d, *a))
        for what in each_failure(domid, calls):
            p = command(host, domid, *argv)
            fault("clear", "-d", str(domid))
            check_ended(f"{argv[1]}: {what}", p)
            assert command(host, domid, *argv).stdout == good.stdout
    check_nodes(host, "lists", before)


def transfer(host, data, timeout):
    """(listen, connect): both results"""
    path = "/local/domain/1/data/v"
    client = host.popen(2, XENCHAN, "vchan", "connect", "-d", "1",
                        "--timeout", timeout, path, stdin=subprocess.DEVNULL,
                        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                        text=True)
    server = command(host, 1, "vchan", "listen", "-d", "2", "--timeout",
                     timeout, path, input=data)
    out, err = client.communicate(timeout=LONG)
    return server, subprocess.CompletedProcess([], client.returncode, out, err)


def listen(host):
    streams(host, 1)


def connect(host):
    streams(host, 2)


def streams(host, domid):
    """xenchan vchan listen in domain 1, connect in 2: one of them fails"""
    host.create(1)
    host.create(2)
    data = stream(3000).hex()
    transfer(host, data, "60")
    before = nodes(host)
    calls = count_calls(domid, lambda: transfer(host, data, "60"))
    for what in each_failure(domid, calls):
        what = f"domain {domid}: {what}"
        server, client = transfer(host, data, "200ms")
        fault("clear", "-d", str(domid))
        good = [check_ended(what, server, "data/v"),
                check_ended(what, client)]
        # A server that fails closes: to its client that is the end.
        if all(good) and client.stdout != data:
            fail(f"{what}: works, but {len(client.stdout)} bytes came")
        check_nodes(host, what, before)
        if not all(good):
            server, client = transfer(host, data, "60")
            if client.stdout != data:
                fail(f"{what}: the next: {server} {client}")


if __name__ == "__main__":
    run([attach, detach, lists, listen, connect])
