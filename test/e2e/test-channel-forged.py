#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Guests that name what is not theirs, or take away what they have named; and
what is told of those that lie."""
import json
import os
import select
import signal
import sys

from channel_host import LONG, Client, run, stream, wait_for

FE = "/local/domain/1/device/console/1"
BE = "/local/domain/0/backend/console/1/1"
OTHER = "/local/domain/2/device/console/1"

# xenstore-write takes no value with a NUL in it.
PUT = """
import ctypes, sys
xs = ctypes.CDLL("libxenstore.so.4")
xs.xs_open.restype = ctypes.c_void_p
data = bytes.fromhex(sys.argv[2])
ok = xs.xs_write(ctypes.c_void_p(xs.xs_open(0)), 0, sys.argv[1].encode(), data,
                 len(data))
sys.exit(not ok)
"""


def start(host):
    """A daemon, and a channel of another guest that has to go on working."""
    host.start_daemon()
    host.create(1)
    host.create(2)
    path = host.attach(2, "bystander")
    host.front(2, 1, "--echo")
    host.connected(2, 1)
    host.bystander = Client(path)


def other_is_served(host):
    data = stream(20000)
    assert host.bystander.exchange(data) == data
    assert host.daemon.poll() is None


def guests_process(front):
    """That of the guest itself: xenhost run is its parent."""
    with open(f"/proc/{front.pid}/task/{front.pid}/children",
              encoding="ascii") as f:
        return int(f.read().split()[0])


def ring_and_port_of_another_guest_cannot_be_had(host):
    start(host)
    path = host.attach(1, "a")
    host.await_entry(1, "a", backend="init-wait")
    for key in "ring-ref", "port":
        host.write(f"{FE}/{key}", host.read(f"{OTHER}/{key}"), domid=1)
    host.write(f"{FE}/state", "3", domid=1)
    wait_for("the refusal", lambda: "cannot connect to ring-ref" in
             host.entry(1, "a")["error"])
    assert host.read(f"{BE}/state") == "2"
    other_is_served(host)
    host.write(f"{FE}/state", "1", domid=1)
    host.front(1, 1, "--echo")
    host.connected(1, 1)
    assert Client(path).exchange(b"own") == b"own"
    assert host.entry(1, "a")["error"] == ""


def numbers_that_change_while_connected(host):
    start(host)
    path = host.attach(1, "a")
    host.front(1, 1, "--echo")
    host.connected(1, 1)
    client = Client(path)
    own = {key: host.read(f"{FE}/{key}") for key in ("ring-ref", "port")}
    for key in own:
        other = str(int(own[key]) + 1000)
        host.write(f"{FE}/{key}", other, domid=1)
        # At 4 it has no business to: what was taken up is held.
        assert client.exchange(b"held") == b"held"
        # At 3 it has another ring, which it has not.
        host.write(f"{FE}/state", "3", domid=1)
        wait_for("the offer", lambda: host.read(f"{BE}/state") == "2")
        other_is_served(host)
        host.write(f"{FE}/{key}", own[key], domid=1)
        host.write(f"{FE}/state", "3", domid=1)
        wait_for("the ring", lambda: host.read(f"{BE}/state") == "4")
        host.write(f"{FE}/state", "4", domid=1)
        assert client.exchange(b"again") == b"again"


def guest_that_is_gone_without_a_word(host):
    """Its grant and its port end under us."""
    start(host)
    path = host.attach(1, "a")
    front = host.front(1, 1, "--echo")
    host.connected(1, 1)
    client = Client(path)
    assert client.exchange(b"before") == b"before"
    os.kill(guests_process(front), signal.SIGKILL)
    front.wait()
    client.send(bytes(100000))
    other_is_served(host)
    client.close()
    assert host.entry(1, "a")["backend"] == "connected"
    # It boots again.
    host.write(f"{FE}/state", "1", domid=1)
    wait_for("the offer", lambda: host.read(f"{BE}/state") == "2")
    host.front(1, 1, "--echo")
    host.connected(1, 1)
    other_is_served(host)


def guest_that_resumes_with_an_emptied_ring(host):
    start(host)
    path = host.attach(1, "a")
    front = host.front(1, 1, "--echo", "--lie=resume", stdout=-1)
    host.connected(1, 1)
    client = Client(path)
    data = stream(3000)
    assert client.exchange(data) == data
    assert front.stdout.readline() == b"resumed\n"
    assert client.exchange(data) == data
    host.kill_daemon()
    host.start_daemon()
    client = Client(path)
    assert client.exchange_after_kill(data) == data
    assert "quarantined" not in host.log()


def names_of_others_that_are_none(host):
    start(host)
    host.attach(1, "a")
    host.await_entry(1, "a", backend="init-wait")
    host.kill_daemon()
    bad = [b"n\0ul", b"\0", b"n" * 256, b"N" * 3900, b"a/../b", b"\xff\xfe",
           b"line\nline", b""]
    for k, name in enumerate(bad[:6], 2):
        be = f"/local/domain/0/backend/console/1/{k}"
        for key, value in {"frontend": f"/local/domain/1/device/console/{k}",
                           "frontend-id": "1", "online": "1", "state": "1",
                           "connection": "pty", "xenchan": ""}.items():
            host.write(f"{be}/{key}", value)
        host.run(0, sys.executable, "-c", PUT, f"{be}/name", name.hex())
        host.write(f"/local/domain/1/device/console/{k}/state", "1")
    for name in bad[6:]:
        host.run(0, sys.executable, "-c", PUT, f"{BE}/name", name.hex())
    host.start_daemon()
    host.bystander.close()
    host.bystander = Client(f"{host.dir}/2-bystander.sock")
    assert host.bystander.exchange_after_kill(b"again") == b"again"
    for k in range(1, 8):
        be = f"/local/domain/0/backend/console/1/{k}/state"
        wait_for(f"the offer of {k}", lambda be=be: host.read(be) == "2")
    listed = json.loads(host.channel("list", "--json", "--run-dir",
                                     host.run_dir))
    assert sorted((e["domain"], e["device"]) for e in listed) == (
        [(1, k) for k in range(1, 8)] + [(2, 1)])
    # They are shown as they are, but do nothing to a terminal, nor to a script.
    for form in [], ["--tsv"]:
        shown = host.popen(0, os.environ["XENCHAN"], "channel", "list", *form,
                           "--run-dir", host.run_dir,
                           stdout=-1).communicate(timeout=LONG)[0]
        assert shown.count(b"\n") == 9, shown
        assert not set(shown) & ({*range(32), 127} - set(b"\t\n")), shown
    other_is_served(host)


def quarantine_is_told_in_events_and_lists(host):
    start(host)
    host.attach(1, "liar")
    events = host.popen(0, os.environ["XENCHAN"], "channel", "events",
                        "--json", "--run-dir", host.run_dir, stdout=-1)
    # The first event shows that the request was heard.
    while not select.select([events.stdout], [], [], 1)[0]:
        Client(f"{host.dir}/1-liar.sock").close()
    host.front(1, 1, "--lie=out-prod")
    seen = []
    while ("state", "quarantined") not in seen:
        e = json.loads(events.stdout.readline())
        if e["name"] == "liar":
            seen.append((e["event"], e["detail"]))
    errors = [detail for event, detail in seen if event == "error"]
    assert len(errors) == 1 and errors[0].startswith("quarantined: "), seen
    listed = json.loads(host.channel("list", "--json", "--run-dir",
                                     host.run_dir))
    liar, = [e for e in listed if e["name"] == "liar"]
    assert liar["error"] == errors[0], liar
    assert liar["backend-state"] == "closed", liar
    assert "quarantined" in host.channel("list", "--run-dir", host.run_dir)
    other_is_served(host)


TESTS = [ring_and_port_of_another_guest_cannot_be_had,
         numbers_that_change_while_connected,
         guest_that_is_gone_without_a_word,
         guest_that_resumes_with_an_emptied_ring,
         names_of_others_that_are_none,
         quarantine_is_told_in_events_and_lists]

if __name__ == "__main__":
    run(TESTS)
