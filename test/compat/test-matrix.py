#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Server and client, the distribution's libxenvchan and ours: four pairings.

Each pairing plays the same scripts, step by step, over every pair of ring
orders that a server can make. What each call returns and which bytes arrive has
to be the same in all four, except where departures.txt says which library
returns what; and an entry there that no step needs is an error too.

usage: test-matrix.py DEPARTURES MANUAL [--verbose]
"""
import sys
import threading

from departures import Departures
from vchan_ends import CLIENT, PAIRINGS, PATIENCE, SERVER, Host

SIZES = ("0", "1", "ring-1", "ring", "ring+1", "3*ring")
PAGE_ORDERS = range(12, 21)
ORDER_PAIRS = ([(10, 11), (11, 10)]
               + [(11, n) for n in PAGE_ORDERS]
               + [(n, 11) for n in PAGE_ORDERS]
               + [(m, n) for m in PAGE_ORDERS for n in PAGE_ORDERS])
# Scripts that need a vchan of their own run on these only.
FEW_ORDER_PAIRS = [(10, 11), (11, 10), (11, 12), (12, 11), (13, 13), (20, 20)]
# Long enough to have returned; what does not return in this time never does.
SLEEPS = 0.2
NAME = "data/vchan/matrix"
PATH = f"/local/domain/{SERVER}/{NAME}"


class Step:
    def __init__(self, script, label, ring, actor, result):
        self.script, self.label, self.ring = script, label, ring
        self.actor, self.result = actor, result

    def number(self):
        """What was returned; errno is another matter."""
        return self.result.split(" ")[0] if self.result.startswith("-1 ") \
            else "NULL" if self.result.startswith("NULL") else self.result


class Link:
    """A server and a client that are going to be connected."""

    def __init__(self, server, client, orders):
        self.server, self.client = server, client
        self.left, self.right = orders
        self.steps = []
        self.turn(server, "")

    def turn(self, writer, script):
        self.writer, self.script = writer, script
        self.reader = self.client if writer is self.server else self.server
        self.ring = 1 << (self.right if writer is self.server else self.left)

    def record(self, end, label, result):
        self.steps.append(Step(self.script, label, self.ring, end, result))
        return result

    def words(self, op, size):
        return op if size is None else \
            f"{op} {eval(size, {'ring': self.ring})}"

    def step(self, end, who, op, size=None):
        label = " ".join(filter(None, (who, op, size)))
        return self.record(end, label, end.do(self.words(op, size)))

    def w(self, op, size=None):
        return self.step(self.writer, "writer", op, size)

    def r(self, op, size=None):
        return self.step(self.reader, "reader", op, size)

    def s(self, op, size=None):
        return self.step(self.server, "server", op, size)

    def c(self, op, size=None):
        return self.step(self.client, "client", op, size)

    def blocked(self, end, who, op, size, *meanwhile):
        """A call that cannot return before the other end has done its part."""
        end.start(self.words(op, size))
        for do, *args in meanwhile:
            do(*args)
        return self.record(end, f"{who} {op} {size}", end.finish())

    def serve(self):
        sizes = [1 << n for n in (self.left, self.right)]
        self.record(self.server, "server_init",
                    self.server.do("server", CLIENT, NAME, *sizes))

    def join(self):
        return self.record(self.client, "client_init",
                           self.client.do("client", SERVER, PATH))

    def connect(self):
        self.serve()
        self.join()

    def disconnect(self):
        self.client.do("close")
        self.server.do("close")

    def blocking(self, on):
        for end in (self.server, self.client):
            end.do("blocking", int(on))


# On one vchan, in both directions

def stream(link):
    for size in SIZES:
        link.w("write", size)
        link.r("data_ready")
        link.w("buffer_space")
        link.r("read", size)
        link.r("read", size)
        link.r("is_open")
        link.w("is_open")
        link.r("read", "3*ring")
    # Across the end of the ring, into a full one, out of an empty one
    link.w("write", "1")
    link.w("write", "ring-1")
    link.w("write", "1")
    link.w("write", "0")
    link.r("read", "1")
    link.w("write", "ring")
    link.r("read", "0")
    link.r("read", "ring//2")
    link.r("data_ready")
    link.w("buffer_space")
    link.w("write", "3*ring")
    link.r("read", "3*ring")
    link.r("read", "1")
    link.r("read", "0")


def packets(link):
    for size in SIZES:
        link.w("send", size)
        link.r("recv", size)
        link.r("read", "ring")
    link.w("send", "1")
    link.r("recv", "1")
    link.w("send", "ring-1")
    link.w("send", "2")
    link.r("recv", "ring")
    link.w("send", "1")
    link.w("send", "1")
    link.r("recv", "ring-1")
    link.r("recv", "2")
    link.r("recv", "1")


def stream_blocking(link):
    for size in SIZES[:4]:
        link.w("write", size)
        if size != "0":
            link.r("read", size)
    for size in SIZES[4:]:
        left = eval(size, {"ring": link.ring})
        meanwhile = []
        while left:
            n = min(left, link.ring)
            meanwhile += [(link.reader.do, "used", "in", n),
                          (link.r, "read", str(n))]
            left -= n
        link.blocked(link.writer, "writer", "write", size, *meanwhile)
    link.blocked(link.reader, "reader", "read", "ring",
                 (link.w, "write", "1"))


def packets_blocking(link):
    for size in SIZES[:4]:
        link.w("send", size)
        link.r("recv", size)
    link.w("send", "ring+1")
    link.r("recv", "ring+1")
    link.blocked(link.reader, "reader", "recv", "ring",
                 (link.w, "send", "ring-1"), (link.w, "send", "1"))
    link.w("send", "1")
    link.blocked(link.writer, "writer", "send", "ring",
                 (link.r, "recv", "1"))
    link.r("recv", "ring")


def traffic(link):
    link.turn(link.server, "connect")
    link.connect()
    for writer in (link.server, link.client):
        for script in (stream, packets, stream_blocking, packets_blocking):
            link.turn(writer, script.__name__)
            link.blocking("blocking" in script.__name__)
            script(link)
    link.disconnect()


# On a vchan of their own, once for each direction

def close_with_bytes_pending(link):
    link.connect()
    link.w("write", "ring")
    link.writer.do("close")
    link.r("is_open")
    link.r("data_ready")
    link.r("write", "1")
    link.r("write", "0")
    link.r("send", "1")
    link.r("buffer_space")
    link.r("recv", "ring+1")
    link.r("read", "1")
    link.r("recv", "ring")
    link.r("recv", "ring-1")
    link.r("read", "1")
    link.r("read", "0")
    link.r("recv", "0")
    link.r("recv", "1")
    link.r("wait")
    link.r("is_open")
    link.reader.do("close")


def close_cuts_a_write(link):
    link.connect()
    link.blocking(True)
    link.blocked(link.writer, "writer", "write", "3*ring",
                 (link.reader.do, "used", "in", link.ring),
                 (link.r, "read", "1"),
                 (link.reader.do, "used", "in", link.ring),
                 (link.reader.do, "close"))
    link.w("write", "1")
    link.w("send", "1")
    link.w("is_open")
    link.writer.do("close")


def close_cuts_a_send(link):
    link.connect()
    link.blocking(True)
    link.w("send", "ring")
    link.blocked(link.writer, "writer", "send", "1",
                 (link.reader.do, "close"))
    link.w("is_open")
    link.writer.do("close")


def close_ends_a_read(link):
    link.connect()
    link.blocking(True)
    link.blocked(link.reader, "reader", "read", "ring",
                 (link.writer.do, "close"))
    link.r("read", "1")
    link.r("is_open")
    link.reader.do("close")


def close_ends_a_recv(link):
    link.connect()
    link.blocking(True)
    link.blocked(link.reader, "reader", "recv", "ring",
                 (link.w, "send", "ring-1"), (link.writer.do, "close"))
    link.r("recv", "ring-1")
    link.r("recv", "1")
    link.reader.do("close")


# On a vchan of their own

def before_the_client(link):
    link.serve()
    link.s("is_open")
    link.s("write", "ring")
    link.s("write", "1")
    link.s("send", "1")
    link.s("read", "1")
    link.s("recv", "1")
    link.s("data_ready")
    link.s("buffer_space")
    link.join()
    link.s("wait")
    link.s("is_open")
    link.c("is_open")
    link.c("data_ready")
    link.c("read", "3*ring")
    link.disconnect()


def next_client(link):
    """server_persist: clients come one after the other."""
    link.serve()
    link.server.do("persist", 1)
    link.s("is_open")
    link.join()
    link.s("is_open")
    link.s("write", "5")
    link.c("write", "3")
    link.client.do("close")
    link.s("is_open")
    link.s("read", "3")
    link.join()
    link.s("is_open")
    link.c("data_ready")
    link.c("read", "ring")
    for end in (link.server, link.client):
        end.do("rewind")
    link.s("buffer_space")
    link.s("write", "3*ring")
    link.c("read", "3*ring")
    link.c("write", "1")
    link.s("read", "1")
    link.disconnect()


def client_after_the_last(link):
    """Without server_persist. vchan-socket-proxy relies on it."""
    link.connect()
    link.s("write", "5")
    link.c("write", "3")
    link.client.do("close")
    link.s("is_open")
    link.s("write", "1")
    link.s("buffer_space")
    link.s("read", "ring")
    link.s("read", "ring")
    link.join()
    link.c("is_open")
    link.c("data_ready")
    link.c("read", "ring")
    for end in (link.server, link.client):
        end.do("rewind")
    link.s("wait")
    link.s("is_open")
    link.s("write", "1")
    link.c("read", "1")
    link.disconnect()


def read_of_nothing(link):
    """A blocking read of size 0, with nothing there. It would sleep for ever
    in the distribution's; asking for an event first lets it be woken."""
    link.connect()
    link.blocking(True)
    link.r("data_ready")
    link.reader.start("read", 0)
    asleep = not link.reader.answered(
        SLEEPS if link.reader.library == "distro" else PATIENCE)
    link.record(link.reader, "reader read 0",
                "asleep" if asleep else link.reader.finish())
    link.w("write", "1")
    if asleep:
        link.reader.finish()
    link.r("read", "1")
    link.disconnect()


def refused(link):
    """What init does not do, and the calls that follow a closed server."""
    link.join()
    for sizes in ("1048577 0", "0 1048577"):
        link.record(link.server, f"server_init {sizes}",
                    link.server.do("server", CLIENT, NAME, sizes))
    link.serve()
    link.server.do("close")
    link.join()


BOUNDS = (0, 1, 1023, 1024, 1025, 2047, 2048, 2049, 4095, 4096, 4097,
          (1 << 20) - 1, 1 << 20)


def ring_choice(link):
    """Which orders a server makes of the sizes that it is asked for."""
    for left in BOUNDS:
        for right in BOUNDS:
            link.record(link.server, f"server_init {left} {right}",
                        link.server.do("server", CLIENT, NAME, left, right))
            link.server.do("close")


BOTH_WAYS = (close_with_bytes_pending, close_cuts_a_write, close_cuts_a_send,
             close_ends_a_read, close_ends_a_recv, read_of_nothing)
ONCE = (before_the_client, next_client, client_after_the_last, refused)


def play(server, client):
    """All scripts on one pairing: {orders: steps}"""
    traces = {}
    for orders in ORDER_PAIRS:
        link = Link(server, client, orders)
        traffic(link)
        if orders in FEW_ORDER_PAIRS:
            for script in BOTH_WAYS:
                for writer in (server, client):
                    link.turn(writer, script.__name__)
                    script(link)
            for script in ONCE:
                link.turn(server, script.__name__)
                script(link)
        traces[orders] = link.steps
    link = Link(server, client, (10, 11))
    link.turn(server, ring_choice.__name__)
    ring_choice(link)
    traces["any"] = link.steps
    return traces


class Comparison:
    def __init__(self, departures):
        self.departures = departures
        self.n_steps = self.n_wrong = 0

    def wrong(self, orders, step, text):
        self.n_wrong += 1
        if self.n_wrong <= 40:
            print(f"FAIL {orders} {step.script}: {step.label}: {text}")

    def check_step(self, orders, steps):
        """The same step of the four pairings: {pairing: step}"""
        first = next(iter(steps.values()))
        departure = self.departures.find(first.script, first.label)
        errors = set()
        for (server, client), step in steps.items():
            caller = server if step.actor.name == "server" else client
            if step.label != first.label:
                self.wrong(orders, step, f"the others do {first.label}")
                return
            if "WRONG" in step.result or "late" in step.result:
                self.wrong(orders, step, step.result)
            if caller == "ours" and step.number() != step.result:
                errors.add(step.result)
            if departure:
                by = {"caller": caller, "server": server, "client": client}
                wanted = departure.expected(by[departure.of], step.ring)
                if step.number() != wanted:
                    self.wrong(orders, step,
                               f"{server}-{client}: {step.result}, not "
                               f"{wanted} as in fault {departure.why}")
        results = {p: s.result for p, s in steps.items()}
        if not departure and len({s.number() for s in steps.values()}) != 1:
            self.wrong(orders, first, f"differ: {results}")
        if len(errors) > 1 or any(e.endswith(" 0") for e in errors):
            self.wrong(orders, first, f"errno: {results}")

    def check(self, traces):
        """{pairing: {orders: steps}}"""
        for orders in traces[PAIRINGS[0]]:
            columns = [traces[p][orders] for p in PAIRINGS]
            if len({len(c) for c in columns}) != 1:
                print(f"FAIL {orders}: not the same number of steps")
                self.n_wrong += 1
            for row in zip(*columns):
                self.check_step(orders, dict(zip(PAIRINGS, row)))
                self.n_steps += 1
        for d in self.departures.unused():
            print(f"FAIL {d.script}: {d.label} is listed, but no step")
            self.n_wrong += 1


def play_pairing(pairing, traces):
    with Host() as host:
        ends = [host.end(domid, library, role) for domid, library, role in
                zip((SERVER, CLIENT), pairing, ("server", "client"))]
        traces[pairing] = play(*ends)
        for end in ends:
            end.end()


def main():
    traces = {}
    threads = [threading.Thread(target=play_pairing, args=(p, traces))
               for p in PAIRINGS]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if len(traces) != len(PAIRINGS):
        return 1
    comparison = Comparison(Departures(sys.argv[1], of_forged=False))
    comparison.check(traces)
    for d in comparison.departures.undocumented(sys.argv[2]):
        print(f"FAIL {d.script}: the manual has no number {d.why}")
        comparison.n_wrong += 1
    if "--verbose" in sys.argv:
        for pairing, by_orders in traces.items():
            for orders, steps in by_orders.items():
                for s in steps:
                    print(*pairing, orders, s.script, s.label, "->", s.result)
    print(f"{comparison.n_steps} steps, {comparison.n_wrong} differ")
    return 1 if comparison.n_wrong else 0


if __name__ == "__main__":
    sys.exit(main())
