// SPDX-License-Identifier: Apache-2.0
#include "placement.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <numeric>
#include <sstream>
#include <stdexcept>
#include <system_error>

#include "process_output.hpp"

namespace banyan_run {
namespace {

constexpr int kFirstLabPort = 20000;
constexpr int kLabPorts = 10000;

[[noreturn]] void fail(const std::string& what) {
  throw std::runtime_error(what + ": " + std::generic_category().message(errno));
}

std::string random_hex(size_t bytes) {
  std::vector<unsigned char> random(bytes);
  if (::getrandom(random.data(), random.size(), 0) != static_cast<ssize_t>(random.size())) {
    fail("cannot get random numbers");
  }
  std::string text;
  std::array<char, 3> digits;
  for (const unsigned char byte : random) {
    std::snprintf(digits.data(), digits.size(), "%02x", byte);
    text += digits.data();
  }
  return text;
}

/// The lab's script: installed beside this program, in the source tree, or wherever PATH has it.
std::string find_lab_script() {
  std::error_code ignored;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", ignored);
  for (const std::filesystem::path& candidate :
       {self.parent_path() / "banyan-lab", std::filesystem::path(BANYAN_LAB_SCRIPT)}) {
    if (::access(candidate.c_str(), X_OK) == 0) {
      return candidate;
    }
  }
  return "banyan-lab";
}

}  // namespace

Job::Job(const Options& options) {
  std::vector<Node> nodes;
  if (options.lab) {
    lab_script_ = find_lab_script();
    nodes = lab_nodes(lab_script_, *options.lab);
    root_ = nodes.front().name + ":" + std::to_string(kFirstLabPort + ::getpid() % kLabPorts);
  } else {
    nodes = {{.name = "", .slots = *options.ranks}};
    reserve_port();
  }
  write_secret();
  place(options, nodes);
}

Job::~Job() {
  if (!secret_path_.empty()) {
    ::unlink(secret_path_.c_str());
  }
  if (reserved_socket_ >= 0) {
    ::close(reserved_socket_);
  }
}

/// Binds without listening: nobody else gets the port, yet rank 0 may bind it too as both set SO_REUSEADDR.
void Job::reserve_port() {
  reserved_socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  if (reserved_socket_ < 0 || ::setsockopt(reserved_socket_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
      ::bind(reserved_socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::getsockname(reserved_socket_, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    fail("cannot reserve a port on 127.0.0.1");
  }
  root_ = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
}

void Job::write_secret() {
  std::error_code ignored;
  std::filesystem::path folder = std::filesystem::temp_directory_path(ignored);
  std::string path = (ignored ? std::filesystem::path("/tmp") : folder) / "banyan-job-XXXXXX";
  const int fd = ::mkostemp(path.data(), O_CLOEXEC);  // mode 0600
  if (fd < 0) {
    fail("cannot create the secret file " + path);
  }
  secret_path_ = path;
  const std::string text = random_hex(32) + "\n";
  const ssize_t written = ::write(fd, text.data(), text.size());
  ::close(fd);
  if (written != static_cast<ssize_t>(text.size())) {
    fail("cannot write the secret file " + path);
  }
}

std::vector<Job::Node> Job::lab_nodes(const std::string& script, const std::string& name) {
  const auto hosts = output_of({script, "--name", name, "hosts"});
  if (!hosts) {
    throw std::runtime_error("\"" + script + " hosts\" failed; is the lab up? (banyan-lab up)");
  }
  std::istringstream list(*hosts);
  std::vector<Node> nodes;
  std::string entry;
  while (std::getline(list, entry, ',')) {
    const size_t colon = entry.find(':');
    nodes.push_back({.name = entry.substr(0, colon),
                     .slots = colon == std::string::npos ? 1 : std::atoi(entry.c_str() + colon + 1)});
  }
  if (nodes.empty()) {
    throw std::runtime_error("lab \"" + name + "\" has no nodes");
  }
  return nodes;
}

void Job::place(const Options& options, const std::vector<Node>& nodes) {
  const int slots =
      std::accumulate(nodes.begin(), nodes.end(), 0, [](int sum, const Node& n) { return sum + n.slots; });
  const int size = options.ranks.value_or(slots);
  if (size > slots || (options.kill_rank && *options.kill_rank >= size)) {
    throw std::runtime_error(size > slots
                                 ? "-n " + std::to_string(size) + ": the lab has " + std::to_string(slots) + " slots"
                                 : "--kill-rank: there is no such rank");
  }
  const std::string job_id = "banyan-run-" + random_hex(8);
  for (size_t node = 0; node < nodes.size(); ++node) {
    const int first = static_cast<int>(ranks_.size());
    const int here = std::min(nodes[node].slots, size - first);
    for (int local_rank = 0; local_rank < here; ++local_rank) {
      RankPlan plan = {
          .rank = first + local_rank, .place = nodes[node].name, .command = options.command, .variables = {}};
      if (options.lab) {
        const std::vector<std::string> prefix = {lab_script_, "--name", *options.lab, "exec", nodes[node].name, "--"};
        plan.command.insert(plan.command.begin(), prefix.begin(), prefix.end());
      }
      plan.variables = {{"BANYAN_RANK", std::to_string(plan.rank)},
                        {"BANYAN_SIZE", std::to_string(size)},
                        {"BANYAN_LOCAL_RANK", std::to_string(local_rank)},
                        {"BANYAN_LOCAL_SIZE", std::to_string(here)},
                        {"BANYAN_NODE_RANK", std::to_string(node)},
                        {"BANYAN_ROOT", root_},
                        {"BANYAN_JOB_ID", job_id},
                        {"BANYAN_JOB_SECRET_FILE", secret_path_}};
      plan.variables.insert(plan.variables.end(), options.variables.begin(), options.variables.end());
      ranks_.push_back(std::move(plan));
    }
  }
}

}  // namespace banyan_run
