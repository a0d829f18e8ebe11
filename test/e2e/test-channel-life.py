#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What becomes of channels when domains come, go and differ from Linux."""
import os
import stat

from channel_host import Client, run, stream, wait_for

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
    host.front(2, 1, "--echo")
    host.connected(2, 1)
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
         and v is not make_domain_of_uuid]

if __name__ == "__main__":
    run(TESTS)
