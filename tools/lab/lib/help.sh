# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# help.sh - what --help prints.  Sourced by banyan-lab.

show_help() { # show_help [COMMAND]
  case ${1:-} in
    up) help_up ;;
    run) help_run ;;
    counters) help_counters ;;
    mpirun | mpich) help_mpi ;;
    "") help_main ;;
    *) help_main | sed -n "1,3p; /^  $1 /,/^  [a-z]/{/^  $1 /p; /^   /p}; /^Examples/,\$p" ;;
  esac
}

help_main() {
  cat <<'TEXT'
usage: banyan-lab [--name NAME] COMMAND [ARGUMENTS]     (as root; docs/lab.md tells how it works)

A cluster of network namespaces on this machine: nodes, NICs, switches and their rates.

Commands ('banyan-lab COMMAND --help' for more on up, run, counters and mpirun):
  up [OPTIONS]                      build the lab; an older one of the same name is taken down first
  down                              end its processes and remove it; no error if there is none
  list                              names of the labs that are up
  status                            table of nodes, ranks, NICs, rates and links
  describe --json                   the true topology, for programs
  hosts                             node0:7,node1:8 (name:slots, for a launcher)
  exec NODE -- COMMAND              run a command inside a node (0 or node0)
  run [-n N] -- COMMAND             start ranks over the nodes, with torchrun's variables
  mpirun [-n N] [ARGS] -- COMMAND   Open MPI's mpirun over the nodes
  mpich [-n N] [ARGS] -- COMMAND    MPICH's mpiexec.hydra over the nodes
  rate NODE RATE [--rail R]         change a node's NIC rate, both directions, while things run
  spine RATE [LEAF] [--rail R]      change the rate between leaf and spine switches
  link NODE up|down [--rail R]      plug or pull the node's cable
  counters [--json] [--reset]       bytes and packets that crossed each link
  selftest                          check on this machine that the emulation holds (3 s)

--name NAME picks the lab (default: banyan); labs of different names live side by side.
A rate is 1gbit, 2.5gbit, 250mbit, 125mbps (megabytes/s) or 0 (unlimited).
BANYAN_LAB_TOOLS=DIR: take ip and tc from DIR, made by tools/lab/pack-tools.sh.

Examples:
  banyan-lab up --ranks 7,8 --rate 1gbit,250mbit      two uneven nodes
  banyan-lab run -- ./my_program                      15 ranks on them
  banyan-lab counters --reset; banyan-lab mpirun -n 15 -- ./a.out; banyan-lab counters
  banyan-lab exec 1 -- ip addr
  banyan-lab link 1 down                              what does a job do when node1 vanishes?
  banyan-lab down
TEXT
}

help_up() {
  cat <<'TEXT'
usage: banyan-lab up [--name NAME] [OPTIONS]

  --nodes N        nodes (default: as many as the longest list below names, else 2)
  --ranks N|LIST   ranks (slots) per node, for all or one per node: 4 or 7,8 (default 4)
  --rate R|LIST    rate of a node's NICs, each way: 1gbit or 1gbit,250mbit; 0 = unlimited (default 1gbit)
  --rails K        NICs per node, each on a network (plane) of its own: eth0, eth1 ... (default 1)
  --leaves L|LIST  leaf switches; the nodes are dealt to them in blocks, or 3,1 says how many each has (default 1)
  --spine R        rate of each leaf's link to the spine, each way; 0 = unlimited (default 0)
  --mtu N          bytes, 576 to 61440 (default 1500)
  --burst SIZE     bucket of each shaper: this much passes an idle link at once
                   (default 64kb, or 100 us of the link's rate if that is more)
  --limit SIZE     queue of each shaper; beyond it packets drop (default 8mb)
  --name NAME      the lab's name (default banyan)

Examples:
  banyan-lab up                                             2 nodes x 4 ranks, 1 Gbit/s
  banyan-lab up --ranks 7,8 --rate 1gbit,250mbit            uneven in ranks and rates
  banyan-lab up --nodes 4 --leaves 2 --spine 1gbit          2:1 oversubscribed: 2 x 1 Gbit/s behind 1 Gbit/s
  banyan-lab up --nodes 2 --rails 2 --rate 500mbit          two NICs a node
  banyan-lab up --name other --nodes 3 --rate 0             a second lab, links not limited
TEXT
}

help_run() {
  cat <<'TEXT'
usage: banyan-lab run [--name NAME] [-n N] [--port PORT] [--keep-going] -- COMMAND

Starts N ranks (default: one per slot) of COMMAND, filling node0's slots first, then node1's, and so on.
Each gets RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE, NODE_RANK, MASTER_ADDR (node0), MASTER_PORT
and BANYAN_JOB_SECRET_FILE, a file of mode 0600 with 64 hex digits, new for every job and gone after it.
stdin is empty; stdout and stderr are the caller's, unprefixed.

  --keep-going   let the others finish when a rank fails; otherwise they get SIGTERM, and SIGKILL after 2 s
  --port PORT    MASTER_PORT (default 29500); give jobs that run at the same time different ones

The exit code is that of the first rank that failed (128 + the signal's number if a signal ended it), else 0.

Examples:
  banyan-lab run -- ./my_program --size 1M
  banyan-lab run -n 3 -- sh -c 'echo rank $RANK of $WORLD_SIZE on $(hostname)'
TEXT
}

help_counters() {
  cat <<'TEXT'
usage: banyan-lab counters [--name NAME] [--json | --reset]

What crossed each link in each direction, since the lab came up or since the last --reset:
node -> leaf and back for each NIC, leaf -> spine and back for each rail.

  BYTES, PACKETS            the kernel's device statistics; TCP hands over packets of up to 60 KB uncut, with one
                            header each, so this is close to what the program sent
  WIRE BYTES, WIRE PACKETS  the shaper's: cut to the MTU, a header on each, as on a real wire; '-' (JSON: null)
                            where the rate is unlimited, since then there is no shaper
  DROPS                     packets that found the shaper's queue full

Examples:
  banyan-lab counters --reset; banyan-lab run -- ./my_program; banyan-lab counters
  banyan-lab counters --json | jq '.links[] | select(.kind == "node_egress") | .bytes'
TEXT
}

help_mpi() {
  cat <<'TEXT'
usage: banyan-lab mpirun [--name NAME] [-n N] [ARGUMENTS OF mpirun] -- COMMAND
       banyan-lab mpich  [--name NAME] [-n N] [ARGUMENTS OF mpiexec] -- COMMAND

Runs the launcher inside node0 over all nodes, with as many slots on each as it has ranks.  Set for Open MPI by
environment, so that arguments win: mapping by slot, no binding, waiting ranks yield if all nodes' ranks outnumber
this machine's cores (BANYAN_SPIN=0 then, unless it is set).  Banyan's job secret is not set here; under MPI,
exchange through MPI.

Examples:
  banyan-lab mpirun -n 15 -- ./a.out
  banyan-lab mpirun --mca pml ob1 --mca btl tcp,vader,self -- ./osu_alltoall
  banyan-lab mpirun --mca pml ucx --mca opal_common_ucx_tls any --mca opal_common_ucx_devices any -- ./osu_alltoall
  banyan-lab mpich -n 4 -- ./a.out.mpich
TEXT
}
