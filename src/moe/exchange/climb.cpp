// SPDX-License-Identifier: Apache-2.0
#include "moe/exchange/climb.hpp"

#include <cstring>
#include <numeric>

#include "device/rows.hpp"

namespace banyan::moe {
namespace {

std::vector<size_t> upward(size_t height, const std::vector<size_t>& last) {
  std::vector<size_t> path(height);
  std::iota(path.begin(), path.end(), size_t{0});
  path.insert(path.end(), last.begin(), last.end());
  return path;
}

}  // namespace

Climb::Climb(Group& group, const Handle::Chunk& chunk, const Part& part, size_t bytes, Purpose::Call call,
             std::vector<size_t> last)
    : ChunkMove(group, chunk, part, upward(part.hops.size(), last), call), bytes_(bytes) {}

Leg Climb::climb(Workspace& space, const std::byte* tokens) {
  const Hop& hop = part_.hops[position()];
  std::byte* send = space.send.take(hop.send_list.size() * bytes_);
  std::byte* recv = space.held[position() % 2].take(total_rows(hop.recv_rows) * bytes_);
  device::gather_rows(position() == 0 ? tokens : held_, hop.send_list, bytes_, send);
  held_ = recv;
  return {.send = send, .send_rows = hop.send_rows, .recv = recv, .recv_rows = hop.recv_rows, .bytes = bytes_};
}

void Climb::zero_unused(std::byte* rows, size_t bytes) const {
  for (const uint32_t row : chunk_.layout.unused) {
    std::memset(rows + row * bytes, 0, bytes);
  }
}

}  // namespace banyan::moe
