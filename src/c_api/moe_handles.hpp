// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "banyan/moe.h"
#include "c_api/handles.hpp"
#include "c_api/moe_config.hpp"
#include "moe/exchange/group.hpp"
#include "moe/exchange/handle.hpp"
#include "moe/exchange/mover.hpp"
#include "moe/exchange/sliced_step.hpp"

struct banyan_moe_group {
  banyan_moe_group(banyan_comm& of, const banyan_moe_config& config)
      : comm(of),
        slices(*of.engine, banyan::c_api::moe_terms_of(config),
               banyan::c_api::moe_duplicates_of(config, of.engine->communicator().size())),
        group(*of.engine, slices.terms()),
        mover(group, slices.terms().progress_thread),
        ring(slices.any() ? std::make_unique<banyan::moe::DuplicateRing>(slices, group, mover) : nullptr) {}

  banyan_comm& comm;
  banyan::moe::Slices slices;
  banyan::moe::Group group;
  banyan::moe::Mover mover;
  std::unique_ptr<banyan::moe::DuplicateRing> ring;  ///< null: no rank has duplicates
  std::vector<std::byte> note = std::vector<std::byte>(group.note_bytes());
  int num_handles = 0;
  int num_turns = 0;  ///< requests of the group itself
};

struct banyan_moe_handle {
  banyan_moe_handle(banyan_moe_group& of, const banyan::moe::GateOutput& gate)
      : group(of),
        sliced(of.ring ? std::make_unique<banyan::moe::SlicedStep>(*of.ring, gate) : nullptr),
        whole(of.ring ? nullptr : std::make_unique<banyan::moe::Handle>(of.group, gate)),
        handle(sliced ? sliced->handle() : *whole) {}

  banyan_moe_group& group;
  std::unique_ptr<banyan::moe::SlicedStep> sliced;
  std::unique_ptr<banyan::moe::Handle> whole;
  const banyan::moe::Handle& handle;
  int num_requests = 0;
};

struct banyan_moe_request {
  /// `count`: the requests of the handle, or turns of the group.
  banyan_moe_request(banyan_moe_group& of, int& count) : group(of), siblings(count) {}

  banyan_moe_group& group;
  int& siblings;
  banyan::moe::Started started;
};

namespace banyan::c_api {

[[nodiscard]] inline const moe::Handle::Chunk& chunk_of(const moe::Handle& handle, size_t chunk) {
  if (chunk >= handle.chunks().size()) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT,
                "chunk is " + std::to_string(chunk) + ", the handle has " + std::to_string(handle.chunks().size()));
  }
  return handle.chunks()[chunk];
}

/// Tokens of a chunk, as the caller counts them, and its rows.
struct Extent {
  size_t first_token = 0;
  size_t num_tokens = 0;
  const moe::Layout& layout;
};

[[nodiscard]] inline Extent extent_of(const banyan_moe_handle& h, size_t chunk) {
  const auto& c = chunk_of(h.handle, chunk);
  if (!h.sliced) {
    return {c.plan.first_token, c.plan.num_tokens, c.layout};
  }
  const auto cut = h.sliced->cut(chunk);
  return {cut.first, cut.count, h.sliced->layout(chunk)};
}

[[nodiscard]] inline bool is_expert_major(const moe::Group& group) {
  return group.layout_rules().kind == moe::LayoutKind::kExpertMajor;
}

}  // namespace banyan::c_api
