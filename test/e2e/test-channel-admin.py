#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The commands of doc/admin-channels.md, as they stand there, block by block."""
import os
import re
import subprocess

from channel_host import LONG, Client, fail, run, wait_for

DOCUMENT = os.path.dirname(__file__) + "/../../doc/admin-channels.md"

# Absolute paths get a place of their own, and what is not here stands in.
PRELUDE = """
set -e
modprobe() { true; }
systemctl() {
	case $* in
	"enable --now xenchanneld") kill -0 "$DAEMON" ;;
	"reload xenchanneld") kill -HUP "$DAEMON" ;;
	*) false ;;
	esac
}
xenchan() {
	case $2 in
	list | events) "$XENCHAN" "$@" --run-dir "$HOST/run" ;;
	open) shift 2; "$XENCHAN" channel open --dir "$HOST/guest" "$@" ;;
	*) "$XENCHAN" "$@" ;;
	esac
}
"""


def blocks():
    with open(DOCUMENT, encoding="utf-8") as f:
        return re.findall(r"^```sh ([^\n]*)\n(.*?)^```$", f.read(),
                          re.M | re.S)


def start(host, words, commands, stdout=subprocess.PIPE):
    for path in "/run/", "/var/log/", "/usr/libexec/":
        commands = commands.replace(path, f"{host.dir}/{path[1:]}")
    where = 0 if "dom0" in words else 1
    return host.popen(where, "sh", "-c", PRELUDE + commands,
                      stdout=stdout, stderr=subprocess.STDOUT, text=True)


def finish(host, words, commands):
    p = start(host, words, commands)
    text, _ = p.communicate(timeout=LONG)
    if p.returncode:
        fail(f"{commands}: status {p.returncode}: {text}")
    return text


def each_command_does_what_the_text_says(host):
    for d in "run", "var/log", "usr/libexec":
        os.makedirs(f"{host.dir}/{d}", mode=0o700)
    agent = host.dir + "/usr/libexec/agent"
    with open(agent, "w", encoding="ascii") as f:
        f.write("#!/bin/sh\nexec cat\n")
    os.chmod(agent, 0o755)
    host.start_daemon()
    os.environ["HOST"] = host.dir
    os.environ["DAEMON"] = str(host.daemon_pid())
    host.create(1)
    host.write("/local/domain/1/name", "web1")

    enable, attach, guest, events, log, detach = blocks()
    finish(host, *enable)
    assert "org.example.agent" in finish(host, *attach)
    opened = start(host, *guest)
    client = Client(host.dir + "/run/web1-agent.sock")
    assert client.exchange(b"a question") == b"a question"

    with open(host.dir + "/events", "w", encoding="utf-8") as f:
        told = start(host, *events, stdout=f)
    path = host.dir + "/var/log/web1-agent.log"
    finish(host, *log)
    wait_for("the log", lambda: os.path.exists(path))
    os.rename(path, path + ".1")
    finish(host, *log)
    wait_for("the log anew", lambda: os.path.exists(path))
    assert client.exchange(b"another") == b"another"
    # Until the daemon has heard that it shall tell.
    wait_for("an event", lambda: told_of_a_client(host))

    finish(host, *detach)
    assert "org.example.agent" in opened.communicate(timeout=LONG)[0]
    assert opened.returncode == 0
    assert host.list() == []
    host.kill_daemon()
    told.wait(LONG)
    assert "org.example.agent detach" in what_was_told(host)


def what_was_told(host):
    with open(host.dir + "/events", encoding="utf-8") as f:
        return f.read()


def told_of_a_client(host):
    """A second client, which is turned away."""
    Client(host.dir + "/run/web1-agent.sock").close()
    return "client-" in what_was_told(host)


run([each_command_does_what_the_text_says])
