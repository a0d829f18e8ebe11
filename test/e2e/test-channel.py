#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Channels from end to end: toolstack, daemon, guest and clients."""
import hashlib
import json
import os
import queue
import select
import signal
import socket
import stat
import subprocess
import threading
import time

from channel_host import LONG, Client, fail, run, stream, wait_for


def socket_carries_bytes_both_ways(host):
    host.start_daemon()
    host.create(1)
    path = host.attach(1, "org.example.a")
    host.front(1, 1, "--echo")
    host.connected(1, 1)
    client = Client(path)
    data = stream(300000)
    assert client.exchange(data) == data
    client.close()


def terminal_carries_bytes_both_ways_and_survives_its_readers(host):
    host.start_daemon()
    host.create(1)
    host.attach(1, "org.example.p", "--pty")
    host.front(1, 1, "--echo", "--straight")
    host.connected(1, 1)
    path = host.entry(1, "org.example.p")["path"]
    assert host.read("/local/domain/1/device/console/1/tty") == path
    for seed in range(3):
        client = Client(path)
        data = stream(50000, seed)
        assert client.exchange(data) == data
        client.close()


def guest_may_be_first_or_last(host):
    host.create(1)
    first = host.attach(1, "before.the.daemon")
    host.front(1, 1, "--echo")
    host.start_daemon()
    host.connected(1, 1)
    second = host.attach(1, "hot")
    host.front(1, 2, "--echo")
    host.connected(1, 2)
    for path in first, second:
        client = Client(path)
        assert client.exchange(b"hello") == b"hello"
        client.close()


def what_came_before_the_client_is_there_at_once(host):
    host.start_daemon()
    host.create(1)
    path = host.attach(1, "a")
    guest = host.front(1, 1, "--silent", stdin=subprocess.PIPE)
    host.connected(1, 1)
    data = stream(20000)
    guest.stdin.write(data)
    guest.stdin.flush()
    client = Client(path)
    assert client.receive(len(data)) == data


def what_a_client_sends_reaches_a_guest_that_boots_later(host):
    host.start_daemon()
    host.create(1)
    path = host.attach(1, "org.example.config")
    client = Client(path)
    client.send(b"#cloud-config\n")
    client.close()
    guest = host.front(1, 1, stdout=subprocess.PIPE)
    assert guest.stdout.read(14) == b"#cloud-config\n"


def detach_leaves_nothing_behind(host):
    host.start_daemon()
    host.create(1)
    for _ in range(3):
        path = host.attach(1, "a")
        wait_for(path, lambda: os.path.exists(path))
        guest = host.front(1, 1, "--echo")
        host.connected(1, 1)
        client = Client(path)
        assert client.exchange(b"x") == b"x"
        host.detach(1, "a")
        assert client.receive(1) == b""
        client.close()
        guest.wait()
        wait_for("the socket to go", lambda: not os.path.exists(path))
        assert host.list() == []
        assert host.read("/local/domain/0/backend/console/1") is None
        assert host.read("/libxl/1") is None
    assert sorted(os.listdir(host.run_dir)) == ["control", "lock"]


def last_words_are_delivered(host):
    host.start_daemon()
    host.create(1)
    path = host.attach(1, "a")
    guest = host.front(1, 1, "--eof-closes", stdin=subprocess.PIPE)
    host.connected(1, 1)
    client = Client(path)
    data = stream(600000)
    guest.stdin.write(data)
    guest.stdin.close()
    host.await_entry(1, "a", backend="closed")
    host.detach(1, "a")
    assert client.receive(len(data) + 1) == data


def destroyed_domain_is_cleaned_up_after(host):
    host.start_daemon()
    host.create(1)
    path = host.attach(1, "a")
    host.front(1, 1, "--echo")
    host.connected(1, 1)
    host.destroy(1)
    wait_for("its nodes to go", lambda:
             host.read("/local/domain/0/backend/console/1/1") is None
             and host.read("/libxl/1") is None)
    wait_for("its socket to go", lambda: not os.path.exists(path))
    # The id is free: nothing of the old domain is mapped.
    host.create(1)
    assert host.attach(1, "a") == path
    host.front(1, 1, "--echo")
    host.connected(1, 1)
    client = Client(path)
    assert client.exchange(b"new") == b"new"


def second_client_is_turned_away(host):
    host.start_daemon()
    host.create(1)
    path = host.attach(1, "a")
    host.front(1, 1, "--echo")
    host.connected(1, 1)
    first, second = Client(path), Client(path)
    assert second.receive(1) == b""
    assert first.exchange(b"still here") == b"still here"
    first.close()
    third = Client(path)
    assert third.exchange(b"my turn") == b"my turn"


def socket_has_the_mode_asked_for(host):
    host.start_daemon()
    host.create(1)
    path = host.attach(1, "a", "--mode", "620")
    wait_for(path, lambda: os.path.exists(path))
    host.await_entry(1, "a", backend="init-wait")
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o620


def terminal_has_the_mode_and_owner_asked_for(host):
    host.start_daemon()
    host.create(1)
    own = os.getgid()
    for name, options, mode in (("a", (), 0o600),
                                ("b", ("--mode", "640", "--owner",
                                       f":{own}"), 0o640)):
        host.attach(1, name, "--pty", *options)
        e = wait_for("the terminal", lambda name=name: next(
            (e for e in host.list(1) if e["name"] == name and e["path"]), 0))
        seen = os.stat(e["path"])
        assert stat.S_IMODE(seen.st_mode) == mode, oct(seen.st_mode)
    assert seen.st_gid == own
    if os.getuid() == 0:
        host.attach(1, "c", "--pty", "--owner", "65534:65534")
        e = wait_for("the terminal", lambda: next(
            (e for e in host.list(1) if e["name"] == "c" and e["path"]), 0))
        seen = os.stat(e["path"])
        assert (seen.st_uid, seen.st_gid) == (65534, 65534)


def paths_of_others_are_left_alone(host):
    host.start_daemon()
    host.create(1)
    path = f"{host.dir}/1-a.sock"
    with open(path, "w", encoding="ascii") as f:
        f.write("precious")
    host.attach(1, "a")
    e = host.await_entry(1, "a", backend="init-wait")
    wait_for("the error", lambda: "something else is there"
             in host.entry(1, "a")["error"])
    with open(path, encoding="ascii") as f:
        assert f.read() == "precious"
    # The guest does not suffer, and it is put right once the way is free.
    host.front(1, 1, "--echo")
    host.connected(1, 1)
    os.unlink(path)
    client = Client(path)
    assert client.exchange(b"x") == b"x"
    wait_for("the error to go", lambda: host.entry(1, "a")["error"] == "")
    assert e["kind"] == "socket"


def log_records_both_directions_and_is_reopened(host):
    host.start_daemon()
    host.create(1)
    log = host.dir + "/traffic"
    path = host.attach(1, "a", "--log", log)
    host.front(1, 1, "--echo")
    host.connected(1, 1)
    client = Client(path)
    assert client.exchange(b"one\n") == b"one\n"
    os.rename(log, log + ".1")
    os.kill(host.daemon_pid(), signal.SIGHUP)
    wait_for("the new log", lambda: os.path.exists(log))
    assert client.exchange(b"\x01two") == b"\x01two"
    host.channel("log", "-d", "1", "a", "--off")
    time.sleep(0.3)
    assert client.exchange(b"three") == b"three"
    with open(log + ".1", encoding="ascii") as f:
        assert [l.split(" ", 1)[1] for l in f] == ["in one\\n\n",
                                                   "out one\\n\n"]
    with open(log, encoding="ascii") as f:
        assert [l.split(" ", 1)[1] for l in f] == ["in \\x01two\n",
                                                   "out \\x01two\n"]


def full_spool_follows_the_policy(host):
    host.start_daemon()
    host.create(1)
    data = stream(50000)
    for k, policy in enumerate(["block", "drop-oldest", "drop-newest"], 1):
        path = host.attach(1, policy, "--overflow", policy, "--limit", "4K")
        guest = host.front(1, k, stdin=subprocess.PIPE)
        host.connected(1, k)
        os.set_blocking(guest.stdin.fileno(), False)
        try:
            guest.stdin.write(data)
        except BlockingIOError:
            fail("a pipe takes 64 KiB")
        if policy == "block":
            client = Client(path)
            assert client.receive(len(data)) == data
        elif policy == "drop-oldest":
            time.sleep(2)
            client = Client(path)
            assert client.receive(4096) == data[-4096:]
        else:
            time.sleep(2)
            client = Client(path)
            assert client.receive(4096) == data[:4096]


def guest_that_sends_no_events_is_served(host):
    host.start_daemon()
    host.create(1)
    path = host.attach(1, "windows")
    host.front(1, 1, "--echo", "--silent", "--straight")
    host.connected(1, 1)
    client = Client(path)
    for i in range(3):
        data = stream(3000, i)
        assert client.exchange(data) == data


def slow_client_delays_nobody(host):
    host.start_daemon()
    host.create(1)
    path = host.attach(1, "slow", "--overflow", "block", "--limit", "4K")
    fast = host.attach(1, "fast")
    flood = host.front(1, 1, stdin=subprocess.PIPE)
    host.front(1, 2, "--echo")
    host.connected(1, 1)
    host.connected(1, 2)
    flooding = stream(3 << 20)
    writer = threading.Thread(target=flood.stdin.write, args=[flooding],
                              daemon=True)
    slow = Client(path)
    writer.start()

    def guest_is_held():
        """What the socket takes, and the spool, is full."""
        before = host.entry(1, "slow")["from-guest"]
        time.sleep(0.3)
        return int(before) and host.entry(1, "slow")["from-guest"] == before
    wait_for("the flood to be held", guest_is_held)
    assert int(host.entry(1, "slow")["from-guest"]) < 1 << 20
    client = Client(fast)
    data = stream(100000)
    got = b""
    while len(got) < len(flooding):
        assert client.exchange(data) == data
        got += slow.receive(min(1 << 20, len(flooding) - len(got)))
    assert got == flooding
    writer.join()
    assert host.entry(1, "slow")["dropped"] == "0"


def settings_that_make_no_sense_do_not_reach_the_guest(host):
    host.start_daemon()
    host.create(1)
    be = "/local/domain/0/backend/console/1/1"
    host.attach(1, "a")
    host.await_entry(1, "a", backend="init-wait")
    host.create(2)
    # As another toolstack might write it: kind, no id, an odd limit.
    for key, value in {"frontend": "/local/domain/2/device/console/1",
                       "frontend-id": "2", "online": "1", "state": "1",
                       "kind": "pigeon", "xenchan/limit": "-5",
                       "xenchan/overflow": "?"}.items():
        host.write(f"/local/domain/0/backend/console/2/1/{key}", value)
    host.write("/local/domain/2/device/console/1/state", "1")
    wait_for("the error", lambda: "neither pty nor socket" in
             (host.read("/local/domain/0/backend/console/2/1/xenchan/error")
              or ""))
    wait_for("BE=2", lambda:
             host.read("/local/domain/0/backend/console/2/1/state") == "2")
    assert host.read(be + "/state") == "2"


def devices_of_qemu_and_xenconsoled_are_left_alone(host):
    host.start_daemon()
    host.create(1)
    for k, kind in ((0, "xenconsoled"), (1, "ioemu")):
        fe = "/local/domain/1/" + (f"device/console/{k}" if k else "console")
        be = f"/local/domain/0/backend/console/1/{k}"
        host.write(f"{fe}/type", kind)
        host.write(f"{be}/frontend", fe)
        host.write(f"{be}/state", "1")
    host.attach(1, "ours")
    host.await_entry(1, "ours", backend="init-wait", device="2")
    for k in 0, 1:
        be = f"/local/domain/0/backend/console/1/{k}"
        assert host.read(f"{be}/state") == "1"


def list_and_events_tell_what_happens(host):
    host.start_daemon()
    events = host.popen(0, os.environ["XENCHAN"], "channel", "events",
                        "--json", "--run-dir", host.run_dir,
                        stdout=subprocess.PIPE)
    host.create(1)
    path = host.attach(1, "a")
    # The first event shows that the request was heard.
    while not select.select([events.stdout], [], [], 3)[0]:
        host.detach(1, "a")
        host.attach(1, "a")
    while json.loads(events.stdout.readline())["event"] != "attach":
        pass

    def until(what):
        """What happens up to an event, or a state, of this name."""
        seen = []
        while what not in seen:
            e = json.loads(events.stdout.readline())
            assert (e["domain"], e["device"], e["name"]) == (1, 1, "a")
            seen.append(e["event"] if e["event"] != "state" else e["detail"])
        return seen

    host.front(1, 1, "--echo")
    host.connected(1, 1)
    assert until("connected") == ["waiting", "connected"]
    assert host.entry(1, "a")["client"] == "none"
    client = Client(path)
    assert until("client-open") == ["client-open"]
    assert client.exchange(b"12345") == b"12345"
    e = host.entry(1, "a")
    assert (e["client"], e["from-guest"], e["to-guest"], e["dropped"]) == (
        "connected", "5", "5", "0")
    assert e["guest"] == "unknown"
    host.write("/local/domain/1/device/console/1/guest-open", "1", domid=1)
    assert until("guest-open") == ["guest-open"]
    assert host.entry(1, "a")["guest"] == "open"
    client.close()
    assert until("client-close") == ["client-close"]

    def doctor(domid, run_dir):
        found = host.popen(domid, os.environ["XENCHAN"], "doctor", "--json",
                           "--run-dir", run_dir, stdout=subprocess.PIPE)
        return json.loads(found.communicate()[0])["channels"]

    here = doctor(0, host.run_dir)
    assert (here["daemon_error"], here["served"], here["own"]) == (None, 1, 0)
    there = doctor(1, host.run_dir + "/none")
    assert there["daemon_error"] and there["served"] is None
    assert (there["own"], there["served_by_qemu"]) == (1, 0)
    host.write("/local/domain/1/device/console/1/guest-open", "0", domid=1)
    assert until("guest-close") == ["guest-close"]
    host.detach(1, "a")
    # A quick guest has closed before the daemon has seen that it shall.
    assert until("detach") in (["closing", "closed", "detach"],
                               ["closed", "detach"])
    host.kill_daemon()
    assert events.wait() == 0


def control_socket_serves_who_has_sent_all(host):
    """As `printf 'events\\n' | socat - UNIX:control` does."""
    host.start_daemon()
    host.create(1)
    path = host.run_dir + "/control"

    def ask(request):
        client = Client(path)
        client.send(request)
        client.socket.shutdown(socket.SHUT_WR)
        return client

    events = ask(b"events\n")
    asker = ask(b"status\n")
    assert asker.line() == "end"
    assert asker.receive(1) == b""
    sockets = host.daemon_sockets()
    host.attach(1, "a", "--pty")
    assert events.line().split("\t")[4:] == ["attach", "a", ""]
    events.close()
    wait_for("the daemon to close it",
             lambda: len(sockets - host.daemon_sockets()) == 1)
    # One that has not asked for anything, or not to its end, is let go.
    for request in b"", b"stat":
        assert ask(request).receive(1) == b""


def first_boot_document_and_agent_of_the_guest_side(host):
    """Both programs of ours, with the daemon killed in the middle."""
    host.start_daemon("--keeper")
    host.create(1)
    config = host.attach(1, "org.example.config")
    host.attach(1, "org.example.agent", "--pty")
    document = stream(100000)
    client = Client(config)
    client.send(document[:50000])
    reader = host.popen(1, os.environ["XENCHAN"], "channel", "open", "--dir",
                        host.dir + "/guest", "org.example.config", "--exec",
                        "sh", "-c", "head -c 100000 | sha256sum | cut -c-64")
    served_by = host.keepers_child()
    with open(f"/proc/{served_by}/comm", encoding="ascii") as f:
        if f.read() != "xenchanneld\n":
            fail("the daemon is not known by its name")
    os.kill(served_by, signal.SIGKILL)
    client.send(document[50000:])
    assert client.receive(65).decode() == (
        hashlib.sha256(document).hexdigest() + "\n")
    assert reader.wait() == 0

    agents = host.dir + "/agents"
    os.mkdir(agents)
    with open(agents + "/org.example.agent", "w", encoding="ascii") as f:
        f.write("#!/bin/sh\nwhile read -r q; do echo \"answer $q\"; done\n")
        os.chmod(f.fileno(), 0o755)
    host.popen(1, os.environ["XENCHAN"], "channel", "serve", "--dir",
               host.dir + "/guest", "--agents", agents,
               stderr=subprocess.DEVNULL)
    e = host.await_entry(1, "org.example.agent", backend="connected",
                         guest="open")
    client = Client(e["path"])
    last, repeated = "", 0
    for i in range(1000):
        if i % 250 == 100:
            os.kill(host.keepers_child(), signal.SIGKILL)
        client.send(b"%d\n" % i)
        while (answer := client.line()) == last:
            repeated += 1
        assert answer == f"answer {i}"
        last = answer
    assert repeated <= 4, "a kill repeats one chunk at most"
    client.close()


def nodes_are_those_that_the_lab_sees_on_xen(host):
    host.start_daemon()
    host.create(1)
    host.attach(1, "c.one")
    host.attach(1, "c.two", "--socket", host.dir + "/1-c.two")
    host.attach(1, "l.pty", "--pty")
    host.popen(1, os.environ["XENCHAN"], "channel", "open", "--dir",
               host.dir + "/guest", "c.two", "--exec", "cat")
    host.front(1, 3)
    host.connected(1, 3)
    host.await_entry(1, "c.two", guest="open", frontend="connected",
                     backend="connected")
    lab = os.path.dirname(__file__) + "/../../lab/channels"
    seen = host.run(0, "sh", lab + "/guest/layout.sh", "1")
    with open(lab + "/layout.txt", encoding="ascii") as f:
        assert seen.replace(host.dir, "/run").splitlines() == (
            f.read().splitlines())
    host.detach(1, "c.two")


def driver_domain_serves_another_guest(host):
    host.create(1)
    host.create(2)
    host.start_daemon("--all", domid=1)
    path = host.attach(2, "a", "--backend", "1")
    host.attach(2, "p", "--backend", "1", "--pty")
    for k in 1, 2:
        host.front(2, k, "--echo")
        host.connected(2, k, backend=1)
    tty = wait_for("the terminal", lambda: host.entry(2, "p")["path"])
    assert host.read("/local/domain/2/device/console/2/tty") == tty
    data = stream(20000)
    for end in path, tty:
        client = Client(end)
        assert client.exchange(data) == data
        client.close()
    host.detach(2, "a")
    host.destroy(2)
    wait_for("the spools to go", lambda: sorted(os.listdir(host.run_dir)) ==
             ["control", "lock"])
    assert not os.path.exists(path)


def guest_is_told_of_clients_if_it_shall(host):
    host.start_daemon()
    host.create(1)
    path = host.attach(1, "told", "--signal-client")
    other = host.attach(1, "not.told")
    guest = host.front(1, 1, "--connection", stdout=subprocess.PIPE)
    quiet = host.front(1, 2, "--connection", stdout=subprocess.PIPE)
    host.connected(1, 1)
    host.connected(1, 2)
    # A page of zeroes says that somebody is there, until the daemon knows.
    first = guest.stdout.readline()
    assert (first if first == b"1\n" else guest.stdout.readline()) == b"1\n"
    for _ in range(3):
        client = Client(path)
        assert guest.stdout.readline() == b"0\n"
        client.close()
        assert guest.stdout.readline() == b"1\n"
    client = Client(other)
    client.send(b"x")
    client.close()
    assert quiet.stdout.read(3) == b"0\nx"


def daemon_keeps_no_privilege_that_it_does_not_need(host):
    host.start_daemon()
    host.create(1)
    with open(f"/proc/{host.daemon_pid()}/status", encoding="ascii") as f:
        status = dict(line.split(":\t", 1) for line in f.read().splitlines()
                      if ":\t" in line)
    chown, dac_override, fowner = 1 << 0, 1 << 1, 1 << 3
    for held in "CapPrm", "CapEff":
        assert not int(status[held], 16) & ~(chown | dac_override | fowner)
    assert not int(status["CapInh"], 16) and not int(status["CapAmb"], 16)
    assert status["NoNewPrivs"] == "1"
    # And these are enough: for a directory that is not its own, and a chown.
    if os.getuid() == 0:
        os.chmod(host.dir, 0o500)
        os.chown(host.dir, 65534, 65534)
        path = host.attach(1, "a", "--owner", "65534:65534")
        wait_for("the socket", lambda: os.path.exists(path))
        wait_for("its owner", lambda: os.stat(path).st_uid == 65534)


class ServiceManager:
    """Keeps descriptors over restarts, as systemd does."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        self.messages = queue.SimpleQueue()
        threading.Thread(target=self.receive, daemon=True).start()
        os.environ["NOTIFY_SOCKET"] = path
        os.environ["WATCHDOG_USEC"] = "100000"
        self.kept = {}

    def receive(self):
        """Always: the kernel holds ten messages, then the daemon waits."""
        while True:
            data, fds, _, _ = socket.recv_fds(self.socket, 4096, 8)
            self.messages.put((data, fds))

    def until(self, what):
        while True:
            data, fds = self.messages.get(timeout=LONG)
            lines = data.decode().splitlines()
            name = [l[7:] for l in lines if l.startswith("FDNAME=")]
            if "FDSTORE=1" in lines:
                self.kept[name[0]] = fds[0]
            if "FDSTOREREMOVE=1" in lines and name[0] in self.kept:
                os.close(self.kept.pop(name[0]))
            if what in lines:
                return

    def command(self):
        """In front of the daemon's own: gives it what is kept."""
        numbers = [str(fd) for fd in self.kept.values()]
        moves = " ".join(f"{3 + i}<&{n}" for i, n in enumerate(numbers))
        return ["bash", "-c", f"export LISTEN_PID=$$ LISTEN_FDS={len(numbers)}"
                f" LISTEN_FDNAMES={':'.join(self.kept)};"
                f' exec "$0" "$@" {moves}']


def service_manager_keeps_clients_over_a_restart(host):
    manager = ServiceManager(host.dir + "/notify")
    try:
        host.start_daemon()
        manager.until("READY=1")
        manager.until("WATCHDOG=1")
        host.create(1)
        path = host.attach(1, "a")
        host.front(1, 1, "--echo")
        host.connected(1, 1)
        client = Client(path)
        assert client.exchange(b"before") == b"before"
        host.kill_daemon()
        client.send(b"meanwhile")
        # All that it wrote before its end is there to be read.
        manager.socket.sendto(b"END", host.dir + "/notify")
        manager.until("END")
        assert sorted(n.split(".")[0] for n in manager.kept) == ["client",
                                                                 "listen"]
        host.start_daemon(before=manager.command(),
                          pass_fds=manager.kept.values())
        got = client.receive(9)
        if got.startswith(b"before"):  # a kill may repeat a chunk
            got = got[6:] + client.receive(6)
        assert got == b"meanwhile"
        assert client.exchange(b"after") == b"after"
        client.close()
        host.detach(1, "a")
        host.kill_daemon(signal.SIGTERM)
        manager.until("STOPPING=1")
        assert not manager.kept
    finally:
        del os.environ["NOTIFY_SOCKET"], os.environ["WATCHDOG_USEC"]


def two_daemons_do_not_share_a_directory(host):
    host.start_daemon()
    text = host.run(0, os.environ["XENCHANNELD"], "--run-dir", host.run_dir,
                    status=1)
    assert "another xenchanneld runs" in text


TESTS = [v for k, v in list(globals().items())
         if callable(v) and getattr(v, "__module__", "") == "__main__"
         and v is not ServiceManager]

if __name__ == "__main__":
    run(TESTS)
