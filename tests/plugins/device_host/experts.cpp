// SPDX-License-Identifier: Apache-2.0
#include "experts.hpp"

#include <algorithm>
#include <climits>
#include <cmath>
#include <cstring>

namespace banyan::fake_device {
namespace {

void require(bool condition, const std::string& text) {
  if (!condition) {
    throw Failure{BANYAN_ERR_INVALID_ARGUMENT, text};
  }
}

/// As many as could come for so many experts of a rank, with what lies between their runs.
size_t most_rows(const AreaLayout& by_rank, const banyan_device_experts_config& config, size_t num_own) {
  return by_rank.places() * static_cast<size_t>(by_rank.top_k) +
         num_own * static_cast<size_t>(config.row_alignment - 1);
}

}  // namespace

ExpertAreaLayout ExpertExchange::layout_of(int num_ranks, const banyan_device_experts_config& config) {
  const AreaLayout by_rank = TokenExchange::layout_of(num_ranks, config.tokens);
  require(config.tokens.num_experts <= BANYAN_DEVICE_MAX_EXPERTS,
          std::to_string(config.tokens.num_experts) + " experts are too many");
  require(config.row_alignment >= 1, "row_alignment is " + std::to_string(config.row_alignment));
  require(config.max_rows >= 0, "max_rows is " + std::to_string(config.max_rows));
  const auto num_experts = static_cast<size_t>(config.tokens.num_experts);
  const size_t most = most_rows(by_rank, config, num_experts);
  require(int64_t{by_rank.max_tokens} * by_rank.top_k < 1 << 24 && most <= INT_MAX, "too many choices");
  return {by_rank, config.max_rows > 0 ? std::min(most, static_cast<size_t>(config.max_rows)) : most, num_experts};
}

ExpertExchange::ExpertExchange(Group& group, const banyan_device_experts_config& config)
    : group_(group),
      layout_(layout_of(group.size(), config)),
      tokens_(group, config.tokens),
      area_(static_cast<char*>(config.tokens.areas[group.rank()])),
      row_alignment_(static_cast<size_t>(config.row_alignment)) {
  for (int expert = 0; expert < config.tokens.num_experts; ++expert) {
    if (config.tokens.rank_of_expert[expert] == group.rank()) {
      own_.push_back(expert);
    }
  }
  max_rows_ = std::min(layout_.most_rows, most_rows(layout_.by_rank, config, own_.size()));
  std::copy(own_.begin(), own_.end(), at<int>(layout_.experts()));
  place_of_row_.resize(max_rows_);
}

void ExpertExchange::received(banyan_device_expert_rows& received) const {
  received.rows = area_ + layout_.rows();
  received.num_experts = static_cast<int>(own_.size());
  received.max_rows = static_cast<int>(max_rows_);
  received.experts = at<int>(layout_.experts());
  received.counts = at<int>(layout_.counts());
  received.offsets = at<int>(layout_.offsets());
  received.needed = at<int>(layout_.needed());
  received.sources = at<banyan_device_row>(layout_.sources());
}

std::byte* ExpertExchange::row_at(size_t offset, size_t index) const {
  return at<std::byte>(offset + index * layout_.by_rank.row_bytes);
}

void ExpertExchange::place(size_t row, const banyan_device_row& source, const std::byte* from) {
  if (row >= max_rows_) {
    return;
  }
  at<banyan_device_row>(layout_.sources())[row] = source;
  if (from != nullptr) {
    std::memcpy(row_at(layout_.rows(), row), from, layout_.by_rank.row_bytes);
  }
}

size_t ExpertExchange::lay_out_run(int expert, size_t next) {
  const auto top_k = static_cast<size_t>(layout_.by_rank.top_k);
  banyan_device_received come{};
  tokens_.received(come);
  for (int source = 0; source < group_.size(); ++source) {
    for (int slot = 0; slot < come.counts[source]; ++slot) {
      const size_t place_by_rank = layout_.by_rank.place(source, slot);
      for (size_t choice = 0; choice < top_k; ++choice) {
        if (come.experts[place_by_rank * top_k + choice] != expert) {
          continue;
        }
        place(next,
              {source, tokens_.received_tokens()[place_by_rank], static_cast<int>(choice),
               come.weights[place_by_rank * top_k + choice]},
              row_at(layout_.by_rank.rows(), place_by_rank));
        if (next < max_rows_) {
          place_of_row_[next] = place_by_rank;
        }
        ++next;
      }
    }
  }
  return next;
}

void ExpertExchange::lay_out() {
  int* const counts = at<int>(layout_.counts());
  int* const offsets = at<int>(layout_.offsets());
  const auto fitting = [&](size_t row) { return static_cast<int>(std::min(row, max_rows_)); };
  size_t next = 0;
  for (size_t own = 0; own < own_.size(); ++own) {
    const size_t end = lay_out_run(own_[own], next);
    offsets[own] = fitting(next);
    counts[own] = fitting(end) - fitting(next);
    next = end;
    for (; next % row_alignment_ != 0; ++next) {
      place(next, {-1, -1, -1, 0}, nullptr);
    }
  }
  offsets[own_.size()] = fitting(next);
  *at<int>(layout_.needed()) = static_cast<int>(next);
}

void ExpertExchange::dispatch(const banyan_device_dispatch& dispatch) {
  tokens_.dispatch(dispatch);
  has_weights_ = dispatch.weights != nullptr || dispatch.num_tokens == 0;
  if (group_.failure().status == BANYAN_OK) {
    lay_out();
  }
}

/// By place of a token's row and choice: the row that its expert made; max_rows_: none.
std::vector<size_t> ExpertExchange::rows_of_choices() const {
  const auto top_k = static_cast<size_t>(layout_.by_rank.top_k);
  const auto rows = static_cast<size_t>(at<int>(layout_.offsets())[own_.size()]);
  const auto* const sources = at<banyan_device_row>(layout_.sources());
  std::vector<size_t> found(layout_.by_rank.places() * top_k, max_rows_);
  for (size_t row = 0; row < rows; ++row) {
    if (sources[row].rank >= 0) {
      found[place_of_row_[row] * top_k + static_cast<size_t>(sources[row].choice)] = row;
    }
  }
  return found;
}

/// Of a token's choices, into the place of its row, where its rank fetches it.
void ExpertExchange::add_up(size_t place_by_rank, std::span<const size_t> rows, bool weighted) {
  const size_t columns = layout_.by_rank.row_bytes / device::element_bytes(tokens_.dtype());
  std::vector<float> part(columns), numbers(columns);
  for (const size_t row : rows) {
    if (row == max_rows_) {
      continue;
    }
    std::fill(numbers.begin(), numbers.end(), 0.0F);
    device::add_scaled(tokens_.dtype(), row_at(layout_.rows(), row), 1, numbers);
    const float weight = weighted ? at<banyan_device_row>(layout_.sources())[row].weight : 1;
    for (size_t column = 0; column < columns; ++column) {
      part[column] = std::fma(weight, numbers[column], part[column]);
    }
  }
  device::store(tokens_.dtype(), part, row_at(layout_.by_rank.rows(), place_by_rank));
}

void ExpertExchange::add_up_all(bool weighted) {
  const auto top_k = static_cast<size_t>(layout_.by_rank.top_k);
  const std::vector<size_t> rows = rows_of_choices();
  banyan_device_received come{};
  tokens_.received(come);
  for (int source = 0; source < group_.size(); ++source) {
    for (int slot = 0; slot < come.counts[source]; ++slot) {
      const size_t token = layout_.by_rank.place(source, slot);
      add_up(token, std::span(rows).subspan(token * top_k, top_k), weighted);
    }
  }
}

void ExpertExchange::combine(void* out, bool weighted) {
  tokens_.check_out(out);
  require(!weighted || has_weights_, "a weighted combine of tokens that were dispatched without weights");
  if (group_.failure().status == BANYAN_OK) {
    add_up_all(weighted);
  }
  tokens_.combine(out);
}

}  // namespace banyan::fake_device
