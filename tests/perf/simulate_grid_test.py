#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What simulate_grid.py asks of banyan-sim for a point of mpi_compare, and what it says of the answer. Usage: simulate_grid_test.py"""
import contextlib
import io
import json
import os
import pathlib
import stat
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "perf" / "compare"))
import simulate_grid  # noqa: E402

# Stands for banyan-sim: takes 2 us a byte of --bytes, or 5 us, and writes down what it was asked.
PROGRAM = """#!{python}
import json, sys
asked = sys.argv[1:]
value = lambda name: asked[asked.index(name) + 1] if name in asked else None
with open({log!r}, "a") as log:
    log.write(json.dumps(asked) + "\\n")
seconds = 2e-6 * int(value("--bytes")) if value("--bytes") else 5e-6
json.dump({{"runs": [{{"simulated_s": 0, "per_exchange_s": seconds}}]}}, open(value("--json"), "w"))
sys.exit(value("--algorithm") == "bruck(2)")
"""
LAB = {"rails": 2, "burst_bytes": 4096, "nodes": [
    {"ranks": [0, 1], "nic": {"eth0": {"rate_bytes_per_s": 125000000}, "eth1": {"rate_bytes_per_s": 125000000}}},
    {"ranks": [2], "nic": {"eth0": {"rate_bytes_per_s": 250000000}, "eth1": {"rate_bytes_per_s": 250000000}}}]}  # fmt: skip


def candidate(name, median_s, algorithm):
    return {"name": name, "median_s": median_s, "exchanges_per_round": 7, "plan": {"algorithm": algorithm, "predicted_s": median_s}}


class SimulateGrid(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.log = self.folder / "log"
        self.program = self.folder / "program"
        self.program.write_text(PROGRAM.format(python=sys.executable, log=str(self.log)))
        self.program.chmod(self.program.stat().st_mode | stat.S_IXUSR)
        (self.folder / "some.lab.json").write_text(json.dumps(LAB))
        (self.folder / "some.profile.json").write_text("{}")

    def write(self, points):
        path = self.folder / "some.uniform.json"
        path.write_text(json.dumps({"format": "banyan-compare-1", "label": "some", "points": points}))
        return str(path)

    def run_main(self, *arguments):
        argv, sys.argv = sys.argv, ["simulate_grid.py", "--sim", str(self.program), "--jobs", "1", *arguments]
        out, err = io.StringIO(), io.StringIO()
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                return simulate_grid.main(), out.getvalue(), err.getvalue()
        finally:
            sys.argv = argv

    def test_machine_traffic_and_algorithm_are_those_of_the_point(self):
        path = self.write([
            {"size_bytes": 16, "kind": "uniform", "traffic": "uniform",
             "candidates": [candidate("openmpi:linear", 1, ""), candidate("banyan:direct", 32e-6, "direct")]},
            {"size_bytes": 64, "kind": "moe-v", "traffic": "moe,topk=2 seed 9", "candidates": [candidate("banyan:auto", 4e-6, "hierarchical(node)")]},
        ])  # fmt: skip
        rows = self.folder / "rows.json"
        status, text, _ = self.run_main(path, "--out", str(rows))
        self.assertEqual(status, 0)
        asked = [json.loads(line) for line in self.log.read_text().splitlines()]
        common = ["--synthetic", "2:[2,1] nic=[1000000000bit,2000000000bit] rails=2", "--profile",
                  str(self.folder / "some.profile.json"), "--burst", "4096", "--burst-s", "0.0001", "--gap-at-sender"]
        self.assertEqual([one[:len(common)] for one in asked], [common, common])
        self.assertEqual(asked[0][len(common):][:6], ["--bytes", "16", "--algorithm", "direct", "--exchanges", "7"])
        self.assertEqual(asked[1][len(common):][:8],
                         ["--gen", "moe:64,topk=2", "--seed", "9", "--algorithm", "hierarchical(node)", "--exchanges", "7"])
        errors = [row["error"] for row in json.loads(rows.read_text())["rows"]]
        self.assertAlmostEqual(errors[0], 0)
        self.assertAlmostEqual(errors[1], 0.25)
        self.assertIn("+25.0%", text)
        self.assertRegex(text, r"Banyan's choice +1 points: median +25.0%, p90 +25.0%  FAIL")

    def test_a_simulation_that_fails_is_an_error(self):
        path = self.write([{"size_bytes": 16, "kind": "uniform", "traffic": "uniform",
                            "candidates": [candidate("banyan:bruck(2)", 1, "bruck(2)")]}])  # fmt: skip
        status, _, err = self.run_main(path)
        self.assertEqual(status, 1)
        self.assertIn("bruck(2)", err)

    def test_nothing_to_compare_is_an_error(self):
        other = self.folder / "summary.json"
        other.write_text(json.dumps({"format": "banyan-grid-1"}))
        status, _, err = self.run_main(str(other), self.write([]))
        self.assertEqual(status, 1)
        self.assertIn("nothing to compare", err)


if __name__ == "__main__":
    os.umask(0o77)
    unittest.main()
