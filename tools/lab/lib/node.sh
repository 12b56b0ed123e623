# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# node.sh - a node: the files that make its identity, and running a command inside it.  Sourced by banyan-lab.

# Nodes are entered through their holder's pid, never through files bound to namespaces: a node's mount
# namespace is a copy made before later nodes exist, and mpirun in node0 must be able to enter all of them.
# The pid namespace is shared, so /proc/PID/ns works from anywhere.
node_command() { # node_command NODE COMMAND...: COMMAND = what to exec, keeping directory, environment and stdin
  # shellcheck disable=SC2016  # for the inner shell
  COMMAND=(nsenter --target "${NODE_PID[$1]}" --net --uts --ipc --mount --
    sh -c 'cd "$1" 2>/dev/null || cd /; shift; exec "$@"' sh "$PWD" "${@:2}")
}

enter_node() { # enter_node NODE COMMAND...: this process becomes the command, so signals and exit code are its own
  node_command "$@"
  exec "${COMMAND[@]}"
}

write_node_file() { # what the library's tests may compare a profile with; also rewritten when a rate changes
  local node=$1 rail separator=
  # In place, not by rename: the node has this very inode bound to NODE_FILE.
  {
    printf '{"schema": 1, "lab": "%s", "node": %d, "hostname": "node%d", "local_ranks": %d, "nic": {' \
      "$LAB_NAME" "$node" "$node" "${RANKS[node]}"
    for ((rail = 0; rail < RAILS; rail++)); do
      address_of "$node" "$rail"
      printf '%s"eth%d": {"rate_bytes_per_s": %d, "rail": %d, "address": "%s"}' \
        "$separator" "$rail" "${NIC_RATE[$node.$rail]}" "$rail" "$REPLY"
      separator=', '
    done
    printf '}}\n'
  } >"$LAB_STATE/node$node/node.json"
}

write_node_files() { # every file that node-init.sh binds into one node
  local node=$1 dir=$LAB_STATE/node$1
  mkdir -p "$dir/sys"
  write_node_file "$node"
  echo "node$node" >"$dir/hostname"
  BOOT_ID[node]=$(</proc/sys/kernel/random/uuid)
  echo "${BOOT_ID[node]}" >"$dir/boot_id"
  cp "$LAB_STATE/hosts" "$dir/hosts"
}

write_hosts() { # node0, node1 ... on the first rail; node0-eth1 and so on for the others
  local node rail
  {
    echo "127.0.0.1 localhost"
    for ((node = 0; node < NODES; node++)); do
      for ((rail = 0; rail < RAILS; rail++)); do
        address_of "$node" "$rail"
        echo "$REPLY $( ((rail)) || echo "node$node ")node$node-eth$rail"
      done
    done
  } >"$LAB_STATE/hosts"
}

start_node() { # start_node NODE: returns at once; wait_ready tells when it is there
  start_holder "$LAB_NAME" "node$1" --net --uts --ipc --mount --propagation private -- \
    bash "$LAB_DIR/lib/node-init.sh" "$LAB_STATE" "node$1" "$NODE_FILE"
}

start_switch() {
  mkdir -p "$LAB_STATE/switch"
  start_holder "$LAB_NAME" switch --net --mount --propagation private -- \
    bash "$LAB_DIR/lib/node-init.sh" "$LAB_STATE" switch "$NODE_FILE"
}

wait_ready() { # wait_ready PLACE: REPLY = its holder's pid
  local own=$LAB_STATE/$1 tries
  for ((tries = 0; tries < 500; tries++)); do
    if [[ -e $own/ready ]]; then
      REPLY=$(<"$own/pid")
      return 0
    fi
    kill -0 "${HOLDER[$1]}" 2>/dev/null || break
    sleep 0.02
  done
  require_kernel
  die "$1 did not start: $(<"$LAB_STATE/holder.err")"
}

cmd_exec() {
  take_name_option "$@"
  set -- "${ARGS[@]}"
  (($# >= 2)) || usage_error "exec needs a node and a command: banyan-lab exec NODE -- COMMAND"
  require_root
  load_state
  local node
  parse_node "$1" && node=$REPLY
  shift
  [[ $1 != -- ]] || shift
  (($#)) || usage_error "exec: no command after '--'"
  enter_node "$node" "$@"
}
