// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/pmi1.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/parse.hpp"
#include "bootstrap/socket.hpp"

namespace banyan::bootstrap {
namespace {

constexpr size_t kMaxLineBytes = 8192;
constexpr double kGoodbyeLimitS = 2;
constexpr const char* kKey = "banyan-id";

bool wait(int fd, short events, Deadline deadline) {
  pollfd one = {.fd = fd, .events = events, .revents = 0};
  return poll_until({&one, 1}, deadline) > 0;
}

Error ended() {
  return {BANYAN_ERR_IO,
          "mpiexec closed its PMI socket: PMI-1 allows one conversation per process. Make further communicators with "
          "banyan_comm_split; in an MPI program use banyan_comm_create with an allgather over MPI"};
}

}  // namespace

Pmi1Session::Pmi1Session(int fd, int rank, Deadline deadline) : fd_(fd), rank_(rank) {
  ask("cmd=init pmi_version=1 pmi_subversion=1", "response_to_init", deadline);
  space_ = ask("cmd=get_my_kvsname", "my_kvsname", deadline)["kvsname"];
}

Pmi1Session::~Pmi1Session() {
  if (!in_step_) {
    return;
  }
  try {
    ask("cmd=finalize", "finalize_ack", Deadline::in(kGoodbyeLimitS));
  } catch (const Error& error) {
    BANYAN_LOG(kWarn, "bootstrap", "goodbye to mpiexec: {}", error.what());
  }
}

std::string Pmi1Session::from_root(const std::string& mine, Deadline deadline) {
  if (rank_ == 0) {
    ask(fmt::format("cmd=put kvsname={} key={} value={}", space_, kKey, mine), "put_result", deadline);
  }
  ask("cmd=barrier_in", "barrier_out", deadline);
  return ask(fmt::format("cmd=get kvsname={} key={}", space_, kKey), "get_result", deadline)["value"];
}

Pmi1Session::Words Pmi1Session::ask(const std::string& line, const std::string& expected, Deadline deadline) {
  const std::string request = line + "\n";
  in_step_ = false;
  size_t written = 0;
  while (written < request.size()) {
    if (!wait(fd_, POLLOUT, deadline)) {
      throw Error(BANYAN_ERR_TIMEOUT, "mpiexec does not read from its PMI socket");
    }
    const ssize_t count = ::send(fd_, request.data() + written, request.size() - written, MSG_NOSIGNAL);
    if (count < 0 && errno != EINTR && errno != EAGAIN) {
      throw errno == EPIPE || errno == ECONNRESET
          ? ended()
          : Error(BANYAN_ERR_IO, fmt::format("cannot write to PMI_FD {}: {}", fd_, errno_text(errno)));
    }
    written += count > 0 ? static_cast<size_t>(count) : 0;
  }
  const std::string answer = read_line(expected, deadline);
  in_step_ = true;
  Words words;
  for (const std::string& piece : parse::split(answer, ' ')) {
    const size_t equals = piece.find('=');
    if (equals != std::string::npos) {
      words[piece.substr(0, equals)] = piece.substr(equals + 1);
    }
  }
  if (words["cmd"] != expected || (words.contains("rc") && words["rc"] != "0")) {
    throw Error(BANYAN_ERR_IO, fmt::format("mpiexec answered \"{}\" where PMI-1 has cmd={}", answer, expected));
  }
  return words;
}

std::string Pmi1Session::read_line(const std::string& expected, Deadline deadline) {
  size_t end = unread_.find('\n');
  while (end == std::string::npos) {
    if (unread_.size() > kMaxLineBytes) {
      throw Error(BANYAN_ERR_FORMAT, fmt::format("mpiexec sent a PMI line of more than {} bytes", kMaxLineBytes));
    }
    if (!wait(fd_, POLLIN, deadline)) {
      throw Error(BANYAN_ERR_TIMEOUT,
                  fmt::format("mpiexec did not answer cmd={} before the deadline{}", expected,
                              expected == "barrier_out" ? ": not all ranks of the job came to the PMI barrier" : ""));
    }
    std::array<char, 1024> piece;
    const ssize_t count = ::read(fd_, piece.data(), piece.size());
    if (count == 0 || (count < 0 && errno == ECONNRESET)) {
      throw ended();
    }
    if (count < 0 && errno != EINTR && errno != EAGAIN) {
      throw Error(BANYAN_ERR_IO, fmt::format("cannot read from PMI_FD {}: {}", fd_, errno_text(errno)));
    }
    unread_.append(piece.data(), count > 0 ? static_cast<size_t>(count) : 0);
    end = unread_.find('\n');
  }
  std::string line = unread_.substr(0, end);
  unread_.erase(0, end + 1);
  return line;
}

}  // namespace banyan::bootstrap
