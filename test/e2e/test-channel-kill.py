#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""SIGKILL to the daemon, again and again, in the middle of traffic.

What is promised: between ring and spool each byte passes exactly once. A client
may get one chunk of 2 KiB again after a kill, and misses nothing. What a client
sent reaches the guest exactly once as long as something holds its socket.
"""
import os
import random
import signal
import subprocess
import threading
import time

from channel_host import Client, Receiver, run, stream, wait_for

SIZE = int(os.environ.get("CHANNEL_KILL_SIZE", 3 << 20))


def killer(host, stop, receiver, kills):
    """Kills the daemon at random points of the stream, six times."""
    rng = random.Random(7)
    for n in range(1, 7):
        at = SIZE * n // 7 + rng.randrange(SIZE // 16)
        while receiver.at < at or not kill(host):
            if stop.is_set():
                return
            time.sleep(0.001)
        kills.append(at)


def kill(host):
    """The daemon below the keeper; false if it is just being started."""
    with open(f"/proc/{host.daemon_pid()}/task/{host.daemon_pid()}/children",
              encoding="ascii") as f:
        children = f.read().split()
    if not children:
        return False
    try:
        os.kill(int(children[0]), signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def with_a_keeper_clients_stay_and_nothing_is_lost(host):
    host.start_daemon("--keeper")
    host.create(1)
    path = host.attach(1, "a")
    out, into = stream(SIZE, 1), stream(SIZE, 2)
    with open(host.dir + "/out", "wb") as f:
        f.write(out)
    with open(host.dir + "/out", "rb") as stdin, \
            open(host.dir + "/in", "wb") as stdout:
        host.front(1, 1, stdin=stdin, stdout=stdout)
        host.connected(1, 1)
        client = Client(path)
        receiver = Receiver(out)
        stop, kills = threading.Event(), []
        thread = threading.Thread(target=killer,
                                  args=(host, stop, receiver, kills))
        sender = threading.Thread(target=client.send, args=(into,))
        thread.start()
        sender.start()
        while not receiver.done():
            part = client.receive(1)
            part += os.read(client.fd, 65536)
            receiver.take(part)
        sender.join()
        wait_for("all to arrive in the guest", lambda:
                 os.path.getsize(host.dir + "/in") >= SIZE)
        stop.set()
        thread.join()
    with open(host.dir + "/in", "rb") as f:
        assert f.read() == into, "towards the guest: not exactly once"
    print(f"     {len(kills)} kills, {receiver.repeated} chunks repeated")
    assert len(kills) > 3
    assert receiver.repeated <= len(kills)


def without_one_clients_come_again_and_miss_nothing(host):
    host.start_daemon()
    host.create(1)
    path = host.attach(1, "a")
    out = stream(SIZE, 3)
    with open(host.dir + "/out", "wb") as f:
        f.write(out)
    with open(host.dir + "/out", "rb") as stdin:
        host.front(1, 1, stdin=stdin)
        host.connected(1, 1)
        receiver = Receiver(out)
        rng = random.Random(9)
        kills = 0
        while not receiver.done():
            client = Client(path)
            amount = rng.randrange(SIZE // 6)
            while amount > 0 and not receiver.done():
                part = os.read(client.fd, 65536)
                receiver.take(part)
                amount -= len(part)
            host.kill_daemon()
            kills += 1
            while part := os.read(client.fd, 65536):
                receiver.take(part)
            client.close()
            host.start_daemon()
    print(f"     {kills} kills, {receiver.repeated} chunks repeated")
    assert host.read("/local/domain/0/backend/console/1/1/state") == "4"
    assert host.read("/local/domain/1/device/console/1/state") == "4"


def stopped_daemon_goes_on_as_if_nothing_had_been(host):
    host.start_daemon()
    host.create(1)
    path = host.attach(1, "a")
    with open(host.dir + "/in", "wb") as stdout:
        guest = host.front(1, 1, stdin=subprocess.PIPE, stdout=stdout)
    host.connected(1, 1)
    client = Client(path)
    out, into = stream(100000, 4), stream(100000, 5)
    os.kill(host.daemon_pid(), signal.SIGSTOP)
    sent = [threading.Thread(target=guest.stdin.write, args=(out,)),
            threading.Thread(target=client.send, args=(into,))]
    for thread in sent:
        thread.start()
    # The commands do not wait for it.
    assert [e["name"] for e in host.list(1)] == ["a"]
    os.kill(host.daemon_pid(), signal.SIGCONT)
    assert client.receive(len(out)) == out
    for thread in sent:
        thread.join()
    wait_for("all to arrive in the guest", lambda:
             os.path.getsize(host.dir + "/in") >= len(into))
    with open(host.dir + "/in", "rb") as f:
        assert f.read() == into


TESTS = [with_a_keeper_clients_stay_and_nothing_is_lost,
         without_one_clients_come_again_and_miss_nothing,
         stopped_daemon_goes_on_as_if_nothing_had_been]

if __name__ == "__main__":
    run(TESTS)
