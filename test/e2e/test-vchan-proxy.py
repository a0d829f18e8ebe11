#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""xenchan vchan proxy: many connections of sockets and commands, and what
happens when one of all who take part is killed, stuck or impatient.

Domain 1 serves, domain 2 asks. XENHOST and XENCHAN name the programs. Runs the
tests that are named, or all.
"""
import contextlib
import fcntl
import hashlib
import json
import os
import random
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import threading
import time

PATIENCE = 60  # seconds: against hangs, nothing is expected to take it
PATH = "data/proxy"
DATA = random.Random(1).randbytes(1 << 20)


def wait_for(what, condition):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError(f"timed out waiting for {what}")


class Proxy:
    """A proxy in a domain; its messages are in a file."""

    def __init__(self, host, domid, *options, stdin=subprocess.DEVNULL,
                 stdout=None):
        self.log = f"{host.top}/log{len(host.proxies)}"
        # On the left of --exec: what follows that is the command's.
        self.command = [os.environ["XENHOST"], "run", "-d", str(domid), "--",
                        os.environ["XENCHAN"], "vchan", "proxy", "-d",
                        str(3 - domid), PATH, *options]
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(self.command, stdin=stdin,
                                            stdout=stdout, stderr=log)
        host.proxies.append(self)

    def pid(self):
        """Of the proxy itself, not of what starts it in its domain."""
        pid = self.process.pid

        def child():
            with open(f"/proc/{pid}/task/{pid}/children",
                      encoding="ascii") as f:
                return f.read().split()
        return int(wait_for("the proxy's start", child)[0])

    def said(self):
        with open(self.log, encoding="utf-8") as f:
            return f.read()

    def kill(self):
        os.kill(self.pid(), signal.SIGKILL)
        self.process.wait(PATIENCE)

    def stop(self):
        self.process.terminate()
        assert self.process.wait(PATIENCE) == 128 + signal.SIGTERM, self.said()

    def alive(self):
        return self.process.poll() is None


class Host:
    def __enter__(self):
        self.top = tempfile.mkdtemp(prefix="xp.")
        self.proxies = []
        os.environ["XENHOST_DIR"] = self.top + "/h"
        self.xenhost("up")
        for domid in (1, 2):
            self.xenhost("create", str(domid))
        return self

    def xenhost(self, *words):
        return subprocess.run([os.environ["XENHOST"], *words], check=True,
                              stdout=subprocess.PIPE,
                              timeout=PATIENCE).stdout.decode()

    def __exit__(self, *exception):
        for p in self.proxies:
            if exception[0]:
                print(p.command, p.said(), file=sys.stderr)
            if p.alive():
                p.process.terminate()
            p.process.wait()
        self.xenhost("down")
        shutil.rmtree(self.top)

    @property
    def near(self):
        return self.top + "/near"

    @property
    def far(self):
        return self.top + "/far"

    def serve(self, *options, **kwargs):
        p = Proxy(self, 1, *options, **kwargs)
        wait_for("the server's vchan", lambda: "event-channel" in
                 self.xenhost("run", "-d", "1", "--", "xenstore-ls", "data")
                 or not p.alive())
        return p

    def ask(self, *options):
        """--listen at self.near"""
        p = Proxy(self, 2, *options, "--listen", self.near)
        wait_for("the socket", lambda: is_listening(self.near)
                 or not p.alive())
        return p

    def held(self):
        """What the domains have of the host: pages, ports."""
        domains = json.loads(self.xenhost("list", "--json"))
        return [(d["pages_shared"], d["pages_mapped"], d["ports"])
                for d in domains if d["id"]]

    def sessions(self):
        """Vchans of the server, but for the control vchan."""
        return self.held()[0][2] - 1


def is_listening(path):
    """Without connecting: that would be a session."""
    with open("/proc/net/unix", encoding="utf-8") as f:
        for line in f:
            words = line.split()
            if words[-1] == path and words[3] == "00010000":
                return True
    return False


def connect(path):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(PATIENCE)
    s.connect(path)
    return s


def receive(s, n=None):
    """So many bytes, or all until the end."""
    parts = bytearray()
    while n is None or len(parts) < n:
        part = s.recv(65536 if n is None else n - len(parts))
        if not part:
            break
        parts += part
    return bytes(parts)


def exchange(path, data):
    """Sends all, says so, and returns what comes until the end."""
    with connect(path) as s:
        def send():
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
        t = threading.Thread(target=send)
        t.start()
        answer = receive(s)
        t.join()
        return answer


def all_at_once(n, function):
    """Calls it n times at the same time, with 0, 1, ..."""
    wrong = []

    def run(i):
        try:
            function(i)
        except Exception as e:  # pylint: disable=broad-except
            wrong.append((i, repr(e)))
    threads = [threading.Thread(target=run, args=(i,)) for i in range(n)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(PATIENCE)
    assert not wrong, wrong[:3]


class Listener(threading.Thread):
    """A server on a Unix socket that gives each connection to a function."""

    def __init__(self, path, function):
        super().__init__(daemon=True)
        self.function = function
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(path)
        self.socket.listen(128)
        self.start()

    def run(self):
        while True:
            s = self.socket.accept()[0]
            s.settimeout(PATIENCE)
            threading.Thread(target=self.serve, args=(s,), daemon=True).start()

    def serve(self, s):
        with s, contextlib.suppress(OSError):
            self.function(s)


def echo(s):
    while data := s.recv(65536):
        s.sendall(data)


def nothing_is_left(host):
    wait_for("the pages and ports", lambda: not any(map(sum, host.held())))
    nodes = host.xenhost("run", "-d", "1", "--", "xenstore-ls", "data")
    assert "proxy" not in nodes, nodes


def many_sessions(host):
    """Each gets its own bytes, one, three or fifty at a time."""
    Listener(host.far, echo)
    server, client = host.serve("--connect", host.far), host.ask()

    def check(i):
        data = i.to_bytes(4, "little") + DATA[:200000 + i]
        assert hashlib.sha256(exchange(host.near, data)).digest() == \
            hashlib.sha256(data).digest(), "other bytes"
    for n in (1, 3, 50):
        all_at_once(n, check)
    assert server.said() == "" and client.said() == "", \
        server.said() + client.said()
    client.stop()
    server.stop()
    nothing_is_left(host)
    assert not os.path.exists(host.near), "the socket is left"


def half_close(host):
    """The end of what one side sends is not the end of the other's."""
    server, client = host.serve("--exec", "sort"), host.ask()
    assert exchange(host.near, b"c\nb\na\n") == b"a\nb\nc\n"
    server.stop()

    got = []

    def greet(s):
        s.sendall(b"hello")
        s.shutdown(socket.SHUT_WR)
        got.append(receive(s))
    Listener(host.far, greet)
    server = host.serve("--connect", host.far)
    with connect(host.near) as s:
        assert receive(s) == b"hello"
        s.sendall(DATA)
        s.shutdown(socket.SHUT_WR)
        wait_for("what was sent after the end", lambda: got)
    assert got == [DATA]
    for p in (client, server):
        p.stop()


def standard_streams(host):
    """--stdio is one session, and its exit status tells how it ended."""
    command = Proxy(host, 2, "--stdio", stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE)
    server = host.serve("--exec", "sort", "-n")
    assert command.process.communicate(b"10\n9\n", PATIENCE)[0] == b"9\n10\n"
    assert command.process.returncode == 0
    server.stop()

    command = Proxy(host, 2, "--timeout", "100ms", "--stdio")
    assert command.process.wait(PATIENCE) == 1
    assert "did not come" in command.said(), command.said()

    server = host.serve("--exec", "cat")
    command = Proxy(host, 2, "--stdio", stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE)
    command.process.stdin.write(b"x")
    command.process.stdin.flush()
    assert command.process.stdout.read(1) == b"x"
    server.kill()
    assert command.process.wait(PATIENCE) == 1
    assert "killed" in command.said(), command.said()


def killed_clients(host):
    """What was in transit ends; the others and the proxies do not notice."""
    ended = []

    def count(s):
        receive(s)
        ended.append(s)
    Listener(host.far, count)
    server, client = host.serve("--connect", host.far), host.ask()
    program = ("import socket,sys\ns=socket.socket(socket.AF_UNIX)\n"
               "s.connect(sys.argv[1])\nprint(flush=True)\n"
               "while 1: s.sendall(bytes(65536))\n")
    with connect(host.near) as calm:
        calm.sendall(b"calm")
        for i in range(5):
            p = subprocess.Popen([sys.executable, "-c", program, host.near],
                                 stdout=subprocess.PIPE)
            p.stdout.readline()
            wait_for("the session", lambda: host.sessions() == 2)
            p.kill()
            p.communicate()
            wait_for("its end", lambda n=i: len(ended) == n + 1)
            wait_for("the vchan's end", lambda: host.sessions() == 1)
        assert server.alive() and client.alive()
    wait_for("the end of the calm one", lambda: len(ended) == 6)


def killed_servers(host):
    """A client sees the end; the next one is served as ever."""
    server, client = host.serve("--exec", "sh", "-c",
                                "read x; [ $x = die ] && kill -9 $$; cat"), \
        host.ask()
    for _ in range(3):
        assert exchange(host.near, b"die\n" + DATA[:100]) == b""
        assert exchange(host.near, b"live\n" + DATA) == DATA
    assert server.alive() and client.alive()
    server.stop()

    server = host.serve("--connect", host.far)  # where nobody is
    assert exchange(host.near, b"x") == b""
    wait_for("a word on it", lambda: "No such file" in server.said())
    Listener(host.far, echo)
    assert exchange(host.near, DATA) == DATA


def killed_proxies(host):
    """Either can be started again, and the other one finds it."""
    Listener(host.far, echo)
    server, client = host.serve("--connect", host.far), host.ask()
    for _ in range(2):
        with connect(host.near) as s:
            s.sendall(b"x")
            assert receive(s, 1) == b"x"
            server.kill()
            assert receive(s) == b"", "the end"
        server = host.serve("--connect", host.far)
        assert exchange(host.near, DATA) == DATA
    for _ in range(2):
        with connect(host.near) as s:
            s.sendall(b"x")
            assert receive(s, 1) == b"x"
            client.kill()
            assert receive(s) == b"", "the end"
        wait_for("the session's end", lambda: host.sessions() == 0)
        client = host.ask()
        assert exchange(host.near, DATA) == DATA
    # Who came while there was no server is served when there is one.
    server.kill()
    answers = []
    t = threading.Thread(target=lambda: answers.append(
        exchange(host.near, b"early")))
    t.start()
    server = host.serve("--connect", host.far)
    t.join(PATIENCE)
    assert answers == [b"early"], answers
    for p in (client, server):
        p.stop()
    nothing_is_left(host)


def slow_readers(host):
    """Who does not read holds up nobody else, nor memory."""
    Listener(host.far, echo)
    server, client = host.serve("--connect", host.far), host.ask()
    with contextlib.ExitStack() as stack:
        stuck = [stack.enter_context(connect(host.near)) for _ in range(4)]
        total = 0
        for s in stuck:
            s.setblocking(False)
            sent, since = 0, time.monotonic()
            # Until nothing has moved for a while.
            while time.monotonic() - since < 0.2:
                with contextlib.suppress(BlockingIOError):
                    sent += s.send(DATA)
                    since = time.monotonic()
                time.sleep(0.001)
            s.settimeout(PATIENCE)
            total = max(total, sent)
        # Six sockets' buffers of some 200 KiB, two rings, four buffers
        assert total < 4 << 20, f"{total} bytes are somewhere"
        assert exchange(host.near, DATA) == DATA
        for p in (server, client):
            with open(f"/proc/{p.pid()}/statm", encoding="ascii") as f:
                resident = int(f.read().split()[1]) * 4096
            assert resident < 32 << 20, f"{resident} bytes resident"


def sockets(host):
    """A dead socket is replaced; all else at its place is not touched."""
    def refused(text, *options):
        p = Proxy(host, 2, *options, "--listen", host.near)
        assert p.process.wait(PATIENCE) == 1
        assert text in p.said() and p.said().count("\n") == 1, p.said()

    # Whoever holds the directory's lock is named, instead of waited for.
    directory = os.open(os.path.dirname(host.near), os.O_RDONLY)
    fcntl.flock(directory, fcntl.LOCK_EX)
    refused(f"process {os.getpid()} holds a lock on its directory")
    os.close(directory)
    client = host.ask()
    assert stat.S_IMODE(os.stat(host.near).st_mode) == 0o600
    refused("somebody listens")
    assert is_listening(host.near)
    client.kill()
    assert os.path.exists(host.near), "a killed proxy leaves its socket"
    client = host.ask("--mode", "660")
    assert stat.S_IMODE(os.stat(host.near).st_mode) == 0o660
    # Somebody else's by now: it is left.
    os.unlink(host.near)
    with open(host.near, "w", encoding="ascii") as f:
        f.write("precious")
    client.stop()
    refused("no socket")
    with open(host.near, encoding="ascii") as f:
        assert f.read() == "precious"
    os.unlink(host.near)
    os.symlink("precious", host.near)
    refused("no socket")
    os.unlink(host.near)
    os.mkdir(host.near)
    refused("no socket")
    os.rmdir(host.near)


def limits(host):
    """Sessions are limited in number, and in time where nothing moves."""
    Listener(host.far, echo)
    server = host.serve("--max-sessions", "2", "--connect", host.far)
    client = host.ask("--idle", "300ms")
    with connect(host.near) as a, connect(host.near) as b, \
            connect(host.near) as c:
        for s in (a, b):
            s.sendall(b"x")
            assert receive(s, 1) == b"x"
        c.sendall(b"y")
        assert host.sessions() == 2
        # The idle ones end, and make room.
        assert receive(c, 1) == b"y"
        assert receive(a) == b"" and receive(b) == b""
    client.stop()
    server.stop()
    # Nobody serves: a client is not kept for ever.
    client = host.ask("--timeout", "200ms")
    assert exchange(host.near, b"") == b""
    assert client.alive()
    wait_for("a word on it", lambda: "did not come" in client.said())


def one_server(host):
    """A second one at the same path is refused, and the first goes on."""
    server = host.serve("--exec", "cat")
    second = Proxy(host, 1, "--exec", "cat")
    assert second.process.wait(PATIENCE) == 1
    assert "another server" in second.said(), second.said()
    host.ask()
    assert exchange(host.near, DATA) == DATA
    assert server.alive()


def control_gets(host, data, n_answers=0):
    """Another program on the control vchan; what it is answered."""
    with subprocess.Popen(
            [os.environ["XENHOST"], "run", "-d", "2", "--",
             os.environ["XENCHAN"], "vchan", "connect", "-q", "-d", "1",
             "--eof=keep", PATH + "/control"], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as p:
        with contextlib.suppress(BrokenPipeError):
            p.stdin.write(data)
            p.stdin.flush()
        answers = p.stdout.read(16 * n_answers)
        p.stdin.close()
        p.terminate()
        p.wait(PATIENCE)
    return answers


def hostile_clients(host):
    """Whatever is asked for, others are served afterwards."""
    server = host.serve("--max-sessions", "3", "--timeout", "300ms", "--exec",
                        "cat")
    for garbage in (DATA[:1000], bytes(16)):
        control_gets(host, garbage)
    # The fourth has to wait until the first three have been given up.
    asked = b"".join(struct.pack("<4sIQ", b"open", 0, i) for i in range(4))
    answers = control_gets(host, asked, 4)
    for i, answer in enumerate(struct.iter_unpack("<4sIQ", answers)):
        assert answer == (b"oned", i + 1, i), answer
    client = host.ask("--timeout", "never")
    assert exchange(host.near, DATA) == DATA
    assert server.alive() and client.alive()
    client.stop()
    server.stop()
    nothing_is_left(host)


def destroyed_domains(host):
    """A domain that comes again finds the proxy of the other one."""
    server, client = host.serve("--exec", "cat"), host.ask()
    for _ in range(2):
        with connect(host.near) as s:
            s.sendall(b"x")
            assert receive(s, 1) == b"x"
            host.xenhost("destroy", "2")
        client.process.wait(PATIENCE)
        # It lets go of all, and waits for the domain.
        wait_for("the server to notice", lambda: host.held()[0][2] == 0)
        assert server.alive()
        host.xenhost("create", "2")
        client = host.ask("--timeout", "never")
        assert exchange(host.near, DATA) == DATA
    with connect(host.near) as s:
        s.sendall(b"x")
        assert receive(s, 1) == b"x"
        host.xenhost("destroy", "1")
        assert receive(s) == b""
    server.process.wait(PATIENCE)
    wait_for("the client to notice", lambda: host.held()[-1][1] == 0)
    host.xenhost("create", "1")
    server = host.serve("--exec", "cat")
    assert exchange(host.near, DATA) == DATA


def compat(host, ask, serve, n=5):
    """With vchan-socket-proxy, or a proxy that speaks as it does."""
    Listener(host.far, echo)
    serve(host)
    client = ask(host)
    for i in range(n):
        # It knows no half-close: the answer first.
        data = i.to_bytes(4, "little") + DATA
        with connect(host.near) as s:
            t = threading.Thread(target=s.sendall, args=(data,))
            t.start()
            assert receive(s, len(data)) == data, f"connection {i}"
            t.join()
    assert client.alive()


def foreign(host, domid, *arguments):
    # The distribution's library relies on what malloc() gives being zero.
    environment = dict(os.environ, MALLOC_PERTURB_="0")
    environment.pop("LD_LIBRARY_PATH", None)
    p = Proxy.__new__(Proxy)
    p.command = [os.environ["XENHOST"], "run", "-d", str(domid), "--",
                 "vchan-socket-proxy", *arguments]
    p.log = f"{host.top}/log{len(host.proxies)}"
    with open(p.log, "wb") as log:
        p.process = subprocess.Popen(p.command, env=environment, stderr=log,
                                     stdin=subprocess.DEVNULL)
    host.proxies.append(p)
    return p


def foreign_server(host):
    return foreign(host, 1, "-m", "server", "2", PATH, host.far)


def foreign_client(host):
    p = foreign(host, 2, "1", f"/local/domain/1/{PATH}", host.near)
    wait_for("its socket", lambda: is_listening(host.near))
    return p


def compat_with_ours(host):
    compat(host, lambda h: h.ask("--compat"),
           lambda h: h.serve("--compat", "--connect", h.far))


def compat_serves(host):
    # Once: at the second time its client may take up the vchan of the session
    # that is just ending, and then it is stuck for good.
    compat(host, foreign_client,
           lambda h: h.serve("--compat", "--connect", h.far), n=1)


def compat_asks(host):
    compat(host, lambda h: h.ask("--compat"), foreign_server)


TESTS = [many_sessions, half_close, standard_streams, killed_clients,
         killed_servers, killed_proxies, slow_readers, sockets, limits,
         one_server, hostile_clients, destroyed_domains, compat_with_ours]
if os.path.exists("/usr/bin/vchan-socket-proxy"):
    TESTS += [compat_serves, compat_asks]


def main():
    for test in TESTS:
        if len(sys.argv) > 1 and test.__name__ not in sys.argv[1:]:
            continue
        start = time.monotonic()
        with Host() as host:
            test(host)
        print(f"{test.__name__}: {time.monotonic() - start:.1f} s",
              flush=True)


if __name__ == "__main__":
    main()
