#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the simulator against a lab: banyan-sim at every point that mpi_compare measured, with the machine, the profile,
the traffic and the algorithm of that point, and the error of its time.

usage: simulate_grid.py [--sim PROGRAM] [--jobs N] [--out FILE] [--worst N] POINTS.json...

POINTS.json is what mpi_compare -J wrote as LAB.TRAFFIC.json, as sweep.sh does; LAB.lab.json ("banyan-lab describe --json")
and LAB.profile.json (banyan-profile) lie beside it. Traffic is generated from the same words and seed by the same code.
Prints error = simulated / measured - 1 for each point and algorithm (worst first with --worst), then median and 90th percentile of its size
for each algorithm, each lab, and for Banyan's own choice. Exit status 1 when a simulation failed or there was nothing to compare; a missed bar is
shown, not an error.

Examples:
  perf/compare/sweep.sh --grid --out out/grid && perf/compare/simulate_grid.py out/grid/*.json
  perf/compare/simulate_grid.py --sim build/core/tools/banyan-sim/banyan-sim --worst 20 out/grid/4x4-10g.*.json
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

ERROR_MEDIAN, ERROR_P90 = 0.1, 0.25
AUTO = "auto"
BURST_S = 1e-4  # tools/lab/lib/network.sh, link_burst: of a fast link the bucket holds so much of its rate


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    root = pathlib.Path(__file__).resolve().parents[2]
    parser.add_argument("--sim", default=str(root / "build/release/tools/banyan-sim/banyan-sim"), help="the program")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="simulations at once")
    parser.add_argument("--out", help="also write every row to this file, as JSON")
    parser.add_argument("--worst", type=int, default=0, help="print only so many rows, the largest errors first")
    parser.add_argument("points", nargs="+", help="files of mpi_compare; those of other formats are skipped")
    return parser.parse_args()


def machine(lab):
    """The lab as banyan-sim's --synthetic. Switches are not told: nobody told the library of them either."""
    nodes = lab["nodes"]
    ranks = ",".join(str(len(node["ranks"])) for node in nodes)
    rates = [max(nic["rate_bytes_per_s"] for nic in node["nic"].values()) for node in nodes]
    nics = ",".join(f"{rate * 8:.0f}bit" for rate in rates)
    rails = f" rails={lab['rails']}" if lab["rails"] > 1 else ""
    return f"{len(nodes)}:[{ranks}] nic=[{nics}]{rails}"


def traffic_of(point):
    """Options of banyan-sim: mpi_compare tells "uniform", or "KIND[,KEY=VALUE...] seed N"."""
    if point["kind"] == "uniform":
        return ["--bytes", str(point["size_bytes"])]
    generator, _, seed = point["traffic"].partition(" seed ")
    kind, _, keys = generator.partition(",")
    spec = f"{kind}:{point['size_bytes']}" + (f",{keys}" if keys else "")
    return ["--gen", spec, "--seed", seed or "1"]


def rows_of(path):
    """A row for each of Banyan's candidates at each point of a file."""
    content = json.loads(path.read_text())
    if content.get("format") != "banyan-compare-1":
        return []
    lab = content["label"]
    described = path.with_name(f"{lab}.lab.json")
    profile = path.with_name(f"{lab}.profile.json")
    lab_description = json.loads(described.read_text())
    common = ["--synthetic", machine(lab_description), "--profile", str(profile)]
    common += ["--burst", str(lab_description["burst_bytes"]), "--burst-s", str(BURST_S), "--gap-at-sender"]
    rows = []
    for point in content["points"]:
        for candidate in point["candidates"]:
            if not candidate["name"].startswith("banyan:"):
                continue
            name = candidate["name"].removeprefix("banyan:")
            algorithm = candidate["plan"]["algorithm"] if name == AUTO else name
            rows.append({
                "lab": lab,
                "traffic": point["traffic"].split(" ")[0],
                "size_bytes": point["size_bytes"],
                "name": name,
                "algorithm": algorithm,
                "measured_s": candidate["median_s"],
                "predicted_s": candidate["plan"]["predicted_s"],
                "options": common + traffic_of(point) + ["--algorithm", algorithm, "--exchanges", str(candidate["exchanges_per_round"])],
            })  # fmt: skip
    return rows


def simulate(program, options):
    """Simulated seconds per exchange."""
    with tempfile.NamedTemporaryFile(suffix=".json") as result:
        done = subprocess.run([program, *options, "--output", os.devnull, "--json", result.name], capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join([program, *options])}: {done.stderr.strip()}")
        run = json.load(result)["runs"][0]
        return run.get("per_exchange_s", run["simulated_s"])


def fill(rows, arguments):
    """Simulates every row; the same exchange only once."""
    wanted = {tuple(row["options"]): None for row in rows}
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        for options, seconds in zip(wanted, pool.map(lambda o: simulate(arguments.sim, list(o)), wanted)):
            wanted[options] = seconds
    for row in rows:
        row["simulated_s"] = wanted[tuple(row.pop("options"))]
        row["error"] = row["simulated_s"] / row["measured_s"] - 1


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def print_rows(rows, worst):
    shown = sorted(rows, key=lambda row: -abs(row["error"]))[:worst] if worst else rows
    form = "{:12} {:8} {:>8} {:20} {:20} {:>12} {:>12} {:>8} {:>8}"
    print(form.format("lab", "traffic", "size(B)", "candidate", "algorithm", "measured(us)", "simulated", "error", "model's"))
    for row in shown:
        model = row["predicted_s"] / row["measured_s"] - 1
        print(form.format(row["lab"], row["traffic"], row["size_bytes"], row["name"], row["algorithm"],
                          f"{row['measured_s'] * 1e6:.1f}", f"{row['simulated_s'] * 1e6:.1f}", f"{row['error']:+.1%}", f"{model:+.1%}"))  # fmt: skip


def print_group(title, rows):
    errors = [abs(row["error"]) for row in rows]
    models = [abs(row["predicted_s"] / row["measured_s"] - 1) for row in rows]
    median, p90 = statistics.median(errors), percentile(errors, 0.9)
    verdict = "pass" if median <= ERROR_MEDIAN and p90 <= ERROR_P90 else "FAIL"
    print(f"{title:32} {len(rows):5} points: median {median:6.1%}, p90 {p90:6.1%}  {verdict}   (model: {statistics.median(models):.1%}, {percentile(models, 0.9):.1%})")


def print_summary(rows):
    own = [row for row in rows if row["name"] != AUTO]
    auto = [row for row in rows if row["name"] == AUTO]
    for key in ("lab", "traffic", "size_bytes", "name"):
        for value in sorted({row[key] for row in rows}, key=lambda v: (isinstance(v, str), v)):
            group = [row for row in rows if row[key] == value]
            print_group(f"{key} {value}", group)
    if own:
        print_group("all algorithms by name", own)
    if auto:
        print_group("Banyan's choice", auto)


def main():
    arguments = parse_arguments()
    rows = [row for path in arguments.points for row in rows_of(pathlib.Path(path))]
    if not rows:
        print("simulate_grid: nothing to compare: no point of mpi_compare with Banyan's candidates", file=sys.stderr)
        return 1
    try:
        fill(rows, arguments)
    except (RuntimeError, OSError) as error:
        print(f"simulate_grid: {error}", file=sys.stderr)
        return 1
    print_rows(rows, arguments.worst)
    print()
    print_summary(rows)
    if arguments.out:
        pathlib.Path(arguments.out).write_text(json.dumps({"format": "banyan-simulate-grid-1", "rows": rows}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
