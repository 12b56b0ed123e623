# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# launch.sh - "run": a job's ranks over the nodes without MPI, as torchrun would start them.

# run [-n N] [--port P] [--keep-going] -- COMMAND
cmd_run() {
  local count='' port=29500 keep_going=0
  take_name_option "$@"
  set -- "${ARGS[@]}"
  while (($#)); do
    case $1 in
      -n | -np | --ranks) need_value "$@" && count=$2 && shift 2 ;;
      --port) need_value "$@" && port=$2 && shift 2 ;;
      --name) need_value "$@" && set_lab_name "$2" && shift 2 ;;
      --keep-going) keep_going=1 && shift ;;
      --) shift && break ;;
      -*) usage_error "run: unknown option '$1'" ;;
      *) break ;;
    esac
  done
  (($#)) || usage_error "run: no command; banyan-lab run -n N -- COMMAND"
  require_root
  load_state
  total_ranks
  count=${count:-$REPLY}
  want_whole "run: -n (the nodes have $REPLY slots)" "$count" 1 "$REPLY"
  want_whole "--port" "$port" 1 65535

  on_exit end_job
  make_secret
  start_ranks "$count" "$port" "$@"
  wait_ranks "$keep_going"
}

end_job() {
  stop_ranks
  rm -f "${SECRET_FILE:-}"
}

make_secret() { # SECRET_FILE = a new file that only root can read, with 64 hex digits
  SECRET_FILE=$(mktemp "$LAB_STATE/secret/job-XXXXXXXX") # mktemp makes it with mode 0600
  od -An -tx1 -N32 /dev/urandom | tr -d ' \n' >"$SECRET_FILE"
}

# Ranks report their end through a pipe, not through "wait -n": bash 5.2 forgets a job that a signal ended.
declare -A RANK_GROUP=() # rank -> its process group, until that is known to be empty
declare -a PLACE_OF_RANK=()

start_ranks() { # start_ranks COUNT PORT COMMAND...: block order, as many on a node as it has slots
  local count=$1 port=$2 node local_rank here rank=0
  shift 2
  mkfifo -m 600 "$SECRET_FILE.reports"
  exec {REPORTS}<>"$SECRET_FILE.reports"
  rm "$SECRET_FILE.reports"
  address_of 0 0
  export WORLD_SIZE=$count MASTER_ADDR=$REPLY MASTER_PORT=$port BANYAN_JOB_SECRET_FILE=$SECRET_FILE
  for ((node = 0; node < NODES && rank < count; node++)); do
    here=$((count - rank < RANKS[node] ? count - rank : RANKS[node]))
    for ((local_rank = 0; local_rank < here; local_rank++)); do
      node_command "$node" "$@"
      RANK=$rank LOCAL_RANK=$local_rank LOCAL_WORLD_SIZE=$here NODE_RANK=$node \
        setsid bash "$LAB_DIR/lib/supervise.sh" "$REPORTS" "${COMMAND[@]}" </dev/null &
      RANK_GROUP[$rank]=$!
      PLACE_OF_RANK[rank++]="node$node, local rank $local_rank"
    done
  done
  disown -a # no "Killed" lines from bash; wait_ranks tells
}

wait_ranks() { # wait_ranks KEEP_GOING: exits with the first failure's code
  local rank code result=0 left=${#RANK_GROUP[@]}
  while ((left > 0)); do
    if ! read -r -t 10 -u "$REPORTS" rank code; then
      ! ranks_alive || continue
      # Ranks that ended since have reported before they ended.
      read -r -t 0.1 -u "$REPORTS" rank code || die "the processes that watch the ranks were killed"
    fi
    left=$((left - 1))
    ((code != 0)) || continue
    ((result != 0)) || result=$code
    if (($1)); then
      say "rank $rank (${PLACE_OF_RANK[rank]}) exited with $code"
    else
      say "rank $rank (${PLACE_OF_RANK[rank]}) exited with $code; ending the other $left"
      break
    fi
  done
  exit "$result"
}

ranks_alive() { # forgets groups in which nothing runs; fails if none is left
  local rank file stat fields
  local -A running=()
  # Not "kill -0": it also succeeds for zombies, which some containers' first process is slow to collect.
  for file in /proc/[0-9]*/stat; do
    { read -r stat <"$file"; } 2>/dev/null || continue
    read -ra fields <<<"${stat##*) }" # state, parent, group
    [[ ${fields[0]} == [ZX] ]] && continue
    running[${stat%% *}]=1 running[${fields[2]}]=1
  done
  for rank in "${!RANK_GROUP[@]}"; do
    [[ -n ${running[${RANK_GROUP[$rank]}]:-} ]] || unset "RANK_GROUP[$rank]"
  done
  ((${#RANK_GROUP[@]}))
}

signal_ranks() { # signal_ranks SIGNAL: each group, or the process that has not made its group yet
  local group
  for group in "${RANK_GROUP[@]}"; do
    kill "-$1" -- "-$group" 2>/dev/null || kill "-$1" "$group" 2>/dev/null || true
  done
}

stop_ranks() { # all that ranks started, also what ended ranks left behind: politely, then after 2 s for good
  local deadline=$((${EPOCHREALTIME/[.,]/} + 2000000))
  ranks_alive || return 0
  signal_ranks TERM
  while ((${EPOCHREALTIME/[.,]/} < deadline)); do
    sleep 0.02
    ranks_alive || return 0
  done
  signal_ranks KILL
}
