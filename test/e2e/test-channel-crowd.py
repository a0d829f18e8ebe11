#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Many channels of one daemon, and one channel many times."""
import os
import resource
import time
from concurrent.futures import ThreadPoolExecutor

from call_failures import NEVER, fault
from channel_host import Client, run, stream, wait_for

GUESTS = int(os.environ.get("CHANNEL_GUESTS", 200))
CYCLES = int(os.environ.get("CHANNEL_CYCLES", 1000))
DEVICES = range(1, 8)


def memory_kib(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
        return next(int(l.split()[1]) for l in f if l.startswith("Pss:"))


def cpu_ticks(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def fds(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def settled(pid):
    ticks = cpu_ticks(pid)
    time.sleep(1)
    return cpu_ticks(pid) - ticks < 10


def all_guests_with_all_channels(host):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    host.start_daemon()
    pid = host.daemon_pid()
    before = memory_kib(pid), fds(pid)
    guests = range(1, GUESTS + 1)
    for g in guests:
        host.create(g)

    def attach_all(g):
        return [host.attach(g, f"c{k}") for k in DEVICES]

    with ThreadPoolExecutor(8) as pool:
        paths = [p for ps in pool.map(attach_all, guests) for p in ps]
        for g in guests:
            host.popen(g, os.environ["CHANNEL_CROWD"], "7")
        wait_for("all to connect", lambda: all(
            e["frontend"] == e["backend"] == "connected"
            for e in host.list()), 300)
        # What the states' last changes still cause is not rest.
        wait_for("the daemon to be done", lambda: settled(pid))
        n = len(paths)
        assert n == 7 * GUESTS
        after = memory_kib(pid), fds(pid)
        ticks = cpu_ticks(pid)
        time.sleep(5)
        used = (cpu_ticks(pid) - ticks) / os.sysconf("SC_CLK_TCK") / 5
        print(f"     {n} channels, idle: {(after[0] - before[0]) / n:.1f} KiB "
              f"and {(after[1] - before[1]) / n:.1f} descriptors a channel, "
              f"{100 * used:.2f} % of a processor in all")
        assert (after[0] - before[0]) / n < 32
        assert (after[1] - before[1]) / n <= 3
        assert used < 0.1, "channels at rest are not at rest"

    # All of them at work at once: each has its data before the first is read.
    clients = [Client(path) for path in paths]
    for i, client in enumerate(clients):
        client.send(stream(16384, i))
    for i, client in enumerate(clients):
        assert client.receive(16384) == stream(16384, i), paths[i]
    for client in clients:
        client.close()
    assert sum(int(e["from-guest"]) for e in host.list()) == n * 16384


def one_channel_a_thousand_times(host):
    host.start_daemon()
    host.create(1)
    pid = host.daemon_pid()
    resources = []
    for i in range(CYCLES):
        path = host.attach(1, "a", *(["--pty"] if i % 2 else []))
        guest = host.front(1, 1, "--echo")
        host.connected(1, 1)
        if i % 2:
            path = host.entry(1, "a")["path"]
        client = Client(path)
        data = stream(1000, i)
        assert client.exchange(data) == data
        client.close()
        host.detach(1, "a")
        guest.wait()
        host.processes.remove(guest)
        if i in (CYCLES // 10, CYCLES - 1):
            wait_for("the spool to go", lambda: sorted(
                os.listdir(host.run_dir)) == ["control", "lock"])
            resources.append((fds(pid), memory_kib(pid)))
    assert resources[1][0] == resources[0][0], "descriptors leak"
    assert resources[1][1] <= resources[0][1] + 512, "memory leaks"
    assert host.read("/libxl/1") is None
    assert host.read("/local/domain/0/backend/console/1") is None


def requests(count):
    """Those of domain 0 while count() runs: of it and of the daemon."""
    kinds = [k for k in fault("kinds").split() if k.startswith("xs-")]
    for kind in kinds:
        fault("add", "-d", "0", kind, "--errno", "EIO", "--nth", NEVER)
    count()
    rows = [r.split("\t") for r in
            fault("list", "-d", "0").splitlines()[1:]]
    fault("clear", "-d", "0")
    return sum(int(r[-1]) for r in rows)


def events_of_domains_leave_others_their_turn(host):
    """What happens in /vm, and a death, cost some requests, not all again."""
    host.start_daemon()
    n = min(GUESTS, 20)
    for g in range(1, n + 1):
        uuid = f"01234567-89ab-cdef-0123-{g:012}"
        host.create(g)
        host.write(f"/local/domain/{g}/vm", "/vm/" + uuid)
        for k in range(1, 4):
            host.attach(g, f"c{k}", "--persist")
    client = Client(f"{host.dir}/1-c1.sock")
    host.front(1, 7, "--echo")
    host.connected(1, 7)

    def touch():
        host.run(0, "sh", "-c", "for i in 1 2 3 4 5 6 7 8 9 10; do "
                 "xenstore-write /vm/touched $i; done")
        for i in range(20):
            data = stream(1000, i)
            assert client.exchange(data) == data

    quiet = requests(lambda: client.exchange(b"quiet"))
    touched = requests(touch)

    def die():
        host.destroy(n)
        wait_for("its channels to go", lambda: host.read(
            f"/local/domain/0/backend/console/{n}") is None)
        data = stream(1000)
        assert client.exchange(data) == data

    died = requests(die)
    print(f"     {3 * n} channels: {touched} requests of 10 touches of /vm, "
          f"{died} of a death, {quiet} of none")
    assert touched < 10 * 40, touched
    assert died < 60 * 3 + 20 * n, died


TESTS = [events_of_domains_leave_others_their_turn, all_guests_with_all_channels, one_channel_a_thousand_times]

if __name__ == "__main__":
    run(TESTS)
