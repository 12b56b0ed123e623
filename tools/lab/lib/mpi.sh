# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# mpi.sh - Open MPI's and MPICH's launchers over the nodes, and the "ssh" they are given.

# Both launchers run inside node0 and start a daemon on every other node through an rsh-like program.  Ours is
# a two-line script that calls "banyan-lab peer-agent HOST COMMAND", which enters the node.
write_rsh() { # REPLY = the script
  REPLY=$LAB_STATE/rsh
  [[ -x $REPLY ]] && return
  printf '#!/bin/sh\nexec "%s" --name "%s" peer-agent "$@"\n' "$LAB_SELF" "$LAB_NAME" >"$REPLY.$$"
  chmod +x "$REPLY.$$"
  mv "$REPLY.$$" "$REPLY"
}

drop_separator() { # ARGS = the arguments without the "--" that separates the launcher's from the command
  local argument seen=0
  ARGS=()
  for argument in "$@"; do
    if [[ $argument == -- ]] && ((!seen)); then
      seen=1
    else
      ARGS+=("$argument")
    fi
  done
}

find_launcher() { # find_launcher TEXT_IN_ITS_VERSION PROGRAM...: REPLY = the first that says it is the one
  local text=$1 program
  shift
  for program in "$@"; do
    command -v "$program" >/dev/null || continue
    [[ $("$program" --version 2>&1) == *"$text"* ]] || continue
    REPLY=$program
    return
  done
  return 1
}

cmd_mpirun() { # mpirun [-n N] [mpirun arguments] -- COMMAND
  take_name_option "$@"
  require_root
  load_state
  find_launcher open-mpi.org mpirun.openmpi mpirun ||
    die "Open MPI's mpirun is not installed: apt-get install openmpi-bin"
  local launcher=$REPLY hosts rsh
  host_list && hosts=$REPLY
  write_rsh && rsh=$REPLY
  drop_separator "${ARGS[@]}"
  total_ranks && local yield=$((REPLY > $(nproc)))
  # As environment, not as arguments, so that whatever the user passes wins.  mpirun hands these to its daemons.
  # plm/ras: no other launcher or scheduler; session files go to a folder that "down" removes. Nodes share
  # this machine's cores, which Open MPI cannot know: waiting ranks yield if all ranks outnumber them.
  enter_node 0 env OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 \
    OMPI_MCA_plm=rsh OMPI_MCA_plm_rsh_agent="$rsh" OMPI_MCA_plm_rsh_no_tree_spawn=1 OMPI_MCA_ras=^slurm \
    OMPI_MCA_orte_tmpdir_base="$LAB_STATE/tmp" \
    OMPI_MCA_rmaps_base_mapping_policy=slot OMPI_MCA_hwloc_base_binding_policy=none \
    OMPI_MCA_mpi_yield_when_idle="${OMPI_MCA_mpi_yield_when_idle:-$yield}" \
    "$launcher" --host "$hosts" "${ARGS[@]}"
}

cmd_mpich() { # mpich [-n N] [mpiexec arguments] -- COMMAND
  take_name_option "$@"
  require_root
  load_state
  find_launcher "HYDRA" mpiexec.hydra mpiexec.mpich mpiexec ||
    die "MPICH's mpiexec.hydra is not installed: apt-get install mpich"
  local launcher=$REPLY hosts rsh
  host_list && hosts=$REPLY
  write_rsh && rsh=$REPLY
  drop_separator "${ARGS[@]}"
  address_of 0 0 # not its name, which a machine without /etc/hosts cannot resolve
  # Debian's MPICH sits on UCX, which would otherwise consider devices that no node has.
  enter_node 0 env UCX_TLS="${UCX_TLS:-tcp,sm,self}" \
    "$launcher" -localhost "$REPLY" -launcher rsh -launcher-exec "$rsh" -hosts "$hosts" "${ARGS[@]}"
}

cmd_peer_agent() { # peer-agent [-options] HOST COMMAND...: what "ssh HOST COMMAND" would do; joins words like ssh
  while [[ ${1:-} == -* ]]; do shift; done
  (($# >= 2)) || usage_error "peer-agent needs a host and a command"
  load_state
  local node
  parse_node "$1" && node=$REPLY
  shift
  enter_node "$node" sh -c "$*"
}
