# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# config.sh - the options of "up", checked, into the variables of state.sh.  Sourced by banyan-lab.

parse_up_options() {
  local nodes='' ranks=4 rate=1gbit rails=1 leaves=1 spine=0 mtu=1500 burst=auto limit=8mb
  local -A target=([nodes]=1 [ranks]=1 [rate]=1 [rails]=1 [leaves]=1 [spine]=1 [mtu]=1 [burst]=1 [limit]=1)
  local option value
  while (($#)); do
    case $1 in
      --*=*) option=${1%%=*} value=${1#*=} && shift ;;
      --*) need_value "$@" && option=$1 value=$2 && shift 2 ;;
      *) usage_error "up: unexpected argument '$1'" ;;
    esac
    option=${option#--}
    if [[ $option == name ]]; then
      set_lab_name "$value"
    elif [[ -n ${target[$option]:-} ]]; then
      printf -v "$option" '%s' "$value"
    else
      usage_error "up: unknown option '--$option'"
    fi
  done
  reset_state
  set_sizes "$mtu" "$burst" "$limit"
  set_nodes "$nodes" "$ranks" "$rate" "$rails"
  set_leaves "$leaves" "$spine"
}

set_sizes() { # MTU BURST LIMIT
  want_whole "--mtu" "$1" 576 61440
  MTU=$1
  # auto: state.sh's, and more on fast links (link_burst)
  BURST_AUTO=0
  if [[ $2 == auto ]]; then BURST_AUTO=1; else parse_size "$2" && BURST_BYTES=$REPLY; fi
  parse_size "$3" && LIMIT_BYTES=$REPLY
  ((BURST_BYTES >= MTU + 64)) ||
    usage_error "--burst $2 is smaller than one frame of --mtu $MTU: nothing would ever pass"
  ((BURST_BYTES < 2 ** 31 && LIMIT_BYTES < 2 ** 31)) || usage_error "--burst and --limit must be below 2gb"
  ((LIMIT_BYTES >= BURST_BYTES)) || usage_error "--limit $3 is smaller than --burst $2"
}

split_list() { # split_list OPTION TEXT COUNT: LIST = COUNT values, from one value or exactly COUNT
  IFS=, read -ra LIST <<<"$2"
  [[ ${#LIST[@]} -gt 0 && $2 != *, ]] || usage_error "$1 '$2' is not a value or a comma list"
  ((${#LIST[@]} == 1 || ${#LIST[@]} == $3)) ||
    usage_error "$1 '$2' lists ${#LIST[@]} values for $3 nodes; give 1 or $3"
  while ((${#LIST[@]} < $3)); do LIST+=("${LIST[0]}"); done
}

set_nodes() { # NODES("" = as many as the longest list) RANKS RATE RAILS
  local LIST node rail commas longest=1
  for commas in "${2//[^,]/}" "${3//[^,]/}"; do ((${#commas} < longest)) || longest=$((${#commas} + 1)); done
  NODES=${1:-$((longest > 1 ? longest : 2))}
  want_whole "--nodes" "$NODES" 1 250
  want_whole "--rails" "$4" 1 16
  RAILS=$4

  split_list --ranks "$2" "$NODES"
  for node in "${!LIST[@]}"; do
    want_whole "--ranks" "${LIST[node]}" 1 1024
    RANKS[node]=${LIST[node]}
  done

  split_list --rate "$3" "$NODES"
  for node in "${!LIST[@]}"; do
    parse_rate "${LIST[node]}"
    for ((rail = 0; rail < RAILS; rail++)); do NIC_RATE[$node.$rail]=$REPLY; done
  done
}

# "--leaves 2" deals the nodes to two leaves in contiguous blocks, as evenly as it goes; "--leaves 3,1" says
# how many nodes each leaf has.
set_leaves() { # LEAVES SPINE
  local node leaf rail count
  if [[ $1 == *,* ]]; then
    local blocks
    IFS=, read -ra blocks <<<"$1"
    LEAVES=${#blocks[@]}
    node=0
    for leaf in "${!blocks[@]}"; do
      want_whole "--leaves" "${blocks[leaf]}" 1 "$NODES"
      for ((count = 0; count < blocks[leaf]; count++)); do LEAF_OF[node++]=$leaf; done
    done
    ((node == NODES)) || usage_error "--leaves $1 places $node nodes, but there are $NODES"
  else
    want_whole "--leaves" "$1" 1 "$NODES"
    LEAVES=$1
    for ((node = 0; node < NODES; node++)); do LEAF_OF[node]=$((node * LEAVES / NODES)); done
  fi
  parse_rate "$2"
  ((LEAVES > 1 || REPLY == 0)) || usage_error "--spine needs --leaves 2 or more: one leaf has no spine"
  ((LEAVES > 1)) || return 0
  for ((leaf = 0; leaf < LEAVES; leaf++)); do
    for ((rail = 0; rail < RAILS; rail++)); do SPINE_RATE[$leaf.$rail]=$REPLY; done
  done
}
