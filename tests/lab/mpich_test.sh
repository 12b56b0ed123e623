#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# mpich_test.sh MPI_COMPARE MPICH_COMPARE - in a lab of two hosts, MPICH is measured beside Open MPI in one run: its data are
# right and cross the lab's cards; where it cannot be measured the run goes on and says why. Prints "ok - name" or "not ok -
# name" per test; exits 0, 1, or 77 if it cannot run here. Touches only a lab of its own name.
# shellcheck disable=SC2317  # the tests are called by name
set -u

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(cd "$HERE/../.." && pwd)
LAB=mp$$
FAILED=0 COUNT=0 ROUNDS=3 MPICH_PID=''

# shellcheck source=tests/lab/checks.sh
. "$HERE/checks.sh"

(($# == 2)) || { echo "usage: $0 MPI_COMPARE MPICH_COMPARE" >&2; exit 2; }
COMPARE=$(readlink -f "$1") MPICH=$(readlink -f "$2")
(($(id -u) == 0)) || skip_all "the lab needs root"
has_open_mpi || skip_all "Open MPI's mpirun is not installed"
command -v mpiexec.hydra >/dev/null || skip_all "MPICH's mpiexec.hydra is not installed"
command -v python3 >/dev/null || skip_all "what was measured is read with python3, which is not installed"
WORK=$(mktemp -d)
trap 'lab $LAB down; rm -rf "$WORK"' EXIT
trap 'exit 130' INT TERM

start_mpich() { # start_mpich RANKS: $WORK/RANKS has their sockets
  mkdir -p "$WORK/$1"
  : >"$WORK/mpich" # tail may come first
  "$ROOT/tools/lab/banyan-lab" --name "$LAB" mpich -n "$1" -- "$MPICH" --sockets "$WORK/$1" --yield >"$WORK/mpich" 2>&1 &
  MPICH_PID=$!
  trap stop_mpich EXIT # of the test's subshell
  timeout 60 tail -n +1 -f --pid "$MPICH_PID" "$WORK/mpich" | grep -q -m 1 '^ready' || fail "$(cat "$WORK/mpich")"
}

stop_mpich() {
  [[ -z $MPICH_PID ]] || {
    kill "$MPICH_PID" 2>/dev/null
    wait "$MPICH_PID" 2>/dev/null
  }
  MPICH_PID=
}

compare() { # compare OPTIONS...: writes $WORK/out.json
  lab "$LAB" mpirun --mca pml ob1 --mca btl tcp,vader,self -- "$COMPARE" --no-banyan --rounds "$ROUNDS" --round-ms 1 \
    -J "$WORK/out.json" "$@"
}

check_json() { # check_json PYTHON: of the run's points
  python3 - "$WORK/out.json" <<PYTHON
import json, sys
run = json.load(open(sys.argv[1]))
def of(point, library):
    return [c for c in point["candidates"] if c["name"].startswith(library)]
$1
PYTHON
}

mpich_takes_turns_with_open_mpi_over_the_labs_cards() {
  start_mpich 4 || return 1
  compare --mpich "$WORK/4" -b 4k -e 32k -f 8 || return 1
  check_json '
for point in run["points"]:
    assert point["wrong_bytes"] == 0 and run["environment"]["mpich"].startswith("MPICH Version"), point
    measured = [c for c in of(point, "mpich:") if c["rounds_s"]]
    assert len(measured) >= 2 and all(len(c["rounds_s"]) == 3 and c["checked_exchanges"] == 2 for c in measured), measured
    for c in of(point, "mpich:"):
        assert c["rounds_s"] or c["left_out_s"] > 0, c
        if c["rounds_s"] and c["name"] != "mpich:brucks":
            assert 1 < c["nic_bytes_per_exchange"] / point["inter_host_bytes"] < 1.5, c
' && compare --mpich "$WORK/4" --gen zipf -b 1k -e 1k && check_json '
assert len(run["points"]) == 1 and any(c["rounds_s"] for c in of(run["points"][0], "mpich:")), run["points"]
assert run["points"][0]["wrong_bytes"] == 0'
}

run_goes_on_without_mpich_and_says_why() {
  compare --mpich "$WORK/nowhere" -b 8 -e 8 2>&1 | grep 'MPICH is not measured: 4 of 4 ranks .*nowhere' || return 1
  check_json 'assert run["environment"]["mpich"] is None and "nowhere" in run["why_no_mpich"]
assert of(run["points"][0], "openmpi:") and not of(run["points"][0], "mpich:")'
}

mpich_of_other_ranks_is_refused_by_name() {
  start_mpich 2 || return 1
  compare --mpich "$WORK/2" -b 8 -e 8 2>&1 | grep "rank 0 of 2 on node0, mpi_compare's rank 0 of 4 on node0"
}

mpich_lost_on_the_way_leaves_a_run_of_open_mpi() {
  start_mpich 4 || return 1
  mkfifo "$WORK/said"
  ROUNDS=5 compare --mpich "$WORK/4" -b 8 -e 1k -f 2 >"$WORK/said" 2>"$WORK/errors" &
  local line run=$!
  while read -r line; do
    [[ $line != 8\ * ]] || stop_mpich # the first size is over
    [[ $line != *"lost on the way"* ]] || echo "$line" >"$WORK/lost"
  done <"$WORK/said"
  wait "$run" || fail "$(cat "$WORK/errors")" || return 1
  grep -q 'mpich_compare is lost' "$WORK/errors" && [[ -s $WORK/lost ]] || return 1
  check_json '
first, last = run["points"][0], run["points"][-1]
assert any(c["rounds_s"] for c in of(first, "mpich:")) and not any(c["rounds_s"] for c in of(last, "mpich:"))
assert last["best_mpi"].startswith("openmpi:") and len(run["points"]) == 8, last["best_mpi"]'
}

lab "$LAB" up --nodes 2 --ranks 2 --rate 200mbit 2>"$WORK/up" || {
  grep -qE 'missing or broken|lacks' "$WORK/up" && skip_all "$(head -n 2 "$WORK/up" | tr '\n' ' ')"
  cat "$WORK/up"
  exit 1
}
for name in mpich_takes_turns_with_open_mpi_over_the_labs_cards run_goes_on_without_mpich_and_says_why \
  mpich_of_other_ranks_is_refused_by_name mpich_lost_on_the_way_leaves_a_run_of_open_mpi; do
  run_test "$name"
done
echo "1..$COUNT"
exit "$FAILED"
