// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "banyan/moe.h"
#include "c_api/handles.hpp"
#include "moe/exchange/group.hpp"
#include "moe/exchange/handle.hpp"
#include "moe/exchange/mover.hpp"

struct banyan_moe_group {
  banyan_moe_group(banyan_comm& of, const banyan::moe::GroupTerms& terms)
      : comm(of), group(*of.engine, terms), mover(group, terms.progress_thread) {}

  banyan_comm& comm;
  banyan::moe::Group group;
  banyan::moe::Mover mover;
  std::vector<std::byte> note = std::vector<std::byte>(group.note_bytes());
  int num_handles = 0;
};

struct banyan_moe_handle {
  banyan_moe_handle(banyan_moe_group& of, const banyan::moe::GateOutput& gate) : group(of), handle(of.group, gate) {}

  banyan_moe_group& group;
  banyan::moe::Handle handle;
  int num_requests = 0;
};

struct banyan_moe_request {
  explicit banyan_moe_request(banyan_moe_handle& of) : handle(of) {}

  banyan_moe_handle& handle;
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

[[nodiscard]] inline bool is_expert_major(const moe::Group& group) {
  return group.layout_rules().kind == moe::LayoutKind::kExpertMajor;
}

}  // namespace banyan::c_api
