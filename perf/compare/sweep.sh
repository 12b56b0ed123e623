#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# sweep.sh - the bars: raises labs of several shapes, measures their networks, and runs mpi_compare in each.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: sweep.sh [OPTIONS]                                     (as root; docs/performance.md tells how to read it)

  --build DIR     build folder with the programs (default build/release)
  --bundle DIR    programs and libraries packed by pack.sh, for a machine without the build's packages
  --out DIR       where profiles, JSON files and the summary go (default out/sweep)
  --grid          the grid of traffics, sizes and shapes, with Banyan's choice against its own algorithms
  --again FILE    of --grid: only the points that miss a bar in this summary of an earlier run, each in a new job and
                  with a new profile; then: summarize_grid.py OLD FILES NEW FILES, where the last of a point counts
  --labs LIST     comma separated names out of those of --list (default: all; of --grid: those of the grid)
  --modes LIST    out of uniform,small-v,moe (default: all); of --grid: uniform,zipf,moe,hot,zeros
  --budget-s N    start nothing new after N seconds; what was left out is named (default: no limit)
  --rounds N      rounds per point (default 11)
  --profile-s N   seconds that banyan-profile may take in each lab (default 8)
  --no-banyan     measure the MPIs alone
  --no-mpich      leave MPICH out; it takes part where mpich_compare was built and mpiexec.hydra is there
  --list          the labs, and what is in each

Extra arguments of mpirun: MPIRUN_ARGS (default "--mca pml ob1 --mca btl tcp,vader,self").
TEXT
}

root=$(cd "$(dirname "$(readlink -f "$0")")/../.." && pwd)
lab_name=sweep-$$
# shellcheck source=perf/compare/lab_runs.sh
. "$root/perf/compare/lab_runs.sh"

# NAME, then the options of "banyan-lab up".
labs() {
  cat <<'TEXT'
4x4-1g      --nodes 4 --ranks 4 --rate 1gbit
2x8-1g      --nodes 2 --ranks 8 --rate 1gbit
4x4-10g     --nodes 4 --ranks 4 --rate 10gbit
2x8-10g     --nodes 2 --ranks 8 --rate 10gbit
7+8-1g      --ranks 7,8 --rate 1gbit
4x4-quarter --nodes 4 --ranks 4 --rate 1gbit,1gbit,1gbit,250mbit
7+8-10g     --ranks 7,8 --rate 10gbit
TEXT
}

# Those that only the grid has. A rack's uplink is a quarter of what its two nodes can send.
grid_labs() {
  cat <<'TEXT'
racks-1g    --nodes 4 --ranks 4 --rate 1gbit --leaves 2 --spine 500mbit
rails-1g    --nodes 4 --ranks 4 --rate 1gbit --rails 2
quarter-10g --nodes 4 --ranks 4 --rate 10gbit,10gbit,10gbit,2500mbit
racks-10g   --nodes 4 --ranks 4 --rate 10gbit --leaves 2 --spine 5gbit
rails-10g   --nodes 4 --ranks 4 --rate 10gbit --rails 2
TEXT
}
all_labs() { labs && grid_labs; }
grid_default=4x4-1g,7+8-1g,racks-1g,4x4-quarter,rails-1g,4x4-10g,7+8-10g,racks-10g,quarter-10g,rails-10g

# MODE, then the options of mpi_compare.
mode_options() {
  case $1 in
    uniform) echo "-b 8 -e 256k -f 8" ;;
    small-v) echo "--alltoallv -b 8 -e 64 -f 2" ;;
    moe) echo "--gen moe -b 64 -e 64k -f 4" ;;
    *) die "unknown mode '$1'; known: uniform small-v moe" ;;
  esac
}

# LAB MODE SMALLEST LARGEST: the grid's traffics, and the algorithms that Banyan's choice is held against.
add_grid_options() {
  [[ $2 == uniform ]] || options+=(--gen "$2")
  options+=(-b "$3" -e "$4" -f 16 --round-ms 8 --point-s 1.5 --steady 3)
  local algorithm
  for algorithm in direct 'hierarchical(rail)' 'hierarchical(node)' 'bruck(2)'; do
    options+=(--algorithm "$algorithm")
  done
  [[ $1 != racks-* ]] || options+=(--algorithm 'hierarchical(rack)') # with racks that banyan-profile inferred
}

build=$root/build/release bundle='' out=out/sweep chosen='' modes=''
budget_s=0 rounds=11 profile_s=8 with_banyan=1 with_mpich=1 grid=0 again=''
while (($#)); do
  case $1 in
    --build) build=$2 && shift 2 ;;
    --bundle) bundle=$2 && shift 2 ;;
    --out) out=$2 && shift 2 ;;
    --grid) grid=1 && shift ;;
    --again) again=$2 && shift 2 ;;
    --labs) chosen=$2 && shift 2 ;;
    --modes) modes=$2 && shift 2 ;;
    --budget-s) budget_s=$2 && shift 2 ;;
    --rounds) rounds=$2 && shift 2 ;;
    --profile-s) profile_s=$2 && shift 2 ;;
    --no-banyan) with_banyan=0 && shift ;;
    --no-mpich) with_mpich=0 && shift ;;
    --list) all_labs && exit ;;
    -h | --help) usage && exit ;;
    *) usage >&2 && die "unknown option '$1'" ;;
  esac
done
if ((grid)); then
  chosen=${chosen:-$grid_default} modes=${modes:-uniform,zipf,moe,hot,zeros}
else
  chosen=${chosen:-$(labs | awk '{ print $1 }' | paste -sd,)} modes=${modes:-uniform,small-v,moe}
fi

find_programs() {
  if [[ -n $bundle ]]; then
    bundle=$(readlink -f "$bundle")
    compare=$bundle/bin/mpi_compare profile=$bundle/bin/banyan-profile mpich=$bundle/bin/mpich_compare
    use_bundle "$bundle"
  else
    build=$(readlink -f "$build")
    compare=$build/perf/compare/mpi_compare profile=$build/tools/banyan-profile/banyan-profile
    mpich=$build/perf/compare/mpich_compare
  fi
  [[ -x $compare ]] ||
    die "no $compare; build it (cmake --preset release && cmake --build --preset release) or pass --build"
  ((!with_banyan)) || [[ -x $profile ]] || die "no $profile; build it or pass --no-banyan"
}

# MPICH's ranks sleep beside Open MPI's until mpi_compare asks them for a turn: two MPIs do not share a process.
mpich_pid='' mpich_sockets=''
start_mpich() { # LAB: mpich_sockets = where they listen; empty: not measured, and why is said
  local log=$out/$1.mpich.txt ranks tries options=()
  mpich_sockets=
  ((with_mpich)) || return 0
  [[ -x $mpich ]] || {
    say "$1: MPICH is not measured: there is no $mpich"
    return 0
  }
  mkdir -p "$work/$1"
  ranks=$(lab hosts | tr , '\n' | awk -F: '{ ranks += $2 } END { print ranks }')
  ((ranks <= $(nproc))) || options+=(--yield)
  "$root/tools/lab/banyan-lab" --name "$lab_name" mpich -- "$mpich" --sockets "$work/$1" "${options[@]}" >"$log" 2>&1 &
  mpich_pid=$!
  for ((tries = 0; tries < 300; tries++)); do
    if grep -q '^ready' "$log"; then
      mpich_sockets=$work/$1
      return 0
    fi
    kill -0 "$mpich_pid" 2>/dev/null || break
    sleep 0.1
  done
  stop_mpich
  say "$1: MPICH is not measured: it did not start: $(tail -n 1 "$log")"
}

stop_mpich() {
  [[ -z $mpich_pid ]] || {
    kill "$mpich_pid" 2>/dev/null || true
    wait "$mpich_pid" 2>/dev/null || true
  }
  mpich_pid=
}

run_mode() { # LAB MODE [SIZE, of the grid: this one alone]
  local options=(--lab-json "$out/$1.lab.json" --rounds "$rounds" --label "$1" -J "$out/$1.${3:+$3.}$2.json")
  if ((with_banyan)); then
    options+=(--profile "$out/$1.profile.json")
  else
    options+=(--no-banyan)
  fi
  [[ -z $mpich_sockets ]] || options+=(--mpich "$mpich_sockets")
  if ((!grid)); then
    # shellcheck disable=SC2207  # a list of words
    options+=(--bars $(mode_options "$2"))
  elif [[ -n ${3:-} ]]; then
    add_grid_options "$1" "$2" "$3" "$3"
  elif [[ $1 == *10g ]]; then
    add_grid_options "$1" "$2" 16 1m
  else # 1 MiB takes seconds
    add_grid_options "$1" "$2" 16 64k
  fi
  ((budget_s == 0)) || options+=(--budget-s "$((budget_s - SECONDS))")
  run_mpi "$compare" "${options[@]}"
}

# What is measured in a lab, a line each: MODE, or with --again MODE SIZE.
runs_of() { # LAB
  if [[ -n $again ]]; then
    awk -v lab="$1" '$1 == lab { print $2, $3 }' <<<"$missed"
  else
    tr , '\n' <<<"$modes"
  fi
}

run_lab() { # NAME OPTIONS...
  local name=$1 mode size status=0
  shift
  lab up "$@" >&2
  lab describe --json >"$out/$name.lab.json"
  ((!with_banyan)) || measure_profile "$name" "$profile_s" || return 1
  start_mpich "$name"
  while read -r mode size <&3; do
    if spent; then
      say "$name $mode${size:+ $size}: left out, $budget_s s are spent"
      continue
    fi
    run_mode "$name" "$mode" "$size" || status=1
  done 3< <(runs_of "$name")
  stop_mpich
  lab down
  return $status
}

missed=''
if [[ -n $again ]]; then
  ((grid)) || die "--again is for --grid"
  missed=$(python3 "$root/perf/compare/missed_points.py" "$again") || exit 2
  [[ -n $missed ]] || die "no point of $again misses a bar"
  chosen=$(awk '{ print $1 }' <<<"$missed" | sort -u | paste -sd,)
fi
find_programs
forward_variables
mkdir -p "$out"
out=$(readlink -f "$out")
work=$(mktemp -d)
trap 'stop_mpich; lab down >/dev/null 2>&1 || true; rm -rf "$work"' EXIT
failed=0
for name in ${chosen//,/ }; do
  line=$(all_labs | awk -v name="$name" '$1 == name { sub(/^[^ ]+ +/, ""); print }')
  [[ -n $line ]] || die "unknown lab '$name'; --list shows them"
  if spent; then
    say "$name: left out, $budget_s s are spent"
    continue
  fi
  # shellcheck disable=SC2086  # a list of words
  run_lab "$name" $line || failed=1
done
summarize=summarize_sweep.py
((!grid)) || summarize=summarize_grid.py
results=("$out"/*.{uniform,small-v,zipf,moe,hot,zeros}.json)
python3 "$root/perf/compare/$summarize" --out "$out/summary.json" "${results[@]}" || failed=1
exit $failed
