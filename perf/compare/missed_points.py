#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints the points of a grid that miss a bar, a line each: lab, traffic, size in bytes. They are those that
`sweep.sh --grid --again` measures once more.

Exit status 2 when a file is no summary of a grid.
"""

import argparse
import json
import sys

from summarize_grid import REGRET_MOST


def misses(row):
    """Whether a row of the summary misses a bar that holds at each point."""
    return not row["passed"] or (row["regret"] or 0) > REGRET_MOST


def main(arguments=None):
    """Reads the summary, prints its points."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("summary", help="what summarize_grid.py --out wrote")
    options = parser.parse_args(arguments)
    try:
        with open(options.summary, encoding="utf-8") as file:
            rows = [(row["lab"], row["traffic"], row["size_bytes"]) for row in json.load(file)["rows"] if misses(row)]
    except (OSError, ValueError, KeyError, TypeError) as error:
        print(f"missed_points.py: {options.summary}: not a summary of summarize_grid.py: {error}", file=sys.stderr)
        return 2
    for row in rows:
        print(*row)
    return 0


if __name__ == "__main__":
    sys.exit(main())
