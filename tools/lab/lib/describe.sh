# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# describe.sh - the lab as it is: status for people, describe for programs, hosts for launchers.

carrier_states() { # REPLY = " n0r0 n1r0 ", the switch ports whose link is up
  REPLY=" $(ip_in "$SWITCH_PID" -o link show up type veth | awk -F'[ :@]+' '/LOWER_UP/ { printf "%s ", $2 }')"
}

cmd_status() {
  take_options status "" 0 0 "$@"
  require_root
  require_tools
  load_state
  local node rail leaf first=0 ranks up link
  carrier_states && up=$REPLY
  total_ranks
  echo "lab $LAB_NAME: $NODES nodes, $REPLY ranks, $RAILS rail(s), $LEAVES leaf switch(es), mtu $MTU"
  printf '%-8s %-10s %-6s %-6s %-14s %-14s %s\n' NODE RANKS LEAF NIC ADDRESS RATE LINK
  for ((node = 0; node < NODES; node++)); do
    ranks=$first
    ((RANKS[node] == 1)) || ranks=$first-$((first + RANKS[node] - 1))
    first=$((first + RANKS[node]))
    for ((rail = 0; rail < RAILS; rail++)); do
      port_name "$node" "$rail"
      link=down
      [[ $up != *" $REPLY "* ]] || link=up
      address_of "$node" "$rail" && local address=$REPLY
      format_rate "${NIC_RATE[$node.$rail]}"
      printf '%-8s %-10s %-6s %-6s %-14s %-14s %s\n' \
        "node$node" "$ranks" "${LEAF_OF[node]}" "eth$rail" "$address" "$REPLY" "$link"
    done
  done
  for ((leaf = 0; LEAVES > 1 && leaf < LEAVES; leaf++)); do
    for ((rail = 0; rail < RAILS; rail++)); do
      format_rate "${SPINE_RATE[$leaf.$rail]}"
      echo "leaf$leaf to spine, rail $rail: $REPLY each way"
    done
  done
}

cmd_describe() { # describe --json: the truth that discovery and profiles are compared with
  take_options describe "json!" 0 0 "$@"
  [[ -n ${OPT[json]:-} ]] || usage_error "describe: --json is the only form; 'banyan-lab status' is for people"
  require_root
  require_tools
  load_state
  carrier_states && local up=$REPLY
  total_ranks
  printf '{"schema": 1, "lab": "%s", "ranks": %d, "rails": %d, "mtu": %d, "burst_bytes": %d, "limit_bytes": %d,\n' \
    "$LAB_NAME" "$REPLY" "$RAILS" "$MTU" "$BURST_BYTES" "$LIMIT_BYTES"
  printf ' "node_file": "%s",\n "nodes": [' "$NODE_FILE"
  local node leaf first=0 separator=
  for ((node = 0; node < NODES; node++)); do
    printf '%s\n  ' "$separator"
    describe_node "$node" "$first" "$up"
    first=$((first + RANKS[node]))
    separator=,
  done
  printf '],\n "leaves": ['
  separator=
  for ((leaf = 0; leaf < LEAVES; leaf++)); do
    printf '%s\n  ' "$separator"
    describe_leaf "$leaf"
    separator=,
  done
  printf ']}\n'
}

describe_node() { # NODE FIRST_RANK PORTS_THAT_ARE_UP
  local node=$1 rail state separator='' ranks
  printf -v ranks '%d, ' $(seq "$2" $(($2 + RANKS[node] - 1)))
  printf '{"node": %d, "hostname": "node%d", "boot_id": "%s", "leaf": %d, "ranks": [%s], "nic": {' \
    "$node" "$node" "${BOOT_ID[node]}" "${LEAF_OF[node]}" "${ranks%, }"
  for ((rail = 0; rail < RAILS; rail++)); do
    port_name "$node" "$rail"
    state=false
    [[ $3 != *" $REPLY "* ]] || state=true
    address_of "$node" "$rail"
    printf '%s"eth%d": {"rail": %d, "address": "%s", "rate_bytes_per_s": %d, "up": %s}' \
      "$separator" "$rail" "$rail" "$REPLY" "${NIC_RATE[$node.$rail]}" "$state"
    separator=', '
  done
  printf '}}'
}

describe_leaf() { # LEAF
  local node rail nodes='' rates=''
  for ((node = 0; node < NODES; node++)); do
    ((LEAF_OF[node] != $1)) || nodes+="$node, "
  done
  for ((rail = 0; LEAVES > 1 && rail < RAILS; rail++)); do rates+="${SPINE_RATE[$1.$rail]}, "; done
  printf '{"leaf": %d, "nodes": [%s], "spine_rate_bytes_per_s": [%s]}' "$1" "${nodes%, }" "${rates%, }"
}

host_list() { # REPLY = node0:7,node1:8
  local node
  REPLY=
  for ((node = 0; node < NODES; node++)); do REPLY+="node$node:${RANKS[node]},"; done
  REPLY=${REPLY%,}
}

cmd_hosts() {
  take_options hosts "" 0 0 "$@"
  load_state
  host_list
  echo "$REPLY"
}
