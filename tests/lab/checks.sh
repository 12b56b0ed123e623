# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034  # FAILED is lab_test.sh's
# checks.sh - what lab_test.sh is written with: running a test, comparing, traffic of known size.

skip_all() {
  echo "1..0 # SKIP $1"
  exit 77
}

run_test() { # run_test FUNCTION: one line, and on failure what it printed
  local output
  COUNT=$((COUNT + 1))
  if output=$("$1" 2>&1); then
    echo "ok - $1"
  else
    echo "not ok - $1"
    [[ -z $output ]] || echo "#   ${output//$'\n'/$'\n#   '}"
    FAILED=1
  fi
}

skip_test() { # skip_test FUNCTION REASON
  COUNT=$((COUNT + 1))
  echo "ok - $1 # SKIP $2"
}

lab() { # lab NAME ARGUMENTS...: what it says is shown only when a test fails
  "$ROOT/tools/lab/banyan-lab" --name "$1" "${@:2}"
}

fail() {
  echo "$*"
  return 1
}

equal() { # equal GOT EXPECTED
  [[ $1 == "$2" ]] || fail "got '$1', expected '$2'"
}

refuses() { # refuses TEXT COMMAND...: fails, and says TEXT
  local text=$1 said
  shift
  if said=$("$@" 2>&1); then fail "not refused: $*" || return 1; fi
  [[ $said == *"$text"* ]] || fail "refused without naming '$text': $said"
}

python_checks() { # python_checks SCRIPT: stdin is the script's
  python3 -c "import json, sys
$1"
}

transfer() { # transfer LAB FROM TO BYTES [PATIENCE_S] [HOST]: prints "bytes seconds"; fails if it did not get through
  local code=0 server
  TRANSFER_PATIENCE_S=${5:-20} lab "$1" exec "$3" -- python3 "$TRANSFER" serve 29700 >/dev/null &
  server=$!
  TRANSFER_PATIENCE_S=${5:-20} lab "$1" exec "$2" -- python3 "$TRANSFER" send "${6:-node$3}" 29700 "$4" || code=$?
  wait "$server" || code=$?
  return "$code"
}

near_rate() { # near_rate LAB FROM TO BYTES RATE_BYTES_PER_S: payload within 15 %; best of 3, other work shares the cores
  local attempt measured
  for attempt in 1 2 3; do
    measured=$(transfer "$1" "$2" "$3" "$4" | awk '{ printf "%.0f", $1 / $2 }')
    [[ -n $measured ]] || fail "the transfer failed" || return 1
    ((measured * 100 <= $5 * 115)) || fail "attempt $attempt: $measured bytes/s, faster than the link's $5" || return 1
    ((measured * 100 < $5 * 85)) || return 0
    echo "attempt $attempt: $measured bytes/s over a link of $5 bytes/s"
  done
  return 1
}

holders() { # holders LAB: how many of its holder processes live
  local dir first count=0
  for dir in /proc/[0-9]*; do
    first=
    { IFS= read -r -d '' first <"$dir/environ"; } 2>/dev/null
    [[ $first != "BANYAN_LAB_HOLDER=$1:"* ]] || count=$((count + 1))
  done
  echo "$count"
}

namespaces_of() { # namespaces_of LAB: its nodes' network namespaces, one a line
  local node
  for node in "/run/banyan-lab/$1"/*/pid; do readlink "/proc/$(<"$node")/ns/net"; done
}

processes_of() { # processes_of PATTERN: how many live processes have such a command line, zombies left out
  local file line count=0
  for file in /proc/[0-9]*/cmdline; do
    { line=$(tr '\0' ' ' <"$file"); } 2>/dev/null || continue
    # shellcheck disable=SC2053  # a pattern
    [[ $line != $1* ]] || count=$((count + 1))
  done
  echo "$count"
}

has_open_mpi() { [[ $( (mpirun.openmpi --version || mpirun --version) 2>/dev/null) == *open-mpi.org* ]]; }
