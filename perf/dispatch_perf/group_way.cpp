// SPDX-License-Identifier: Apache-2.0
#include "way.hpp"

namespace banyan::perf {
namespace {

struct GroupDeleter {
  void operator()(banyan_moe_group* group) const noexcept { banyan_moe_group_free(group); }
};
struct HandleDeleter {
  void operator()(banyan_moe_handle* handle) const noexcept { banyan_moe_handle_free(handle); }
};

class GroupWay final : public Way {
 public:
  GroupWay(banyan_comm* comm, const Layer& layer, int dedup)
      : layer_(layer),
        shape_(shape_of(comm)),
        gate_(gate_of(layer, shape_.rank)),
        tokens_(tokens_of(layer, shape_.rank)),
        experts_(experts_of_rank(layer, shape_.size, shape_.rank)),
        combined_(tokens_.size()) {
    banyan_moe_config config = BANYAN_MOE_CONFIG_INIT;
    config.num_experts = layer.num_experts;
    config.top_k = layer.top_k;
    config.hidden = layer.hidden;
    config.max_tokens = layer.tokens;
    config.dtype = BANYAN_DTYPE_BF16;
    config.dedup = dedup;
    banyan_moe_group* group = nullptr;
    require(banyan_moe_group_create(comm, &config, &group), "banyan_moe_group_create");
    group_.reset(group);
    banyan_moe_group_info info{};
    info.struct_size = sizeof info;
    require(banyan_moe_group_get_info(group, &info), "banyan_moe_group_get_info");
    constexpr const char* kNames[] = {"", "none", "rank", "node", "tier"};
    name_ = std::string(dedup == BANYAN_MOE_DEDUP_AUTO ? "auto: " : "") + kNames[info.dedup];
  }

  [[nodiscard]] std::string name() const override { return name_; }

  StepTime run(bool computes) override {
    StepTime time;
    auto begin = Clock::now();
    banyan_moe_handle* made = nullptr;
    require(banyan_moe_route(group_.get(), gate_.topk_idx.data(), gate_.topk_weights.data(), layer_.tokens, &made),
            "banyan_moe_route");
    const std::unique_ptr<banyan_moe_handle, HandleDeleter> handle(made);
    banyan_moe_chunk_info info{};
    info.struct_size = sizeof info;
    require(banyan_moe_handle_get_info(made, 0, &info), "banyan_moe_handle_get_info");
    wire_rows_ = info.wire_rows;
    rows_.resize(info.num_rows * layer_.hidden);
    time.route_s = seconds_since(begin);
    begin = Clock::now();
    require(banyan_moe_dispatch(made, 0, tokens_.data(), nullptr, rows_.data(), nullptr), "banyan_moe_dispatch");
    time.dispatch_s = seconds_since(begin);
    if (computes) {
      compute(made);
    }
    begin = Clock::now();
    require(banyan_moe_combine(made, 0, rows_.data(), combined_.data()), "banyan_moe_combine");
    time.combine_s = seconds_since(begin);
    return time;
  }

  [[nodiscard]] const std::vector<uint16_t>& combined() const override { return combined_; }
  [[nodiscard]] uint64_t wire_rows() const override { return wire_rows_; }

 private:
  void compute(const banyan_moe_handle* handle) {
    std::vector<size_t> counts(experts_.size()), begins(experts_.size() + 1);
    require(banyan_moe_handle_experts(handle, 0, counts.data(), begins.data()), "banyan_moe_handle_experts");
    for (size_t n = 0; n < experts_.size(); ++n) {
      run_expert(experts_[n], rows_.data() + begins[n] * layer_.hidden, counts[n] * layer_.hidden);
    }
  }

  const Layer& layer_;
  CommShape shape_;
  GateOutput gate_;
  std::vector<uint16_t> tokens_;
  std::vector<int> experts_;
  std::vector<uint16_t> rows_, combined_;
  std::unique_ptr<banyan_moe_group, GroupDeleter> group_;
  std::string name_;
  uint64_t wire_rows_ = 0;
};

}  // namespace

std::unique_ptr<Way> make_group_way(banyan_comm* comm, const Layer& layer, int dedup) {
  return std::make_unique<GroupWay>(comm, layer, dedup);
}

}  // namespace banyan::perf
