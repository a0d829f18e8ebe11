#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Channels with xenchanneld at one end and our commands for guests at the other."""
import hashlib
import json
import os
import signal
import subprocess

from channel_host import LONG, Client, fail, run, stream, wait_for

XENCHAN = os.environ["XENCHAN"]


def opens(host, name, *options, **kwargs):
    return host.popen(1, XENCHAN, "channel", "open", "--dir",
                      host.dir + "/channels", name, *options, **kwargs)


class Serve:
    """The guest's daemon."""

    def __init__(self, host):
        self.host, self.dir = host, host.dir + "/channels"
        self.agents = host.dir + "/agents"
        os.makedirs(self.agents, exist_ok=True)
        self.process = host.popen(1, XENCHAN, "channel", "serve", "--dir",
                                  self.dir, "--agents", self.agents,
                                  "--restart-delay", "50ms")

    def agent(self, name, text):
        path = f"{self.agents}/{name}"
        with open(path + ".new", "w", encoding="ascii") as f:
            f.write("#!/bin/sh\n" + text)
        os.chmod(path + ".new", 0o755)
        os.rename(path + ".new", path)

    def terminal(self, name):
        path = f"{self.dir}/{name}"
        wait_for(path, lambda: os.path.exists(path))
        return os.path.realpath(path)

    def kill(self, signum):
        locks = [n for n in os.listdir(self.dir) if n.endswith("-1-0")]
        with open(f"{self.dir}/{locks[0]}", encoding="ascii") as f:
            os.kill(int(f.read().split()[0]), signum)
        return self.process.wait(LONG)


def guest_reads_what_the_client_sends_and_answers(host):
    host.start_daemon()
    host.create(1)
    path = host.attach(1, "org.example.a")
    guest = opens(host, "org.example.a", "--exec", "cat")
    client = Client(path)
    data = stream(300000)
    assert client.exchange(data) == data
    assert host.entry(1, "org.example.a")["guest"] == "open"
    host.detach(1, "org.example.a")
    assert guest.wait(LONG) == 0


def file_arrives_whole_and_ends_the_command(host):
    host.start_daemon()
    host.create(1)
    path = host.attach(1, "a")
    data = stream(500000)
    guest = opens(host, "a", stdin=subprocess.PIPE)
    client = Client(path)
    guest.stdin.write(data)
    guest.stdin.close()
    assert client.receive(len(data)) == data
    assert guest.wait(LONG) == 0
    # The channel is there for the next one.
    host.await_entry(1, "a", frontend="initialising", backend="init-wait")
    guest = opens(host, "a", stdin=subprocess.PIPE)
    guest.communicate(b"once more")
    assert client.receive(9) == b"once more"


def names_tells_who_has_it(host):
    host.start_daemon()
    host.create(1)
    host.attach(1, "a")

    def user():
        names = json.loads(host.run(1, XENCHAN, "channel", "names", "--json"))
        return names[0]["user"]

    assert user() == "free"
    guest = opens(host, "a", stdin=subprocess.PIPE)
    wait_for("the guest", lambda: user() == "program")
    guest.stdin.close()
    assert guest.wait(LONG) == 0
    assert user() == "free"


def other_front_end_is_replaced_and_nothing_it_sent_is_lost(host):
    """As a program takes a channel away from the kernel's driver, or comes
    after one that died."""
    host.start_daemon()
    host.create(1)
    path = host.attach(1, "a")
    kernel = host.front(1, 1, "--silent", stdin=subprocess.PIPE)
    host.connected(1, 1)
    kernel.stdin.write(b"first ")
    kernel.stdin.flush()
    client = Client(path)
    assert client.receive(6) == b"first "
    kernel.kill()
    kernel.wait()
    guest = opens(host, "a", stdin=subprocess.PIPE)
    guest.communicate(b"second")
    assert guest.returncode == 0
    assert client.receive(6) == b"second"


def what_one_reader_left_is_for_the_next(host):
    """Sent before the kernel's driver, which reads nothing, was replaced."""
    host.start_daemon()
    host.create(1)
    log = host.dir + "/log"
    path = host.attach(1, "org.example.config", "--log", log)
    kernel = host.front(1, 1, "--lazy")
    host.connected(1, 1)
    client = Client(path)
    document = stream(5000)
    client.send(document)
    wait_for("something in the ring", lambda: os.path.getsize(log))
    kernel.kill()
    kernel.wait()
    guest = opens(host, "org.example.config", stdin=subprocess.DEVNULL,
                  stdout=subprocess.PIPE)
    assert guest.stdout.read(5000) == document


def backend_is_killed_in_mid_transfer(host):
    host.start_daemon()
    host.create(1)
    path = host.attach(1, "a")
    guest = opens(host, "a", stdin=subprocess.PIPE)
    data = stream(400000)
    client = Client(path)
    got = b""
    for part in range(4):
        guest.stdin.write(data[part * 100000:(part + 1) * 100000])
        guest.stdin.flush()
        got += client.receive(50000)
        host.kill_daemon()
        got += client.receive(len(data))  # what the kernel still has
        client.close()
        host.start_daemon()
        client = Client(path)
        got += client.receive((part + 1) * 100000 - len(got))
    guest.stdin.close()
    # At most a chunk is repeated towards the client by each kill; this guest
    # is never disconnected.
    assert guest.wait(LONG) == 0
    rest = client.receive(1) if len(got) < len(data) else b""
    got += rest
    if hashlib.sha256(got).digest() != hashlib.sha256(data).digest():
        at = next(i for i, (a, b) in enumerate(zip(got, data)) if a != b)
        again = got[at:at + 64] in data[max(0, at - 3 * 2048):at]
        assert again, f"byte {at} of {len(data)} is wrong"


def each_name_reaches_its_own_whatever_the_numbers(host):
    host.start_daemon()
    host.create(1)
    serve = Serve(host)
    paths = {n: host.attach(1, n) for n in ("one", "two")}
    for n in paths:
        serve.terminal(n)
    host.detach(1, "one")
    wait_for("the link to go", lambda: not os.path.lexists(
        f"{serve.dir}/one"))
    del paths["one"]
    paths["three"] = host.attach(1, "three")
    assert host.entry(1, "three")["device"] == "1"
    for n, path in paths.items():
        client, guest = Client(path), Client(serve.terminal(n))
        guest.send(n.encode())
        assert client.receive(len(n)) == n.encode()
        client.send(b"to " + n.encode())
        assert guest.receive(len(n) + 3) == b"to " + n.encode()
        guest.close()
        client.close()
    assert serve.kill(signal.SIGTERM) == 0


def agent_answers_a_thousand_questions_over_restarts(host):
    host.start_daemon()
    host.create(1)
    serve = Serve(host)
    serve.agent("a", "while read -r q; do echo \"$q?\"; done\n")
    path = host.attach(1, "a")
    client = Client(path)

    def line():
        text = b""
        while not text.endswith(b"\n"):
            text += client.receive(1) or fail("the end")
        return text[:-1]

    def ask(first, last):
        for i in range(first, last):
            client.send(b"%d\n" % i)
            # The kill of a backend may repeat a chunk towards the client.
            while (answer := line()) != b"%d?" % i:
                assert int(answer[:-1]) < i

    ask(0, 400)
    host.kill_daemon()
    client.close()
    host.start_daemon()
    client = Client(path)
    ask(400, 800)
    serve.kill(signal.SIGKILL)
    serve = Serve(host)
    ask(800, 1000)
    assert serve.kill(signal.SIGTERM) == 0
    # Without a guest the channel stays, and waits.
    host.await_entry(1, "a", frontend="initialising", backend="init-wait")


def channel_is_attached_used_and_detached_many_times(host):
    host.start_daemon()
    host.create(1)
    serve = Serve(host)
    serve.agent("a", "exec cat\n")
    for i in range(20):
        path = host.attach(1, "a")
        client = Client(path)
        data = b"%d\n" % i
        assert client.exchange(data) == data
        client.close()
        host.detach(1, "a")
        wait_for("the socket to go", lambda: not os.path.exists(path))
    assert serve.kill(signal.SIGTERM) == 0
    names = [n for n in os.listdir(serve.dir) if not n.startswith(".")]
    assert not names


def stalled_agent_holds_the_client_back(host):
    host.start_daemon()
    host.create(1)
    path = host.attach(1, "a")
    guest = opens(host, "a", "--exec", "sh", "-c",
                  "read -r start; exec cat")
    host.connected(1, 1)
    client = Client(path)
    os.set_blocking(client.fd, False)
    data, sent = stream(4000000).replace(b"\n", b"."), 0
    try:
        while sent < len(data):
            sent += os.write(client.fd, data[sent:sent + 65536])
    except BlockingIOError:
        pass
    if sent == len(data):
        fail("nobody held the client back")
    os.set_blocking(client.fd, True)
    host.detach(1, "a")
    guest.wait(LONG)


TESTS = [v for k, v in list(globals().items())
         if callable(v) and getattr(v, "__module__", "") == "__main__"
         and not isinstance(v, type) and k != "opens"]

if __name__ == "__main__":
    run(TESTS)
