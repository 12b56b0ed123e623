#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# node-init.sh LAB_STATE PLACE NODE_FILE - the first process of a node (PLACE node0, node1 ...) or of the switches
# (PLACE switch), already in its new namespaces: gives the node its identity, says "ready", and from then on only
# keeps the namespaces alive.  Started by node.sh.
set -euo pipefail
place=$2 own=$1/$2 node_file=$3

echo $$ >"$own/pid"
rest() { # the marks must stay first in the environment, where process.sh looks; a plain exec would reorder it
  local sleep
  sleep=$(command -v sleep)
  : >"$own/ready"
  exec env -i "BANYAN_LAB_HOLDER=$BANYAN_LAB_HOLDER" "BANYAN_LAB_BORN=$BANYAN_LAB_BORN" "$sleep" infinity
}

# Without IPv6 no neighbour discovery or router solicitation runs, so an idle link counts no bytes.
for knob in all default; do
  { echo 1 >"/proc/sys/net/ipv6/conf/$knob/disable_ipv6"; } 2>/dev/null || true
done

if [[ $place == switch ]]; then rest; fi

hostname "$place"

# A new sysfs, since /sys/class/net lists the devices of the namespace it was mounted in.  The cgroups' folder
# goes along: programs read their CPU and memory limits there.
mount -t sysfs sysfs "$own/sys"
if mountpoint -q /sys/fs/cgroup; then mount --rbind /sys/fs/cgroup "$own/sys/fs/cgroup"; fi
mount --move "$own/sys" /sys

mount -t tmpfs -o mode=1777 tmpfs /dev/shm
mount --bind "$own/boot_id" /proc/sys/kernel/random/boot_id
mount --bind "$own/node.json" "$node_file"
for name in hosts hostname; do
  # A minimal image may lack the file; then there is nothing to hide, and the host's /etc stays untouched.
  if [[ -e /etc/$name ]]; then mount --bind "$own/$name" "/etc/$name"; fi
done

rest
