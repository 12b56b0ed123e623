#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# rails_test.sh ALLTOALL_PERF ALLTOALLV_PERF - where several networks join the hosts, an exchange uses all of them alike,
# unless told otherwise. Prints "ok - name" or "not ok - name" per test; exits 0, 1, or 77 if it cannot run here. Takes
# about 10 s; touches only a lab of its own name.
# shellcheck disable=SC2317  # the tests are called by name
set -u

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(cd "$HERE/../.." && pwd)
LAB=rt$$
FAILED=0 COUNT=0

# shellcheck source=tests/lab/checks.sh
. "$HERE/checks.sh"

(($# == 2)) || { echo "usage: $0 ALLTOALL_PERF ALLTOALLV_PERF" >&2; exit 2; }
UNIFORM=$(readlink -f "$1") VARIABLE=$(readlink -f "$2")
(($(id -u) == 0)) || skip_all "the lab needs root"
command -v python3 >/dev/null || skip_all "the counters are compared with python3, which is not installed"
WORK=$(mktemp -d)
trap 'lab $LAB down; rm -rf "$WORK"' EXIT
trap 'exit 130' INT TERM

raise() {
  lab "$LAB" up --ranks 3 --rails 3 --rate 200mbit 2>"$WORK/up" && return
  grep -qE 'missing or broken|lacks' "$WORK/up" && skip_all "$(head -n 2 "$WORK/up" | tr '\n' ' ')"
  cat "$WORK/up"
  return 1
}

# The rails' shares of what left node0, in percent, e.g. "33 33 33".
shares() { # shares VARIABLE=VALUE PROGRAM ARGUMENTS...
  lab "$LAB" counters --reset >/dev/null &&
    lab "$LAB" run -- env "$@" -n 3 -w 1 -c 1 >"$WORK/table" && lab "$LAB" counters --json >"$WORK/links" &&
    python3 - "$WORK/links" <<'PYTHON'
import json, sys
with open(sys.argv[1]) as file:
    links = json.load(file)["links"]
sent = [link["bytes"] for link in links if link["kind"] == "node_egress" and link["node"] == 0]
print(*(round(100 * bytes / sum(sent)) for bytes in sent))
PYTHON
}

within() { # within SHARES LEAST MOST: each of them
  local share
  [[ -n $1 ]] || fail "no shares: the exchange or its counters failed" || return 1
  for share in $1; do
    ((share >= $2 && share <= $3)) || fail "shares of the rails: $1; expected $2 to $3 each" || return 1
  done
}

all_rails_carry_alike() { within "$(shares A=1 "$UNIFORM" -b 1m -e 1m)" 27 40; }
one_large_pair_is_spread_too() { within "$(shares A=1 "$VARIABLE" --gen hot:1m,rank=5,factor=100)" 27 40; }
aggregated_messages_are_spread() { within "$(shares BANYAN_ALGORITHM='hierarchical(rail)' "$UNIFORM" -b 64k -e 64k)" 27 40; }
one_aggregated_message_is_spread() {
  within "$(shares BANYAN_ALGORITHM='hierarchical(node)' "$UNIFORM" -b 64k -e 64k)" 27 40 &&
    within "$(shares BANYAN_ALGORITHM='hierarchical(node)' "$VARIABLE" --gen zipf:8k)" 20 46
}
# Rank 0 sends all that leaves node0.
a_rank_keeps_to_its_own_if_told() {
  local shares
  shares=$(shares BANYAN_OWN_RAIL=1 "$VARIABLE" --matrix "$WORK/matrix")
  [[ $shares == "100 0 0" ]] || fail "shares of the rails: $shares" || return 1
  within "$(shares A=1 "$VARIABLE" --matrix "$WORK/matrix")" 27 40
}
one_is_used_if_told() {
  local shares
  shares=$(shares BANYAN_RAILS=1 "$UNIFORM" -b 1m -e 1m)
  [[ $(tr ' ' '\n' <<<"$shares" | sort -n | paste -sd ' ') == "0 0 100" ]] || fail "shares of the rails: $shares"
}
# node1 believes that node0 is elsewhere on the second network: what it sends there is lost without a word.
one_that_carries_nothing_is_left_out() {
  local shares
  lab "$LAB" exec 1 -- ip neigh replace 10.77.1.1 lladdr 02:00:00:00:00:99 dev eth1 nud permanent || return 1
  shares=$(shares A=1 "$UNIFORM" -b 1m -e 1m 2>"$WORK/said")
  lab "$LAB" exec 1 -- ip neigh del 10.77.1.1 dev eth1
  grep -q 'nothing came over it' "$WORK/said" || fail "no warning: $(cat "$WORK/said")" || return 1
  [[ $shares == *" 0 "* ]] && within "${shares/ 0 / }" 45 55
}
those_that_are_named_are_used() {
  local shares
  shares=$(shares BANYAN_INTERFACE=eth0,eth2 "$UNIFORM" -b 1m -e 1m)
  [[ ${shares#* } == "0 "* ]] && within "${shares/ 0 / }" 45 55
}

{ echo "0 0 0 1M 1M 1M" && for _ in 1 2 3 4 5; do echo "0 0 0 0 0 0"; done; } >"$WORK/matrix"
raise || exit 1
run_test all_rails_carry_alike
run_test one_large_pair_is_spread_too
run_test aggregated_messages_are_spread
run_test one_aggregated_message_is_spread
run_test a_rank_keeps_to_its_own_if_told
run_test one_is_used_if_told
run_test one_that_carries_nothing_is_left_out
run_test those_that_are_named_are_used
exit "$FAILED"
