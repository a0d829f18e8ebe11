#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""xenstore fails the daemon: an error is not the end of a channel."""
import os
import signal
import subprocess

from call_failures import fault
from channel_host import Client, run, stream, wait_for

BACKENDS = "/local/domain/0/backend/console"


def calls():
    """How many the fault that is set has seen."""
    return int(fault("list", "-d", "0").splitlines()[1].split("\t")[-1])


def backlog(host, *options):
    """A channel of which 3000 bytes wait for a client."""
    host.start_daemon(*options)
    host.create(1)
    path = host.attach(1, "a")
    guest = host.front(1, 1, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    host.connected(1, 1)
    data = stream(3000)
    guest.stdin.write(data)
    guest.stdin.flush()
    wait_for("it to be kept", lambda: host.await_entry(
        1, "a", **{"from-guest": "3000"}))
    return path, data, guest


def scan_that_fails_ends_no_channel(host):
    path, data, guest = backlog(host)
    client = Client(path)
    assert client.receive(len(data)) == data
    # A change that is of no device makes it look through the directory.
    for nth in 1, 2:  # the root; a domain's
        host.write(f"{BACKENDS}/9/x", "")
        fault("add", "-d", "0", "xs-directory", "--errno", "EIO", "--nth",
              str(nth))
        host.run(0, "xenstore-rm", f"{BACKENDS}/9")
        wait_for("the failure", lambda: calls() >= nth)
        fault("clear", "-d", "0")
        client.send(b"still here")
    assert os.path.exists(path)
    assert os.path.exists(host.run_dir + "/1-1.spool")
    assert "cannot see which channels" in host.log()
    assert "(a): connected ->" not in host.log()
    assert guest.stdout.read(20) == b"still herestill here"
    # And what comes later is found.
    Client(host.attach(1, "b")).close()


def restart(host, kind, nth, count):
    """--keeper, so that descriptors would be lost, too."""
    ready = host.log().count("ready\n")
    fault("add", "-d", "0", kind, "--errno", "EIO", "--nth", str(nth),
          "--count", str(count))
    os.kill(host.keepers_child(), signal.SIGKILL)
    wait_for("the daemon", lambda: host.log().count("ready\n") > ready)
    fault("clear", "-d", "0")


def start_without_the_directory_loses_nothing(host):
    path, data, guest = backlog(host, "--keeper")
    client = Client(path)
    assert client.receive(len(data)) == data
    restart(host, "xs-directory", 1, 1)
    assert "cannot see which channels" in host.log()
    guest.stdin.write(data)
    guest.stdin.flush()
    got = client.receive(len(data))
    while not got.endswith(data):  # a chunk may come again
        got += client.receive(1)
    assert len(got) <= len(data) + 2048


def device_that_cannot_be_watched_at_a_start_is_served_later(host):
    path, data, guest = backlog(host, "--keeper")
    client = Client(path)
    assert client.receive(len(data)) == data
    restart(host, "xs-watch", 5, 1)  # after four of its own
    assert "cannot be served yet" in host.log()
    assert os.path.exists(host.run_dir + "/1-1.spool")
    guest.stdin.write(data)
    guest.stdin.flush()
    got = client.receive(len(data))
    while not got.endswith(data):
        got += client.receive(1)
    assert len(got) <= len(data) + 2048
    assert host.log().count("cannot be served yet") == 1


def nodes_that_cannot_be_read_at_a_start_are_read_later(host):
    path, data, guest = backlog(host)
    guest.stdin.write(b"more")
    guest.stdin.flush()
    wait_for("it to be kept", lambda: host.await_entry(
        1, "a", **{"from-guest": "3004"}))
    host.kill_daemon()
    # Wherever in the start it is, after the domain's own id.
    for nth in range(2, 12, 3):
        fault("add", "-d", "0", "xs-read", "--errno", "EIO", "--nth", str(nth),
              "--count", "3")
        host.start_daemon()
        fault("clear", "-d", "0")
        assert os.path.exists(host.run_dir + "/1-1.spool"), host.log()
        host.connected(1, 1)
        host.await_entry(1, "a", **{"from-guest": "3004"})
        host.kill_daemon()
    host.start_daemon()
    assert Client(path).receive(3004) == data + b"more"


def devices_of_others_cost_no_look_at_all(host):
    host.start_daemon()
    host.create(1)
    host.attach(1, "a")
    host.await_entry(1, "a", backend="init-wait")
    host.write(f"{BACKENDS}/1/2/frontend", "/local/domain/1/device/console/2")
    fault("add", "-d", "0", "xs-directory", "--errno", "EIO", "--nth",
          "1000000")
    for i in range(20):
        host.write(f"{BACKENDS}/1/2/state", str(i % 6))
    host.write(f"{BACKENDS}/1/0/state", "4")
    seen = host.log().count("\n")
    host.write("/local/domain/1/device/console/1/state", "3", domid=1)
    host.write("/local/domain/1/device/console/1/state", "6", domid=1)
    wait_for("the daemon to have looked", lambda: host.log().count("\n") > seen)
    assert calls() == 0
    fault("clear", "-d", "0")


TESTS = [scan_that_fails_ends_no_channel,
         start_without_the_directory_loses_nothing,
         device_that_cannot_be_watched_at_a_start_is_served_later,
         nodes_that_cannot_be_read_at_a_start_are_read_later,
         devices_of_others_cost_no_look_at_all]

if __name__ == "__main__":
    run(TESTS)
