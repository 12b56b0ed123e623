// SPDX-License-Identifier: Apache-2.0
#include "layer/targets_gate.hpp"

#include <charconv>
#include <cmath>
#include <memory>

#include "common/failure.hpp"
#include "common/handles.hpp"

namespace banyan::perf {
namespace {

struct TargetsDeleter {
  void operator()(banyan_targets* targets) const noexcept { banyan_targets_free(targets); }
};
using Targets = std::unique_ptr<banyan_targets, TargetsDeleter>;

struct Method {
  int code = BANYAN_TARGETS_CLOSED;
  double speedup = 1;  ///< BUDGETED
};

Method parse_method(const std::string& text) {
  const std::string budgeted = "budgeted:";
  if (text == "closed") {
    return {BANYAN_TARGETS_CLOSED};
  }
  if (text == "exact") {
    return {BANYAN_TARGETS_EXACT};
  }
  if (text.starts_with(budgeted)) {
    Method method{BANYAN_TARGETS_BUDGETED};
    const char* const end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data() + budgeted.size(), end, method.speedup);
    if (error == std::errc() && rest == end && method.speedup > 1 && std::isfinite(method.speedup)) {
      return method;
    }
  }
  throw UsageError("--targets " + text + " is none of closed, exact, budgeted:X with X above 1");
}

Targets make(const banyan_comm* comm, const banyan_targets_config& config) {
  banyan_targets* targets = nullptr;
  require(banyan_targets_from_comm(comm, &config, &targets), "banyan_targets_from_comm");
  return Targets(targets);
}

banyan_targets_info info_of(const Targets& targets) {
  banyan_targets_info info{};
  info.struct_size = sizeof info;
  require(banyan_targets_get_info(targets.get(), &info), "banyan_targets_get_info");
  return info;
}

}  // namespace

TargetTimes aim(Layer& layer, const banyan_comm* comm, const std::string& method) {
  const Method wanted = parse_method(method);
  if (layer.where.has_replicas()) {
    throw UsageError("--targets know no replicas: leave out --replicas");
  }
  std::vector<size_t> tokens;
  for (int rank = 0; rank < layer.num_ranks; ++rank) {
    tokens.push_back(layer.tokens_of(rank));
  }
  banyan_targets_config config = BANYAN_TARGETS_CONFIG_INIT;
  config.num_experts = layer.num_experts;
  config.expert_rank = layer.where.ranks.data();
  config.tokens = tokens.data();
  config.top_k = layer.top_k;
  config.row_bytes = layer.row_bytes();
  config.method = BANYAN_TARGETS_CLOSED;
  if (wanted.code == BANYAN_TARGETS_BUDGETED) {
    config.budget_s = info_of(make(comm, config)).even_time_s / wanted.speedup;
  }
  config.method = wanted.code;
  const Targets targets = make(comm, config);
  const auto experts = static_cast<size_t>(layer.num_experts);
  layer.targets.resize(static_cast<size_t>(layer.num_ranks) * experts);
  for (int rank = 0; rank < layer.num_ranks; ++rank) {
    require(banyan_targets_row(targets.get(), rank, layer.targets.data() + static_cast<size_t>(rank) * experts),
            "banyan_targets_row");
  }
  const banyan_targets_info info = info_of(targets);
  return {info.even_time_s, info.time_s, info.most_per_token, info.budget_met != 0, info.measured != 0};
}

}  // namespace banyan::perf
