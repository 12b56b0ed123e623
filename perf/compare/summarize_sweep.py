#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints one table of a sweep: every point of every lab with its bar, from the JSON files of mpi_compare.

Exit status 1 when bytes were wrong or a file holds nothing to show; a missed bar is shown, not an error.
"""

import argparse
import json
import math
import os
import sys

TOLERANCE = 0.25
WANTED_SHARE = 0.8
HEAD = ("lab", "kind", "size(B)", "best MPI(us)", "p99", "its algorithm", "banyan(us)", "p99", "ratio", "bound(us)", "%bound",
        "pred/meas", "bar", "algorithm")  # fmt: skip


def figure(value):
    """The value if it is a finite number above zero, else None."""
    good = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and value > 0
    return value if good else None


def cell(value, form, scale=1.0):
    """The figure as text, or a dash."""
    return form.format(value * scale) if figure(value) else "-"


def p99(candidate):
    """The round that 99 % of a candidate's rounds do not exceed (nearest rank; of fewer than 100 the slowest)."""
    rounds = sorted(candidate.get("rounds_s", []))
    return rounds[math.ceil(0.99 * len(rounds)) - 1] if rounds else None


def best_mpi(point):
    """The candidate that is the best of all MPIs' at a point; {} without one."""
    name = point.get("best_mpi", point.get("best_openmpi"))  # files before MPICH took part have the latter
    return next((c for c in point.get("candidates", []) if c["name"] == name), {})


def has_mpich(point):
    """Whether an algorithm of MPICH was measured to the end at a point."""
    return any(c["name"].startswith("mpich:") and c.get("rounds_s") for c in point.get("candidates", []))


def mpich_totals(rows):
    """At how many points MPICH took part, and where it was the best MPI."""
    return {
        "with_mpich": sum(1 for row in rows if row["has_mpich"]),
        "mpich_best": sum(1 for row in rows if row["mpi_algorithm"].startswith("mpich:")),
    }


def mpich_line(result):
    """These totals for people."""
    return f"MPICH took part at {result['with_mpich']} points and was the best MPI at {result['mpich_best']}"


def summarize(label, point):
    """One row as a dict: figures and verdict of a point."""
    candidates = {c["name"]: c for c in point.get("candidates", [])}
    ours = candidates.get("banyan:auto", {})
    theirs = best_mpi(point)
    verdict = point.get("verdict", {})
    return {
        "lab": label,
        "kind": point.get("kind", ""),
        "size_bytes": point.get("size_bytes", 0),
        "mpi_s": theirs.get("median_s"),
        "mpi_p99_s": p99(theirs),
        "mpi_algorithm": theirs.get("name", "-"),
        "has_mpich": has_mpich(point),
        "banyan_s": ours.get("median_s"),
        "banyan_p99_s": p99(ours),
        "speedup": verdict.get("speedup"),
        "bound_s": point.get("bound_s"),
        "bound_share": verdict.get("bound_share"),
        "predicted_ratio": point.get("predicted_ratio"),
        "has_bar": "bar" in verdict,
        "passed": verdict.get("passed"),
        "beyond_bound": verdict.get("beyond_bound", False),
        "wrong_bytes": point.get("wrong_bytes", 0),
        "algorithm": ours.get("plan", {}).get("algorithm", "-"),
    }


def texts(row):
    """A row as the table's cells."""
    verdict = "-" if not row["has_bar"] else "pass" if row["passed"] else "wire" if row["beyond_bound"] else "FAIL"
    if row["wrong_bytes"]:
        verdict = "WRONG"
    return (
        row["lab"], row["kind"], str(row["size_bytes"]), cell(row["mpi_s"], "{:.1f}", 1e6),
        cell(row["mpi_p99_s"], "{:.1f}", 1e6), row["mpi_algorithm"], cell(row["banyan_s"], "{:.1f}", 1e6),
        cell(row["banyan_p99_s"], "{:.1f}", 1e6), cell(row["speedup"], "{:.2f}"), cell(row["bound_s"], "{:.1f}", 1e6),
        cell(row["bound_share"], "{:.1f}", 100), cell(row["predicted_ratio"], "{:.2f}"), verdict, row["algorithm"],
    )  # fmt: skip


def table(head, cells):
    """Rows of cells below their heads, columns aligned."""
    lines = [head, *cells]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join("  ".join(text.rjust(width) for text, width in zip(line, widths)).rstrip() for line in lines)


def totals(rows):
    """Counts over all rows."""
    barred = [row for row in rows if row["has_bar"]]
    predicted = [row for row in rows if figure(row["predicted_ratio"])]
    near = [row for row in predicted if abs(row["predicted_ratio"] - 1) <= TOLERANCE]
    return {
        "points": len(rows),
        "with_bar": len(barred),
        "passed": sum(1 for row in barred if row["passed"]),
        "beyond_bound": sum(1 for row in barred if row["beyond_bound"] and not row["passed"]),
        "predicted": len(predicted),
        "predicted_within_25_percent": len(near),
        "prediction_bar_passed": bool(predicted) and len(near) >= WANTED_SHARE * len(predicted),
        "wrong_bytes": sum(row["wrong_bytes"] for row in rows),
        **mpich_totals(rows),
    }


def read_points(paths):
    """(label, point) of all files; files that hold no comparison are named on stderr and counted."""
    points, bad = [], 0
    for path in paths:
        try:
            with open(path, encoding="utf-8") as file:
                content = json.load(file)
            if content.get("format") != "banyan-compare-1":
                raise ValueError("not a file of mpi_compare -J")
            points += [(content.get("label") or os.path.basename(path), point) for point in content["points"]]
        except (OSError, ValueError, KeyError, AttributeError) as error:
            print(f"{os.path.basename(sys.argv[0])}: {path}: {error}", file=sys.stderr)
            bad += 1
    return points, bad


def lines_of(result):
    """The totals for people."""
    beyond = f", beyond the wires: {result['beyond_bound']}" if result["beyond_bound"] else ""
    return (
        f"bars passed: {result['passed']} of {result['with_bar']}{beyond}; predicted within 25 %: "
        f"{result['predicted_within_25_percent']} of {result['predicted']}; wrong bytes: {result['wrong_bytes']}\n"
        f"{mpich_line(result)}"
    )


def latest(rows, key):
    """(rows, the last one of each point, in the order of the first ones; pairs of rows, one and what replaced it)."""
    kept, again = {}, []
    for row in rows:
        point = tuple(row[name] for name in key)
        if point in kept:
            again.append((kept[point], row))
        kept[point] = row
    return list(kept.values()), again


def run(arguments, module, file_format, key=()):
    """Reads, prints and writes what a summary's module makes of points: HEAD, summarize, texts, totals, lines_of.
    key: what of a row names its point; of those that stand in several files the last counts, and both are shown."""
    parser = argparse.ArgumentParser(description=module.__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", help="files of mpi_compare -J; unexpanded patterns are skipped")
    parser.add_argument("--out", help="write the rows and totals as JSON")
    options = parser.parse_args(arguments)
    points, bad = read_points([path for path in options.files if "*" not in path])
    rows, again = [module.summarize(label, point) for label, point in points], []
    if key:
        rows, again = latest(rows, key)
    result = module.totals(rows)
    print(table(module.HEAD, [module.texts(row) for row in rows]))
    print(module.lines_of(result))
    for before, after in again:
        print("measured again, only the second counts:")
        print(table(module.HEAD, [module.texts(before), module.texts(after)]))
    if options.out:
        with open(options.out, "w", encoding="utf-8") as file:
            content = {"format": file_format, "totals": result, "rows": rows, "before": [before for before, _ in again]}
            json.dump(content, file, indent=1)
    return 1 if bad or not rows or result["wrong_bytes"] else 0


def main(arguments=None):
    """The sweep's summary."""
    return run(arguments, sys.modules[__name__], "banyan-sweep-1")


if __name__ == "__main__":
    sys.exit(main())
