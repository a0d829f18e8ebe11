#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The emulated host's xenstored answers as the distribution's does.

Random requests of domain 0 and of guests, valid and not, in and out of
transactions, with domains that come and go, are sent to both; every reply and
every watch event must be the same, in the same order.

usage: test-xenstored.py XENSTORED SHIM TEST-SERVER [SEED...]
"""
import random
import re
import shutil
import sys
import tempfile

import xenstore_hosts as xs

STEPS = 1200
GUESTS = (1, 2, 3)
NAMES = (b"a", b"b", b"c", b"data")
VALUES = (b"", b"1", b"two", b"\0bin\0", b"x" * 700)


class World:
    """The same clients at both hosts."""

    def __init__(self, hosts):
        self.hosts = hosts
        self.clients = {}
        self.transactions = {}
        self.log = []
        for name in ("0", "0'"):
            self.connect(name, 0)
        for domid in GUESTS:
            self.introduce(domid)

    def connect(self, name, domid):
        self.clients[name] = [h.connect(domid) for h in self.hosts]
        self.transactions[name] = []

    def introduce(self, domid):
        for host in self.hosts:
            host.introduce(domid)
        self.connect(str(domid), domid)
        self.compare_events()

    def destroy(self, domid):
        for host in self.hosts:
            host.destroy(domid)
        self.clients.pop(str(domid), None)
        self.transactions.pop(str(domid), None)
        self.compare_events()

    def same(self, what, answers):
        if any(answers):
            self.log.append((what, answers))
        if answers[0] != answers[1]:
            raise AssertionError(f"{what}: theirs, then ours: {answers}")
        return answers[0]

    def ask(self, name, kind, payload, tx=0):
        self.log.append((name, kind, payload, tx))
        answers = [c.request(kind, payload, tx) for c in self.clients[name]]
        if kind == xs.DIRECTORY_PART:
            # The count of generations is anybody's.
            answers = [(k, re.sub(rb"^\d+\0", b"", d)) for k, d in answers]
        return self.same("reply", answers)

    def compare_events(self):
        for name, pair in self.clients.items():
            self.same(f"events of {name}", [c.take_events() for c in pair])


def random_path(rng):
    kind = rng.random()
    if kind < 0.03:
        return rng.choice((b"", b"/", b"//", b"/a/", b"/a//b", b"/a b", b"@x",
                           b"/local/domain/1/", b"@releaseDomain", b"/tool",
                           b"/" + b"y" * 2048, b"/local/domain", b"/local",
                           b"/local/domain/2/" + b"z" * 2048))
    names = b"/".join(rng.choice(NAMES) for _ in range(rng.randrange(1, 5)))
    if kind < 0.35:
        return names
    if kind < 0.55:
        return b"/" + names
    return b"/local/domain/%d/%s" % (rng.choice(GUESTS), names)


def random_perms(rng, domid):
    owner = domid if rng.random() < 0.6 else rng.choice((0, 1, 2, 3, 4, 77))
    entries = [rng.choice(b"nrwb".decode()) + str(owner)]
    for _ in range(rng.choice((0, 0, 1, 1, 2, 3, 6))):
        entries.append(rng.choice("nrwb") + str(rng.choice((0, 1, 2, 3, 4,
                                                            77))))
    if rng.random() < 0.05:
        entries[-1] = rng.choice(("", "x1", "r", "r1x", "r0x2", "r-1", "r 3"))
    return b"".join(e.encode() + b"\0" for e in entries)


def random_request(rng, domid):
    """(type, payload) of an operation on nodes or watches."""
    path = random_path(rng) + b"\0"
    token = b"%d\0" % rng.randrange(3)
    kind = rng.choices(
        (xs.READ, xs.WRITE, xs.MKDIR, xs.RM, xs.DIRECTORY, xs.GET_PERMS,
         xs.SET_PERMS, xs.WATCH, xs.UNWATCH, xs.DIRECTORY_PART),
        (10, 25, 6, 5, 6, 5, 12, 8, 3, 3))[0]
    if kind == xs.WRITE:
        return kind, path + rng.choice(VALUES)
    if kind == xs.SET_PERMS:
        # 4.17 forgets to set errno when it refuses a special path: after some
        # requests no reply comes, or an assertion ends it.
        if path[:1] == b"@" or (domid == 0 and rng.random() < 0.05):
            path = rng.choice((b"@releaseDomain\0", b"@introduceDomain\0")
                              if domid == 0 else (b"a\0", b"b\0"))
        if path == b"/\0":
            # The root must not go with a domain that owns it.
            path = b"/a\0"
        return kind, path + random_perms(rng, domid)
    if kind in (xs.WATCH, xs.UNWATCH):
        if rng.random() < 0.2:
            path = rng.choice((b"@releaseDomain\0", b"@introduceDomain\0"))
        return kind, path + token + rng.choice((b"", b"", b"", b"1\0", b"x"))
    if kind == xs.DIRECTORY_PART:
        return kind, path + rng.choice((b"0\0", b"2\0", b"9\0", b"-1\0"))
    return kind, path


def odd_request(rng):
    """Domains, features, requests that are not for guests, or not at all."""
    return rng.choice((
        (xs.GET_DOMAIN_PATH, b"7\0"), (xs.GET_DOMAIN_PATH, b"x"),
        (xs.IS_DOMAIN_INTRODUCED, b"%d\0" % rng.randrange(6)),
        (xs.IS_DOMAIN_INTRODUCED, b"32752\0"),
        (xs.SET_TARGET, b"3\x001\0"), (xs.SET_TARGET, b"3\0009\0"),
        (xs.RESUME, b"1\0"), (xs.RESUME, b"0\0"), (xs.RESUME, b"9\0"),
        (xs.WATCH_EVENT, b""), (xs.ERROR, b"x\0"), (20, b""), (23, b""),
        (4711, b"x"), (xs.CONTROL, b"nonsense\0"), (xs.CONTROL, b"check\0"),
        (xs.CONTROL, b""), (xs.WRITE, b"no end"), (xs.SET_PERMS, b"a\0"),
        (xs.WATCH, b"a\0"), (xs.UNWATCH, b"a"), (xs.DIRECTORY_PART, b"a\0"),
        (xs.TRANSACTION_END, b"T\0"), (xs.TRANSACTION_END, b"x\0")))


def step_transaction(rng, world, name):
    open_ones = world.transactions[name]
    if not open_ones or rng.random() < 0.4:
        kind, reply = world.ask(name, xs.TRANSACTION_START, b"\0")
        if kind != xs.ERROR:
            open_ones.append(int(reply[:-1]))
        return
    tx = open_ones.pop(rng.randrange(len(open_ones)))
    world.ask(name, xs.TRANSACTION_END, rng.choice((b"T\0", b"T\0", b"F\0")),
              tx)


def step_domain(rng, world):
    domid = rng.choice((2, 3))
    if str(domid) in world.clients:
        world.destroy(domid)
    else:
        world.introduce(domid)


def step(rng, world):
    name = rng.choice(list(world.clients))
    domid = int(name.rstrip("'"))
    action = rng.random()
    if action < 0.01:
        step_domain(rng, world)
        return
    if action < 0.15:
        step_transaction(rng, world, name)
    elif action < 0.20:
        world.ask(name, *odd_request(rng))
    elif action < 0.205:
        world.transactions[name].clear()
        world.ask(name, xs.RESET_WATCHES, b"\0")
    else:
        tx = 0
        if world.transactions[name] and rng.random() < 0.6:
            tx = rng.choice(world.transactions[name])
        elif rng.random() < 0.01:
            tx = 4711
        world.ask(name, *random_request(rng, domid), tx)
    world.compare_events()


def prepare(world):
    """Guests can write below data, as in the homes that xl makes."""
    for domid in GUESTS:
        home = b"/local/domain/%d" % domid
        world.ask("0", xs.WRITE, home + b"\0")
        world.ask("0", xs.SET_PERMS, home + b"\0n0\0r%d\0" % domid)
        world.ask("0", xs.WRITE, home + b"/data\0")
        world.ask("0", xs.SET_PERMS, home + b"/data\0n%d\0" % domid)
    world.ask("0", xs.WRITE, b"/a\0")
    world.ask("0", xs.SET_PERMS, b"/a\0b0\0")


def until_error(world, name, kind, payload, tx=0, most=2000):
    """Repeats a request (payload: a function of the count) until it fails."""
    for n in range(most):
        answer = world.ask(name, kind, payload(n), tx)[0]
        if answer == xs.ERROR:
            return n
    raise AssertionError("no quota")


def start(world, name):
    return int(world.ask(name, xs.TRANSACTION_START, b"\0")[1][:-1])


def quota_of_transactions_and_watches(world):
    until_error(world, "1", xs.TRANSACTION_START, lambda n: b"\0")
    world.ask("1", xs.RESET_WATCHES, b"\0")
    until_error(world, "1", xs.WATCH, lambda n: b"/w%d\0t\0" % n)
    world.ask("1", xs.WATCH, b"/w0\0t\0")
    world.ask("1", xs.UNWATCH, b"/w0\0t\0")
    until_error(world, "1", xs.WATCH, lambda n: b"x%d\0t\0" % n)
    world.ask("1", xs.RESET_WATCHES, b"\0")


def quota_of_node_size(world):
    for size in (2014, 2015, 2016, 4000):
        world.ask("1", xs.WRITE, b"data/big\0" + b"x" * size)
        world.ask("1", xs.WRITE, b"data/new%d\0" % size + b"x" * size)
    world.ask("1", xs.SET_PERMS, b"data/big\0n1\0r2\0")
    for size in (4000, 10):
        tx = start(world, "1")
        world.ask("1", xs.WRITE, b"data/big\0" + b"x" * size, tx)
        world.ask("1", xs.TRANSACTION_END, b"T\0", tx)
    until_error(world, "1", xs.MKDIR, lambda n: b"data/dir/%040d\0" % n)
    world.ask("1", xs.DIRECTORY, b"data/dir\0")
    for n in (5, 6, 7):
        world.ask("1", xs.SET_PERMS,
                  b"data/big\0" + b"n1\0" + b"r2\0" * (n - 2))
    world.ask("1", xs.RM, b"data/dir\0")


def quota_of_nodes(world):
    def node(n):
        return b"data/%d/%d\0" % (n % 40, n)

    until_error(world, "1", xs.WRITE, node)
    # A present beyond the quota; giving up nodes is always allowed.
    for n in range(3):
        world.ask("0", xs.WRITE, b"/present/%d\0" % n)
        world.ask("0", xs.SET_PERMS, b"/present/%d\0n1\0" % n)
    tx = start(world, "1")
    world.ask("1", xs.RM, b"/present/0\0", tx)
    world.ask("1", xs.TRANSACTION_END, b"T\0", tx)
    world.ask("0", xs.RM, b"/present\0")
    for again in range(2):
        tx = start(world, "1")
        world.ask("1", xs.WRITE, b"data/more\0", tx)
        world.ask("1", xs.TRANSACTION_END, b"T\0", tx)
        world.ask("1", xs.RM, node(again))
    tx = start(world, "1")
    for n in range(5):
        world.ask("1", xs.WRITE, b"data/tx/%d\0" % n, tx)
    world.ask("1", xs.TRANSACTION_END, b"T\0", tx)
    world.ask("1", xs.DIRECTORY, b"data\0")
    world.ask("0", xs.SET_PERMS, node(3) + b"n2\0")
    world.ask("1", xs.WRITE, b"data/gift\0")
    world.ask("1", xs.WRITE, b"data/gift2\0")
    for n in range(41):
        world.ask("1", xs.RM, b"data/%d\0" % n)
    world.ask("1", xs.WRITE, b"data/free/again\0")


def quota_of_nodes_in_a_transaction(world):
    for n in range(1100):
        world.ask("0", xs.WRITE, b"/many/%d/%d\0" % (n % 30, n))
    world.ask("0", xs.SET_PERMS, b"/many/3\0b0\0")
    tx = start(world, "1")
    for n in range(1030):
        world.ask("1", xs.READ, b"/many/%d/%d\0" % (n % 30, n), tx)
    world.ask("1", xs.WRITE, b"data/x\0", tx)
    world.ask("1", xs.TRANSACTION_END, b"T\0", tx)
    world.ask("0", xs.SET_PERMS, b"/many\0b0\0")
    tx = start(world, "1")
    world.ask("1", xs.RM, b"/many\0", tx)
    world.ask("1", xs.TRANSACTION_END, b"T\0", tx)
    world.ask("1", xs.RM, b"/many\0")


def long_lists(world):
    for n in range(300):
        world.ask("0", xs.MKDIR, b"/list/%030d\0" % n)
    world.ask("0", xs.DIRECTORY, b"/list\0")
    offset = 0
    while True:
        part = world.ask("0", xs.DIRECTORY_PART, b"/list\0%d\0" % offset)[1]
        offset += len(part)
        if part.endswith(b"\0\0") or part == b"\0":
            break
    world.ask("0", xs.RM, b"/list\0")


def a_stub_domain(world):
    """Domain 3 acts for domain 1 too."""
    world.ask("1", xs.WRITE, b"data/mine\0x")
    world.ask("3", xs.READ, b"/local/domain/1/data/mine\0")
    world.ask("0", xs.SET_TARGET, b"3\x001\0")
    world.ask("3", xs.READ, b"/local/domain/1/data/mine\0")
    world.ask("3", xs.WRITE, b"/local/domain/1/data/theirs\0y")
    world.ask("3", xs.GET_PERMS, b"/local/domain/1/data/theirs\0")


def the_end_of_a_domain(world):
    """Its nodes go, with events; its id means nothing in others' lists."""
    world.ask("2", xs.WRITE, b"data/a/b\0x")
    world.ask("2", xs.SET_PERMS, b"data/a\0r2\0")
    world.ask("2", xs.SET_PERMS, b"data/a/b\0n2\0r1\0")
    world.ask("1", xs.WRITE, b"data/for2\0x")
    world.ask("1", xs.SET_PERMS, b"data/for2\0n1\0r2\0")
    world.ask("2", xs.READ, b"/local/domain/1/data/for2\0")
    for path in (b"a", b"a/b", b"a/none"):
        for name in ("0", "1", "3"):
            world.ask(name, xs.WATCH, b"/local/domain/2/data/%s\0t\0" % path)
    for name in ("0", "1", "3"):
        world.ask(name, xs.WATCH, b"@releaseDomain\0t\0")
        world.ask(name, xs.WATCH, b"@introduceDomain\0t\0")
    world.ask("0", xs.SET_PERMS, b"@releaseDomain\0n0\0r1\0r2\0")
    world.compare_events()
    world.destroy(2)
    world.ask("0", xs.DIRECTORY, b"/local/domain/2\0")
    world.introduce(2)
    world.ask("2", xs.WATCH, b"@releaseDomain\0t\0")
    world.ask("2", xs.READ, b"/local/domain/1/data/for2\0")
    world.ask("1", xs.GET_PERMS, b"data/for2\0")
    world.ask("1", xs.WRITE, b"data/for2\0y")
    world.ask("2", xs.READ, b"/local/domain/1/data/for2\0")


def watches_of_transactions(world):
    """A removal after a change; and who may know of what is gone."""
    for path in (b"data/a", b"data/a/b", b"data/p", b"data/q"):
        world.ask("1", xs.WRITE, path + b"\0x")
    for path in (b"data/p", b"data/q"):
        world.ask("1", xs.SET_PERMS, path + b"\0n1\0r2\0")
    for name in ("0", "1", "2"):
        for path in (b"", b"/a", b"/a/b", b"/p", b"/q"):
            # Tokens of their own: events that look the same come once.
            world.ask(name, xs.WATCH,
                      b"/local/domain/1/data" + path + b"\0" + path + b"\0")
    world.compare_events()
    for end in (b"T\0", b"F\0", b"T\0"):
        tx = start(world, "1")
        world.ask("1", xs.WRITE, b"data/a/b\0y", tx)
        world.ask("1", xs.RM, b"data/a\0", tx)
        world.ask("1", xs.TRANSACTION_END, end, tx)
        world.compare_events()
        tx = start(world, "1")
        world.ask("1", xs.RM, b"data/p\0", tx)
        world.ask("1", xs.SET_PERMS, b"data/q\0n1\0", tx)
        world.ask("1", xs.WRITE, b"data/new/b\0", tx)
        world.ask("1", xs.RM, b"data/new/b\0", tx)
        world.ask("1", xs.TRANSACTION_END, end, tx)
        world.compare_events()
        world.ask("1", xs.SET_PERMS, b"data/q\0n1\0r2\0")
        world.ask("1", xs.SET_PERMS, b"data/q\0n1\0")
        world.ask("1", xs.WRITE, b"data/q\0")
        world.compare_events()


SCENES = (
    watches_of_transactions,
    quota_of_transactions_and_watches,
    quota_of_node_size,
    quota_of_nodes,
    quota_of_nodes_in_a_transaction,
    long_lists,
    a_stub_domain,
    the_end_of_a_domain,
)


def random_scene(seed):
    def scene(world):
        rng = random.Random(seed)
        for _ in range(STEPS):
            step(rng, world)
    scene.__name__ = f"random requests, seed {seed}"
    return scene


def run(scene, xenstored, shim, server):
    directories = [tempfile.mkdtemp() for _ in range(2)]
    hosts = []
    try:
        hosts.append(xs.Theirs(directories[0], xenstored, shim))
        hosts.append(xs.Ours(directories[1], server))
        for host in hosts:
            host.create(4)
        world = World(hosts)
        prepare(world)
        try:
            scene(world)
            world.compare_events()
        except (AssertionError, OSError, EOFError):
            for entry in world.log[-30:]:
                print(*entry)
            raise
        if hosts[1].stop():
            raise AssertionError("our server ended with an error")
        hosts.pop()
    finally:
        for host in hosts:
            host.stop()
        for directory in directories:
            shutil.rmtree(directory)


def main(xenstored, shim, server, *seeds):
    scenes = [] if seeds else list(SCENES)
    scenes += [random_scene(int(seed)) for seed in seeds or (1, 2, 3)]
    for scene in scenes:
        print(scene.__name__, flush=True)
        run(scene, xenstored, shim, server)


if __name__ == "__main__":
    main(*sys.argv[1:])
