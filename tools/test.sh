#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds Banyan and runs every test; with --sanitizers once more under AddressSanitizer with UndefinedBehaviorSanitizer
# and under ThreadSanitizer, as continuous integration does. Installs missing Debian packages when run as root.
#
# usage: tools/test.sh [--sanitizers] [--jobs N] [--stage NAME]...
#   --sanitizers   all stages; default: format and dev
#   --jobs N       compilers at a time, and up to twice as many tests; default: the cores of this machine
#   --stage NAME   only this stage: format, dev, asan or tsan; may be given several times
# Exit status: 0 if everything passed. The last line counts the tests.
set -euo pipefail
cd "$(dirname "$0")/.."

jobs=$(nproc)
stages=()
default_stages=(format dev)
while [ $# -gt 0 ]; do
  case "$1" in
    --sanitizers) default_stages+=(asan tsan) ;;
    --jobs) jobs=${2:?--jobs needs a number}; shift ;;
    --stage) stages+=("${2:?--stage needs a name}"); shift ;;
    -h | --help) sed -n '3,/^set/{/^set/d; s/^# \{0,1\}//; p}' "$0"; exit 0 ;;
    *) echo "test: unknown option $1; see tools/test.sh --help" >&2; exit 2 ;;
  esac
  shift
done
[ ${#stages[@]} -gt 0 ] || stages=("${default_stages[@]}")

tests_at_once=$((2 * jobs))  # most wait
passed=0 failed=0 skipped=0
summary=()

log() { printf '\n== test: %s (%d s)\n' "$*" "$SECONDS"; }

# count_tests LOG: adds the results of one ctest run, as its log lists them, to the totals.
count_tests() {
  local ok bad skip
  ok=$(grep -cE '^ *[0-9]+/[0-9]+ Test .* Passed ' "$1" || true)
  skip=$(grep -cE '^ *[0-9]+/[0-9]+ Test .*\*\*\*Skipped ' "$1" || true)
  bad=$(($(grep -cE '^ *[0-9]+/[0-9]+ Test ' "$1" || true) - ok - skip))
  passed=$((passed + ok)) failed=$((failed + bad)) skipped=$((skipped + skip))
}

# run_ctest FOLDER [WRAPPER...]: every test below a build folder. Fails also for skips whose reason is not listed.
run_ctest() {
  local folder=$1 output results
  shift
  output=$(mktemp)
  results=$PWD/$folder/results
  rm -rf "$results"
  mkdir -p "$results"
  GTEST_OUTPUT="xml:$results/" "$@" ctest --test-dir "$folder" -j "$tests_at_once" --output-on-failure --no-tests=error \
    --output-junit "$results/ctest.xml" 2>&1 | tee "$output" || true
  if ! grep -qE '^ *[0-9]+/[0-9]+ Test ' "$output"; then
    echo "test: no test ran in $folder" >&2
    failed=$((failed + 1))
  fi
  count_tests "$output"
  python3 -B tests/layering/check_skips.py tests/allowed_skips.txt "$results" || failed=$((failed + 1))
  rm -f "$output"
}

# compile PRESET: configures and builds what its stage tests.
compile() {
  local preset=$1 targets=()
  [ "$preset" = dev ] || targets=(tests/all)
  log "$preset: configure"
  cmake --preset "$preset" -Wno-dev >"build/$preset.log" 2>&1 || { cat "build/$preset.log"; return 1; }
  log "$preset: build"
  NINJA_STATUS="[$preset %f/%t, %e s] " cmake --build "build/$preset" -j "$jobs" -- "${targets[@]}"
}

# Most tests wait. Meanwhile the next stage is compiled, with the lowest priority, so that tests get a core when they want one.
ahead_pid='' ahead_preset=''
compile_ahead() { # compile_ahead PRESET: format, which has nothing to compile, or empty do nothing
  case "$1" in dev | asan | tsan) ;; *) return 0 ;; esac
  log "$1: compile beside the tests"
  ahead_preset=$1
  set -m  # a process group of its own, which stop_ahead can end
  (renice -n 19 -p "$BASHPID" >/dev/null && compile "$1") >"build/$1.ahead.log" 2>&1 </dev/null &
  ahead_pid=$!
  set +m
}

stop_ahead() { [ -z "$ahead_pid" ] || kill -- "-$ahead_pid" 2>/dev/null || true; }
trap stop_ahead EXIT

# build PRESET: compiles it, or waits for what has begun.
build() {
  local pid=$ahead_pid
  if [ "$1" != "$ahead_preset" ]; then
    compile "$1"
    return
  fi
  log "$1: wait for the compilers"
  ahead_pid='' ahead_preset=''
  wait "$pid" || { cat "build/$1.ahead.log"; return 1; }
  tail -n 1 "build/$1.ahead.log"
}

# test_stage PRESET NEXT FOLDER [WRAPPER...]: builds, then runs the tests of a folder while the next stage is compiled.
test_stage() {
  local preset=$1 next=$2
  shift 2
  build "$preset"
  compile_ahead "$next"
  log "$preset: test"
  run_ctest "$@"
}

# Properties are tried on fewer random inputs where each costs several times as much; dev has the whole hundred.
sanitized_stage() { RC_PARAMS=${RC_PARAMS-max_success=25} test_stage "$@"; }

run_stage() { # run_stage STAGE NEXT
  local next=$2 before=$((passed + failed)) failed_before=$failed start=$SECONDS
  case "$1" in
    format)
      log "format"
      tools/format.sh --check || failed=$((failed + 1))
      ;;
    dev) test_stage dev "$next" build/dev ;;
    asan)
      # Without intercept_tls_get_addr=0 gcc 12's leak check crashes ("Tracer caught signal 11") at the end of about one
      # in a hundred processes that use UCX's thread.
      export ASAN_OPTIONS="detect_leaks=1:abort_on_error=0:intercept_tls_get_addr=0:${ASAN_OPTIONS-}"
      export UBSAN_OPTIONS="print_stacktrace=1:${UBSAN_OPTIONS-}"
      sanitized_stage asan "$next" build/asan/tests
      ;;
    tsan)  # tests without threads, and those whose ranks are processes, are left out: see tests/*/CMakeLists.txt
      export TSAN_OPTIONS="halt_on_error=1:second_deadlock_stack=1:${TSAN_OPTIONS-}"
      # UCX patches madvise(), which glibc calls when a thread's life in the eyes of ThreadSanitizer is over: it crashes.
      export UCX_MEM_EVENTS=n
      tests_at_once=$jobs  # they compute more than they wait
      # gcc 12's ThreadSanitizer does not start where addresses are randomised over more than 28 bits.
      if setarch "$(uname -m)" -R true 2>/dev/null; then
        sanitized_stage tsan "$next" build/tsan/tests setarch "$(uname -m)" -R
      else
        sanitized_stage tsan "$next" build/tsan/tests
      fi
      ;;
    *) echo "test: unknown stage $1" >&2; exit 2 ;;
  esac
  summary+=("$(printf '%-7s %4d run, %d failed, %4d s' "$1" $((passed + failed - before)) $((failed - failed_before)) \
    $((SECONDS - start)))")
}

tools/install_dependencies.sh
mkdir -p build
for i in "${!stages[@]}"; do
  run_stage "${stages[i]}" "${stages[i + 1]-}"
done
log "done"
printf '%s\n' "${summary[@]}"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
