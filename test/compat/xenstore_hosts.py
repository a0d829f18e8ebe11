# SPDX-License-Identifier: MIT
"""Two xenstoreds to compare: the distribution's, and the emulated host's.

Both are started below a directory of their own and serve domain 0 on a socket.
Guests talk to the emulated host's through a socket too, and to the
distribution's, which runs with xenstored-shim.c in place of Xen, through the
shared page that it calls the ring.
"""
import mmap
import os
import select
import socket
import struct
import subprocess
import time

(CONTROL, DIRECTORY, READ, GET_PERMS, WATCH, UNWATCH, TRANSACTION_START,
 TRANSACTION_END, INTRODUCE, RELEASE, GET_DOMAIN_PATH, WRITE, MKDIR, RM,
 SET_PERMS, WATCH_EVENT, ERROR, IS_DOMAIN_INTRODUCED, RESUME,
 SET_TARGET) = range(20)
RESET_WATCHES = 21
DIRECTORY_PART = 22

HEADER = struct.Struct("<IIII")
PATIENCE = 30


class Socket:
    """A client on a Unix socket."""

    def __init__(self, path):
        self.s = socket.socket(socket.AF_UNIX)
        # Blocking: xenstored's backlog is short.
        self.s.connect(path)
        self.s.settimeout(PATIENCE)

    def write(self, data):
        self.s.sendall(data)

    def read(self, n):
        data = self.s.recv(n, socket.MSG_WAITALL) if n else b""
        if len(data) != n:
            raise EOFError
        return data

    def close(self):
        self.s.close()


class Ring:
    """A guest's end of the ring: req, rsp and their indices."""

    SIZE = 1024

    def __init__(self, path, kick):
        self.kick = kick
        with open(path, "r+b") as f:
            self.page = mmap.mmap(f.fileno(), 4096)
        # Whole words: struct would store an index byte by byte, and
        # xenstored ignores a guest whose index it saw half written.
        self.words = memoryview(self.page).cast("I")

    def _index(self, n):
        return self.words[2 * self.SIZE // 4 + n]

    def _set_index(self, n, value):
        self.words[2 * self.SIZE // 4 + n] = value & 0xffffffff

    def _wait(self, ready):
        end = time.monotonic() + PATIENCE
        spins = 0
        while not ready():
            spins += 1
            if spins > 200:
                time.sleep(0.0002)
            if time.monotonic() > end:
                raise TimeoutError

    def write(self, data):
        while data:
            self._wait(lambda: self._index(1) - self._index(0) < self.SIZE)
            prod = self._index(1)
            room = self.SIZE - (prod - self._index(0))
            at = prod % self.SIZE
            part = data[:min(room, self.SIZE - at)]
            self.page[at:at + len(part)] = part
            self._set_index(1, prod + len(part))
            self.kick()
            data = data[len(part):]

    def read(self, n):
        data = b""
        while len(data) < n:
            self._wait(lambda: self._index(3) != self._index(2))
            cons = self._index(2)
            at = cons % self.SIZE
            part = min(self._index(3) - cons, self.SIZE - at, n - len(data))
            data += self.page[self.SIZE + at:self.SIZE + at + part]
            self._set_index(2, cons + part)
            self.kick()
        return data

    def close(self):
        pass


class Client:
    """Requests and their answers; events that come in between are kept."""

    def __init__(self, transport):
        self.transport = transport
        self.events = []
        self.req_id = 0

    def message(self):
        head = HEADER.unpack(self.transport.read(HEADER.size))
        return head, self.transport.read(head[3])

    def request(self, kind, payload, tx=0):
        """(type, payload) of the reply; errors are (ERROR, b"E...\\0")."""
        self.req_id += 1
        self.transport.write(
            HEADER.pack(kind, self.req_id, tx, len(payload)) + payload)
        while True:
            (got, req_id, got_tx, _), data = self.message()
            if got == WATCH_EVENT:
                assert req_id == 0 and got_tx == 0
                self.events.append(data)
                continue
            assert (req_id, got_tx) == (self.req_id, tx)
            assert got in (kind, ERROR), got
            return got, data

    def take_events(self):
        """All events until now: one more question flushes them out."""
        self.request(GET_DOMAIN_PATH, b"0\0")
        events, self.events = self.events, []
        return events


class Theirs:
    """The distribution's xenstored."""

    def __init__(self, directory, xenstored, shim):
        self.dir = directory
        self._file("domains", bytes(65536))
        self._file("ring-0", bytes(4096))
        self._file("port", b"1\n")
        os.mkfifo(self.dir + "/kick")
        self.kick_fd = os.open(self.dir + "/kick", os.O_RDWR)
        self._live(0, 1)
        self.socket = self.dir + "/socket"
        env = dict(os.environ, SHIM_DIR=self.dir, LD_PRELOAD=shim,
                   XENSTORED_RUNDIR=self.dir, XENSTORED_ROOTDIR=self.dir,
                   XENSTORED_PATH=self.socket, ASAN_OPTIONS="detect_leaks=0")
        self.process = subprocess.Popen(
            [xenstored, "-N", "-F", self.dir + "/pid"], env=env)
        self.toolstack = self._first_client()

    def _first_client(self):
        """A client as soon as it starts to listen."""
        end = time.monotonic() + PATIENCE
        while True:
            try:
                return self.connect(0)
            except (FileNotFoundError, ConnectionRefusedError):
                if self.process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError("xenstored did not start") from None
            time.sleep(0.01)

    def _file(self, name, data):
        with open(f"{self.dir}/{name}", "wb") as f:
            f.write(data)

    def _live(self, domid, alive):
        with open(self.dir + "/domains", "r+b") as f:
            f.seek(domid)
            f.write(bytes([alive]))

    def connect(self, domid):
        if domid == 0:
            return Client(Socket(self.socket))
        return Client(Ring(f"{self.dir}/ring-{domid}",
                           lambda: os.write(self.kick_fd, b"r")))

    def create(self, domid):
        self._live(domid, 1)

    def introduce(self, domid):
        self._live(domid, 1)
        self._file(f"ring-{domid}", bytes(4096))
        kind, _ = self.toolstack.request(INTRODUCE, b"%d\x001\x005\0" % domid)
        assert kind == INTRODUCE

    def destroy(self, domid):
        self._live(domid, 0)
        os.write(self.kick_fd, b"d")
        # Events are looked at before sockets in the same turn, or a turn
        # later: two questions make sure that it is done.
        for _ in range(2):
            while select.select([self.kick_fd], [], [], 0)[0]:
                time.sleep(0.0005)
            self.toolstack.take_events()

    def stop(self):
        self.process.kill()
        self.process.wait()
        os.close(self.kick_fd)


class Ours:
    """The emulated host's, in test-server.c."""

    def __init__(self, directory, server):
        self.dir = directory
        self.process = subprocess.Popen(
            [server, directory], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True, bufsize=1)
        self._answer()
        self.toolstack = self.connect(0)

    def _answer(self):
        answer = self.process.stdout.readline()
        assert answer == "ok\n", answer

    def command(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self._answer()

    def connect(self, domid):
        return Client(Socket(f"{self.dir}/{domid}"))

    def create(self, domid):
        self.command("create", domid)

    def introduce(self, domid):
        self.command("introduce", domid)

    def destroy(self, domid):
        self.command("destroy", domid)

    def stop(self):
        """The exit code: not 0 also if it leaked."""
        self.process.stdin.close()
        code = self.process.wait(PATIENCE)
        self.process.stdout.close()
        return code
