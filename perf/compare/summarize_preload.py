#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Summarizes the results of preload.sh: what programs get through the preload library beside Banyan called directly.

usage: summarize_preload.py DIR

Bars: a call through the library takes at most 1/0.9 times as long as the direct one (the speed-ups are within 10 %; medians
of the rounds), and one that is passed on to MPI at most 1 % or 1 us more than MPI's own (fastest rounds: both are MPI's
algorithm on two communicators, whose rounds scatter by more than that). Exit status 1 where one is missed.
"""
import json
import pathlib
import sys

MOST_SHARE = 1 / 0.9
MOST_PASSING_SHARE = 1.01
MOST_PASSING_S = 1e-6


def main():
    if len(sys.argv) != 2 or sys.argv[1] in ("-h", "--help"):
        print(__doc__)
        return 0 if "-h" in sys.argv or "--help" in sys.argv else 2
    missed = wrong = points = 0
    print(f"{'run':<22} {'bytes':>8} {'MPI us':>10} {'direct us':>10} {'through us':>10} {'bar':>5}")
    for path in sorted(pathlib.Path(sys.argv[1]).glob("*.o[nf]*.json")):
        run = json.loads(path.read_text())
        for point in run["points"]:
            times = {one["name"]: one["median_s"] for one in point["candidates"]}
            fastest = {one["name"]: one["min_s"] for one in point["candidates"]}
            wrong += point["wrong_bytes"]
            mpi_s = times["openmpi:default"]
            direct_s = times.get("banyan:auto")
            if direct_s is not None:
                through_s = times["preloaded"]
                passed = through_s <= MOST_SHARE * direct_s
            else:
                mpi_s, through_s = fastest["openmpi:default"], fastest["passed on"]
                passed = through_s <= max(MOST_PASSING_SHARE * mpi_s, mpi_s + MOST_PASSING_S)
            points += 1
            missed += not passed
            direct = f"{1e6 * direct_s:.1f}" if direct_s is not None else "-"
            print(f"{run['label']:<22} {point['size_bytes']:>8} {1e6 * mpi_s:>10.1f} {direct:>10} "
                  f"{1e6 * through_s:>10.1f} {'pass' if passed else 'MISS':>5}")
    print(f"{points - missed} of {points} points pass; wrong bytes: {wrong}")
    return 1 if missed or wrong or not points else 0


if __name__ == "__main__":
    sys.exit(main())
