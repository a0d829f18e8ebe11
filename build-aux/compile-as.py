#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compiles a build's sources with another compiler, or for another processor.

Nothing is linked, nor kept: there is no libxen for musl, nor for i386. Warnings
are errors.

usage: compile-as.py musl|i386 BUILD
"""

import concurrent.futures
import json
import os
import pathlib
import shlex
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent

# What is compiled, and by what. The emulated host and the tests may use what only
# glibc has, as strerrorname_np() and preadv2(); what is installed may not.
TARGETS = {
    "musl": (["musl-gcc"], ("src/",), ("src/xenhost/", "/test-")),
    "i386": (["gcc", "-m32", "-Wno-psabi"], ("src/", "model/", "fuzz/", "test/"), ()),
}

# Headers that depend on no C library, but are where glibc's are.
HEADERS = ("cap-ng.h", "json-c", "linux", "asm-generic", "uthash.h", "uv", "uv.h",
           "xen", "xenctrl.h", "xencall.h", "xendevicemodel.h", "xenevtchn.h",
           "xenforeignmemory.h", "xengnttab.h", "xenstore.h", "xenstore_lib.h",
           "xentoolcore.h", "xentoollog.h", "x86_64-linux-gnu/asm")


def commands(build):
    for c in json.loads((build / "compile_commands.json").read_text()):
        source = os.path.normpath(os.path.join(c["directory"], c["file"]))
        yield os.path.relpath(source, ROOT), c["directory"], shlex.split(c["command"])


def options(command):
    """Those that say what is compiled, without those that say where to."""
    words = iter(command[1:])
    for word in words:
        if word in ("-o", "-MQ", "-MF"):
            next(words)
        elif word not in ("-c", "-MD", "-g"):
            yield word


def sources(build, folders, without):
    done = set()
    for source, directory, command in commands(build):
        if (source.endswith(".c") and source.startswith(folders) and
                not any(w in source for w in without) and source not in done):
            done.add(source)
            yield source, directory, list(options(command))


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in TARGETS:
        sys.exit(__doc__)
    compiler, folders, without = TARGETS[sys.argv[1]]
    with tempfile.TemporaryDirectory() as include:
        for name in HEADERS:
            os.symlink(f"/usr/include/{name}", f"{include}/{os.path.basename(name)}")

        def compile_one(job):
            source, directory, words = job
            command = [*compiler, *words, "-Werror", "-fsyntax-only",
                       "-idirafter", include]
            return subprocess.run(command, cwd=directory).returncode == 0

        jobs = list(sources(pathlib.Path(sys.argv[2]), folders, without))
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            n_good = sum(pool.map(compile_one, jobs))
    print(f"{n_good} of {len(jobs)} sources compile")
    return 0 if jobs and n_good == len(jobs) else 1


if __name__ == "__main__":
    sys.exit(main())
