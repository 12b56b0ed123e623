#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""observed.py COMMAND... - runs the case observed_halves under BANYAN_PRELOAD=observe and examines each form of report.

Each half of the world makes 5 all-to-alls of 3 ints and 4 of different sizes; the ranks are 4.
"""
import html.parser
import json
import os
import subprocess
import sys
import tempfile


def run(report):
    environment = dict(os.environ, BANYAN_PRELOAD="observe", BANYAN_PRELOAD_SUMMARY="1")
    if report:
        environment["BANYAN_PRELOAD_REPORT"] = report
    command = ["timeout", "-k", "5", "240", *sys.argv[1:]]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "banyan" not in done.stdout, done.stdout
    assert "all-to-alls of rank 0: 0 by Banyan, 9 by MPI, 0 nonblocking" in done.stderr, done.stderr
    return [line for line in done.stderr.splitlines() if line.startswith("banyan preload: ")]


def examine_json(path):
    with open(path, encoding="utf-8") as file:
        report = json.load(file)
    assert (report["format"], report["version"]) == ("banyan-preload-report", 1), report
    (one,) = report["communicators"]
    assert (one["name"], one["ranks"]) == ("a half & more", 2), one
    uniform, uneven = one["calls"]
    assert (uniform["form"], uniform["calls"], uniform["bytes_per_pair"]) == ("alltoall", 5, 12), uniform
    # Rank r of a half sends r + 1 ints to each: 1.5 ints on average.
    assert (uneven["form"], uneven["calls"], uneven["bytes_per_pair"]) == ("alltoallv", 4, 6), uneven
    for calls in one["calls"]:
        assert calls["algorithm"] and calls["predicted_s"] > 0, calls
        assert 0 < calls["mpi_fastest_s"] <= calls["mpi_mean_s"], calls
        gain = calls["calls"] * (calls["mpi_fastest_s"] - calls["predicted_s"])
        assert abs(calls["predicted_gain_s"] - gain) <= 1e-9 + 1e-6 * abs(gain), calls


def examine_html(path):
    with open(path, encoding="utf-8") as file:
        page = file.read()
    texts = []
    parser = html.parser.HTMLParser()
    parser.handle_data = texts.append
    parser.feed(page)
    assert "communicator a half & more of 2 ranks" in texts, texts
    assert texts.count("alltoall") == 1 and texts.count("alltoallv") == 1, texts


def main():
    said = run(None)
    assert sum("observed communicator a half & more of 2 ranks" in line for line in said) == 2, said
    assert sum(" alltoallv " in line for line in said) == 2, said
    with tempfile.TemporaryDirectory() as folder:
        for kind, examine in ("json", examine_json), ("html", examine_html):
            said = run(os.path.join(folder, "report." + kind))
            assert len(said) == 1, said
            examine(os.path.join(folder, "report." + kind))  # of world rank 0
            examine(os.path.join(folder, "report.rank1." + kind))  # whose half has rank 0 not
        assert len(os.listdir(folder)) == 4, os.listdir(folder)
        said = run(os.path.join(folder, "absent", "report.txt"))
        assert sum("cannot write the report" in line for line in said) == 2, said


main()
