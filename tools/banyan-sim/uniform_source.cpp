// SPDX-License-Identifier: Apache-2.0
#include "banyan-sim/uniform_source.hpp"

namespace banyan::sim_tool {

using simulator::Transfer;

UniformSource::UniformSource(const planner::Hosts& hosts, planner::Algorithm algorithm, uint64_t block_bytes,
                             int window)
    : hosts_(hosts),
      block_bytes_(block_bytes),
      window_(window),
      pattern_(make_pattern(hosts, algorithm, block_bytes)),
      num_streams_(pattern_->num_streams()),
      waits_(static_cast<size_t>(num_streams_)),
      streams_(static_cast<size_t>(hosts.num_ranks()) * static_cast<size_t>(num_streams_)),
      first_(static_cast<size_t>(hosts.num_ranks())),
      open_(streams_.size()) {
  for (int stream = 0; stream < num_streams_; ++stream) {
    for (int earlier = 0; earlier < stream; ++earlier) {
      if (pattern_->waits_for(stream, earlier)) {
        waits_[static_cast<size_t>(stream)].push_back(earlier);
      }
    }
    for (int rank = 0; rank < hosts.num_ranks(); ++rank) {
      at(rank, stream).missing = pattern_->expected(rank, stream);
    }
  }
}

bool UniformSource::ready(int rank, int stream) {
  for (const int earlier : waits_[static_cast<size_t>(stream)]) {
    if (at(rank, earlier).missing > 0) {
      return false;
    }
  }
  return true;
}

bool UniformSource::take(int rank, int stream, bool only_mapped, Transfer& send) {
  Stream& state = at(rank, stream);
  uint32_t position = state.position;
  if (!pattern_->next(rank, stream, position, send)) {
    state.ended = true;
    --open_;
    return false;
  }
  if (only_mapped && send.path != schedule::Path::kMapped) {
    return false;
  }
  state.position = position;
  return true;
}

bool UniformSource::next(int rank, bool only_mapped, Transfer& send) {
  int& first = first_[static_cast<size_t>(rank)];
  while (first < num_streams_ && at(rank, first).ended) {
    ++first;
  }
  for (int stream = first; stream < num_streams_; ++stream) {
    if (!at(rank, stream).ended && ready(rank, stream) && take(rank, stream, only_mapped, send)) {
      return true;
    }
  }
  return false;
}

void UniformSource::arrived(const Transfer& message) {
  if (message.step < num_streams_) {
    --at(message.to, message.step).missing;
  }
}

}  // namespace banyan::sim_tool
