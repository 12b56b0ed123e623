#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# with_descriptors.sh NUMBER COMMAND... - runs the command, which may have so many descriptors.
ulimit -n "$1" && exec "${@:2}"
