// SPDX-License-Identifier: Apache-2.0
#include <banyan/banyan.hpp>

#include <cstdio>
#include <thread>
#include <vector>

namespace {

constexpr int kRanks = 3;

/// Whether rank `rank` got what the others sent, through the one-shot and the persistent form.
bool exchange(banyan::Comm& comm) {
  const int rank = comm.rank();
  std::vector<int> sendbuf;
  std::vector<int> expected;
  for (int peer = 0; peer < comm.size(); ++peer) {
    sendbuf.push_back(10 * rank + peer);
    expected.push_back(10 * peer + rank);
  }
  std::vector<int> recvbuf(sendbuf.size());
  comm.alltoall<int>(sendbuf, recvbuf);
  bool right = recvbuf == expected;

  const std::vector<std::size_t> counts(sendbuf.size(), 1);
  const std::vector<std::size_t> displs = {0, 1, 2};
  recvbuf.assign(sendbuf.size(), 0);
  banyan::Request request = comm.alltoallv_init<int>(sendbuf, recvbuf, {counts, displs, counts, displs});
  request.start();
  request.wait();
  right = right && recvbuf == expected && comm.stats().operations == 2;
  request.free();
  comm.barrier();
  return right;
}

/// Whether wrong use is refused with a status and a text.
bool refuses(banyan::Comm& comm) {
  try {
    std::vector<int> buffer(kRanks + 1);
    comm.alltoall<int>(buffer, buffer);
  } catch (const banyan::Exception& error) {
    return error.status() == BANYAN_ERR_INVALID_ARGUMENT &&
           std::string(error.what()).find("sendbuf") != std::string::npos;
  }
  return false;
}

bool plans() {
  const banyan::Topology topology = banyan::Topology::synthetic("2:[2,1] nic=10gbit");
  banyan_plan_config config = BANYAN_PLAN_CONFIG_INIT;
  config.topology = topology.get();
  config.bytes_per_pair = 1024;
  return topology.num_hosts() == 2 && banyan::Plan::create(config).info().logical_bytes == 4096;
}

}  // namespace

int main() {
  try {
    std::vector<banyan::Comm> comms = banyan::Comm::local(kRanks);
    std::vector<char> right(comms.size());
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < comms.size(); ++i) {
      threads.emplace_back([&, i] {
        banyan::Comm comm = std::move(comms[i]);
        right[i] = static_cast<char>(exchange(comm) && refuses(comm));
        comm.destroy();
      });
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
    const bool all = right == std::vector<char>(comms.size(), 1) && plans();
    std::printf("version %d.%d.%d %s\n", banyan::version().major, banyan::version().minor, banyan::version().patch,
                all ? "right" : "wrong");
    return all ? 0 : 1;
  } catch (const banyan::Exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
