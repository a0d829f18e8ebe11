#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The daemon is killed, and starts again while something else is under way."""
import os
import signal
import subprocess
import time

from call_failures import fault
from channel_host import Client, Receiver, run, stream, wait_for

BE = "/local/domain/0/backend/console/1/1"
FE = "/local/domain/1/device/console/1"


def kill_keepers_child(host):
    ready = host.log().count("ready\n")
    os.kill(host.keepers_child(), signal.SIGKILL)
    wait_for("the daemon", lambda: host.log().count("ready\n") > ready)


def detach_that_has_begun_takes_what_the_guest_wrote_since(host):
    host.start_daemon()
    host.create(1)
    path = host.attach(1, "a")
    # It does not care that it shall close, until it has written all.
    guest = host.front(1, 1, "--stay", "--eof-closes", stdin=subprocess.PIPE)
    host.connected(1, 1)
    detach = host.popen(0, os.environ["XENCHAN"], "channel", "detach", "-d",
                        "1", "a", "--timeout", "60")
    wait_for("the detach", lambda: "-> closing" in host.log())
    host.kill_daemon()
    data = stream(1024)
    guest.stdin.write(data)
    guest.stdin.flush()
    time.sleep(0.5)  # to be in the ring
    host.start_daemon()
    wait_for("the ring", lambda: host.log().count("-> closing") == 2)
    assert host.read(f"{BE}/state") == "5"
    assert detach.poll() is None
    e = host.entry(1, "a")
    assert e["from-guest"] == "1024", e
    client = Client(path)
    assert client.receive(1024) == data
    guest.stdin.close()
    assert detach.wait() == 0
    assert client.receive(1) == b""
    assert host.list(1) == []


def guest_that_closed_meanwhile_has_its_last_words_heard(host):
    host.start_daemon()
    host.create(1)
    path = host.attach(1, "a")
    guest = host.front(1, 1, "--eof-closes", stdin=subprocess.PIPE)
    host.connected(1, 1)
    host.kill_daemon()
    data = stream(1500)
    guest.stdin.write(data)
    guest.stdin.flush()
    time.sleep(0.5)
    # As Mini-OS does; its page is the backend's until that says 6.
    host.write(f"{FE}/state", "5", domid=1)
    host.start_daemon()
    host.await_entry(1, "a", backend="closed")
    assert Client(path).receive(len(data)) == data


def closed_channel_keeps_its_client_over_a_kill(host):
    host.start_daemon("--keeper")
    host.create(1)
    path = host.attach(1, "a")
    guest = host.front(1, 1, "--eof-closes", stdin=subprocess.PIPE)
    host.connected(1, 1)
    client = Client(path)  # does not read yet
    data = stream(900000)
    guest.stdin.write(data)
    guest.stdin.close()
    host.await_entry(1, "a", backend="closed")
    kill_keepers_child(host)
    receiver = Receiver(data)
    while not receiver.done():
        part = client.receive(1)
        assert part, "the client was cut off"
        receiver.take(part + os.read(client.fd, 65536))
    assert receiver.repeated <= 1
    client.close()
    host.await_entry(1, "a", client="none")
    second = Client(path)
    host.await_entry(1, "a", client="connected")
    second.close()


def connection_that_fails_once_at_a_start_comes_about(host):
    host.start_daemon()
    host.create(1)
    path = host.attach(1, "a")
    host.front(1, 1, "--echo")
    host.connected(1, 1)
    for kind, errno in (("gnttab-map", "ENOMEM"),
                        ("evtchn-bind-interdomain", "EINVAL")):
        host.kill_daemon()
        fault("add", "-d", "0", kind, "--errno", errno)
        said = host.log().count("cannot connect to ring-ref")
        host.start_daemon()
        client = Client(path)
        data = stream(3000)
        assert client.exchange_after_kill(data) == data
        client.close()
        fault("clear", "-d", "0")
        assert host.log().count("cannot connect to ring-ref") == said + 1
        wait_for("the error to go", lambda: not host.entry(1, "a")["error"])


def terminals_reader_is_known_after_a_restart(host):
    host.start_daemon("--keeper")
    host.create(1)
    host.attach(1, "a", "--pty")
    host.front(1, 1, "--echo")
    host.connected(1, 1)
    path = host.entry(1, "a")["path"]
    kill_keepers_child(host)
    assert host.entry(1, "a")["client"] == "none"
    first, second = Client(path), Client(path)
    host.await_entry(1, "a", client="connected")
    kill_keepers_child(host)
    assert host.entry(1, "a")["client"] == "connected"
    first.close()
    assert second.exchange_after_kill(b"still here") == b"still here"
    assert host.entry(1, "a")["client"] == "connected"
    second.close()
    host.await_entry(1, "a", client="none")
    assert host.entry(1, "a")["path"] == path


def what_is_written_to_a_terminal_and_left_reaches_the_guest(host):
    host.start_daemon()
    host.create(1)
    host.attach(1, "a", "--pty")
    path = wait_for("the terminal", lambda: host.entry(1, "a")["path"])
    data = stream(5000)
    writer = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    n = os.write(writer, data)  # more than is held where it can be read
    os.close(writer)
    host.await_entry(1, "a", client="none")
    guest = host.front(1, 1, stdout=subprocess.PIPE)
    assert guest.stdout.read(n) == data[:n]


TESTS = [detach_that_has_begun_takes_what_the_guest_wrote_since,
         guest_that_closed_meanwhile_has_its_last_words_heard,
         closed_channel_keeps_its_client_over_a_kill,
         connection_that_fails_once_at_a_start_comes_about,
         terminals_reader_is_known_after_a_restart,
         what_is_written_to_a_terminal_and_left_reaches_the_guest]

if __name__ == "__main__":
    run(TESTS)
