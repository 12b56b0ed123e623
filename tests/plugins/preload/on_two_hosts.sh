#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# on_two_hosts.sh COMMAND... - runs the command as if each two ranks had a host: the others are reached over the network.
rank=${OMPI_COMM_WORLD_RANK-${PMI_RANK-0}}
exec env BANYAN_HOST_ID=h$((rank / 2)) "$@"
