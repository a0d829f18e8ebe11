#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Clients of servers that are no libxenvchan: every pair of ring orders.

A legal pair has to be accepted, and bytes have to go through, both ways, across
the end of the ring; an illegal one has to be refused, and leave no trace.
departures.txt lists the illegal ones that the distribution's library accepts.

usage: test-forged.py DEPARTURES MANUAL
"""
import sys

from departures import Departures
from vchan_ends import CLIENT, LIBRARY, SERVER, Host

ORDERS = range(10, 21)
STRANGE = (0, 1, 9, 21, 32, 255, 65535)
NAME = "data/vchan/forged"
PATH = f"/local/domain/{SERVER}/{NAME}"


def is_legal(left, right):
    """xenvchan(7): no overlap of rings in the page and the list of grants."""
    if left not in ORDERS or right not in ORDERS:
        return False
    in_page = [n for n in (left, right) if n < 12]
    if len(in_page) != len(set(in_page)):
        return False
    end_of_list = 24 + 4 * sum(1 << (n - 12) for n in (left, right) if n >= 12)
    return all(end_of_list <= 1 << n for n in in_page)


def pairs():
    for left in ORDERS:
        for right in ORDERS:
            yield left, right
    for strange in STRANGE:
        for good in (10, 11, 12, 20):
            yield strange, good
            yield good, strange
        yield strange, strange


def exchange(server, client, left, right):
    """What goes wrong, or None."""
    for writer, reader, order in ((client, server, left),
                                  (server, client, right)):
        ring = 1 << order
        # Not from the start, so that the second one wraps.
        for size, fits in ((3, 3), (2 * ring, ring), (1, 1)):
            for op, end in (("write", writer), ("read", reader)):
                n = end.do(op, size)
                if n != str(fits):
                    return f"{end.name}: {op} {size}: {n}"
    return None


def check(server, client, left, right, departure):
    wanted = "ok" if is_legal(left, right) else "NULL"
    if departure:
        wanted = departure.expected(client.library)
    server.do("forge", CLIENT, NAME, left, right)
    result = client.do("client", SERVER, PATH)
    wrong = None
    if result.startswith("NULL") != (wanted == "NULL"):
        wrong = f"client_init: {result}"
    elif wanted == "ok":
        if result != f"{right} {left}":
            wrong = f"client_init: {result}"
        elif is_legal(left, right):
            wrong = exchange(server, client, left, right)
        client.do("close")
    elif client.library == "ours":
        if result != "NULL EPROTO":
            wrong = f"client_init: {result}"
        elif server.do("live") != "2":
            wrong = "a client that was refused has been there"
    server.do("close")
    return wrong


def main():
    departures = Departures(sys.argv[1], of_forged=True)
    n = n_wrong = 0
    with Host() as host:
        server = host.forge(SERVER)
        for library in LIBRARY:
            client = host.end(CLIENT, library)
            for left, right in pairs():
                departure = departures.find(f"forged {left} {right}",
                                            "client_init")
                wrong = check(server, client, left, right, departure)
                n += 1
                if wrong:
                    n_wrong += 1
                    print(f"FAIL {library}: {left} {right}: {wrong}")
            client.end()
        server.end()
    for d in departures.unused():
        n_wrong += 1
        print(f"FAIL {d.script} is listed, but was not met")
    for d in departures.undocumented(sys.argv[2]):
        n_wrong += 1
        print(f"FAIL {d.script}: the manual has no number {d.why}")
    print(f"{n} clients, {n_wrong} wrong")
    return 1 if n_wrong else 0


if __name__ == "__main__":
    sys.exit(main())
