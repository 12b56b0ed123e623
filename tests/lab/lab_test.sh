#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# lab_test.sh - the lab's own exam.  Prints "ok - name" or "not ok - name" per test; exits 0, 1, or 77 if it
# cannot run here.  Takes about 15 s; touches only labs of its own names.
# shellcheck disable=SC2317,SC2016  # the tests are called by name; their scripts expand in the rank, not here
set -u

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(cd "$HERE/../.." && pwd)
TRANSFER=$ROOT/tools/lab/selftest/transfer.py
A=lt$$-a B=lt$$-b
FAILED=0 COUNT=0

# shellcheck source=tests/lab/checks.sh
. "$HERE/checks.sh"

(($(id -u) == 0)) || skip_all "the lab needs root"
command -v python3 >/dev/null || skip_all "the tests make traffic with python3, which is not installed"
WORK=$(mktemp -d)
trap 'lab $A down; lab $B down; rm -rf "$WORK"' EXIT
trap 'exit 130' INT TERM
lab "$A" up --ranks 1 2>"$WORK/up" || {
  grep -qE 'missing or broken|lacks' "$WORK/up" && skip_all "$(head -n 2 "$WORK/up" | tr '\n' ' ')"
  cat "$WORK/up"
}

# --- options -------------------------------------------------------------------------------------------------

bad_options_are_refused_by_name() {
  local options
  for options in "--nodes 0" "--nodes" "--ranks 1,2,3 --nodes 2" "--rate 1000" "--rate 5parsecs" "--mtu 9" "--frob 1" \
    "--spine 1gbit" "--leaves 2,2 --nodes 3" "--burst 1kb"; do
    # shellcheck disable=SC2086
    refuses "$(cut -d' ' -f1 <<<"${options#--}")" lab "$B" up $options || return 1
  done
  refuses "lab name" lab "No/Name" up
}

help_tells_every_command() {
  local help command
  help=$(lab "$A" --help) || return 1
  for command in up down list status describe hosts exec run mpirun mpich rate spine link counters selftest; do
    grep -q "^  $command" <<<"$help" || fail "--help does not tell of $command" || return 1
  done
  lab "$A" up --help | grep -q -e '--rails' && lab "$A" run --help | grep -q -e '--keep-going'
}

# --- identity ------------------------------------------------------------------------------------------------

nodes_have_identities_of_their_own() {
  local what
  for what in "hostname" "cat /proc/sys/kernel/random/boot_id" "readlink /proc/self/ns/ipc" "readlink /proc/self/ns/net"; do
    # shellcheck disable=SC2086
    [[ $(lab "$A" exec 0 -- $what) != "$(lab "$A" exec node1 -- $what)" ]] || fail "equal: $what" || return 1
  done
  equal "$(lab "$A" exec 0 -- hostname)" node0 && equal "$(lab "$A" exec 1 -- cat /etc/hostname)" node1 &&
    equal "$(lab "$A" exec 1 -- ls /sys/class/net | tr '\n' ' ')" "eth0 lo " &&
    equal "$(lab "$A" exec 1 -- getent hosts node0 | awk '{ print $1 }')" 10.77.0.1
}

shared_memory_stays_in_its_node() {
  local file=/dev/shm/$A-file
  lab "$A" exec 0 -- touch "$file" && lab "$A" exec 0 -- test -e "$file" &&
    ! lab "$A" exec 1 -- test -e "$file" && [[ ! -e $file ]]
}

exec_keeps_directory_stdin_and_code() {
  local code=0
  lab "$A" exec 0 -- sh -c 'exit 9' || code=$?
  equal "$code" 9 && equal "$(cd "$WORK" && lab "$A" exec 1 -- pwd)" "$WORK" &&
    equal "$(echo text | lab "$A" exec 1 -- cat)" text
}

own_tools_do_not_leak() {
  local tools=$WORK/tools real
  mkdir -p "$tools/bin" "$tools/lib"
  for real in ip tc; do ln -s "$(PATH=$PATH:/usr/sbin:/sbin command -v "$real")" "$tools/bin/$real"; done
  BANYAN_LAB_TOOLS=$tools lab "$B" up --ranks 1 &&
    equal "$(BANYAN_LAB_TOOLS=$tools lab "$B" run -n 2 -- env | grep -c "LD_LIBRARY_PATH\|^PATH=$tools")" 0 &&
    BANYAN_LAB_TOOLS=$tools lab "$B" rate 0 1mbit && lab "$B" down
}

# --- links ---------------------------------------------------------------------------------------------------

describe_tells_the_truth() {
  lab "$B" up --ranks 7,8,1 --rate 1gbit,250mbit,0 --rails 2 --leaves 2,1 --spine 2gbit && lab "$B" rate 1 100mbit --rail 1 &&
    lab "$B" link 2 down --rail 0 || return 1
  sleep 0.2 # the carrier is lost a moment after the cable is pulled
  lab "$B" describe --json | python_checks '
lab = json.load(sys.stdin)
rates = [[node["nic"][f"eth{rail}"]["rate_bytes_per_s"] for rail in (0, 1)] for node in lab["nodes"]]
assert rates == [[125000000, 125000000], [31250000, 12500000], [0, 0]], rates
assert [node["ranks"] for node in lab["nodes"]] == [list(range(7)), list(range(7, 15)), [15]]
assert [leaf["nodes"] for leaf in lab["leaves"]] == [[0, 1], [2]]
assert lab["leaves"][1]["spine_rate_bytes_per_s"] == [250000000, 250000000]
assert [node["nic"]["eth0"]["up"] for node in lab["nodes"]] == [True, True, False]
assert lab["node_file"] == "/run/banyan-lab/node.json"' &&
    lab "$B" exec 1 -- cat /run/banyan-lab/node.json | python_checks '
node = json.load(sys.stdin)
assert node["node"] == 1 and node["nic"]["eth1"]["rate_bytes_per_s"] == 12500000, node' &&
    equal "$(lab "$B" hosts)" "node0:7,node1:8,node2:1" && lab "$B" status | grep -q "node1 .*100 Mbit/s" && lab "$B" down
}

rate_shapes_both_directions() { near_rate "$A" 0 1 3000000 10000000 && near_rate "$A" 1 0 3000000 10000000; }

rate_changes_while_up() {
  lab "$A" rate 1 40mbit && near_rate "$A" 0 1 2000000 5000000 && lab "$A" rate 1 80mbit
}

counters_count_what_crossed() {
  lab "$A" counters --reset && transfer "$A" 0 1 4000000 >/dev/null || return 1
  lab "$A" counters --json | python_checks '
links = {(link["kind"], link["node"]): link for link in json.load(sys.stdin)["links"]}
for key in (("node_egress", 0), ("node_ingress", 1)):
    for field in ("bytes", "wire_bytes"):
        assert 4000000 <= links[key][field] <= 4000000 * 1.05, (key, links[key])
    assert links[key]["wire_packets"] >= 4000000 / 1448 and links[key]["drops"] == 0, links[key]
assert links["node_egress", 1]["bytes"] < 400000, links' &&
    lab "$A" counters --reset && lab "$A" counters --json | python_checks '
assert all(link["bytes"] < 1000 for link in json.load(sys.stdin)["links"])' &&
    lab "$A" counters | grep -q '^node0.eth0 ->'
}

link_down_stops_traffic() {
  lab "$A" link 1 down && ! transfer "$A" 0 1 100000 1 >/dev/null 2>&1 || return 1
  lab "$A" link 1 up && transfer "$A" 0 1 100000 >/dev/null
}

spine_limits_only_what_crosses_it() {
  lab "$B" up --nodes 4 --ranks 1 --rate 160mbit --leaves 2 --spine 40mbit && near_rate "$B" 0 2 2000000 5000000 &&
    lab "$B" counters --reset && near_rate "$B" 0 1 4000000 20000000 || return 1
  lab "$B" counters --json | python_checks '
links = json.load(sys.stdin)["links"]
assert all(link["bytes"] < 1000 for link in links if link["kind"] == "leaf_to_spine"), links' &&
    lab "$B" spine 80mbit 0 && lab "$B" spine 80mbit leaf1 && near_rate "$B" 0 2 4000000 10000000 && lab "$B" down
}

rails_are_separate_planes() {
  lab "$B" up --ranks 1 --rails 2 --rate 80mbit && lab "$B" counters --reset &&
    transfer "$B" 0 1 1000000 5 node1-eth1 >/dev/null && lab "$B" counters --json | python_checks '
bytes_of = {link["rail"]: link["bytes"] for link in json.load(sys.stdin)["links"] if link["kind"] == "node_egress" and link["node"] == 0}
assert bytes_of[0] < 1000 and bytes_of[1] >= 1000000, bytes_of' && lab "$B" down
}

# --- jobs ----------------------------------------------------------------------------------------------------

uneven_ranks_get_the_right_environment() {
  lab "$B" up --ranks 7,8 || return 1
  lab "$B" run -- sh -c 'echo $RANK $WORLD_SIZE $LOCAL_RANK $LOCAL_WORLD_SIZE $NODE_RANK $MASTER_ADDR $MASTER_PORT $(hostname)' |
    python_checks '
got = sorted(line.split() for line in sys.stdin)
expected = sorted([str(rank), "15", str(rank if rank < 7 else rank - 7), "7" if rank < 7 else "8", str(int(rank >= 7)),
                   "10.77.0.1", "29500", f"node{int(rank >= 7)}"] for rank in range(15))
assert got == expected, got' &&
    equal "$(lab "$B" run -n 9 --port 4000 -- sh -c 'echo $MASTER_PORT/$LOCAL_WORLD_SIZE' | sort | uniq -c | xargs)" "2 4000/2 7 4000/7" &&
    refuses "15 slots" lab "$B" run -n 16 -- true
}

secret_is_private_fresh_and_gone() {
  local first second
  first=$(lab "$B" run -n 1 -- sh -c 'stat -c %a:%u:%s $BANYAN_JOB_SECRET_FILE; cat $BANYAN_JOB_SECRET_FILE; echo; echo $BANYAN_JOB_SECRET_FILE')
  second=$(lab "$B" run -n 1 -- sh -c 'cat $BANYAN_JOB_SECRET_FILE')
  equal "$(sed -n 1p <<<"$first")" "600:0:64" && [[ $(sed -n 2p <<<"$first") =~ ^[0-9a-f]{64}$ ]] &&
    [[ $(sed -n 2p <<<"$first") != "$second" && ! -e $(sed -n 3p <<<"$first") ]]
}

failed_rank_ends_the_job() {
  local code=0
  lab "$B" run -- sh -c '[ $RANK = 9 ] && exit 7; sleep "$1" & wait' sh "4321.$$" 2>"$WORK/said" || code=$?
  equal "$code" 7 && grep -q "rank 9 (node1, local rank 2) exited with 7" "$WORK/said" && equal "$(processes_of "sleep 4321.$$")" 0
}

keep_going_waits_for_the_others() {
  local code=0
  lab "$B" run --keep-going -- sh -c '[ $RANK = 9 ] && kill -9 $$; sleep 0.3; echo end' >"$WORK/out" 2>/dev/null || code=$?
  equal "$code" 137 && equal "$(grep -c end "$WORK/out")" 14
}

stopped_job_leaves_no_rank() {
  timeout 0.5 "$ROOT/tools/lab/banyan-lab" --name "$B" run -- sleep 4322.$$
  equal $? 124 && equal "$(processes_of "sleep 4322.$$")" 0 && equal "$(ls "/run/banyan-lab/$B/secret")" ""
}

mpirun_sees_uneven_hosts() {
  equal "$(lab "$B" mpirun -n 15 -- hostname | sort | uniq -c | xargs)" "7 node0 8 node1"
}

# --- life ----------------------------------------------------------------------------------------------------

labs_live_side_by_side() {
  lab "$A" up --ranks 1 --rate 80mbit && lab "$B" up --ranks 2 || return 1
  lab "$A" list | grep -qx "$A" && lab "$A" list | grep -qx "$B" &&
    equal "$(lab "$A" hosts) $(lab "$B" hosts)" "node0:1,node1:1 node0:2,node1:2" &&
    lab "$B" counters --reset && transfer "$A" 0 1 1000000 >/dev/null && lab "$B" counters --json | python_checks '
assert all(link["bytes"] < 1000 for link in json.load(sys.stdin)["links"])' &&
    lab "$B" down && lab "$A" exec 0 -- true && refuses "no lab '$B' is up" lab "$B" exec 0 -- true
}

up_again_replaces_the_old_lab() {
  lab "$B" up --nodes 3 && lab "$B" up --nodes 2 && equal "$(lab "$B" hosts)" "node0:4,node1:4" &&
    equal "$(holders "$B")" 3
}

up_after_a_killed_up_works() {
  local delay
  for delay in 0.03 0.08 0.15; do
    "$ROOT/tools/lab/banyan-lab" --name "$B" up --nodes 12 2>/dev/null &
    sleep "$delay"
    { kill -KILL $! && wait $!; } 2>/dev/null
    lab "$B" up --nodes 2 --ranks 1 && transfer "$B" 0 1 10000 >/dev/null && equal "$(holders "$B")" 3 || return 1
  done
}

down_leaves_nothing() {
  local namespaces
  lab "$B" up --nodes 3 --rails 2 --leaves 3 || return 1
  lab "$B" exec 1 -- sleep 4323.$$ &
  lab "$B" exec 2 -- setsid --fork sh -c 'sleep "$1"' sh "4324.$$" </dev/null >/dev/null 2>&1
  namespaces=$(namespaces_of "$B")
  lab "$B" down && lab "$B" down || return 1
  wait $!
  equal "$(holders "$B")" 0 && equal "$(processes_of "sleep 432[34].$$")" 0 && [[ ! -e /run/banyan-lab/$B ]] &&
    equal "$(grep -c "banyan-lab/$B" /proc/self/mountinfo)" 0 && [[ -n $namespaces ]] &&
    equal "$(readlink /proc/[0-9]*/ns/net 2>/dev/null | grep -cFx "$namespaces")" 0
}

run_test bad_options_are_refused_by_name
run_test help_tells_every_command
run_test nodes_have_identities_of_their_own
run_test shared_memory_stays_in_its_node
run_test exec_keeps_directory_stdin_and_code
run_test own_tools_do_not_leak
run_test describe_tells_the_truth
lab "$A" up --ranks 1 --rate 80mbit
run_test rate_shapes_both_directions
run_test rate_changes_while_up
run_test counters_count_what_crossed
run_test link_down_stops_traffic
run_test spine_limits_only_what_crosses_it
run_test rails_are_separate_planes
run_test uneven_ranks_get_the_right_environment
run_test secret_is_private_fresh_and_gone
run_test failed_rank_ends_the_job
run_test keep_going_waits_for_the_others
run_test stopped_job_leaves_no_rank
if has_open_mpi; then run_test mpirun_sees_uneven_hosts; else skip_test mpirun_sees_uneven_hosts "no Open MPI"; fi
run_test labs_live_side_by_side
run_test up_again_replaces_the_old_lab
run_test up_after_a_killed_up_works
run_test down_leaves_nothing
echo "1..$COUNT"
exit "$FAILED"
