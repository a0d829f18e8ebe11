#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Each ordering in the sources is one that the models take away.

An acquire, release, fence or read-modify-write that no scenario meets would be
needed by nothing that is tested: it needs a scenario, or a reason here.

usage: test-sites.py SOURCES MODEL...
"""
import pathlib
import re
import subprocess
import sys

FOLDERS = "shm", "vchan", "console", "backend", "guest"
# What compiles into these; shm.h is where the operations themselves are.
WITHOUT = "shm/shm.h",

ORDERED = re.compile(
    r"\b(shm_(load_acquire|store_release|publish|fence|try)\w*"
    r"|(__atomic|atomic)_(thread|signal)_fence)\s*\("
    r"|__ATOMIC_(ACQUIRE|RELEASE|ACQ_REL|SEQ_CST)")

# (file, function): why no model takes it away
EXCEPTIONS = {
    ("vchan/notify.c", "vchan_tell_asked"):
        "where the event could not be sent: the question is put again; the "
        "operation has no weaker form",
    ("vchan/server.c", "fill_page"):
        "nobody knows the page before its nodes are written, by system calls",
    ("vchan/clients.c", "go_by_page"):
        "for a writer, while another thread decides by the acquire of decide(), "
        "which scenarios meet",
    ("vchan/stats.c", "file_give_slot"):
        "counters, read by other programs: no byte of a vchan depends on them",
    ("vchan/stats.c", "vchan_stats_open"):
        "as file_give_slot()",
    ("backend/spool.c", "spool_publish"):
        "for the compiler alone: test-channel-move.c dies after each instruction",
    ("backend/spool.c", "start_afresh"):
        "a file that is made but not yet used: test-channel-move.c",
    ("backend/own-socket.c", "in_order"):
        "for the compiler alone: test-own-socket-deaths.c",
}

FUNCTION = re.compile(r"^(?!\s|#|struct .*;)[\w\s*,()]*?\b(\w+)\(")


def without_comments(text):
    return re.sub(r"/\*.*?\*/", lambda m: re.sub(r"[^\n]", " ", m[0]), text,
                  flags=re.S)


def sites(path):
    """(function, first line, last line) of each statement with an ordering"""
    function, lines = None, without_comments(path.read_text()).splitlines()
    for i, line in enumerate(lines):
        begins = FUNCTION.match(line)
        if begins:
            function = begins[1]
        elif ORDERED.search(line):
            last = i
            while not re.search(r"[;{)]\s*$", lines[last]):
                last += 1
            yield function, i + 1, last + 1


def met_by(models):
    """{(path below src/, line)}"""
    met = set()
    for model in models:
        out = subprocess.run([model, "sites"], check=True, text=True,
                             stdout=subprocess.PIPE).stdout
        for row in out.splitlines():
            path, line, _ = row.split("\t")
            met.add((path.split("/src/")[-1], int(line)))
    return met


def main(source, *models):
    met, used, n, failed = met_by(models), set(), 0, False
    root = pathlib.Path(source, "src")
    for path in sorted(p for f in FOLDERS for p in (root / f).glob("*.[ch]")):
        name = str(path.relative_to(root))
        if path.name.startswith("test-") or name in WITHOUT:
            continue
        for function, first, last in sites(path):
            n += 1
            if any((name, x) in met for x in range(first, last + 1)):
                continue
            used.add((name, function))
            if (name, function) not in EXCEPTIONS:
                print(f"{name}:{first}: {function}(): no scenario meets this")
                failed = True
    for name, function in EXCEPTIONS.keys() - used:
        print(f"{name}: {function}(): the exception excepts nothing")
        failed = True
    print(f"{n} orderings, {len(used)} functions excepted")
    return failed or not n


sys.exit(main(*sys.argv[1:]))
