// SPDX-License-Identifier: Apache-2.0
#include "gpu/mapped_experts.hpp"

#include <stdexcept>

namespace banyan::perf {

MappedExperts::MappedExperts(MappedRank& rank, banyan_device_experts_config config,
                             const std::vector<int>& rank_of_expert)
    : rank_(rank) {
  config.struct_size = sizeof(config);
  config.tokens.num_experts = static_cast<int>(rank_of_expert.size());
  config.tokens.rank_of_expert = rank_of_expert.data();
  const size_t bytes = rank.ops().experts_area_bytes(rank.size(), &config);
  if (bytes == 0) {
    throw std::runtime_error(std::string("experts_area_bytes: ") + rank.ops().last_error());
  }
  const std::vector<void*> areas = rank.make_area(bytes);
  config.tokens.areas = areas.data();
  rank.check(rank.ops().experts_create(rank.group(), &config, &experts_), "experts_create");
  rank.barrier();  // nobody dispatches to an area that is not mapped
}

void MappedExperts::dispatch(banyan_device_dispatch dispatch, void* stream) {
  dispatch.struct_size = sizeof(dispatch);
  rank_.check(rank_.ops().experts_dispatch(experts_, &dispatch, stream), "experts_dispatch");
}

void MappedExperts::combine(void* out, bool weighted, void* stream) {
  rank_.check(rank_.ops().experts_combine(experts_, out, weighted ? 1 : 0, stream), "experts_combine");
}

banyan_device_expert_rows MappedExperts::received() const {
  banyan_device_expert_rows received{};
  received.struct_size = sizeof(received);
  rank_.check(rank_.ops().experts_received(experts_, &received), "experts_received");
  return received;
}

}  // namespace banyan::perf
