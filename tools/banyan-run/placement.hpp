// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "options.hpp"

namespace banyan_run {

/// Where one rank runs and with which variables. A value.
struct RankPlan {
  int rank = 0;
  std::string place;  ///< for messages: "" or "node1"
  std::vector<std::string> command;
  std::vector<std::pair<std::string, std::string>> variables;
};

/// A job that is about to start: its ranks, its secret file, its port. Owns the file and the reserved port.
class Job {
 public:
  /// std::runtime_error when the lab is not there, or the secret cannot be written.
  explicit Job(const Options& options);
  ~Job();
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;

  [[nodiscard]] const std::vector<RankPlan>& ranks() const { return ranks_; }

 private:
  struct Node {
    std::string name;
    int slots = 0;
  };
  void place(const Options& options, const std::vector<Node>& nodes);
  void write_secret();
  void reserve_port();
  [[nodiscard]] static std::vector<Node> lab_nodes(const std::string& script, const std::string& name);

  std::vector<RankPlan> ranks_;
  std::string secret_path_;
  std::string lab_script_;
  std::string root_;
  int reserved_socket_ = -1;
};

}  // namespace banyan_run
