#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Judges the bars of the token exchange, from the JSON files of dispatch_compare that dispatch_bars.sh makes.

Exit status 1 when a bar is missed, sums were wrong, or a file cannot be read. A case that was not measured is named.
"""

import argparse
import json
import os
import sys

from summarize_sweep import cell, figure, table

# Issue 4, "Bars". Shares are of the deduplicated bound of the links by the whole step, routing included.
SPEEDUP, SHARE, WIRE, TARGETS = "speedup", "bound_share", "wire", "targets"
BARS = {
    "4x4": {SPEEDUP: 1.9, SHARE: 0.85, WIRE: 0.03},
    "2x8": {SPEEDUP: 3.0, SHARE: 0.85, WIRE: 0.03},
    "4x4-small": {SPEEDUP: 2.0},
    "2x8-small": {SPEEDUP: 2.0},
    "7+8": {SHARE: 0.85, WIRE: 0.03},
    "racks": {SHARE: 0.85, WIRE: 0.03},
    "quarter": {SHARE: 0.85, WIRE: 0.03},
    "odd-experts": {SHARE: 0.85, WIRE: 0.03},
    "uneven-experts": {SHARE: 0.85, WIRE: 0.03},
    "replicas": {SHARE: 0.85, WIRE: 0.03},
    "zero-ranks": {SHARE: 0.85, WIRE: 0.03},
    "strided": {SHARE: 0.85, WIRE: 0.03},
    "targets": {TARGETS: {"least": 2.5, "tolerance": 0.15}},
}
HEAD = ("case", "tokens", "best MPI(ms)", "its algorithm", "banyan(ms)", "p99", "dedup", "x MPI", "bound(ms)", "%bound",
        "%exch.", "wire/formula", "bars")  # fmt: skip


def at_least(value, bar):
    """(passed, text) of a figure that must reach a bar."""
    passed = figure(value) is not None and value >= bar
    return passed, f"{cell(value, '{:.3f}')} of {bar:.2f}"


def judge_wire(way, tolerance):
    """Bytes on the hosts' interfaces are those of the formula and at most protocol overhead; rows of dedup by host are
    those that the gate asks for."""
    quotient = way.get("wire_quotient")
    passed = figure(quotient) is not None and 1 <= quotient <= 1 + tolerance
    text = f"{cell(quotient, '{:.3f}')} of 1 to {1 + tolerance:.2f}"
    wanted = way.get("facts", {}).get("inter_host_rows")
    if way.get("used_as", "").endswith("node") and way.get("wire_rows") != wanted:
        return False, f"{way.get('wire_rows')} rows instead of {wanted}"
    return passed, text


def judge_targets(targets, bar):
    """The measured speed-up over even dispatch reaches the bar and is near the predicted one."""
    measured, predicted = targets.get("measured_speedup"), targets.get("predicted_speedup")
    if figure(measured) is None or figure(predicted) is None:
        return False, "not measured"
    near = abs(measured / predicted - 1) <= bar["tolerance"]
    return near and measured >= bar["least"], f"{measured:.2f}, predicted {predicted:.2f}, least {bar['least']:.2f}"


def judge(case, point):
    """[(bar, passed, text)] of a point; empty without bars."""
    verdicts = []
    for name, bar in BARS.get(case, {}).items():
        if name == WIRE:
            passed, text = judge_wire(way_of(point, "banyan"), bar)
        elif name == TARGETS:
            passed, text = judge_targets(point.get("targets", {}), bar)
        else:
            passed, text = at_least(point.get(name), bar)
        verdicts.append((name, passed, text))
    return verdicts


def way_of(point, role):
    """The way that a point calls its "banyan" or "best_mpi"; {} without one."""
    return next((way for way in point.get("ways", []) if way["name"] == point.get(role)), {})


def summarize(case, point):
    """One row as a dict: figures and verdicts."""
    ours, theirs = way_of(point, "banyan"), way_of(point, "best_mpi")
    bounds = ours.get("facts", {}).get("bound_s", {})
    return {
        "case": case,
        "tokens": point.get("layer", {}).get("tokens", 0),
        "mpi_s": theirs.get("step_s", {}).get("median"),
        "mpi_algorithm": theirs.get("name", "-"),
        "banyan_s": ours.get("step_s", {}).get("median"),
        "banyan_p99_s": ours.get("step_s", {}).get("p99"),
        "dedup": ours.get("used_as", "-"),
        "speedup": point.get("speedup"),
        "bound_s": bounds.get("dispatch", 0) + bounds.get("combine", 0),
        "bound_share": point.get("bound_share"),
        "exchange_bound_share": point.get("exchange_bound_share"),
        "wire_quotient": point.get("wire_quotient"),
        "wrong_elements": point.get("wrong_elements", 0),
        "verdicts": [{"bar": name, "passed": passed, "text": text} for name, passed, text in judge(case, point)],
    }


def passed(row):
    """Whether sums were right and every bar was reached."""
    return not row["wrong_elements"] and all(verdict["passed"] for verdict in row["verdicts"])


def texts(row):
    """A row as the table's cells."""
    verdict = "pass" if passed(row) else "WRONG" if row["wrong_elements"] else "FAIL"
    return (
        row["case"], str(row["tokens"]), cell(row["mpi_s"], "{:.2f}", 1e3), row["mpi_algorithm"],
        cell(row["banyan_s"], "{:.2f}", 1e3), cell(row["banyan_p99_s"], "{:.2f}", 1e3), row["dedup"],
        cell(row["speedup"], "{:.2f}"), cell(row["bound_s"], "{:.2f}", 1e3), cell(row["bound_share"], "{:.1f}", 100),
        cell(row["exchange_bound_share"], "{:.1f}", 100), cell(row["wire_quotient"], "{:.3f}"),
        verdict if row["verdicts"] or row["wrong_elements"] else "-",
    )  # fmt: skip


def read_runs(paths):
    """Runs of all files; those that hold none are named on stderr and counted."""
    runs, bad = [], 0
    for path in paths:
        try:
            with open(path, encoding="utf-8") as file:
                run = json.load(file)
            if run.get("format") != "banyan-dispatch-1" or not run["points"]:
                raise ValueError("not a file of dispatch_compare -J, or one without points")
            runs.append(run)
        except (OSError, ValueError, KeyError, AttributeError) as error:
            print(f"{os.path.basename(sys.argv[0])}: {path}: {error}", file=sys.stderr)
            bad += 1
    return runs, bad


def remarks(runs, rows):
    """What a reader must know before the verdicts."""
    lines = []
    for run in runs:
        cores, ranks = run.get("environment", {}).get("cores", 0), run.get("ranks", 0)
        if cores < ranks:
            lines.append(f"{run.get('label')}: {ranks} ranks on {cores} cores: times are the scheduler's, judge nothing by them")
        if run.get("warning"):
            lines.append(f"{run.get('label')}: {run['warning']}")
    measured = {row["case"] for row in rows}
    missing = [case for case in BARS if case not in measured]
    return lines + ([f"not measured: {', '.join(missing)}"] if missing else [])


def main(arguments=None):
    """Reads, prints and judges."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", help="files of dispatch_compare -J")
    parser.add_argument("--out", help="write rows and verdicts as JSON")
    options = parser.parse_args(arguments)
    runs, bad = read_runs(options.files)
    rows = [summarize(run.get("label", ""), point) for run in runs for point in run["points"]]
    print(table(HEAD, [texts(row) for row in rows]))
    for row in rows:
        for verdict in row["verdicts"]:
            print(f"{'pass' if verdict['passed'] else 'FAIL'}  {row['case']}: {verdict['bar']} {verdict['text']}")
    barred = [row for row in rows if row["verdicts"]]
    good = sum(1 for row in barred if passed(row))
    wrong = sum(row["wrong_elements"] for row in rows)
    print(f"cases passed: {good} of {len(barred)}; wrong elements: {wrong}")
    for line in remarks(runs, rows):
        print(f"# {line}")
    if options.out:
        with open(options.out, "w", encoding="utf-8") as file:
            json.dump({"format": "banyan-dispatch-bars-1", "passed": good, "with_bar": len(barred), "rows": rows}, file, indent=1)
    return 0 if rows and not bad and not wrong and good == len(barred) else 1


if __name__ == "__main__":
    sys.exit(main())
