# SPDX-License-Identifier: MIT
"""The units as systemd runs them: test-boot.sh. The last line is "done"."""
import json
import os
import select
import shutil
import socket
import subprocess
import sys
import time

BUILD = sys.argv[1]
XENHOST = BUILD + "/src/xenhost/xenhost"
AGENTS = "/etc/xen-channel/agents"
LIBRARIES = f"{BUILD}/src/xenhost:{BUILD}/src/vchan"
# What an emulated host needs, and no more: no hardware says that it is Xen.
DROP_IN = """[Unit]
ConditionPathExists=
ConditionVirtualization=
[Service]
Environment=LD_LIBRARY_PATH={libraries} XENHOST_DIR=/run/emulated
Environment=XENHOST_DOMAIN={domid} XENSTORED_PATH=/run/emulated/{domid}.xs
{more}
"""


def wait_for(what, condition):
    end = time.monotonic() + 60
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"timed out waiting for {what}")


def output(*argv):
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE,
                          text=True).stdout.strip()


def channel(*argv):
    return output(XENHOST, "run", "-d", "0", "--", "xenchan", "channel",
                  *argv)


def entry(name):
    return next(e for e in json.loads(channel("list", "--json"))
                if e["name"] == name)


def shown(key, unit="xenchanneld"):
    return output("systemctl", "show", "-P", key, unit)


def install():
    for unit, domid, program, more in (
            ("xenchanneld", 0, "backend/xenchanneld", "WatchdogSec=20"),
            ("xen-channel", 1, "cli/xenchan", "")):
        with open(f"{BUILD}/systemd/{unit}.service", encoding="ascii") as f:
            text = f.read()
        start = next(l for l in text.splitlines() if l.startswith("ExecStart="))
        path = start[len("ExecStart="):].split()[0]
        os.makedirs(os.path.dirname(path), exist_ok=True)
        shutil.copy(f"{BUILD}/src/{program}", path)
        os.environ["PATH"] = os.path.dirname(path) + ":" + os.environ["PATH"]
        with open(f"/etc/systemd/system/{unit}.service", "w",
                  encoding="ascii") as f:
            f.write(text)
        os.makedirs(f"/etc/systemd/system/{unit}.service.d")
        with open(f"/etc/systemd/system/{unit}.service.d/emulated.conf", "w",
                  encoding="ascii") as f:
            f.write(DROP_IN.format(libraries=LIBRARIES, domid=domid,
                                   more=more))
    os.makedirs(AGENTS, exist_ok=True)
    for name in "s", "t":
        with open(f"{AGENTS}/{name}", "w", encoding="ascii") as f:
            f.write("#!/bin/sh\nexec cat\n")
            os.chmod(f.fileno(), 0o755)
    os.environ["LD_LIBRARY_PATH"] = LIBRARIES
    os.environ["XENHOST_DIR"] = "/run/emulated"
    output("systemctl", "daemon-reload")


def ask(fd, question):
    """The agent's answer; a chunk may come again in front of it."""
    os.write(fd, question)
    got = b""
    while not got.endswith(question):
        assert select.select([fd], [], [], 60)[0], got
        part = os.read(fd, 4096)
        assert part, "cut off"
        got += part


def end_daemon(how):
    before = shown("MainPID")
    output("systemctl", *how, "xenchanneld")
    wait_for("the next daemon", lambda: shown("ActiveState") == "active"
             and shown("MainPID") not in (before, "0"))


def main():
    install()
    output(XENHOST, "up")
    output(XENHOST, "create", "1")
    output("systemctl", "start", "xenchanneld")
    channel("attach", "-d", "1", "s", "--socket", "/run/s.sock")
    channel("attach", "-d", "1", "t", "--pty")
    output("systemctl", "start", "xen-channel")
    for name in "s", "t":
        wait_for(f"{name}'s agent", lambda n=name: entry(n)["guest"] == "open")
    print("ok   both units serve, with the agents that they start")

    client = socket.socket(socket.AF_UNIX)
    client.connect("/run/s.sock")
    tty = os.open(entry("t")["path"], os.O_RDWR | os.O_NOCTTY)
    for how in (["kill", "-s", "KILL"], ["restart"], ["kill", "-s", "KILL"]):
        ask(client.fileno(), b"before")
        ask(tty, b"before")
        end_daemon(how)
        # The listener, its client, the terminal.
        assert shown("NFileDescriptorStore") == "3"
        ask(client.fileno(), b"after")
        ask(tty, b"after")
        assert entry("t")["client"] == "connected"
    os.close(tty)
    wait_for("the reader to be gone", lambda: entry("t")["client"] == "none")
    print("ok   clients stay over kills and restarts")

    seen = shown("WatchdogTimestampMonotonic")
    wait_for("a sign of life", lambda:
             shown("WatchdogTimestampMonotonic") != seen)
    print("ok   the watchdog is fed")

    channel("attach", "-d", "1", "no", "--socket", "/usr/no.sock")
    wait_for("the refusal", lambda: "Read-only" in entry("no")["error"])
    print("ok   the sandbox is there")

    output("systemctl", "reload", "xenchanneld")
    for name in "s", "t", "no":
        channel("detach", "-d", "1", name)
    wait_for("nothing to be kept", lambda:
             shown("NFileDescriptorStore") == "0")
    for unit in "xen-channel", "xenchanneld":
        output("systemctl", "stop", unit)
        assert shown("Result", unit) == "success"
    print("ok   nothing is left with systemd at the end")
    output(XENHOST, "down")
    print("done")


if __name__ == "__main__":
    main()
