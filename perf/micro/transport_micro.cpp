// SPDX-License-Identifier: Apache-2.0
// transport_micro [transport [progress]]: latency and bandwidth of a transport between two processes of this host, and
// the cost of an idle progress call. Every received byte is checked (column #wrong). Prints a table on stdout.
#include <fmt/core.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#include "base/error.hpp"
#include "transport/registry.hpp"
#include "transport/transport.hpp"

namespace banyan {
namespace {

using Clock = std::chrono::steady_clock;
using Request = banyan_transport_request;
using transport::Transport;

/// Idle calls of progress, some 300 us, before a rank gives up its core: longer than any message here takes.
constexpr int kSpins = 50000;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

void check(bool condition, const char* what) {
  if (!condition) {
    throw Error(BANYAN_ERR_IO, what);
  }
}

banyan_transport_config config_of(int rank, int size) {
  banyan_transport_config config{};
  config.struct_size = sizeof(config);
  config.rank = rank;
  config.size = size;
  config.comm_id = 1;
  config.timeout_s = 10;
  return config;
}

/// One of two connected ranks.
class End {
 public:
  End(const banyan_transport_ops& ops, int rank, int socket) : peer_(1 - rank), transport_(ops, config_of(rank, 2)) {
    const std::string mine = transport_.address();
    char theirs[BANYAN_TRANSPORT_MAX_ADDRESS];
    check(::send(socket, mine.data(), mine.size(), 0) == static_cast<ssize_t>(mine.size()), "address not sent");
    const ssize_t size = ::recv(socket, theirs, sizeof(theirs), 0);
    check(size > 0, "address not received");
    transport_.connect(peer_, std::string(theirs, static_cast<size_t>(size)));
  }

  void post_send(const void* buffer, size_t size, Request& request) {
    request = {};
    check(transport_.post_send(peer_, buffer, size, 1, &request) == BANYAN_OK, transport_.last_error());
  }
  void post_receive(void* buffer, size_t size, Request& request) {
    request = {};
    check(transport_.post_recv(peer_, buffer, size, 1, &request) == BANYAN_OK, transport_.last_error());
  }
  void wait(Request& request) {
    while (request.status == BANYAN_IN_PROGRESS) {
      int events = 0;
      check(transport_.progress(&events) == BANYAN_OK, transport_.last_error());
      idle_ = events == 0 ? idle_ + 1 : 0;
      if (idle_ > kSpins) {  // on a machine with more ranks than free cores the peer needs this one
        std::this_thread::yield();
        idle_ = 0;
      }
    }
    check(request.status == BANYAN_OK, transport_.last_error());
  }

 private:
  int peer_;
  Transport transport_;
  int idle_ = 0;
};

struct Figures {
  double median_s;
  double p99_s;
};

Figures figures_of(std::vector<double> times) {
  std::sort(times.begin(), times.end());
  return {times[times.size() / 2], times[times.size() * 99 / 100]};
}

size_t wrong_bytes(const std::vector<unsigned char>& buffer, unsigned char expected) {
  return buffer.size() - static_cast<size_t>(std::count(buffer.begin(), buffer.end(), expected));
}

/// Half the time of a round trip.
void ping_pong(End& end, int rank, size_t size) {
  const int rounds = size <= 65536 ? 3000 : 200;
  std::vector<unsigned char> outgoing(size, static_cast<unsigned char>(rank + 1));
  std::vector<unsigned char> incoming(size);
  std::vector<double> times;
  Request send;
  Request receive;
  for (int round = -rounds / 10; round < rounds; ++round) {
    const auto start = Clock::now();
    end.post_receive(incoming.data(), size, receive);
    if (rank == 1) {
      end.wait(receive);
    }
    end.post_send(outgoing.data(), size, send);
    end.wait(receive);
    end.wait(send);
    if (round >= 0) {
      times.push_back(seconds_since(start) / 2);
    }
  }
  if (rank == 0) {
    const Figures figures = figures_of(times);
    fmt::print("latency   {:>9} {:>12.2f} {:>12.2f} {:>12.2f} {:>7}\n", size, figures.median_s * 1e6,
               figures.p99_s * 1e6, static_cast<double>(size) / figures.median_s / 1e9, wrong_bytes(incoming, 2));
  }
}

/// `window` messages one way, then an answer; time by message.
void stream(End& end, int rank, size_t size) {
  constexpr size_t kWindow = 16;
  const int rounds = size <= 65536 ? 500 : 50;
  std::vector<unsigned char> buffer(size * kWindow, static_cast<unsigned char>(rank == 0 ? 1 : 0));
  std::vector<Request> requests(kWindow);
  std::vector<double> times;
  char answer = 0;
  Request last;
  for (int round = -rounds / 10; round < rounds; ++round) {
    const auto start = Clock::now();
    for (size_t i = 0; i < kWindow; ++i) {
      if (rank == 0) {
        end.post_send(buffer.data() + i * size, size, requests[i]);
      } else {
        end.post_receive(buffer.data() + i * size, size, requests[i]);
      }
    }
    for (Request& request : requests) {
      end.wait(request);
    }
    if (rank == 0) {
      end.post_receive(&answer, 1, last);
    } else {
      end.post_send(&answer, 1, last);
    }
    end.wait(last);
    if (round >= 0) {
      times.push_back(seconds_since(start) / kWindow);
    }
  }
  size_t wrong = rank == 1 ? wrong_bytes(buffer, 1) : 0;
  if (rank == 1) {
    end.post_send(&wrong, sizeof(wrong), last);
    end.wait(last);
    return;
  }
  end.post_receive(&wrong, sizeof(wrong), last);
  end.wait(last);
  const Figures figures = figures_of(times);
  fmt::print("bandwidth {:>9} {:>12.2f} {:>12.2f} {:>12.2f} {:>7}\n", size, figures.median_s * 1e6, figures.p99_s * 1e6,
             static_cast<double>(size) / figures.median_s / 1e9, wrong);
}

void measure(const std::string& name, int rank, int socket) {
  transport::TransportRegistry registry;
  End end(registry.find(name), rank, socket);
  if (rank == 0) {
    fmt::print("# {} between two processes; latency: half a round trip; bandwidth: 16 messages one way\n", name);
    fmt::print("{:<9} {:>9} {:>12} {:>12} {:>12} {:>7}\n", "# what", "bytes", "median_us", "p99_us", "GB/s", "#wrong");
  }
  for (const size_t size : {8U, 64U, 256U, 1024U, 4096U, 8192U, 8193U, 16384U, 65536U, 262144U, 1048576U, 4194304U}) {
    ping_pong(end, rank, size);
  }
  for (const size_t size : {1024U, 8192U, 16384U, 65536U, 262144U, 1048576U, 4194304U}) {
    stream(end, rank, size);
  }
}

/// Progress of one rank of `size` with nothing to do. shm only: all ranks are in this process.
void idle_progress(int size) {
  std::vector<std::unique_ptr<Transport>> ranks;
  for (int rank = 0; rank < size; ++rank) {
    ranks.push_back(std::make_unique<Transport>(transport::shm_table(), config_of(rank, size)));
  }
  for (int peer = 0; peer < size; ++peer) {
    ranks[0]->connect(peer, ranks[static_cast<size_t>(peer)]->address());
  }
  std::vector<double> times;
  for (int sample = 0; sample < 50; ++sample) {
    constexpr int kCalls = 20000;
    const auto start = Clock::now();
    for (int call = 0; call < kCalls; ++call) {
      int events = 0;
      check(ranks[0]->progress(&events) == BANYAN_OK, ranks[0]->last_error());
    }
    times.push_back(seconds_since(start) / kCalls);
  }
  const Figures figures = figures_of(times);
  fmt::print("idle      {:>9} {:>12.4f} {:>12.4f}\n", size, figures.median_s * 1e6, figures.p99_s * 1e6);
}

int run(const std::string& name, bool only_idle) {
  if (name == "shm") {
    fmt::print("# idle progress of shm\n{:<9} {:>9} {:>12} {:>12}\n", "# what", "ranks", "median_us", "p99_us");
    for (const int size : {2, 8, 64}) {
      idle_progress(size);
    }
  }
  if (only_idle) {
    return 0;
  }
  int sockets[2];
  check(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) == 0, "socketpair failed");
  std::fflush(nullptr);
  const pid_t child = ::fork();
  check(child >= 0, "fork failed");
  measure(name, child == 0 ? 1 : 0, sockets[child == 0 ? 1 : 0]);
  if (child == 0) {
    std::exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return status == 0 ? 0 : 1;
}

}  // namespace
}  // namespace banyan

int main(int argc, char** argv) {
  try {
    return banyan::run(argc > 1 ? argv[1] : "shm", argc > 2 && std::strcmp(argv[2], "progress") == 0);
  } catch (const std::exception& error) {
    fmt::print(stderr, "transport_micro: {}\n", error.what());
    return 1;
  }
}
