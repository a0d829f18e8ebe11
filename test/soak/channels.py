# SPDX-License-Identifier: MIT
"""Channels for test/soak: guests that give back what their clients send, while the
daemon is killed and stopped, and channels, clients and guests come and go."""
import os
import random
import select
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

from channel_host import CHUNK, LONG, Client, Host, Receiver, wait_for

GUESTS = (1, 2, 3)
NAME = "soak"
SIZE = 1 << 19


class Lost(Exception):
    """A byte is missing, comes twice without a reason, or is another one."""


def is_there(domid):
    text = subprocess.run([os.environ["XENHOST"], "list", "--tsv"], check=True,
                          capture_output=True, text=True).stdout
    return any(line.split("\t")[0] == str(domid) for line in text.splitlines())


class Guest:
    """A guest with one channel, and its client."""

    def __init__(self, host, domid, seed, tally):
        self.host, self.domid, self.tally = host, domid, tally
        self.rng = random.Random(f"{seed} {domid}")
        host.create(domid)
        self.attach()

    def attach(self):
        self.path = self.host.attach(self.domid, NAME)
        device = int(self.host.entry(self.domid, NAME)["device"])
        self.front = self.host.front(self.domid, device, "--echo")
        self.host.connected(self.domid, device)
        self.open()

    def open(self):
        self.client = Client(self.path)
        self.tally.add("sessions")

    def part(self):
        if not select.select([self.client.fd], [], [], LONG)[0]:
            raise Lost(f"guest {self.domid}: nothing more comes")
        part = os.read(self.client.fd, 65536)
        if not part:
            raise Lost(f"guest {self.domid}: its client was sent away")
        return part

    def exchange(self):
        """All comes back. If the daemon is killed, one chunk may come again."""
        data = self.rng.randbytes(self.rng.randrange(64, SIZE))
        receiver = Receiver(data)
        with ThreadPoolExecutor(1) as pool:
            sent = pool.submit(self.client.send, data)
            while not receiver.done():
                try:
                    receiver.take(self.part())
                except AssertionError as e:
                    raise Lost(f"guest {self.domid}: {e}") from e
            sent.result()
        self.tally.add("bytes", 2 * len(data))
        return receiver.repeated

    def settle(self):
        """What is repeated comes before what is sent now."""
        tail, got = self.rng.randbytes(64), b""
        self.client.send(tail)
        while not got.endswith(tail):
            got += self.part()
            if len(got) > CHUNK + len(tail):
                raise Lost(f"guest {self.domid}: more than a chunk again")

    # Churn

    def reconnect(self):
        """The next client goes on where this one has ended."""
        self.client.close()
        self.open()

    def end_front(self):
        self.front.wait(LONG)
        self.host.processes.remove(self.front)

    def reattach(self):
        self.client.close()
        self.host.detach(self.domid, NAME)
        self.end_front()
        self.attach()

    def reboot(self):
        self.client.close()
        self.host.destroy(self.domid)
        self.end_front()
        self.tally.add("destroyed domains")
        # It stays for as long as the daemon has its pages.
        wait_for("the end of the dead domain", lambda: not is_there(self.domid))
        self.host.create(self.domid)
        self.attach()


class Daemon:
    """What is done to xenchanneld while the guests are at work."""

    def __init__(self, host, rng, tally):
        self.host, self.rng, self.tally = host, rng, tally

    def kill(self):
        os.kill(self.host.keepers_child(), signal.SIGKILL)
        self.tally.add("killed daemons")

    def stop(self):
        pid = self.host.keepers_child()
        os.kill(pid, signal.SIGSTOP)
        time.sleep(self.rng.random() * 0.2)
        os.kill(pid, signal.SIGCONT)
        self.tally.add("stopped daemons")

    def leave_alone(self):
        pass


def traffic(guests, pool, daemon, rng):
    """All guests at once, and something happens to the daemon meanwhile."""
    happens = rng.choice((daemon.kill, daemon.stop, daemon.leave_alone))
    exchanges = [pool.submit(g.exchange) for g in guests]
    time.sleep(rng.random() * 0.05)
    happens()
    repeated = [e.result() for e in exchanges]
    if happens == daemon.kill:
        wait_for("the daemon", daemon.host.keepers_child)
        for g in guests:
            g.settle()
    if max(repeated) > (happens == daemon.kill):
        raise Lost(f"chunks came again: {repeated}")


def churn(guests, pool, rng):
    """One comes and goes; the others do not notice."""
    one, *others = rng.sample(guests, len(guests))
    exchanges = [pool.submit(g.exchange) for g in others]
    rng.choice((one.reconnect, one.reconnect, one.reattach, one.reboot))()
    one.exchange()
    if any(e.result() for e in exchanges):
        raise Lost("chunks came again")


def play(tally, seed):
    rng = random.Random(seed)
    host = Host()
    try:
        host.start_daemon("--keeper")
        daemon = Daemon(host, rng, tally)
        guests = [Guest(host, domid, seed, tally) for domid in GUESTS]
        with ThreadPoolExecutor(len(guests)) as pool:
            while True:
                if rng.random() < 0.6:
                    traffic(guests, pool, daemon, rng)
                else:
                    churn(guests, pool, rng)
                if not tally.end_round():
                    return
    except BaseException:
        print(f"the daemon's last lines:\n{host.log()[-3000:]}", flush=True)
        raise
    finally:
        host.close()
