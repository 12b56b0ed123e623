# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154  # root, lab_name, out and budget_s are the caller's
# lab_runs.sh - what scripts that measure in labs share: a bundle's programs, the lab, its profile, mpirun in it.
# The caller sets root, lab_name, out, budget_s (0: no limit) and profile (the program), and defines nothing of the below.

say() { echo "${0##*/}: $*" >&2; }
die() {
  say "$*"
  exit 2
}

lab() { "$root/tools/lab/banyan-lab" --name "$lab_name" "$@"; }
spent() { ((budget_s > 0 && SECONDS >= budget_s)); }

use_bundle() { # DIR: programs and libraries packed by pack.sh
  export PATH=$1/bin:$PATH # mpiexec.hydra
  export LD_LIBRARY_PATH=$1/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
  export BANYAN_PLUGIN_PATH=$1/lib UCX_MODULE_DIR=$1/lib/ucx
  export BANYAN_LAB_TOOLS=${BANYAN_LAB_TOOLS:-$1/lab-tools}
}

forward=()
forward_variables() { # forward: mpirun's options that hand our settings to ranks of other nodes
  local name
  for name in LD_LIBRARY_PATH BANYAN_PLUGIN_PATH UCX_MODULE_DIR; do
    [[ -z ${!name:-} ]] || forward+=(-x "$name")
  done
  for name in $(compgen -e BANYAN_); do
    [[ $name == BANYAN_PLUGIN_PATH || $name == BANYAN_LAB_* ]] || forward+=(-x "$name")
  done
}

run_mpi() { # PROGRAM OPTIONS...: under Open MPI's mpirun on all ranks of the lab
  # shellcheck disable=SC2086  # a list of words
  lab mpirun ${MPIRUN_ARGS:---mca pml ob1 --mca btl tcp,vader,self} "${forward[@]}" -- "$@"
}

measure_profile() { # LAB SECONDS: the model's speeds, in $out/LAB.profile.json
  lab run -- "$profile" --budget "$2" --output "$out/$1.profile.json" >"$out/$1.profile.txt" 2>&1 || {
    say "$1: banyan-profile failed, see $out/$1.profile.txt"
    return 1
  }
}
