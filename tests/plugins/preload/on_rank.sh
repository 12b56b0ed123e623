#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# on_rank.sh RANK NAME=VALUE COMMAND... - runs the command, with the variable on one rank only.
if [[ ${OMPI_COMM_WORLD_RANK-${PMI_RANK-}} == "$1" ]]; then
  exec env "${@:2}"
fi
exec "${@:3}"
