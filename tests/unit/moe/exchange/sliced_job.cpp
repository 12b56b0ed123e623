// SPDX-License-Identifier: Apache-2.0
#include "sliced_job.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <mutex>

#include "reference_routing.hpp"

namespace banyan::moe::testing {
namespace {

std::byte scale_byte(size_t rank, size_t token, size_t position) {
  return static_cast<std::byte>(rank * 37 + token * 11 + position * 3 + 1);
}

/// One rank's side.
class SlicedSide {
 public:
  SlicedSide(coll::Engine& engine, const SlicedJob& job)
      : job_(job),
        rank_(static_cast<size_t>(engine.communicator().rank())),
        model_(job.model(rank_)),
        gate_(gate_of(job, model_)),
        terms_(job.terms()),
        slices_(engine, terms_, {.colours = colours_of(job), .sharded_experts = job.sharded}),
        group_(engine, slices_.terms()),
        mover_(group_, job.progress_thread),
        ring_(slices_, group_, mover_),
        step_(ring_, {.topk_idx = gate_.topk_idx.data(),
                      .topk_weights = job.weighted ? gate_.topk_weights.data() : nullptr,
                      .num_tokens = job.tokens[rank_]}),
        row_bytes_(job.hidden * device::element_bytes(job.dtype)) {}

  std::string run(std::atomic<size_t>& wire_rows) {
    const auto values = token_values(job_, model_);
    const auto tokens = stored(job_.dtype, values);
    std::vector<std::byte> scales(job_.tokens[rank_] * job_.scale_bytes);
    for (size_t at = 0; at < scales.size(); ++at) {
      scales[at] = scale_byte(model_, at / job_.scale_bytes, at % job_.scale_bytes);
    }
    std::vector<std::byte> combined(tokens.size(), std::byte{0xE7}), token_grads(combined);
    std::vector<float> weight_grads(gate_.topk_idx.size(), 9);
    size_t next = 0;
    for (size_t chunk = 0; chunk < job_.num_chunks; ++chunk) {
      expect(step_.cut(chunk).first == next, "chunks are not in a row");
      next += step_.cut(chunk).count;
      const size_t num_rows = step_.layout(chunk).rows;
      std::vector<std::byte> rows(num_rows * row_bytes_), row_scales(num_rows * job_.scale_bytes), grads(rows.size());
      const size_t first = step_.cut(chunk).first;
      const size_t at = first * row_bytes_;
      step_.run(chunk, DispatchTerms{.tokens = tokens.data() + at,
                                     .scales = scales.data() + first * job_.scale_bytes,
                                     .rows = rows.data(),
                                     .row_scales = row_scales.data()});
      check_rows(chunk, rows, row_scales);
      compute(chunk, rows);
      step_.run(chunk, CombineTerms{.rows = rows.data(), .tokens = combined.data() + at});
      SpreadTerms spread{.tokens = tokens.data() + at, .rows = grads.data()};
      if (job_.layout == LayoutKind::kExpertMajor) {
        const auto top_k = static_cast<size_t>(job_.top_k);
        spread.expert_rows = rows.data();
        spread.routing = &step_.handle().routing();
        spread.gradients = std::span(weight_grads).subspan(first * top_k, step_.cut(chunk).count * top_k);
      }
      step_.run(chunk, spread);
      step_.run(chunk, CombineTerms{.rows = grads.data(), .tokens = token_grads.data() + at, .weighted = false});
      wire_rows += step_.wire_rows(chunk);
    }
    expect(next == job_.tokens[rank_], "tokens are missing");
    check_sums(combined);
    check_gradients(values, weight_grads, token_grads);
    return complaints_;
  }

 private:
  static std::vector<int> colours_of(const SlicedJob& job) {
    std::vector<int> colours = job.colours;
    for (int rank = 0; colours.size() < job.size(); ++rank) {
      colours.push_back(rank);
    }
    return colours;
  }

  void expect(bool right, const std::string& text) {
    if (!right) {
      complaints_ += "rank " + std::to_string(rank_) + ": " + text + "\n";
    }
  }

  /// All choices of an expert that is here, by source, then token: of sharded experts on each rank that has a part.
  void check_rows(size_t chunk, const std::vector<std::byte>& rows, const std::vector<std::byte>& row_scales) {
    const bool replicas = !job_.sharded && job_.expert_ranks.size() > static_cast<size_t>(job_.num_experts);
    if (job_.layout != LayoutKind::kExpertMajor || job_.capacity_is_most || replicas) {
      return;
    }
    const auto& local = group_.map().experts_of(static_cast<int>(rank_));
    for (size_t expert = 0; expert < local.size(); ++expert) {
      size_t row = step_.layout(chunk).expert_begin[expert];
      for (size_t source = 0; source < job_.size(); ++source) {
        const Gate gate = gate_of(job_, job_.model(source));
        const auto values = token_values(job_, job_.model(source));
        for (const size_t token : run_of(source, chunk)) {
          const auto* choices = gate.topk_idx.data() + token * static_cast<size_t>(job_.top_k);
          if (std::find(choices, choices + job_.top_k, local[expert]) == choices + job_.top_k) {
            continue;
          }
          const auto got = loaded(job_.dtype, rows.data() + row * row_bytes_, job_.hidden);
          expect(std::equal(got.begin(), got.end(), values.begin() + static_cast<std::ptrdiff_t>(token * job_.hidden)),
                 "row " + std::to_string(row) + " of expert " + std::to_string(local[expert]));
          for (size_t at = 0; at < job_.scale_bytes; ++at) {
            expect(row_scales[row * job_.scale_bytes + at] == scale_byte(job_.model(source), token, at), "scales");
          }
          ++row;
        }
      }
      expect(row - step_.layout(chunk).expert_begin[expert] == step_.layout(chunk).expert_counts[expert],
             "expert " + std::to_string(local[expert]) + " has " + std::to_string(row) + " rows");
    }
  }

  /// Tokens that a source sends in a chunk, by definition: steps are filled up to a multiple of the duplicates.
  [[nodiscard]] std::vector<size_t> run_of(size_t source, size_t chunk) const {
    const auto colours = colours_of(job_);
    const auto members = static_cast<size_t>(std::count(colours.begin(), colours.end(), colours[source]));
    const auto place = static_cast<size_t>(
        std::count(colours.begin(), colours.begin() + static_cast<std::ptrdiff_t>(source), colours[source]));
    const size_t slice = (job_.tokens[source] + members - 1) / members;
    const size_t begin = slice * chunk / job_.num_chunks;
    const size_t length = slice * (chunk + 1) / job_.num_chunks - begin;
    std::vector<size_t> tokens;
    for (size_t n = 0; n < length; ++n) {
      const size_t token = begin * members + place * length + n;
      if (token < job_.tokens[source]) {
        tokens.push_back(token);
      }
    }
    return tokens;
  }

  void compute(size_t chunk, std::vector<std::byte>& rows) {
    const auto& local = group_.map().experts_of(static_cast<int>(rank_));
    const Layout& layout = step_.layout(chunk);
    const auto put = [&](size_t row, const std::vector<float>& values) {
      device::store(job_.dtype, values, rows.data() + row * row_bytes_);
    };
    if (job_.layout == LayoutKind::kExpertMajor) {
      for (size_t expert = 0; expert < local.size(); ++expert) {
        for (size_t row = layout.expert_begin[expert]; row < layout.expert_begin[expert + 1]; ++row) {
          auto values = loaded(job_.dtype, rows.data() + row * row_bytes_, job_.hidden);
          for (float& value : values) {
            value = expert_value(local[expert], value);
          }
          put(row, values);
        }
      }
      return;
    }
    const Arrivals& arrivals = step_.handle().chunks()[chunk].plan.arrivals;
    for (size_t arrival = 0; arrival < arrivals.rows(); ++arrival) {
      const size_t row = layout.place[arrival];
      const auto values = loaded(job_.dtype, rows.data() + row * row_bytes_, job_.hidden);
      std::vector<float> sum(job_.hidden, 0.0F);
      for (uint32_t pick = arrivals.pick_begin[arrival]; pick < arrivals.pick_begin[arrival + 1]; ++pick) {
        for (size_t i = 0; i < sum.size(); ++i) {
          sum[i] += arrivals.weights[pick] * expert_value(local[arrivals.local_experts[pick]], values[i]);
        }
      }
      put(row, sum);
    }
  }

  void check_sums(const std::vector<std::byte>& combined) {
    const auto wanted = expected(model_job(), model_);
    const auto got = loaded(job_.dtype, combined.data(), wanted.size());
    const double tolerance = (job_.dtype == device::Dtype::kFp32 ? 1e-5 : 0x1p-8) * 32 * job_.top_k;
    for (size_t i = 0; i < wanted.size(); ++i) {
      expect(std::abs(static_cast<double>(got[i]) - wanted[i]) <= tolerance, "combined " + std::to_string(i));
    }
  }

  /// Where the gradient of what combine gave is the tokens x: of weights x * expert(x), of tokens, experts being the
  /// identity, the sum of their weights times x.
  void check_gradients(const std::vector<float>& values, const std::vector<float>& weight_grads,
                       const std::vector<std::byte>& token_grads) {
    if (job_.layout != LayoutKind::kExpertMajor || job_.dtype != device::Dtype::kFp32) {
      return;
    }
    const auto got = loaded(job_.dtype, token_grads.data(), values.size());
    const auto top_k = static_cast<size_t>(job_.top_k);
    for (size_t token = 0; token < job_.tokens[rank_]; ++token) {
      double weights = 0;
      for (size_t pick = token * top_k; pick < (token + 1) * top_k; ++pick) {
        double wanted = 0;
        for (size_t i = 0; i < job_.hidden && gate_.topk_idx[pick] >= 0; ++i) {
          const float value = values[token * job_.hidden + i];
          wanted += static_cast<double>(value * expert_value(static_cast<int>(gate_.topk_idx[pick]), value));
        }
        weights += gate_.topk_idx[pick] < 0 ? 0 : job_.weighted ? static_cast<double>(gate_.topk_weights[pick]) : 1;
        expect(std::abs(wanted - static_cast<double>(weight_grads[pick])) < 1e-3, "gradient of a weight");
      }
      for (size_t i = token * job_.hidden; i < (token + 1) * job_.hidden; ++i) {
        expect(std::abs(weights * static_cast<double>(values[i]) - static_cast<double>(got[i])) < 1e-4,
               "gradient of token " + std::to_string(token));
      }
    }
  }

  /// The job of one rank that has this rank's tokens, for expected().
  [[nodiscard]] Job model_job() const {
    Job job = job_;
    job.tokens[model_] = job_.tokens[rank_];
    return job;
  }

  const SlicedJob& job_;
  size_t rank_;
  size_t model_;
  Gate gate_;
  GroupTerms terms_;
  Slices slices_;
  Group group_;
  Mover mover_;
  DuplicateRing ring_;
  SlicedStep step_;
  size_t row_bytes_;
  std::string complaints_;
};

}  // namespace

size_t SlicedJob::model(size_t rank) const {
  if (!same_gate.empty()) {
    return same_gate[rank];
  }
  return colours.empty()
             ? rank
             : static_cast<size_t>(std::find(colours.begin(), colours.end(), colours[rank]) - colours.begin());
}

SlicedOutcome run_sliced(const SlicedJob& job) {
  std::vector<std::string> complaints(job.size());
  std::atomic<size_t> wire_rows = 0;
  const auto ends = banyan::testing::run_ranks(job.hosts, job.settings, [&](coll::Engine& engine) {
    const auto rank = static_cast<size_t>(engine.communicator().rank());
    complaints[rank] = SlicedSide(engine, job).run(wire_rows);
  });
  SlicedOutcome outcome;
  for (size_t rank = 0; rank < job.size(); ++rank) {
    outcome.complaints += complaints[rank] + ends[rank].text;
  }
  outcome.wire_rows = wire_rows;
  return outcome;
}

}  // namespace banyan::moe::testing
