// SPDX-License-Identifier: Apache-2.0
// Measures a transport plugin between two or more ranks, and the same exchange over plain sockets as the floor.
// docs/transport-ucx.md has the commands and the figures. Ranks come from RANK and WORLD_SIZE, and meet in a folder.
#include <arpa/inet.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "banyan/transport_plugin.h"

namespace {

using Clock = std::chrono::steady_clock;

struct Options {
  std::string plugin;
  std::string folder;
  std::string mode;
  size_t size = 8;
  int iterations = 1000;
  int window = 16;  ///< messages in flight in each direction and to each peer
  int rank = 0;
  int ranks = 2;
};

void check(banyan_status status, const char* what, const char* text) {
  if (status != BANYAN_OK) {
    throw std::runtime_error(std::string(what) + ": " + text);
  }
}

void write_file(const std::string& path, const std::string& bytes) {
  std::ofstream(path + ".new", std::ios::binary) << bytes;
  if (std::rename((path + ".new").c_str(), path.c_str()) != 0) {
    throw std::runtime_error("rename " + path);
  }
}

std::string read_file(const std::string& path) {
  for (;;) {
    std::ifstream file(path, std::ios::binary);
    if (file) {
      std::ostringstream bytes;
      bytes << file.rdbuf();
      return bytes.str();
    }
    usleep(1000);
  }
}

double cpu_s() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

/// Runs `round` many times; prints the distribution of its duration and the CPU time of this process.
void measure(const Options& options, double bytes_per_round, const std::function<void()>& round) {
  for (int i = 0; i < std::max(10, options.iterations / 10); ++i) {
    round();
  }
  std::vector<double> seconds;
  const double cpu_before = cpu_s();
  const auto start = Clock::now();
  for (int i = 0; i < options.iterations; ++i) {
    const auto begin = Clock::now();
    round();
    seconds.push_back(std::chrono::duration<double>(Clock::now() - begin).count());
  }
  const double total = std::chrono::duration<double>(Clock::now() - start).count();
  std::sort(seconds.begin(), seconds.end());
  if (options.rank == 0) {
    std::printf("%s size %zu ranks %d window %d  min %.1f median %.1f p99 %.1f us  %.1f MB/s each way  cpu %.1f us\n",
                options.mode.c_str(), options.size, options.ranks, options.window, 1e6 * seconds.front(),
                1e6 * seconds[seconds.size() / 2], 1e6 * seconds[seconds.size() * 99 / 100],
                1e-6 * bytes_per_round * options.iterations / total, 1e6 * (cpu_s() - cpu_before) / options.iterations);
  }
}

class Endpoint {
 public:
  explicit Endpoint(const Options& options) : options_(options) {
    void* library = dlopen(options.plugin.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
      throw std::runtime_error(dlerror());
    }
    ops_ = reinterpret_cast<banyan_transport_query_fn>(dlsym(library, BANYAN_TRANSPORT_QUERY_SYMBOL))(1);
    banyan_transport_config config = {};
    config.struct_size = sizeof(config);
    config.rank = options.rank;
    config.size = options.ranks;
    config.comm_id = 1;
    config.interface_name = std::getenv("BENCH_INTERFACE");
    config.timeout_s = 5;
    check(ops_->open(&config, &transport_), "open", ops_->last_error(nullptr));
    std::string address(BANYAN_TRANSPORT_MAX_ADDRESS, '\0');
    size_t size = 0;
    check(ops_->get_address(transport_, address.data(), &size), "address", ops_->last_error(transport_));
    address.resize(size);
    write_file(options.folder + "/" + std::to_string(options.rank), address);
    for (int peer = 0; peer < options.ranks; ++peer) {
      const std::string other = read_file(options.folder + "/" + std::to_string(peer));
      check(ops_->connect(transport_, peer, other.data(), other.size()), "connect", ops_->last_error(transport_));
    }
  }
  ~Endpoint() { ops_->close(transport_); }
  Endpoint(const Endpoint&) = delete;
  Endpoint& operator=(const Endpoint&) = delete;

  void send(int peer, const void* data, size_t size, uint64_t tag, banyan_transport_request& request) {
    request = {};
    check(ops_->post_send(transport_, peer, data, size, tag, &request), "send", ops_->last_error(transport_));
  }
  void receive(int peer, void* data, size_t size, uint64_t tag, banyan_transport_request& request) {
    request = {};
    check(ops_->post_recv(transport_, peer, data, size, tag, &request), "receive", ops_->last_error(transport_));
  }
  void wait(banyan_transport_request& request) {
    while (request.status == BANYAN_IN_PROGRESS) {
      int events = 0;
      check(ops_->progress(transport_, &events), "progress", ops_->last_error(transport_));
      if (events == 0) {
        sched_yield();
      }
    }
    check(request.status, "request", ops_->last_error(transport_));
  }

  void ping_pong(void* data, size_t size) {
    banyan_transport_request request = {};
    const int peer = 1 - options_.rank;
    for (const bool sends : {options_.rank == 0, options_.rank != 0}) {
      sends ? send(peer, data, size, 1, request) : receive(peer, data, size, 1, request);
      wait(request);
    }
  }

  /// `window` messages to and from every other rank.
  void exchange(std::vector<char>& out, std::vector<char>& in, std::vector<banyan_transport_request>& requests) {
    size_t next = 0;
    size_t slot = 0;
    for (int step = 1; step < options_.ranks; ++step) {
      const int to = (options_.rank + step) % options_.ranks;
      const int from = (options_.rank - step + options_.ranks) % options_.ranks;
      for (int i = 0; i < options_.window; ++i, ++slot) {
        receive(from, in.data() + slot * options_.size, options_.size, 2, requests[next++]);
        send(to, out.data() + slot * options_.size, options_.size, 2, requests[next++]);
      }
    }
    for (auto& request : requests) {
      wait(request);
    }
  }

 private:
  const Options& options_;
  const banyan_transport_ops* ops_ = nullptr;
  void* transport_ = nullptr;
};

void run_ping_pong(const Options& options) {
  Endpoint endpoint(options);
  std::vector<char> data(options.size);
  measure(options, static_cast<double>(options.size), [&] { endpoint.ping_pong(data.data(), data.size()); });
}

void run_exchange(const Options& options) {
  Endpoint endpoint(options);
  const size_t messages = static_cast<size_t>(options.window) * static_cast<size_t>(options.ranks - 1);
  std::vector<char> out(messages * options.size);
  std::vector<char> in(messages * options.size);
  std::vector<banyan_transport_request> requests(2 * messages);
  measure(options, static_cast<double>(messages * options.size), [&] { endpoint.exchange(out, in, requests); });
}

int connected_socket(const Options& options) {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(29731);
  const char* host = std::getenv("MASTER_ADDR");
  inet_pton(AF_INET, host != nullptr ? host : "127.0.0.1", &address.sin_addr);
  int data = socket;
  if (options.rank == 0) {
    const int yes = 1;
    setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    if (bind(socket, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0 || listen(socket, 1) != 0) {
      throw std::runtime_error("bind");
    }
    data = accept(socket, nullptr, nullptr);
  } else {
    while (connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
      usleep(10000);
    }
  }
  const int on = 1;
  setsockopt(data, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  fcntl(data, F_SETFL, O_NONBLOCK);
  return data;
}

/// Moves what the socket takes or has; true when all `size` bytes are done.
template <typename Call>
bool move(Call call, size_t& done, size_t size) {
  const ssize_t moved = done < size ? call() : 0;
  if (moved > 0) {
    done += static_cast<size_t>(moved);
  } else if (moved < 0 && errno != EAGAIN) {
    throw std::runtime_error("socket");
  } else if (moved < 0) {
    sched_yield();
  }
  return done == size;
}

void run_sockets(const Options& options) {
  const int socket = connected_socket(options);
  std::vector<char> data(options.size);
  const auto send_all = [&] {
    for (size_t done = 0; !move([&] { return ::send(socket, data.data() + done, data.size() - done, MSG_NOSIGNAL); },
                                done, data.size());) {
    }
  };
  const auto receive_all = [&] {
    for (size_t done = 0;
         !move([&] { return ::recv(socket, data.data() + done, data.size() - done, 0); }, done, data.size());) {
    }
  };
  measure(options, static_cast<double>(options.size), [&] {
    if (options.rank == 0) {
      send_all();
      receive_all();
    } else {
      receive_all();
      send_all();
    }
  });
}

/// Both directions at once, `window` messages of `size` bytes each, written and read as they come.
void run_sockets_exchange(const Options& options) {
  const int socket = connected_socket(options);
  const size_t total = options.size * static_cast<size_t>(options.window);
  std::vector<char> out(total);
  std::vector<char> in(total);
  measure(options, static_cast<double>(total), [&] {
    size_t sent = 0;
    size_t received = 0;
    bool done = false;
    while (!done) {
      const bool all_sent =
          move([&] { return ::send(socket, out.data() + sent, total - sent, MSG_NOSIGNAL); }, sent, total);
      const bool all_received =
          move([&] { return ::recv(socket, in.data() + received, total - received, 0); }, received, total);
      done = all_sent && all_received;
    }
  });
}

int number_of(const char* variable) {
  const char* text = std::getenv(variable);
  return text != nullptr ? std::atoi(text) : 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) {
    std::fprintf(stderr,
                 "usage: %s PLUGIN FOLDER pingpong|exchange|sockets|sockets_exchange SIZE [ITERATIONS [WINDOW]]\n",
                 argv[0]);
    return 2;
  }
  try {
    Options options{.plugin = argv[1], .folder = argv[2], .mode = argv[3], .size = std::stoul(argv[4])};
    options.iterations = argc > 5 ? std::atoi(argv[5]) : options.iterations;
    options.window = argc > 6 ? std::atoi(argv[6]) : options.window;
    options.rank = number_of("RANK");
    options.ranks = number_of("WORLD_SIZE");
    if (options.mode == "pingpong") {
      run_ping_pong(options);
    } else if (options.mode == "exchange") {
      run_exchange(options);
    } else if (options.mode == "sockets") {
      run_sockets(options);
    } else {
      run_sockets_exchange(options);
    }
    return 0;
  } catch (const std::exception& exception) {
    std::fprintf(stderr, "rank %s: %s\n", std::getenv("RANK"), exception.what());
    return 1;
  }
}
