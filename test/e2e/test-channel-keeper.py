#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""xenchanneld --keeper: whom it obeys, and what it starts."""
import os
import signal
import socket
import time

from channel_host import Client, run, wait_for


def environment(pid):
    """That a process was started with."""
    with open(f"/proc/{pid}/environ", "rb") as f:
        return dict(v.decode().split("=", 1) for v in f.read().split(b"\0")
                    if b"=" in v)


def descendants(pid):
    found = []
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
        for child in f.read().split():
            found += [int(child), *descendants(int(child))]
    return found


def kill_keepers_child(host):
    ready = host.log().count("ready\n")
    os.kill(host.keepers_child(), signal.SIGKILL)
    wait_for("the daemon", lambda: host.log().count("ready\n") > ready)


def abbreviated_or_repeated_it_keeps_one_daemon(host):
    for options in (["--keep"], ["--k"], ["--keeper", "--keeper"]):
        host.start_daemon(*options)
        time.sleep(0.5)
        assert len(descendants(host.daemon_pid())) == 1, options
        host.kill_daemon(signal.SIGTERM)


def only_its_daemon_is_obeyed(host):
    host.start_daemon("--keeper")
    host.create(1)
    path = host.attach(1, "a")
    host.front(1, 1, "--echo")
    host.connected(1, 1)
    client = Client(path)
    assert client.exchange(b"before") == b"before"
    channel = host.read("/local/domain/0/backend/console/1/1/xenchan/id")
    name = environment(host.keepers_child())["NOTIFY_SOCKET"]
    assert name.startswith("@")
    stranger = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    stranger.connect("\0" + name[1:])
    r, w = os.pipe()
    for text, fds in ((f"FDSTOREREMOVE=1\nFDNAME=client.{channel}", []),
                      (f"FDSTOREREMOVE=1\nFDNAME=listen.{channel}", []),
                      ("FDSTORE=1\nFDNAME=evil", [w]),
                      ("FDSTORE=1\nFDNAME=evil", [w, w]),
                      ("FDSTORE=1\nFDNAME=evil", [w] * 20),
                      (f"FDSTORE=1\nFDNAME=listen.{channel}", [w])):
        socket.send_fds(stranger, [text.encode()], fds)
    os.close(w)
    # It keeps none of them: else this would wait for ever.
    assert os.read(r, 1) == b""
    kill_keepers_child(host)
    names = environment(host.keepers_child())["LISTEN_FDNAMES"].split(":")
    assert sorted(names) == [f"client.{channel}", f"listen.{channel}"]
    assert client.exchange_after_kill(b"after") == b"after"


def strangers_words_do_not_reach_who_started_it(host):
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(host.dir + "/notify")
    manager.settimeout(60)
    os.environ["NOTIFY_SOCKET"] = host.dir + "/notify"
    try:
        host.start_daemon("--keeper")
        assert manager.recv(4096) == b"READY=1"
        name = environment(host.keepers_child())["NOTIFY_SOCKET"]
        stranger = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        stranger.sendto(b"MAINPID=1\nSTOPPING=1\nREADY=1",
                        "\0" + name[1:])
        host.kill_daemon(signal.SIGTERM)
        # Of the daemon itself; nothing came before it.
        assert manager.recv(4096) == b"STOPPING=1"
        manager.setblocking(False)
        try:
            assert not manager.recv(4096)
        except BlockingIOError:
            pass
    finally:
        del os.environ["NOTIFY_SOCKET"]


TESTS = [abbreviated_or_repeated_it_keeps_one_daemon,
         only_its_daemon_is_obeyed,
         strangers_words_do_not_reach_who_started_it]

if __name__ == "__main__":
    run(TESTS)
