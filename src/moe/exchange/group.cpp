// SPDX-License-Identifier: Apache-2.0
#include "moe/exchange/group.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <type_traits>
#include <utility>

#include "base/checked.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "comm/agree.hpp"
#include "comm/factory.hpp"
#include "moe/exchange/dedup_choice.hpp"
#include "moe/exchange/degree_choice.hpp"
#include "moe/exchange/part_choice.hpp"
#include "moe/exchange/part_errors.hpp"
#include "moe/exchange/purpose.hpp"
#include "moe/exchange/step_capacity.hpp"
#include "moe/exchange/term_names.hpp"

namespace banyan::moe {
namespace {

constexpr size_t kMaxChunks = 64;
constexpr size_t kMapParts = 16;  ///< of the expert map, that are compared each by itself
constexpr double kMaxSeconds = 1e9;
constexpr size_t kMaxNoteBytes = 64;  ///< as much as the header beside it
constexpr size_t kMaxLocalExperts = 65536;
constexpr size_t kMaxPicks = size_t{1} << 31;

template <typename Number>
void require_range(const char* name, Number value, std::type_identity_t<Number> least,
                   std::type_identity_t<Number> most) {
  if (value < least || value > most) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT, std::string(name) + " is " + std::to_string(value) + ", must be from " +
                                                 std::to_string(least) + " to " + std::to_string(most));
  }
}

/// Most rows that a layout of a rank can have; `choices` of all ranks are below 2^32, so nothing overflows.
size_t most_rows(const GroupTerms& terms, size_t choices, size_t num_ranks, size_t num_local_experts) {
  if (terms.layout != LayoutKind::kExpertMajor) {
    return choices;
  }
  const size_t capacity = largest_capacity(terms.routing, num_ranks, terms.num_experts);
  if (capacity == 0) {
    return choices + num_local_experts * (terms.alignment - 1);
  }
  const size_t slots = (terms.routing.scope == CapacityScope::kGlobal ? 1 : num_ranks) * capacity;
  return num_local_experts * ((slots + terms.alignment - 1) / terms.alignment * terms.alignment);
}

/// What ranks compare, by name.
using Fields = std::vector<std::pair<std::string, std::string>>;

Fields fields_of(const ExpertMap& map) {
  Fields fields = {{"num_experts", std::to_string(map.num_experts())}};
  for (size_t part = 0; part < kMapParts; ++part) {
    const auto first = static_cast<int>(part * static_cast<size_t>(map.num_experts()) / kMapParts);
    const auto end = static_cast<int>((part + 1) * static_cast<size_t>(map.num_experts()) / kMapParts);
    fields.emplace_back(fmt::format("the ranks of experts {} to {}", first, end - 1), map.describe(first, end));
  }
  return fields;
}

ExpertMap map_of(const GroupTerms& terms, int num_ranks) {
  if (terms.expert_offsets.empty()) {
    return ExpertMap::blocks(std::max(1, terms.num_experts), num_ranks);
  }
  return {terms.expert_offsets, terms.expert_ranks, terms.replica_shares, num_ranks};
}

}  // namespace

void check_terms(const GroupTerms& terms, size_t num_ranks) {
  if (!terms.problem.empty()) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT, terms.problem);
  }
  require_range("num_experts", terms.num_experts, 1, 1 << 20);
  require_range("top_k", terms.routing.top_k, 1, std::min(terms.num_experts, 65535));
  require_range("hidden", terms.hidden, 1, size_t{1} << 31);
  require_range("combine_hidden", terms.combine_hidden, 1, size_t{1} << 31);
  require_range("max_tokens", terms.routing.max_tokens, 1, kMaxPicks / static_cast<size_t>(terms.routing.top_k));
  require_range("alignment", terms.alignment, 1, size_t{1} << 20);
  require_range("num_chunks", terms.num_chunks, 0, kMaxChunks);
  if (!(terms.experts_s >= 0 && terms.experts_s <= kMaxSeconds)) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT,
                fmt::format("experts_s is {}, must be from 0 to {}", terms.experts_s, kMaxSeconds));
  }
  require_range("num_parts", terms.num_parts, 0, kMostParts);
  if (terms.num_parts > 0 && !std::has_single_bit(terms.num_parts)) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT,
                fmt::format("num_parts is {}, must be 0 or a power of two", terms.num_parts));
  }
  require_range("note_bytes", terms.note_bytes, 0, kMaxNoteBytes);
  require_range("scale_bytes", terms.scale_bytes, 0, size_t{1} << 31);
  if (terms.combine_dtype == device::Dtype::kBytes) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT, "combine_dtype must be a floating-point type: combine sums");
  }
  if (terms.layout == LayoutKind::kRankMajor && terms.dedup == Dedup::kNone) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT,
                "layout RANK_MAJOR has max_tokens rows a rank, too few for a row of each choice: choose another dedup");
  }
  check_capacity(terms.routing, num_ranks);
}

Group::Group(coll::Engine& engine, const GroupTerms& terms)
    : engine_(engine),
      number_(engine.count_user()),
      options_{.algorithm = {}, .timeout_s = terms.timeout_s},
      map_(ExpertMap::blocks(1, 1)),
      hosts_(engine.communicator().tree()),
      routing_(terms.routing),
      combine_dtype_(terms.combine_dtype),
      partial_dtype_(terms.fp32_partials ? device::Dtype::kFp32 : terms.combine_dtype),
      deterministic_(terms.deterministic),
      fixed_parts_(terms.num_parts) {
  comm::Communicator& comm = engine_.communicator();
  comm.check_usable();
  const Deadline deadline = Deadline::in(terms.timeout_s > 0 ? terms.timeout_s : comm.settings().timeout_s);
  const auto told = comm::exchange_or_fail(comm.bootstrap(), deadline, [&] {
    require_idle();
    check_terms(terms, static_cast<size_t>(comm.size()));
    map_ = map_of(terms, comm.size());
    check(terms);
    return fmt::format("{:016x}", std::bit_cast<uint64_t>(terms.experts_s));  // whatever the locale
  });
  row_bytes_ = terms.hidden * device::element_bytes(terms.dtype);
  scale_bytes_ = terms.scale_bytes;
  combine_hidden_ = terms.combine_hidden;
  note_bytes_ = terms.note_bytes;
  double experts_s = 0;
  for (const std::string& text : told) {
    experts_s = std::max(experts_s, std::bit_cast<double>(uint64_t{std::strtoull(text.c_str(), nullptr, 16)}));
  }
  collectively([&] { choose(terms, experts_s); });
  agree(terms, deadline);
  collectively([&] { make_rungs(); });
}

Group::~Group() {
  const bool healthy = !engine_.communicator().control().state().raised();
  for (const Rung& rung : rungs_) {
    if (rung.communicator && healthy) {
      rung.communicator->say_goodbye();
    }
  }
}

void Group::check(const GroupTerms& terms) const {
  if (map_.num_experts() != terms.num_experts) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT, "num_experts is " + std::to_string(terms.num_experts) +
                                                 ", expert_offsets describe " + std::to_string(map_.num_experts()));
  }
  if (static_cast<size_t>(map_.most_local()) > kMaxLocalExperts) {
    throw Error(BANYAN_ERR_LIMIT, "a rank holds " + std::to_string(map_.most_local()) + " experts, at most " +
                                      std::to_string(kMaxLocalExperts) + " are supported");
  }
  const size_t widest = std::max(terms.hidden * device::element_bytes(terms.dtype) + terms.scale_bytes,
                                 terms.combine_hidden * sizeof(float));
  const auto rows = checked::multiply(routing_.max_tokens * static_cast<size_t>(routing_.top_k),
                                      static_cast<size_t>(hosts_.num_ranks()));
  if (!rows || *rows > std::numeric_limits<uint32_t>::max() || !checked::multiply(*rows, widest)) {
    throw Error(BANYAN_ERR_LIMIT, "max_tokens " + std::to_string(routing_.max_tokens) + " * top_k " +
                                      std::to_string(routing_.top_k) + " * " + std::to_string(hosts_.num_ranks()) +
                                      " ranks is more than 2^32 rows, or more bytes than there are addresses");
  }
  const auto local_experts = static_cast<size_t>(map_.most_local());
  const auto num_ranks = static_cast<size_t>(hosts_.num_ranks());
  const size_t most = most_rows(terms, *rows, num_ranks, local_experts);
  if (most > std::numeric_limits<uint32_t>::max() || !checked::multiply(most, widest)) {
    throw Error(BANYAN_ERR_LIMIT, "alignment " + std::to_string(terms.alignment) + " and capacity " +
                                      std::to_string(largest_capacity(terms.routing, num_ranks, terms.num_experts)) +
                                      " of " + std::to_string(local_experts) + " experts on a rank may take " +
                                      std::to_string(most) +
                                      " rows, more than 2^32, or more bytes than there are addresses");
  }
}

void Group::agree(const GroupTerms& terms, Deadline deadline) {
  const auto exact = [](double number) {
    char digits[40];
    std::snprintf(digits, sizeof digits, "%.17g", number);
    return std::string(digits);
  };
  const auto text = [](auto number) { return std::to_string(static_cast<uint64_t>(number)); };
  const Fields rows = {
      {"hidden", text(terms.hidden)},
      {"dtype", name_of(terms.dtype)},
      {"scale_bytes", text(terms.scale_bytes)},
      {"combine_dtype", name_of(terms.combine_dtype)},
      {"combine_hidden", text(terms.combine_hidden)},
      {"top_k", text(terms.routing.top_k)},
      {"max_tokens", text(terms.routing.max_tokens)},
      {"capacity", terms.routing.capacity_is_most ? "max" : text(terms.routing.capacity)},
      {"capacity_factor", exact(terms.routing.capacity_factor)},
      {"capacity_scope", name_of(terms.routing.scope)},
      {"drop", name_of(terms.routing.drop)},
      {"drop_invalid", text(terms.routing.drop_invalid)},
      {"dedup", terms.dedup ? name_of(*terms.dedup) : "AUTO"},
      {"layout", name_of(terms.layout)},
      {"alignment", text(terms.alignment)},
      {"note_bytes", text(terms.note_bytes)},
      {"num_chunks", text(terms.num_chunks)},
      {"num_parts", text(terms.num_parts)},
      {"deterministic", text(terms.deterministic)},
      {"fp32_partials", text(terms.fp32_partials)},
      {"the chosen dedup", name_of(metadata_.dedup)},
      {"the chosen num_chunks", text(metadata_.num_chunks)},
      {"the tokens from which chunks go in 2, 4, ... parts", fmt::format("{}", fmt::join(part_thresholds_, " "))}};
  Fields fields = fields_of(map_);
  fields.insert(fields.end(), rows.begin(), rows.end());
  comm::require_equal(engine_.communicator().bootstrap(), deadline, fields);
}

void Group::choose(const GroupTerms& terms, double experts_s) {
  comm::Communicator& comm = engine_.communicator();
  const auto bytes_of = [&](size_t row) { return static_cast<double>(row * routing_.max_tokens); };
  const double bytes = bytes_of(row_bytes_ + scale_bytes_);
  const double back = bytes_of(combine_hidden_ * device::element_bytes(partial_dtype_));
  const double per_part_s = predict_overheads(hosts_, comm.model());
  const Dedup dedup = terms.dedup ? *terms.dedup : choose_dedup(hosts_, comm.model(), map_, routing_.top_k, bytes);
  predicted_dispatch_s_ = predict_dispatch(hosts_, comm.model(), map_, routing_.top_k, dedup, bytes);
  const auto without_messages = [&](double each) {
    const auto stages_s = predict_stages(hosts_, comm.model(), map_, routing_.top_k, dedup, each);
    return predict_parts(stages_s, 0, choose_parts(stages_s, per_part_s, routing_.max_tokens));
  };
  const StepParts parts{.dispatch_s = without_messages(bytes),
                        .experts_s = experts_s,
                        .combine_s = without_messages(back),
                        .per_chunk_s = per_part_s};
  const size_t num_chunks =
      terms.num_chunks > 0 ? terms.num_chunks : choose_degree(parts, std::min(kMaxChunks, routing_.max_tokens));
  predicted_step_s_ = predict_step(parts, num_chunks);
  const size_t chunk_tokens = (routing_.max_tokens + num_chunks - 1) / num_chunks;
  part_thresholds_ = part_thresholds(
      predict_stages(hosts_, comm.model(), map_, routing_.top_k, dedup, bytes / static_cast<double>(num_chunks)),
      parts.per_chunk_s, chunk_tokens);
  metadata_ = {.dedup = dedup, .top_k = routing_.top_k, .num_chunks = num_chunks, .padded = routing_.drops_late()};
  metadata_.most_parts = num_parts(routing_.max_tokens);
  layout_ = {.kind = terms.layout,
             .alignment = terms.alignment,
             .shared = routing_.scope == CapacityScope::kGlobal,
             .max_tokens = routing_.max_tokens,
             .num_ranks = static_cast<size_t>(comm.size()),
             .num_local_experts = map_.experts_of(comm.rank()).size()};
  ladder_.emplace(hosts_, dedup);
}

size_t Group::num_parts(size_t most_tokens) const {
  const size_t tokens = (most_tokens + metadata_.num_chunks - 1) / metadata_.num_chunks;
  return fixed_parts_ > 0 ? fixed_parts_ : parts_by(part_thresholds_, tokens);
}

void Group::make_rungs() {
  comm::Communicator& comm = engine_.communicator();
  for (size_t rung = 0; rung < ladder_->height(); ++rung) {
    Rung& made = rungs_.emplace_back();
    if (rung == 0) {
      for (int rank = 0; rank < comm.size(); ++rank) {
        made.members.push_back(rank);
      }
      continue;
    }
    made.members = ladder_->below(rung - 1, comm.rank());
    std::sort(made.members.begin(), made.members.end());  // a rack's are host by host
    made.communicator = comm::split(comm, made.members.front(), comm.rank());
    made.engine = std::make_unique<coll::Engine>(*made.communicator);
    made.engine->heed(comm);
  }
  BANYAN_LOG(kDebug, "moe",
             "rank {}: {} experts, {} of them here, rows of {} bytes, {} rungs, {} chunks of up to {} parts",
             comm.rank(), map_.num_experts(), layout_.num_local_experts, row_bytes_ + scale_bytes_, ladder_->height(),
             metadata_.num_chunks, metadata_.most_parts);
}

void Group::start(size_t rung, const Leg& leg, uint64_t purpose) {
  Rung& group = rungs_[rung];
  const auto lay_out = [&](std::span<const size_t> rows, std::vector<size_t>& sizes, std::vector<size_t>& offsets) {
    sizes.clear();
    offsets.clear();
    size_t end = 0;
    for (const int member : group.members) {
      offsets.push_back(end);
      sizes.push_back(rows[static_cast<size_t>(member)] * leg.bytes);
      end += sizes.back();
    }
  };
  lay_out(leg.send_rows, send_bytes_, send_offsets_);
  lay_out(leg.recv_rows, recv_bytes_, recv_offsets_);
  with_errors_of_world(engine_.communicator(), group.communicator.get(), group.members, [&] {
    coll::Engine& engine = engine_of(rung);
    engine.alltoallv_prepare(group.request, leg.send, leg.recv,
                             {send_bytes_, send_offsets_, recv_bytes_, recv_offsets_}, options_);
    group.request.of_holder = true;
    group.request.purpose = purpose;
    group.request.describe_purpose = describe_purpose;
    group.request.exchange.purpose = Purpose::print_of(purpose);
    engine.start(group.request);
  });
}

bool Group::test(size_t rung) {
  return with_errors_of_world(engine_.communicator(), rungs_[rung].communicator.get(), rungs_[rung].members,
                              [&] { return engine_of(rung).test(rungs_[rung].request); });
}

void Group::report_next(uint64_t purpose) {
  coll::Request next;
  next.operation = "alltoallv";
  next.exchange.uniform = false;
  next.purpose = purpose;
  next.describe_purpose = describe_purpose;
  engine_.report_next(next);
}

void Group::end_if_failed(size_t rung) noexcept { engine_of(rung).end_if_failed(rungs_[rung].request); }

void Group::require_idle() const { engine_.require_idle(coll::Request{}); }

void Group::fail_without_memory() {
  fail_and_throw(Error(BANYAN_ERR_NO_MEMORY, "rank " + std::to_string(rank()) + " is out of memory"));
}

void Group::fail_and_throw(const Error& error) {
  fail(error);
  const auto& state = engine_.communicator().control().state();
  if (state.raised()) {  // another rank may have been first with the cause; all report the same one
    throw Error(state.status(), state.text());
  }
  throw error;
}

void Group::fail(const Error& error) noexcept {
  switch (error.status()) {
    case BANYAN_ERR_INVALID_ARGUMENT:
    case BANYAN_ERR_LIMIT:
    case BANYAN_ERR_BUSY:
    case BANYAN_ERR_NOT_SUPPORTED:
    case BANYAN_ERR_NOT_FOUND:
      return;  // nothing was sent
    default:
      abort(error);
  }
}

void Group::abort(const Error& error) noexcept {
  engine_.communicator().control().abort(error.status(), error.what());
  for (const Rung& rung : rungs_) {
    if (rung.communicator) {
      rung.communicator->control().abort(error.status(), marked_as_of_world(error.what()));
    }
  }
}

}  // namespace banyan::moe
