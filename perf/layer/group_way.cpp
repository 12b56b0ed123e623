// SPDX-License-Identifier: Apache-2.0
#include "layer/group_way.hpp"

#include <algorithm>
#include <array>

#include "common/exchange.hpp"
#include "common/failure.hpp"
#include "layer/gate.hpp"
#include "layer/values.hpp"

namespace banyan::perf {
namespace {

constexpr std::array<const char*, 5> kNames = {"auto", "none", "rank", "node", "tier"};  // by banyan_moe_dedup

struct GroupDeleter {
  void operator()(banyan_moe_group* group) const noexcept { banyan_moe_group_free(group); }
};
struct HandleDeleter {
  void operator()(banyan_moe_handle* handle) const noexcept { banyan_moe_handle_free(handle); }
};

class GroupWay final : public Way {
 public:
  GroupWay(banyan_comm* comm, const Layer& layer, int dedup, int rank)
      : comm_(comm),
        layer_(layer),
        num_tokens_(layer.tokens_of(rank)),
        gate_(gate_of(layer, rank)),
        tokens_(tokens_of(layer, rank)),
        experts_(experts_of_rank(layer.where, rank)),
        combined_(tokens_.size()) {
    banyan_moe_config config = BANYAN_MOE_CONFIG_INIT;
    config.num_experts = layer.num_experts;
    config.top_k = layer.top_k;
    config.hidden = layer.hidden;
    config.max_tokens = layer.tokens;
    config.expert_offsets = layer.where.offsets.data();
    config.expert_ranks = layer.where.ranks.data();
    config.dtype = layer.dtype_code;
    config.dedup = dedup;
    banyan_moe_group* group = nullptr;
    require(banyan_moe_group_create(comm, &config, &group), "banyan_moe_group_create");
    group_.reset(group);
    banyan_moe_group_info info{};
    info.struct_size = sizeof info;
    require(banyan_moe_group_get_info(group, &info), "banyan_moe_group_get_info");
    name_ = std::string(dedup == BANYAN_MOE_DEDUP_AUTO ? "auto: " : "") + kNames[static_cast<size_t>(info.dedup)];
    roundings_ = info.dedup;  // docs/moe.md "Sums": NONE one, RANK, NODE and TIER up to two, three and four
  }

  [[nodiscard]] std::string name() const override { return name_; }

  void route() override {
    handle_.reset();
    banyan_moe_handle* made = nullptr;
    require(banyan_moe_route(group_.get(), gate_.topk_idx.data(), gate_.topk_weights.data(), num_tokens_, &made),
            "banyan_moe_route");
    handle_.reset(made);
    banyan_moe_chunk_info info{};
    info.struct_size = sizeof info;
    require(banyan_moe_handle_get_info(made, 0, &info), "banyan_moe_handle_get_info");
    wire_rows_ = info.wire_rows;
    rows_.resize(info.num_rows * layer_.row_bytes());
  }

  void dispatch() override {
    require(banyan_moe_dispatch(handle_.get(), 0, tokens_.data(), nullptr, rows_.data(), nullptr),
            "banyan_moe_dispatch");
  }

  void compute() override {
    std::vector<size_t> counts(experts_.size());
    std::vector<size_t> begins(experts_.size() + 1);
    require(banyan_moe_handle_experts(handle_.get(), 0, counts.data(), begins.data()), "banyan_moe_handle_experts");
    for (size_t n = 0; n < experts_.size(); ++n) {
      run_expert(layer_, experts_[n], rows_.data() + begins[n] * layer_.row_bytes(), counts[n]);
    }
  }

  void combine() override {
    require(banyan_moe_combine(handle_.get(), 0, rows_.data(), combined_.data()), "banyan_moe_combine");
  }

  [[nodiscard]] std::vector<std::byte>& combined() override { return combined_; }
  [[nodiscard]] int roundings() const override { return roundings_; }
  [[nodiscard]] uint64_t wire_rows() const override { return wire_rows_; }
  void settle() override { require(banyan_comm_barrier(comm_), "banyan_comm_barrier"); }
  [[nodiscard]] std::optional<uint64_t> trials() const override { return read_trials(comm_); }

 private:
  banyan_comm* comm_;
  const Layer& layer_;
  size_t num_tokens_;
  GateOutput gate_;
  std::vector<std::byte> tokens_;
  std::vector<int> experts_;
  std::vector<std::byte> rows_, combined_;
  std::unique_ptr<banyan_moe_group, GroupDeleter> group_;
  std::unique_ptr<banyan_moe_handle, HandleDeleter> handle_;  ///< of the step; freed before its group
  std::string name_;
  int roundings_ = 1;
  uint64_t wire_rows_ = 0;
};

}  // namespace

int parse_dedup(const std::string& text) {
  const auto* const found = std::find(kNames.begin(), kNames.end(), text);
  if (found == kNames.end()) {
    throw UsageError("--dedup " + text + " is none of auto, none, rank, node, tier");
  }
  return static_cast<int>(found - kNames.begin());
}

std::unique_ptr<Way> make_group_way(banyan_comm* comm, const Layer& layer, int dedup) {
  return std::make_unique<GroupWay>(comm, layer, dedup, shape_of(comm).rank);
}

}  // namespace banyan::perf
