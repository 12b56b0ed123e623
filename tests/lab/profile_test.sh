#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# profile_test.sh BANYAN_PROFILE [--all] - in labs of 2 to 6 hosts, banyan-profile finds the rates of NICs and uplinks, and
# who shares an uplink; --all: in more labs. Prints "ok - name" or "not ok - name" per test; exits 0, 1, or 77 if it cannot
# run here. Takes about 100 s, with --all 200; touches only labs of its own names.
# shellcheck disable=SC2317  # the tests are called by name
set -u

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(cd "$HERE/../.." && pwd)
LAB=pt$$
FAILED=0 COUNT=0

# shellcheck source=tests/lab/checks.sh
. "$HERE/checks.sh"

(($# == 1)) || [[ $# == 2 && $2 == --all ]] || { echo "usage: $0 BANYAN_PROFILE [--all]" >&2; exit 2; }
PROFILE=$(readlink -f "$1")
(($(id -u) == 0)) || skip_all "the lab needs root"
command -v python3 >/dev/null || skip_all "what was measured is compared with python3, which is not installed"
WORK=$(mktemp -d)
trap 'lab $LAB down; rm -rf "$WORK"' EXIT
trap 'exit 130' INT TERM
lab "$LAB" up --ranks 1 2>"$WORK/up" || {
  grep -qE 'missing or broken|lacks' "$WORK/up" && skip_all "$(head -n 2 "$WORK/up" | tr '\n' ' ')"
  cat "$WORK/up"
}

measure() { # measure BUDGET: writes $WORK/profile.json
  lab "$LAB" run -- "$PROFILE" --budget "$1" --output "$WORK/profile.json" >"$WORK/tables"
}

# Compares $WORK/profile.json with the lab's rates; says what is wrong. Exits 0 if every rate was near the truth in this
# or an earlier attempt (other work on the cores can only slow a link down), 1 if one never was, 2 if one is faster than
# its wire, which no load explains. What all other hosts together can take is all that can be seen of a faster host.
rates_are_near_the_truth() {
  lab "$LAB" describe --json >"$WORK/truth.json" || return 1
  python3 - "$WORK/truth.json" "$WORK/profile.json" "$WORK/near" <<'PYTHON'
import json, os, sys
truth, profile = (json.load(open(path)) for path in sys.argv[1:3])
rates = {node["hostname"]: sum(nic["rate_bytes_per_s"] for nic in node["nic"].values()) for node in truth["nodes"]}
hosts = {host["name"]: host for host in profile["hosts"]}
assert sorted(hosts) == sorted(rates), (sorted(hosts), sorted(rates))
seen = {}
for name, rate in rates.items():
    for direction in ("egress_bytes_per_s", "ingress_bytes_per_s"):
        seen[f"{name} {direction}"] = (hosts[name][direction], min(rate, sum(rates.values()) - rate), 0.15)
names = [host["name"] for host in profile["hosts"]]
for i, row in enumerate(profile["host_pair_bytes_per_s"]):
    for j, rate in enumerate(row):
        if i != j:
            seen[f"{names[i]} to {names[j]}"] = (rate, min(rates[names[i]], rates[names[j]]), 0.2)
near = json.load(open(sys.argv[3])) if os.path.exists(sys.argv[3]) else []
near += [what for what, (rate, right, error) in seen.items() if abs(rate / right - 1) <= error]
json.dump(near, open(sys.argv[3], "w"))
wrong = {what: of for what, of in seen.items() if what not in near}
too_fast = {what: of for what, of in seen.items() if of[0] / of[1] > 1 + of[2]}
print("; ".join(f"{what} is {rate / right:.2f} of {right / 1e6:.1f} MB/s"
                for what, (rate, right, _) in (wrong | too_fast).items()))
sys.exit(2 if too_fast else 1 if wrong else 0)
PYTHON
}

finds_the_rates() { # finds_the_rates BUDGET
  local attempt status
  rm -f "$WORK/near"
  for attempt in 1 2 3 4 5 6; do # of 20 rates one was too slow three times in a row while compilers ran beside
    measure "$1" || return 1
    status=0
    rates_are_near_the_truth >"$WORK/wrong" 2>&1 || status=$?
    ((status)) || return 0
    echo "attempt $attempt: $(cat "$WORK/wrong")"
    ((status == 1)) || return 1
  done
  return 1
}

two_hosts_of_two_speeds() {
  lab "$LAB" up --ranks 2 --rate 200mbit,100mbit && finds_the_rates 8
}

four_hosts_of_three_speeds() {
  lab "$LAB" up --ranks 2 --rate 200mbit,100mbit,100mbit,50mbit && finds_the_rates 15
}

uneven_hosts() {
  lab "$LAB" up --ranks 3,1 --rate 100mbit && finds_the_rates 8
}

# Two racks whose uplinks are the limit.
racks_share_their_uplinks() {
  local attempt
  printf 'SwitchName=%s\n' 'leaf0 Nodes=node0,node1' 'leaf1 Nodes=node2' 'spine Switches=leaf0,leaf1' >"$WORK/switches.conf"
  lab "$LAB" up --nodes 3 --ranks 1 --rate 200mbit --leaves 2,1 --spine 100mbit || return 1
  for attempt in 1 2 3; do
    BANYAN_TOPOLOGY_FILE=$WORK/switches.conf measure 6 || return 1
    python3 - "$WORK/profile.json" <<'PYTHON' && return 0
import json, sys
profile = json.load(open(sys.argv[1]))
assert "inferred_racks" not in profile, "a file told the racks"
racks = profile["racks"]
rates = [rack[way] / 12.5e6 for rack in racks for way in ("egress_bytes_per_s", "ingress_bytes_per_s")]
print([f"{rate:.2f}" for rate in rates])
sys.exit(len(racks) != 2 or not all(0.85 < rate < 1.1 for rate in rates))
PYTHON
  done
  return 1
}

# Compares the racks that $WORK/profile.json inferred with the lab's leaves, and their capacities with its spine.
racks_are_the_leaves() {
  lab "$LAB" describe --json >"$WORK/truth.json" || return 1
  python3 - "$WORK/truth.json" "$WORK/profile.json" <<'PYTHON'
import json, sys
truth, profile = (json.load(open(path)) for path in sys.argv[1:3])
names = {host["key"]: host["name"] for host in profile["hosts"]}
leaf_of = {node["hostname"]: node["leaf"] for node in truth["nodes"]}
leaves = sorted(sorted(name for name in leaf_of if leaf_of[name] == leaf) for leaf in set(leaf_of.values()))
racks = {tuple(sorted(names[key] for key in rack["hosts"])): rack for rack in profile["inferred_racks"]}
spine = truth["leaves"][0]["spine_rate_bytes_per_s"][0] if len(leaves) > 1 else 0
rates = [rack.get(way, 0) / spine for rack in racks.values() for way in ("egress_bytes_per_s", "ingress_bytes_per_s")]
print(f"found {sorted(racks)} of {leaves}, capacities", [f"{rate:.2f}" for rate in rates])
right = sorted(map(list, racks)) == leaves if len(leaves) > 1 else not racks
sys.exit(not right or not all(0.85 <= rate <= 1.15 for rate in rates))
PYTHON
}

finds_the_racks() { # finds_the_racks LAB'S ARGUMENTS...: nobody tells banyan-profile of leaves
  local attempt
  lab "$LAB" up --ranks 1 --rate 200mbit "$@" || return 1
  for attempt in 1 2 3; do
    measure 4 || return 1
    ! racks_are_the_leaves || return 0
  done
  return 1
}

one_switch_then_no_shared_uplink() {
  finds_the_racks --nodes 4 && grep -q 'no shared uplink' "$WORK/tables"
}
two_racks_are_found() { finds_the_racks --nodes 4 --leaves 2 --spine 100mbit; }
three_racks_are_found() { finds_the_racks --nodes 6 --leaves 3 --spine 100mbit; }
uneven_racks_are_found() { finds_the_racks --nodes 5 --leaves 3,2 --spine 100mbit; }

# All that leaves three nodes enters the fourth: nothing tells its leaf's uplink from its NIC.
node_alone_behind_an_uplink_is_a_slow_node() {
  local attempt
  lab "$LAB" up --ranks 1 --rate 200mbit --nodes 4 --leaves 3,1 --spine 100mbit || return 1
  for attempt in 1 2 3; do
    measure 4 || return 1
    python3 - "$WORK/profile.json" <<'PYTHON' && return 0
import json, sys
profile = json.load(open(sys.argv[1]))
node = profile["hosts"][3]
rates = [node[way] / 12.5e6 for way in ("egress_bytes_per_s", "ingress_bytes_per_s")]
print(profile["inferred_racks"], [f"{rate:.2f}" for rate in rates])
sys.exit(profile["inferred_racks"] != [] or not all(0.85 <= rate <= 1.15 for rate in rates))
PYTHON
  done
  return 1
}

resumed_run_measures_nothing_again() {
  lab "$LAB" run -- "$PROFILE" --budget 4 --resume "$WORK/resume.json" --output "$WORK/first.json" >"$WORK/tables" &&
    lab "$LAB" run -- "$PROFILE" --budget 4 --resume "$WORK/resume.json" --output "$WORK/second.json" >"$WORK/tables" &&
    equal "$(grep -v '"created"' "$WORK/second.json")" "$(grep -v '"created"' "$WORK/first.json")"
}

run_test two_hosts_of_two_speeds
run_test uneven_hosts
run_test racks_share_their_uplinks
run_test one_switch_then_no_shared_uplink
run_test uneven_racks_are_found
if [[ ${2:-} == --all ]]; then
  run_test two_racks_are_found
  run_test three_racks_are_found
  run_test node_alone_behind_an_uplink_is_a_slow_node
fi
run_test resumed_run_measures_nothing_again
run_test four_hosts_of_three_speeds
echo "1..$COUNT"
exit "$FAILED"
