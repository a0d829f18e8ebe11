#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How vchans end, and what is left of them: each pairing of the two libraries.

usage: test-life.py CASE [N [SEED]]      cases: the functions of CASES
"""
import os
import random
import signal
import sys
import time

from vchan_ends import CLIENT, LIBRARY, PAIRINGS, SERVER, Host, open_files

NAME = "data/vchan/life"
PATH = f"/local/domain/{SERVER}/{NAME}"
DESCRIPTOR_CALLS = ("select", "poll", "epoll")
SOON = 60000  # ms
LIBRARIES = list(LIBRARY)


def equal(what, got, wanted):
    assert got == wanted, f"{what}: {got!r}, not {wanted!r}"


def pair(host, pairing):
    return (host.end(SERVER, pairing[0]).remember_pid(),
            host.end(CLIENT, pairing[1]).remember_pid())


def connect(server, client, left=4096, right=65536):
    server.do("server", CLIENT, NAME, left, right)
    answer = client.do("client", SERVER, PATH)
    assert not answer.startswith("NULL"), f"client_init: {answer}"


def drain(end):
    """Takes the events that set-up has left."""
    while end.do("poll", 0) == "ready":
        end.do("wait")


def nothing_is_held(host):
    for domid in (SERVER, CLIENT):
        for what, n in host.held(domid).items():
            equal(f"domain {domid}: {what}", n, 0)


def wait_for(what, is_so):
    deadline = time.monotonic() + SOON / 1000
    while not is_so():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def descriptor(host, pairing, _n):
    """select, poll and epoll on the descriptor; wait() then does not block."""
    server, client = pair(host, pairing)
    connect(server, client)
    for writer, reader in ((server, client), (client, server)):
        for call in DESCRIPTOR_CALLS:
            drain(reader)
            equal("read", reader.do("read", 10), "0")
            equal(call, reader.do(call, 0), "not ready")
            # While it sleeps there
            reader.start(call, SOON)
            writer.do("write", 3)
            equal(call, reader.finish(), "ready")
            equal("wait", reader.do("wait"), "0")
            equal("read", reader.do("read", 10), "3")
            equal(call, reader.do(call, 0), "not ready")
        # A short write asks, too.
        drain(writer)
        assert int(writer.do("write", 1 << 20)) > 0
        equal("select", writer.do("select", 0), "not ready")
        reader.do("read", 1 << 20)
        equal("select", writer.do("select", SOON), "ready")
        equal("wait", writer.do("wait"), "0")
        drain(reader)
    for call in DESCRIPTOR_CALLS:
        equal(call, client.do(call, 0), "not ready")
    client.start("select", SOON)
    server.do("close")
    equal("select at a close", client.finish(), "ready")
    client.do("wait")
    equal("is_open", client.do("is_open"), "0")
    client.do("close")


def second_client(host, pairing, _n):
    """It is refused; the first one does not notice."""
    server, client = pair(host, pairing)
    second = host.end(CLIENT, pairing[1])
    connect(server, client)
    for _ in range(3):
        answer = second.do("client", SERVER, PATH)
        assert answer.startswith("NULL"), f"a second client: {answer}"
        if second.library == "ours":
            equal("a second client", answer, "NULL EBUSY")
        for end in (server, client):
            equal("is_open", end.do("is_open"), "1")
        for writer, reader in ((server, client), (client, server)):
            equal("write", writer.do("write", 100), "100")
            equal("read", reader.do("read", 200), "100")
    # The place is free again when the first one has left.
    client.do("close")
    equal("the server", server.do("is_open"), "0")
    assert not second.do("client", SERVER, PATH).startswith("NULL")
    equal("the server", server.do("is_open"), "1")


def inheritance(host, pairing, _n):
    """No descriptor outlives exec; a forked child may close, and harms none.
    Fault 25, and faults that have no number."""
    server, client = pair(host, pairing)
    connect(server, client)
    for end in (server, client):
        inherited = end.do("exec")
        if end.library == "ours":
            equal("after exec", inherited, "inherited")
        elif end is server:
            assert inherited != "inherited", "fault 25 is gone"
    for end in (server, client):
        if end.library == "ours":
            equal("fork", end.do("fork"), "ok")
    for end in (server, client):
        equal("is_open", end.do("is_open"), "1")
    for writer, reader in ((server, client), (client, server)):
        equal("write", writer.do("write", 100), "100")
        equal("read", reader.do("read", 200), "100")


def signals(host, pairing, n):
    """Handlers with SA_RESTART are not noticed; others give EINTR."""
    server, client = pair(host, pairing)
    connect(server, client)
    n_bytes, chunk = 3 << 20, 30000
    for end in (server, client):
        end.do("blocking", 1)
        end.do("handle", "restart")
    for writer, reader in ((server, client), (client, server)):
        writer.start("write", n_bytes)
        left = n_bytes
        while left:
            reader.start("recv", min(chunk, left, 4096))
            for _ in range(n):
                os.kill(reader.pid, signal.SIGUSR1)
                os.kill(writer.pid, signal.SIGUSR1)
            got = reader.finish()
            equal("recv", got, str(min(chunk, left, 4096)))
            left -= int(got)
        equal("write", writer.finish(), str(n_bytes))
    for end in (server, client):
        end.do("handle", "interrupt")
        # The signal may come before the wait: send it until it is answered.
        end.start("read", 1)
        deadline = time.monotonic() + SOON / 1000
        while not end.answered(0.01):
            assert time.monotonic() < deadline, "no signal interrupts"
            os.kill(end.pid, signal.SIGUSR1)
        answer = end.finish()
        if end.library == "ours":
            equal("an interrupted read", answer, "-1 EINTR")
        else:
            equal("an interrupted read", answer.split(" ")[0], "-1")
        equal("is_open", end.do("is_open"), "1")


def stopped(host, pairing, _n):
    """SIGSTOP of either end: what waits for it keeps its deadline, where it has
    one; after SIGCONT both go on as if nothing had been."""
    server, client = ends = pair(host, pairing)
    connect(server, client, 4096, 4096)
    for end in ends:
        end.do("blocking", 1)
    for awake, asleep in (ends, reversed(ends)):
        os.kill(asleep.pid, signal.SIGSTOP)
        if awake.library == "ours":
            awake.do("timeout", 50)
            equal("read", awake.do("read", 1), "-1 ETIMEDOUT")
            equal("write", awake.do("write", 10000), "4096")
            equal("send", awake.do("send", 1), "-1 ETIMEDOUT")
            awake.do("timeout", -1)
        else:
            equal("write", awake.do("write", 4096), "4096")
        equal("is_open", awake.do("is_open"), "1")
        awake.start("write", 100000)
        os.kill(asleep.pid, signal.SIGCONT)
        for n in [4096] + [4000] * 25:
            equal("recv", asleep.do("recv", n), str(n))
        equal("write", awake.finish(), "100000")
        equal("the other way", asleep.do("write", 7), "7")
        equal("the other way", awake.do("recv", 7), "7")


def kill_in_transfer(host, pairing, n):
    """SIGKILL of either end, while both are at work: an error at the other."""
    for i in range(n):
        server, client = ends = pair(host, pairing)
        connect(server, client, 1 << RANDOM.randrange(10, 17),
                1 << RANDOM.randrange(10, 17))
        for end in ends:
            end.do("blocking", 1)
        victim, survivor = ends if i % 2 else reversed(ends)
        writer, reader = ends if i // 2 % 2 else reversed(ends)
        writer.start("loop", "write", RANDOM.randrange(1, 200000))
        reader.start("loop", "read", RANDOM.randrange(1, 200000))
        time.sleep(RANDOM.random() * 0.02)
        victim.kill()
        answer = survivor.finish()
        equal("the survivor", answer.split(" ")[0], "-1")
        if survivor.library == "ours":
            equal("the survivor", answer, "-1 EPIPE")
        equal("is_open", survivor.do("is_open"), "0")
        survivor.do("close")
        survivor.end()
        wait_for("the host keeps what the dead had", lambda: not any(
            sum(host.held(d).values()) for d in (SERVER, CLIENT)))
        host.tool(SERVER, "xenstore-rm", NAME)


def sleeps_for_ever(host, client):
    """Fault 35: Xen's client has bound the port of one server and mapped the
    page of its successor, and nobody can wake it. That no event of the host's
    was lost is what our client shows, which is woken in any case."""
    if client.library == "ours":
        return False
    while not client.answered(2):
        if not any(host.held(SERVER).values()) and \
                host.held(CLIENT)["pages_mapped"]:
            return True
    return False


def kill_in_setup(host, pairing, n):
    """A server dies anywhere in its life; its client is at any step."""
    for i in range(n):
        server = host.end(SERVER, pairing[0]).remember_pid()
        client = host.end(CLIENT, pairing[1], quiet=True).remember_pid()
        client.start("visits", 100, SERVER, PATH)
        server.start("serve", CLIENT, NAME)
        time.sleep(RANDOM.random() * 0.05)
        server.kill()
        if sleeps_for_ever(host, client):
            print(f"round {i}: fault 35", flush=True)
            client.kill()
        else:
            client.finish()
            # Two stay, of the emulated host, if the client came that far.
            assert client.do("fds") in ("3", "5"), client.do("fds")
            client.end()
        host.tool(SERVER, "sh", "-c", f"xenstore-rm {NAME} 2>&- || :")


def kill_client_in_setup(host, pairing, n):
    """A client dies at any step; the next one finds a server that serves."""
    server = host.end(SERVER, pairing[0])
    server.do("server", CLIENT, NAME, 4096, 65536)
    server.do("persist", 1)
    for _ in range(n):
        victim = host.end(CLIENT, pairing[1]).remember_pid()
        victim.start("visits", SOON, SERVER, PATH)
        for _ in range(RANDOM.randrange(3)):
            server.do("is_open")
        time.sleep(RANDOM.random() * 0.01)
        victim.kill()
        client = host.end(CLIENT, pairing[1])
        wait_for("no client can connect any more", lambda: not client.do(
            "client", SERVER, PATH).startswith("NULL"))
        equal("is_open", server.do("is_open"), "1")
        for end in (server, client):
            end.do("rewind")
        # What was left unread is fault 12's matter, not this one's.
        client.do("read", 65536)
        equal("write", client.do("write", 100), "100")
        equal("read", server.do("read", 200), "100")
        client.do("close")
        client.end()


def destroy(host, pairing, _n):
    """The domain of either end: nobody tells the other, as on Xen, but its
    calls work on what is mapped, and close() gives everything back. A blocked
    call of ours finds out by itself: fault 29."""
    for victim_id, survivor_id in ((SERVER, CLIENT), (CLIENT, SERVER)):
        for blocked in (False, True):
            ends = dict(zip((SERVER, CLIENT), pair(host, pairing)))
            connect(ends[SERVER], ends[CLIENT])
            ends[victim_id].do("write", 5)
            survivor = ends[survivor_id]
            if blocked:
                in_a_blocked_call(host, survivor, victim_id)
            else:
                host.run("destroy", victim_id)
                equal("read", survivor.do("read", 10), "5")
                answer = survivor.do("write", 10)
                assert answer in ("10", "-1 EHOSTDOWN"), answer
            if survivor.process.poll() is None:
                survivor.do("close")
                held = host.held(survivor_id)
                for what in ("pages_mapped", "pages_shared", "ports"):
                    equal(what, held[what], 0)
                survivor.end()
            wait_for("the dead domain stays",
                     lambda: victim_id not in host.state())
            host.create(victim_id)


def in_a_blocked_call(host, survivor, victim_id):
    survivor.do("blocking", 1)
    equal("read", survivor.do("read", 10), "5")
    survivor.start("read", 10)
    host.run("destroy", victim_id)
    if survivor.library == "ours":
        equal("a blocked read", survivor.finish(), "-1 EHOSTDOWN")
        equal("is_open", survivor.do("is_open"), "0")
    else:
        assert not survivor.answered(1), "fault 29 is gone"
        survivor.kill()


def loopback(host, pairing, _n):
    """Both ends in one domain: both directions, and either end closes or dies
    first."""
    for first_is_server in (True, False):
        for how in ("close", "kill"):
            server, client = ends = [host.end(SERVER, library).remember_pid()
                                     for library in pairing]
            server.do("server", SERVER, NAME, 4096, 65536)
            answer = client.do("client", SERVER, PATH)
            assert not answer.startswith("NULL"), f"client_init: {answer}"
            for end in ends:
                end.do("blocking", 1)
            for writer, reader in (ends, reversed(ends)):
                reader.start("recv", 1000)
                equal("write", writer.do("write", 1000), "1000")
                equal("recv", reader.finish(), "1000")
            first, last = ends if first_is_server else reversed(ends)
            last.start("read", 1)
            if how == "close":
                first.do("close")
            else:
                first.kill()
            equal("a blocked read", last.finish().split(" ")[0], "-1")
            equal("is_open", last.do("is_open"), "0")
            last.do("close")
            last.end()
            if how == "close":
                first.end()
            wait_for("something is left",
                     lambda: not any(host.held(SERVER).values()))


OPEN, FINISHED, CLOSED, DIED = "2", "3", "4", "5"


def half_close(one, peer):
    """What a peer of our kind learns, another one does not notice."""
    if one.library != "ours":
        return
    both = peer.library == "ours"
    equal("write", one.do("write", 10), "10")
    equal("shutdown", one.do("shutdown"), "0" if both else "1")
    equal("a write after it", one.do("write", 1), "-1 EPIPE")
    equal("read", peer.do("read", 20), "10")
    if both:
        equal("the peer's state", peer.do("state"), FINISHED)
        equal("at the end", peer.do("read", 20), "-1 EPIPE")
    else:
        equal("is_open", peer.do("is_open"), "1")
        equal("nothing there", peer.do("read", 20), "0")
    # The other direction goes on.
    equal("write", peer.do("write", 100), "100")
    equal("read", one.do("read", 200), "100")
    equal("the own state", one.do("state"), OPEN)


def extensions(host, pairing, _n):
    """Half-close, and a close told from a death, between two of ours; with
    Xen's library at the other end, neither harms it, nor is it taken for one
    of ours."""
    both = pairing == ("ours", "ours")
    for closer in (0, 1):
        for how, state in (("close", CLOSED), ("kill", DIED)):
            ends = pair(host, pairing)
            connect(*ends)
            first, last = ends[closer], ends[1 - closer]
            half_close(first, last)
            if how == "close":
                first.do("close")
                first.end()
            else:
                first.kill()
            if last.library == "ours":
                wanted = state if both else CLOSED
                wait_for(f"the state is not {wanted}",
                         lambda e=last, w=wanted: e.do("state") == w)
            wait_for("is_open stays 1", lambda e=last: e.do("is_open") == "0")
            last.do("close")
            last.end()
            host.tool(SERVER, "sh", "-c", f"xenstore-rm {NAME} 2>&- || :")


def rearm(host, pairing, n):
    """One server, clients of both libraries in turn: each finds a new vchan,
    and what one was is not taken for the next."""
    if pairing[0] != "ours":
        return
    server = host.end(SERVER, "ours")
    server.do("server", CLIENT, NAME, 4096, 65536)
    fresh = server.do("page")
    for i in range(n):
        library = LIBRARIES[i % 2] if i < 2 else RANDOM.choice(LIBRARIES)
        client = host.end(CLIENT, library).remember_pid()
        answer = client.do("client", SERVER, PATH)
        assert not answer.startswith("NULL"), f"client_init: {answer}"
        for end in (server, client):
            end.do("rewind")
        equal("write", client.do("write", 100), "100")
        equal("read", server.do("read", 200), "100")
        equal("write", server.do("write", 50), "50")
        if i % 3:
            equal("read", client.do("read", 200), "50")
        equal("shutdown", server.do("shutdown"),
              "0" if library == "ours" else "1")
        equal("rearm", server.do("rearm"), "-1 EISCONN")
        is_killed = RANDOM.randrange(2)
        if is_killed:
            client.kill()
        else:
            client.do("close")
            client.end()
        wanted = DIED if is_killed and library == "ours" else CLOSED
        wait_for(f"the state is not {wanted}",
                 lambda w=wanted: server.do("state") == w)
        equal("rearm", server.do("rearm"), "0")
        equal("the page", server.do("page"), fresh)
    server.end()


def state_of_host(host, host_pid):
    with_counts = {d: {k: v for k, v in s.items() if k != "events"}
                   for d, s in host.state().items()}
    return (with_counts, len(open_files(host_pid)),
            host.tool(0, "xenstore-ls", "-fp"))


def cycles(host, pairing, n):
    """Set up, use, close, over and over: nothing is left, here or there."""
    server, client = pair(host, pairing)
    # 4.17's leaves large rings to the end of the process: fault 5.
    sizes = ((0, 0), (0, 8192), (65536, 65536)) if "distro" not in pairing \
        else ((0, 0),)
    host_pid = host.pid()
    before = None
    for i in range(n + 1):
        connect(server, client, *sizes[i % len(sizes)])
        equal("write", server.do("write", 7), "7")
        equal("read", client.do("read", 9), "7")
        first, last = (server, client) if i & 1 else (client, server)
        first.do("close")
        last.do("close")
        if i == 0:
            fds = [end.do("fds") for end in (server, client)]
            wait_for("tools stay", lambda: host.state()[0]["processes"] == 0)
            before = state_of_host(host, host_pid)
    equal("descriptors of the ends",
          [end.do("fds") for end in (server, client)], fds)
    # The host may not have seen yet that a tool has ended.
    now = state_of_host(host, host_pid)
    wait_for(f"the host was {before}, and is {now}",
             lambda: state_of_host(host, host_pid) == before)
    for end in (server, client):
        end.end()
    nothing_is_held(host)


CASES = (descriptor, second_client, inheritance, signals, stopped,
         kill_in_transfer, kill_in_setup, kill_client_in_setup, destroy, loopback, extensions,
         rearm, cycles)
RANDOM = random.Random()


def main():
    case = {c.__name__: c for c in CASES}[sys.argv[1].replace("-", "_")]
    n = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    seed = sys.argv[3] if len(sys.argv) > 3 else str(time.time_ns())
    for pairing in PAIRINGS:
        print("server {}, client {}, seed {}".format(*pairing, seed),
              flush=True)
        RANDOM.seed(seed)
        with Host() as host:
            case(host, pairing, n)
            for end in host.ends:
                if end.process.poll() is None:
                    end.end()
    return 0


if __name__ == "__main__":
    sys.exit(main())
