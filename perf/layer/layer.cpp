// SPDX-License-Identifier: Apache-2.0
#include "layer/layer.hpp"

#include <cmath>

#include "common/failure.hpp"

namespace banyan::perf {
namespace {

int dtype_code_of(const std::string& name) {
  if (name == "bf16") {
    return BANYAN_DTYPE_BF16;
  }
  if (name == "fp16") {
    return BANYAN_DTYPE_FP16;
  }
  if (name == "fp32") {
    return BANYAN_DTYPE_FP32;
  }
  throw UsageError("--dtype " + name + " is none of bf16, fp16, fp32");
}

void check(const LayerTerms& terms) {
  constexpr size_t kMost = size_t{1} << 20;
  if (terms.num_experts < 1 || terms.top_k < 1 || terms.top_k > terms.num_experts || terms.hidden < 1) {
    throw UsageError("--experts, --top-k and --hidden must be at least 1, and --top-k at most --experts");
  }
  if (terms.num_experts > static_cast<int>(kMost) || terms.hidden > kMost || terms.tokens < 1 || terms.tokens > kMost) {
    throw UsageError("--tokens must be 1 to 2^20, --experts and --hidden at most that");
  }
  if (!(terms.zipf >= 0) || terms.zipf > 10) {
    throw UsageError("--zipf must be 0 to 10");
  }
  if (!(terms.zero_ranks >= 0) || !(terms.zero_ranks < 1)) {
    throw UsageError("--zero-ranks must be 0 or more and less than 1");
  }
  if (terms.placement != "blocks" && terms.placement != "uneven") {
    throw UsageError("--placement " + terms.placement + " is none of blocks, uneven");
  }
  if (terms.replicas < 0 || terms.replicas > terms.num_experts) {
    throw UsageError("--replicas must be 0 to --experts");
  }
}

}  // namespace

size_t Layer::tokens_of(int rank) const {
  const bool is_zero = std::floor((rank + 1) * zero_ranks + 1e-9) > std::floor(rank * zero_ranks + 1e-9);
  return is_zero ? 0 : tokens;
}

Layer make_layer(const LayerTerms& terms, int num_ranks) {
  check(terms);
  Layer layer;
  static_cast<LayerTerms&>(layer) = terms;
  layer.num_ranks = num_ranks;
  layer.dtype_code = dtype_code_of(terms.dtype);
  layer.where = terms.placement == "uneven" ? uneven_placement(terms.num_experts, num_ranks)
                                            : block_placement(terms.num_experts, num_ranks);
  layer.where = with_replicas(layer.where, terms.replicas, num_ranks);
  return layer;
}

}  // namespace banyan::perf
