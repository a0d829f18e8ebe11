#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The examples of the functions' manual pages, and of migrating, compile.

An example is what a function would contain that has a vchan and a buffer:
`ctrl` and `buf`. Each page of an extension has one.

usage: test-snippets.py INCLUDE-DIRECTORY PAGE... -- COMPILER...
"""
import os
import re
import subprocess
import sys

PROGRAM = """\
#include <err.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <libxenvchan-ext.h>

int example(struct libxenvchan *ctrl);
int example(struct libxenvchan *ctrl)
{
	char buf[4096];

	(void)ctrl;
	(void)buf;
	{
%s
	}
	return 0;
}
"""
SECTION = re.compile(r"^\.Sh EXAMPLES\n(.*?)^\.Sh ", re.M | re.S)
BLOCK = re.compile(r"^\.Bd -literal[^\n]*\n(.*?)^\.Ed$", re.M | re.S)


def examples_of(page):
    section = SECTION.search(page)
    return BLOCK.findall(section.group(1)) if section else []


def compile_one(compiler, include, code):
    """What the compiler says against it."""
    code = code.replace("\\e", "\\").replace("\\-", "-")
    command = [*compiler, "-std=gnu17", "-Wall", "-Werror",
               "-Wno-implicit-fallthrough", "-fsyntax-only", "-I", include,
               "-x", "c", "-"]
    done = subprocess.run(command, input=PROGRAM % code, text=True,
                          capture_output=True, check=False)
    return done.stderr if done.returncode else ""


def main(include, *arguments):
    split = arguments.index("--")
    pages, compiler = arguments[:split], arguments[split + 1:]
    with open(os.path.join(include, "libxenvchan-ext.h"),
              encoding="utf-8") as file:
        extensions = set(re.findall(r"\b(libxenvchan_\w+)\(struct|"
                                    r"\*(libxenvchan_connect)\(", file.read()))
    wanted = {a or b for a, b in extensions}

    faults = []
    for path in pages:
        name = os.path.basename(path)[:-2]
        with open(path, encoding="utf-8") as file:
            examples = examples_of(file.read())
        if not examples and name in wanted:
            faults.append(f"{name}.3 has no example")
        if name.startswith(("libxenvchan_", "xenvchan-migrating")):
            faults += [f"{os.path.basename(path)}: {wrong}" for code in examples
                       if (wrong := compile_one(compiler, include, code))]
    print("\n".join(faults))
    return 1 if faults else 0


sys.exit(main(*sys.argv[1:]))
