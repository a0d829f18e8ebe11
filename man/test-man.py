#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The public headers and the manual say the same.

Each function of the headers has a page of its own with its prototype and with
the errors that the comment above the prototype names; each page of a function
belongs to one that exists.

usage: test-man.py HEADER... PAGE...
"""
import os
import re
import sys

FUNCTION = re.compile(r"^[^\s#/*].*?\b(libxenvchan_\w+)\(([^;]*)\);", re.M)
ERRNO = re.compile(r"\bE(?!OF\b)[A-Z]{2,}\b")


def normal(text):
    """Words, and single spaces between them."""
    return " ".join(re.findall(r"\w+|\*", text))


def functions_of(header):
    """{name: (arguments, errors)}; functions in a row share a comment."""
    found = {}
    comment = ""
    for block in re.split(r"\n\n", header):
        text = re.match(r"\s*/\*.*?\*/", block, re.S)
        comment = text.group(0) if text else ""
        for name, arguments in FUNCTION.findall(block):
            found[name] = (normal(arguments), set(ERRNO.findall(comment)))
    return found


def arguments_of(page, name):
    """The arguments in the page's synopsis, as .Fn or as .Fo, .Fa, .Fc."""
    line = re.search(rf"^\.Fn {name} (.*)$", page, re.M)
    if line:
        return ", ".join(re.findall(r'"([^"]*)"', line.group(1)))
    block = re.search(rf"^\.Fo {name}\n(.*?)^\.Fc", page, re.M | re.S)
    if block:
        return ", ".join(re.findall(r'^\.Fa "(.*)"', block.group(1), re.M))
    return None


def compare(name, arguments, errors, page):
    shown = arguments_of(page, name)
    if shown is None:
        yield f"{name}.3 has no synopsis of {name}"
    elif normal(shown) != arguments:
        yield f"{name}.3: ({normal(shown)}), the header: ({arguments})"
    listed = set(re.findall(r"^\.It Bq Er (\w+)", page, re.M))
    for error in sorted(errors - listed):
        yield f"{name}.3 does not list {error}, which the header does"
    for error in sorted(listed - errors):
        yield f"{name}.3 lists {error}, which the header does not"


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def main(*paths):
    headers = [path for path in paths if path.endswith(".h")]
    functions = {}
    for path in headers:
        functions |= functions_of(read(path))
    pages = {os.path.basename(path): read(path)
             for path in paths if path not in headers}

    faults = []
    if len(functions) < 12:
        faults.append(f"only {len(functions)} functions in {headers}")
    for name, (arguments, errors) in functions.items():
        if f"{name}.3" in pages:
            faults += compare(name, arguments, errors, pages[f"{name}.3"])
        else:
            faults.append(f"{name} has no manual page")
    for page in pages:
        if page.startswith("libxenvchan_") and page[:-2] not in functions:
            faults.append(f"{page}: there is no such function")
    print("\n".join(faults))
    return 1 if faults else 0


sys.exit(main(*sys.argv[1:]))
