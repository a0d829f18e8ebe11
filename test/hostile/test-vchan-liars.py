#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Ours against processes of another domain that own the shared memory, too.

Each round is a host of its own: vchan-victim in one role, and several times
vchan-liar in the other, three clients or a server. Rounds follow each other until
the time is over; each has its own seed, from the first one, which is printed.

usage: test-vchan-liars.py [--seed N] [--seconds S] [--round MS] [ROLE...]

ROLE is server, client (what ours is), server-flood or client-flood. To repeat
what a failure names: --seed with that round's seed, the ROLE, and --seconds 1.
"""
import json
import os
import shutil
import subprocess
import tempfile

import rounds

XENHOST = os.environ["XENHOST"]
VICTIM = os.environ["VCHAN_VICTIM"]
LIAR = os.environ["VCHAN_LIAR"]
DOMAIN = {"server": "1", "client": "2"}
PEER = {"server": "client", "client": "server"}
FLOOD = "flood of events"
LONG = 120  # seconds: a guard against hangs


class Round:
    """A host with a victim and its liars."""

    def __init__(self, seed, role, ms):
        self.role, _, self.flood = role.partition("-")
        self.seed, self.ms = seed, ms
        self.top = tempfile.mkdtemp(prefix="xh.")
        self.processes = []

    def host(self, *words):
        return subprocess.run([XENHOST, "--dir", self.top + "/h", *words],
                              check=True, stdout=subprocess.PIPE, text=True,
                              timeout=LONG).stdout

    def start(self, role, *command, stderr=None):
        p = subprocess.Popen([XENHOST, "--dir", self.top + "/h", "run", "-d",
                              DOMAIN[role], "--", *command], text=True,
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             stderr=stderr)
        self.processes.append(p)
        return p

    def run(self):
        self.host("up")
        for domid in DOMAIN.values():
            self.host("create", domid)
        try:
            return self.fight()
        finally:
            for p in self.processes:
                if p.poll() is None:
                    p.kill()
                p.wait()
            self.host("down")
            shutil.rmtree(self.top)

    def fight(self):
        victim = self.start(self.role, VICTIM, self.role, str(self.seed),
                            str(self.ms), *(["quiet"] if self.flood else []))
        n = 3 if PEER[self.role] == "client" and not self.flood else 1
        liars = [self.start(PEER[self.role], LIAR, PEER[self.role],
                            str(self.seed + i),
                            *([FLOOD] if self.flood else []),
                            stderr=subprocess.DEVNULL)  # Xen's libraries
                 for i in range(n)]
        said = victim.stdout.readline()
        if self.flood:
            said += victim.stdout.readline()
        if victim.poll() is not None or not said.endswith("refused\n"):
            raise AssertionError(f"the victim, status {victim.wait(LONG)}: "
                                 f"{said}")
        self.check_nothing_is_held()
        victim.communicate("\n", LONG)
        assert victim.returncode == 0, f"status {victim.returncode}"
        for liar in liars:
            said += "  " + liar.communicate("", LONG)[0]
            assert liar.returncode == 0, f"a secret got out: {said}"
        return said

    def check_nothing_is_held(self):
        held = [d for d in json.loads(self.host("list", "--json"))
                if str(d["id"]) == DOMAIN[self.role]][0]
        assert not (held["pages_shared"] or held["pages_mapped"] or
                    held["ports"]), held


if __name__ == "__main__":
    rounds.run(__doc__, ["server", "client", "server-flood", "client-flood"], 100,
               lambda role, seed, n: Round(seed, role, n).run())
