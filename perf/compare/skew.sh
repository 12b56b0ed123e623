#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# skew.sh - one rank of each node holds eight times the data of its neighbours, and each node has a card per rank: spread
# over all cards of a node against each rank on its own card, in turn, and against what the node's cards can carry.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: skew.sh [OPTIONS]                       (as root; docs/performance.md tells how to read it)

  --build DIR    build folder with the programs (default build/release)
  --bundle DIR   programs and libraries packed by pack.sh
  --rate RATE    of each card (default 1gbit)
  --bytes N      of a pair of ordinary ranks (default 65536)
  --rounds N     of each way (default 5)
TEXT
}

root=$(cd "$(dirname "$(readlink -f "$0")")/../.." && pwd)
build=$root/build/release bundle='' rate=1gbit bytes=65536 rounds=5
while (($#)); do
  case $1 in
    --build) build=$2 && shift 2 ;;
    --bundle) bundle=$2 && shift 2 ;;
    --rate) rate=$2 && shift 2 ;;
    --bytes) bytes=$2 && shift 2 ;;
    --rounds) rounds=$2 && shift 2 ;;
    -h | --help) usage && exit ;;
    *) usage >&2 && exit 2 ;;
  esac
done
if [[ -n $bundle ]]; then
  bundle=$(readlink -f "$bundle")
  perf=$bundle/bin/alltoallv_perf profile=$bundle/bin/banyan-profile
  export LD_LIBRARY_PATH=$bundle/lib BANYAN_PLUGIN_PATH=$bundle/lib UCX_MODULE_DIR=$bundle/lib/ucx
  export BANYAN_LAB_TOOLS=${BANYAN_LAB_TOOLS:-$bundle/lab-tools}
else
  perf=$build/perf/alltoallv_perf/alltoallv_perf profile=$build/tools/banyan-profile/banyan-profile
fi

lab() { "$root/tools/lab/banyan-lab" --name "skew-$$" "$@"; }
work=$(mktemp -d)
trap 'lab down >/dev/null 2>&1; rm -rf "$work"' EXIT

python3 - "$bytes" >"$work/matrix" <<'PYTHON'
import sys
ranks, per_node, bytes_per_pair = 16, 4, int(sys.argv[1])
for i in range(ranks):
    factor = 8 if i % per_node == 0 else 1
    print(*(0 if i // per_node == j // per_node else factor * bytes_per_pair for j in range(ranks)))
PYTHON
lab up --nodes 4 --ranks 4 --rails 4 --rate "$rate" >&2
lab describe --json >"$work/lab.json"
lab run -- "$profile" --budget 5 --output "$work/profile.json" >&2
for ((round = 0; round < rounds; round++)); do
  for own in 1 0; do
    BANYAN_OWN_RAIL=$own BANYAN_PROFILE=$work/profile.json lab run -- "$perf" --matrix "$work/matrix" -n 20 -w 2 \
      --algorithm direct -J "$work/$own.$round.json" >/dev/null
  done
done
python3 - "$work" "$rounds" "$bytes" <<'PYTHON'
import json, statistics, sys
work, rounds, bytes_per_pair = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
def read(name):
    with open(f"{work}/{name}") as file:
        return json.load(file)
rate = sum(nic["rate_bytes_per_s"] for nic in read("lab.json")["nodes"][0]["nic"].values())
bound_s = (8 + 3) * 12 * bytes_per_pair / rate
times = {}
for own in (1, 0):
    rows = [read(f"{own}.{number}.json")["rows"][0] for number in range(rounds)]
    assert not any(row["wrong_bytes"] for row in rows), "wrong bytes"
    times[own] = statistics.median(row["p50_s"] for row in rows)
print(f"each rank on its own card  {1e6 * times[1]:9.0f} us")
print(f"over all cards of a node   {1e6 * times[0]:9.0f} us, {times[1] / times[0]:.2f} times faster (bar: 2)")
print(f"bound of the node's cards  {1e6 * bound_s:9.0f} us, reached to {100 * bound_s / times[0]:.1f} % (bar: 87)")
PYTHON
