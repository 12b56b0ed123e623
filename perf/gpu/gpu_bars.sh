#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# gpu_bars.sh - everything that needs GPUs: exams, then comparisons; all of it, whatever fails. Tables last.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: gpu_bars.sh [OPTIONS]                  (builds nothing; about 3 minutes on two H200s is the aim)

  --build DIR    build folder (default build/cuda)
  --bundle DIR   programs packed by "gpu_bars.sh --pack DIR", for a machine without the build's packages
  --pack DIR     only copy the programs, stripped, from the build folder into DIR, and this script
  --out DIR      also write each step's output, and all of it, into files there
  --quick        a first look: the sizes and cases of the bars with few rounds; 200 s at most
  --ranks N      default 2
  --step-s N     seconds that a step may take (default 120; not with --quick)
  --filter TEXT  only the tests of the exams whose names contain it
  --only LIST    out of exam,experts,compare,tokens (default: all); experts: the exam of layout B

With fewer GPUs than ranks these share them through an MPS server, which is started if there is none; there is no
comparison with NCCL then.

Examples:
  cmake --preset cuda && cmake --build --preset cuda && perf/gpu/gpu_bars.sh --quick --out /tmp/look
  perf/gpu/gpu_bars.sh --build build/dev --pack .gpu; (elsewhere) .gpu/gpu_bars.sh --bundle .gpu --quick --out "$OUT"
TEXT
}

root=$(cd "$(dirname "$(readlink -f "$0")")/../.." && pwd)
build=$root/build/cuda bundle='' pack='' out='' quick=0 ranks=2 step_s=120 only=exam,experts,compare,tokens filter=()
while (($#)); do
  case $1 in
    --build) build=$2 && shift 2 ;;
    --bundle) bundle=$2 && shift 2 ;;
    --pack) pack=$2 && shift 2 ;;
    --out) out=$2 && shift 2 ;;
    --quick) quick=1 && shift ;;
    --ranks) ranks=$2 && shift 2 ;;
    --step-s) step_s=$2 && shift 2 ;;
    --filter) filter+=(--filter "$2") && shift 2 ;;
    --only) only=$2 && shift 2 ;;
    -h | --help) usage && exit ;;
    *) usage >&2 && echo "gpu_bars.sh: unknown option '$1'" >&2 && exit 2 ;;
  esac
done

programs=(tests/gpu/gpu_exchange_exam tests/gpu/gpu_experts_exam tests/gpu/gpu_tokens_exam perf/gpu/gpu_compare perf/gpu/gpu_tokens)
if [[ -n $pack ]]; then
  mkdir -p "$pack"
  for file in "${programs[@]}" lib/libbanyan_device_cuda.so; do
    if [[ ! -f $build/$file ]]; then
      echo "not built, so not packed: $file" >&2
      continue
    fi
    strip -o "$pack/$(basename "$file")" "$build/$file"
  done
  cp "${BASH_SOURCE[0]}" "$pack"
  du -sh "$pack"
  exit
fi

where() { # PROGRAM: its path, relative to the build folder
  if [[ -n $bundle ]]; then echo "$bundle/$(basename "$1")"; else echo "$build/$1"; fi
}
plugins=${bundle:-$build/lib}

work=$(mktemp -d)
mps='' # where the server that was started here has its pipes
finish() {
  if [[ -n $mps ]]; then
    timeout 10 nvidia-cuda-mps-control <<<'quit -t 5' >/dev/null 2>&1 || true
    [[ -z $out ]] || tail -n 50 "$mps"/*.log >"$out/mps.txt" 2>/dev/null || true
  fi
  rm -rf "$work"
}
trap finish EXIT
logs=${out:-$work}
mkdir -p "$logs"
: >"$logs/all.txt"

status=0 start_s=$SECONDS
say() { echo "$*" | tee -a "$logs/all.txt"; }
step() { # SECONDS FILE NAME COMMAND...: at most so long with --quick
  local limit=$1 file=$2 begin=$SECONDS code=0
  ((quick)) || limit=$step_s
  say "## $3"
  shift 3
  timeout -k 5 "$limit" "$@" 2>&1 | tee "$logs/$file.txt" | tee -a "$logs/all.txt" || code=${PIPESTATUS[0]}
  if ((code)); then
    status=1
    say "gpu_bars.sh: failed with $code: $*"
  fi
  say "## ($((SECONDS - begin)) s, $((SECONDS - start_s)) s in all)"
}

# Ranks of one GPU: a server for them, streams that do not share a queue, and kernels that are loaded before any waits.
share() {
  export CUDA_DEVICE_MAX_CONNECTIONS=8 CUDA_MODULE_LOADING=EAGER
  if ! timeout 5 nvidia-cuda-mps-control <<<get_server_list >/dev/null 2>&1; then
    mps=$work/mps
    mkdir -p "$mps"
    export CUDA_MPS_PIPE_DIRECTORY=$mps CUDA_MPS_LOG_DIRECTORY=$mps
    if ! timeout 10 nvidia-cuda-mps-control -d; then
      mps=''
      say "no MPS server: ranks take turns on their GPU"
    fi
  fi
}

# NVLink's multicast stays off; the newest NCCL is most likely that of a Python package.
export NCCL_NVLS_ENABLE=0
nccl=$(python3 -c 'import nvidia.nccl as n; print(list(n.__path__)[0] + "/lib/libnccl.so.2")' 2>/dev/null || true)
if [[ ! -f $nccl && $(ldconfig -p) != *libnccl.so.2* ]]; then
  nccl=$(find /opt /usr/local /usr/lib -name libnccl.so.2 -print -quit 2>/dev/null || true)
fi
[[ ! -f $nccl ]] || export LD_LIBRARY_PATH=${nccl%/*}${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}

say "$(nvidia-smi --query-gpu=name,driver_version,clocks.sm,compute_mode --format=csv,noheader 2>&1 || true)"
gpus=$(nvidia-smi --list-gpus 2>/dev/null | grep -c . || true)
((gpus < 2)) || say "$(nvidia-smi topo -m 2>&1 | head -n 8 || true)"
shared=$((gpus > 0 && gpus < ranks))
((!shared)) || share

limits=() sizes=() rounds=() iterations=()
if ((quick)); then
  limits=(--limit-s 10 --within-s)
  sizes=(--sizes '16384,1048576,16777216,67108864,268435456' --limit-s 30) rounds=(--rounds 7)
  iterations=(--iterations 20 --limit-s 20)
fi
if [[ ,$only, == *,exam,* ]]; then
  step 52 exchanges "exchanges" "$(where tests/gpu/gpu_exchange_exam)" "$plugins" "$ranks" \
    "${limits[@]}" ${limits:+36} "${filter[@]}"
  step 34 token_exchanges "token exchanges" "$(where tests/gpu/gpu_tokens_exam)" "$plugins" "$ranks" \
    "${limits[@]}" ${limits:+20} "${filter[@]}"
fi
if [[ ,$only, == *,experts,* ]]; then
  step 34 experts "token exchanges by experts" "$(where tests/gpu/gpu_experts_exam)" "$plugins" "$ranks" \
    "${limits[@]}" ${limits:+20} "${filter[@]}"
fi
if [[ ,$only, == *,compare,* ]] && ((!shared)); then
  step 36 compare "all-to-all" "$(where perf/gpu/gpu_compare)" "$plugins" "$ranks" "${sizes[@]}" "${rounds[@]}"
fi
if [[ ,$only, == *,tokens,* ]]; then
  step 36 tokens "dispatch and combine" "$(where perf/gpu/gpu_tokens)" "$plugins" "$ranks" "${iterations[@]}"
  ((quick)) || step 36 tokens_24 "dispatch and combine, 24 blocks" "$(where perf/gpu/gpu_tokens)" "$plugins" "$ranks" \
    24 p4k
fi
say "## $((SECONDS - start_s)) s; $( ((status)) && echo "something failed, see above" || echo "all passed")"
exit $status
