#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The distribution's vchan-socket-proxy, unmodified, on either libxenvchan.

It does not block, writes what there is room for, and sleeps in select(2): when
a library does not ask for an event after a short read or write, it sleeps on.

usage: test-socket-proxy.py MEBIBYTES
"""
import hashlib
import os
import socket
import subprocess
import sys
import threading
import time

from vchan_ends import (CLIENT, LIBRARY, PAIRINGS, PATIENCE, SERVER, XENHOST,
                        Host)

NAME = "data/vchan/proxy"
PATH = f"/local/domain/{SERVER}/{NAME}"
BLOCK = os.urandom(1 << 20)
CONNECTIONS = 5
# A reader that falls asleep now and then, so that all buffers are full.
NAPS = 6
NAP = 0.05


def library_path(library):
    """A directory where the library has the name that the proxy looks for."""
    return os.path.dirname(LIBRARY[library])


class Proxy:
    def __init__(self, host, domid, library, *arguments):
        # The proxy relies on the distribution's library finding zeroes in what
        # malloc() gives, and so does not block; meson fills it with others.
        environment = dict(os.environ, LD_LIBRARY_PATH=library_path(library),
                           MALLOC_PERTURB_="0")
        self.library = LIBRARY[library]
        self.process = subprocess.Popen(
            [XENHOST, "--dir", host.dir, "run", "-d", str(domid), "--",
             "vchan-socket-proxy", *arguments], env=environment,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        host.ends.append(self)

    def check_library(self):
        """Whether it runs on the library that is meant, and no other."""
        pid = self.process.pid
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
            child = f.read().split()[0]
        with open(f"/proc/{child}/maps", encoding="ascii") as f:
            found = {l.split()[-1] for l in f if "libxenvchan" in l}
        assert found == {os.path.realpath(self.library)}, found


class Flow:
    """Bytes from one proxy's standard input to the other's output."""

    def __init__(self, source, sink, n_blocks):
        self.source, self.sink = source.process.stdin, sink.process.stdout
        self.n_bytes = n_blocks << 20
        self.sent, self.received = hashlib.sha256(), hashlib.sha256()
        self.n_received = 0
        self.threads = [threading.Thread(target=f, daemon=True)
                        for f in (self.send, self.receive)]
        for t in self.threads:
            t.start()

    def send(self):
        for i in range(self.n_bytes >> 20):
            block = i.to_bytes(8, "little") + BLOCK[8:]
            self.sent.update(block)
            self.source.write(block)
        self.source.flush()

    def receive(self):
        next_nap = 0
        while self.n_received < self.n_bytes:
            if self.n_received >= next_nap:
                time.sleep(NAP)
                next_nap += self.n_bytes // NAPS
            data = os.read(self.sink.fileno(), 50000)
            if not data:
                return
            self.received.update(data)
            self.n_received += len(data)

    def check(self, what):
        for t in self.threads:
            while t.is_alive():
                before = self.n_received
                t.join(PATIENCE)
                assert not t.is_alive() or self.n_received > before, \
                    f"{what}: stuck at {before} of {self.n_bytes}"
        assert self.sent.digest() == self.received.digest(), \
            f"{what}: {self.n_received} of {self.n_bytes}, or other bytes"


def move(host, pairing, n_blocks):
    """Both ways at once, on standard input and output."""
    server = Proxy(host, SERVER, pairing[0], "-m", "server", str(CLIENT), NAME,
                   "-")
    client = Proxy(host, CLIENT, pairing[1], str(SERVER), PATH, "-")
    flows = [Flow(server, client, n_blocks), Flow(client, server, n_blocks)]
    for flow, what in zip(flows, ("to the client", "to the server")):
        flow.check(what)
    for proxy in (server, client):
        proxy.check_library()
    # The end of input at one end closes the vchan, and ends the other.
    client.process.stdin.close()
    assert client.process.wait(PATIENCE) == 0, "the client's status"
    server.process.kill()
    server.process.wait(PATIENCE)


class Echo(threading.Thread):
    """A server on a Unix socket that sends back what it gets."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(path)
        self.socket.listen()
        self.start()

    def run(self):
        while True:
            s = self.socket.accept()[0]
            with s:
                while data := s.recv(65536):
                    s.sendall(data)


def connect(path):
    for _ in range(PATIENCE * 100):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(PATIENCE)
        try:
            s.connect(path)
            return s
        except (FileNotFoundError, ConnectionRefusedError):
            s.close()
            time.sleep(0.01)
    raise AssertionError(f"nobody listens at {path}")


def connections(host, pairing):
    """One after the other, through the same two proxies."""
    near, far = host.top + "/near", host.top + "/far"
    Echo(far)
    proxies = [Proxy(host, SERVER, pairing[0], "-m", "server", str(CLIENT),
                     NAME, far),
               Proxy(host, CLIENT, pairing[1], str(SERVER), PATH, near)]
    for i in range(CONNECTIONS):
        question = i.to_bytes(8, "little") + BLOCK[:60000]
        with connect(near) as s:
            sender = threading.Thread(target=s.sendall, args=(question,))
            sender.start()
            answer = b""
            while len(answer) < len(question):
                data = s.recv(65536)
                assert data, f"connection {i}: ended at {len(answer)}"
                answer += data
            sender.join()
            assert answer == question, f"connection {i}: another answer"
    for proxy in proxies:
        proxy.process.kill()
        proxy.process.wait(PATIENCE)


def main():
    n_blocks = int(sys.argv[1])
    for pairing in PAIRINGS:
        print("server {}, client {}".format(*pairing), flush=True)
        with Host() as host:
            start = time.monotonic()
            move(host, pairing, n_blocks)
            rate = 2 * n_blocks / (time.monotonic() - start)
            print(f"  {rate:.0f} MiB/s", flush=True)
        with Host() as host:
            connections(host, pairing)
    return 0


if __name__ == "__main__":
    sys.exit(main())
