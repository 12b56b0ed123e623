// SPDX-License-Identifier: Apache-2.0
#include "moe/exchange/part_errors.hpp"

#include <chrono>
#include <thread>

#include "base/deadline.hpp"
#include "moe/exchange/rank_names.hpp"

namespace banyan::moe {
namespace {

constexpr char kOfWorld = '\x1f';      ///< unit separator; begins texts in the world's numbers
constexpr double kVerdictSeconds = 1;  ///< how long the cause may take to reach all ranks of the world

}  // namespace

std::string marked_as_of_world(std::string_view text) {
  return text.starts_with(kOfWorld) ? std::string(text) : kOfWorld + std::string(text);
}

Error error_of_world(comm::Communicator& world, const Error& error, std::span<const int> members, bool was_told) {
  const auto& state = world.control().state();
  const std::string_view text = error.what();
  const bool is_told = was_told || text.starts_with(kOfWorld) || error.status() == BANYAN_ERR_PEER_FAILED;
  const Deadline patience = Deadline::in(is_told ? kVerdictSeconds : 0);
  while (!state.raised() && !patience.passed()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  if (state.raised()) {
    return {state.status(), state.text()};
  }
  return {error.status(),
          text.starts_with(kOfWorld) ? std::string(text.substr(1)) : in_numbers_of_world(text, members, world.size())};
}

}  // namespace banyan::moe
