#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A domain with the number, and the vchan's nodes, of one that is no more.

Its server's nodes say of a page and a port what was so of the dead domain: a
client is refused, or waits, and gets no byte; then a new server at the same
path is found, and all arrives. XENHOST and XENCHAN name the programs.
"""
import os
import subprocess

from channel_host import LONG, Host, fail, stream, wait_for

XENCHAN = os.environ["XENCHAN"]
PATH = "/local/domain/1/data/v"
KEYS = [PATH + "/ring-ref", PATH + "/event-channel"]


def client(host, timeout):
    p = subprocess.run([os.environ["XENHOST"], "run", "-d", "2", "--", XENCHAN,
                        "vchan", "connect", "-d", "1", "--timeout", timeout,
                        PATH], stdin=subprocess.DEVNULL, capture_output=True,
                       check=False, timeout=LONG)
    return p.returncode, p.stdout, p.stderr.decode()


def serve(host):
    p = host.popen(1, XENCHAN, "vchan", "listen", "-d", "2", PATH,
                   stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    wait_for("the server", lambda: host.read(KEYS[1]))
    return p


def leave_nodes_of_a_dead_domain(host):
    server = serve(host)
    values = [host.read(key) for key in KEYS]
    host.destroy(1)
    server.wait(LONG)
    host.create(1)
    for key, value in zip(KEYS, values):
        host.write(key, value)
        host.run(0, "xenstore-chmod", key, "n1", "r2")


def main():
    host = Host()
    data = stream(100000)
    try:
        host.create(1)
        host.create(2)
        leave_nodes_of_a_dead_domain(host)
        status, out, err = client(host, "300ms")
        if status != 1 or out or not err:
            fail(f"a dead domain's nodes: {status} {out[:40]} {err}")
        for key in KEYS:
            host.rm(key)
        leave_nodes_of_a_dead_domain(host)
        server = host.popen(1, XENCHAN, "vchan", "listen", "-d", "2", PATH,
                            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        server.stdin.write(data)
        server.stdin.close()
        status, out, err = client(host, str(LONG))
        if status or out != data:
            fail(f"the new server: {status}, {len(out)} bytes: {err}")
        if server.wait(LONG):
            fail("the new server did not end well")
    finally:
        host.close()
    print("ok")


main()
