#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs the Debian packages that Banyan's build, tests and quickstart need. Changes nothing when all are there.
#
# usage: tools/install_dependencies.sh [--check]
#   --check   install nothing; list what is missing and exit 1 if anything is
set -euo pipefail

packages=(
  g++ cmake ninja-build pkg-config ccache                        # build
  libhwloc-dev libucx-dev libsodium-dev libfmt-dev nlohmann-json3-dev libboost-program-options-dev
  libgtest-dev libgmock-dev librapidcheck-dev libbenchmark-dev   # tests
  libsimgrid-dev                                                 # tests/oracle, linked by nothing else
  python3 binutils clang-format
  libopenmpi-dev openmpi-bin libmpich-dev mpich                  # perf/compare, docs/examples, plugins/preload
  gfortran libfftw3-dev libfftw3-mpi-dev python3-mpi4py          # tests/plugins/preload
  iproute2 procps util-linux                                     # the lab
)

usage() { sed -n '3,/^set/{/^set/d; s/^# \{0,1\}//; p}' "$0"; }

missing() {
  local package
  for package in "${packages[@]}"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || echo "$package"
  done
}

case "${1-}" in
  "") check_only=false ;;
  --check) check_only=true ;;
  -h | --help) usage; exit 0 ;;
  *) usage >&2; exit 2 ;;
esac

if ! command -v dpkg-query >/dev/null; then
  echo "install_dependencies: this is not Debian; install by hand: ${packages[*]}" >&2
  exit 1
fi
mapfile -t absent < <(missing)
if [ ${#absent[@]} -eq 0 ]; then
  echo "install_dependencies: all ${#packages[@]} packages are there"
  exit 0
fi
if $check_only; then
  echo "install_dependencies: missing: ${absent[*]}" >&2
  exit 1
fi
if [ "$(id -u)" -ne 0 ]; then
  echo "install_dependencies: root is needed; as root, run: apt-get install ${absent[*]}" >&2
  exit 1
fi
echo "install_dependencies: installing ${absent[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${absent[@]}" </dev/null >/dev/null
mapfile -t absent < <(missing)
if [ ${#absent[@]} -ne 0 ]; then
  echo "install_dependencies: still missing: ${absent[*]}" >&2
  exit 1
fi
