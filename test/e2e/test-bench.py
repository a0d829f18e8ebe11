#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""xenchan vchan bench: what it moves arrives, what it prints is complete.

No time and no speed is looked at: only what is exact.
"""
import json
import os
import signal
import subprocess
import sys
import tempfile

XENCHAN = os.environ["XENCHAN"]
OTHER = "/usr/lib/x86_64-linux-gnu/libxenvchan.so.4.17"
QUICK = ["--no-fifo", "-n", "1", "-t", "1ms"]


def bench(*arguments, status=0, **more):
    done = subprocess.run([XENCHAN, "vchan", "bench", *arguments], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=120, **more)
    assert done.returncode == status, (arguments, done)
    return done


def every_contender_moves_every_byte():
    who = ["ours", "pipe", "unix", "seqpacket", "tcp", "ideal",
           "own-lines", "one-line"]
    if os.path.exists(OTHER):
        who += [OTHER, f"ours:{OTHER}", f"{OTHER}:ours"]
    modes = ["stream", "inplace", "latency"]
    out = bench("-c", ",".join(who), "-m", ",".join(modes), "-s", "1000",
                "-r", "16K", "--json", *QUICK)
    told = json.loads(out.stdout)
    assert len(told["results"]) == len(who) * len(modes)
    for r in told["results"]:
        if r["mode"] == "inplace" and r["contender"] in who[1:8]:
            assert r["unable"] == "-"
            continue
        assert "unable" not in r, r
        assert r["gb_per_s"]["median"] > 0 and r["rounds"] >= 1, r
        if r["mode"] == "latency":
            q = r["latency_ns"]
            assert 0 < q["p50"] <= q["p99"] <= q["p99.99"] <= q["max"], r


def events_and_calls_are_counted_for_any_library():
    who = "ours@0," + OTHER if os.path.exists(OTHER) else "ours@0"
    out = bench("-c", who, "-m", "latency", "-s", "64", "--json",
                "--cpu", str(min(os.sched_getaffinity(0))), *QUICK)
    for r in json.loads(out.stdout)["results"]:
        # Each message wakes the other end at most once; set-up leaves a few.
        events = r["events_per_message"]["median"]
        assert 0 < events <= 2.5, r
        # An event is a call, and so are taking it and unmasking the port.
        assert r["syscalls_per_message"]["median"] > 2 * events, r


def a_message_larger_than_the_ring_is_no_packet():
    out = bench("-c", "ours", "-m", "packet", "-s", "64K", "-r", "4K",
                "--json", *QUICK)
    assert json.loads(out.stdout)["results"][0]["unable"] == "-"


def it_measures_between_domains_that_are_there():
    xenhost = os.environ["XENHOST"]
    with tempfile.TemporaryDirectory() as d:
        def run(domain, *arguments):
            return [xenhost, "--dir", d + "/h", "run", "-d", str(domain), "--",
                    XENCHAN, "vchan", "bench", "-c", "ours,ours@0",
                    "-r", "4K,16K", *QUICK, *arguments]

        for words in (["up"], ["create", "1"], ["create", "2"]):
            subprocess.run([xenhost, "--dir", d + "/h", *words], check=True,
                           stdout=subprocess.DEVNULL)
        try:
            with subprocess.Popen(run(1, "--serve", "-d", "2", "data/b")) as s:
                out = subprocess.run(run(2, "-d", "1", "-s", "64", "--json",
                                         "data/b"), timeout=120, check=True,
                                     stdout=subprocess.PIPE)
                assert s.wait(60) == 0
            results = json.loads(out.stdout)["results"]
            assert len(results) == 2 * 2 * 2
            assert not any("unable" in r for r in results)
        finally:
            subprocess.run([xenhost, "--dir", d + "/h", "down"], check=True)


def the_table_names_all_and_a_plot_is_drawn_or_refused():
    with tempfile.TemporaryDirectory() as d:
        plot = os.path.join(d, "plot.svg")
        have = any(os.access(os.path.join(p, "gnuplot"), os.X_OK)
                   for p in os.environ["PATH"].split(":"))
        out = bench("-c", "ours,pipe", "-s", "64", "--plot", plot, *QUICK,
                    status=0 if have else 1)
        if not have:
            assert "gnuplot" in out.stderr
            return
        assert "<svg" in open(plot, encoding="utf-8").read()
        for word in ("stream", "latency", "ours", "pipe", "set-up"):
            assert word in out.stdout, out.stdout


def without_gnuplot_it_says_so_before_it_measures():
    out = bench("-c", "pipe", "--plot", "/nonexistent", status=1,
                env={"PATH": "/nonexistent"})
    assert "gnuplot" in out.stderr and not out.stdout


def a_file_that_is_no_libxenvchan_is_refused():
    out = bench("-c", "/etc/passwd", "-s", "64", *QUICK, status=1)
    assert "passwd" in out.stderr
    bench("-c", "/nonexistent", status=2)


def an_end_whose_other_end_cannot_start_is_ended():
    libc = next(line.split()[-1] for line in open("/proc/self/maps")
                if "libc.so" in line or "libc-" in line)
    for who in (f"{libc}:ours", f"ours:{libc}"):
        out = bench("-c", who, "-m", "stream", "-s", "64", *QUICK, status=1)
        assert "not a libxenvchan" in out.stderr, out


def a_signal_leaves_nothing_behind():
    with tempfile.TemporaryDirectory() as d:
        with subprocess.Popen([XENCHAN, "vchan", "bench", "-c", "ours",
                               "--no-fifo", "-n", "100"],
                              env=os.environ | {"TMPDIR": d},
                              stdout=subprocess.PIPE) as b:
            b.stdout.readline()  # the host is there
            b.send_signal(signal.SIGTERM)
            assert b.wait(60) == 128 + signal.SIGTERM
        assert not os.listdir(d), os.listdir(d)


TESTS = [every_contender_moves_every_byte,
         events_and_calls_are_counted_for_any_library,
         a_message_larger_than_the_ring_is_no_packet,
         it_measures_between_domains_that_are_there,
         the_table_names_all_and_a_plot_is_drawn_or_refused,
         without_gnuplot_it_says_so_before_it_measures,
         a_file_that_is_no_libxenvchan_is_refused,
         an_end_whose_other_end_cannot_start_is_ended,
         a_signal_leaves_nothing_behind]

if __name__ == "__main__":
    for test in TESTS:
        print(test.__name__.replace("_", " "), flush=True)
        test()
    sys.exit(0)
