// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/bootstrap.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "base/checked.hpp"
#include "base/error.hpp"

namespace banyan::bootstrap {

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
  const size_t stride = static_cast<size_t>(*longest);
  std::vector<std::string> result(ranks);
  if (stride == 0) {
    return result;
  }
  const auto total = checked::multiply(stride, ranks);
  if (!total) {
    throw Error(BANYAN_ERR_LIMIT, "the texts of all ranks together do not fit in memory");
  }
  std::string padded(mine);
  padded.resize(stride);
  std::vector<char> all(*total);
  allgather(padded.data(), all.data(), stride, deadline);
  for (size_t r = 0; r < ranks; ++r) {
    result[r].assign(all.data() + r * stride, static_cast<size_t>(lengths[r]));
  }
  return result;
}

void Bootstrap::barrier(Deadline deadline) {
  const unsigned char here = 1;
  std::vector<unsigned char> all(static_cast<size_t>(size()));
  allgather(&here, all.data(), sizeof here, deadline);
}

}  // namespace banyan::bootstrap
