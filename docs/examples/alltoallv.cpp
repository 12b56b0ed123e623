// SPDX-License-Identifier: Apache-2.0
// An all-to-all-v with the C++ header: rank i sends i + j floats to rank j, planned once and run three times.
#include <banyan/banyan.hpp>

#include <cstdio>
#include <vector>

namespace {

/// Blocks back to back.
std::vector<std::size_t> displacements(const std::vector<std::size_t>& counts) {
  std::vector<std::size_t> displs(counts.size(), 0);
  for (std::size_t i = 1; i < counts.size(); ++i) {
    displs[i] = displs[i - 1] + counts[i - 1];
  }
  return displs;
}

bool exchange(banyan::Comm& comm) {
  const auto rank = static_cast<std::size_t>(comm.rank());
  const auto size = static_cast<std::size_t>(comm.size());
  std::vector<std::size_t> counts(size);
  for (std::size_t peer = 0; peer < size; ++peer) {
    counts[peer] = rank + peer;  // symmetric: what peer sends to us is as much
  }
  const std::vector<std::size_t> displs = displacements(counts);
  const std::size_t total = displs.back() + counts.back();
  const std::vector<float> sendbuf(total, static_cast<float>(rank));
  std::vector<float> recvbuf(total);

  banyan::Request request = comm.alltoallv_init<float>(sendbuf, recvbuf, {counts, displs, counts, displs});
  for (int round = 0; round < 3; ++round) {
    request.start();
    request.wait();
  }
  request.free();
  for (std::size_t peer = 0; peer < size; ++peer) {
    for (std::size_t i = 0; i < counts[peer]; ++i) {
      if (recvbuf[displs[peer] + i] != static_cast<float>(peer)) {
        return false;
      }
    }
  }
  return true;
}

}  // namespace

int main() {
  try {
    banyan::Comm comm = banyan::Comm::from_environment();
    const bool right = exchange(comm);
    std::printf("rank %d of %d: %s\n", comm.rank(), comm.size(), right ? "right" : "wrong");
    comm.destroy();
    return right ? 0 : 1;
  } catch (const banyan::Exception& error) {
    std::fprintf(stderr, "%s: %s\n", banyan_status_name(error.status()), error.what());
    return 1;
  }
}
