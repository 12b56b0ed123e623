// SPDX-License-Identifier: Apache-2.0
// fault_probe CASE [name=value...]: one rank of a case of bad input or of a fault, or with threads=N all of them. Each
// rank prints what its calls came to; faults_test.py judges. Options of every case:
//   threads=N       the ranks are N threads (default: this process is one rank that a launcher started)
//   by=local|id     threads: banyan_comm_create_local (default), or a unique id and sockets
//   timeout=S create_timeout=S transports=LIST topology=FILE profile=FILE   of the communicator
//   only=R          these apply to rank R alone; the others have none of them but the deadlines
//   hosts=N         the ranks take turns in N host identities, so that they use what joins hosts
//   victim=R        the rank to which it happens
#include "probe.hpp"

#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <thread>

namespace fault_probe {
namespace {

int from_environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? -1 : std::atoi(value);
}

}  // namespace

double seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

void pause_s(double seconds) {
  timespec time{};
  time.tv_sec = static_cast<time_t>(seconds);
  time.tv_nsec = static_cast<long>((seconds - static_cast<double>(time.tv_sec)) * 1e9);
  ::nanosleep(&time, nullptr);
}

Options::Options(const std::vector<std::string>& words) {
  for (const std::string& word : words) {
    const size_t equals = word.find('=');
    if (equals == std::string::npos) {
      throw std::runtime_error("expected name=value, got " + word);
    }
    values_[word.substr(0, equals)] = word.substr(equals + 1);
  }
}

std::string Options::text(const std::string& name, const std::string& fallback) const {
  const auto found = values_.find(name);
  return found == values_.end() ? fallback : found->second;
}

double Options::number(const std::string& name, double fallback) const {
  return has(name) ? std::stod(text(name, "")) : fallback;
}

Rank::~Rank() { leave(); }

int Rank::rank() const { return is_thread() ? rank_ : from_environment("BANYAN_RANK"); }
int Rank::size() const { return is_thread() ? size_ : from_environment("BANYAN_SIZE"); }

banyan_comm_config Rank::config() {
  banyan_comm_config config = BANYAN_COMM_CONFIG_INIT;
  config.timeout_s = options_.number("timeout", 0);
  config.bootstrap_timeout_s = options_.number("create_timeout", 0);
  strings_.reserve(4);
  if (id_ != nullptr) {
    config.interface_name = "lo";
  }
  if (options_.has("hosts")) {
    strings_.push_back("host" + std::to_string(rank() % options_.integer("hosts", 1)));
    config.host_id = strings_.back().c_str();
  }
  if (options_.has("only") && options_.integer("only", -1) != rank()) {
    return config;
  }
  const auto member = [&](const char* name) -> const char* {
    if (!options_.has(name)) {
      return nullptr;
    }
    strings_.push_back(options_.text(name, ""));
    return strings_.back().c_str();
  };
  config.transports = member("transports");
  config.topology_file = member("topology");
  config.profile_file = member("profile");
  return config;
}

banyan_status Rank::create(int size_offset) {
  if (comm_ != nullptr) {
    return BANYAN_OK;
  }
  const banyan_comm_config own = config();
  if (id_ != nullptr) {
    return banyan_comm_create_from_id(id_, rank_, size_ + size_offset, &own, &comm_);
  }
  if (size_offset != 0) {
    ::setenv("BANYAN_SIZE", std::to_string(size() + size_offset).c_str(), 1);
  }
  return banyan_comm_create_from_environment(&own, &comm_);
}

void Rank::leave() {
  if (comm_ != nullptr) {
    banyan_comm_destroy(comm_);
    comm_ = nullptr;
  }
}

void Rank::say(const std::string& what, banyan_status status) const {
  say(what, banyan_status_name(status), status == BANYAN_OK ? "" : banyan_last_error());
}

void Rank::say(const std::string& what, const std::string& status, const std::string& text) const {
  char time[64];
  std::snprintf(time, sizeof time, " %.6f ", seconds());
  const std::string line = "rank " + std::to_string(rank()) + " " + what + " " + status + time + text + "\n";
  // One piece, and out before a signal can end the process.
  if (::write(STDOUT_FILENO, line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
    std::abort();
  }
}

}  // namespace fault_probe

namespace {

using fault_probe::Options;
using fault_probe::Rank;

void run(const std::string& name, Rank& rank) {
  if (!fault_probe::run_case(name, rank)) {
    throw std::runtime_error("no case \"" + name + "\"");
  }
}

int run_threads(const std::string& name, const Options& options) {
  const int size = options.integer("threads", 1);
  std::vector<banyan_comm*> comms(static_cast<size_t>(size));
  banyan_unique_id id;
  const bool by_id = options.text("by", "local") == "id";
  Rank first(options, 0, size, nullptr, &id);
  banyan_comm_config config = first.config();
  config.interface_name = by_id ? "lo" : nullptr;
  const double begin = fault_probe::seconds();
  const banyan_status status =
      by_id ? banyan_unique_id_create(&config, &id) : banyan_comm_create_local(size, &config, comms.data());
  if (status != BANYAN_OK) {
    first.say("create", status);
    return 0;
  }
  if (name == "create-local") {  // as the case "create"; what the threads own is not told apart
    first.say("create", banyan_status_name(status), std::to_string(fault_probe::seconds() - begin) + " 0 0 none");
    std::for_each(comms.begin(), comms.end(), [](banyan_comm* comm) { banyan_comm_destroy(comm); });
    return 0;
  }
  std::vector<std::thread> threads;
  for (int rank = 0; rank < size; ++rank) {
    threads.emplace_back([&, rank] {
      Rank self(options, rank, size, comms[static_cast<size_t>(rank)], by_id ? &id : nullptr);
      run(name, self);
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc < 2) {
      throw std::runtime_error("usage: fault_probe CASE [name=value...]");
    }
    const Options options({argv + 2, argv + argc});
    if (options.has("threads")) {
      return run_threads(argv[1], options);
    }
    Rank self(options);
    run(argv[1], self);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "fault_probe: %s\n", error.what());
    return 2;
  }
}
