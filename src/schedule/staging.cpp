// SPDX-License-Identifier: Apache-2.0
#include "schedule/staging.hpp"

#include <optional>
#include <string>

#include "base/checked.hpp"
#include "base/error.hpp"
#include "schedule/size_list.hpp"

namespace banyan::schedule {
namespace {

/// Of a message, header included.
size_t largest_bytes(const Message& message, const StagingRule& rule) {
  const size_t header = message.self_describing ? message.blocks.size() * kMaxHeaderBytes : 0;
  const auto payload = checked::multiply(message.blocks.size(), rule.uniform ? rule.block_bytes : rule.block_limit);
  const auto total = payload ? checked::add(header, *payload) : std::nullopt;
  if (!total) {
    throw Error(BANYAN_ERR_LIMIT,
                "a message of " + std::to_string(message.blocks.size()) + " blocks overflows the address space");
  }
  return *total;
}

}  // namespace

bool uses_slot(const Message& message, const StagingRule& rule) noexcept {
  if (message.path != Path::kMapped || rule.ring_capacity == 0) {
    return false;
  }
  const size_t each = message.self_describing ? kMaxHeaderBytes : rule.block_bytes;
  const auto bytes = checked::multiply(message.blocks.size(), each);
  return bytes && *bytes <= rule.ring_capacity;
}

bool is_direct(const Message& message, const StagingRule& rule) noexcept {
  return !uses_slot(message, rule) && !message.self_describing && message.blocks.size() == 1 &&
         message.blocks[0].src == message.from && message.blocks[0].dst == message.to;
}

bool lands_in_place(const Message& message, const StagingRule& rule) noexcept {
  if (!rule.uniform || uses_slot(message, rule)) {
    return false;
  }
  for (size_t i = 0; i < message.blocks.size(); ++i) {
    if (message.blocks[i].dst != message.to || message.blocks[i].src != message.blocks[0].src + static_cast<int>(i)) {
      return false;
    }
  }
  return true;
}

size_t staged_at_sender(const Message& message, const StagingRule& rule) {
  if (is_direct(message, rule)) {
    return 0;
  }
  const size_t largest = largest_bytes(message, rule);
  return uses_slot(message, rule) && largest <= rule.ring_capacity ? 0 : largest;
}

size_t staged_at_receiver(const Message& message, const StagingRule& rule) {
  return lands_in_place(message, rule) ? 0 : staged_at_sender(message, rule);
}

size_t add_staged(size_t total, size_t bytes) {
  const auto padded = checked::add(bytes, kStagingAlignment - 1);
  const auto next = padded ? checked::add(total, *padded / kStagingAlignment * kStagingAlignment) : std::nullopt;
  if (!next) {
    throw Error(BANYAN_ERR_LIMIT, "staging memory overflows the address space");
  }
  return *next;
}

size_t staging_bytes(const RankSchedule& part, const StagingRule& rule) {
  size_t total = 0;
  for (const auto& message : part.sends) {
    total = add_staged(total, staged_at_sender(message, rule));
  }
  for (const auto& message : part.receives) {
    total = add_staged(total, staged_at_receiver(message, rule));
  }
  return total;
}

}  // namespace banyan::schedule
