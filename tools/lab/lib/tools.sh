# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# tools.sh - the programs and kernel features the lab needs, and a clear refusal when one is missing.

# ip and tc may come from an unpacked folder (BANYAN_LAB_TOOLS, made by pack-tools.sh).  Its library path is
# given to these two alone, through env, so that no program run in the lab ever inherits it.
IP_CMD=(ip)
TC_CMD=(tc)

find_tools() {
  local dir=${BANYAN_LAB_TOOLS:-} prefix
  if [[ -n $dir ]]; then
    [[ -d $dir/bin && -d $dir/lib ]] ||
      die "BANYAN_LAB_TOOLS=$dir has no bin/ and lib/; make it with tools/lab/pack-tools.sh DIR"
    dir=$(readlink -f "$dir")
    prefix=(env "PATH=$dir/bin:$PATH" "LD_LIBRARY_PATH=$dir/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}")
    IP_CMD=("${prefix[@]}" ip)
    TC_CMD=("${prefix[@]}" tc)
  fi
  # Debian keeps both in /usr/sbin, which a plain "su" leaves out of PATH.
  PATH=$PATH:/usr/sbin:/sbin
}

require_root() {
  ((EUID == 0)) || die "the lab makes namespaces and network devices, which needs root; run it with sudo or as root"
}

require_tools() {
  local missing=() tool
  find_tools
  "${IP_CMD[@]}" -V >/dev/null 2>&1 || missing+=("ip (package iproute2)")
  "${TC_CMD[@]}" -V >/dev/null 2>&1 || missing+=("tc (package iproute2)")
  for tool in nsenter unshare setsid flock mount; do
    command -v "$tool" >/dev/null || missing+=("$tool (package util-linux)")
  done
  ((${#missing[@]} == 0)) && return
  local list
  printf -v list '%s, ' "${missing[@]}"
  die "missing or broken: ${list%, }
  install them:         apt-get install iproute2 util-linux mount
  or, for ip and tc, without installing: run tools/lab/pack-tools.sh DIR on a machine with apt,
                        copy DIR here, and set BANYAN_LAB_TOOLS=DIR"
}

# What of the kernel's features is absent, one line each; empty if all is there.  Tried in a network
# namespace of its own, which ends with the last process in it.
missing_kernel_features() {
  unshare --net true 2>/dev/null || {
    echo "network namespaces (CONFIG_NET_NS, and the right to make them: CAP_SYS_ADMIN)"
    return
  }
  unshare --net "${IP_CMD[@]}" link add bl0 type veth peer name bl1 2>/dev/null ||
    echo "veth (CONFIG_VETH; modprobe veth)"
  unshare --net "${IP_CMD[@]}" link add bl0 type bridge 2>/dev/null ||
    echo "bridge (CONFIG_BRIDGE; modprobe bridge)"
  unshare --net "${TC_CMD[@]}" qdisc add dev lo root tbf rate 1mbit burst 64kb limit 1mb 2>/dev/null ||
    echo "tbf (CONFIG_NET_SCH_TBF; modprobe sch_tbf)"
  unshare --mount --uts --ipc true 2>/dev/null ||
    echo "mount, uts and ipc namespaces (CONFIG_UTS_NS, CONFIG_IPC_NS; CAP_SYS_ADMIN)"
}

require_kernel() {
  local missing
  missing=$(missing_kernel_features)
  [[ -z $missing ]] || die "this kernel (or this container's rights) lacks:
  ${missing//$'\n'/$'\n  '}
  Load the module as root on the machine itself; inside a container, run it privileged (--privileged)."
}

refuse_inside_node() {
  [[ ! -s $NODE_FILE ]] || die "'$1' must run on the machine itself, not inside a node of a lab"
}
