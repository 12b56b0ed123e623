// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>
#include <numeric>

#include "way.hpp"

namespace banyan::perf {
namespace {

/// Counts and displacements of one direction.
struct Side {
  explicit Side(size_t size) : counts(size), displs(size) {}
  void lay_out() { std::exclusive_scan(counts.begin(), counts.end(), displs.begin(), size_t{0}); }
  [[nodiscard]] size_t total() const { return std::accumulate(counts.begin(), counts.end(), size_t{0}); }

  std::vector<size_t> counts, displs;
};

class RowsWay final : public Way {
 public:
  RowsWay(banyan_comm* comm, const Layer& layer)
      : comm_(comm),
        layer_(layer),
        shape_(shape_of(comm)),
        gate_(gate_of(layer, shape_.rank)),
        tokens_(tokens_of(layer, shape_.rank)),
        first_expert_(first_of(layer, shape_)),
        num_experts_(experts_of_rank(layer, shape_.size, shape_.rank).size()),
        out_(static_cast<size_t>(shape_.size)),
        in_(out_),
        combined_(tokens_.size()),
        sum_(layer.hidden) {}

  [[nodiscard]] std::string name() const override { return "rows"; }

  StepTime run(bool computes) override {
    StepTime time;
    auto begin = Clock::now();
    sort_choices();
    require(banyan_alltoall(comm_, out_.counts.data(), in_.counts.data(), 1, sizeof(size_t), nullptr),
            "banyan_alltoall");
    in_.lay_out();
    time.route_s = seconds_since(begin);
    begin = Clock::now();
    dispatch();
    time.dispatch_s = seconds_since(begin);
    if (computes) {
      compute();
    }
    begin = Clock::now();
    combine();
    time.combine_s = seconds_since(begin);
    return time;
  }

  [[nodiscard]] const std::vector<uint16_t>& combined() const override { return combined_; }
  [[nodiscard]] uint64_t wire_rows() const override {
    uint64_t rows = 0;
    for (size_t rank = 0; rank < out_.counts.size(); ++rank) {
      const bool other = shape_.host_of[rank] != shape_.host_of[static_cast<size_t>(shape_.rank)];
      rows += other ? out_.counts[rank] : 0;
    }
    return rows;
  }

 private:
  static int first_of(const Layer& layer, const CommShape& shape) {
    const auto experts = experts_of_rank(layer, shape.size, shape.rank);
    return experts.empty() ? 0 : experts.front();
  }

  /// Choices by rank, of a rank in order of tokens.
  void sort_choices() {
    std::fill(out_.counts.begin(), out_.counts.end(), 0);
    for (const int64_t expert : gate_.topk_idx) {
      ++out_.counts[rank_of(expert)];
    }
    out_.lay_out();
    auto next = out_.displs;
    order_.resize(gate_.topk_idx.size());
    for (size_t at = 0; at < order_.size(); ++at) {
      order_[next[rank_of(gate_.topk_idx[at])]++] = at;
    }
  }

  void dispatch() {
    const size_t hidden = layer_.hidden;
    send_.resize(order_.size() * hidden);
    send_experts_.resize(order_.size());
    for (size_t n = 0; n < order_.size(); ++n) {
      const size_t token = order_[n] / static_cast<size_t>(layer_.top_k);
      std::memcpy(send_.data() + n * hidden, tokens_.data() + token * hidden, layer_.row_bytes());
      send_experts_[n] = static_cast<int32_t>(gate_.topk_idx[order_[n]]);
    }
    const size_t rows = in_.total();
    recv_.resize(rows * hidden);
    recv_experts_.resize(rows);
    exchange(send_experts_.data(), out_, recv_experts_.data(), in_, sizeof(int32_t));
    exchange(send_.data(), out_, recv_.data(), in_, layer_.row_bytes());
    std::vector<size_t> next(num_experts_ + 1);
    for (const int32_t expert : recv_experts_) {
      ++next[static_cast<size_t>(expert - first_expert_) + 1];
    }
    std::partial_sum(next.begin(), next.end(), next.begin());
    place_.resize(rows);
    by_expert_.resize(rows * hidden);
    for (size_t row = 0; row < rows; ++row) {
      place_[row] = next[static_cast<size_t>(recv_experts_[row] - first_expert_)]++;
      std::memcpy(by_expert_.data() + place_[row] * hidden, recv_.data() + row * hidden, layer_.row_bytes());
    }
  }

  void compute() {
    for (size_t row = 0; row < place_.size(); ++row) {
      run_expert(recv_experts_[row], by_expert_.data() + place_[row] * layer_.hidden, layer_.hidden);
    }
  }

  void combine() {
    const size_t hidden = layer_.hidden;
    for (size_t row = 0; row < place_.size(); ++row) {
      std::memcpy(recv_.data() + row * hidden, by_expert_.data() + place_[row] * hidden, layer_.row_bytes());
    }
    exchange(recv_.data(), in_, send_.data(), out_, layer_.row_bytes());
    returned_.resize(order_.size());
    for (size_t n = 0; n < order_.size(); ++n) {
      returned_[order_[n]] = n;
    }
    const auto top_k = static_cast<size_t>(layer_.top_k);
    for (size_t token = 0; token < layer_.tokens; ++token) {
      std::fill(sum_.begin(), sum_.end(), 0.0F);
      for (size_t at = token * top_k; at < (token + 1) * top_k; ++at) {
        const uint16_t* row = send_.data() + returned_[at] * hidden;
        for (size_t i = 0; i < hidden; ++i) {
          sum_[i] += gate_.topk_weights[at] * from_bf16(row[i]);
        }
      }
      std::transform(sum_.begin(), sum_.end(), combined_.begin() + static_cast<std::ptrdiff_t>(token * hidden),
                     to_bf16);
    }
  }

  void exchange(const void* send, const Side& out, void* recv, const Side& in, size_t bytes) {
    require(banyan_alltoallv(comm_, send, out.counts.data(), out.displs.data(), recv, in.counts.data(),
                             in.displs.data(), bytes, nullptr),
            "banyan_alltoallv");
  }

  [[nodiscard]] size_t rank_of(int64_t expert) const {
    return static_cast<size_t>(rank_of_expert(layer_, shape_.size, static_cast<int>(expert)));
  }

  banyan_comm* comm_;
  const Layer& layer_;
  CommShape shape_;
  GateOutput gate_;
  std::vector<uint16_t> tokens_;
  int first_expert_;
  size_t num_experts_;
  Side out_, in_;
  std::vector<size_t> order_, place_, returned_;
  std::vector<int32_t> send_experts_, recv_experts_;
  std::vector<uint16_t> send_, recv_, by_expert_, combined_;
  std::vector<float> sum_;
};

}  // namespace

std::unique_ptr<Way> make_rows_way(banyan_comm* comm, const Layer& layer) {
  return std::make_unique<RowsWay>(comm, layer);
}

}  // namespace banyan::perf
