#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Mixed traffic, churn and faults, for as long as one likes; no byte is lost.

Workers side by side, each a process with an emulated host of its own: vchans in
each pairing of our library with the distribution's (vchans.py), and channels with
clients (channels.py). Each plays rounds that a seed chooses. What went by is printed
now and then, and at the end; the first byte that is lost, comes twice or is another
one ends it with status 1, and so does whatever else should not be.
"""
import argparse
import collections
import multiprocessing
import queue
import sys
import time
import traceback

import channels
import vchans

# What is counted, in the order in which it is printed.
COUNTED = ("bytes", "sessions", "rounds", "refused clients", "killed ends",
           "stopped ends", "destroyed domains", "failing calls", "late calls",
           "signals", "killed daemons", "stopped daemons")
WORKERS = [(f"vchan {s}-{c}", vchans.play, (s, c))
           for s in vchans.LIBRARIES for c in vchans.LIBRARIES] + [
    ("channels", channels.play, ())]


class Tally:
    """A worker's own counts, sent to the parent after each round."""

    def __init__(self, name, results, stop, deadline):
        self.name, self.results = name, results
        self.stop, self.deadline = stop, deadline
        self.counts = collections.Counter()

    def add(self, what, n=1):
        assert what in COUNTED, what
        self.counts[what] += n

    def end_round(self):
        """Whether there is to be another one."""
        self.add("rounds")
        self.results.put((self.name, self.counts, None))
        self.counts = collections.Counter()
        return time.monotonic() < self.deadline and not self.stop.is_set()


def work(name, play, args, seed, tally):
    try:
        play(tally, seed, *args)
        tally.results.put((name, tally.counts, ""))
    except BaseException:  # whatever it is, it is told and ends all
        tally.results.put((name, tally.counts, traceback.format_exc()))


def clock(seconds):
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def size(n):
    return f"{n / 1e9:.2f} GB" if n >= 1e9 else f"{n / 1e6:.1f} MB"


def say(counts, since):
    parts = [f"{size(counts['bytes'])}"] + [
        f"{counts[what]} {what}" for what in COUNTED[1:] if counts[what]]
    print(f"{clock(time.monotonic() - since):>6}  " + ", ".join(parts),
          flush=True)


def collect(results, n_workers, stop, every):
    """Counts until all workers have ended: totals by worker, and complaints."""
    totals = collections.defaultdict(collections.Counter)
    wrong, since, said = [], time.monotonic(), time.monotonic()
    while n_workers:
        try:
            name, counts, end = results.get(timeout=1)
        except queue.Empty:
            pass
        else:
            totals[name].update(counts)
            if end is not None:
                n_workers -= 1
            if end:
                stop.set()
                wrong.append((name, end))
                print(f"FAIL  {name}\n{end}", flush=True)
        if time.monotonic() - said >= every:
            said = time.monotonic()
            say(sum(totals.values(), collections.Counter()), since)
    return totals, wrong, since


def report(totals, wrong, since):
    for name in sorted(totals):
        print(f"\n{name}")
        for what in COUNTED:
            if totals[name][what]:
                print(f"  {totals[name][what]:>15,}  {what}")
    everything = sum(totals.values(), collections.Counter())
    print("\nall together, in " + clock(time.monotonic() - since))
    for what in COUNTED:
        print(f"  {everything[what]:>15,}  {what}")
    lost = sum("Lost" in text for _, text in wrong)
    print(f"  {lost or 'none':>15}  lost, repeated or wrong"
          if lost or not wrong else
          f"  {'unknown':>15}  lost: it ended early")
    print("not as it should be: " + ", ".join(name for name, _ in wrong)
          if wrong else "all of it as it should be")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--every", type=float, default=30,
                        help="seconds between lines of progress")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 10**9)
    parser.add_argument("workers", nargs="*", metavar="WORKER",
                        help="parts of their names; none: all of them")
    args = parser.parse_args()
    chosen = [w for w in WORKERS
              if not args.workers or any(a in w[0] for a in args.workers)]
    print(f"seed {args.seed}: " + ", ".join(name for name, _, _ in chosen),
          flush=True)
    results, stop = multiprocessing.Queue(), multiprocessing.Event()
    deadline = time.monotonic() + args.minutes * 60
    processes = [multiprocessing.Process(target=work, args=(
        name, play, more, f"{args.seed} {name}",
        Tally(name, results, stop, deadline)))
        for name, play, more in chosen]
    for p in processes:
        p.start()
    totals, wrong, since = collect(results, len(processes), stop, args.every)
    for p in processes:
        p.join()
    report(totals, wrong, since)
    return 1 if wrong or not totals else 0


if __name__ == "__main__":
    sys.exit(main())
