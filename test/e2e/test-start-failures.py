#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every call fails once: of a daemon that starts, of one that takes up what the
one before has left, of `channel open` and `serve`, `vchan proxy` and `doctor`.

Each then works, or ends by itself and says why; nothing that it took of the host is
left; the next attempt works, with every byte. CALL_FAILURES: see call_failures.py.
"""
import contextlib
import os
import select
import signal
import socket
import subprocess
import time

from call_failures import count_calls, each_failure, fault
from channel_host import LONG, fail, run, stream, wait_for

XENHOST = os.environ["XENHOST"]
XENCHAN = os.environ["XENCHAN"]


def nodes(host):
    """But for an id that could not be read, as if it were not there: EACCES."""
    return sorted(line.split("/xenchan/id")[0] for line in
                  host.run(0, "xenstore-ls", "-f").splitlines())


def held(domid):
    """What the domain has of the host: the row of `xenhost list`"""
    rows = subprocess.run([XENHOST, "list", "--tsv"], check=True, text=True,
                          capture_output=True).stdout.splitlines()
    names, *rows = [r.split("\t") for r in rows]
    return [[f"{n}={v}" for n, v in zip(names, r) if n != "events"]
            for r in rows if r[0] == str(domid)]


def start(host):
    """Whether a daemon is ready; else it has ended, and said why."""
    before = host.log()
    host.daemon = host.popen(0, os.environ["XENCHANNELD"], "--debug", "--run-dir",
                             host.run_dir, stderr=host.daemon_log)
    wait_for("the daemon, or its end",
             lambda: host.log().count("ready\n") > before.count("ready\n")
             or host.daemon.poll() is not None)
    if host.daemon.poll() is None:
        return True
    if host.daemon.returncode != 1 or host.log() == before:
        fail(f"status {host.daemon.returncode}: {host.log()[len(before):]}")
    return False


def connect(path, end, alive=lambda: True):
    """None if nobody listens there until then."""
    while time.monotonic() < end and alive():
        s = socket.socket(socket.AF_UNIX)
        if s.connect_ex(path) == 0:
            return s
        s.close()
        time.sleep(0.02)
    return None


def is_echoed(path, data, alive=lambda: True):
    """Whether all comes back that a client sends; alive: who has to do it."""
    end = time.monotonic() + LONG
    s = connect(path, end, alive)
    if not s:
        return False
    with s, contextlib.suppress(ConnectionResetError, BrokenPipeError):
        s.sendall(data)
        got = b""
        while not got.endswith(data):
            if select.select([s], [], [], 0.05)[0]:
                part = s.recv(65536)
                if not part:
                    return False
                got += part
            elif time.monotonic() > end or not alive():
                return False
        return True
    return False


def expect_end(what, process, log):
    """By itself, with a reason, or by the signal that it has been sent.

    The latter may meet what starts it in its domain.
    """
    status = process.wait(LONG)
    with open(log, encoding="utf-8") as f:
        said = f.read()
    by_signal = (128 + signal.SIGTERM, -signal.SIGTERM)
    if status not in (0, 1, *by_signal) or status == 1 and not said:
        fail(f"{what}: status {status}: {said}")


def daemon_starts(host):
    """With a guest whose channel nobody serves yet"""
    host.create(1)
    path = host.attach(1, "agent")
    assert start(host)
    host.kill_daemon(signal.SIGTERM)
    before, had = nodes(host), held(0)

    def once():
        if start(host):
            host.kill_daemon(signal.SIGTERM)
    for what in each_failure(0, count_calls(0, once)):
        good = start(host)
        fault("clear", "-d", "0")
        if good:
            host.kill_daemon(signal.SIGTERM)
        if nodes(host) != before or held(0) != had:
            fail(f"{what}: left: {set(nodes(host)) ^ set(before)} {held(0)}")
        if not start(host):
            fail(f"{what}: the next does not start")
        s = connect(path, time.monotonic() + LONG)
        if not s:
            fail(f"{what}: the next does not serve")
        s.close()
        host.kill_daemon(signal.SIGTERM)


def daemon_takes_up(host):
    """What one that was killed has left, while its guest is connected"""
    host.create(1)
    path = host.attach(1, "agent")
    assert start(host)
    host.front(1, 1, "--echo")
    host.connected(1, 1)
    data = stream(3000)
    assert is_echoed(path, data)

    def once():
        host.kill_daemon()
        assert start(host) and is_echoed(path, data)
    once()
    n_again = 0
    for what in each_failure(0, count_calls(0, once)):
        host.kill_daemon()
        said = host.log()
        if start(host):
            if not is_echoed(path, data):
                fail(f"{what}: stalls: {host.log()[len(said):]}")
            fault("clear", "-d", "0")
            continue
        fault("clear", "-d", "0")
        n_again += 1
        if not start(host):
            fail(f"{what}: the next does not start")
        if not is_echoed(path, data):
            fail(f"{what}: the next stalls")
    print(f"{n_again} had to be started once more")


def program(host, domid, log, *argv):
    with open(log, "wb") as f:
        return host.popen(domid, XENCHAN, *argv, stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, stderr=f)


def channel_open(host):
    """In the guest: a stream each way, then its end"""
    host.start_daemon()
    host.create(1)
    path = host.attach(1, "agent")
    data, log = stream(3000), host.dir + "/log"

    def once(what=None):
        guest = program(host, 1, log, "channel", "open", "--dir",
                        host.dir + "/guest", "agent", "--exec", "cat")
        good = is_echoed(path, data, alive=lambda: guest.poll() is None)
        if what:
            fault("clear", "-d", "1")
        if not good and guest.poll() is None:
            fail(f"{what}: stalls")
        guest.terminate()
        expect_end(what, guest, log)
        return good
    sweep(1, once)


def sweep(domid, once):
    """once(what): a life, of which a call fails; whether it has worked"""
    assert once()
    had = held(1) + held(2)
    for what in each_failure(domid, count_calls(domid, once)):
        what = f"domain {domid}: {what}"
        if not once(what) and not once():
            fail(f"{what}: the next does not work")
        # A peer lets go when it is told.
        wait_for(f"{what}: {had}, not {held(1)} {held(2)}",
                 lambda: held(1) + held(2) == had)


def channel_serve(host):
    """In the guest: the channel as a terminal, used by nobody"""
    host.start_daemon()
    host.create(1)
    host.attach(1, "agent")
    top, log = host.dir + "/guest", host.dir + "/log"

    def once(what=None):
        guest = program(host, 1, log, "channel", "serve", "--dir", top)
        wait_for(f"{what}: a terminal, or the end", lambda:
                 os.path.exists(top + "/agent") or guest.poll() is not None)
        good = os.path.exists(top + "/agent")
        if what:
            fault("clear", "-d", "1")
        guest.terminate()
        expect_end(what, guest, log)
        return good
    sweep(1, once)


def doctor(host):
    """Says what is wrong, whatever fails; a failure is not a fault of its own."""
    host.create(1)

    def once():
        return subprocess.run([XENHOST, "run", "-d", "0", "--", XENCHAN,
                               "doctor"], capture_output=True, text=True,
                              check=False, timeout=LONG)
    good, had = once(), held(0)
    for what in each_failure(0, count_calls(0, once)):
        p = once()
        fault("clear", "-d", "0")
        if p.returncode not in (0, 1) or not p.stdout:
            fail(f"{what}: status {p.returncode}: {p.stdout}{p.stderr}")
        if held(0) != had or once().stdout != good.stdout:
            fail(f"{what}: changes what the next finds")


def proxy(host):
    """A connection through two proxies, of which one meets the failure."""
    near = host.dir + "/near"
    logs = [host.dir + "/serves", host.dir + "/asks"]
    data = stream(3000)
    host.create(1)
    host.create(2)

    def once(what=None):
        proxies = [program(host, 1, logs[0], "vchan", "proxy", "-d", "2",
                           "data/p", "--exec", "cat"),
                   program(host, 2, logs[1], "vchan", "proxy", "-d", "1",
                           "/local/domain/1/data/p", "--listen", near)]

        def alive():
            return all(p.poll() is None for p in proxies)
        # A connection may be lost by a failure, the next may not.
        good = is_echoed(near, data, alive) or \
            alive() and is_echoed(near, data, alive)
        if not good and alive():
            fail(f"{what}: stalls")
        if what:
            fault("clear", "-d", what.split(":")[0].split()[1])
        for p in proxies:
            p.terminate()
        for p, log in zip(proxies, logs):
            expect_end(what, p, log)
        return good
    sweep(1, once)
    before = nodes(host)
    sweep(2, once)
    if nodes(host) != before:
        fail(f"left: {set(nodes(host)) ^ set(before)}")


if __name__ == "__main__":
    run([daemon_starts, daemon_takes_up, channel_open, channel_serve, doctor,
         proxy])
