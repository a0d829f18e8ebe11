#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every call that xenchanneld makes of the host fails once.

While a guest's channel comes, carries bytes and goes: the daemon lives on,
another channel is not touched, nothing is left open, and the channel works
again, at the latest once it has been attached anew. CALL_FAILURES: see call_failures.py.
"""
import os
import select
import subprocess
import time

from call_failures import count_calls, each_failure, fault
from channel_host import LONG, Client, fail, run, stream, wait_for

BACKEND = "/local/domain/0/backend/console/1/2/state"
SHORT = 2  # seconds for a channel to be connected; after it, it is mended


def is_echoed(path, seed):
    """Whether the guest gives back what a client sends; a stall is a failure."""
    data = stream(3000, seed)
    client = Client(path)
    try:
        client.send(data)
        got = b""
        while not got.endswith(data):
            if not select.select([client.fd], [], [], LONG)[0]:
                fail(f"{path}: stalled after {len(got)} of {len(data)} bytes")
            part = os.read(client.fd, 65536)
            if not part:
                return False
            got += part
        return True
    except OSError:
        return False
    finally:
        client.close()


def descriptors(host):
    return len(os.listdir(f"/proc/{host.daemon_pid()}/fd"))


def settled_descriptors(host):
    """Without those that are still being closed"""
    samples = []
    for _ in range(20):
        samples.append(descriptors(host))
        time.sleep(0.05)
    return min(samples)


class Channels:
    """Two of a guest: one that is left alone, and one that comes and goes."""

    def __init__(self, host):
        self.host = host
        host.create(1)
        self.other = host.attach(1, "other")
        self.path = host.attach(1, "agent")
        host.front(1, 1, "--echo")
        self.seed = 0

    def await_state(self, *wanted):
        """No process of the control domain may take part: a fault is set."""
        end = time.monotonic() + SHORT
        while time.monotonic() < end:
            if self.host.run(1, "xenstore-read", BACKEND)[:-1] in wanted:
                return True
            time.sleep(0.02)
        return False

    def works(self, path):
        self.seed += 1
        return is_echoed(path, self.seed)

    def session(self):
        """The guest's end comes, carries bytes, and goes."""
        front = self.host.front(1, 2, "--echo", stderr=subprocess.DEVNULL)
        works = self.await_state("4") and self.works(self.path)
        front.kill()
        front.wait()
        self.host.write("device/console/2/state", "6", domid=1)
        works = self.await_state("6") and works
        self.host.write("device/console/2/state", "1", domid=1)
        return self.await_state("1", "2") and works

    def mend(self):
        """Until it works: the guest's end anew, or the channel anew."""
        if self.session():
            return
        self.host.detach(1, "agent", "--force")
        self.host.attach(1, "agent")
        if not self.session():
            fail("does not work after it was attached anew")


def traffic(host):
    host.start_daemon()
    c = Channels(host)
    wait_for("the other channel", lambda: c.works(c.other))
    c.mend()
    n_descriptors = settled_descriptors(host)
    n_failed = 0
    for what in each_failure(0, count_calls(0, c.session)):
        good = c.session()
        fault("clear", "-d", "0")
        n_failed += not good
        if host.daemon.poll() is not None:
            fail(f"{what}: the daemon has ended")
        if not c.works(c.other):
            fail(f"{what}: the other channel does not work")
        if not good:
            c.mend()
        if "evtchn-unbind" in what:  # the host has kept the port
            n_descriptors = settled_descriptors(host)
        wait_for(f"{what}: {n_descriptors} descriptors, not "
                 f"{descriptors(host)}",
                 lambda: descriptors(host) == n_descriptors)
    print(f"{n_failed} sessions had to be mended")


def receive(pipe, n):
    got = b""
    while len(got) < n:
        if not select.select([pipe], [], [], LONG)[0]:
            fail(f"the guest's end stalled after {len(got)} of {n} bytes")
        part = os.read(pipe.fileno(), n - len(got))
        if not part:
            break
        got += part
    return got


def wake_ups(host):
    """An event that cannot be sent, or not be taken: nobody sleeps for ever.

    The guest's end is one that sleeps until an event comes.
    """
    host.start_daemon()
    host.create(1)
    path = host.attach(1, "agent")
    guest = host.popen(1, os.environ["XENCHAN"], "channel", "open", "agent",
                       stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    host.connected(1, 1)
    client = Client(path)
    cases = [(domid, "evtchn-notify", n) for domid in (0, 1) for n in (1, 2, 3)]
    cases += [(0, kind, n) for kind in ("evtchn-unmask", "evtchn-pending")
              for n in (1, 2)]
    for seed, (domid, kind, n) in enumerate(cases):
        there, back = stream(3000, seed), stream(5000, ~seed)
        fault("add", "-d", str(domid), kind, "--errno", "ENOMEM", "--nth",
              str(n))
        client.send(there)
        if receive(guest.stdout, len(there)) != there:
            fail(f"call {n} of {kind} in domain {domid} fails: bytes change")
        guest.stdin.write(back)
        guest.stdin.flush()
        if client.receive(len(back)) != back:
            fail(f"call {n} of {kind} in domain {domid} fails: bytes change")
        fault("clear", "-d", str(domid))
    client.close()
    guest.stdin.close()
    if guest.wait(LONG):
        fail(f"channel open ended with {guest.returncode}")


if __name__ == "__main__":
    run([traffic, wake_ups])
