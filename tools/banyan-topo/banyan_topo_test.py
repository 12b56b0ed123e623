# SPDX-License-Identifier: Apache-2.0
"""Runs banyan-topo as a user would. Usage: banyan_topo_test.py TOOL TOPOLOGIES."""
import json
import os
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

TOOL, TOPOLOGIES = sys.argv[1:3]


def run(*arguments, **environment):
    return subprocess.run([TOOL, *arguments], capture_output=True, text=True, timeout=60,
                          env={**os.environ, **environment})


class BanyanTopo(unittest.TestCase):
    def expect_output(self, *arguments, **environment):
        done = run(*arguments, **environment)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout

    def test_help_has_examples(self):
        self.assertIn("banyan-topo --synthetic", self.expect_output("--help"))

    def test_this_host_as_text_and_json(self):
        self.assertIn("1 rank on 1 host", self.expect_output())
        graph = json.loads(self.expect_output("--format", "json"))
        self.assertEqual(graph["format"], "banyan-topology-1")
        self.assertEqual(len(graph["ranks"]), 1)

    def test_host_id_and_interface_come_from_the_environment(self):
        graph = json.loads(self.expect_output("--format", "json", BANYAN_HOST_ID="me", BANYAN_INTERFACE="lo"))
        keys = [vertex["key"] for vertex in graph["vertices"]]
        self.assertIn("host:me/nic:lo", keys)

    def test_formats_of_a_description(self):
        description = ["--synthetic", "2:[2,1] nic=10gbit"]
        self.assertIn("10 Gbit/s", self.expect_output(*description))
        self.assertIn("0     X D R", self.expect_output(*description, "--format", "matrix"))
        picture = xml.etree.ElementTree.fromstring(self.expect_output(*description, "--format", "svg"))
        self.assertTrue(picture.tag.endswith("svg"))

    def test_json_file_comes_back_equal(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "t.json")
            self.expect_output("--synthetic", "3:2 racks=3 uplink=1gbit", "--format", "json", "-o", path)
            with open(path, encoding="utf-8") as file:
                self.assertEqual(self.expect_output("--file", path, "--format", "json"), file.read())

    def test_every_recorded_file_checks(self):
        for name in sorted(os.listdir(TOPOLOGIES)):
            if not name.startswith("hwloc-"):
                output = self.expect_output("--check", "--file", os.path.join(TOPOLOGIES, name))
                self.assertTrue(output.startswith("valid: "), name)

    def test_ranks_without_a_launcher_is_one_rank(self):
        clean = {name: value for name, value in os.environ.items()
                 if not name.startswith(("OMPI_", "PMI", "SLURM_", "RANK", "WORLD_SIZE"))}
        done = subprocess.run([TOOL, "--ranks"], capture_output=True, text=True, timeout=60, env=clean)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("1 rank on 1 host", done.stdout)

    def test_failures_exit_1_with_the_cause(self):
        for arguments, cause in [(["--file", "/nonexistent"], "/nonexistent"),
                                 (["--synthetic", "2:"], ":1:3"),
                                 (["--synthetic", "1:1", "-o", "/nonexistent/x"], "/nonexistent/x")]:
            done = run(*arguments)
            self.assertEqual(done.returncode, 1, arguments)
            self.assertIn(cause, done.stderr)
            self.assertEqual(done.stdout, "")

    def test_wrong_options_exit_2(self):
        for arguments in [["--nonsense"], ["--format", "png"], ["stray"], ["--file", "a", "--synthetic", "1:1"]]:
            self.assertEqual(run(*arguments).returncode, 2, arguments)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
