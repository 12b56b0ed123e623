// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/launch.hpp"

#include <fmt/format.h>

#include <limits>

#include "base/env.hpp"
#include "base/error.hpp"
#include "base/parse.hpp"
#include "bootstrap/pmix.hpp"

namespace banyan::bootstrap {
namespace {

constexpr int kCandidatePorts = 8;
constexpr int kFirstUserPort = 1024;
constexpr int kLastPort = 65535;

[[noreturn]] void reject(const std::string& text) { throw Error(BANYAN_ERR_INVALID_ARGUMENT, text); }

/// Reads numbers of one launcher, with errors that name launcher and variable.
class Reader {
 public:
  Reader(const EnvironmentLookup& lookup, std::string launcher) : lookup_(lookup), launcher_(std::move(launcher)) {}

  [[nodiscard]] const std::string& launcher() const { return launcher_; }
  [[nodiscard]] std::optional<std::string> text(const char* name) const { return lookup_(name); }

  [[nodiscard]] std::optional<int> number(const char* name, long low, long high) const {
    const auto value = lookup_(name);
    if (!value) {
      return std::nullopt;
    }
    const auto parsed = parse::integer(*value);
    if (!parsed || *parsed < low || *parsed > high) {
      reject(fmt::format("{} is \"{}\" ({}): expected a number from {} to {}", name, *value, launcher_, low, high));
    }
    return static_cast<int>(*parsed);
  }

  [[nodiscard]] int required(const char* name, long low, long high) const {
    const auto value = number(name, low, high);
    if (!value) {
      reject(fmt::format("{} is not set, though other variables of {} are", name, launcher_));
    }
    return *value;
  }

 private:
  const EnvironmentLookup& lookup_;
  std::string launcher_;
};

constexpr long kMaxRanks = std::numeric_limits<int>::max();

struct Names {
  const char* rank;
  const char* size;
  const char* local_rank;
  const char* local_size;
};

/// Rank and size, global and local, that must fit each other.
Launch read_ranks(const Reader& reader, const Names& names) {
  Launch launch;
  launch.launcher = reader.launcher();
  launch.rank = reader.required(names.rank, 0, kMaxRanks);
  launch.size = reader.required(names.size, 1, kMaxRanks);
  if (launch.rank >= launch.size) {
    reject(fmt::format("{} is {} but {} is {} ({}): ranks go from 0 to {}", names.rank, launch.rank, names.size,
                       launch.size, reader.launcher(), launch.size - 1));
  }
  launch.local_rank = reader.number(names.local_rank, 0, kMaxRanks).value_or(0);
  launch.local_size = reader.number(names.local_size, 1, kMaxRanks).value_or(launch.size == 1 ? 1 : 0);
  if (launch.local_size > launch.size || (launch.local_size > 0 && launch.local_rank >= launch.local_size)) {
    reject(fmt::format("{} is {} and {} is {} ({}), which does not fit {} {}", names.local_rank, launch.local_rank,
                       names.local_size, launch.local_size, reader.launcher(), names.size, launch.size));
  }
  return launch;
}

std::vector<uint16_t> ports_from(int first) {
  std::vector<uint16_t> ports;
  for (int i = 0; i < kCandidatePorts; ++i) {
    const int port = first + i;
    ports.push_back(static_cast<uint16_t>(port <= kLastPort ? port : port - kLastPort - 1 + kFirstUserPort));
  }
  return ports;
}

/// MASTER_ADDR and the ports after MASTER_PORT: the port itself belongs to the framework's own store.
void read_master(const Reader& reader, Launch& launch) {
  launch.meeting = Launch::Meeting::kAddress;
  launch.host = reader.text("MASTER_ADDR").value_or("");
  const auto port = reader.number("MASTER_PORT", 1, kLastPort);
  if (port) {
    launch.ports = ports_from(*port + 1);
  }
  const std::string job_id = reader.text("BANYAN_JOB_ID").value_or(reader.text("TORCHELASTIC_RUN_ID").value_or(""));
  launch.job = fmt::format("{} {} {}", launch.host, port.value_or(0), job_id);
}

Launch read_banyan_run(const Reader& reader) {
  Launch launch = read_ranks(reader, {"BANYAN_RANK", "BANYAN_SIZE", "BANYAN_LOCAL_RANK", "BANYAN_LOCAL_SIZE"});
  launch.node_rank = reader.number("BANYAN_NODE_RANK", 0, kMaxRanks).value_or(-1);
  launch.meeting = Launch::Meeting::kAddress;
  const std::string root = reader.text("BANYAN_ROOT").value_or("");
  const size_t colon = root.rfind(':');
  const auto port = colon == std::string::npos ? std::nullopt : parse::integer(root.substr(colon + 1));
  if (launch.size > 1 && (!port || *port < 1 || *port > kLastPort || colon == 0)) {
    reject(fmt::format("BANYAN_ROOT is \"{}\": expected host:port of rank 0", root));
  }
  if (port) {
    launch.host = root.substr(0, colon);
    launch.ports = {static_cast<uint16_t>(*port)};
  }
  launch.job = reader.text("BANYAN_JOB_ID").value_or(root);
  return launch;
}

Launch read_torchrun(const Reader& reader) {
  Launch launch = read_ranks(reader, {"RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"});
  const auto node_rank = reader.number("GROUP_RANK", 0, kMaxRanks);
  launch.node_rank = node_rank ? *node_rank : reader.number("NODE_RANK", 0, kMaxRanks).value_or(-1);
  read_master(reader, launch);
  if (launch.size > 1 && (launch.host.empty() || launch.ports.empty())) {
    reject(fmt::format("RANK and WORLD_SIZE are set but {} is not: rank 0 must be found there",
                       launch.host.empty() ? "MASTER_ADDR" : "MASTER_PORT"));
  }
  return launch;
}

Launch read_pmix(const Reader& reader) {
  Launch launch;
  launch.launcher = reader.launcher();
  launch.meeting = Launch::Meeting::kPmix;
  launch.rank = reader.required("PMIX_RANK", 0, kMaxRanks);
  launch.size = 0;
  launch.local_size = 0;
  return launch;
}

Launch read_open_mpi(const Reader& reader) {
  Launch launch = read_ranks(reader, {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK",
                                      "OMPI_COMM_WORLD_LOCAL_SIZE"});
  read_master(reader, launch);
  return launch;
}

Launch read_hydra(const Reader& reader) {
  Launch launch = read_ranks(reader, {"PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID", "MPI_LOCALNRANKS"});
  const auto fd = reader.number("PMI_FD", 0, kMaxRanks);
  if (fd) {
    launch.meeting = Launch::Meeting::kPmi1;
    launch.pmi_fd = *fd;
  } else {
    read_master(reader, launch);
  }
  return launch;
}

/// Ports of a Slurm step without MASTER_PORT: the same on all ranks, apart for steps side by side.
int slurm_port(const Reader& reader) {
  const JobId id =
      job_id_from_name(reader.text("SLURM_JOB_ID").value_or("") + "." + reader.text("SLURM_STEP_ID").value_or(""));
  return 20000 + (id[0] * 256 + id[1]) % 10000;
}

Launch read_slurm(const Reader& reader) {
  const bool has_step_size = reader.text("SLURM_STEP_NUM_TASKS").has_value();
  Launch launch = read_ranks(reader, {"SLURM_PROCID", has_step_size ? "SLURM_STEP_NUM_TASKS" : "SLURM_NTASKS",
                                      "SLURM_LOCALID", "SLURM_NTASKS_PER_NODE"});
  launch.node_rank = reader.number("SLURM_NODEID", 0, kMaxRanks).value_or(-1);
  read_master(reader, launch);
  if (launch.host.empty()) {
    launch.host = reader.text("SLURM_LAUNCH_NODE_IPADDR").value_or("");
  }
  if (launch.ports.empty()) {
    launch.ports = ports_from(slurm_port(reader));
  }
  launch.job += " " + reader.text("SLURM_JOB_ID").value_or("") + "." + reader.text("SLURM_STEP_ID").value_or("");
  return launch;
}

}  // namespace

Launch launch_from_environment(const EnvironmentLookup& lookup) {
  const auto has = [&](const char* name) { return lookup(name).has_value(); };
  if (has("BANYAN_RANK") || has("BANYAN_SIZE")) {
    return read_banyan_run({lookup, "banyan-run"});
  }
  if (has("RANK") && has("WORLD_SIZE")) {
    return read_torchrun({lookup, "torchrun"});
  }
  if (has("PMIX_NAMESPACE")) {
    return read_pmix({lookup, "PMIx"});
  }
  if (has("OMPI_COMM_WORLD_RANK")) {
    return read_open_mpi({lookup, "Open MPI"});
  }
  if (has("PMI_RANK")) {
    return read_hydra({lookup, "hydra"});
  }
  // A batch script has SLURM_PROCID too, but only the tasks of srun have a step.
  if (has("SLURM_PROCID") && has("SLURM_STEP_ID")) {
    return read_slurm({lookup, "Slurm"});
  }
  if (has("RANK") || has("WORLD_SIZE")) {
    reject(fmt::format("{} is set but {} is not: set both, or neither", has("RANK") ? "RANK" : "WORLD_SIZE",
                       has("RANK") ? "WORLD_SIZE" : "RANK"));
  }
  return {};
}

Launch launch_from_environment() {
  Launch launch = launch_from_environment(&env::get);
  if (launch.meeting == Launch::Meeting::kPmix) {
    PmixSession().fill(launch);
  }
  return launch;
}

}  // namespace banyan::bootstrap
