#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# same_output.sh LIBRARY LAUNCH... -- PROGRAM... - the program prints the same with the library as without it, something,
# and makes exchanges with Banyan.
set -u
library=$1
shift
launch=()
while [[ $1 != -- ]]; do
  launch+=("$1")
  shift
done
said=$(mktemp)
trap 'rm -f "$said"' EXIT
expected=$(timeout -k 5 140 "${launch[@]}" "${@:2}") || { echo "the program fails without the library"; exit 1; }
found=$(timeout -k 5 140 "${launch[@]}" LD_PRELOAD="$library" BANYAN_PRELOAD_AFTER=0 BANYAN_PRELOAD_SUMMARY=1 "${@:2}" 2>"$said") ||
  { cat "$said"; echo "the program fails with the library"; exit 1; }
cat "$said"
diff <(echo "$expected") <(echo "$found") || { echo "the output differs"; exit 1; }
[[ -n $expected ]] && grep -q 'banyan preload: all-to-alls of rank 0: [1-9][0-9]* by Banyan' "$said"
