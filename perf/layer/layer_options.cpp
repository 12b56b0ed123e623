// SPDX-License-Identifier: Apache-2.0
#include "layer/layer_options.hpp"

namespace banyan::perf {
namespace po = boost::program_options;

po::options_description layer_options(LayerTerms& terms) {
  po::options_description options("Layer");
  auto add = options.add_options();
  add("hidden,d", po::value(&terms.hidden)->default_value(terms.hidden), "elements of a row");
  add("dtype", po::value(&terms.dtype)->default_value(terms.dtype), "bf16, fp16 or fp32");
  add("experts,e", po::value(&terms.num_experts)->default_value(terms.num_experts), "experts of all ranks");
  add("top-k,k", po::value(&terms.top_k)->default_value(terms.top_k), "choices of a token");
  add("zipf", po::value(&terms.zipf)->default_value(terms.zipf), "skew of the experts' popularity; 0: none");
  add("placement", po::value(&terms.placement)->default_value(terms.placement),
      "blocks: equal numbers of experts on ranks, to within one; uneven: as 1, 2, 3, 1, 2, 3, ...");
  add("replicas", po::value(&terms.replicas)->default_value(terms.replicas),
      "so many experts, the first (with --zipf the most popular), are on a second rank too");
  add("zero-ranks", po::value(&terms.zero_ranks)->default_value(terms.zero_ranks),
      "part of the ranks that have no tokens, spread evenly, e.g. 0.25");
  add("seed", po::value(&terms.seed)->default_value(terms.seed), "of the gates");
  return options;
}

}  // namespace banyan::perf
