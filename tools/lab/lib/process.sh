# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# process.sh - the holders that keep a lab's namespaces alive, and the end of everything that runs in them.

# A holder is a sleeping process, one per node and one for the switches.  Its environment holds one mark,
# BANYAN_LAB_HOLDER=LAB:PLACE, from its first instruction on, so that "down" finds it even when "up" was
# killed half way.  Programs run in a node do not inherit the mark.

find_holders() { # find_holders LAB: REPLY = pids of its holders, separated by spaces
  local dir first
  REPLY=
  for dir in /proc/[0-9]*; do
    first=
    { IFS= read -r -d '' first <"$dir/environ"; } 2>/dev/null || true
    [[ $first == "BANYAN_LAB_HOLDER=$1:"* ]] && REPLY+="${dir#/proc/} "
  done
  return 0
}

is_holder() { # is_holder PID LAB PLACE: guards against a pid that was used again
  local first=
  { IFS= read -r -d '' first <"/proc/$1/environ"; } 2>/dev/null || true
  [[ $first == "BANYAN_LAB_HOLDER=$2:$3" ]]
}

# REPLY = the pids given, and every pid that shares one of their private namespaces.  A holder that "up" had
# not yet given namespaces of its own still has those it was born with, named in its environment: not private.
find_members() { # find_members HOLDER...
  local pid dir link born namespace
  declare -A private=() member=()
  for pid in "$@"; do
    member[$pid]=1
    born=
    { IFS= read -r -d '' _ && IFS= read -r -d '' born; } <"/proc/$pid/environ" 2>/dev/null || true
    [[ $born == BANYAN_LAB_BORN=* ]] || continue
    for namespace in net mnt; do
      link=$(readlink "/proc/$pid/ns/$namespace" 2>/dev/null) || continue
      [[ $born == *"$link"* ]] || private[$link]=1
    done
  done
  while read -r dir link; do
    [[ -n $link && -n ${private[$link]:-} ]] || continue # a kernel thread or a zombie has no link
    dir=${dir#/proc/}
    member[${dir%%/*}]=1
  done < <(find /proc/[0-9]*/ns \( -name net -o -name mnt \) -printf '%h %l\n' 2>/dev/null)
  REPLY="${!member[*]}"
}

declare -A HOLDER=() # place -> pid, of those this process started

start_holder() { # start_holder LAB PLACE NAMESPACES... -- COMMAND...: in the background, with no tie to the caller
  local mark="$1:$2" place=$2 born fd
  shift 2
  born="$(readlink "/proc/$$/ns/net") $(readlink "/proc/$$/ns/mnt")"
  local namespaces=()
  while [[ $1 != -- ]]; do
    namespaces+=("$1")
    shift
  done
  shift
  (
    # A pipe of the caller's (make, ctest, pytest) kept open here would keep the caller waiting for its end.
    for fd in /proc/"$BASHPID"/fd/*; do
      fd=${fd##*/}
      ((fd <= 2 || fd == 255)) || eval "exec $fd>&-"
    done
    cd /
    exec env -i "BANYAN_LAB_HOLDER=$mark" "BANYAN_LAB_BORN=$born" "PATH=$PATH" \
      setsid unshare "${namespaces[@]}" "$@"
  ) </dev/null >/dev/null 2>>"$LAB_STATE/holder.err" &
  HOLDER[$place]=$!
}

kill_lab_processes() { # kill_lab_processes LAB: ends holders and all that runs in their namespaces
  local round pids
  for ((round = 0; round < 100; round++)); do
    find_holders "$1"
    [[ -n $REPLY ]] || return 0
    # shellcheck disable=SC2086  # a list of pids
    find_members $REPLY
    pids=$REPLY
    # The holders go last: while one lives, whatever was forked meanwhile can still be found.
    find_holders "$1"
    local pid holders=" $REPLY" others=
    for pid in $pids; do [[ $holders == *" $pid "* ]] || others+="$pid "; done
    # shellcheck disable=SC2086
    kill -KILL ${others:-$REPLY} 2>/dev/null || true
    sleep 0.02
  done
  die "processes of lab '$1' will not end: $pids"
}
