// SPDX-License-Identifier: Apache-2.0
#include "exchange_job.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <sstream>

#include "reference_routing.hpp"
#include "row_check.hpp"

namespace banyan::moe::testing {
namespace {

constexpr std::byte kGuard{0xE7};

/// Rank 1 has none to give.
std::vector<std::byte> note_of(const Job& job, size_t rank) {
  std::vector<std::byte> note(rank == 1 ? 0 : job.note_bytes);
  for (size_t at = 0; at < note.size(); ++at) {
    note[at] = static_cast<std::byte>(job.seed * 5 + rank * 17 + at * 3 + 1);
  }
  return note;
}

/// One rank's side of a job.
class Side {
 public:
  Side(coll::Engine& engine, const Job& job, Complaints& complaints)
      : job_(job),
        complaints_(complaints),
        rank_(static_cast<size_t>(engine.communicator().rank())),
        gate_(gate_of(job, rank_)),
        note_(note_of(job, rank_)),
        group_(engine, job.terms()),
        handle_(group_, {.topk_idx = gate_.topk_idx.data(),
                         .topk_weights = job.weighted ? gate_.topk_weights.data() : nullptr,
                         .num_tokens = job.tokens[rank_],
                         .note = note_.empty() ? nullptr : note_.data()}),
        mover_(group_, job.progress_thread),
        row_bytes_(job.hidden * device::element_bytes(job.dtype)),
        capacity_(capacity_of(job, group_)),
        routings_(kept_routings(job, group_)),
        row_check_(job, group_, routings_, capacity_, rank_, complaints) {
    expect(handle_.capacity() == capacity_.value_or(0), "capacity " + std::to_string(handle_.capacity()));
  }

  Outcome run() {
    Outcome outcome;
    outcome.dropped = handle_.all_dropped();
    outcome.invalid = handle_.all_invalid();
    check_notes();
    tokens_ = stored(job_.dtype, token_values(job_, rank_));
    outcome.combined.assign(job_.tokens[rank_] * row_bytes_ + 1, kGuard);
    steps_.resize(handle_.chunks().size());
    for (size_t chunk = 0; chunk < steps_.size(); ++chunk) {
      start_dispatch(chunk);
      if (!job_.overlap) {
        finish_dispatch(chunk, outcome);
        mover_.wait(steps_[chunk].combine);
      }
    }
    if (job_.overlap) {
      for (size_t chunk = 0; chunk < steps_.size(); ++chunk) {
        finish_dispatch(chunk, outcome);
      }
      expect_busy();
      for (size_t chunk = steps_.size(); chunk-- > 0;) {
        mover_.wait(steps_[chunk].combine);
      }
    }
    expect(outcome.combined.back() == kGuard, "combine wrote behind its buffer");
    outcome.combined.pop_back();
    expect(outcome.dropped == dropped_of(routings_, job_), "dropped " + std::to_string(outcome.dropped));
    check_sums(outcome.combined);
    return outcome;
  }

 private:
  void expect(bool right, const std::string& text) {
    complaints_.expect(right, "rank " + std::to_string(rank_) + ": " + text);
  }

  /// What belongs to a chunk under way.
  struct Step {
    std::vector<std::byte> scales, rows, row_scales;
    Started dispatch, combine;
  };

  void start_dispatch(size_t number) {
    const auto& chunk = handle_.chunks()[number];
    Step& step = steps_[number];
    step.scales.resize(chunk.plan.num_tokens * job_.scale_bytes);
    for (size_t at = 0; at < step.scales.size(); ++at) {
      step.scales[at] = scale_byte(rank_, chunk.plan.first_token + at / job_.scale_bytes, at % job_.scale_bytes);
    }
    step.rows.assign(chunk.layout.rows * row_bytes_ + 1, kGuard);
    step.row_scales.assign(chunk.layout.rows * job_.scale_bytes + 1, kGuard);
    step.dispatch = mover_.start(make_dispatch(group_, chunk,
                                               {.tokens = tokens_.data() + chunk.plan.first_token * row_bytes_,
                                                .scales = step.scales.data(),
                                                .rows = step.rows.data(),
                                                .row_scales = step.row_scales.data()}));
  }

  void finish_dispatch(size_t number, Outcome& outcome) {
    const auto& chunk = handle_.chunks()[number];
    Step& step = steps_[number];
    while (!mover_.test(step.dispatch)) {
    }
    rows_ = step.rows;
    row_scales_ = step.row_scales;
    expect(rows_.back() == kGuard && row_scales_.back() == kGuard, "dispatch wrote behind its buffers");
    row_check_.check(number, chunk, rows_, row_scales_);
    compute(chunk);
    step.rows = rows_;
    step.combine = mover_.start(make_combine(
        group_, chunk,
        {.rows = step.rows.data(), .tokens = outcome.combined.data() + chunk.plan.first_token * row_bytes_}));
  }

  /// Of what the communicator refuses while moves are under way.
  void expect_busy() {
    try {
      group_.world().barrier();
      expect(false, "a barrier beside moves");
    } catch (const Error& error) {
      expect(error.status() == BANYAN_ERR_BUSY, error.what());
    }
  }

  void check_notes() {
    std::vector<std::byte> wanted;
    for (size_t rank = 0; rank < job_.size(); ++rank) {
      auto note = note_of(job_, rank);
      note.resize(job_.note_bytes);
      wanted.insert(wanted.end(), note.begin(), note.end());
    }
    const auto got = handle_.notes();
    expect(std::equal(got.begin(), got.end(), wanted.begin(), wanted.end()), "notes");
  }

  /// Of fp32, whose roundings are small beside what a choice more or less makes.
  void check_sums(const std::vector<std::byte>& combined) {
    if (job_.dtype != device::Dtype::kFp32) {
      return;
    }
    const auto wanted = expected_of(job_, group_.map(), routings_[rank_], rank_);
    const auto got = loaded(job_.dtype, combined.data(), wanted.size());
    for (size_t i = 0; i < wanted.size(); ++i) {
      expect(std::abs(static_cast<double>(got[i]) - wanted[i]) <= 1e-4 * job_.top_k, "combined " + std::to_string(i));
    }
  }

  /// Runs the experts; where rows are a rank's, also the sum that the caller owes.
  void compute(const Handle::Chunk& chunk) {
    const auto& local = group_.map().experts_of(static_cast<int>(rank_));
    const Arrivals& arrivals = chunk.plan.arrivals;
    const bool by_expert = job_.layout == LayoutKind::kExpertMajor;
    const auto before = rows_;
    for (size_t arrival = 0; arrival < arrivals.rows(); ++arrival) {
      std::vector<float> sum(job_.hidden, 0.0F);
      for (uint32_t pick = arrivals.pick_begin[arrival]; pick < arrivals.pick_begin[arrival + 1]; ++pick) {
        const size_t place = chunk.layout.place[by_expert ? pick : arrival];
        auto values = loaded(job_.dtype, before.data() + place * row_bytes_, job_.hidden);
        for (size_t i = 0; i < values.size(); ++i) {
          values[i] = expert_value(local[arrivals.local_experts[pick]], values[i]);
          sum[i] += arrivals.weights[pick] * values[i];
        }
        put(place, by_expert ? values : sum);
      }
    }
  }

  void put(size_t place, const std::vector<float>& values) {
    device::store(job_.dtype, values, rows_.data() + place * row_bytes_);
  }

  const Job& job_;
  Complaints& complaints_;
  size_t rank_;
  Gate gate_;
  std::vector<std::byte> note_;
  Group group_;
  Handle handle_;
  Mover mover_;
  size_t row_bytes_;
  std::vector<std::byte> tokens_, rows_, row_scales_;
  std::vector<Step> steps_;
  std::optional<size_t> capacity_;
  std::vector<Routing> routings_;
  RowCheck row_check_;
};

}  // namespace

size_t Job::most_tokens() const {
  return std::max({size_t{1}, max_tokens, *std::max_element(tokens.begin(), tokens.end())});
}

GroupTerms Job::terms() const {
  GroupTerms terms;
  terms.num_experts = num_experts;
  terms.expert_offsets = expert_offsets;
  terms.expert_ranks = expert_ranks;
  terms.hidden = hidden;
  terms.dtype = dtype;
  terms.scale_bytes = scale_bytes;
  terms.combine_dtype = dtype;
  terms.combine_hidden = hidden;
  terms.routing = {.top_k = top_k,
                   .max_tokens = most_tokens(),
                   .capacity = capacity,
                   .capacity_is_most = capacity_is_most,
                   .capacity_factor = capacity_factor,
                   .scope = scope,
                   .drop = drop,
                   .seed = seed,
                   .drop_invalid = drop_invalid};
  terms.dedup = dedup;
  terms.layout = layout;
  terms.alignment = alignment;
  terms.num_chunks = num_chunks;
  terms.num_parts = num_parts;
  terms.note_bytes = note_bytes;
  terms.deterministic = deterministic;
  terms.fp32_partials = fp32_partials;
  return terms;
}

std::string Job::text() const {
  std::ostringstream out;
  out << "hosts";
  for (const auto& host : hosts) {
    out << " [";
    for (const int rank : host) {
      out << rank << ' ';
    }
    out << ']';
  }
  out << " experts " << num_experts << " top_k " << top_k << " hidden " << hidden << " dtype "
      << static_cast<int>(dtype) << " dedup " << static_cast<int>(dedup) << " layout " << static_cast<int>(layout)
      << " capacity " << capacity << " most " << capacity_is_most << " factor " << capacity_factor << " scope "
      << static_cast<int>(scope) << " chunks " << num_chunks << " parts " << num_parts << " seed " << seed;
  return out.str();
}

void set_racks(coll::Engine& engine, const Job& job) {
  if (job.racks.empty()) {
    return;
  }
  comm::Communicator& comm = engine.communicator();
  cost::Profile profile;
  profile.num_ranks = comm.size();
  for (const int index : comm.tree().at_tier(topology::Tier::kNode)) {
    const auto& node = comm.tree().node(index);
    profile.hosts.push_back({node.key, node.name, static_cast<int>(node.ranks.size()), 1e9, 1e9});
  }
  profile.inferred_racks.emplace();
  for (const auto& hosts : job.racks) {
    profile.inferred_racks->push_back({hosts, 1e8, 1e8});
  }
  comm.set_profile(profile);
  engine.forget_plans();
}

std::vector<std::vector<Outcome>> run(const std::vector<Job>& jobs, std::string* complaints) {
  Complaints all;
  std::vector outcomes(jobs.size(), std::vector<Outcome>(jobs[0].size()));
  const auto ends = banyan::testing::run_ranks(jobs[0].hosts, jobs[0].settings, [&](coll::Engine& engine) {
    set_racks(engine, jobs[0]);
    for (size_t number = 0; number < jobs.size(); ++number) {
      Side side(engine, jobs[number], all);
      outcomes[number][static_cast<size_t>(engine.communicator().rank())] = side.run();
    }
  });
  for (size_t rank = 0; rank < ends.size(); ++rank) {
    all.expect(ends[rank].status == BANYAN_OK, "rank " + std::to_string(rank) + " threw " + ends[rank].text);
  }
  *complaints = all.text();
  return outcomes;
}

std::vector<double> expected(const Job& job, size_t rank) {
  const Gate gate = gate_of(job, rank);
  const auto values = token_values(job, rank);
  std::vector<double> result(values.size());
  for (size_t token = 0; token < job.tokens[rank]; ++token) {
    for (int slot = 0; slot < job.top_k; ++slot) {
      const size_t at = token * static_cast<size_t>(job.top_k) + static_cast<size_t>(slot);
      if (gate.topk_idx[at] < 0) {
        continue;
      }
      for (size_t i = token * job.hidden; i < (token + 1) * job.hidden; ++i) {
        std::vector<float> out = {expert_value(static_cast<int>(gate.topk_idx[at]), values[i])};
        device::round_to(job.dtype, out);
        result[i] += (job.weighted ? static_cast<double>(gate.topk_weights[at]) : 1.0) * static_cast<double>(out[0]);
      }
    }
  }
  return result;
}

std::string compare(const Job& job, const std::vector<Outcome>& outcomes) {
  // Half a unit in the last place for each rounding: the rank's part, the host's, the rack's, the whole.
  const double unit = job.dtype == device::Dtype::kBf16   ? 0x1p-8
                      : job.dtype == device::Dtype::kFp16 ? 0x1p-11
                                                          : 0x1p-22;
  for (size_t rank = 0; rank < outcomes.size(); ++rank) {
    const auto wanted = expected(job, rank);
    const auto got = loaded(job.dtype, outcomes[rank].combined.data(), wanted.size());
    for (size_t i = 0; i < wanted.size(); ++i) {
      const double most = 8.0 * job.top_k;  // of any partial sum, since |expert_value| < 8
      if (!(std::abs(static_cast<double>(got[i]) - wanted[i]) <= 4 * unit * most)) {
        return "rank " + std::to_string(rank) + " element " + std::to_string(i) + ": " + std::to_string(got[i]) +
               " instead of " + std::to_string(wanted[i]) + "\n";
      }
    }
  }
  return {};
}

}  // namespace banyan::moe::testing
