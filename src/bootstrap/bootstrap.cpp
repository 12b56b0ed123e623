// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/bootstrap.hpp"

#include <algorithm>
#include <cstdint>

#include "base/checked.hpp"
#include "base/error.hpp"

namespace banyan::bootstrap {

size_t total_size(std::span<const size_t> sizes) {
  size_t total = 0;
  for (const size_t size : sizes) {
    const auto next = checked::add(total, size);
    if (!next) {
      throw Error(BANYAN_ERR_LIMIT, "what " + std::to_string(sizes.size()) + " ranks gather does not fit in memory");
    }
    total = *next;
  }
  return total;
}

void Bootstrap::allgather(const void* mine, void* all, size_t bytes, Deadline deadline) {
  allgatherv(mine, all, std::vector<size_t>(static_cast<size_t>(size()), bytes), deadline);
}

std::vector<std::string> Bootstrap::allgather_strings(std::string_view mine, Deadline deadline) {
  const size_t ranks = static_cast<size_t>(size());
  const uint64_t length = mine.size();
  std::vector<uint64_t> lengths(ranks);
  allgather(&length, lengths.data(), sizeof length, deadline);
  const auto longest = std::ranges::max_element(lengths);
  // Judged on what all ranks see, so that all ranks fail.
  if (*longest > kMaxStringBytes) {
    throw Error(BANYAN_ERR_LIMIT, "rank " + std::to_string(longest - lengths.begin()) + " shares a text of " +
                                      std::to_string(*longest) + " bytes; the limit is " +
                                      std::to_string(kMaxStringBytes));
  }
  const std::vector<size_t> sizes(lengths.begin(), lengths.end());
  std::string all(total_size(sizes), '\0');
  std::vector<std::string> result(ranks);
  if (all.empty()) {
    return result;
  }
  allgatherv(mine.data(), all.data(), sizes, deadline);
  size_t begin = 0;
  for (size_t r = 0; r < ranks; ++r) {
    result[r] = all.substr(begin, sizes[r]);
    begin += sizes[r];
  }
  return result;
}

void Bootstrap::barrier(Deadline deadline) {
  const unsigned char here = 1;
  std::vector<unsigned char> all(static_cast<size_t>(size()));
  allgather(&here, all.data(), sizeof here, deadline);
}

}  // namespace banyan::bootstrap
