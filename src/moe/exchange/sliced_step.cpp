// SPDX-License-Identifier: Apache-2.0
#include "moe/exchange/sliced_step.hpp"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "base/error.hpp"
#include "comm/factory.hpp"
#include "device/rows.hpp"
#include "moe/exchange/part_errors.hpp"

namespace banyan::moe {
namespace {

/// What duplicates tell each other of a row: enough to lay it out.
struct RowOrigin {
  uint32_t source = 0;
  uint32_t expert = 0;
};

/// Rows of a layout that are used, ascending, and what they are.
std::vector<RowOrigin> origins_of(const Handle::Chunk& chunk, std::vector<uint32_t>& used) {
  const Arrivals& arrivals = chunk.plan.arrivals;
  std::vector<RowOrigin> by_place(chunk.layout.rows);
  std::vector<char> is_used(chunk.layout.rows);
  for (size_t row = 0; row < arrivals.rows(); ++row) {
    for (uint32_t pick = arrivals.pick_begin[row]; pick < arrivals.pick_begin[row + 1]; ++pick) {
      const uint32_t place = chunk.layout.place[pick];
      by_place[place] = {arrivals.source[row], arrivals.local_experts[pick]};
      is_used[place] = 1;
    }
  }
  std::vector<RowOrigin> origins;
  for (uint32_t place = 0; place < chunk.layout.rows; ++place) {
    if (is_used[place] != 0) {
      used.push_back(place);
      origins.push_back(by_place[place]);
    }
  }
  return origins;
}

Layout layout_of(const LayoutRules& rules, const std::vector<RowOrigin>& origins) {
  Arrivals arrivals;
  arrivals.pick_begin.push_back(0);
  for (const RowOrigin& origin : origins) {
    arrivals.source.push_back(origin.source);
    arrivals.local_experts.push_back(static_cast<uint16_t>(origin.expert));
    arrivals.pick_begin.push_back(arrivals.pick_begin.back() + 1);
  }
  return make_layout(rules, arrivals);
}

Slices::Part part_of(DuplicateRing& ring, const GateOutput& gate) {
  Slices::Part part;
  ring.group().collectively([&] { part = ring.slices().part_of(gate); });
  return part;
}

template <typename Pointer>
Pointer at(Pointer all, size_t bytes) {
  return all == nullptr ? nullptr : all + bytes;
}

}  // namespace

DuplicateRing::DuplicateRing(const Slices& slices, Group& group, Mover& mover)
    : slices_(slices), group_(group), mover_(mover) {
  group.collectively([&] {
    comm::Communicator& world = group.world().communicator();
    communicator_ = comm::split(world, slices.members().front(), group.rank());
    engine_ = std::make_unique<coll::Engine>(*communicator_);
    engine_->heed(world);
  });
}

DuplicateRing::~DuplicateRing() {
  if (communicator_ && !group_.world().communicator().control().state().raised()) {
    communicator_->say_goodbye();
  }
}

void DuplicateRing::gather(const std::byte* own_rows, std::span<const size_t> counts, std::span<const size_t> begins,
                           size_t bytes, std::byte* to) {
  const size_t own_bytes = counts[slices_.place()] * bytes;
  const std::vector<size_t> send_bytes(size(), own_bytes), send_offsets(size());
  std::vector<size_t> recv_bytes, recv_offsets;
  for (size_t member = 0; member < size(); ++member) {
    recv_bytes.push_back(counts[member] * bytes);
    recv_offsets.push_back(begins[member] * bytes);
  }
  with_errors_of_world(group_.world().communicator(), communicator_.get(), slices_.members(), [&] {
    engine_->alltoallv(own_rows, to, {send_bytes, send_offsets, recv_bytes, recv_offsets}, group_.options());
  });
}

SlicedStep::SlicedStep(DuplicateRing& ring, const GateOutput& gate)
    : ring_(ring),
      part_(part_of(ring, gate)),
      handle_(ring.group(), {.topk_idx = part_.topk_idx.data(),
                             .topk_weights = part_.weighted ? part_.topk_weights.data() : nullptr,
                             .num_tokens = part_.numbers.size(),
                             .note = gate.note,
                             .slice = &part_.slice}) {
  if (sharded()) {
    ring.group().collectively([&] { share_rows(); });
  }
}

size_t SlicedStep::combine_bytes() const {
  return ring_.group().hidden() * device::element_bytes(ring_.group().combine_dtype());
}

/// Tells the duplicates how many rows come here in each chunk, then what they are.
void SlicedStep::share_rows() {
  const size_t num_chunks = handle_.chunks().size();
  std::vector<std::vector<RowOrigin>> own(num_chunks);
  std::vector<uint64_t> own_counts(num_chunks), counts(num_chunks * ring_.size());
  shared_.resize(num_chunks);
  for (size_t chunk = 0; chunk < num_chunks; ++chunk) {
    own[chunk] = origins_of(inner(chunk), shared_[chunk].used);
    own_counts[chunk] = own[chunk].size();
  }
  std::vector<size_t> ones(ring_.size(), 1), begins(ring_.size());
  std::iota(begins.begin(), begins.end(), size_t{0});
  ring_.gather(reinterpret_cast<const std::byte*>(own_counts.data()), ones, begins, num_chunks * sizeof(uint64_t),
               reinterpret_cast<std::byte*>(counts.data()));
  LayoutRules rules = ring_.group().layout_rules();
  rules.capacity = handle_.capacity();
  for (size_t chunk = 0; chunk < num_chunks; ++chunk) {
    Shared& shared = shared_[chunk];
    for (size_t member = 0; member < ring_.size(); ++member) {
      shared.counts.push_back(counts[member * num_chunks + chunk]);
    }
    shared.begins.resize(ring_.size());
    std::exclusive_scan(shared.counts.begin(), shared.counts.end(), shared.begins.begin(), size_t{0});
    std::vector<RowOrigin> all(shared.begins.back() + shared.counts.back());
    ring_.gather(reinterpret_cast<const std::byte*>(own[chunk].data()), shared.counts, shared.begins, sizeof(RowOrigin),
                 reinterpret_cast<std::byte*>(all.data()));
    shared.layout = layout_of(rules, all);
  }
}

const Layout& SlicedStep::layout(size_t chunk) const { return sharded() ? shared_[chunk].layout : inner(chunk).layout; }

size_t SlicedStep::num_received(size_t chunk) const {
  return sharded() ? shared_[chunk].layout.place.size() : inner(chunk).plan.arrivals.rows();
}

size_t SlicedStep::wire_rows(size_t chunk) const {
  const planner::Hosts& hosts = ring_.group().hosts();
  size_t rows = handle_.wire_rows(inner(chunk));
  for (const int member : ring_.slices().members()) {
    if (sharded() && hosts.host_of(member) != hosts.host_of(ring_.group().rank())) {
      rows += shared_[chunk].used.size();
    }
  }
  return rows;
}

/// This rank's run of what is the caller's for the chunk's tokens. Where the run has tokens that do not exist, a copy
/// of the others, so that nobody reads behind the caller's buffer.
const std::byte* SlicedStep::slice(size_t chunk, const std::byte* all, size_t bytes, Scratch& scratch) const {
  const Slices::Cut run = cut(chunk);
  const size_t place = ring_.slices().place();
  const size_t count = run.count_of(place);
  const std::byte* from = at(all, (run.first_of(place) - run.first) * bytes);
  if (count == run.length || bytes == 0) {
    return from;
  }
  std::byte* copy = scratch.take(run.length * bytes);
  if (count * bytes > 0) {
    std::memcpy(copy, from, count * bytes);
  }
  std::memset(copy + count * bytes, 0, (run.length - count) * bytes);
  return copy;
}

/// Rows of all duplicates from this rank's own, into the layout of all.
void SlicedStep::gather_rows(const Shared& shared, const std::byte* own, size_t bytes, std::byte* rows) {
  std::byte* packed = ring_.tokens.take(shared.used.size() * bytes);
  device::gather_rows(own, shared.used, bytes, packed);
  std::byte* all = ring_.gathered.take(shared.layout.place.size() * bytes);
  ring_.gather(packed, shared.counts, shared.begins, bytes, all);
  for (size_t row = 0; row < shared.layout.place.size(); ++row) {
    std::memcpy(rows + shared.layout.place[row] * bytes, all + row * bytes, bytes);
  }
  for (const uint32_t row : shared.layout.unused) {
    std::memset(rows + row * bytes, 0, bytes);
  }
}

/// Of rows in the layout of all, this rank's in its own layout.
const std::byte* SlicedStep::own_rows(size_t chunk, const std::byte* rows, size_t bytes) {
  if (!sharded()) {
    return rows;
  }
  const Shared& shared = shared_[chunk];
  std::byte* own = ring_.returning.take(inner(chunk).layout.rows * bytes);
  const size_t first = shared.begins[ring_.slices().place()];
  for (size_t n = 0; n < shared.used.size(); ++n) {
    std::memcpy(own + shared.used[n] * bytes, rows + shared.layout.place[first + n] * bytes, bytes);
  }
  return own;
}

/// The chunk's tokens on all duplicates from what each has of its run.
void SlicedStep::gather_tokens(size_t chunk, const std::byte* own, size_t bytes, std::byte* all) {
  const Slices::Cut run = cut(chunk);
  std::vector<size_t> counts, begins;
  for (size_t member = 0; member < ring_.size(); ++member) {
    counts.push_back(run.count_of(member));
    begins.push_back(run.first_of(member) - run.first);
  }
  ring_.gather(own, counts, begins, bytes, all);
}

void SlicedStep::run(size_t chunk, const DispatchTerms& terms) {
  Group& group = ring_.group();
  group.collectively([&] {
    DispatchTerms own{.tokens = slice(chunk, terms.tokens, group.row_bytes(), slice_tokens_),
                      .scales = slice(chunk, terms.scales, group.scale_bytes(), slice_scales_),
                      .rows = terms.rows,
                      .row_scales = terms.row_scales};
    if (sharded()) {
      own.rows = ring_.own.take(inner(chunk).layout.rows * group.row_bytes());
      own.row_scales = own_scales_.take(inner(chunk).layout.rows * group.scale_bytes());
    }
    ring_.mover().run(make_dispatch(group, inner(chunk), own));
    if (!sharded()) {
      return;
    }
    gather_rows(shared_[chunk], own.rows, group.row_bytes(), terms.rows);
    if (group.scale_bytes() > 0) {
      gather_rows(shared_[chunk], own.row_scales, group.scale_bytes(), terms.row_scales);
    }
  });
}

void SlicedStep::run(size_t chunk, const CombineTerms& terms) {
  ring_.group().collectively([&] {
    const size_t bytes = combine_bytes();
    const CombineTerms own{.rows = own_rows(chunk, terms.rows, bytes),
                           .tokens = ring_.tokens.take(cut(chunk).length * bytes),
                           .weighted = terms.weighted};
    ring_.mover().run(make_combine(ring_.group(), inner(chunk), own));
    gather_tokens(chunk, own.tokens, bytes, terms.tokens);
  });
}

void SlicedStep::run(size_t chunk, const SpreadTerms& terms) {
  Group& group = ring_.group();
  group.collectively([&] {
    const size_t bytes = combine_bytes();
    SpreadTerms own{.tokens = slice(chunk, terms.tokens, bytes, slice_tokens_), .rows = terms.rows};
    if (sharded()) {
      own.rows = ring_.own.take(inner(chunk).layout.rows * bytes);
    }
    const auto top_k = static_cast<size_t>(group.routing_rules().top_k);
    std::vector<float> gradients;
    if (terms.routing != nullptr) {
      gradients.resize(cut(chunk).length * top_k);
      own.expert_rows = own_rows(chunk, terms.expert_rows, bytes);
      own.routing = &handle_.routing();
      own.gradients = gradients;
    }
    ring_.mover().run(make_spread(group, inner(chunk), own));
    if (sharded()) {
      gather_rows(shared_[chunk], own.rows, bytes, terms.rows);
    }
    if (terms.routing != nullptr) {
      gather_tokens(chunk, reinterpret_cast<const std::byte*>(gradients.data()), top_k * sizeof(float),
                    reinterpret_cast<std::byte*>(terms.gradients.data()));
    }
  });
}

}  // namespace banyan::moe
