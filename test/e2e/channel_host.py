# SPDX-License-Identifier: MIT
"""An emulated host of a test's own, with xenchanneld and guests on it.

XENHOST, XENCHAN, XENCHANNELD and CHANNEL_FRONT name the programs (meson.build).
A test is a function that takes a Host; run() runs those that its command line
names, or all, each on a host of its own.
"""
import os
import pty
import random
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import tty

CHUNK = 2048  # how much may come again after a kill of the daemon
LONG = 60  # seconds: a guard against hangs, nothing is expected to take it


def fail(text):
    raise AssertionError(text)


def wait_for(what, condition, seconds=LONG):
    """The condition's first true value."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    return fail(f"timed out waiting for {what}")


def stream(n, seed=1):
    return random.Random(seed).randbytes(n)


class Host:
    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="ch.")
        self.run_dir = self.dir + "/run"
        os.environ["XENHOST_DIR"] = self.dir + "/h"
        self.processes = []
        self.daemon = None
        self.daemon_log = open(self.dir + "/daemon.log", "w+b")
        subprocess.run([os.environ["XENHOST"], "up"], check=True)

    def close(self):
        for p in self.processes:
            if p.poll() is None:
                p.kill()
            p.wait()
        subprocess.run([os.environ["XENHOST"], "down"], check=True)
        shutil.rmtree(self.dir)

    def log(self):
        self.daemon_log.flush()
        with open(self.dir + "/daemon.log", encoding="utf-8",
                  errors="replace") as f:
            return f.read()

    def create(self, domid):
        subprocess.run([os.environ["XENHOST"], "create", str(domid)],
                       check=True, stdout=subprocess.DEVNULL)

    def destroy(self, domid):
        subprocess.run([os.environ["XENHOST"], "destroy", str(domid)],
                       check=True)

    def popen(self, domid, *argv, **kwargs):
        p = subprocess.Popen([os.environ["XENHOST"], "run", "-d", str(domid),
                              "--", *argv], **kwargs)
        self.processes.append(p)
        return p

    def run(self, domid, *argv, status=0):
        p = subprocess.run([os.environ["XENHOST"], "run", "-d", str(domid),
                            "--", *argv], capture_output=True, text=True,
                           check=False, timeout=LONG)
        if p.returncode != status:
            fail(f"{argv}: status {p.returncode}: {p.stdout}{p.stderr}")
        return p.stdout + (p.stderr if status else "")

    # The daemon

    def start_daemon(self, *options, domid=0, before=(), **kwargs):
        seen = self.log().count("ready\n")
        self.daemon = self.popen(domid, *before, os.environ["XENCHANNELD"], "--debug",
                                 "--run-dir", self.run_dir, *options,
                                 stderr=self.daemon_log, **kwargs)
        wait_for("the daemon", lambda: self.log().count("ready\n") > seen
                 or self.daemon.poll() is not None)
        if self.daemon.poll() is not None:
            fail("the daemon ended: " + self.log())

    def daemon_pid(self):
        """That of the daemon itself: xenhost run is its parent."""
        path = f"/proc/{self.daemon.pid}/task/{self.daemon.pid}/children"
        with open(path, encoding="ascii") as f:
            children = f.read().split()
        return int(children[0]) if children else self.daemon.pid

    def daemon_sockets(self):
        fds = f"/proc/{self.daemon_pid()}/fd"
        targets = set()
        for fd in os.listdir(fds):
            try:
                targets.add(os.readlink(f"{fds}/{fd}"))
            except FileNotFoundError:  # closed meanwhile
                pass
        return {t for t in targets if t.startswith("socket:")}

    def keepers_child(self):
        """With --keeper, the process that serves."""
        pid = self.daemon_pid()

        def child():
            with open(f"/proc/{pid}/task/{pid}/children",
                      encoding="ascii") as f:
                return f.read().split()
        return int(wait_for("the keeper's daemon", child)[0])

    def kill_daemon(self, signum=signal.SIGKILL):
        os.kill(self.daemon_pid(), signum)
        self.daemon.wait(LONG)

    # Channels

    def channel(self, *argv, status=0):
        return self.run(0, os.environ["XENCHAN"], "channel", *argv,
                        status=status)

    def attach(self, domid, name, *options):
        """A socket unless options say otherwise; its path is returned."""
        path = f"{self.dir}/{domid}-{name}.sock"
        if "--pty" not in options and "--socket" not in options:
            options = ("--socket", path, *options)
        self.channel("attach", "-d", str(domid), name, *options)
        return path

    def detach(self, domid, name, *options, status=0):
        return self.channel("detach", "-d", str(domid), name, *options,
                            status=status)

    def list(self, domid=None):
        """Of dictionaries by the columns' names."""
        text = self.channel("list", "--tsv", "--run-dir", self.run_dir,
                            *(["-d", str(domid)] if domid else []))
        head, *rows = [line.split("\t") for line in text.splitlines()]
        return [dict(zip(head, row)) for row in rows]

    def entry(self, domid, name):
        for e in self.list(domid):
            if e["name"] == name:
                return e
        return fail(f"no channel {name}")

    def await_entry(self, domid, name, **columns):
        def there():
            e = self.entry(domid, name)
            return all(e[k] == v for k, v in columns.items()) and e
        return wait_for(f"{name} to be {columns}", there)

    def front(self, domid, device, *options, **kwargs):
        return self.popen(domid, os.environ["CHANNEL_FRONT"], *options,
                          str(device), **kwargs)

    def connected(self, domid, device, backend=0):
        fe = f"/local/domain/{domid}/device/console/{device}/state"
        be = f"/local/domain/{backend}/backend/console/{domid}/{device}/state"
        wait_for(f"4/4 of {domid}/{device}", lambda:
                 self.read(fe) == "4" and self.read(be) == "4")

    # xenstore, as domain 0

    def read(self, path):
        p = subprocess.run([os.environ["XENHOST"], "run", "-d", "0", "--",
                            "xenstore-read", path], capture_output=True,
                           text=True, check=False)
        return p.stdout[:-1] if p.returncode == 0 else None

    def write(self, path, value, domid=0):
        self.run(domid, "xenstore-write", "--", path, value)

    def rm(self, path, domid=0):
        self.run(domid, "xenstore-rm", path)


class Client:
    """Who uses a channel in the control domain: a socket or a terminal."""

    def __init__(self, path):
        if path.startswith("/dev/"):
            self.fd = os.open(path, os.O_RDWR | os.O_NOCTTY)
            self.socket = None
        else:
            self.socket = socket.socket(socket.AF_UNIX)
            wait_for(path, lambda: self.socket.connect_ex(path) == 0)
            self.fd = self.socket.fileno()

    def send(self, data):
        while data:
            data = data[os.write(self.fd, data):]

    def receive(self, n, seconds=LONG):
        """n bytes, or what came before the end."""
        got = b""
        readable = select.poll()  # also of descriptors beyond 1023
        readable.register(self.fd, select.POLLIN)
        end = time.monotonic() + seconds
        while len(got) < n:
            left = end - time.monotonic()
            if left <= 0 or not readable.poll(left * 1000):
                fail(f"nothing more after {len(got)} of {n} bytes")
            try:
                part = os.read(self.fd, n - len(got))
            except OSError:
                part = b""
            if not part:
                break
            got += part
        return got

    def line(self):
        got = b""
        while not got.endswith(b"\n"):
            part = self.receive(1)
            assert part, f"the end after {got}"
            got += part
        return got[:-1].decode()

    def exchange(self, data):
        """Sends all and returns as much as was sent, at the same time."""
        got, at = b"", 0
        while len(got) < len(data):
            r, w, _ = select.select([self.fd], [self.fd] if at < len(data)
                                    else [], [], LONG)
            if not r and not w:
                fail(f"nothing more after {len(got)} of {len(data)} bytes")
            if w:
                at += os.write(self.fd, data[at:at + 4096])
            if r:
                part = os.read(self.fd, 65536)
                if not part:
                    break
                got += part
        return got

    def exchange_after_kill(self, data):
        """As exchange(); one chunk of before may come again in front of it."""
        got = self.exchange(data)
        while not got.endswith(data) and len(got) < len(data) + 2048:
            part = self.receive(1)
            if not part:
                break
            got += part
        return got[-len(data):]

    def close(self):
        if self.socket:
            self.socket.close()
        else:
            os.close(self.fd)


class Receiver:
    """Checks a stream in which a kill may have repeated a chunk."""

    def __init__(self, expected):
        self.expected = expected
        self.at = 0
        self.repeated = 0
        self.pending = b""

    def take(self, data):
        data = self.pending + data
        self.pending = b""
        want = self.expected[self.at:self.at + len(data)]
        if data == want:
            self.at += len(data)
            return
        n = next((i for i, (a, b) in enumerate(zip(data, want)) if a != b),
                 len(want))
        self.at += n
        rest = data[n:]
        if len(rest) < 64 and self.at - CHUNK + len(rest) < len(self.expected):
            self.pending = rest  # too little to know it again by
            return
        for back in range(1, CHUNK + 1):
            if self.expected[self.at - back:self.at - back + 64] == rest[:64]:
                self.at -= back
                self.repeated += 1
                self.take(rest)
                return
        fail(f"at {self.at}: neither the next byte nor a repeated chunk")

    def done(self):
        return self.at == len(self.expected)


def run(tests):
    names = sys.argv[1:] or [t.__name__ for t in tests]
    for t in tests:
        if t.__name__ not in names:
            continue
        host = Host()
        try:
            t(host)
            if "Sanitizer" in host.log():
                fail("the daemon's memory")
        except BaseException:
            print(f"FAIL {t.__name__}; the daemon said:\n{host.log()}")
            raise
        finally:
            host.close()
        print(f"ok   {t.__name__}", flush=True)
