// SPDX-License-Identifier: Apache-2.0
#include "layer/rows_way.hpp"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "layer/dealer.hpp"
#include "layer/gate.hpp"
#include "layer/values.hpp"

namespace banyan::perf {
namespace {

size_t total(const RowSide& side) { return side.displs.back() + side.counts.back(); }

void lay_out(RowSide& side) {
  std::exclusive_scan(side.counts.begin(), side.counts.end(), side.displs.begin(), size_t{0});
}

class RowsWay final : public Way {
 public:
  RowsWay(std::unique_ptr<Carrier> carrier, const Layer& layer, const std::vector<int>& host_of, int rank)
      : carrier_(std::move(carrier)),
        layer_(layer),
        host_of_(host_of),
        rank_(static_cast<size_t>(rank)),
        gate_(gate_of(layer, rank)),
        tokens_(tokens_of(layer, rank)),
        experts_(experts_of_rank(layer.where, rank)),
        dealer_(layer.where, host_of, rank),
        most_local_(most_local(layer)),
        out_counts_(host_of.size() * most_local_),
        in_counts_(out_counts_.size()),
        combined_(tokens_.size()),
        sum_(layer.hidden) {
    for (RowSide* side : {&out_, &in_}) {
      side->counts.resize(host_of.size());
      side->displs.resize(host_of.size());
    }
  }

  [[nodiscard]] std::string name() const override { return carrier_->name(); }

  void route() override {
    sort_choices();
    carrier_->exchange_counts(out_counts_, in_counts_, most_local_);
    sum_counts(in_counts_, in_);
    place_blocks();
  }

  void dispatch() override {
    const size_t row_bytes = layer_.row_bytes();
    const auto top_k = static_cast<size_t>(layer_.top_k);
    send_.resize(total(out_) * row_bytes);
    recv_.resize(total(in_) * row_bytes);
    by_expert_.resize(recv_.size());
    for (size_t at = 0; at < place_.size(); ++at) {
      std::memcpy(send_.data() + place_[at] * row_bytes, tokens_.data() + at / top_k * row_bytes, row_bytes);
    }
    carrier_->exchange_rows(send_.data(), out_, recv_.data(), in_);
    for (const Block& block : blocks_) {
      std::memcpy(by_expert_.data() + block.by_expert * row_bytes, recv_.data() + block.by_source * row_bytes,
                  block.rows * row_bytes);
    }
  }

  void compute() override {
    for (const Block& block : blocks_) {
      run_expert(layer_, experts_[block.local_expert], by_expert_.data() + block.by_expert * layer_.row_bytes(),
                 block.rows);
    }
  }

  void combine() override {
    const size_t row_bytes = layer_.row_bytes();
    for (const Block& block : blocks_) {
      std::memcpy(recv_.data() + block.by_source * row_bytes, by_expert_.data() + block.by_expert * row_bytes,
                  block.rows * row_bytes);
    }
    carrier_->exchange_rows(recv_.data(), in_, send_.data(), out_);
    const auto top_k = static_cast<size_t>(layer_.top_k);
    for (size_t at = 0; at < place_.size(); at += top_k) {
      std::fill(sum_.begin(), sum_.end(), 0.0F);
      for (size_t slot = at; slot < at + top_k; ++slot) {
        add_row(layer_, send_.data() + place_[slot] * row_bytes, gate_.topk_weights[slot], sum_);
      }
      store_row(layer_, sum_, combined_.data() + at / top_k * row_bytes);
    }
  }

  [[nodiscard]] std::vector<std::byte>& combined() override { return combined_; }

  [[nodiscard]] int roundings() const override { return 1; }

  [[nodiscard]] uint64_t wire_rows() const override {
    uint64_t rows = 0;
    for (size_t rank = 0; rank < out_.counts.size(); ++rank) {
      rows += host_of_[rank] != host_of_[rank_] ? out_.counts[rank] : 0;
    }
    return rows;
  }

  void settle() override { carrier_->settle(); }
  [[nodiscard]] std::optional<uint64_t> trials() const override { return carrier_->trials(); }

 private:
  /// Rows of one source for one expert.
  struct Block {
    size_t by_source = 0, by_expert = 0, rows = 0, local_expert = 0;
  };

  static size_t most_local(const Layer& layer) {
    size_t most = 1;
    for (int rank = 0; rank < layer.num_ranks; ++rank) {
      most = std::max(most, experts_of_rank(layer.where, rank).size());
    }
    return most;
  }

  /// The place of each choice's row among those that are sent: by rank, there by expert, there by token.
  void sort_choices() {
    dealer_.restart();
    std::fill(out_counts_.begin(), out_counts_.end(), 0);
    place_.resize(gate_.topk_idx.size());
    for (size_t at = 0; at < place_.size(); ++at) {
      const Destination to = dealer_.next(gate_.topk_idx[at]);
      place_[at] = static_cast<size_t>(to.rank) * most_local_ + static_cast<size_t>(to.local_expert);
      ++out_counts_[place_[at]];
    }
    sum_counts(out_counts_, out_);
    next_.resize(out_counts_.size());
    std::exclusive_scan(out_counts_.begin(), out_counts_.end(), next_.begin(), size_t{0});
    for (size_t& place : place_) {
      place = next_[place]++;
    }
  }

  void sum_counts(const std::vector<int32_t>& counts, RowSide& side) const {
    for (size_t rank = 0; rank < side.counts.size(); ++rank) {
      const auto first = counts.begin() + static_cast<std::ptrdiff_t>(rank * most_local_);
      side.counts[rank] =
          static_cast<size_t>(std::accumulate(first, first + static_cast<std::ptrdiff_t>(most_local_), int64_t{0}));
    }
    lay_out(side);
  }

  void place_blocks() {
    blocks_.clear();
    next_.assign(in_.displs.begin(), in_.displs.end());
    size_t by_expert = 0;
    for (size_t local = 0; local < most_local_; ++local) {
      for (size_t source = 0; source < in_.counts.size(); ++source) {
        const auto rows = static_cast<size_t>(in_counts_[source * most_local_ + local]);
        if (rows > 0) {
          blocks_.push_back({next_[source], by_expert, rows, local});
        }
        next_[source] += rows;
        by_expert += rows;
      }
    }
  }

  std::unique_ptr<Carrier> carrier_;
  const Layer& layer_;
  std::vector<int> host_of_;
  size_t rank_;
  GateOutput gate_;
  std::vector<std::byte> tokens_;
  std::vector<int> experts_;
  Dealer dealer_;
  size_t most_local_;  ///< experts of a rank
  std::vector<int32_t> out_counts_, in_counts_;
  RowSide out_, in_;
  std::vector<size_t> place_, next_;
  std::vector<Block> blocks_;
  std::vector<std::byte> send_, recv_, by_expert_, combined_;
  std::vector<float> sum_;
};

}  // namespace

std::unique_ptr<Way> make_rows_way(std::unique_ptr<Carrier> carrier, const Layer& layer,
                                   const std::vector<int>& host_of, int rank) {
  return std::make_unique<RowsWay>(std::move(carrier), layer, host_of, rank);
}

}  // namespace banyan::perf
