# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# selftest.sh - does the emulation hold on this machine?  A small lab, a handful of checks, nothing left.

SELFTEST_FAILED=0

check() { # check NAME COMMAND...: one line, ok or not ok
  local name=$1 output
  shift
  if output=$("$@" 2>&1); then
    echo "ok - $name"
  else
    echo "not ok - $name"
    [[ -z $output ]] || echo "#   ${output//$'\n'/$'\n#   '}"
    SELFTEST_FAILED=1
  fi
}

skip() { echo "ok - $1 # SKIP $2"; } # skip NAME REASON

own_lab() { "$LAB_SELF" --name "$LAB_NAME" "$@"; }

differs() { # differs COMMAND...: prints something else in node0 than in node1
  local first second
  first=$(own_lab exec 0 -- "$@") && second=$(own_lab exec 1 -- "$@") || return 1
  echo "node0: $first, node1: $second"
  [[ $first != "$second" ]]
}

shm_is_private() {
  local file=/dev/shm/banyan-lab-selftest
  own_lab exec 0 -- touch "$file"
  own_lab exec 0 -- test -e "$file" && ! own_lab exec 1 -- test -e "$file" && [[ ! -e $file ]]
}

only_own_nics() {
  [[ $(own_lab exec 0 -- ls /sys/class/net | tr '\n' ' ') == "eth0 lo " ]]
}

transfer_rate() { # transfer_rate FROM TO BYTES: prints payload bytes per second
  local server rate script=$LAB_DIR/selftest/transfer.py
  own_lab exec "$2" -- python3 "$script" serve 29700 >/dev/null &
  server=$!
  rate=$(own_lab exec "$1" -- python3 "$script" send "node$2" 29700 "$3" | awk '{ printf "%.0f", $1 / $2 }')
  wait "$server" && echo "$rate"
}

rate_holds() { # rate_holds FROM TO BYTES RATE_BYTES_PER_S: within 15 %, the 4 % of headers included
  local rate
  rate=$(transfer_rate "$1" "$2" "$3") || return 1
  echo "payload $rate bytes/s over a link of $4 bytes/s"
  ((rate * 100 >= $4 * 85 && rate * 100 <= $4 * 115))
}

mpi_alltoall() { # mpi_alltoall FOLDER
  mpicc.openmpi -O2 -o "$1/alltoall" "$LAB_DIR/selftest/alltoall.c" || return 1
  own_lab mpirun --mca pml ob1 --mca btl tcp,vader,self -- "$1/alltoall"
}

selftest_end() {
  own_lab down
  rm -rf "$SELFTEST_DIR"
}

cmd_selftest() {
  take_options selftest "" 0 0 "$@"
  require_root
  refuse_inside_node selftest
  require_tools
  require_kernel
  set_lab_name "selftest-$$"
  SELFTEST_DIR=$(mktemp -d)
  on_exit selftest_end

  check "up: 2 nodes, 1 + 2 ranks, 200 and 400 Mbit/s" own_lab up --ranks 1,2 --rate 200mbit,400mbit
  ((SELFTEST_FAILED == 0)) || exit 1
  check "nodes have hostnames of their own" differs hostname
  check "nodes have boot ids of their own" differs cat /proc/sys/kernel/random/boot_id
  check "nodes have ipc namespaces of their own" differs readlink /proc/self/ns/ipc
  check "nodes have /dev/shm of their own" shm_is_private
  check "/sys/class/net lists the node's NICs only" only_own_nics
  if command -v python3 >/dev/null; then
    check "node0 -> node1 runs at 200 Mbit/s" rate_holds 0 1 10000000 25000000
    check "node1 -> node0 runs at 200 Mbit/s" rate_holds 1 0 10000000 25000000
  else
    skip "links run at their rate" "no python3 to make traffic"
  fi
  if find_launcher open-mpi.org mpirun.openmpi mpirun && command -v mpicc.openmpi >/dev/null; then
    check "Open MPI sees two hosts and moves the right data" mpi_alltoall "$SELFTEST_DIR"
  else
    skip "Open MPI sees two hosts" "no mpicc.openmpi and mpirun"
  fi
  exit "$SELFTEST_FAILED"
}
