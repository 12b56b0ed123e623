#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# said_once.sh EXPRESSION COMMAND... - the command ends well and says a line of "banyan preload:", with this, once, and
# not on stdout.
set -u
said=$(mktemp)
trap 'rm -f "$said"' EXIT
timeout -k 5 240 "${@:2}" 2>"$said" | grep 'banyan preload:' && { echo "said on stdout"; exit 1; }
(("${PIPESTATUS[0]}" == 0)) || { cat "$said"; echo "the command failed"; exit 1; }
cat "$said"
(($(grep -c 'banyan preload:' "$said") == 1)) && grep -q "banyan preload: .*$1" "$said"
