#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""xenchan vchan stats: the counters of other processes, and of nothing else."""
import json
import os
import shutil
import struct
import subprocess
import tempfile
import time

XENHOST = os.environ["XENHOST"]
XENCHAN = os.environ["XENCHAN"]
PATIENCE = 60
SIZE = 300000


def wait_for(what, is_so):
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def stats(*words):
    done = subprocess.run([XENCHAN, "vchan", "stats", *map(str, words)],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=PATIENCE, text=True, errors="replace",
                          check=False)
    return done.returncode, done.stdout, done.stderr


def rows(*words):
    """The vchans that are found, by role."""
    status, out, err = stats("--json", *words)
    assert status == 0, err
    return {row["role"]: row for row in json.loads(out)
            if row["path"].endswith("data/stats")}


class Host:
    def __enter__(self):
        self.top = tempfile.mkdtemp(prefix="xh.")
        self.run("up")
        for domid in (1, 2):
            self.run("create", domid)
        return self

    def __exit__(self, *exception):
        self.run("down")
        shutil.rmtree(self.top, ignore_errors=True)

    def command(self, *words):
        return [XENHOST, "--dir", self.top + "/h", *map(str, words)]

    def run(self, *words):
        return subprocess.run(self.command(*words), check=True, text=True,
                              stdout=subprocess.PIPE, timeout=PATIENCE).stdout

    def start(self, domid, *words):
        return subprocess.Popen(
            self.command("run", "-d", domid, "--", XENCHAN, "vchan", *words),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def events(self, domid):
        return {d["id"]: d["events"]
                for d in json.loads(self.run("list", "--json"))}[domid]


def events_sent(row):
    return row["sent"]["events-sent"] + row["received"]["events-sent"]


def counters_are_those_of_the_transfer(host, server, client):
    client.stdin.write(bytes(SIZE))
    client.stdin.flush()
    assert len(server.stdout.read(SIZE)) == SIZE
    wait_for("the vchans are not seen", lambda: len(rows()) == 2)
    found = rows()
    assert found["server"]["domain"] == 2 and found["client"]["domain"] == 1
    assert found["server"]["program"] == "xenchan"
    assert found["server"]["state"] == found["client"]["state"] == "open"
    assert found["server"]["received"]["bytes"] == SIZE
    assert found["client"]["sent"]["bytes"] == SIZE
    assert found["client"]["received"]["bytes"] == 0
    assert found["server"]["received"]["ring"] == 262144
    assert found["server"]["connections"] == 1
    # The emulated host counts every notification that it is asked for.
    for domid, role in ((1, "server"), (2, "client")):
        wait_for(f"events of the {role}", lambda d=domid, r=role:
                 events_sent(rows()[r]) == host.events(d))


def one_process(found):
    for role in ("server", "client"):
        assert list(rows(found[role]["pid"])) == [role]
    status, out, _ = stats(found["client"]["pid"])
    assert status == 0
    heading, line = out.splitlines()
    assert heading.split()[-1] == "path"
    assert line.split()[:4] == [str(found["client"]["pid"]), "xenchan",
                                "client", "1"], line
    assert str(SIZE) in line.split()


def wrong_arguments_and_processes():
    for words, wanted in ((["0"], 2), (["x"], 2), (["1", "2"], 2),
                          (["--watch=x"], 2), (["--tsv"], 2),
                          (["2147483646"], 1), ([os.getpid()], 1)):
        status, out, err = stats(*words)
        assert status == wanted and not out, (words, status, out)
        assert len(err.splitlines()) == 1, err


def forged_files_are_not_believed():
    """By whoever: this is read by root."""
    magic = 0x3174617473767871
    pid = os.getpid()
    forged = [b"", os.urandom(8192),
              struct.pack("<QIIII", magic, 4096, 512, 0xffffffff, pid),
              struct.pack("<QIIII", magic, 0xfffffff0, 512, 65536, pid),
              struct.pack("<QIIII", magic, 0, 0, 65536, pid),
              # A slot full of garbage, which has no end
              struct.pack("<QIIII", magic, 24, 512, 3, pid) + b"\xff" * 1400]
    for data in forged:
        fd = os.memfd_create("xenvchan-stats")
        os.write(fd, data)
        status, out, err = stats("--json", pid)
        assert status in (0, 1), err
        if status == 0:
            json.loads(out)
        assert stats(pid)[0] == status
        os.close(fd)


def watching_ends_with_the_process(found, client):
    watch = subprocess.Popen(
        [XENCHAN, "vchan", "stats", "--watch=20ms", "--json",
         str(found["client"]["pid"])], stdout=subprocess.PIPE)
    for _ in range(3):
        assert json.loads(watch.stdout.readline())[0]["role"] == "client"
    client.stdin.close()
    client.wait(PATIENCE)
    watch.communicate(timeout=PATIENCE)
    assert watch.returncode == 0


def main():
    wrong_arguments_and_processes()
    forged_files_are_not_believed()
    with Host() as host:
        server = host.start(1, "listen", "-d2", "data/stats")
        client = host.start(2, "connect", "-d1", "data/stats")
        counters_are_those_of_the_transfer(host, server, client)
        found = rows()
        one_process(found)
        watching_ends_with_the_process(found, client)
        server.communicate(timeout=PATIENCE)
        assert not rows()


if __name__ == "__main__":
    main()
