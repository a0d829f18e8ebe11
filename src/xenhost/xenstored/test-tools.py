#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The distribution's xenstore-* tools, unmodified, on the emulated host.

usage: test-tools.py TEST-SERVER
"""
import os
import subprocess
import sys
import tempfile
import unittest

SERVER = sys.argv.pop(1)
PATIENCE = 30


class Tools(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.server = subprocess.Popen(
            [SERVER, self.dir.name], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True, bufsize=1)
        self.assertEqual(self.server.stdout.readline(), "ok\n")
        self.command("home", 1)
        self.command("home", 2)

    def tearDown(self):
        self.server.stdin.close()
        self.assertEqual(self.server.wait(PATIENCE), 0)
        self.server.stdout.close()
        self.dir.cleanup()

    def command(self, *words):
        print(*words, file=self.server.stdin)
        self.assertEqual(self.server.stdout.readline(), "ok\n")

    def start(self, domid, tool, *args):
        env = dict(os.environ, XENSTORED_PATH=f"{self.dir.name}/{domid}")
        return subprocess.Popen(["xenstore-" + tool, *args], env=env,
                                stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)

    def run_tool(self, domid, tool, *args):
        """(exit code, output, errors)"""
        process = self.start(domid, tool, *args)
        out, err = process.communicate(timeout=PATIENCE)
        return process.returncode, out, err

    def ok(self, domid, tool, *args):
        code, out, err = self.run_tool(domid, tool, *args)
        self.assertEqual((code, err), (0, ""), (tool, *args))
        return out

    def refused(self, domid, tool, *args):
        code, out, err = self.run_tool(domid, tool, *args)
        self.assertNotEqual(code, 0, (tool, *args))
        self.assertEqual(out, "")
        return err

    def test_a_new_host_has_the_nodes_of_a_new_xenstored(self):
        self.assertEqual(
            self.ok(0, "ls", "-fp", "/tool"), "/tool/xenstored = \"\"   (n0)\n")
        self.assertEqual(
            self.ok(0, "ls", "-fp", "/local/domain/1"),
            "/local/domain/1/data = \"\"   (n1)\n")

    def test_what_is_written_can_be_read_by_relative_and_absolute_path(self):
        self.ok(1, "write", "data/x", "first", "data/y/z", "second")
        self.assertEqual(self.ok(1, "read", "data/x"), "first\n")
        self.assertEqual(
            self.ok(0, "read", "/local/domain/1/data/y/z"), "second\n")
        self.assertEqual(self.ok(1, "list", "data"), "x\ny\n")
        self.ok(1, "exists", "data/y")
        self.refused(1, "exists", "data/none")

    def test_a_guest_lets_one_other_read(self):
        self.ok(1, "write", "data/x", "secret")
        path = "/local/domain/1/data/x"
        self.refused(2, "read", path)
        self.ok(1, "chmod", "data/x", "n1", "r2")
        self.assertEqual(self.ok(2, "read", path), "secret\n")
        self.refused(2, "write", path, "mine")
        self.refused(2, "chmod", path, "n2")
        self.assertIn("(n1,r2)", self.ok(1, "ls", "-fp", "data"))

    def test_chmod_recurses(self):
        self.ok(1, "write", "data/a/b/c", "deep")
        self.ok(1, "chmod", "-r", "data/a", "n1", "r2")
        self.assertEqual(
            self.ok(2, "read", "/local/domain/1/data/a/b/c"), "deep\n")

    def test_rm_removes_what_is_below_and_tidy_what_is_empty_above(self):
        self.ok(1, "write", "data/a/b/c", "1")
        self.ok(1, "rm", "data/a/b")
        self.refused(1, "exists", "data/a/b/c")
        self.ok(1, "exists", "data/a")
        self.ok(0, "write", "/x/y/z", "1")
        self.ok(0, "rm", "-t", "/x/y/z")
        self.refused(0, "exists", "/x")

    def watch(self, domid, count, *paths):
        """Starts a watch and waits until it is set."""
        process = self.start(domid, "watch", "-n", str(count + len(paths)),
                             *paths)
        for path in paths:
            self.assertEqual(process.stdout.readline(), path + "\n")
        return process

    def test_watches_tell_of_writes_removals_and_permissions(self):
        watch = self.watch(1, 4, "data")
        self.ok(1, "write", "data/x", "1")
        self.ok(1, "chmod", "data/x", "n1", "r2")
        self.ok(0, "write", "/local/domain/1/data/x", "2")
        self.ok(1, "rm", "data/x")
        out, _ = watch.communicate(timeout=PATIENCE)
        self.assertEqual(out, "data/x\n" * 4)

    def test_a_watch_on_what_one_may_not_read_stays_silent(self):
        self.ok(1, "write", "data/x", "1")
        watch = self.watch(2, 1, "/local/domain/1/data", "data")
        self.ok(1, "write", "data/x", "2")
        self.ok(2, "write", "data/sign", "")
        out, _ = watch.communicate(timeout=PATIENCE)
        self.assertEqual(out, "data/sign\n")

    def test_the_death_of_a_domain_is_told_to_who_may_know(self):
        self.refused(1, "chmod", "@releaseDomain", "n0", "r1")
        self.ok(0, "chmod", "@releaseDomain", "n0", "r1")
        toolstack = self.watch(0, 1, "@releaseDomain")
        guest = self.watch(1, 1, "@releaseDomain")
        self.command("destroy", 2)
        for process in (toolstack, guest):
            out, _ = process.communicate(timeout=PATIENCE)
            self.assertEqual(out, "@releaseDomain\n")
        self.refused(0, "exists", "/local/domain/2/data")

    def test_hundreds_of_long_names_are_listed(self):
        names = [f"{n:064}" for n in range(200)]
        for n in range(0, 200, 50):
            pairs = [w for name in names[n:n + 50] for w in ("/l/" + name, "")]
            self.ok(0, "write", *pairs)
        self.assertEqual(self.ok(0, "list", "/l").split(), names)

    def test_an_injected_fault_is_what_the_tool_sees(self):
        self.command("fault", 1, "read", 28)
        self.refused(1, "read", "data")
        self.command("fault", 1, "read", 0)
        self.ok(1, "read", "data")


if __name__ == "__main__":
    unittest.main()
