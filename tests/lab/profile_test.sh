#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# profile_test.sh BANYAN_PROFILE - in labs of 2 and 4 hosts, banyan-profile finds the NIC rates that were set.
# Prints "ok - name" or "not ok - name" per test; exits 0, 1, or 77 if it cannot run here. Takes about 45 s; touches only
# labs of its own names.
# shellcheck disable=SC2317  # the tests are called by name
set -u

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(cd "$HERE/../.." && pwd)
LAB=pt$$
FAILED=0 COUNT=0

# shellcheck source=tests/lab/checks.sh
. "$HERE/checks.sh"

(($# == 1)) || { echo "usage: $0 BANYAN_PROFILE" >&2; exit 2; }
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

# What all other hosts together can take is all that can be seen of a host that is faster than them.
rates_are_near_the_truth() {
  lab "$LAB" describe --json >"$WORK/truth.json" && python3 - "$WORK/truth.json" "$WORK/profile.json" <<'PYTHON'
import json, sys
truth, profile = (json.load(open(path)) for path in sys.argv[1:])
rates = {node["hostname"]: sum(nic["rate_bytes_per_s"] for nic in node["nic"].values()) for node in truth["nodes"]}
hosts = {host["name"]: host for host in profile["hosts"]}
assert sorted(hosts) == sorted(rates), (sorted(hosts), sorted(rates))
wrong = []
for name, rate in rates.items():
    seen = min(rate, sum(rates.values()) - rate)
    for direction in ("egress_bytes_per_s", "ingress_bytes_per_s"):
        ratio = hosts[name][direction] / seen
        if not 0.85 <= ratio <= 1.15:
            wrong.append(f"{name} {direction} is {ratio:.2f} of {seen / 1e6:.1f} MB/s")
names = [host["name"] for host in profile["hosts"]]
for i, row in enumerate(profile["host_pair_bytes_per_s"]):
    for j, rate in enumerate(row):
        seen = min(rates[names[i]], rates[names[j]])
        if i != j and not 0.8 <= rate / seen <= 1.2:
            wrong.append(f"{names[i]} to {names[j]} is {rate / seen:.2f} of {seen / 1e6:.1f} MB/s")
sys.exit("; ".join(wrong) or 0)
PYTHON
}

finds_the_rates() { # finds_the_rates BUDGET: best of 3, other work shares the cores
  local attempt
  for attempt in 1 2 3; do
    measure "$1" || return 1
    rates_are_near_the_truth >"$WORK/wrong" 2>&1 && return 0
    echo "attempt $attempt: $(cat "$WORK/wrong")"
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

resumed_run_measures_nothing_again() {
  lab "$LAB" run -- "$PROFILE" --budget 4 --resume "$WORK/resume.json" --output "$WORK/first.json" >"$WORK/tables" &&
    lab "$LAB" run -- "$PROFILE" --budget 4 --resume "$WORK/resume.json" --output "$WORK/second.json" >"$WORK/tables" &&
    equal "$(grep -v '"created"' "$WORK/second.json")" "$(grep -v '"created"' "$WORK/first.json")"
}

run_test two_hosts_of_two_speeds
run_test uneven_hosts
run_test resumed_run_measures_nothing_again
run_test four_hosts_of_three_speeds
echo "1..$COUNT"
exit "$FAILED"
