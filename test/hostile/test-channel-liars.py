#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Channels whose other end lies: guests against xenchanneld, and a back end
against the guest's commands. Rounds, as of test-vchan-liars.py.

usage: test-channel-liars.py [--seed N] [--seconds S] [--round MS] [ROLE...]

ROLE is daemon or guest: what ours is.
"""
import os
import signal
import subprocess
import sys
import time

import rounds

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/../e2e")
# pylint: disable=wrong-import-position
from channel_host import LONG, Client, Host, stream, wait_for

XENCHAN = os.environ["XENCHAN"]
LIAR = os.environ["CHANNEL_LIAR"]
LIAR_MARK = 0x40
# Delivered, failed, ended by one signal in good order, or by a second one.
ENDINGS = (0, 1, 128 + signal.SIGTERM, -signal.SIGTERM)
BE = "/local/domain/0/backend/console/1"


def marked(n, seed):
    """Bytes that no liar writes."""
    return bytes(b | 0x80 for b in stream(n, seed))


def start_liar(host, domid, *words):
    return host.popen(domid, LIAR, *map(str, words), stdin=subprocess.PIPE,
                      stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                      text=True)


def end_liar(liar):
    said = liar.communicate("", LONG)[0].replace("\n", " ")
    assert liar.returncode == 0, f"it saw another's bytes: {said}"
    return said


class Listener:
    """A client of a liar's channel: it gets nothing but a liar's bytes."""

    def __init__(self, path):
        self.client = Client(path)
        os.set_blocking(self.client.fd, False)
        self.n = 0

    def listen(self):
        try:
            while part := os.read(self.client.fd, 65536):
                assert max(part) < LIAR_MARK, "not a liar's byte"
                self.n += len(part)
        except (BlockingIOError, ConnectionResetError):
            pass


def daemon(host, seed, ms):
    """Two channels with two front ends each, and one of another guest."""
    host.start_daemon()
    host.create(1)
    host.create(2)
    path = host.attach(2, "bystander")
    host.front(2, 1, "--echo")
    host.connected(2, 1)
    bystander = Client(path)
    said = "daemon:"
    end, n, received = time.monotonic() + ms / 1000, 0, 0
    while n == 0 or time.monotonic() < end:
        names = [f"liar-{n}-{i}" for i in (0, 1)]
        paths = [host.attach(1, name) for name in names]
        liars = [start_liar(host, 1, "front", 1 + i // 2, seed + 10 * n + i)
                 for i in range(4)]
        listeners = [Listener(p) for p in paths]
        for i in range(6):
            data = marked(3000, seed + i)
            assert bystander.exchange(data) == data
            for listener in listeners:
                listener.listen()
            time.sleep(0.04)
        for liar in liars:
            said += " " + end_liar(liar)
        for name, listener in zip(names, listeners):
            listener.client.close()
            received += listener.n
            assert host.log().count(f"({name}): quarantined") <= 1
            host.detach(1, name, "--timeout", "30")
        n += 1
    assert host.daemon.poll() is None
    log = host.log()
    # It is told to say everything: states, connections, clients.
    assert log.count("\n") < 100 + 400 * n, "it floods the log"
    return (f"{said}; {n} times, {log.count('quarantined')} in quarantine, "
            f"{received} bytes\n")


def opens(host, name, seed):
    """The guest's command, until it ends by itself or we have enough."""
    guest = host.popen(1, XENCHAN, "channel", "open", "--dir",
                       host.dir + "/channels", "--timeout", "1s", name,
                       stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE)
    try:
        return guest, *guest.communicate(marked(5000, seed), 0.7)
    except subprocess.TimeoutExpired:
        pass
    # It may wait for one that takes nothing: twice, and it goes at once.
    with open(f"/proc/{guest.pid}/task/{guest.pid}/children",
              encoding="ascii") as f:
        for pid in map(int, f.read().split()):
            os.kill(pid, signal.SIGTERM)
            time.sleep(0.05)
            try:
                os.kill(pid, signal.SIGTERM)
            except ProcessLookupError:
                pass
    return guest, *guest.communicate(timeout=LONG)


def guest(host, seed, ms):
    """`open` again and again, and `serve` with that channel and another one."""
    host.start_daemon()
    host.create(1)
    # The daemon serves what names it; this channel's back end is the liar.
    host.channel("attach", "-d", "1", "lied", "--pty")
    host.kill_daemon()
    liar = start_liar(host, 0, "back", 1, 1, seed)
    end, n, statuses, received = time.monotonic() + ms / 1000, 0, {}, 0
    while n == 0 or time.monotonic() < end:
        p, out, err = opens(host, "lied", seed + n)
        assert p.returncode in ENDINGS, \
            f"status {p.returncode}: {err}"
        assert err.count(b"\n") <= 2 and b"Sanitizer" not in err, err
        assert not out or max(out) < LIAR_MARK, "not a liar's byte"
        statuses[p.returncode] = statuses.get(p.returncode, 0) + 1
        received += len(out)
        n += 1
    serve(host)
    return (f"{end_liar(liar)}; {n} times, status: times {statuses}, "
            f"{received} bytes\n")


def serve(host):
    """It is ended by one signal, or by two, whatever the back end does."""
    p = host.popen(1, XENCHAN, "channel", "serve", "--dir",
                   host.dir + "/served", stderr=subprocess.PIPE)
    wait_for("the daemon", lambda: any(
        n.endswith("-1-0") for n in os.listdir(host.dir + "/served"))
        if os.path.isdir(host.dir + "/served") else False)
    time.sleep(0.4)
    lock = [n for n in os.listdir(host.dir + "/served")
            if n.endswith("-1-0")][0]
    with open(f"{host.dir}/served/{lock}", encoding="ascii") as f:
        pid = int(f.read().split()[0])
    os.kill(pid, signal.SIGTERM)
    err = p.communicate(timeout=LONG)[1]
    assert p.returncode in ENDINGS, err
    assert err.count(b"\n") < 200 and b"Sanitizer" not in err, err


def play(role, seed, n):
    host = Host()
    try:
        said = {"daemon": daemon, "guest": guest}[role](host, seed, n)
        assert "Sanitizer" not in host.log()
        return said
    except BaseException:
        print(f"the daemon said:\n{host.log()[-4000:]}", flush=True)
        raise
    finally:
        host.close()


if __name__ == "__main__":
    rounds.run(__doc__, ["daemon", "guest"], 1000, play)
