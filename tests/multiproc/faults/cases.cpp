// SPDX-License-Identifier: Apache-2.0
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <stdexcept>
#include <thread>

#include "probe.hpp"

namespace fault_probe {
namespace {

using Bytes = std::vector<unsigned char>;

/// Buffers of an all-to-all(-v) with `bytes` per pair, and the data that belong in them.
class Exchange {
 public:
  Exchange(const Rank& rank, size_t bytes)
      : rank_(rank.rank()),
        size_(static_cast<size_t>(rank.size())),
        bytes_(bytes),
        send(bytes * size_),
        receive(bytes * size_),
        sendcounts(size_, bytes),
        recvcounts(size_, bytes),
        displs(size_) {
    for (size_t peer = 0; peer < size_; ++peer) {
      displs[peer] = peer * bytes;
    }
  }

  void fill(int round) {
    for (size_t peer = 0; peer < size_; ++peer) {
      std::memset(send.data() + peer * bytes_, value(rank_, static_cast<int>(peer), round), bytes_);
    }
    std::memset(receive.data(), 0xEE, receive.size());
  }

  [[nodiscard]] bool is_right(int round) const {
    for (size_t peer = 0; peer < size_; ++peer) {
      const int expected = value(static_cast<int>(peer), rank_, round);
      for (size_t k = 0; k < bytes_; ++k) {
        if (receive[peer * bytes_ + k] != expected) {
          return false;
        }
      }
    }
    return true;
  }

  banyan_status run(banyan_comm* comm, const std::string& operation) {
    if (operation == "barrier") {
      return banyan_comm_barrier(comm);
    }
    if (operation == "allgather") {
      return banyan_comm_allgather(comm, send.data(), receive.data(), bytes_);
    }
    if (operation == "split") {
      banyan_comm* half = nullptr;
      const banyan_status status = banyan_comm_split(comm, 0, 0, &half);
      return status == BANYAN_OK ? banyan_comm_destroy(half) : status;
    }
    if (operation == "weighted") {
      banyan_request* request = nullptr;
      banyan_status status = plan(comm, operation, &request);
      status = status == BANYAN_OK ? start(request, operation) : status;
      status = status == BANYAN_OK ? banyan_request_wait(request) : status;
      static_cast<void>(banyan_request_free(request));
      return status;
    }
    return operation == "alltoall" ? banyan_alltoall(comm, send.data(), receive.data(), bytes_, 1, nullptr)
                                   : banyan_alltoallv(comm, send.data(), sendcounts.data(), displs.data(),
                                                      receive.data(), recvcounts.data(), displs.data(), 1, nullptr);
  }

  banyan_status plan(banyan_comm* comm, const std::string& operation, banyan_request** request) {
    if (operation == "weighted") {
      const std::vector<double> weights(size_, 1);
      banyan_weighted_options options = BANYAN_WEIGHTED_OPTIONS_INIT;
      options.weights = weights.data();
      options.rows = bytes_ * size_;
      return banyan_weighted_alltoall_init(comm, &options, 1, request);
    }
    return operation == "alltoall"
               ? banyan_alltoall_init(comm, send.data(), receive.data(), bytes_, 1, nullptr, request)
               : banyan_alltoallv_init(comm, send.data(), sendcounts.data(), displs.data(), receive.data(),
                                       recvcounts.data(), displs.data(), 1, nullptr, request);
  }

  banyan_status start(banyan_request* request, const std::string& operation) {
    return operation != "weighted" ? banyan_request_start(request)
                                   : banyan_weighted_alltoall_start(request, send.data(), sendcounts.data(), nullptr,
                                                                    receive.data(), nullptr);
  }

 private:
  static int value(int from, int to, int round) { return (31 * from + 17 * to + 3 * round + 1) & 0xFF; }

  int rank_;
  size_t size_;
  size_t bytes_;

 public:
  Bytes send;
  Bytes receive;
  std::vector<size_t> sendcounts;
  std::vector<size_t> recvcounts;
  std::vector<size_t> displs;
};

/// Creates the communicator; says so if that failed.
bool created(Rank& rank) {
  const banyan_status status = rank.create();
  if (status != BANYAN_OK) {
    rank.say("create", status);
  }
  return status == BANYAN_OK;
}

/// rounds=N exchanges of op=NAME and bytes=N, checked.
void exchange_case(Rank& rank) {
  if (!created(rank)) {
    return;
  }
  const std::string operation = rank.options().text("op", "alltoall");
  Exchange exchange(rank, static_cast<size_t>(rank.options().number("bytes", 64)));
  for (int round = 0; round < rank.options().integer("rounds", 3); ++round) {
    exchange.fill(round);
    const banyan_status status = exchange.run(rank.comm(), operation);
    if (status != BANYAN_OK || !(operation == "barrier" || exchange.is_right(round))) {
      rank.say(status == BANYAN_OK ? "wrong-bytes" : "exchange", status);
      return;
    }
  }
  rank.say("exchange", BANYAN_OK);
}

/// The rest of a case in which the ranks learn of a mistake: the failing call, then one more, which fails likewise.
void say_twice(Rank& rank, const char* what, banyan_status status) {
  rank.say(what, status);
  if (status != BANYAN_OK) {
    rank.say("later", banyan_comm_barrier(rank.comm()));
  } else {
    rank.say("next", banyan_comm_barrier(rank.comm()));
  }
}

/// The victim's bytes per pair are others=N more than those of the others.
void count_case(Rank& rank) {
  if (created(rank)) {
    const double more = rank.is_victim() ? rank.options().number("more", 8) : 0;
    Exchange exchange(rank, static_cast<size_t>(rank.options().number("bytes", 64) + more));
    say_twice(rank, "alltoall", exchange.run(rank.comm(), "alltoall"));
  }
}

/// The victim sends sent=N bytes to the next rank, which expects bytes=N.
void vcount_case(Rank& rank) {
  if (created(rank)) {
    const auto bytes = static_cast<size_t>(rank.options().number("bytes", 64));
    const auto sent = static_cast<size_t>(rank.options().number("sent", 0));
    Exchange exchange(rank, std::max(bytes, sent));
    exchange.sendcounts.assign(exchange.sendcounts.size(), bytes);
    exchange.recvcounts = exchange.sendcounts;
    if (rank.is_victim()) {
      exchange.sendcounts[static_cast<size_t>((rank.rank() + 1) % rank.size())] = sent;
    }
    say_twice(rank, "alltoallv", exchange.run(rank.comm(), "alltoallv"));
  }
}

/// The victim calls something else than the others.
void operation_case(Rank& rank) {
  if (created(rank)) {
    Exchange exchange(rank, 64);
    say_twice(rank, "call", exchange.run(rank.comm(), rank.is_victim() ? "alltoallv" : "alltoall"));
  }
}

/// The victim believes in a world of another size.
void world_size_case(Rank& rank) { rank.say("create", rank.create(rank.is_victim() ? 1 : 0)); }

/// The victim takes part in nothing.
void absent_create_case(Rank& rank) {
  if (!rank.is_victim()) {
    rank.say("create", rank.create());
  }
}

/// The victim comes to no exchange, but lives until the others have given up.
void absent_case(Rank& rank) {
  if (created(rank)) {
    Exchange exchange(rank, static_cast<size_t>(rank.options().number("bytes", 64)));
    if (rank.is_victim()) {
      banyan_request* request = nullptr;
      while (exchange.plan(rank.comm(), "alltoall", &request) == BANYAN_OK) {
        static_cast<void>(banyan_request_free(request));
        pause_s(0.02);
      }
      return;
    }
    say_twice(rank, "alltoall", exchange.run(rank.comm(), "alltoall"));
  }
}

/// KiB of memory that this process has to itself.
long own_memory() {
  std::ifstream status("/proc/self/status");
  long kibibytes = 0;
  for (std::string word; status >> word;) {
    if (word == "RssAnon:") {
      status >> kibibytes;
    }
  }
  return kibibytes;
}

/// The shared memory that this process has a descriptor of, others' included: INODE:KIB,...
std::string shared_memory() {
  std::string list;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    struct stat file {};
    if (std::filesystem::read_symlink(entry.path(), gone).native().rfind("/memfd:", 0) == 0 &&
        ::stat(entry.path().c_str(), &file) == 0) {
      list += (list.empty() ? "" : ",") + std::to_string(file.st_ino) + ":" + std::to_string(file.st_blocks / 2);
    }
  }
  return list.empty() ? "none" : list;
}

/// Only makes a communicator. Says how that went; or the seconds that it took, the KiB by which the process grew until
/// then and until after a first exchange, and the shared memory.
void create_case(Rank& rank) {
  const long before = own_memory();
  const double begin = seconds();
  const banyan_status status = rank.create();
  if (status != BANYAN_OK) {
    rank.say("create", status);
    return;
  }
  std::string text = std::to_string(seconds() - begin) + " " + std::to_string(own_memory() - before);
  Exchange exchange(rank, 64);
  if (exchange.run(rank.comm(), "alltoall") != BANYAN_OK) {
    throw std::runtime_error("the first exchange failed");
  }
  text += " " + std::to_string(own_memory() - before) + " " + shared_memory();
  static_cast<void>(banyan_comm_barrier(rank.comm()));  // so that nobody's memory is gone before all have looked
  rank.say("create", banyan_status_name(status), text);
}

/// Wrong arguments of one rank harm nobody: each is refused there, and a right exchange of all follows.
void arguments_case(Rank& rank) {
  if (!created(rank)) {
    return;
  }
  Exchange exchange(rank, 64);
  unsigned char* in = exchange.send.data();
  unsigned char* out = exchange.receive.data();
  if (rank.is_victim()) {
    std::vector<size_t> huge(exchange.sendcounts.size(), SIZE_MAX / 2);
    rank.say("null", banyan_alltoall(rank.comm(), nullptr, out, 64, 1, nullptr));
    rank.say("null-counts", banyan_alltoallv(rank.comm(), in, nullptr, exchange.displs.data(), out,
                                             exchange.recvcounts.data(), exchange.displs.data(), 1, nullptr));
    rank.say("overflow", banyan_alltoall(rank.comm(), in, out, SIZE_MAX / 2, 4, nullptr));
    rank.say("overflow-of-ranks",
             banyan_alltoall(rank.comm(), in, out, SIZE_MAX / static_cast<size_t>(rank.size()) + 1, 1, nullptr));
    rank.say("overflow-v", banyan_alltoallv(rank.comm(), in, huge.data(), exchange.displs.data(), out,
                                            exchange.recvcounts.data(), exchange.displs.data(), 4, nullptr));
  }
  exchange_case(rank);
}

/// Nothing to send or receive anywhere, without buffers.
void zero_case(Rank& rank) {
  if (!created(rank)) {
    return;
  }
  const std::vector<size_t> zeros(static_cast<size_t>(rank.size()));
  for (int round = 0; round < 3; ++round) {
    const size_t* none = zeros.data();
    const banyan_status uniform = banyan_alltoall(rank.comm(), nullptr, nullptr, 0, 8, nullptr);
    const banyan_status v = banyan_alltoallv(rank.comm(), nullptr, none, none, nullptr, none, none, 8, nullptr);
    if (uniform != BANYAN_OK || v != BANYAN_OK) {
      rank.say("zero", uniform != BANYAN_OK ? uniform : v);
      return;
    }
  }
  exchange_case(rank);
}

}  // namespace

bool run_case(const std::string& name, Rank& rank) {
  static const std::map<std::string, void (*)(Rank&)> kCases = {{"exchange", exchange_case},
                                                                {"count", count_case},
                                                                {"vcount", vcount_case},
                                                                {"operation", operation_case},
                                                                {"world-size", world_size_case},
                                                                {"absent-create", absent_create_case},
                                                                {"absent", absent_case},
                                                                {"create", create_case},
                                                                {"arguments", arguments_case},
                                                                {"zero", zero_case},
                                                                {"kill", kill_case},
                                                                {"kill-create", kill_create_case}};
  const auto found = kCases.find(name);
  if (found != kCases.end()) {
    found->second(rank);
  }
  return found != kCases.end();
}

/// Stops this process, as a hung machine would, and kills it after that time.
void freeze(double seconds) {
  const pid_t self = ::getpid();
  if (::fork() == 0) {
    pause_s(seconds);
    ::kill(self, SIGKILL);
    ::_exit(0);
  }
  std::raise(SIGSTOP);
}

/// After rounds=N good exchanges the victim is killed in the middle of the next: steps=N calls of test after its start
/// (0: before its start). frozen=S: it is stopped then and killed after S seconds. The others go on until a call fails.
void kill_case(Rank& rank) {
  if (!created(rank)) {
    return;
  }
  const std::string operation = rank.options().text("op", "alltoall");
  Exchange exchange(rank, static_cast<size_t>(rank.options().number("bytes", 64)));
  const int rounds = rank.options().integer("rounds", 3);
  for (int round = 0; round < 1000000; ++round) {
    exchange.fill(round);
    if (rank.is_victim() && round == rounds) {
      const int steps = rank.options().integer("steps", 0);
      banyan_request* request = nullptr;
      if (steps > 0 && (exchange.plan(rank.comm(), operation, &request) != BANYAN_OK ||
                        exchange.start(request, operation) != BANYAN_OK)) {
        throw std::runtime_error("the victim could not start");
      }
      for (int step = 1; step < steps; ++step) {
        static_cast<void>(banyan_request_test(request));
      }
      rank.say("dies", "KILLED", "");
      if (rank.options().has("frozen")) {
        freeze(rank.options().number("frozen", 0));
      }
      std::raise(SIGKILL);
    }
    const banyan_status status = exchange.run(rank.comm(), operation);
    if (status != BANYAN_OK) {
      rank.say(operation, status);
      rank.say("later", exchange.run(rank.comm(), operation));
      return;
    }
    if ((operation == "weighted" || operation.rfind("alltoall", 0) == 0) && !exchange.is_right(round)) {
      rank.say("wrong-bytes", "LOST", "");
      return;
    }
  }
}

/// The victim is killed after=S into the creation of its communicator.
void kill_create_case(Rank& rank) {
  if (rank.is_victim()) {
    std::thread([&rank] {
      pause_s(rank.options().number("after", 0));
      rank.say("dies", "KILLED", "");
      std::raise(SIGKILL);
    }).detach();
  }
  const banyan_status status = rank.create();
  if (status != BANYAN_OK) {
    rank.say("create", status);
    return;
  }
  if (rank.is_victim()) {
    pause_s(60);
  }
  Exchange exchange(rank, 64);
  banyan_status later = BANYAN_OK;
  while (later == BANYAN_OK) {
    later = exchange.run(rank.comm(), "alltoall");
  }
  rank.say("alltoall", later);
}

}  // namespace fault_probe
