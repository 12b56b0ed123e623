#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Formats the C, C++ and CUDA files that git knows, with clang-format 14 and .clang-format.
#
# usage: tools/format.sh [--check] [FILE...]
#   --check   change nothing; list the files that differ and exit 1 if any does
set -euo pipefail
cd "$(dirname "$0")/.."

check=false
case "${1-}" in
  --check) check=true; shift ;;
  -h | --help) sed -n '3,/^set/{/^set/d; s/^# \{0,1\}//; p}' "$0"; exit 0 ;;
esac
formatter=$(command -v clang-format-14 || command -v clang-format) || {
  echo "format: clang-format is not installed" >&2
  exit 1
}
version=$("$formatter" --version)
if [[ $version != *" 14."* ]]; then
  echo "format: skipped, because $version is not the 14 that the project's style is checked with"
  exit 0
fi
if [ $# -gt 0 ]; then
  files=("$@")
else
  mapfile -t files < <(git ls-files '*.c' '*.h' '*.cpp' '*.hpp' '*.cu' '*.cuh')
fi
if ! $check; then
  "$formatter" -i "${files[@]}"
  exit 0
fi
bad=0
for file in "${files[@]}"; do
  if [ -e "$file" ] && ! "$formatter" "$file" | cmp -s - "$file"; then
    echo "format: $file differs; run tools/format.sh"
    bad=$((bad + 1))
  fi
done
echo "format: ${#files[@]} files, $bad differ"
[ "$bad" -eq 0 ]
