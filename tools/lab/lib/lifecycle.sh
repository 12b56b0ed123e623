# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# lifecycle.sh - up, down and list.  Sourced by banyan-lab.

tear_down() { # everything of lab LAB_NAME, whatever state it is in; no error if there is nothing
  local other
  kill_lab_processes "$LAB_NAME"
  rm -rf "$LAB_STATE"
  [[ -d $LAB_ROOT ]] || return 0
  for other in "$LAB_ROOT"/*/; do [[ ! -d $other ]] || return 0; done
  rm -f "$NODE_FILE"
  rmdir "$LAB_ROOT" 2>/dev/null || true
}

cmd_up() {
  parse_up_options "$@"
  require_root
  refuse_inside_node up
  require_tools
  lock_labs
  tear_down
  on_exit tear_down

  local node
  mkdir -p "$LAB_STATE"
  mkdir -m 700 "$LAB_STATE/secret"
  mkdir -m 1777 "$LAB_STATE/tmp"
  : >"$NODE_FILE"
  write_hosts
  start_switch
  for ((node = 0; node < NODES; node++)); do
    write_node_files "$node"
    start_node "$node"
  done
  wait_ready switch
  SWITCH_PID=$REPLY
  for ((node = 0; node < NODES; node++)); do
    wait_ready "node$node"
    NODE_PID[node]=$REPLY
  done

  if ! build_network 2>"$LAB_STATE/network.err"; then
    require_kernel
    die "could not build the network: $(<"$LAB_STATE/network.err")"
  fi
  save_state
  trap - EXIT INT TERM HUP
  [[ -e /etc/hosts ]] || say "no /etc/hosts here, so the names node0, node1 ... do not resolve: touch /etc/hosts"
  total_ranks
  say "up: lab '$LAB_NAME', $NODES nodes, $REPLY ranks, $RAILS rail(s), $LEAVES leaf switch(es)"
}

cmd_down() {
  take_options down "" 0 0 "$@"
  require_root
  refuse_inside_node down
  lock_labs
  tear_down
}

cmd_list() {
  take_options list "" 0 0 "$@"
  local state
  for state in "$LAB_ROOT"/*/state; do
    [[ ! -e $state ]] || basename "${state%/state}"
  done
}
