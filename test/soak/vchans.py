# SPDX-License-Identifier: MIT
"""Vchans for test/soak: sessions of a server and a client, one after the other.

Bytes are those of lockstep.c: what is received is compared with what the position in
the stream says. The two processes live until a round kills them.
"""
import os
import random
import signal
import time

from vchan_ends import CLIENT, SERVER, Host, LIBRARY

LIBRARIES = list(LIBRARY)
NAME = "data/vchan/soak"
PATH = f"/local/domain/{SERVER}/{NAME}"
PATIENCE = 60

# The calls in which the set-up of either end of ours is made to fail, and how.
SET_UP = {
    SERVER: ("evtchn-open", "evtchn-bind-unbound", "gntshr-open", "gntshr-share",
             "xs-write", "xs-set-perms", "xs-get-domain-path",
             "xs-transaction-start", "xs-transaction-end"),
    CLIENT: ("evtchn-open", "evtchn-bind-interdomain", "gnttab-open", "gnttab-map",
             "xs-read", "xs-watch", "xs-get-domain-path"),
}
ERRORS = ("ENOMEM", "ENOSPC", "EIO", "EACCES", "EAGAIN", "EINTR")


class Lost(Exception):
    """A byte is missing, came twice, or is another one."""


def wait_for(what, is_so):
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def equal(what, got, wanted):
    assert got == wanted, f"{what}: {got!r}, not {wanted!r}"


class Pair:
    """The ends of one vchan at a time, and what is done with it."""

    def __init__(self, host, pairing, rng, tally):
        self.host, self.rng, self.tally = host, rng, tally
        self.library = dict(zip((SERVER, CLIENT), pairing))
        self.ends = {}
        self.n_late = 0
        for domid in (SERVER, CLIENT):
            self.replace(domid)

    def replace(self, domid):
        """A new process."""
        old = self.ends.get(domid)
        if old:
            self.host.ends.remove(old)
            for pipe in (old.process.stdin, old.process.stdout):
                pipe.close()
        end = self.host.end(domid, self.library[domid], quiet=True)
        end.remember_pid().do("handle", "restart")
        end.domid = domid
        self.ends[domid] = end

    @property
    def server(self):
        return self.ends[SERVER]

    @property
    def client(self):
        return self.ends[CLIENT]

    def either(self):
        """(one, the other)"""
        ends = [self.server, self.client]
        self.rng.shuffle(ends)
        return ends

    # Its life

    def serve(self):
        sizes = [1 << self.rng.randrange(10, 17) for _ in range(2)]
        answer = self.server.do("server", CLIENT, NAME, *sizes)
        if not answer.startswith("NULL"):
            orders = [int(n) for n in answer.split()]
            self.ring = {CLIENT: 1 << orders[0], SERVER: 1 << orders[1]}
        return answer

    def join(self):
        return self.client.do("client", SERVER, PATH)

    def connected(self):
        self.tally.add("sessions")
        for end in self.ends.values():
            end.do("rewind")
            end.do("blocking", 1)

    def connect(self):
        for do in (self.serve, self.join):
            answer = do()
            assert not answer.startswith("NULL"), f"{do.__name__}: {answer}"
        self.connected()

    def close(self):
        for end in self.either():
            end.do("close")
        self.nothing_is_held()

    def nothing_is_held(self):
        """No page, no port. Its nodes a killed server cannot take away."""
        wait_for("something is held", lambda: not any(
            n for domid in (SERVER, CLIENT)
            for what, n in self.host.held(domid).items() if what != "processes"))

    def remove_nodes(self):
        self.host.tool(SERVER, "sh", "-c", f"xenstore-rm {NAME} 2>&- || :")

    # Its traffic: all that is written is read when a function returns

    def received(self, reader, answer, at_least=1):
        n = answer.split(" ")[0]
        if "WRONG" in answer:
            raise Lost(f"{reader.name}: another byte: {answer}")
        if int(n) < at_least:
            raise Lost(f"{reader.name}: no byte, but {answer}")
        self.tally.add("bytes", int(n))
        return int(n)

    def disturb(self):
        """Harms no byte of a connected vchan."""
        what = self.rng.random()
        if what < 0.4:
            end = self.rng.choice((self.server, self.client))
            os.kill(end.pid, signal.SIGSTOP)
            time.sleep(self.rng.random() * 0.02)
            os.kill(end.pid, signal.SIGCONT)
            self.tally.add("stopped ends")
        elif what < 0.8:
            for end in self.ends.values():
                for _ in range(5):
                    os.kill(end.pid, signal.SIGUSR1)
                    self.tally.add("signals")
        else:
            self.end_delay()
            self.n_late = self.rng.randrange(1, 20)
            self.host.run("fault", "add", "-d", SERVER, "any", "--delay", "2ms",
                          "--count", self.n_late)

    def n_seen(self, domid):
        """How many calls the last fault of a domain has met."""
        line = self.host.run("fault", "list", "-d", domid).splitlines()[-1]
        return int(line.split("\t")[-1])

    def end_delay(self):
        if self.n_late:
            self.tally.add("late calls", min(self.n_late, self.n_seen(SERVER)))
            self.host.run("fault", "clear", "-d", SERVER)
            self.n_late = 0

    def stream(self, writer, reader):
        left = n = self.rng.randrange(1, 3 << 20)
        writer.start("write", n)
        while left:
            if self.rng.random() < 0.02:
                self.disturb()
            want = self.rng.randrange(1, 2 * self.ring[writer.domid])
            reader.start("read", want)
            if self.rng.random() < 0.01:
                self.disturb()
            left -= self.received(reader, reader.finish())
        equal("a blocking write", writer.finish(), str(n))

    def packets(self, writer, reader):
        for _ in range(self.rng.randrange(1, 100)):
            n = self.rng.randrange(1, self.ring[writer.domid] + 1)
            first, then = (writer, "send"), (reader, "recv")
            if self.rng.random() < 0.5:
                first, then = then, first
            first[0].start(first[1], n)
            if self.rng.random() < 0.02:
                self.disturb()
            then[0].start(then[1], n)
            equal("a packet sent", writer.finish(), str(n))
            if self.received(reader, reader.finish()) != n:
                raise Lost("a packet was cut")

    def both_ways(self, *_):
        """Calls that do not block, of both ends in turn."""
        pending = dict.fromkeys(self.ends.values(), 0)
        for end in pending:
            end.do("blocking", 0)
        for _ in range(self.rng.randrange(1, 200)):
            one, other = self.either()
            n = int(one.do("write", self.rng.randrange(1, 1 << 17)))
            assert n >= 0, "a write that does not block"
            pending[one] += n
            if pending[other]:
                pending[other] -= self.received(
                    one, one.do("read", self.rng.randrange(1, 1 << 17)))
        for end in pending:
            end.do("blocking", 1)
        for one, other in (self.either(), self.either()[::-1]):
            while pending[other]:
                pending[other] -= self.received(one, one.do("read", 1 << 17))
            while pending[one]:
                pending[one] -= self.received(other, other.do("read", 1 << 17))

    def traffic(self):
        for _ in range(self.rng.randrange(1, 4)):
            self.rng.choice((self.stream, self.packets, self.both_ways))(
                *self.either())

    # Rounds

    def orderly(self):
        """The last bytes are still in the ring when their writer closes."""
        self.connect()
        self.traffic()
        writer, reader = self.either()
        n = self.rng.randrange(1, self.ring[writer.domid] + 1)
        equal("write", writer.do("write", n), str(n))
        # Xen's library may lose them: fault 13. Then they are read first.
        if reader.library == "ours":
            writer.do("close")
        while n:
            n -= self.received(reader, reader.do("read", n))
        if reader.library != "ours":
            writer.do("close")
        equal("a read at the end", reader.do("read", 1).split(" ")[0], "-1")
        reader.do("close")
        self.nothing_is_held()

    def churn(self):
        """Clients one after the other, some of which die."""
        self.serve()
        self.server.do("persist", 1)
        for _ in range(self.rng.randrange(2, 15)):
            wait_for("no client can connect", lambda: not self.join().startswith(
                "NULL"))
            equal("is_open", self.server.do("is_open"), "1")
            self.connected()
            self.packets(*self.either())
            if self.rng.random() < 0.3:
                self.client.kill()
                self.tally.add("killed ends")
                self.replace(CLIENT)
            else:
                self.client.do("close")
        self.server.do("close")
        self.nothing_is_held()

    def second_client(self):
        """It is refused, and the first one's bytes are its own."""
        self.connect()
        second = self.host.end(CLIENT, self.client.library, quiet=True)
        self.stream(*self.either())
        answer = second.do("client", SERVER, PATH)
        assert answer.startswith("NULL"), f"a second client: {answer}"
        self.tally.add("refused clients")
        self.stream(*self.either())
        second.end()
        self.host.ends.remove(second)
        self.close()

    def killed(self):
        """Either end, while both are at work."""
        self.connect()
        self.traffic()
        writer, reader = self.either()
        writer.start("loop", "write", self.rng.randrange(1, 200000))
        reader.start("loop", "read", self.rng.randrange(1, 200000))
        time.sleep(self.rng.random() * 0.05)
        victim, survivor = self.either()
        victim.kill()
        self.tally.add("killed ends")
        answer = survivor.finish()
        if "WRONG" in answer:
            raise Lost(f"{survivor.name}: another byte: {answer}")
        equal("the survivor", answer, "-1 EPIPE" if survivor.library == "ours"
              else answer)
        equal("the survivor", answer.split(" ")[0], "-1")
        survivor.do("close")
        self.replace(victim.domid)
        self.nothing_is_held()
        self.remove_nodes()

    def destroyed(self):
        """The domain of either end; nobody tells a user of Xen's library."""
        self.connect()
        self.traffic()
        victim, survivor = self.either()
        self.end_delay()
        survivor.start("read", 1)
        self.host.run("destroy", victim.domid)
        self.tally.add("destroyed domains")
        if survivor.library == "ours":
            equal("a blocked read", survivor.finish(), "-1 EHOSTDOWN")
            survivor.do("close")
        else:
            survivor.kill()
            self.replace(survivor.domid)
        wait_for("the dead domain stays",
                 lambda: victim.domid not in self.host.state())
        self.host.create(victim.domid)
        self.replace(victim.domid)
        self.remove_nodes()

    def failing(self):
        """A call in the set-up of an end fails; the next attempt works."""
        domid = self.rng.choice([d for d in self.ends
                                 if self.library[d] == "ours"])
        attempt = self.serve if domid == SERVER else self.join
        if domid == CLIENT:
            self.serve()
        call, error = self.rng.choice(SET_UP[domid]), self.rng.choice(ERRORS)
        nth = self.rng.randrange(1, 4)
        self.host.run("fault", "add", "-d", domid, call, "--errno", error,
                      "--nth", nth)
        answer = attempt()
        if self.n_seen(domid) >= nth:
            self.tally.add("failing calls")
        self.host.run("fault", "clear", "-d", domid)
        if answer.startswith("NULL"):
            assert answer not in ("NULL 0", "NULL ?"), answer
            answer = attempt()
        assert not answer.startswith("NULL"), f"after {error} of {call}: {answer}"
        if domid == SERVER:
            equal("join", self.join().startswith("NULL"), False)
        self.connected()
        self.traffic()
        self.close()

    def play(self):
        rounds = [self.orderly, self.orderly, self.churn, self.second_client,
                  self.killed, self.killed, self.destroyed]
        if "ours" in self.library.values():
            rounds += [self.failing] * 3
        chosen = self.rng.choice(rounds)
        try:
            chosen()
            self.end_delay()
        except BaseException as e:
            e.add_note(f"in the round {chosen.__name__}")
            raise


def play(tally, seed, *pairing):
    rng = random.Random(seed)
    with Host() as host:
        pair = Pair(host, pairing, rng, tally)
        while True:
            pair.play()
            if not tally.end_round():
                return
