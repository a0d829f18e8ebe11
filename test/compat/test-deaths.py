#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Death of a process or of a domain, of either end, at every step of a vchan's
life, in each pairing of the two libraries: a table.

What survives is told, where anything can tell it; nothing of the dead is left; and
the next two find a host that works.

usage: test-deaths.py [STRIDE [SERVER,CLIENT]]   every STRIDE-th row of the table
"""
import sys
import time

from vchan_ends import CLIENT, PAIRINGS, SERVER, Host

NAME = "data/vchan/deaths"
PATH = f"/local/domain/{SERVER}/{NAME}"
PATIENCE = 60
OFFER = ("server", CLIENT, NAME, 4096, 65536)
JOIN = ("client", SERVER, PATH)

# The host's calls in which an end is met, and how often each library calls them
# at most.
CALLS = {
    (SERVER, "set-up"): (("evtchn-open", 1), ("evtchn-bind-unbound", 1),
                         ("gntshr-open", 1), ("gntshr-share", 3)),
    (CLIENT, "set-up"): (("gnttab-open", 1), ("evtchn-open", 1),
                         ("evtchn-bind-interdomain", 1), ("gnttab-map", 4)),
    (SERVER, "close"): (("evtchn-notify", 1), ("gntshr-unshare", 3)),
    (CLIENT, "close"): (("evtchn-notify", 1), ("gnttab-unmap", 3)),
}
IN_TRAFFIC = ("idle", "peer reads", "peer writes", "both at work")


def wait_for(what, is_so):
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def other(domid):
    return CLIENT if domid == SERVER else SERVER


def rows():
    """(who dies, how, when, in which call, the how manieth)"""
    for how in ("process", "domain"):
        for who in (SERVER, CLIENT):
            for when in ("set-up", "close"):
                for call, n in CALLS[who, when]:
                    for nth in range(1, n + 1):
                        yield who, how, when, call, nth
            for when in IN_TRAFFIC:
                yield who, how, when, None, 0
        yield SERVER, how, "before a client", None, 0
        for call, n in CALLS[CLIENT, "set-up"]:
            for nth in range(1, n + 1):
                yield SERVER, how, "client's set-up", call, nth


class Case:
    """One row, in one pairing."""

    def __init__(self, host, pairing, row):
        self.host = host
        self.who, self.how, self.when, self.call, self.nth = row
        library = dict(zip((SERVER, CLIENT), pairing))
        self.ends = {d: host.end(d, library[d], quiet=True).remember_pid()
                     for d in (SERVER, CLIENT)}
        self.victim = self.ends[self.who]
        self.survivor = self.ends[other(self.who)]
        self.survivor_has_vchan = False

    def connect(self):
        self.ends[SERVER].do(*OFFER)
        answer = self.ends[CLIENT].do(*JOIN)
        assert not answer.startswith("NULL"), f"client_init: {answer}"
        self.survivor_has_vchan = True

    def stall(self, domid, delay, *command):
        """Starts something that stops in a call; or it is over before that."""
        end = self.ends[domid]
        self.host.run("fault", "add", "-d", domid, self.call, "--nth",
                      self.nth, "--delay", delay)
        end.start(*command)
        wait_for("the call does not come", lambda: self.seen(domid) >= self.nth
                 or end.answered(0))
        self.host.run("fault", "clear", "-d", domid)

    def seen(self, domid):
        line = self.host.run("fault", "list", "-d", domid).splitlines()[-1]
        return int(line.split("\t")[-1])

    def prepare(self):
        if self.when == "set-up":
            if self.who == CLIENT:
                self.ends[SERVER].do(*OFFER)
                self.survivor_has_vchan = True
            self.stall(self.who, "300s",
                       *(OFFER if self.who == SERVER else JOIN))
        elif self.when == "client's set-up":
            self.victim.do(*OFFER)
            self.stall(CLIENT, "100ms", *JOIN)
        elif self.when == "before a client":
            self.victim.do(*OFFER)
        else:
            self.connect()
            self.make_traffic()

    def make_traffic(self):
        if self.when == "close":
            self.stall(self.who, "300s", "close")
            return
        for end in self.ends.values():
            end.do("blocking", 1)
        if self.when == "peer reads":
            self.survivor.start("read", 10)
        elif self.when == "peer writes":
            self.survivor.start("write", 1 << 20)
        elif self.when == "both at work":
            self.victim.start("loop", "write", 3000)
            self.survivor.start("loop", "read", 1000)

    def die(self):
        if self.how == "process":
            self.victim.kill()
        else:
            self.host.run("destroy", self.who)

    def is_told(self):
        """Xen's library learns of a domain's end from nobody: fault 29."""
        return self.how == "process" or self.survivor.library == "ours"

    def check_end(self, answer):
        """Of a call that waits for the dead."""
        assert answer.startswith("-1 "), answer
        if self.survivor.library == "distro":
            return
        wanted = {"EPIPE"} if self.how == "process" else \
            {"EHOSTDOWN", "EPIPE"} if self.when == "close" else {"EHOSTDOWN"}
        assert answer.split(" ")[1] in wanted, answer

    def check_pending(self):
        answer = self.survivor.finish()
        if self.when == "client's set-up":
            self.survivor_has_vchan = not answer.startswith("NULL")
            if self.survivor_has_vchan:
                self.check_open()
        elif self.when == "peer writes" and not answer.startswith("-1"):
            # What it had sent; the next one fails.
            self.check_end(self.survivor.do("write", 1))
        else:
            self.check_end(answer)

    def check_open(self):
        """A survivor that does nothing, and has a vchan with the dead."""
        if not self.is_told():
            return
        end = self.survivor
        if self.how == "domain":
            end.do("blocking", 1)
            self.check_end(end.do("read", 1))
        wait_for("is_open stays 1", lambda: end.do("is_open") == "0")

    def check(self):
        if self.survivor.pending:
            if self.is_told() or self.when == "client's set-up":
                self.check_pending()
            else:
                self.survivor.kill()
                return
        elif self.survivor_has_vchan:
            if self.when == "set-up":
                self.check_server_of_nobody()
            else:
                self.check_open()
        else:
            answer = self.survivor.do(*JOIN)
            assert answer.startswith("NULL"), f"a client of the dead: {answer}"
        if self.survivor_has_vchan:
            self.survivor.do("close")
        held = self.host.held(other(self.who))
        assert not any(held[what] for what in (
            "pages_shared", "pages_mapped", "ports")), held
        self.survivor.end()

    def check_server_of_nobody(self):
        """Its client has died before it was one, or just then."""
        server = self.survivor
        if self.how == "domain":
            assert server.do("is_open") in ("0", "1", "2")
            return
        wait_for("is_open stays 1", lambda: server.do("is_open") != "1")
        client = self.host.end(CLIENT, self.victim.library, quiet=True)
        wait_for("the next client is refused", lambda: not client.do(
            *JOIN).startswith("NULL"))
        assert server.do("is_open") == "1"
        assert client.do("write", 100) == "100"
        assert server.do("read", 200) == "100"
        client.do("close")
        client.end()

    def clean_up(self):
        """The host has nothing of the dead; a process's nodes stay."""
        if self.how == "domain":
            wait_for("the dead domain stays",
                     lambda: self.who not in self.host.state())
            self.victim.process.wait(PATIENCE)
            self.host.create(self.who)
        elif self.who == SERVER:
            self.host.tool(SERVER, "sh", "-c",
                           f"xenstore-rm {NAME} 2>&- || :")
        wait_for("something is left", lambda: not any(
            sum(self.host.held(d).values()) for d in (SERVER, CLIENT)))

    def run(self):
        self.prepare()
        self.die()
        self.check()
        self.clean_up()


def main():
    stride = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    pairings = [tuple(sys.argv[2].split(","))] if len(sys.argv) > 2 \
        else PAIRINGS
    table = list(rows())
    for i, pairing in enumerate(pairings):
        print("server {}, client {}".format(*pairing), flush=True)
        with Host() as host:
            # Other rows in each pairing
            for row in table[i * stride // len(pairings)::stride]:
                print("  the {}'s".format(
                    "server" if row[0] == SERVER else "client"),
                    *filter(None, row[1:]), flush=True)
                Case(host, pairing, row).run()
                host.ends.clear()
    return 0


if __name__ == "__main__":
    sys.exit(main())
