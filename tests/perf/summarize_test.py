#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The sweep's summary: bars and predictions are counted right, odd files are named, zeros do no harm."""

import contextlib
import io
import json
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "perf" / "compare"))

import summarize_sweep  # noqa: E402


def point(passed, predicted_ratio, wrong=0, best="openmpi:linear"):
    return {
        "size_bytes": 512, "kind": "uniform", "best_mpi": best, "bound_s": 197e-6,
        "predicted_ratio": predicted_ratio, "wrong_bytes": wrong,
        "verdict": {"passed": passed, "speedup": 1.5, "bound_share": 0.9, "bar": {"speedup": 1.4}},
        "candidates": [{"name": "openmpi:linear", "median_s": 330e-6, "rounds_s": [330e-6, 320e-6, 345e-6]},
                       {"name": "mpich:brucks", "median_s": 310e-6, "rounds_s": [310e-6]},
                       {"name": "banyan:auto", "median_s": 220e-6, "rounds_s": [220e-6], "plan": {"algorithm": "hierarchical(rail)"}}],
    }  # fmt: skip


class SummarizeTest(unittest.TestCase):
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
            status = summarize_sweep.main([*paths, "--out", str(summary)])
        return status, out.getvalue(), json.loads(summary.read_text())

    def file(self, *points):
        return {"format": "banyan-compare-1", "label": "4x4-1g", "points": list(points)}

    def test_counts_bars_and_predictions(self):
        status, text, summary = self.run_on(self.file(point(True, 1.2), point(False, 1.3)), self.file(point(True, 0.8)))
        self.assertEqual(status, 0)
        self.assertIn("bars passed: 2 of 3; predicted within 25 %: 2 of 3; wrong bytes: 0", text)
        self.assertEqual(summary["totals"]["points"], 3)
        self.assertFalse(summary["totals"]["prediction_bar_passed"])

    def test_rows_show_both_libraries(self):
        _, text, _ = self.run_on(self.file(point(True, 1.0)))
        for cell in ("4x4-1g", "330.0", "345.0", "openmpi:linear", "220.0", "1.50", "197.0", "90.0", "pass", "hierarchical(rail)"):
            self.assertIn(cell, text)

    def test_the_best_mpi_may_be_either(self):
        _, text, summary = self.run_on(self.file(point(True, 1.0, best="mpich:brucks"), point(True, 1.0)))
        self.assertIn("310.0", text)
        self.assertIn("mpich:brucks", text)
        self.assertIn("MPICH took part at 2 points and was the best MPI at 1", text)
        self.assertEqual(summary["totals"]["mpich_best"], 1)

    def test_files_from_before_mpich_took_part_are_read(self):
        old = point(True, 1.0)
        old["best_openmpi"] = old.pop("best_mpi")
        del old["candidates"][1]
        _, text, summary = self.run_on(self.file(old))
        self.assertIn("openmpi:linear", text)
        self.assertEqual(summary["totals"]["with_mpich"], 0)

    def test_wrong_bytes_fail(self):
        status, text, _ = self.run_on(self.file(point(True, 1.0, wrong=3)))
        self.assertEqual(status, 1)
        self.assertIn("WRONG", text)

    def test_other_files_fail_but_the_rest_is_shown(self):
        for other in ("{", "[]", {"format": "else"}, {"format": "banyan-compare-1"}):
            status, text, summary = self.run_on(self.file(point(True, 1.0)), other)
            self.assertEqual((status, summary["totals"]["points"]), (1, 1))
            self.assertIn("4x4-1g", text)

    def test_points_without_figures_show_dashes(self):
        status, text, _ = self.run_on(self.file({}, {"candidates": [{"name": "banyan:auto", "median_s": 0}]}))
        self.assertEqual(status, 0)
        self.assertIn("bars passed: 0 of 0; predicted within 25 %: 0 of 0", text)


if __name__ == "__main__":
    unittest.main()
