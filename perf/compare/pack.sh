#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# pack.sh - puts what sweep.sh and dispatch_bars.sh need into one folder, for a machine that has mpirun but not our
# packages.
# usage: pack.sh BUILD_DIR BUNDLE_DIR
set -euo pipefail
(($# == 2)) || { sed -n 's/^# usage: /usage: /p' "$0" >&2; exit 2; }
build=$(readlink -f "$1") bundle=$2
root=$(cd "$(dirname "$(readlink -f "$0")")/../.." && pwd)

# libc's parts and MPI's come from the machine itself: MPI's library must be of its mpirun's version.
from_machine='^(linux-vdso|ld-linux|libc|libm|libpthread|libdl|librt|libresolv|libz|libgcc_s|libstdc\+\+)[-.]'
from_machine+='|^(libmpi|libopen-rte|libopen-pal)[-.]'

mkdir -p "$bundle/bin" "$bundle/lib/ucx"
programs=("$build/perf/compare/mpi_compare" "$build/perf/compare/dispatch_compare"
  "$build/perf/dispatch_perf/dispatch_perf" "$build/perf/overlap_perf/overlap_perf"
  "$build/perf/alltoall_perf/alltoall_perf"
  "$build/perf/alltoallv_perf/alltoallv_perf" "$build"/tools/banyan-*/banyan-*)
# MPICH comes along whole, its launcher too: nothing of it is on the other machine.
for name in mpiexec.hydra hydra_pmi_proxy; do
  [[ ! -x $build/perf/compare/mpich_compare ]] || programs+=("$(command -v "$name")")
done
programs+=("$build/perf/compare/mpich_compare")
for program in "${programs[@]}"; do
  [[ -f $program && -x $program ]] || continue
  install -s -m 755 "$program" "$bundle/bin/"
done
mapfile -t own < <(find "$build" -name 'libbanyan*.so*' -type f ! -path '*/CMakeFiles/*')
for library in "${own[@]}"; do # once each, by the name that programs load
  soname=$(objdump -p "$library" | awk '$1 == "SONAME" { print $2 }')
  install -s -m 755 "$library" "$bundle/lib/${soname:-${library##*/}}"
done

needed() { # needed FILE...: the libraries that they load, by the machine's own loader
  ldd "$@" 2>/dev/null | awk '$2 == "=>" && $3 ~ /^\// { print $3 }' | sort -u
}
modules=$(dirname "$(needed "${own[@]}" | grep '/libucs\.' | head -1)" 2>/dev/null || true)/ucx
[[ ! -d $modules ]] || cp -L "$modules"/libuct_cma.so* "$bundle/lib/ucx/" 2>/dev/null || true
needed "$bundle"/bin/* "${own[@]}" | while read -r library; do
  name=${library##*/}
  [[ $name =~ $from_machine || $name == libbanyan* ]] || cp -L "$library" "$bundle/lib/"
done
[[ ! -x $root/tools/lab/pack-tools.sh ]] || "$root/tools/lab/pack-tools.sh" "$bundle/lab-tools"
du -sh "$bundle"
