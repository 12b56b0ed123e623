# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# counters.sh - what crossed each link, in each direction, from the kernel's own statistics.

# A sample is one line per link and direction:
#   KIND NODE_OR_LEAF RAIL  bytes packets  wire_bytes wire_packets drops
# bytes and packets are the link device's: a packet that TCP hands over unsegmented counts once, with one header.
# wire_* and drops are the shaper's, which counts each segment with its headers; -1 where no shaper is set.

device_lines() { # device_lines PID: "DEVICE rx_bytes rx_packets tx_bytes tx_packets"
  sed -n 's/:/ /; 3,$p' "/proc/$1/net/dev" | while read -r device rx_bytes rx_packets _ _ _ _ _ _ tx_bytes tx_packets _; do
    echo "$device $rx_bytes $rx_packets $tx_bytes $tx_packets"
  done
}

shaper_lines() { # shaper_lines PID: "DEVICE wire_bytes wire_packets drops"
  tc_in "$1" -s qdisc show | awk '
    /^qdisc/ { device = ($2 == "tbf") ? $5 : "" }
    /^ Sent/ && device != "" { sub(",", "", $7); print device, $2, $4, $7 }'
}

sample_counters() {
  local device a b c d node leaf rail
  local -A rx=() tx=() shaper=()
  while read -r device a b c d; do
    rx[$device]="$a $b" tx[$device]="$c $d"
  done < <(device_lines "$SWITCH_PID")
  while read -r device a b c; do shaper[$device]="$a $b $c"; done < <(shaper_lines "$SWITCH_PID")
  for ((node = 0; node < NODES; node++)); do
    while read -r device a b c; do shaper[node$node.$device]="$a $b $c"; done < <(shaper_lines "${NODE_PID[node]}")
  done

  local none="-1 -1 -1" port
  for ((rail = 0; rail < RAILS; rail++)); do
    for ((node = 0; node < NODES; node++)); do
      port_name "$node" "$rail" && port=$REPLY
      echo "node_egress $node $rail ${rx[$port]} ${shaper[node$node.eth$rail]:-$none}"
      echo "node_ingress $node $rail ${tx[$port]} ${shaper[$port]:-$none}"
    done
    for ((leaf = 0; LEAVES > 1 && leaf < LEAVES; leaf++)); do
      uplink_name "$leaf" "$rail" && port=$REPLY
      downlink_name "$leaf" "$rail"
      echo "leaf_to_spine $leaf $rail ${tx[$port]} ${shaper[$port]:-$none}"
      echo "spine_to_leaf $leaf $rail ${rx[$port]} ${shaper[$REPLY]:-$none}"
    done
  done
}

# Baseline first, then the sample; prints the differences.  A shaper that was made after the baseline (its rate
# had been unlimited) starts again from zero.
subtract_baseline() {
  awk '
    { key = $1 " " $2 " " $3 }
    FILENAME != "-" { for (i = 4; i <= 8; i++) base[key, i] = $i; next }
    {
      out = key
      for (i = 4; i <= 8; i++) {
        before = base[key, i] + 0
        value = ($i < 0 || before < 0 || $i < before) ? $i : $i - before
        out = out " " sprintf("%.0f", value)
      }
      print out
    }' "$LAB_STATE/baseline" -
}

counters_table() {
  printf '%-16s %14s %10s %14s %12s %7s\n' "LINK" "BYTES" "PACKETS" "WIRE BYTES" "WIRE PACKETS" "DROPS"
  local kind index rail bytes packets wire_bytes wire_packets drops name
  while read -r kind index rail bytes packets wire_bytes wire_packets drops; do
    case $kind in
      node_egress) name="node$index.eth$rail ->" ;;
      node_ingress) name="node$index.eth$rail <-" ;;
      leaf_to_spine) name="leaf$index.$rail -> spine" ;;
      spine_to_leaf) name="leaf$index.$rail <- spine" ;;
    esac
    ((wire_bytes >= 0)) || wire_bytes=- wire_packets=- drops=-
    printf '%-16s %14s %10s %14s %12s %7s\n' "$name" "$bytes" "$packets" "$wire_bytes" "$wire_packets" "$drops"
  done
}

counters_json() {
  local kind index rail bytes packets wire_bytes wire_packets drops place separator=
  printf '{"schema": 1, "lab": "%s", "links": [' "$LAB_NAME"
  while read -r kind index rail bytes packets wire_bytes wire_packets drops; do
    place=node
    [[ $kind == node_* ]] || place=leaf
    ((wire_bytes >= 0)) || wire_bytes=null wire_packets=null drops=null
    printf '%s\n  {"kind": "%s", "%s": %d, "rail": %d, "bytes": %s, "packets": %s, "wire_bytes": %s, "wire_packets": %s, "drops": %s}' \
      "$separator" "$kind" "$place" "$index" "$rail" "$bytes" "$packets" "$wire_bytes" "$wire_packets" "$drops"
    separator=,
  done
  printf '\n]}\n'
}

cmd_counters() { # counters [--json] [--reset]: --reset prints nothing and makes now the zero of later calls
  take_options counters "json! reset!" 0 0 "$@"
  require_root
  require_tools
  load_state
  if [[ -n ${OPT[reset]:-} ]]; then
    [[ -z ${OPT[json]:-} ]] || usage_error "counters: --reset prints nothing; use it without --json"
    sample_counters >"$LAB_STATE/baseline"
    return
  fi
  [[ -e $LAB_STATE/baseline ]] || : >"$LAB_STATE/baseline"
  local show=counters_table
  [[ -z ${OPT[json]:-} ]] || show=counters_json
  sample_counters | subtract_baseline | "$show"
}
