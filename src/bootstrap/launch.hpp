// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bootstrap/bootstrap.hpp"
#include "bootstrap/secret.hpp"

namespace banyan::bootstrap {

/// What the launcher's environment says about this process. A value.
struct Launch {
  /// How the ranks meet.
  enum class Meeting {
    kNone,     ///< one rank: nobody to meet
    kAddress,  ///< rank 0 listens on `host`, one of `ports`; all know the job secret
    kPmix,     ///< a unique id travels over PMIx
    kPmi1,     ///< a unique id travels over the PMI-1 socket of mpiexec.hydra
  };

  std::string launcher = "none";  ///< "banyan-run", "torchrun", "PMIx", "Open MPI", "hydra", "Slurm", "none"
  int rank = 0;
  int size = 1;  ///< 0: only PMIx knows
  int local_rank = 0;
  int local_size = 1;  ///< ranks on this host; 0: unknown
  int node_rank = -1;  ///< -1: unknown
  Meeting meeting = Meeting::kNone;
  std::string host;             ///< kAddress; empty: the environment does not say
  std::vector<uint16_t> ports;  ///< kAddress, in the order in which rank 0 tries them
  std::string job;              ///< kAddress: the job's name, equal on all ranks
  int pmi_fd = -1;              ///< kPmi1
};

/// A variable's value; nullopt if unset or empty.
using EnvironmentLookup = std::function<std::optional<std::string>(const char* name)>;

/// Reads the first launcher found in this order: banyan-run, torchrun, PMIx, Open MPI, hydra, Slurm; docs/bootstrap.md
/// has the variables. None: rank 0 of 1. Error{INVALID_ARGUMENT} naming the variable when the values cannot be.
[[nodiscard]] Launch launch_from_environment(const EnvironmentLookup& lookup);
/// The same from the process's environment; asks PMIx for what only PMIx knows.
[[nodiscard]] Launch launch_from_environment();

/// The secret of jobs that meet at an address: BANYAN_JOB_SECRET_FILE (refused if others may read it), else
/// BANYAN_JOB_SECRET, else none if BANYAN_INSECURE=1, else Error{AUTH} that says what to set.
[[nodiscard]] Secret job_secret(const EnvironmentLookup& lookup);

/// For banyan_comm_create_from_environment: collective over the launcher's processes.
[[nodiscard]] std::unique_ptr<Bootstrap> connect_from_environment(const std::string& interface_name, Deadline deadline);
/// The same for a launch that is known.
[[nodiscard]] std::unique_ptr<Bootstrap> connect_launch(const Launch& launch, const EnvironmentLookup& lookup,
                                                        const std::string& interface_name, Deadline deadline);

/// Hands rank 0's text to all ranks over the launcher's own service.
class LauncherExchange {
 public:
  virtual ~LauncherExchange() = default;
  /// Collective. `mine` counts on rank 0 only; printable, at most 1023 bytes. Returns rank 0's text.
  [[nodiscard]] virtual std::string from_root(const std::string& mine, Deadline deadline) = 0;
};

}  // namespace banyan::bootstrap
