// SPDX-License-Identifier: Apache-2.0
#include "gpu/mapped_tokens.hpp"

#include <stdexcept>

namespace banyan::perf {

MappedTokens::MappedTokens(MappedRank& rank, banyan_device_tokens_config config, const std::vector<int>& rank_of_expert)
    : rank_(rank) {
  config.struct_size = sizeof(config);
  config.num_experts = static_cast<int>(rank_of_expert.size());
  config.rank_of_expert = rank_of_expert.data();
  const size_t bytes = rank.ops().tokens_area_bytes(rank.size(), &config);
  if (bytes == 0) {
    throw std::runtime_error(std::string("tokens_area_bytes: ") + rank.ops().last_error());
  }
  const std::vector<void*> areas = rank.make_area(bytes);
  config.areas = areas.data();
  rank.check(rank.ops().tokens_create(rank.group(), &config, &tokens_), "tokens_create");
  rank.barrier();  // nobody dispatches to an area that is not mapped
}

void MappedTokens::dispatch(banyan_device_dispatch dispatch, void* stream) {
  dispatch.struct_size = sizeof(dispatch);
  rank_.check(rank_.ops().tokens_dispatch(tokens_, &dispatch, stream), "tokens_dispatch");
}

void MappedTokens::combine(void* out, void* stream) {
  rank_.check(rank_.ops().tokens_combine(tokens_, out, stream), "tokens_combine");
}

banyan_device_received MappedTokens::received() const {
  banyan_device_received received{};
  received.struct_size = sizeof(received);
  rank_.check(rank_.ops().tokens_received(tokens_, &received), "tokens_received");
  return received;
}

}  // namespace banyan::perf
