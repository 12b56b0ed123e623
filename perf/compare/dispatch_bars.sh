#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# dispatch_bars.sh - the token exchange's bars: raises labs of several shapes, measures their networks, runs
# dispatch_compare, and overlap_perf, in each, and judges. Exit status 1: a bar is missed, or sums were wrong.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: dispatch_bars.sh [OPTIONS]                             (as root; docs/performance.md tells how to read it)

  --build DIR     build folder with the programs (default build/release)
  --bundle DIR    programs and libraries packed by pack.sh, for a machine without the build's packages
  --out DIR       where profiles, JSON files and the summary go (default out/dispatch)
  --cases LIST    comma separated names out of those of --list (default: all)
  --budget-s N    start nothing new after N seconds; what was left out is named (default: no limit)
  --rounds N      rounds of a case (default 11)
  --point-s N     after N seconds in a case begin no new round, but have 3 at least (default 40)
  --profile-s N   seconds that banyan-profile may take in each lab (default 8)
  --lab OPTIONS   of "banyan-lab up", in place of every case's own lab: to see that it works, not to judge
  --extra OPTIONS of dispatch_compare, besides: likewise
  --list          the labs and the cases

Extra arguments of mpirun: MPIRUN_ARGS (default "--mca pml ob1 --mca btl tcp,vader,self").

Examples:
  perf/compare/dispatch_bars.sh                                                  everything: 16 or more idle cores
  perf/compare/dispatch_bars.sh --bundle BUNDLE --cases 4x4,2x8 --budget-s 500
  perf/compare/dispatch_bars.sh --build build/dev --lab "--nodes 2 --ranks 2 --rate 200mbit" --rounds 1 --cases 4x4 \
    --extra "--tokens 64"                                                        does it work?
TEXT
}

root=$(cd "$(dirname "$(readlink -f "$0")")/../.." && pwd)
lab_name=dispatch-$$
# shellcheck source=perf/compare/lab_runs.sh
. "$root/perf/compare/lab_runs.sh"

# NAME, then the options of "banyan-lab up". A rack's uplink is a quarter of what its two nodes can send.
labs() {
  cat <<'TEXT'
4x4-1g      --nodes 4 --ranks 4 --rate 1gbit
2x8-1g      --nodes 2 --ranks 8 --rate 1gbit
7+8-1g      --ranks 7,8 --rate 1gbit
racks-1g    --nodes 4 --ranks 4 --rate 1gbit --leaves 2 --spine 500mbit
4x4-quarter --nodes 4 --ranks 4 --rate 1gbit,1gbit,1gbit,250mbit
4x4-200m    --nodes 4 --ranks 4 --rate 200mbit
TEXT
}

# CASE LAB, then the options of dispatch_compare; its layer is 512 tokens, hidden 2048 bf16, top 8 of 64 unless said. The
# bars of each are in summarize_dispatch.py. overlap is overlap_perf's, which judges itself: percent of the exchange that
# hides behind experts as long as it.
cases() {
  cat <<'TEXT'
4x4            4x4-1g
4x4-small      4x4-1g      --tokens 8
odd-experts    4x4-1g      --experts 70
uneven-experts 4x4-1g      --placement uneven
replicas       4x4-1g      --replicas 8
zero-ranks     4x4-1g      --zero-ranks 0.25
strided        4x4-1g      --groups 2
2x8            2x8-1g
2x8-small      2x8-1g      --tokens 8
7+8            7+8-1g
racks          racks-1g
quarter        4x4-quarter
targets        4x4-200m    --targets budgeted:3 --dedup none --no-rows --no-mpi
overlap        4x4-1g      --chunks 2 4 8 16 0 --require 70
TEXT
}

build=$root/build/release bundle='' out=out/dispatch chosen='' lab_options='' extra=''
budget_s=0 rounds=11 point_s=40 profile_s=8
while (($#)); do
  case $1 in
    --build) build=$2 && shift 2 ;;
    --bundle) bundle=$2 && shift 2 ;;
    --out) out=$2 && shift 2 ;;
    --cases) chosen=$2 && shift 2 ;;
    --budget-s) budget_s=$2 && shift 2 ;;
    --rounds) rounds=$2 && shift 2 ;;
    --point-s) point_s=$2 && shift 2 ;;
    --profile-s) profile_s=$2 && shift 2 ;;
    --lab) lab_options=$2 && shift 2 ;;
    --extra) extra=$2 && shift 2 ;;
    --list) labs && echo && cases && exit ;;
    -h | --help) usage && exit ;;
    *) usage >&2 && die "unknown option '$1'" ;;
  esac
done

find_programs() {
  if [[ -n $bundle ]]; then
    bundle=$(readlink -f "$bundle")
    compare=$bundle/bin/dispatch_compare profile=$bundle/bin/banyan-profile overlap=$bundle/bin/overlap_perf
    use_bundle "$bundle"
  else
    build=$(readlink -f "$build")
    compare=$build/perf/compare/dispatch_compare profile=$build/tools/banyan-profile/banyan-profile
    overlap=$build/perf/overlap_perf/overlap_perf
  fi
  [[ -x $compare && -x $profile ]] || die "no $compare or no $profile; build them (cmake --preset release &&" \
    "cmake --build --preset release) or pass --build or --bundle"
}

field() { awk -v name="$2" '$1 == name { sub(/^[^ ]+ +/, ""); print }' < <("$1"); } # TABLE NAME: the rest of its line

lab_up='' # the one that is up
raise() { # LAB: up with its profile, unless it is up
  [[ $lab_up != "$1" ]] || return 0
  lab_up=''
  # shellcheck disable=SC2046,SC2086  # lists of words
  lab up ${lab_options:-$(field labs "$1")} >&2 || return 1
  lab describe --json >"$out/$1.lab.json"
  measure_profile "$1" "$profile_s" || return 1
  lab_up=$1
}

run_case() { # CASE LAB OPTIONS...
  local name=$1 where=$2
  shift 2
  raise "$where" || return 1
  if [[ $name == overlap ]]; then
    # shellcheck disable=SC2086  # a list of words
    lab run -- "$overlap" --profile "$out/$where.profile.json" --rounds "$rounds" "$@" $extra | tee "$out/overlap.txt"
    return
  fi
  # shellcheck disable=SC2086  # a list of words
  run_mpi "$compare" --lab-json "$out/$where.lab.json" --profile "$out/$where.profile.json" --label "$name" \
    --rounds "$rounds" --point-s "$point_s" -J "$out/$name.dispatch.json" "$@" $extra
}

[[ -n $chosen ]] || chosen=$(cases | awk '{ print $1 }' | paste -sd,)
find_programs
forward_variables
mkdir -p "$out"
out=$(readlink -f "$out")
trap 'lab down >/dev/null 2>&1 || true' EXIT
failed=0 results=()
for name in ${chosen//,/ }; do
  line=$(field cases "$name")
  [[ -n $line ]] || die "unknown case '$name'; --list shows them"
  if spent; then
    say "$name: left out, $budget_s s are spent"
    continue
  fi
  rm -f "$out/$name.dispatch.json"
  # shellcheck disable=SC2086  # a list of words
  run_case "$name" $line || failed=1
  [[ $name == overlap ]] || results+=("$out/$name.dispatch.json")
done
[[ ${#results[@]} -gt 0 ]] || exit $failed
python3 "$root/perf/compare/summarize_dispatch.py" --out "$out/summary.json" "${results[@]}" || failed=1
exit $failed
