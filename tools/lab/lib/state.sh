# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# state.sh - what a lab remembers between commands: one file of bash variables, read and written whole.

reset_state() {
  NODES=2 RAILS=1 LEAVES=1 MTU=1500 BURST_BYTES=65536 BURST_AUTO=1 LIMIT_BYTES=8388608
  RANKS=()      # [node] ranks on it
  LEAF_OF=()    # [node] its leaf switch
  SWITCH_PID=0  # holder of the switches' network namespace
  NODE_PID=()   # [node] its holder
  BOOT_ID=()    # [node]
  declare -gA NIC_RATE=()   # [node.rail] bytes per second, 0 = unlimited
  declare -gA SPINE_RATE=() # [leaf.rail] bytes per second, 0 = unlimited
}

save_state() {
  local new=$LAB_STATE/state.new
  declare -p NODES RAILS LEAVES MTU BURST_BYTES BURST_AUTO LIMIT_BYTES RANKS LEAF_OF SWITCH_PID NODE_PID BOOT_ID \
    NIC_RATE SPINE_RATE | sed 's/^declare -\(-\|[aA]\)/declare -g\1/; s/^declare -g-/declare -g/' >"$new"
  mv "$new" "$LAB_STATE/state"
}

load_state() { # refuses unless the lab is up and whole
  reset_state
  [[ -r $LAB_STATE/state ]] ||
    die "no lab '$LAB_NAME' is up; start one with 'banyan-lab up${LAB_NAME:+ --name $LAB_NAME}' ('banyan-lab list' shows those that are)"
  # shellcheck source=/dev/null
  . "$LAB_STATE/state"
  is_holder "$SWITCH_PID" "$LAB_NAME" switch ||
    die "lab '$LAB_NAME' is no longer whole (its switch process is gone); run 'banyan-lab down --name $LAB_NAME' and 'up' again"
  share_cores
}

# A node seems to have all of this machine's cores to itself, so Banyan would spin where ranks of all nodes share them.
share_cores() {
  total_ranks
  ((REPLY <= $(nproc))) || export BANYAN_SPIN=${BANYAN_SPIN:-0}
}

total_ranks() { # REPLY = ranks of the whole lab
  local count
  REPLY=0
  for count in "${RANKS[@]}"; do REPLY=$((REPLY + count)); done
}

parse_node() { # parse_node TEXT: REPLY = node index, from "1" or "node1"
  want_whole "node" "${1#node}" 0 $((NODES - 1))
  REPLY=${1#node}
}

# The names of devices, in one place.  In a node: eth<rail>.  In the switches' namespace: these.
port_name() { REPLY="n$1r$2"; }          # node, rail: the port that node plugs into
leaf_name() { REPLY="leaf$1r$2"; }       # leaf, rail: a bridge
spine_name() { REPLY="spine$1"; }        # rail: a bridge
uplink_name() { REPLY="leaf$1r$2up"; }   # leaf, rail: the leaf's end of its link to the spine
downlink_name() { REPLY="leaf$1r$2dn"; } # leaf, rail: the spine's end
