// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "gpu/mapped_job.hpp"

namespace banyan::perf {

/// A token exchange by experts between the ranks of a job. Making it is collective.
class MappedExperts {
 public:
  /// `config`: all but struct_size, and of tokens areas and rank_of_expert.
  MappedExperts(MappedRank& rank, banyan_device_experts_config config, const std::vector<int>& rank_of_expert);
  ~MappedExperts() { rank_.ops().experts_free(experts_); }
  MappedExperts(const MappedExperts&) = delete;
  MappedExperts& operator=(const MappedExperts&) = delete;

  /// Pointers are the device's; struct_size is set here.
  void dispatch(banyan_device_dispatch dispatch, void* stream);
  void combine(void* out, bool weighted, void* stream);
  [[nodiscard]] banyan_device_expert_rows received() const;

 private:
  MappedRank& rank_;
  void* experts_ = nullptr;
};

}  // namespace banyan::perf
