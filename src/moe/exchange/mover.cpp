// SPDX-License-Identifier: Apache-2.0
#include "moe/exchange/mover.hpp"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "base/error.hpp"
#include "device/rows.hpp"

namespace banyan::moe {
namespace {

using Rung = Ladder::Rung;

/// Levels of the canonical sum: picks make a rank's part, ranks a host's, hosts a rack's, racks the whole.
constexpr size_t kNumLevels = 4;

/// The level to which what comes back over a rung is added.
size_t level_of_parts(Rung rung) {
  switch (rung) {
    case Rung::kRank:
      return 1;
    case Rung::kHost:
      return 2;
    case Rung::kRack:
      break;
  }
  return 3;
}

/// The level whose sum a holder of a rung passes on.
size_t level_of_sum(Rung rung) { return rung == Rung::kHost ? 1 : 2; }

size_t rows_before(const Hop& hop) { return hop.back_begin.size() - 1; }

size_t total(const std::vector<size_t>& rows) { return std::accumulate(rows.begin(), rows.end(), size_t{0}); }

}  // namespace

void Mover::pack(const Handle::Chunk& chunk, const std::byte* tokens, const std::byte* scales,
                 std::byte* packed) const {
  const size_t row = group_.row_bytes();
  const size_t beside = group_.scale_bytes();
  for (size_t token = 0; token < chunk.plan.num_tokens; ++token) {
    std::memcpy(packed + token * (row + beside), tokens + token * row, row);
    std::memcpy(packed + token * (row + beside) + row, scales + token * beside, beside);
  }
}

const std::byte* Mover::climb(const Handle::Chunk& chunk, const std::byte* tokens, size_t bytes) {
  const std::byte* held = tokens;
  for (size_t rung = 0; rung < chunk.plan.hops.size(); ++rung) {
    const Hop& hop = chunk.plan.hops[rung];
    std::byte* send = send_.take(hop.send_list.size() * bytes);
    std::byte* recv = held_[rung % 2].take(total(hop.recv_rows) * bytes);
    device::gather_rows(held, hop.send_list, bytes, send);
    group_.exchange(rung, send, hop.send_rows, recv, hop.recv_rows, bytes);
    held = recv;
  }
  arrived_ = held;
  return held;
}

void Mover::zero_unused(const Handle::Chunk& chunk, std::byte* rows, size_t bytes) const {
  for (const uint32_t row : chunk.layout.unused) {
    std::memset(rows + row * bytes, 0, bytes);
  }
}

void Mover::dispatch(const Handle::Chunk& chunk, const std::byte* tokens, const std::byte* scales, std::byte* rows,
                     std::byte* row_scales) {
  group_.collectively([&] {
    const size_t row = group_.row_bytes();
    const size_t beside = group_.scale_bytes();
    if (beside > 0) {
      std::byte* packed = packed_.take(chunk.plan.num_tokens * (row + beside));
      pack(chunk, tokens, scales, packed);
      tokens = packed;
    }
    const std::byte* arrived = climb(chunk, tokens, row + beside);
    const Arrivals& arrivals = chunk.plan.arrivals;
    const auto put = [&](size_t arrival, size_t place) {
      const std::byte* from = arrived + arrival * (row + beside);
      std::memcpy(rows + place * row, from, row);
      if (beside > 0) {
        std::memcpy(row_scales + place * beside, from + row, beside);
      }
    };
    for (size_t arrival = 0; arrival < arrivals.rows(); ++arrival) {
      if (group_.layout_rules().kind != LayoutKind::kExpertMajor) {
        put(arrival, chunk.layout.place[arrival]);
        continue;
      }
      for (uint32_t pick = arrivals.pick_begin[arrival]; pick < arrivals.pick_begin[arrival + 1]; ++pick) {
        put(arrival, chunk.layout.place[pick]);
      }
    }
    zero_unused(chunk, rows, row);
    if (beside > 0) {
      zero_unused(chunk, row_scales, beside);
    }
  });
}

/// What this rank returns for each arrival.
void Mover::sum_picks(const Handle::Chunk& chunk, const std::byte* rows, bool weighted, std::byte* out) {
  const Arrivals& arrivals = chunk.plan.arrivals;
  const device::Dtype dtype = group_.combine_dtype();
  const size_t row_bytes = group_.hidden() * device::element_bytes(dtype);
  const size_t out_bytes = group_.hidden() * device::element_bytes(raw() ? dtype : group_.partial_dtype());
  const bool by_expert = group_.layout_rules().kind == LayoutKind::kExpertMajor;
  const std::span<float> sum(sums_.data(), group_.hidden());
  for (size_t arrival = 0; arrival < arrivals.rows(); ++arrival, out += out_bytes) {
    const uint32_t first = arrivals.pick_begin[arrival];
    const auto row = [&](size_t place) { return rows + chunk.layout.place[place] * row_bytes; };
    if (raw() || (!by_expert && out_bytes == row_bytes)) {
      std::memcpy(out, row(by_expert ? first : arrival), row_bytes);
      continue;
    }
    std::fill(sum.begin(), sum.end(), 0.0F);
    if (by_expert) {
      for (uint32_t pick = first; pick < arrivals.pick_begin[arrival + 1]; ++pick) {
        device::add_scaled(dtype, row(pick), weighted ? arrivals.weights[pick] : 1, sum);
      }
    } else {
      device::add_scaled(dtype, row(arrival), 1, sum);
    }
    device::store(group_.partial_dtype(), sum, out);
  }
}

/// Sums what came back over a rung for each row held before it.
void Mover::sum_returned(const Handle::Chunk& chunk, size_t rung, const std::byte* returned, bool weighted,
                         std::byte* held) {
  const Hop& hop = chunk.plan.hops[rung];
  const auto& rungs = group_.ladder().rungs();
  const device::Dtype in_dtype = raw() ? group_.combine_dtype() : group_.partial_dtype();
  const device::Dtype out_dtype = rung == 0 ? group_.combine_dtype() : group_.partial_dtype();
  const size_t hidden = group_.hidden();
  const size_t in_bytes = hidden * device::element_bytes(in_dtype);
  const size_t last = rung == 0 ? kNumLevels - 1 : level_of_sum(rungs[rung - 1]);
  const size_t first = group_.deterministic() ? (raw() ? 0 : level_of_parts(rungs[rung])) : last;
  const auto level = [&](size_t number) { return std::span(sums_).subspan(number * hidden, hidden); };
  for (size_t row = 0; row < rows_before(hop); ++row, held += hidden * device::element_bytes(out_dtype)) {
    std::fill(sums_.begin(), sums_.end(), 0.0F);
    for (uint32_t n = hop.back_begin[row]; n < hop.back_begin[row + 1]; ++n) {
      const ReturnedRow& part = hop.back[n];
      const float weight = weighted && raw() ? chunk.sent_weights[part.position] : 1;
      device::add_scaled(in_dtype, returned + part.position * in_bytes, weight, level(first));
      for (size_t ended = first; ended < std::min<size_t>(part.ends, last); ++ended) {
        device::round_to(group_.partial_dtype(), level(ended));
        std::transform(level(ended).begin(), level(ended).end(), level(ended + 1).begin(), level(ended + 1).begin(),
                       [](float part_sum, float sum) { return sum + part_sum; });
        std::fill(level(ended).begin(), level(ended).end(), 0.0F);
      }
    }
    device::store(out_dtype, level(last), held);
  }
}

void Mover::combine(const Handle::Chunk& chunk, const std::byte* rows, std::byte* tokens, bool weighted) {
  group_.collectively([&] {
    sums_.resize(kNumLevels * group_.hidden());
    weighted = weighted && group_.layout_rules().kind == LayoutKind::kExpertMajor;
    const size_t bytes =
        group_.hidden() * device::element_bytes(raw() ? group_.combine_dtype() : group_.partial_dtype());
    const size_t height = chunk.plan.hops.size();
    std::byte* held = held_[(height - 1) % 2].take(chunk.plan.arrivals.rows() * bytes);
    sum_picks(chunk, rows, weighted, held);
    for (size_t rung = height; rung-- > 0;) {
      const Hop& hop = chunk.plan.hops[rung];
      std::byte* returned = send_.take(hop.send_list.size() * bytes);
      group_.exchange(rung, held, hop.recv_rows, returned, hop.send_rows, bytes);
      held = rung == 0 ? tokens : held_[(rung - 1) % 2].take(rows_before(hop) * bytes);
      sum_returned(chunk, rung, returned, weighted, held);
    }
  });
}

void Mover::spread(const Handle::Chunk& chunk, const std::byte* tokens, std::byte* rows) {
  group_.collectively([&] {
    const device::Dtype dtype = group_.combine_dtype();
    const size_t bytes = group_.hidden() * device::element_bytes(dtype);
    const std::byte* arrived = climb(chunk, tokens, bytes);
    const Arrivals& arrivals = chunk.plan.arrivals;
    sums_.resize(kNumLevels * group_.hidden());
    const std::span<float> scaled(sums_.data(), group_.hidden());
    for (size_t arrival = 0; arrival < arrivals.rows(); ++arrival) {
      const std::byte* from = arrived + arrival * bytes;
      if (group_.layout_rules().kind != LayoutKind::kExpertMajor) {
        std::memcpy(rows + chunk.layout.place[arrival] * bytes, from, bytes);
        continue;
      }
      for (uint32_t pick = arrivals.pick_begin[arrival]; pick < arrivals.pick_begin[arrival + 1]; ++pick) {
        std::fill(scaled.begin(), scaled.end(), 0.0F);
        device::add_scaled(dtype, from, arrivals.weights[pick], scaled);
        device::store(dtype, scaled, rows + chunk.layout.place[pick] * bytes);
      }
    }
    zero_unused(chunk, rows, bytes);
  });
}

void Mover::weight_gradients(const Handle::Chunk& chunk, const Routing& routing, const std::byte* expert_rows,
                             std::span<float> gradients) {
  group_.collectively([&] {
    BANYAN_CHECK(group_.layout_rules().kind == LayoutKind::kExpertMajor && arrived_ != nullptr,
                 "gradients of weights need rows of experts, and spread() before");
    const Arrivals& arrivals = chunk.plan.arrivals;
    const device::Dtype dtype = group_.combine_dtype();
    const size_t bytes = group_.hidden() * device::element_bytes(dtype);
    std::vector<float> by_pick(arrivals.local_experts.size()), out, in(total(chunk.picks_to));
    for (size_t arrival = 0; arrival < arrivals.rows(); ++arrival) {
      for (uint32_t pick = arrivals.pick_begin[arrival]; pick < arrivals.pick_begin[arrival + 1]; ++pick) {
        by_pick[pick] = static_cast<float>(device::dot(
            dtype, arrived_ + arrival * bytes, expert_rows + chunk.layout.place[pick] * bytes, group_.hidden()));
      }
    }
    for (const uint32_t pick : chunk.grad_sends) {
      out.push_back(by_pick[pick]);
    }
    group_.exchange(0, reinterpret_cast<const std::byte*>(out.data()), chunk.picks_from,
                    reinterpret_cast<std::byte*>(in.data()), chunk.picks_to, sizeof(float));
    std::fill(gradients.begin(), gradients.end(), 0.0F);
    std::vector<size_t> next(chunk.picks_to.size());
    std::exclusive_scan(chunk.picks_to.begin(), chunk.picks_to.end(), next.begin(), size_t{0});
    const auto top_k = static_cast<size_t>(group_.routing_rules().top_k);
    for (size_t token = 0; token < chunk.plan.num_tokens; ++token) {
      for (const Pick& pick : routing.of(chunk.plan.first_token + token)) {
        gradients[token * top_k + static_cast<size_t>(pick.slot)] = in[next[static_cast<size_t>(pick.rank)]++];
      }
    }
  });
}

}  // namespace banyan::moe
