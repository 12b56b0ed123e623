#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# quickstart.sh - Banyan's main job from a bare machine to a report.  docs/quickstart.md tells how to read what it shows.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: tools/quickstart.sh [OPTIONS]

Installs what is missing, builds, raises a lab of 4 hosts x 4 ranks with two NIC speeds, looks at it, measures it, plans
an all-to-all-v of MoE-shaped traffic, runs it checked, runs Open MPI beside it, and writes a report. As root on Debian
12 or Ubuntu; without root it uses ranks of this machine over shared memory and says what is missing.

  --out DIR      results (default out/quickstart; the report is DIR/report.html)
  --build DIR    use this build folder and do not build
  --local        no lab, even as root
  --no-install   install nothing
  --keep-lab     leave the lab up ('tools/lab/banyan-lab --name quickstart down' removes it)
TEXT
}

root=$(cd "$(dirname "$(readlink -f "$0")")/.." && pwd)
lab_tool=$root/tools/lab/banyan-lab
lab_options=(--nodes 4 --ranks 4 --rate 1gbit,1gbit,250mbit,250mbit)
local_ranks=4
traffic=(--gen moe -b 512 -e 8k -f 16)

out=$root/out/quickstart build='' local_only=0 install=1 keep_lab=0
while (($#)); do
  case $1 in
    --out) out=${2:?--out needs a folder} && shift 2 ;;
    --build) build=${2:?--build needs a folder} && shift 2 ;;
    --local) local_only=1 && shift ;;
    --no-install) install=0 && shift ;;
    --keep-lab) keep_lab=1 && shift ;;
    -h | --help) usage && exit ;;
    *) usage >&2 && echo "quickstart: unknown option '$1'" >&2 && exit 2 ;;
  esac
done

notes=()    # what is missing, a sentence each
commands=() # what was run, as a user would type it

step() { printf '\n== %s (%d s) ==\n' "$*" "$SECONDS"; }
note() {
  notes+=("$1")
  echo "note: $1"
}
die() {
  echo "quickstart: $*" >&2
  exit 1
}

lab() { "$lab_tool" --name quickstart "$@"; }

install_packages() {
  ((install)) || return 0
  step "Installing what is missing"
  if ((EUID != 0)); then
    note "Not root: nothing was installed. If the build misses something, run tools/install_dependencies.sh as root."
    return 0
  fi
  "$root/tools/install_dependencies.sh"
}

build_all() {
  if [[ -n $build ]]; then
    [[ -x $build/tools/banyan-profile/banyan-profile ]] || die "--build $build: no Banyan was built there"
    build=$(readlink -f "$build")
    return
  fi
  step "Building (build/release)"
  build=$root/build/release
  (cd "$root" && cmake --preset release >"$out/configure.log" && cmake --build --preset release) ||
    die "the build failed; the configuration's output is in $out/configure.log"
}

# The two ways to start ranks: over the lab's hosts, or on this machine.
raise_cluster() {
  if ((!local_only && EUID == 0)) && lab up "${lab_options[@]}" 2>"$out/lab.log"; then
    step "A lab of 4 hosts x 4 ranks, two at 1 Gbit/s and two at 250 Mbit/s"
    cluster=lab
    commands+=("tools/lab/banyan-lab --name quickstart up ${lab_options[*]}")
    ((keep_lab)) || trap 'lab down >/dev/null 2>&1 || true' EXIT
    lab status
    lab describe --json >"$out/lab.json"
    return
  fi
  step "$local_ranks ranks on this machine, over shared memory"
  cluster=local
  if ((local_only)); then
    note "No lab, as asked (--local): one host, so no network is seen, measured or compared."
  elif ((EUID != 0)); then
    note "Not root: no lab of network namespaces, so one host over shared memory. As root there are 4 hosts."
  else
    note "No lab could be raised: $(tr '\n' ' ' <"$out/lab.log" | cut -c1-300)"
  fi
}

ranks() { # ranks PROGRAM ARGUMENTS...: one process per rank
  local program=$1
  shift
  if [[ $cluster == lab ]]; then
    commands+=("tools/lab/banyan-lab --name quickstart run -- ${program#"$root"/} $*")
    lab run -- "$program" "$@"
  else
    commands+=("${build#"$root"/}/tools/banyan-run/banyan-run -n $local_ranks -- ${program#"$root"/} $*")
    "$build/tools/banyan-run/banyan-run" -n "$local_ranks" -- "$program" "$@"
  fi
}

mpi_ranks() { # the same under Open MPI's mpirun
  local program=$1
  shift
  local arguments=(--mca pml ob1 --mca btl "tcp,vader,self")
  if [[ $cluster == lab ]]; then
    commands+=("tools/lab/banyan-lab --name quickstart mpirun ${arguments[*]} -- ${program#"$root"/} $*")
    lab mpirun "${arguments[@]}" -- "$program" "$@"
  else
    commands+=("mpirun -n $local_ranks ${arguments[*]} ${program#"$root"/} $*")
    OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1 \
      OMPI_MCA_mpi_yield_when_idle=1 mpirun -n "$local_ranks" "${arguments[@]}" "$program" "$@"
  fi
}

discover() {
  step "Discovering: the cluster as a tree"
  local topo=$build/tools/banyan-topo/banyan-topo
  ranks "$topo" --ranks --format json -o "$out/topology.json"
  "$topo" --file "$out/topology.json"
  "$topo" --file "$out/topology.json" --format svg -o "$out/tree.svg"
}

measure() {
  step "Profiling: what the links really do"
  ranks "$build/tools/banyan-profile/banyan-profile" --budget 8 --output "$out/profile.json" --svg "$out/heatmap.svg"
}

plan_and_run() {
  step "Planning and running a MoE-shaped all-to-all-v, two exchanges of each size checked byte for byte"
  ranks "$build/perf/alltoallv_perf/alltoallv_perf" "${traffic[@]}" --profile "$out/profile.json" --explain -n 20 -c 2 \
    -J "$out/alltoallv.json"
}

compare() {
  step "Open MPI beside it"
  if [[ ! -x $build/perf/compare/mpi_compare ]]; then
    note "mpi_compare was not built, so there is no comparison with Open MPI (it needs libopenmpi-dev)."
    return 0
  fi
  local bound=()
  [[ $cluster != lab ]] || bound=(--lab-json "$out/lab.json")
  mpi_ranks "$build/perf/compare/mpi_compare" "${traffic[@]}" --profile "$out/profile.json" "${bound[@]}" \
    -J "$out/compare.json"
}

report() {
  step "Writing the report"
  local arguments=(--out "$out/report.html" --title "Banyan quickstart: what this network does") text
  [[ $cluster != lab ]] || arguments+=(--lab-json "$out/lab.json")
  [[ ! -e $out/compare.json ]] || arguments+=(--compare-json "$out/compare.json")
  for text in "${notes[@]}"; do arguments+=(--note "$text"); done
  for text in "${commands[@]}"; do arguments+=(--command "$text"); done
  python3 "$root/tools/report/make_report.py" "${arguments[@]}" --tree-svg "$out/tree.svg" \
    --heatmap-svg "$out/heatmap.svg" --profile-json "$out/profile.json" --perf-json "$out/alltoallv.json"
}

mkdir -p "$out"
out=$(readlink -f "$out")
rm -f "$out"/*.json "$out"/*.svg "$out"/*.html
install_packages
build_all
raise_cluster
discover
measure
plan_and_run
compare
report
for text in "${notes[@]}"; do echo "missing: $text"; done
printf '\nDone in %d s. The report: %s\n' "$SECONDS" "$out/report.html"
