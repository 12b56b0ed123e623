#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# pack-tools.sh - puts ip, tc and the libraries they need into a folder, for a machine where they cannot be installed.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: tools/lab/pack-tools.sh DIR

Downloads iproute2 and its libraries with apt-get (nothing is installed, no root needed) and unpacks ip and tc
to DIR/bin and the libraries to DIR/lib.  Copy DIR to the other machine and set BANYAN_LAB_TOOLS=DIR there.
The C library is not packed: pack on the same release as that machine, or an older one.

Example:
  tools/lab/pack-tools.sh /tmp/lab-tools
  BANYAN_LAB_TOOLS=/tmp/lab-tools tools/lab/banyan-lab up
TEXT
}

case ${1:-} in
  -h | --help) usage && exit 0 ;;
  "" | -*) usage >&2 && exit 2 ;;
esac

for tool in apt-get apt-cache dpkg-deb ldd; do
  command -v "$tool" >/dev/null || {
    echo "pack-tools: needs $tool, so a Debian or Ubuntu machine" >&2
    exit 1
  }
done

mkdir -p "$1/bin" "$1/lib"
target=$(readlink -f "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The libraries among all that iproute2 depends on; libc stays out, since it must match the machine's loader.
mapfile -t packages < <(
  apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances \
    iproute2 | grep -E '^(lib|zlib)' | grep -vE '^(libc6|libc-|libgcc|libcrypt|libdb|libselinux|libpcre|libperl|libdebconf)' | sort -u
)
(cd "$work" && apt-get download -q iproute2 "${packages[@]}")
for package in "$work"/*.deb; do dpkg-deb -x "$package" "$work/tree"; done

# Which of the unpacked libraries the two programs really load, and from where.
libraries=$(find "$work/tree" -name '*.so.*' -printf '%h\n' | sort -u | paste -sd:)
for tool in ip tc; do
  program=$(find "$work/tree" -path "*bin/$tool" -type f | head -n 1)
  [[ -n $program ]] || {
    echo "pack-tools: the package iproute2 holds no $tool" >&2
    exit 1
  }
  cp "$program" "$target/bin/$tool"
  LD_LIBRARY_PATH=$libraries ldd "$program" | awk -v tree="$work/tree/" 'index($3, tree) == 1 { print $3 }' |
    while read -r library; do cp -L "$library" "$target/lib/"; done
  LD_LIBRARY_PATH=$target/lib "$target/bin/$tool" -V
done
echo "packed: export BANYAN_LAB_TOOLS=$target"
