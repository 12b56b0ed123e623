#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# preload.sh - what MPI programs get of Banyan through its preload library, beside the library called directly and MPI.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: preload.sh [OPTIONS]                    (as root; docs/performance.md tells how to read it)

In labs, mpi_compare under the preload library: MPI's default algorithm, Banyan called directly, and MPI's functions as a
program calls them, interleaved in one run; then the same with BANYAN_PRELOAD=off, where calls are passed on to MPI.

  --build DIR    build folder with the programs (default build/release)
  --bundle DIR   programs and libraries packed by pack.sh
  --labs LIST    out of 4x4-10g,uneven-1g,1x8 (default all)
  --out DIR      results (default a folder of /tmp, which is named)
  --rounds N     rounds per point (default 11)
  --budget-s N   start no new run after so many seconds
Exit status: 0 if no byte was wrong and every bar is met.
TEXT
}

root=$(cd "$(dirname "$(readlink -f "$0")")/../.." && pwd)
build=$root/build/release bundle='' out='' rounds=11 budget_s=0 labs=4x4-10g,uneven-1g,1x8
while (($#)); do
  case $1 in
    --build) build=$2 && shift 2 ;;
    --bundle) bundle=$2 && shift 2 ;;
    --labs) labs=$2 && shift 2 ;;
    --out) out=$2 && shift 2 ;;
    --rounds) rounds=$2 && shift 2 ;;
    --budget-s) budget_s=$2 && shift 2 ;;
    -h | --help) usage && exit ;;
    *) usage >&2 && exit 2 ;;
  esac
done
lab_name=preload-$$
# shellcheck source=perf/compare/lab_runs.sh
source "$root/perf/compare/lab_runs.sh"
if [[ -n $bundle ]]; then
  bundle=$(readlink -f "$bundle")
  use_bundle "$bundle"
  compare=$bundle/bin/mpi_compare profile=$bundle/bin/banyan-profile library=$bundle/lib/libbanyan_preload_openmpi.so
else
  compare=$build/perf/compare/mpi_compare profile=$build/tools/banyan-profile/banyan-profile
  library=$build/lib/libbanyan_preload_openmpi.so
fi
for file in "$compare" "$profile" "$library"; do
  [[ -f $file ]] || die "$file is missing: build the preset release, or pack it"
done
out=${out:-$(mktemp -d)}
mkdir -p "$out"
trap 'lab down >/dev/null 2>&1 || true' EXIT

run_point() { # LAB NAME MODE OPTIONS...
  local lab=$1 name=$2 mode=$3 banyan=()
  shift 3
  spent && { say "left out, budget spent: $lab $name $mode"; return; }
  [[ $mode == on ]] || banyan=(--no-banyan)
  BANYAN_PROFILE=$out/$lab.profile.json forward=(-x LD_PRELOAD="$library" -x BANYAN_PRELOAD="$mode")
  export BANYAN_PROFILE
  forward_variables
  run_mpi "$compare" --preloaded --mpi-algorithm default "${banyan[@]}" --lab-json "$out/$lab.json" --rounds "$rounds" \
    --profile "$out/$lab.profile.json" --label "$lab $name $mode" -J "$out/$lab.$name.$mode.json" "$@" >&2
  unset BANYAN_PROFILE
}

run_lab() { # NAME OPTIONS OF banyan-lab up...
  local name=$1
  shift
  [[ ,$labs, == *,$name,* ]] || return 0
  spent && { say "left out, budget spent: $name"; return; }
  lab up "$@" >&2
  lab describe --json >"$out/$name.json"
  measure_profile "$name" 5
  run_point "$name" equal on -b 64 -e 256k -f 64
  run_point "$name" moe on --gen moe -b 512 -e 32k -f 8
  run_point "$name" equal off -b 64 -e 4k -f 64
  lab down >/dev/null
}

run_lab 4x4-10g --nodes 4 --ranks 4 --rate 10gbit
run_lab uneven-1g --nodes 2 --ranks 7,8 --rate 1gbit
run_lab 1x8 --nodes 1 --ranks 8 --rate 10gbit
python3 -B "$root/perf/compare/summarize_preload.py" "$out"
