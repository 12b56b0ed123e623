#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""creation_test.py BANYAN_RUN FAULT_PROBE: what it costs to make a communicator of local ranks.

Prints the table of docs/performance.md, and fails unless 64 ranks take less than 5 s and memory per rank grows no faster
than linearly in ranks.
"""

import collections
import re
import subprocess
import sys

SIZES = (8, 16, 32, 64)
ATTEMPTS = 3  # the best: other programs share the cores
LIMIT_S = 5
SLACK_KIB = 512

Cost = collections.namedtuple("Cost", "seconds root_kib other_kib shared_kib")


def play(command):
    """The costs that the ranks of one run report."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    seconds, own, shared = [], {}, {}
    for match in re.finditer(r"^rank (\d+) create BANYAN_OK [\d.]+ (\S+) \S+ (\S+) (\S+)$", done.stdout, re.M):
        rank, took, grown, memories = match.groups()
        seconds.append(float(took))
        own[int(rank)] = int(grown)
        for memory in memories.split(",") if memories != "none" else ():
            inode, kibibytes = memory.split(":")
            shared[inode] = int(kibibytes)
    if done.returncode != 0 or not own:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}\n{done.stderr}")
    others = [kibibytes for rank, kibibytes in own.items() if rank != 0]
    return Cost(max(seconds), own[0], max(others, default=0), sum(shared.values()) // len(own))


def best(command):
    costs = [play(command) for _ in range(ATTEMPTS)]
    return Cost(*(min(column) for column in zip(*costs)))


def main():
    run, probe = sys.argv[1:3]
    print("| ranks | processes: slowest rank | memory of rank 0 | of another rank | shared, per rank | threads |\n"
          "|---|---|---|---|---|---|")
    costs = {}
    for size in SIZES:
        cost = costs[size] = best([run, "-n", str(size), "--", probe, "create"])
        begin = best([probe, "create-local", f"threads={size}"])
        print(f"| {size} | {cost.seconds:.2f} s | {cost.root_kib / 1024:.1f} MiB | {cost.other_kib / 1024:.1f} MiB | "
              f"{cost.shared_kib / 1024:.1f} MiB | {begin.seconds:.2f} s |")
    wrong = []
    if costs[64].seconds >= LIMIT_S:
        wrong.append(f"64 ranks took {costs[64].seconds:.2f} s, the limit is {LIMIT_S} s")
    for size in SIZES[1:]:
        for what in ("root_kib", "other_kib", "shared_kib"):
            half, whole = getattr(costs[size // 2], what), getattr(costs[size], what)
            if whole > 2 * half + SLACK_KIB:
                wrong.append(f"{what} is {whole} with {size} ranks, more than twice the {half} with {size // 2}")
    print("\n".join(wrong), file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
