#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# messages_test.sh ALLTOALL_PERF - an aggregated all-to-all sends one message per rank and rail peer: by the plan, by the
# library's counters, and by the packets that crossed the links. Prints "ok - name" or "not ok - name" per test; exits
# 0, 1, or 77 if it cannot run here. Takes about 15 s; touches only a lab of its own name.
# shellcheck disable=SC2317  # the tests are called by name
set -u

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(cd "$HERE/../.." && pwd)
LAB=mt$$
FAILED=0 COUNT=0

# shellcheck source=tests/lab/checks.sh
. "$HERE/checks.sh"

(($# == 1)) || { echo "usage: $0 ALLTOALL_PERF" >&2; exit 2; }
PERF=$(readlink -f "$1")
(($(id -u) == 0)) || skip_all "the lab needs root"
command -v python3 >/dev/null || skip_all "the counters are compared with python3, which is not installed"
WORK=$(mktemp -d)
trap 'lab $LAB down; rm -rf "$WORK"' EXIT
trap 'exit 130' INT TERM

raise() { # raise RANKS: nodes of those sizes, e.g. 3,3,3
  lab "$LAB" up --ranks "$1" --rate 0 2>"$WORK/up" && return
  grep -qE 'missing or broken|lacks' "$WORK/up" && skip_all "$(head -n 2 "$WORK/up" | tr '\n' ' ')"
  cat "$WORK/up"
  return 1
}

exchange() { # exchange ALGORITHM TIMES: writes $WORK/TIMES.json and $WORK/TIMES.links
  lab "$LAB" counters --reset >/dev/null &&
    lab "$LAB" run -- env BANYAN_ALGORITHM="$1" "$PERF" -b 8 -e 8 -n "$2" -w 0 -c 0 -J "$WORK/$2.json" >"$WORK/table" &&
    lab "$LAB" counters --json >"$WORK/$2.links"
}

# Connecting and closing cost packets too, so two runs of different length are compared. A message is one packet, and at
# most one more acknowledges it, where no message goes back over the same connection. Direct would send twice that. The
# kernel sends a few as one packet, where one waits in its queue when the next comes (net.ipv4.tcp_autocorking).
messages_are() { # messages_are ALGORITHM PER_EXCHANGE
  exchange "$1" 200 && exchange "$1" 1200 && python3 - "$WORK" "$2" <<'PYTHON'
import json, sys
work, expected = sys.argv[1], int(sys.argv[2])
def read(name):
    with open(f"{work}/{name}") as file:
        return json.load(file)
def packets(times):
    return sum(link["packets"] for link in read(f"{times}.links")["links"] if link["kind"] == "node_egress")
rows = {times: read(f"{times}.json")["rows"][0] for times in (200, 1200)}
sent = rows[1200]["counters"]["inter_host_messages"] - rows[200]["counters"]["inter_host_messages"]
per_exchange = (packets(1200) - packets(200)) / 1000
print(f"plan {rows[200]['plan']['messages']}, counted {sent / 1000}, packets {per_exchange:.1f}, expected {expected}")
assert rows[200]["plan"]["messages"] == expected
assert sent == 1000 * expected
assert 0.9 * expected <= per_exchange <= 2 * expected
PYTHON
}

# m ranks on each of n hosts: m n (n - 1)
even_hosts_send_one_message_per_rank_and_rail_peer() { raise 3,3,3 && messages_are 'hierarchical(rail)' 18; }
even_hosts_send_one_message_per_pair_of_hosts() { messages_are 'hierarchical(node)' 6; }
# Every rank receives one message from every other host.
uneven_hosts_send_one_message_per_rank_and_other_host() { raise 2,3 && messages_are 'hierarchical(rail)' 5; }
# So the test can fail: m^2 n (n - 1), here 2 * 2 * 3
direct_sends_one_message_per_pair() { messages_are direct 12; }

run_test even_hosts_send_one_message_per_rank_and_rail_peer
run_test even_hosts_send_one_message_per_pair_of_hosts
run_test uneven_hosts_send_one_message_per_rank_and_other_host
run_test direct_sends_one_message_per_pair
exit "$FAILED"
