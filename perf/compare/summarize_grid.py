#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints one table of a grid: at every point Banyan's choice against Banyan's own algorithms, against the best of Open MPI
and MPICH, and against the bound of the wires, from the JSON files of mpi_compare, with the verdict on each bar.

Exit status 1 when bytes were wrong or a file holds nothing to show; a missed bar is shown, not an error.
"""

import math
import sys

from summarize_sweep import best_mpi, cell, figure, has_mpich, mpich_line, mpich_totals, run

SPEEDUP = 1.5
NEVER_BELOW = 0.95
BOUND_SHARE = 0.9
BOUND_SHARE_ONE_RANK = 0.85  # where one rank sends or receives over half of the bytes
REGRET, REGRET_SHARE, REGRET_MOST = 0.05, 0.9, 0.15
ERROR_MEDIAN, ERROR_P90 = 0.1, 0.25
HEAD = ("lab", "traffic", "size(B)", "best MPI(us)", "its algorithm", "banyan(us)", "ratio", "bound(us)", "%bound", "bar", "regret", "fastest own",
        "pred/meas", "algorithm")  # fmt: skip


def regret(candidates, uniform):
    """(how much longer Banyan's choice takes than the fastest of its algorithms, the name of that). An all-to-all's
    choice that was also measured under its own name is the same program twice: the shorter time counts. An
    all-to-all-v's changes while it is repeated, so its own time counts."""
    ours = {name: c for name, c in candidates.items() if name.startswith("banyan:") and figure(c.get("median_s"))}
    if "banyan:auto" not in ours:
        return None, "-"
    auto = ours["banyan:auto"]
    chosen = auto.get("plan", {}).get("algorithm", "")
    same = [c["median_s"] for name, c in ours.items() if c is auto or (uniform and name == f"banyan:{chosen}")]
    fastest = min(ours, key=lambda name: ours[name]["median_s"])
    if fastest == "banyan:auto":
        fastest = f"banyan:{chosen}"
    return max(0.0, min(same) / min(c["median_s"] for c in ours.values()) - 1), fastest.removeprefix("banyan:")


def summarize(label, point):
    """One row as a dict: figures and verdicts of a point."""
    candidates = {c["name"]: c for c in point.get("candidates", [])}
    ours = candidates.get("banyan:auto", {})
    theirs = best_mpi(point)
    mine_s, theirs_s, bound_s = (figure(x) for x in (ours.get("median_s"), theirs.get("median_s"), point.get("bound_s")))
    speedup = theirs_s / mine_s if mine_s and theirs_s else None
    share = bound_s / mine_s if mine_s and bound_s else None
    wanted = BOUND_SHARE_ONE_RANK if point.get("busiest_rank_share", 0) > 0.5 else BOUND_SHARE
    passed = speedup is not None and speedup >= NEVER_BELOW and (speedup >= SPEEDUP or (share or 0) >= wanted)
    lost, fastest = regret(candidates, point.get("kind") == "uniform")
    return {
        "lab": label,
        "traffic": point.get("traffic", "").split(" ")[0],
        "size_bytes": point.get("size_bytes", 0),
        "mpi_s": theirs_s,
        "mpi_algorithm": theirs.get("name", "-"),
        "has_mpich": has_mpich(point),
        "banyan_s": mine_s,
        "algorithm": ours.get("plan", {}).get("algorithm", "-"),
        "speedup": speedup,
        "bound_s": bound_s,
        "bound_share": share,
        "passed": passed,
        "regret": lost,
        "fastest_own": fastest,
        "predicted_ratio": figure(point.get("predicted_ratio")),
        "wrong_bytes": point.get("wrong_bytes", 0),
    }  # fmt: skip


def texts(row):
    """A row as the table's cells."""
    verdict = "WRONG" if row["wrong_bytes"] else "pass" if row["passed"] else "FAIL"
    lost = "-" if row["regret"] is None else f"{100 * row['regret']:.0f}%"
    return (
        row["lab"], row["traffic"], str(row["size_bytes"]), cell(row["mpi_s"], "{:.1f}", 1e6),
        row["mpi_algorithm"], cell(row["banyan_s"], "{:.1f}", 1e6), cell(row["speedup"], "{:.2f}"), cell(row["bound_s"], "{:.1f}", 1e6),
        cell(row["bound_share"], "{:.1f}", 100), verdict, lost, row["fastest_own"],
        cell(row["predicted_ratio"], "{:.2f}"), row["algorithm"],
    )  # fmt: skip


def share_of(values, predicate):
    """Share of the values for which the predicate holds; None without values."""
    return sum(1 for value in values if predicate(value)) / len(values) if values else None


def quantile(values, share):
    """Nearest rank; None without values."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)] if values else None


def totals(rows):
    """Each bar over all rows."""
    regrets = [row["regret"] for row in rows if row["regret"] is not None]
    errors = [abs(row["predicted_ratio"] - 1) for row in rows if row["predicted_ratio"]]
    speedups = [row["speedup"] for row in rows if row["speedup"]]
    near = share_of(regrets, lambda value: value <= REGRET)
    return {
        "points": len(rows),
        "passed": sum(1 for row in rows if row["passed"]),
        "geometric_mean_speedup": math.exp(sum(map(math.log, speedups)) / len(speedups)) if speedups else None,
        "slower_than_0.95": sum(1 for value in speedups if value < NEVER_BELOW),
        "regret_within_5_percent": near,
        "regret_most": max(regrets, default=None),
        "regret_passed": near is not None and near >= REGRET_SHARE and max(regrets) <= REGRET_MOST,
        "prediction_error_median": quantile(errors, 0.5),
        "prediction_error_p90": quantile(errors, 0.9),
        "prediction_passed": bool(errors) and quantile(errors, 0.5) <= ERROR_MEDIAN and quantile(errors, 0.9) <= ERROR_P90,
        "wrong_bytes": sum(row["wrong_bytes"] for row in rows),
        **mpich_totals(rows),
    }  # fmt: skip


def percent(value):
    """A share as text."""
    return "-" if value is None else f"{100 * value:.0f} %"


def lines_of(result):
    """The totals for people."""
    mean = result["geometric_mean_speedup"]
    word = {True: "pass", False: "FAIL"}
    return (
        f"against the best MPI: {result['passed']} of {result['points']} points pass, {result['slower_than_0.95']} below 0.95; "
        f"geometric mean of the speed-ups {mean:.2f}\n" if mean else ""
    ) + (
        f"choice: within 5 % of the fastest own algorithm at {percent(result['regret_within_5_percent'])} of the points, "
        f"at most {percent(result['regret_most'])} slower: {word[result['regret_passed']]}\n"
        f"prediction: error {percent(result['prediction_error_median'])} in the median, "
        f"{percent(result['prediction_error_p90'])} at the 90th percentile: {word[result['prediction_passed']]}\n"
        f"{mpich_line(result)}\n"
        f"wrong bytes: {result['wrong_bytes']}"
    )  # fmt: skip


def main(arguments=None):
    """The grid's summary."""
    return run(arguments, sys.modules[__name__], "banyan-grid-1", key=("lab", "traffic", "size_bytes"))


if __name__ == "__main__":
    sys.exit(main())
