#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What becomes of channels when domains come, go and differ from Linux."""
import os
import stat
import subprocess

from channel_host import LONG, Client, run, stream, wait_for

UUID = "01234567-89ab-cdef-0123-456789abcdef"


def make_domain_of_uuid(host, domid):
    """As libxl: the domain, its name in /vm; it is introduced later."""
    host.create(domid)
    host.write(f"/local/domain/{domid}/vm", "/vm/" + UUID)
    host.write(f"/vm/{UUID}/name", "guest")


def persistent_channel_is_there_before_its_guest_runs(host):
    host.start_daemon()
    make_domain_of_uuid(host, 1)
    path = host.attach(1, "a", "--mode", "640", "--persist")
    host.await_entry(1, "a", backend="init-wait")
    host.destroy(1)
    make_domain_of_uuid(host, 2)
    wait_for("the channel", lambda: host.list(2))
    host.await_entry(2, "a", backend="init-wait", path=path)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o640
    # The highest: libxl writes its own from the first on.
    assert host.entry(2, "a")["device"] == "7"
    host.front(2, 7, "--echo")
    host.connected(2, 7)
    assert Client(path).exchange(b"again") == b"again"
    host.detach(2, "a")
    host.create(4)
    assert host.list() == []
    assert host.read("/tool/xenchan/" + UUID) is None


def persistent_channel_comes_at_the_introduction_too(host):
    """To a domain that nobody named in /vm, or not yet when it was asked."""
    host.start_daemon()
    make_domain_of_uuid(host, 1)
    host.attach(1, "a", "--persist")
    host.destroy(1)
    host.create(2)
    host.write("/local/domain/2/vm", "/vm/" + UUID)
    host.create(3)
    wait_for("the channel", lambda: host.list(2))


def what_libxl_overwrites_is_attached_elsewhere(host):
    """Its transaction of devices that it counted before ours was there."""
    host.start_daemon()
    make_domain_of_uuid(host, 1)
    path = host.attach(1, "a", "--persist")
    host.await_entry(1, "a", device="7", backend="init-wait")
    be = "/local/domain/0/backend/console/1/7"
    # The mark last: then it is seen, as it is with one transaction.
    host.run(0, "sh", "-c", f"xenstore-write {be}/name of.xl "
             "/libxl/1/device/console/7/name of.xl "
             "/local/domain/1/device/console/7/type ioemu && "
             f"xenstore-rm {be}/path && xenstore-rm {be}/xenchan")
    wait_for("the channel", lambda: [e for e in host.list(1)
                                     if e["name"] == "a"])
    host.await_entry(1, "a", device="6", backend="init-wait", path=path)
    assert host.entry(1, "of.xl")["device"] == "7"


def channels_of_a_dead_driver_domain_can_be_detached(host):
    host.create(1)
    host.create(2)
    host.start_daemon("--all", domid=1)
    for name in "a", "b":
        host.attach(2, name, "--backend", "1")
    host.front(2, 1, "--echo")
    host.connected(2, 1, backend=1)
    host.destroy(1)
    for name in "a", "b":
        e = host.entry(2, name)
        assert e["error"] == "its backend domain 1 is gone"
        assert e["backend"] == "unknown"
        assert e["path"] == f"{host.dir}/2-{name}.sock"
    host.detach(2, "a")
    assert host.read("/local/domain/2/device/console/1") is None
    # Or attached anew at once
    os.unlink(host.dir + "/2-b.sock")
    host.start_daemon("--run-dir", host.dir + "/run0")
    path = host.attach(2, "b")
    host.front(2, host.entry(2, "b")["device"], "--echo")
    assert Client(path).exchange(b"served again") == b"served again"
    host.detach(2, "b")
    assert host.list() == []
    assert host.read("/libxl/2") is None


def attach_at_once(host, *jobs):
    """Those that were attached, of jobs of a domain, a name and options."""
    attaching = [host.popen(0, os.environ["XENCHAN"], "channel", "attach",
                            "-d", str(domid), name, *options,
                            stderr=subprocess.PIPE, text=True)
                 for domid, name, *options in jobs]
    texts = [p.communicate(timeout=LONG)[1] for p in attaching]
    for p, text in zip(attaching, texts):
        assert p.returncode == 0 or "already" in text or "path" in text, text
    return [j for j, p in zip(jobs, attaching) if p.returncode == 0]


def attachments_at_once_get_what_each_asked_for(host):
    host.create(1)
    host.create(2)
    jobs = [(1, f"c{i}", "--socket", f"{host.dir}/c{i}.sock")
            for i in range(7)]
    assert attach_at_once(host, *jobs) == jobs
    entries = host.list(1)
    assert sorted(e["device"] for e in entries) == list("1234567")
    assert sorted(e["name"] for e in entries) == [j[1] for j in jobs]
    for e in entries:
        assert e["path"] == f"{host.dir}/{e['name']}.sock"
    # One name, then one path: one wins.
    assert len(attach_at_once(host, *[(2, "n", "--pty")] * 4)) == 1
    path = host.dir + "/one.sock"
    won = attach_at_once(host, *[(2, f"p{i}", "--socket", path)
                                 for i in range(4)])
    assert len(won) == 1
    assert [e["name"] for e in host.list(2)] == ["n", won[0][1]]


def guest_as_those_of_windows_is_served(host):
    """It reads the backend's directory, goes to 4, and sends no events."""
    host.start_daemon()
    host.create(1)
    host.attach(1, "other")
    path = host.attach(1, "wanted")
    host.front(1, "wanted", "--named", "--straight", "--silent", "--echo")
    host.connected(1, 2)
    client = Client(path)
    data = stream(6000)
    assert client.exchange(data) == data


TESTS = [v for v in list(globals().values())
         if callable(v) and getattr(v, "__module__", "") == "__main__"
         and v not in (make_domain_of_uuid, attach_at_once)]

if __name__ == "__main__":
    run(TESTS)
