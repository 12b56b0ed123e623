#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs banyan-info, and checks that docs/environment.md lists exactly the variables that it lists.

usage: banyan_info_test.py PROGRAM SOURCE
"""
import json
import os
import re
import subprocess
import sys
import unittest

PROGRAM, SOURCE = sys.argv[1:3] if len(sys.argv) == 3 else ("", "")


def run(*options, **environment):
    clean = {name: value for name, value in os.environ.items() if not name.startswith("BANYAN_")}
    return subprocess.run([PROGRAM, *options], env={**clean, **environment}, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, check=False)


class BanyanInfo(unittest.TestCase):
    def test_json_has_all_parts(self):
        result = run("--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        document = json.loads(result.stdout)
        self.assertEqual(document["format"], "banyan-info-1")
        self.assertRegex(document["build"]["version"], r"^\d+\.\d+\.\d+")
        self.assertIn("shm", [transport["name"] for transport in document["transports"]])
        self.assertEqual(document["unknown"], [])
        self.assertTrue(all(variable["doc"] for variable in document["environment"]))

    def test_text_has_all_parts(self):
        result = run(BANYAN_LOG="warn")
        self.assertEqual(result.returncode, 0, result.stderr)
        for part in ("Build\n", "Transports\n", "Environment\n", "BANYAN_LOG\n", "here: warn\n"):
            self.assertIn(part, result.stdout)

    def test_unknown_variable_is_reported_with_the_nearest_name(self):
        result = run(BANYAN_TRANSPORT="shm")
        self.assertEqual(result.returncode, 1)
        self.assertIn("BANYAN_TRANSPORT is set but unknown; did you mean BANYAN_TRANSPORTS?", result.stdout)

    def test_secret_is_not_shown(self):
        for option in ([], ["--json"]):
            result = run(*option, BANYAN_JOB_SECRET="feedface")
            self.assertNotIn("feedface", result.stdout)
            self.assertIn("hidden", result.stdout)

    def test_help_and_version(self):
        self.assertIn("usage: banyan-info", run("--help").stdout)
        self.assertRegex(run("--version").stdout, r"^banyan \d+\.\d+\.\d+\n$")

    def test_wrong_option_is_refused(self):
        for option in ("--nonsense", "extra"):
            result = run(option)
            self.assertEqual(result.returncode, 2)
            self.assertIn("--help", result.stderr)
            self.assertEqual(result.stdout, "")

    def test_documentation_lists_exactly_these_variables(self):
        with open(os.path.join(SOURCE, "docs", "environment.md"), encoding="utf-8") as file:
            documented = re.findall(r"^\| `(BANYAN_\w+)` \|", file.read(), re.M)
        listed = [variable["name"] for variable in json.loads(run("--json").stdout)["environment"]]
        self.assertEqual(documented, listed)


if __name__ == "__main__":
    if not PROGRAM:
        sys.exit(__doc__)
    unittest.main(argv=sys.argv[:1])
