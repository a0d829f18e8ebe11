# SPDX-License-Identifier: MIT
"""An emulated host, and ends of vchans in its domains, in lock step.

An end is a process that runs vchan-end on one build of libxenvchan, or
vchan-forge: it does one command at a time and answers it. The programs and
libraries come from the environment: XENHOST, VCHAN_END, VCHAN_FORGE, OURS (a
libxenvchan of this project) and DISTRO (the distribution's).
"""
import contextlib
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

PATIENCE = 60
XENHOST = os.environ["XENHOST"]
LIBRARY = {"ours": os.environ["OURS"], "distro": os.environ["DISTRO"]}
PAIRINGS = [(s, c) for s in LIBRARY for c in LIBRARY]
SERVER, CLIENT = 1, 2


class Late(Exception):
    """No answer: what was waited for did not come."""


class End:
    """A process in a domain that does what it is told, line by line."""

    def __init__(self, host, domid, command, name, stderr=None):
        self.name = name
        self.pending = None
        self.process = subprocess.Popen(
            [XENHOST, "--dir", host.dir, "run", "-d", str(domid), "--",
             *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=stderr)
        self.buffer = b""

    def start(self, *words):
        """Tells it to do something, which may take long."""
        assert self.pending is None, f"{self.name} is busy: {self.pending}"
        self.pending = " ".join(map(str, words))
        self.process.stdin.write(self.pending.encode() + b"\n")
        self.process.stdin.flush()

    def answered(self, seconds):
        """Whether the answer is there, waiting at most so long for it."""
        out = self.process.stdout
        deadline = time.monotonic() + seconds
        while b"\n" not in self.buffer:
            left = max(0, deadline - time.monotonic())
            if not select.select([out], [], [], left)[0]:
                return False
            data = os.read(out.fileno(), 65536)
            if not data:
                raise EOFError(f"{self.name} ended during: {self.pending}")
            self.buffer += data
        return True

    def finish(self):
        """The answer to what was started."""
        if not self.answered(PATIENCE):
            raise Late(f"{self.name}: {self.pending}")
        line, self.buffer = self.buffer.split(b"\n", 1)
        self.pending = None
        return line.decode()

    def do(self, *words):
        self.start(*words)
        return self.finish()

    def kill(self):
        """SIGKILL, at whatever it is doing; back when it is gone."""
        os.kill(self.pid, 9)
        self.process.wait(PATIENCE)

    def remember_pid(self):
        """For kill(), which cannot ask any more."""
        self.pid = int(self.do("pid"))
        return self

    def end(self):
        self.process.stdin.close()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        finally:
            self.process.stdout.close()
        status = self.process.returncode
        assert status == 0, f"{self.name} ended with {status}"


def open_files(pid):
    """What the descriptors of a process are; those that stay open meanwhile."""
    found = []
    try:
        for fd in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(FileNotFoundError):
                found.append(os.readlink(f"/proc/{pid}/fd/{fd}"))
    except OSError:  # it has ended, or is somebody else's
        pass
    return found


class Host:
    """An emulated host of one's own, in a directory of its own."""

    def __enter__(self):
        self.top = tempfile.mkdtemp(prefix="xh.")
        self.dir = self.top + "/h"
        self.ends = []
        self.run("up")
        # A node can name only a domain that exists.
        for domid in (SERVER, CLIENT):
            self.create(domid)
        return self

    def run(self, *words):
        return subprocess.run([XENHOST, "--dir", self.dir, *map(str, words)],
                              check=True, stdout=subprocess.PIPE,
                              timeout=PATIENCE).stdout.decode()

    def __exit__(self, *exception):
        for end in self.ends:
            if end.process.poll() is None:
                end.process.kill()
            end.process.wait()
        try:
            self.run("down")
            assert not os.path.exists(self.dir), "down left files"
        finally:
            shutil.rmtree(self.top, ignore_errors=True)

    def pid(self):
        """The host's own process: it holds the lock."""
        for pid in filter(str.isdigit, os.listdir("/proc")):
            if self.dir + "/lock" in open_files(pid):
                return int(pid)
        raise AssertionError("the host is not there")

    def create(self, domid):
        self.run("create", domid)

    def _end(self, domid, command, name, library=None, stderr=None):
        end = End(self, domid, command, name, stderr)
        end.library = library
        self.ends.append(end)
        return end

    def end(self, domid, library, name=None, quiet=False):
        """quiet: Xen's libraries write about what is going to fail."""
        return self._end(domid, [os.environ["VCHAN_END"], LIBRARY[library]],
                         name or f"{library}'s in domain {domid}", library,
                         subprocess.DEVNULL if quiet else None)

    def forge(self, domid):
        return self._end(domid, [os.environ["VCHAN_FORGE"]], "forged server")

    def tool(self, domid, *command):
        """Runs a program in a domain, to its end; what it printed."""
        return self.run("run", "-d", domid, "--", *command)

    def state(self):
        """What `xenhost list` says of each domain."""
        return {d["id"]: d for d in json.loads(self.run("list", "--json"))}

    def held(self, domid):
        """What the processes of a domain have of the host."""
        d = self.state()[domid]
        return {k: d[k] for k in ("pages_shared", "pages_mapped", "ports",
                                  "processes")}
