#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# gpu_bars.sh - everything that needs GPUs, on a machine that has two or more: exams, then comparisons; tables last.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: gpu_bars.sh [OPTIONS]                  (builds nothing; about 3 minutes on two H200s is the aim)

  --build DIR    build folder (default build/cuda)
  --bundle DIR   programs packed by "gpu_bars.sh --pack DIR", for a machine without the build's packages
  --pack DIR     only copy the programs, stripped, from the build folder into DIR
  --ranks N      ranks of the comparisons (default 2)
  --step-s N     seconds that a step may take (default 120)
  --only LIST    out of exam,compare,tokens (default: all)

Examples:
  cmake --preset cuda && cmake --build --preset cuda && perf/gpu/gpu_bars.sh
  perf/gpu/gpu_bars.sh --build build/dev --pack .gpu; (elsewhere) perf/gpu/gpu_bars.sh --bundle .gpu
TEXT
}

root=$(cd "$(dirname "$(readlink -f "$0")")/../.." && pwd)
build=$root/build/cuda bundle='' pack='' ranks=2 step_s=120 only=exam,compare,tokens
while (($#)); do
  case $1 in
    --build) build=$2 && shift 2 ;;
    --bundle) bundle=$2 && shift 2 ;;
    --pack) pack=$2 && shift 2 ;;
    --ranks) ranks=$2 && shift 2 ;;
    --step-s) step_s=$2 && shift 2 ;;
    --only) only=$2 && shift 2 ;;
    -h | --help) usage && exit ;;
    *) usage >&2 && echo "gpu_bars.sh: unknown option '$1'" >&2 && exit 2 ;;
  esac
done

programs=(tests/gpu/gpu_exchange_exam tests/gpu/gpu_tokens_exam perf/gpu/gpu_compare perf/gpu/gpu_tokens)
if [[ -n $pack ]]; then
  mkdir -p "$pack"
  for file in "${programs[@]}" lib/libbanyan_device_cuda.so; do
    strip -o "$pack/$(basename "$file")" "$build/$file"
  done
  du -sh "$pack"
  exit
fi

where() { # PROGRAM: its path, relative to the build folder
  if [[ -n $bundle ]]; then echo "$bundle/$(basename "$1")"; else echo "$build/$1"; fi
}
plugins=${bundle:-$build/lib}

# NVLink's multicast stays off; NCCL may lie in a Python package.
export NCCL_NVLS_ENABLE=0
if ! ldconfig -p | grep -q libnccl.so.2; then
  nccl=$(find /opt /usr/local /usr/lib -name libnccl.so.2 -print -quit 2>/dev/null || true)
  [[ -z $nccl ]] || export LD_LIBRARY_PATH=${nccl%/*}${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
fi

status=0
step() { # NAME COMMAND...
  local start=$SECONDS
  echo "## $1"
  shift
  local code=0
  timeout -k 5 "$step_s" "$@" 2>&1 || code=$?
  if ((code)); then
    status=1
    echo "gpu_bars.sh: failed with $code: $*"
  fi
  echo "## ($((SECONDS - start)) s)"
}

nvidia-smi --query-gpu=name,driver_version,clocks.sm --format=csv,noheader 2>/dev/null || true
if [[ ,$only, == *,exam,* ]]; then
  step "exchanges" "$(where tests/gpu/gpu_exchange_exam)" "$plugins" "$ranks"
  step "token exchanges" "$(where tests/gpu/gpu_tokens_exam)" "$plugins" "$ranks"
fi
if [[ ,$only, == *,compare,* ]]; then
  step "all-to-all" "$(where perf/gpu/gpu_compare)" "$plugins" "$ranks"
fi
if [[ ,$only, == *,tokens,* ]]; then
  step "dispatch and combine" "$(where perf/gpu/gpu_tokens)" "$plugins" "$ranks"
  step "dispatch and combine, 24 blocks" "$(where perf/gpu/gpu_tokens)" "$plugins" "$ranks" 24 p4k
fi
exit $status
