# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# common.sh - messages, the lab's name and where its state lives.  Sourced by banyan-lab.

LAB_ROOT=/run/banyan-lab          # one folder per lab below it; gone when the last lab is down
NODE_FILE=$LAB_ROOT/node.json     # inside a node: this node's true NIC rates; outside: an empty mount point
LAB_NAME=banyan
LAB_STATE=$LAB_ROOT/$LAB_NAME

say() { printf 'banyan-lab: %s\n' "$*" >&2; }

die() {
  say "$@"
  exit 1
}

usage_error() {
  say "$1; see 'banyan-lab --help'"
  exit 2
}

need_value() { # need_value OPTION [VALUE...]: refuse an option whose value is missing
  (($# > 1)) || usage_error "option '$1' needs a value"
}

set_lab_name() {
  [[ $1 =~ ^[a-z0-9][a-z0-9-]{0,31}$ ]] ||
    usage_error "lab name '$1' must be 1 to 32 of a-z, 0-9 and '-', and not start with '-'"
  LAB_NAME=$1
  LAB_STATE=$LAB_ROOT/$LAB_NAME
}

is_whole() { # is_whole TEXT MIN MAX
  [[ $1 =~ ^(0|[1-9][0-9]{0,8})$ ]] && (($1 >= $2 && $1 <= $3))
}

want_whole() { # want_whole WHAT TEXT MIN MAX
  is_whole "$2" "$3" "$4" || usage_error "$1 must be a whole number from $3 to $4, not '$2'"
}

# One machine-wide lock around up and down: both touch LAB_ROOT itself.  Holders close the descriptor.
lock_labs() {
  local fd
  exec {fd}</run
  flock -w 60 "$fd" || die "another 'up' or 'down' has held the lock on /run for 60 s"
}

# Cleans up once, however this process ends.  A second signal (timeout sends one to the process and one to its
# group) must not cut the cleaning short.
on_exit() { # on_exit COMMAND
  local deaf="trap '' INT TERM HUP"
  # shellcheck disable=SC2064  # expanded now
  trap "$deaf; $1" EXIT
  # shellcheck disable=SC2064
  trap "$deaf; exit 130" INT
  # shellcheck disable=SC2064
  trap "$deaf; exit 143" TERM HUP
}
