# SPDX-License-Identifier: MIT
"""The command line that the tests by liars have in common, and their rounds."""
import argparse
import time


def run(doc, roles, step, play):
    """Plays rounds, taking turns in the roles, until each had one and --seconds
    are over. play(role, seed, n) returns what is to be said of it; step: how many
    seeds it uses."""
    parser = argparse.ArgumentParser(description=doc)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 10**9)
    parser.add_argument("--seconds", type=float, default=0)
    parser.add_argument("--round", type=int, default=300)
    parser.add_argument("roles", nargs="*", metavar="ROLE")
    args = parser.parse_args()
    roles = args.roles or roles
    seed, end, n = args.seed, time.monotonic() + args.seconds, 0
    print(f"seed {seed}", flush=True)
    while n < len(roles) or time.monotonic() < end:
        role = roles[n % len(roles)]
        try:
            said = play(role, seed, args.round)
        except BaseException:
            print(f"FAIL: --seed {seed} {role}", flush=True)
            raise
        print(f"{role}, seed {seed}: {said}", end="", flush=True)
        seed, n = seed + step, n + 1
