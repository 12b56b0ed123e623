# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# faults.sh - changes to a running lab: rates, and cut links.  Sourced by banyan-lab.

rails_wanted() { # RAILS_WANTED = the rail of --rail, or all of them
  local rail
  RAILS_WANTED=()
  if [[ -n ${OPT[rail]:-} ]]; then
    want_whole "--rail" "${OPT[rail]}" 0 $((RAILS - 1))
    RAILS_WANTED=("${OPT[rail]}")
  else
    for ((rail = 0; rail < RAILS; rail++)); do RAILS_WANTED+=("$rail"); done
  fi
}

cmd_rate() { # rate NODE RATE [--rail R]
  take_options rate "rail" 2 2 "$@"
  require_root
  require_tools
  load_state
  local node rail rate
  parse_node "${ARGS[0]}" && node=$REPLY
  parse_rate "${ARGS[1]}" && rate=$REPLY
  rails_wanted
  for rail in "${RAILS_WANTED[@]}"; do
    NIC_RATE[$node.$rail]=$rate
    set_nic_rate "$node" "$rail"
  done
  write_node_file "$node"
  save_state
}

cmd_spine() { # spine RATE [LEAF] [--rail R]
  take_options spine "rail" 1 2 "$@"
  require_root
  require_tools
  load_state
  ((LEAVES > 1)) || die "lab '$LAB_NAME' has one leaf switch and so no spine; start it with --leaves 2 or more"
  local leaf rail rate first=0 last=$((LEAVES - 1))
  parse_rate "${ARGS[0]}" && rate=$REPLY
  if [[ -n ${ARGS[1]:-} ]]; then
    want_whole "leaf" "${ARGS[1]#leaf}" 0 "$last"
    first=${ARGS[1]#leaf} last=$first
  fi
  rails_wanted
  for ((leaf = first; leaf <= last; leaf++)); do
    for rail in "${RAILS_WANTED[@]}"; do
      SPINE_RATE[$leaf.$rail]=$rate
      set_spine_rate "$leaf" "$rail"
    done
  done
  save_state
}

cmd_link() { # link NODE up|down [--rail R]: at the switch, so that the node sees a lost carrier, as with a pulled cable
  take_options link "rail" 2 2 "$@"
  [[ ${ARGS[1]} == up || ${ARGS[1]} == down ]] || usage_error "link: '${ARGS[1]}' is neither up nor down"
  require_root
  require_tools
  load_state
  local node rail batch=
  parse_node "${ARGS[0]}" && node=$REPLY
  rails_wanted
  for rail in "${RAILS_WANTED[@]}"; do
    port_name "$node" "$rail"
    batch+="link set $REPLY ${ARGS[1]}"$'\n'
  done
  batch_in "$SWITCH_PID" ip "$batch"
}
