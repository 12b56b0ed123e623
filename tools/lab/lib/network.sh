# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# network.sh - switches, links and their rates, as batches for ip and tc.  Sourced by banyan-lab.

# One "ip -batch" run makes everything in the switches' namespace, the nodes' ends of the links included:
# a process per device would take most of the time of "up".

ip_in() { nsenter --target "$1" --net -- "${IP_CMD[@]}" "${@:2}"; } # ip_in PID ARGS...
tc_in() { nsenter --target "$1" --net -- "${TC_CMD[@]}" "${@:2}"; } # tc_in PID ARGS...

address_of() { REPLY="10.77.$2.$(($1 + 1))"; } # node, rail

# The largest packet the kernel may hand to a device unsegmented (GSO), such that with the headers it stands
# for it still fits tbf's bucket; beyond that tbf cuts each one up in software.
gso_limit() {
  REPLY=$((BURST_BYTES * (MTU - 52) / (MTU + 14)))
  ((REPLY <= 61440)) || REPLY=61440
  ((REPLY >= MTU)) || REPLY=$MTU
}

switch_batch() { # prints the ip batch for the switches' namespace
  local node leaf rail end link port bridge
  gso_limit
  link="mtu $MTU gso_max_size $REPLY txqueuelen 1000"
  for ((rail = 0; rail < RAILS; rail++)); do
    for ((leaf = 0; leaf < LEAVES; leaf++)); do
      leaf_name "$leaf" "$rail"
      echo "link add name $REPLY type bridge mcast_snooping 0"
      echo "link set $REPLY up"
    done
    for ((node = 0; node < NODES; node++)); do
      port_name "$node" "$rail" && port=$REPLY
      leaf_name "${LEAF_OF[node]}" "$rail" && bridge=$REPLY
      echo "link add name $port $link type veth peer name eth$rail $link netns ${NODE_PID[node]}"
      echo "link set $port master $bridge up"
    done
    ((LEAVES > 1)) || continue
    spine_name "$rail" && bridge=$REPLY
    echo "link add name $bridge type bridge mcast_snooping 0"
    echo "link set $bridge up"
    for ((leaf = 0; leaf < LEAVES; leaf++)); do
      uplink_name "$leaf" "$rail" && port=$REPLY
      downlink_name "$leaf" "$rail" && end=$REPLY
      echo "link add name $port $link type veth peer name $end $link"
      echo "link set $end master $bridge up"
      leaf_name "$leaf" "$rail"
      echo "link set $port master $REPLY up"
    done
  done
}

node_batch() { # node_batch NODE: prints the ip batch for one node's namespace
  local rail
  echo "link set lo up"
  for ((rail = 0; rail < RAILS; rail++)); do
    address_of "$1" "$rail"
    echo "addr add $REPLY/24 dev eth$rail"
    echo "link set eth$rail up"
  done
}

# A timer that is late by more than the bucket's time loses capacity that a wire would not lose, so a bucket left to us
# holds 100 us of a fast link besides the largest packet.
link_burst() { # link_burst RATE_BYTES_PER_S: REPLY = its bucket
  REPLY=$BURST_BYTES
  ((!BURST_AUTO || $1 / 10000 <= REPLY)) || REPLY=$(($1 / 10000))
  ((REPLY <= LIMIT_BYTES)) || REPLY=$LIMIT_BYTES
}

# A change of rate keeps the queue and the counters; only "unlimited" takes the shaper away.
shape_line() { # shape_line DEVICE RATE_BYTES_PER_S: prints one line for tc -batch
  if (($2 > 0)); then
    link_burst "$2"
    echo "qdisc replace dev $1 root handle 1: tbf rate $2bps burst $REPLY limit $LIMIT_BYTES"
  else
    echo "qdisc replace dev $1 root handle 2: pfifo limit 1000" # so that there is one to delete
    echo "qdisc del dev $1 root"
  fi
}

shape_new_line() { (($2 == 0)) || shape_line "$1" "$2"; } # as above for a device that has no shaper yet

switch_shape_batch() {
  local node leaf rail
  for ((rail = 0; rail < RAILS; rail++)); do
    for ((node = 0; node < NODES; node++)); do
      port_name "$node" "$rail"
      shape_new_line "$REPLY" "${NIC_RATE[$node.$rail]}"
    done
    for ((leaf = 0; LEAVES > 1 && leaf < LEAVES; leaf++)); do
      uplink_name "$leaf" "$rail" && shape_new_line "$REPLY" "${SPINE_RATE[$leaf.$rail]}"
      downlink_name "$leaf" "$rail" && shape_new_line "$REPLY" "${SPINE_RATE[$leaf.$rail]}"
    done
  done
}

node_shape_batch() { # node_shape_batch NODE
  local rail
  for ((rail = 0; rail < RAILS; rail++)); do shape_new_line "eth$rail" "${NIC_RATE[$1.$rail]}"; done
}

# Feeds a batch to ip or tc; an empty batch costs no process.
batch_in() { # batch_in PID ip|tc BATCH
  [[ -n $3 ]] || return 0
  case $2 in
    ip) ip_in "$1" -batch - <<<"$3" ;;
    tc) tc_in "$1" -batch - <<<"$3" ;;
  esac
}

build_network() { # returns 1 if a batch failed; what failed is on stderr
  local node jobs=() job
  batch_in "$SWITCH_PID" ip "$(switch_batch)" || return 1
  for ((node = 0; node < NODES; node++)); do
    {
      batch_in "${NODE_PID[node]}" ip "$(node_batch "$node")" &&
        batch_in "${NODE_PID[node]}" tc "$(node_shape_batch "$node")"
    } &
    jobs+=($!)
  done
  local failed=0
  batch_in "$SWITCH_PID" tc "$(switch_shape_batch)" || failed=1
  for job in "${jobs[@]}"; do wait "$job" || failed=1; done
  return "$failed"
}

set_nic_rate() { # set_nic_rate NODE RAIL: both directions, from NIC_RATE
  local rate=${NIC_RATE[$1.$2]}
  batch_in "${NODE_PID[$1]}" tc "$(shape_line "eth$2" "$rate")"
  port_name "$1" "$2"
  batch_in "$SWITCH_PID" tc "$(shape_line "$REPLY" "$rate")"
}

set_spine_rate() { # set_spine_rate LEAF RAIL: both directions, from SPINE_RATE
  local rate=${SPINE_RATE[$1.$2]} up
  uplink_name "$1" "$2" && up=$REPLY
  downlink_name "$1" "$2"
  batch_in "$SWITCH_PID" tc "$(shape_line "$up" "$rate")
$(shape_line "$REPLY" "$rate")"
}
