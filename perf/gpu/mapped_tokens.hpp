// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "gpu/mapped_job.hpp"

namespace banyan::perf {

/// A token exchange between the ranks of a job. Making it is collective.
class MappedTokens {
 public:
  /// `config`: all but struct_size, areas and rank_of_expert.
  MappedTokens(MappedRank& rank, banyan_device_tokens_config config, const std::vector<int>& rank_of_expert);
  ~MappedTokens() { rank_.ops().tokens_free(tokens_); }
  MappedTokens(const MappedTokens&) = delete;
  MappedTokens& operator=(const MappedTokens&) = delete;

  /// Pointers are the device's; struct_size is set here.
  void dispatch(banyan_device_dispatch dispatch, void* stream);
  void combine(void* out, void* stream);
  [[nodiscard]] banyan_device_received received() const;

 private:
  MappedRank& rank_;
  void* tokens_ = nullptr;
};

}  // namespace banyan::perf
