#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The judge of the token exchange: each bar passes at its edge and fails below it, and nothing unmeasured passes."""

import contextlib
import io
import json
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "perf" / "compare"))

import summarize_dispatch  # noqa: E402


def point(**changes):
    """A point that passes every bar but the targets'."""
    quotient = changes.pop("quotient", 1.01)
    rows = changes.pop("wire_rows", 300)
    used_as = changes.pop("used_as", "auto: node")
    result = {
        "layer": {"tokens": 512}, "banyan": "banyan:auto", "best_mpi": "openmpi:pairwise", "speedup": 3.5,
        "bound_share": 0.9, "exchange_bound_share": 0.92, "wire_quotient": quotient, "wrong_elements": 0,
        "ways": [{"name": "banyan:auto", "used_as": used_as, "wire_rows": rows, "wire_quotient": quotient,
                  "facts": {"inter_host_rows": 300, "bound_s": {"dispatch": 0.2, "combine": 0.2}},
                  "step_s": {"median": 0.45, "p99": 0.5}},
                 {"name": "openmpi:pairwise", "step_s": {"median": 1.5, "p99": 1.6}}],
    }  # fmt: skip
    return result | changes


def run(label, *points, **changes):
    return {"format": "banyan-dispatch-1", "label": label, "ranks": 16, "environment": {"cores": 32}, "points": list(points)} | changes


class JudgeTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def run_on(self, *contents):
        """(exit status, stdout, the summary file's content)."""
        paths = []
        for index, content in enumerate(contents):
            path = pathlib.Path(self.folder.name) / f"{index}.json"
            path.write_text(content if isinstance(content, str) else json.dumps(content))
            paths.append(str(path))
        summary = pathlib.Path(self.folder.name) / "summary.json"
        out = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
            status = summarize_dispatch.main([*paths, "--out", str(summary)])
        return status, out.getvalue(), json.loads(summary.read_text())

    def status(self, label, **changes):
        return self.run_on(run(label, point(**changes)))[0]

    def test_all_bars_reached_pass(self):
        status, text, summary = self.run_on(run("4x4", point()), run("2x8", point()))
        self.assertEqual(status, 0)
        self.assertIn("cases passed: 2 of 2; wrong elements: 0", text)
        self.assertIn("not measured: 4x4-small", text)
        self.assertEqual((summary["passed"], summary["with_bar"]), (2, 2))
        for shown in ("openmpi:pairwise", "1500.00", "450.00", "auto: node", "3.50", "400.00", "90.0", "1.010"):
            self.assertIn(shown, text)

    def test_speedups_are_of_their_case(self):
        self.assertEqual([self.status("4x4", speedup=x) for x in (1.9, 1.89)], [0, 1])
        self.assertEqual([self.status("2x8", speedup=x) for x in (3.0, 2.99)], [0, 1])
        self.assertEqual([self.status("4x4-small", speedup=x, bound_share=0.1, quotient=1.2) for x in (2.0, 1.99)], [0, 1])
        self.assertEqual(self.status("racks", speedup=0.5), 0)

    def test_the_bound_share_is_of_the_whole_step(self):
        for case in ("4x4", "2x8", "7+8", "racks", "quarter", "odd-experts", "uneven-experts", "replicas", "zero-ranks", "strided"):
            self.assertEqual([self.status(case, bound_share=x) for x in (0.85, 0.849)], [0, 1], case)

    def test_wire_bytes_are_the_formula_and_protocol(self):
        self.assertEqual([self.status("4x4", quotient=x) for x in (1.0, 1.03, 1.031, 0.999, 0, None)], [0, 0, 1, 1, 1, 1])

    def test_rows_by_host_are_those_that_the_gate_asks_for(self):
        self.assertEqual(self.status("4x4", wire_rows=301), 1)
        self.assertEqual(self.status("racks", wire_rows=301, used_as="auto: tier"), 0)

    def test_targets_must_be_fast_and_as_predicted(self):
        def targets(measured, predicted):
            return self.status("targets", targets={"measured_speedup": measured, "predicted_speedup": predicted})

        self.assertEqual([targets(2.8, 3.0), targets(2.56, 3.0), targets(2.54, 3.0), targets(2.5, 2.5)], [0, 0, 1, 0])
        self.assertEqual([targets(2.49, 2.5), targets(3.5, 3.0), targets(0, 3.0), targets(3.0, 0)], [1, 1, 1, 1])
        self.assertEqual(self.status("targets"), 1)

    def test_wrong_sums_fail_any_case(self):
        status, text, _ = self.run_on(run("other", point(wrong_elements=2)))
        self.assertEqual(status, 1)
        self.assertIn("WRONG", text)

    def test_a_case_without_bars_is_shown_and_passes(self):
        self.assertEqual(self.status("other", speedup=0.1, bound_share=0.1), 0)

    def test_what_cannot_be_read_fails(self):
        for other in ("{", "[]", {"format": "else"}, run("4x4")):
            self.assertEqual(self.run_on(run("4x4", point()), other)[0], 1, other)
        self.assertEqual(self.run_on()[0], 1)

    def test_figures_that_are_missing_fail_their_bar(self):
        self.assertEqual(self.run_on(run("4x4", {"layer": {}}))[0], 1)

    def test_too_few_cores_are_said(self):
        _, text, _ = self.run_on(run("4x4", point(), environment={"cores": 2}, warning="only its default"))
        self.assertIn("16 ranks on 2 cores", text)
        self.assertIn("only its default", text)


if __name__ == "__main__":
    unittest.main()
