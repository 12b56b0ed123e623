#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# supervise.sh REPORTS COMMAND... - runs one rank's command to its end, then writes "RANK CODE" to descriptor
# REPORTS.  Started by launch.sh through setsid, so that the rank and its children are one process group.
reports=$1
shift
code=0
trap : TERM # outlives the rank, to report; the command itself starts with the default
exec {errors}>&2 2>/dev/null # bash would print "Killed" lines here
"$@" 2>&"$errors" {errors}>&- {reports}>&- || code=$?
echo "$RANK $code" >&"$reports"
