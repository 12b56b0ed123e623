# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# units.sh - rates and sizes: text in tc's units to whole bytes (per second) and back.  Sourced by banyan-lab.

# Both parsers put their answer in REPLY: a subshell per value would cost more than the arithmetic.

parse_rate() { # parse_rate TEXT: REPLY = bytes per second; 0 = unlimited
  local text=${1,,} unit scale whole fraction
  if [[ $text == 0 ]]; then
    REPLY=0
    return
  fi
  [[ $text =~ ^([0-9]{1,6})(\.([0-9]{1,3}))?([a-z]+)$ ]] ||
    usage_error "rate '$1' is not a number and a unit, such as 1gbit, 2.5gbit, 250mbit, 125mbps (bytes) or 0 (unlimited)"
  whole=${BASH_REMATCH[1]} fraction=${BASH_REMATCH[3]}000 unit=${BASH_REMATCH[4]}
  case $unit in
    bit | kbit | mbit | gbit | tbit) scale=1 ;;
    bps | kbps | mbps | gbps) scale=8 ;;
    *) usage_error "rate '$1': unknown unit '$unit'; use bit, kbit, mbit, gbit, tbit or, for bytes, bps, kbps, mbps, gbps" ;;
  esac
  case $unit in
    k*) scale=$((scale * 1000)) ;;
    m*) scale=$((scale * 1000 ** 2)) ;;
    g*) scale=$((scale * 1000 ** 3)) ;;
    t*) scale=$((scale * 1000 ** 4)) ;;
  esac
  REPLY=$(((10#$whole * 1000 + 10#${fraction:0:3}) * scale / 8000))
  ((REPLY > 0)) || usage_error "rate '$1' is below one byte per second; 0 means unlimited"
}

parse_size() { # parse_size TEXT: REPLY = bytes; tc's units, k = 1024
  local text=${1,,}
  [[ $text =~ ^([0-9]{1,9})(b|k|kb|m|mb|g|gb)?$ ]] ||
    usage_error "size '$1' is not a number with b, kb, mb or gb (k = 1024), such as 64kb"
  REPLY=$((10#${BASH_REMATCH[1]}))
  case ${BASH_REMATCH[2]} in
    k*) REPLY=$((REPLY * 1024)) ;;
    m*) REPLY=$((REPLY * 1024 ** 2)) ;;
    g*) REPLY=$((REPLY * 1024 ** 3)) ;;
  esac
}

format_rate() { # format_rate BYTES_PER_S: REPLY = "250 Mbit/s"
  local bits=$(($1 * 8)) unit scale=1
  if ((bits == 0)); then
    REPLY=unlimited
    return
  fi
  for unit in "bit/s" "kbit/s" "Mbit/s" "Gbit/s" "Tbit/s"; do
    ((bits / scale < 1000)) && break
    scale=$((scale * 1000))
  done
  local thousandths=$((bits * 1000 / scale))
  printf -v REPLY '%d.%03d' $((thousandths / 1000)) $((thousandths % 1000))
  while [[ $REPLY == *0 ]]; do REPLY=${REPLY%0}; done
  REPLY="${REPLY%.} $unit"
}
