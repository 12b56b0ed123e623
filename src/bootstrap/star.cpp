// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/star.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace banyan::bootstrap {
namespace {

constexpr size_t kMaxTextBytes = 4096;
constexpr size_t kMaxNamedRanks = 16;
constexpr double kTellLimitS = 1.0;

}  // namespace

void tell_failure(StarChannels& channels, const Error& failure) noexcept {
  try {
    WireWriter writer;
    writer.u32(static_cast<uint32_t>(failure.status())).text(failure.what(), kMaxTextBytes);
    for (auto& channel : channels) {
      if (channel && channel->is_open()) {
        channel->queue(static_cast<uint16_t>(StarFrame::kFailure), writer.result());
        static_cast<void>(channel->flush());
      }
    }
    const Deadline limit = Deadline::in(kTellLimitS);
    for (auto& channel : channels) {
      if (channel && channel->is_open() && channel->has_output()) {
        channel->flush_until(limit);
      }
    }
  } catch (...) {  // the failure itself is about to be thrown; a rank that cannot be told sees the connection close
  }
}

Error read_failure(Bytes payload) {
  WireReader reader(payload);
  const uint32_t status = reader.u32();
  const std::string text = reader.text();
  if (!reader.complete() || status <= BANYAN_IN_PROGRESS || status > BANYAN_ERR_INTERNAL) {
    return {BANYAN_ERR_FORMAT, "rank 0 reported a failure in a form that this version does not know"};
  }
  return {static_cast<banyan_status>(status), text};
}

Deadline answer_deadline(Deadline deadline) {
  const double remaining_s = deadline.remaining_s();
  return Deadline::in(remaining_s - std::min(0.5, remaining_s * 0.1));
}

std::string name_ranks(const std::vector<int>& ranks) {
  std::string text = ranks.size() == 1 ? "rank " : "ranks ";
  for (size_t i = 0; i < std::min(ranks.size(), kMaxNamedRanks); ++i) {
    text += (i == 0 ? "" : ", ") + std::to_string(ranks[i]);
  }
  if (ranks.size() > kMaxNamedRanks) {
    text += fmt::format(" and {} more", ranks.size() - kMaxNamedRanks);
  }
  return text;
}

std::string name_seconds(double seconds) { return fmt::format("{:.3g} s", seconds); }

}  // namespace banyan::bootstrap
