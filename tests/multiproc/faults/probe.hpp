// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <vector>

#include "banyan/banyan.h"

namespace fault_probe {

/// Since the machine's start, equal in all processes.
double seconds();
void pause_s(double seconds);

/// "name=value" words of the command line.
class Options {
 public:
  explicit Options(const std::vector<std::string>& words);
  [[nodiscard]] std::string text(const std::string& name, const std::string& fallback) const;
  [[nodiscard]] double number(const std::string& name, double fallback) const;
  [[nodiscard]] int integer(const std::string& name, int fallback) const {
    return static_cast<int>(number(name, fallback));
  }
  [[nodiscard]] bool has(const std::string& name) const { return values_.count(name) != 0; }

 private:
  std::map<std::string, std::string> values_;
};

/// One rank of a case: a process, or a thread of one.
class Rank {
 public:
  /// Of a process that a launcher started.
  explicit Rank(const Options& options) : options_(options) {}
  /// A thread: `comm` was made with the others, or is null and made by create() with the id.
  Rank(const Options& options, int rank, int size, banyan_comm* comm, const banyan_unique_id* id)
      : options_(options), rank_(rank), size_(size), comm_(comm), id_(id) {}
  ~Rank();
  Rank(const Rank&) = delete;
  Rank& operator=(const Rank&) = delete;

  [[nodiscard]] const Options& options() const { return options_; }
  /// Known before creation from the launcher's environment.
  [[nodiscard]] int rank() const;
  [[nodiscard]] int size() const;
  [[nodiscard]] bool is_victim() const { return rank() == options_.integer("victim", -1); }
  [[nodiscard]] bool is_thread() const { return size_ > 0; }
  [[nodiscard]] banyan_comm* comm() const { return comm_; }

  /// The configuration that the options ask for. Its strings live as long as the rank.
  [[nodiscard]] banyan_comm_config config();
  /// Makes the communicator where there is none yet; `size_offset` lies about the size of the world.
  banyan_status create(int size_offset = 0);
  /// Destroys the communicator.
  void leave();

  /// Prints "rank R WHAT STATUS SECONDS TEXT" in one piece.
  void say(const std::string& what, banyan_status status) const;
  /// The same with a text of the rank's own.
  void say(const std::string& what, const std::string& status, const std::string& text) const;

 private:
  const Options& options_;
  int rank_ = -1;
  int size_ = 0;
  banyan_comm* comm_ = nullptr;
  const banyan_unique_id* id_ = nullptr;
  std::vector<std::string> strings_;
};

/// Runs the case of this name on one rank; false if there is none.
bool run_case(const std::string& name, Rank& rank);

/// The cases of cases_*.cpp.
void kill_case(Rank& rank);
void kill_create_case(Rank& rank);

}  // namespace fault_probe
