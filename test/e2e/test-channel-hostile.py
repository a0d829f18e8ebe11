#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Guests, nodes and clients that do what they must not."""
import os
import socket
import subprocess
import time

from channel_host import Client, fail, run, stream, wait_for

FE = "/local/domain/1/device/console/1"
BE = "/local/domain/0/backend/console/1/1"


def start(host):
    """A daemon, and a channel of a bystander that has to go on working."""
    host.start_daemon()
    host.create(1)
    host.create(2)
    path = host.bystander_path = host.attach(2, "bystander")
    host.front(2, 1, "--echo")
    host.connected(2, 1)
    host.bystander = Client(path)


def restart(host):
    host.kill_daemon()
    host.start_daemon()
    host.bystander.close()
    host.bystander = Client(host.bystander_path)
    assert host.bystander.exchange_after_kill(b"again") == b"again"


def others_are_served(host):
    data = stream(20000, time.monotonic_ns())
    assert host.bystander.exchange(data) == data
    assert host.daemon.poll() is None


def impossible_rings_are_quarantined_and_said_once(host):
    start(host)
    for k, lie in enumerate(["out-prod", "in-cons"], 1):
        host.attach(1, lie)
        host.front(1, k, f"--lie={lie}")
        host.await_entry(1, lie, backend="closed")
        assert host.entry(1, lie)["error"].startswith("quarantined")
        assert host.log().count(f"({lie}): quarantined") == 1
        others_are_served(host)
    # For good: neither the guest nor a restart of ours changes that.
    host.write(f"{FE}/state", "1", domid=1)
    restart(host)
    time.sleep(0.5)
    assert host.read(f"{BE}/state") == "6"
    host.detach(1, "out-prod")
    path = host.attach(1, "fresh")
    host.front(1, 1, "--echo")
    host.connected(1, 1)
    assert Client(path).exchange(b"x") == b"x"


def our_indices_rewritten_by_the_guest_are_not_read(host):
    start(host)
    path = host.attach(1, "a")
    guest = host.front(1, 1, "--echo", "--lie=ours")
    host.connected(1, 1)
    client = Client(path)
    for seed in range(3):
        data = stream(1000, seed)
        client.send(data)
        # The guest deceives itself about in_prod; what it sends arrives.
        time.sleep(0.1)
    others_are_served(host)
    # Of what is its own it tells the truth, so the channel lives, for a guest
    # that begins anew.
    e = host.entry(1, "a")
    assert (e["backend"], e["error"]) == ("connected", ""), e
    guest.kill()
    guest.wait()
    client.close()
    host.write(f"{FE}/state", "1", domid=1)
    wait_for("the offer", lambda: host.read(f"{BE}/state") == "2")
    host.front(1, 1, "--echo")
    host.connected(1, 1)
    client = Client(path)
    client.send(b"end\n")
    got = b""  # behind what the liar was sent
    while not got.endswith(b"end\n"):
        got += client.receive(1)


def rings_wrap_at_the_end_of_their_indices(host):
    start(host)
    path = host.attach(1, "a")
    host.front(1, 1, "--echo", "--start=0xfffffc00")
    host.connected(1, 1)
    data = stream(100000)
    assert Client(path).exchange(data) == data


def storm_of_events_is_rate_limited(host):
    start(host)
    path = host.attach(1, "a")
    host.front(1, 1, "--echo", "--lie=storm")
    host.connected(1, 1)
    wait_for("the limit", lambda: "too many events" in host.log())
    others_are_served(host)
    data = stream(5000)
    assert Client(path).exchange(data) == data


def busy_guest_is_not_taken_for_a_storm(host):
    start(host)
    path = host.attach(1, "a")
    host.front(1, 1, "--echo")
    host.connected(1, 1)
    client = Client(path)
    for _ in range(3000):
        assert client.exchange(b"q") == b"q"
    assert client.exchange(stream(1 << 20)) == stream(1 << 20)
    assert "too many events" not in host.log()


def flood_without_a_client_is_bounded(host):
    start(host)
    path = host.attach(1, "a", "--overflow", "drop-oldest", "--limit", "64K")
    guest = host.front(1, 1, stdin=subprocess.PIPE)
    host.connected(1, 1)
    data = stream(3 << 20)
    guest.stdin.write(data)  # ends, because the ring is always drained
    guest.stdin.close()
    spool = os.stat(host.run_dir + "/1-1.spool")
    assert spool.st_blocks * 512 <= 80 << 10
    others_are_served(host)
    time.sleep(1)
    assert Client(path).receive(64 << 10) == data[-(64 << 10):]


def garbage_in_ring_ref_and_port(host):
    start(host)
    path = host.attach(1, "a")
    host.await_entry(1, "a", backend="init-wait")
    garbage = ["", "abc", "-1", "0", "4294967296", "99999999999999999999",
               "4294967295", "1e3", " 8", "8 ", "0x8", "7" * 1000]
    for value in garbage:
        host.write(f"{FE}/ring-ref", value, domid=1)
        host.write(f"{FE}/port", value, domid=1)
        host.write(f"{FE}/state", "3", domid=1)
    time.sleep(0.5)
    assert host.read(f"{BE}/state") == "2"
    others_are_served(host)
    host.write(f"{FE}/state", "1", domid=1)
    host.front(1, 1, "--echo")
    host.connected(1, 1)
    # At 4 the guest has no business to change them: nothing happens.
    for value in garbage:
        host.write(f"{FE}/ring-ref", value, domid=1)
    assert Client(path).exchange(b"still") == b"still"


def every_jump_between_states(host):
    start(host)
    path = host.attach(1, "a")
    states = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "x"]
    script = "".join(f"xenstore-write {FE}/state {a}; "
                     f"xenstore-write {FE}/state {b};\n"
                     for a in states for b in states)
    host.run(1, "sh", "-c", script)
    others_are_served(host)
    host.write(f"{FE}/state", "1", domid=1)
    wait_for("the offer", lambda: host.read(f"{BE}/state") == "2")
    host.front(1, 1, "--echo")
    host.connected(1, 1)
    client = Client(path)
    assert client.exchange(b"x") == b"x"
    # And from connected to each of them.
    for state in ["0", "7", "8", "x", "4"]:
        host.write(f"{FE}/state", state, domid=1)
        assert client.exchange(b"y") == b"y"
    host.write(f"{FE}/state", "5", domid=1)
    wait_for("the end", lambda: host.read(f"{BE}/state") == "6")
    others_are_served(host)


def frontend_removed_while_connected(host):
    start(host)
    host.attach(1, "a")
    host.front(1, 1, "--echo")
    host.connected(1, 1)
    host.rm(FE, domid=1)
    wait_for("the end", lambda: host.read(f"{BE}/state") == "6")
    others_are_served(host)
    host.detach(1, "a")
    assert host.list(1) == []


def backend_removed_while_connected(host):
    start(host)
    path = host.attach(1, "a")
    host.front(1, 1, "--echo")
    host.connected(1, 1)
    host.rm(BE)
    wait_for("the socket to go", lambda: not os.path.exists(path))
    time.sleep(0.3)
    assert host.read(f"{BE}/state") is None, "made again by a write"
    others_are_served(host)


def forged_nodes_of_the_frontend_are_ignored(host):
    start(host)
    path = host.attach(1, "a")
    host.front(1, 1, "--echo")
    host.connected(1, 1)
    client = Client(path)
    for key, value in {"backend": "/local/domain/0/backend/console/2/1",
                       "backend-id": "2", "protocol": "x\n" * 300}.items():
        host.write(f"{FE}/{key}", value, domid=1)
        assert client.exchange(b"x") == b"x"
    host.kill_daemon()
    host.start_daemon()
    client = Client(path)
    assert client.exchange_after_kill(b"x") == b"x"
    for key in "tty", "type", "output", "name":
        host.run(1, "xenstore-write", f"{FE}/{key}", "forged", status=1)


def type_that_is_missing_is_not_ours_even_if_the_guest_adds_it(host):
    start(host)
    for key, value in {"frontend": FE, "frontend-id": "1", "online": "1",
                       "state": "1", "connection": "pty",
                       "name": "theirs"}.items():
        host.write(f"{BE}/{key}", value)
    host.write(f"{FE}/state", "1")
    host.run(0, "xenstore-chmod", "-r", FE, "n1", "r0")
    host.write(f"{FE}/type", "xenconsoled", domid=1)
    host.write(f"{BE}/online", "1")
    time.sleep(0.5)
    assert host.read(f"{BE}/state") == "1"
    others_are_served(host)


def paths_that_cannot_be_sockets(host):
    start(host)
    target = host.dir + "/target"
    link = host.dir + "/link"
    os.symlink(target, link)
    host.attach(1, "link", "--socket", link)
    wait_for("the error", lambda: "something else is there" in
             host.entry(1, "link")["error"])
    assert not os.path.lexists(target)
    assert os.readlink(link) == target
    text = host.channel("attach", "-d", "1", "long", "--socket",
                        "/" + "x" * 107, status=1)
    assert "107 bytes" in text
    host.attach(1, "once", "--socket", host.dir + "/shared")
    text = host.channel("attach", "-d", "1", "twice", "--socket",
                        host.dir + "/shared", status=1)
    assert "another channel" in text
    # Another toolstack may do it all the same: the first has it.
    host.await_entry(1, "once", backend="init-wait")
    host.attach(1, "two", "--socket", host.dir + "/two")
    e = host.await_entry(1, "two", backend="init-wait")
    be = f"/local/domain/0/backend/console/1/{e['device']}"
    host.kill_daemon()
    host.write(f"{be}/path", host.dir + "/shared")
    host.start_daemon()
    host.bystander = Client(host.bystander_path)
    wait_for("the error", lambda: "something else" in
             host.entry(1, "once")["error"] + host.entry(1, "two")["error"])
    others_are_served(host)


def client_that_vanishes_in_the_middle(host):
    start(host)
    path = host.attach(1, "a")
    host.front(1, 1, "--echo")
    host.connected(1, 1)
    for seed in range(20):
        client = Client(path)
        client.send(stream(50000, seed)[:seed * 500])
        if seed % 2:
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                     b"\1\0\0\0\0\0\0\0")
        client.close()
    others_are_served(host)


def names_that_are_none(host):
    start(host)
    for name in ["", "a/b", "..", "n" * 256, "new\nline"]:
        host.channel("attach", "-d", "1", "--pty", "--", name, status=1)
    host.attach(1, "twice")
    text = host.channel("attach", "-d", "1", "twice", "--pty", status=1)
    assert "already" in text
    # As nodes of others, they harm nobody.
    host.write("/local/domain/0/backend/console/1/1/name", "x/\t\x1b[2J\n" * 200)
    restart(host)
    assert len(host.list(1)) == 1
    others_are_served(host)


def devices_beyond_seven(host):
    start(host)
    for k in range(7):
        host.attach(1, f"c{k}")
    text = host.channel("attach", "-d", "1", "eighth", "--pty", status=1)
    assert "seven" in text
    for k in 8, 10, 11:
        be = f"/local/domain/0/backend/console/1/{k}"
        host.write(f"{be}/frontend", f"/local/domain/1/device/console/{k}")
        host.write(f"{be}/xenchan", "")
        host.write(f"{be}/state", "1")
    time.sleep(0.3)
    assert host.read("/local/domain/0/backend/console/1/10/state") == "1"
    others_are_served(host)


def id_of_a_domain_that_died_while_nobody_looked(host):
    start(host)
    path = host.attach(1, "secret")
    guest = host.front(1, 1, stdin=subprocess.PIPE)
    host.connected(1, 1)
    guest.stdin.write(b"of the old guest")
    guest.stdin.flush()
    time.sleep(0.5)
    host.kill_daemon()
    host.destroy(1)
    host.create(1)
    host.attach(1, "secret", "--socket", path)
    host.start_daemon()
    guest = host.front(1, 1, stdin=subprocess.PIPE)
    host.connected(1, 1)
    guest.stdin.write(b"of the new one")
    guest.stdin.flush()
    assert Client(path).receive(14) == b"of the new one"


def guest_that_writes_its_nodes_without_end(host):
    start(host)
    host.attach(1, "a")
    host.popen(1, "sh", "-c", f"while :; do xenstore-write {FE}/state 1 "
               f"{FE}/port 7 {FE}/state 3 {FE}/state 6; done",
               stderr=subprocess.DEVNULL)
    for _ in range(5):
        others_are_served(host)
        time.sleep(0.2)
    assert host.log().count("\n") < 200, "it floods the log"


def guest_that_does_not_close_is_let_go_of(host):
    start(host)
    host.attach(1, "a")
    guest = host.front(1, 1, "--echo")
    host.connected(1, 1)
    os.kill(guest.pid, 19)  # as good as a hung guest
    with open(f"/proc/{guest.pid}/task/{guest.pid}/children",
              encoding="ascii") as f:
        for pid in f.read().split():
            os.kill(int(pid), 19)
    host.detach(1, "a", "--timeout", "30")
    assert host.list(1) == []
    others_are_served(host)


TESTS = [v for k, v in list(globals().items())
         if callable(v) and getattr(v, "__module__", "") == "__main__"
         and v not in (start, restart, others_are_served)]

if __name__ == "__main__":
    run(TESTS)
