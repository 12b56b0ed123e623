// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace banyan::moe {

/// An error's text of a smaller communicator in the numbers of the one that it was split from: "rank 1 of 2" becomes
/// "rank 5 of 8" where members[1] is 5. Numbers after "rank", "peer" and "ranks", there also in lists, are renamed;
/// others stay.
[[nodiscard]] std::string in_numbers_of_world(std::string_view text, std::span<const int> members, int world_size);

}  // namespace banyan::moe
