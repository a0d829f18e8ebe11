#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Nonsense on each of a host's sockets: an error or the end of that
connection, and a host that serves on."""
import os
import random
import socket
import struct
import subprocess
import sys
import tempfile

XENHOST = os.environ["XENHOST"]
N_OPS = 11
NONE = 0xFFFFFFFF
rng = random.Random(20)


def run(*args):
    return subprocess.run([XENHOST, *args], check=True, timeout=60,
                          capture_output=True, text=True).stdout


def connect(path, kind=socket.SOCK_SEQPACKET):
    s = socket.socket(socket.AF_UNIX, kind)
    s.settimeout(20)
    s.connect(path)
    return s


def call(s, packet):
    """The reply's errno, or None: we were dropped."""
    try:
        s.send(packet)
        data = s.recv(65536)
    except OSError:
        return None
    return struct.unpack_from("i", data)[0] if data else None


def request(op, *fields, refs=()):
    fields = list(fields) + [0] * (8 - len(fields))
    return struct.pack(f"10I{len(refs)}I", op, *fields, len(refs), *refs)


def number():
    return rng.choice([0, 1, 2, 3, 7, 8, 9, 4095, 4096, 4097, 0x7FF0, 1 << 20,
                       1 << 31, NONE, rng.randrange(16)])


def random_requests(path):
    """Well-formed packets with numbers that mean nothing, or something."""
    for _ in range(200):
        s = connect(path)
        for _ in range(60):
            fields = [number() for _ in range(8)]
            refs = [number() for _ in range(rng.choice([0, 0, 1, 2, 5]))]
            if call(s, request(rng.randrange(N_OPS + 2), *fields,
                               refs=refs)) is None:
                break
        s.close()


def random_bytes(path, kind):
    for size in [0, 1, 3, 15, 16, 39, 40, 41, 200, 5000, 60000]:
        s = connect(path, kind)
        try:
            for _ in range(3):
                s.send(rng.randbytes(size))
        except OSError:
            pass
        s.close()


def flood(path):
    """Requests whose replies nobody reads."""
    s = connect(path)
    s.setblocking(False)
    try:
        for _ in range(100000):
            s.send(request(10, 0, 0))
    except OSError:
        pass
    s.close()


def ctl_words(path):
    words = [b"ping", b"create", b"list", b"run", b"fault-add", b"fault-list",
             b"limit", b"fault-clear", b"1", b"-", b"0", b"", b"any", b"x" * 90,
             b"4294967296", b"-1", b"32752"]
    for _ in range(2000):
        s = connect(path)
        text = b"\0".join(rng.choice(words)
                          for _ in range(rng.randrange(1, 20)))
        call(s, text + rng.choice([b"", b"\0"]))
        s.close()
    for _ in range(3):  # one that ends what its own connection waits for
        s = connect(path)
        call(s, b"run\0009\0")
        call(s, b"destroy\0009\0")
        s.close()


def main():
    with tempfile.TemporaryDirectory(prefix="xh.") as top:
        os.environ["XENHOST_DIR"] = top + "/h"
        path = top + "/h/"
        run("up")
        try:
            run("create", "1")
            run("create", "2")
            random_bytes(path + "1.hv", socket.SOCK_SEQPACKET)
            random_bytes(path + "ctl", socket.SOCK_SEQPACKET)
            random_bytes(path + "1.xs", socket.SOCK_STREAM)
            random_requests(path + "1.hv")
            flood(path + "2.hv")
            ctl_words(path + "ctl")
            # It serves on, and holds nothing of those connections.
            rows = [line.split("\t")
                    for line in run("list", "--tsv").splitlines()]
            for row in rows[1:]:
                assert row[4:9] == ["0"] * 5, row
            assert rows[1][0] == "0"
        finally:
            run("down")
        assert not os.path.exists(path)


sys.exit(main())
