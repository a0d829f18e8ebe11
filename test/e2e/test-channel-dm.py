#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""xenchan-dm, with libxl played by this script: its nodes, its command line, its QMP."""
import json
import os
import signal
import socket
import stat
import subprocess

from channel_host import LONG, Client, run, stream, wait_for

DM = os.environ["XENCHAN_DM"]
CAPABILITIES = {"execute": "qmp_capabilities"}


class Libxl:
    """A guest of libxl's, with a socket as device 1 and a pty as device 2."""

    def __init__(self, host, domid=1):
        self.host, self.domid, self.dm = host, domid, None
        self.qmp = f"{host.dir}/qmp-libxl-{domid}"
        self.socket = f"{host.dir}/agent.sock"
        host.create(domid)

    def make_nodes(self):
        self.make(1, "a.socket", connection="socket", path=self.socket,
                  output="chardev:libxl-channel1")
        self.make(2, "a.pty", connection="pty", output="pty")

    def make(self, device, name, connection, output, path=None):
        n, k = self.domid, device
        fe = f"/local/domain/{n}/device/console/{k}"
        be = f"/local/domain/0/backend/console/{n}/{k}"
        copy = f"/libxl/{n}/device/console/{k}"
        toolstack = {"frontend": fe, "frontend-id": str(n), "online": "1",
                     "state": "1", "protocol": "vt100", "name": name,
                     "connection": connection}
        if path:
            toolstack["path"] = path
        guests = {"backend": be, "backend-id": "0", "state": "1",
                  "protocol": "vt100"}
        ours = {"name": name, "limit": "1048576", "type": "ioemu",
                "output": output, "tty": ""}
        self.put(be, toolstack, f"n0 r{n}")
        self.put(fe, ours, f"n0 r{n}")
        self.put(fe, guests, f"n{n} r0")
        self.put(copy, dict(toolstack, backend=be), "n0")

    def put(self, path, keys, perms):
        """The directory gets the permissions of what was written last."""
        words = [w for k, v in keys.items() for w in (f"{path}/{k}", v)]
        self.host.run(0, "xenstore-write", "--", *words)
        for p in [path, *(f"{path}/{k}" for k in keys)]:
            self.host.run(0, "xenstore-chmod", "--", p, *perms.split())

    def start(self, *more, **environment):
        self.dm = self.host.popen(
            0, DM, "-xen-domid", str(self.domid), "-no-shutdown",
            "-chardev", f"socket,id=libxl-cmd,path={self.qmp},server=on,"
            "wait=off", "-mon", "chardev=libxl-cmd,mode=control",
            "-chardev", f"socket,id=libxl-channel1,path={self.socket},"
            "server=on,wait=off", "-chardev", "pty,id=libxl-channel2",
            "-nodefaults", "-no-user-config", "-name", "guest", "-vnc", "none",
            "-display", "none", "-machine", "xenpv", "-m", "128", *more,
            stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=dict(os.environ, **environment))

    def pid(self):
        path = f"/proc/{self.dm.pid}/task/{self.dm.pid}/children"
        with open(path, encoding="ascii") as f:
            children = f.read().split()
        return int(children[0]) if children else self.dm.pid

    def await_running(self):
        key = f"/local/domain/0/device-model/{self.domid}/state"
        wait_for("running", lambda: self.host.read(key) == "running"
                 or self.dm.poll() is not None)
        assert self.dm.poll() is None, self.dm.communicate()

    def connect(self):
        """Like libxl: without a second try."""
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(LONG)
        s.connect(self.qmp)
        lines = s.makefile("r", encoding="utf-8")
        assert "QMP" in json.loads(lines.readline())
        return s, lines

    def ask(self, *commands):
        s, lines = self.connect()
        for i, c in enumerate(commands):
            s.sendall(json.dumps(dict(c, id=i)).encode())
        answers = [json.loads(lines.readline()) for _ in commands]
        assert [a["id"] for a in answers] == list(range(len(commands)))
        lines.close()
        s.close()
        return [a.get("return", a.get("error")) for a in answers]


def channels_of_xl_reach_the_daemon(host):
    host.start_daemon()
    guest = Libxl(host)
    guest.make_nodes()
    guest.start()
    guest.await_running()
    capabilities, chardevs = guest.ask(CAPABILITIES,
                                       {"execute": "query-chardev"})
    assert capabilities == {}
    assert [c["label"] for c in chardevs] == ["libxl-channel1",
                                              "libxl-channel2"]
    for device in 1, 2:
        host.front(1, device, "--echo")
        host.connected(1, device)
    tty = host.read("/local/domain/1/device/console/2/tty")
    for path in guest.socket, tty:
        client = Client(path)
        data = stream(50000)
        assert client.exchange(data) == data
        client.close()
    assert host.entry(1, "a.socket")["path"] == guest.socket
    assert host.read("/local/domain/1/device/console/1/output") == \
        "chardev:libxl-channel1"


def hangup_ends_it(host):
    host.start_daemon()
    guest = Libxl(host)
    guest.make_nodes()
    guest.start()
    guest.await_running()
    assert stat.S_IMODE(os.stat(guest.qmp).st_mode) == 0o600
    os.kill(guest.pid(), signal.SIGHUP)
    assert guest.dm.wait(LONG) == 0
    assert not os.path.exists(guest.qmp)


def nodes_may_come_late(host):
    host.start_daemon()
    guest = Libxl(host)
    guest.start()
    guest.make_nodes()
    guest.await_running()


def hostile_clients_are_dropped_and_the_next_one_served(host):
    host.start_daemon()
    guest = Libxl(host)
    guest.make_nodes()
    guest.start()
    guest.await_running()
    for junk in b"\0\xff" * 100, b"[" * 5000, b'{"a":' * 1000, \
            b'{"a":"' + b"a" * 20000, b"GET / HTTP/1.0\r\n\r\n":
        s, lines = guest.connect()
        try:
            s.sendall(junk)
            assert lines.readline() == ""
        except ConnectionError:
            pass  # closed with bytes that were not read
        lines.close()
        s.close()
    # Commands in plenty, of which no answer is read: no memory grows, and
    # it goes on where it was.
    s, lines = guest.connect()
    s.setblocking(False)
    sent = 0
    try:
        while True:
            sent += s.send(b"{}" * 1000)
    except BlockingIOError:
        pass
    s.settimeout(LONG)
    for _ in range(sent // 2):
        assert "error" in lines.readline()
    lines.close()
    s.close()
    assert guest.ask(CAPABILITIES) == [{}]


def what_is_qemus_goes_to_qemu_without_the_channels(host):
    host.start_daemon()
    fake = host.dir + "/qemu"
    with open(fake, "w", encoding="ascii") as f:
        f.write('#!/bin/sh\necho "$@"\n')
    os.chmod(fake, 0o755)
    for reason in "argument", "device":
        guest = Libxl(host, domid=1 if reason == "argument" else 2)
        guest.make_nodes()
        if reason == "device":
            host.write("/local/domain/0/backend/vfb/2/0/state", "1")
        guest.start(*(["-vnc", ":1"] if reason == "argument" else []),
                    XENCHAN_DM_QEMU=fake)
        out, log = guest.dm.communicate(timeout=LONG)
        assert guest.dm.returncode == 0, log
        assert "libxl-cmd" in out and "libxl-channel" not in out, out
        assert ("vfb" if reason == "device" else "-vnc") in log, log
        fe = f"/local/domain/{guest.domid}/device/console/1"
        assert host.read(fe + "/type") == "xenconsoled"
        os.unlink(guest.socket)


def a_socket_that_cannot_be_bound_is_said(host):
    host.start_daemon()
    guest = Libxl(host)
    with open(guest.socket, "w", encoding="ascii") as f:
        f.write("kept")
    guest.make_nodes()
    guest.start()
    _, said = guest.dm.communicate(timeout=LONG)
    assert guest.dm.returncode == 1 and guest.socket in said, said
    with open(guest.socket, encoding="ascii") as f:
        assert f.read() == "kept"


def it_does_not_take_itself_for_qemu(host):
    host.start_daemon()
    guest = Libxl(host)
    guest.make_nodes()
    link = f"{host.dir}/qemu"
    os.symlink(DM, link)
    guest.put("/local/domain/0/backend/vfb/1/0", {"state": "1"}, "n0 r1")
    guest.start(XENCHAN_DM_QEMU=link)
    _, said = guest.dm.communicate(timeout=LONG)
    assert guest.dm.returncode == 1 and "there is none" in said, said


def nonsense_is_refused_in_words(host):
    for argv, word in ((["-xen-domid", "x"], "x:"), ([], "-xen-domid"),
                       (["-xen-domid", "1", "-chardev"], "-chardev")):
        assert word in host.run(0, DM, *argv, status=2)
    guest = Libxl(host)
    host.start_daemon()
    guest.make_nodes()
    guest.qmp = host.dir + "/missing/qmp"
    guest.start()
    _, log = guest.dm.communicate(timeout=LONG)
    assert guest.dm.returncode == 1
    assert "cannot listen at" in log and "missing" in log, log


run([channels_of_xl_reach_the_daemon, hangup_ends_it, nodes_may_come_late,
     hostile_clients_are_dropped_and_the_next_one_served,
     what_is_qemus_goes_to_qemu_without_the_channels,
     a_socket_that_cannot_be_bound_is_said,
     it_does_not_take_itself_for_qemu,
     nonsense_is_refused_in_words])
