#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Does mpi_compare measure the algorithms that it names?  Runs it with algorithm_spy preloaded and looks whether
# Open MPI called the function of each, by itself and together.  usage: algorithm_selection_test.sh MPI_COMPARE SPY_LIBRARY
set -euo pipefail
compare=$1 spy=$2

mpirun=$(command -v mpirun.openmpi || command -v mpirun) || { echo "SKIP: no mpirun"; exit 77; }
"$mpirun" --version | grep -q open-mpi.org || { echo "SKIP: $mpirun is not Open MPI's"; exit 77; }

calls() { # calls RANKS OPTIONS...: the functions that rank 0..RANKS-1 called, once each
  local ranks=$1
  shift
  OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1 \
    OMPI_MCA_mpi_yield_when_idle=1 OMPI_MCA_btl=vader,self OMPI_MCA_pml=ob1 \
    "$mpirun" -n "$ranks" -x "LD_PRELOAD=$spy" "$compare" --no-banyan -b 8 -e 8 --rounds 1 --round-ms 0 "$@" 2>&1 |
    sed -n 's/.*algorithm_spy: ompi_coll_base_//p' | sort -u | tr '\n' ' '
}

expect() { # expect WHAT "FUNCTIONS " RANKS OPTIONS...
  local what=$1 wanted=$2 got
  shift 2
  got=$(calls "$@")
  if [[ $got != "$wanted" ]]; then
    echo "not ok - $what: wanted '$wanted', got '$got'"
    exit 1
  fi
  echo "ok - $what: $got"
}

one() { # one RANKS LABEL FUNCTION OPTIONS...: the label runs that function, and no other
  local ranks=$1 label=$2 function=$3
  shift 3
  expect "$label of $ranks ranks" "$function " "$ranks" --mpi-algorithm "$label" "$@"
}

one 4 linear alltoall_intra_basic_linear
one 4 pairwise alltoall_intra_pairwise
one 4 modified_bruck alltoall_intra_bruck
one 4 linear_sync alltoall_intra_linear_sync
one 2 two_proc alltoall_intra_two_procs
one 4 basic_linear alltoallv_intra_basic_linear --alltoallv
one 4 pairwise alltoallv_intra_pairwise --alltoallv
four="alltoall_intra_basic_linear alltoall_intra_bruck alltoall_intra_linear_sync alltoall_intra_pairwise "
expect "all-to-all of 4 ranks" "$four" 4
expect "all-to-all of 2 ranks" "${four}alltoall_intra_two_procs " 2
expect "all-to-all-v of 4 ranks" "alltoallv_intra_basic_linear alltoallv_intra_pairwise " 4 --alltoallv
