#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The grid's summary: regret, speed-ups and predictions are counted right, odd files are named."""

import contextlib
import io
import json
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "perf" / "compare"))

import missed_points  # noqa: E402
import summarize_grid  # noqa: E402


def point(auto_s, others_s, mpi_s=300e-6, bound_s=90e-6, predicted=1.0, share=0.2, wrong=0, kind="uniform"):
    """Banyan's choice is "direct" and took auto_s; others_s: its algorithms by name."""
    ours = [{"name": "banyan:auto", "median_s": auto_s, "plan": {"algorithm": "direct"}}]
    ours += [{"name": f"banyan:{name}", "median_s": time_s, "plan": {"algorithm": name}} for name, time_s in others_s.items()]
    return {
        "traffic": "moe seed 1", "kind": kind, "best_mpi": "openmpi:linear", "bound_s": bound_s,
        "predicted_ratio": predicted, "wrong_bytes": wrong, "busiest_rank_share": share,
        "candidates": [{"name": "openmpi:linear", "median_s": mpi_s}, *ours],
    }  # fmt: skip


class GridTest(unittest.TestCase):
    def run_on(self, *points):
        """(exit status, stdout, totals). Points that have no size get different ones."""
        points = [{"size_bytes": 512 + number, **case} for number, case in enumerate(points)]
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "a.json"
            file.write_text(json.dumps({"format": "banyan-compare-1", "label": "4x4-1g", "points": list(points)}))
            summary = pathlib.Path(folder) / "summary.json"
            out = io.StringIO()
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
                status = summarize_grid.main([str(file), "--out", str(summary)])
            return status, out.getvalue(), json.loads(summary.read_text())["totals"]

    def test_regret_is_against_the_fastest_of_all(self):
        _, text, totals = self.run_on(point(110e-6, {"direct": 120e-6, "hierarchical(rail)": 100e-6}))
        self.assertAlmostEqual(totals["regret_most"], 0.1)
        self.assertFalse(totals["regret_passed"])  # one of one is over 5 %
        self.assertIn("hierarchical(rail)", text)

    def test_a_choice_measured_twice_is_not_held_against_itself(self):
        _, _, totals = self.run_on(point(110e-6, {"direct": 100e-6, "hierarchical(rail)": 130e-6}))
        self.assertEqual(totals["regret_most"], 0)
        self.assertTrue(totals["regret_passed"])
        _, _, totals = self.run_on(point(110e-6, {"direct": 100e-6}, kind="other-v"))
        self.assertAlmostEqual(totals["regret_most"], 0.1)

    def test_a_point_passes_by_speed_or_by_the_bound_but_is_never_slower(self):
        fast = point(100e-6, {}, mpi_s=151e-6, bound_s=10e-6)
        near_bound = point(100e-6, {}, mpi_s=100e-6, bound_s=91e-6)
        neither = point(100e-6, {}, mpi_s=140e-6, bound_s=89e-6)
        one_rank = point(100e-6, {}, mpi_s=140e-6, bound_s=86e-6, share=0.6)
        slower = point(100e-6, {}, mpi_s=94e-6, bound_s=95e-6)
        for passed, case in ((1, fast), (1, near_bound), (0, neither), (1, one_rank), (0, slower)):
            with self.subTest(case=case):
                self.assertEqual(self.run_on(case)[2]["passed"], passed)
        self.assertAlmostEqual(self.run_on(fast, near_bound)[2]["geometric_mean_speedup"], 1.51**0.5)

    def test_predictions_have_a_median_and_a_percentile(self):
        points = [point(100e-6, {}, predicted=ratio) for ratio in [1.05] * 6 + [0.8] * 3 + [2.0]]
        totals = self.run_on(*points)[2]
        self.assertAlmostEqual(totals["prediction_error_median"], 0.05)
        self.assertAlmostEqual(totals["prediction_error_p90"], 0.2)
        self.assertTrue(totals["prediction_passed"])
        self.assertFalse(self.run_on(*points, *points[-1:])[2]["prediction_passed"])

    def test_the_best_of_both_mpis_counts_and_is_named(self):
        case = point(100e-6, {}, mpi_s=200e-6)
        case["candidates"].append({"name": "mpich:nb", "median_s": 120e-6, "rounds_s": [120e-6]})
        case["best_mpi"] = "mpich:nb"
        _, text, totals = self.run_on(case)
        self.assertAlmostEqual(totals["geometric_mean_speedup"], 1.2)
        self.assertIn("mpich:nb", text)
        self.assertEqual((totals["with_mpich"], totals["mpich_best"]), (1, 1))

    def test_of_a_point_measured_again_the_last_counts_and_both_are_shown(self):
        before, after, other = (point(time_s, {"direct": 100e-6}, mpi_s=160e-6, kind="other-v") for time_s in (125e-6, 104e-6, 1e-4))
        before["size_bytes"] = after["size_bytes"] = 16
        _, text, totals = self.run_on(before, other, after)
        self.assertEqual((totals["points"], totals["passed"]), (2, 2))
        self.assertAlmostEqual(totals["regret_most"], 0.04)
        self.assertIn("measured again", text)
        self.assertIn("125.0", text)

    def test_points_that_miss_a_bar_are_named(self):
        far, slow, good = point(120e-6, {"rail": 100e-6}, kind="other-v"), point(1e-4, {}, mpi_s=9e-5), point(1e-4, {})
        far["size_bytes"], slow["size_bytes"], good["size_bytes"] = 16, 32, 64
        with tempfile.TemporaryDirectory() as folder:
            file, summary = pathlib.Path(folder) / "a.json", pathlib.Path(folder) / "summary.json"
            file.write_text(json.dumps({"format": "banyan-compare-1", "label": "4x4-1g", "points": [far, slow, good]}))
            out = io.StringIO()
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
                summarize_grid.main([str(file), "--out", str(summary)])
                out.truncate(out.seek(0))
                self.assertEqual(missed_points.main([str(summary)]), 0)
                self.assertEqual(missed_points.main([str(file)]), 2)  # no summary
            self.assertEqual(out.getvalue(), "4x4-1g moe 16\n4x4-1g moe 32\n")

    def test_wrong_bytes_and_odd_files_are_failures(self):
        self.assertEqual(self.run_on(point(1e-4, {}))[0], 0)
        self.assertEqual(self.run_on(point(1e-4, {}, wrong=1))[0], 1)
        self.assertEqual(self.run_on()[0], 1)


if __name__ == "__main__":
    unittest.main()
