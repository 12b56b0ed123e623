// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <random>
#include <string>
#include <vector>

namespace banyan::fuzz {

/// A damaged copy of `texts[index]`: one to four of: bits flipped, bytes replaced, pieces left out, repeated, moved or
/// taken from another text, numbers made extreme, the end cut off. The same for the same state of `random`.
[[nodiscard]] std::string mutate(const std::vector<std::string>& texts, size_t index, std::mt19937& random);

}  // namespace banyan::fuzz
