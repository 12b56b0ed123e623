// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>

#include "bootstrap/launch.hpp"

namespace banyan::bootstrap {

/// The PMI-1 wire protocol of mpiexec.hydra: lines of `name=value` words over the socket PMI_FD. The launcher allows
/// one conversation per process: a program that uses MPI, or makes a second communicator from the environment, must not
/// have ended or begun another one. One thread.
class Pmi1Session final : public LauncherExchange {
 public:
  /// Borrows `fd`. Error{IO} when the launcher does not answer as PMI-1, {TIMEOUT} when it does not answer.
  Pmi1Session(int fd, int rank, Deadline deadline);
  /// Says goodbye; hydra would otherwise take the end of the process for a crash. Not while a question is unanswered:
  /// the job has failed then, and hydra would answer that question first.
  ~Pmi1Session() override;
  Pmi1Session(const Pmi1Session&) = delete;
  Pmi1Session& operator=(const Pmi1Session&) = delete;

  [[nodiscard]] std::string from_root(const std::string& mine, Deadline deadline) override;

 private:
  using Words = std::map<std::string, std::string>;
  /// Sends a line and returns the answer, which must have `cmd=expected`.
  Words ask(const std::string& line, const std::string& expected, Deadline deadline);
  [[nodiscard]] std::string read_line(const std::string& expected, Deadline deadline);

  int fd_;
  int rank_;
  bool in_step_ = true;  // every question has been answered
  std::string unread_;
  std::string space_;  // name of the job's key-value space
};

}  // namespace banyan::bootstrap
