#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs banyan-profile as a user would. Usage: banyan_profile_test.py TOOL PROFILES."""
import json
import os
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

TOOL, PROFILES = sys.argv[1:3]
SAMPLE = os.path.join(PROFILES, "two_hosts.json")
LAUNCHER = ("OMPI_", "PMIX_", "PMI_", "SLURM_", "BANYAN_")
TORCHRUN = {"RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"}


def run(*arguments):
    clean = {k: v for k, v in os.environ.items() if not k.startswith(LAUNCHER) and k not in TORCHRUN}
    return subprocess.run([TOOL, *arguments], env=clean, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=100, check=False)


class BanyanProfile(unittest.TestCase):
    def expect_output(self, *arguments):
        done = run(*arguments)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout

    def test_help_has_examples(self):
        self.assertIn("mpirun -n 16 banyan-profile -o profile.json", self.expect_output("--help"))

    def test_a_file_is_shown_as_tables_json_and_svg(self):
        self.assertIn("node1      2  11.9 MB/s", self.expect_output("--file", SAMPLE))
        shown = json.loads(self.expect_output("--file", SAMPLE, "--format", "json"))
        with open(SAMPLE, encoding="utf-8") as file:
            self.assertEqual(shown, json.load(file))
        picture = xml.etree.ElementTree.fromstring(self.expect_output("--file", SAMPLE, "--format", "svg"))
        self.assertTrue(picture.tag.endswith("svg"))

    def test_one_rank_measures_copies_and_writes_what_it_reads_back(self):
        with tempfile.TemporaryDirectory() as folder:
            path, picture = os.path.join(folder, "p.json"), os.path.join(folder, "p.svg")
            text = self.expect_output("--budget", "0.2", "--output", path, "--svg", picture)
            self.assertIn("Profile of 1 rank on 1 host", text)
            self.assertEqual(self.expect_output("--file", path), text)
            xml.etree.ElementTree.parse(picture)

    def test_progress_is_lines_where_there_is_no_terminal(self):
        done = run("--budget", "0.2", "--progress")
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stderr, r"^banyan-profile: 0/1 copy, \d+ s left\nbanyan-profile: 1/1 done, 0 s left\n$")

    def test_wrong_options_are_refused(self):
        for arguments in (["--nonsense"], ["extra"], ["--format", "png"], ["--budget", "0"], ["--budget", "x"],
                          ["--file", SAMPLE, "--resume", "r"]):
            done = run(*arguments)
            self.assertEqual(done.returncode, 2, arguments)
            self.assertIn("--help", done.stderr)
            self.assertEqual(done.stdout, "")

    def test_broken_and_missing_files_are_named(self):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            file.write("{\"format\": \"banyan-profile-1\"}")
            file.flush()
            done = run("--file", file.name)
        self.assertEqual(done.returncode, 1)
        self.assertIn("created: is missing", done.stderr)
        done = run("--file", "/nonexistent.json")
        self.assertEqual(done.returncode, 1)
        self.assertIn("/nonexistent.json", done.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
