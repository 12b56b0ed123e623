// SPDX-License-Identifier: Apache-2.0
#include "comm/agree.hpp"

#include "base/error.hpp"

namespace banyan::comm {
namespace {

constexpr char kFine = 'v';
constexpr char kFailed = 'e';

}  // namespace

std::vector<std::string> exchange_or_fail(bootstrap::Bootstrap& bootstrap, Deadline deadline,
                                          const std::function<std::string()>& local) {
  std::string mine;
  std::exception_ptr own;
  try {
    mine = kFine + local();
  } catch (const Error& error) {
    own = std::current_exception();
    mine = std::string(1, kFailed) + static_cast<char>(error.status()) + error.what();
  } catch (const std::exception& error) {
    own = std::current_exception();
    mine = std::string(1, kFailed) + static_cast<char>(BANYAN_ERR_INTERNAL) + error.what();
  }
  std::vector<std::string> all = bootstrap.allgather_strings(mine, deadline);
  if (own) {
    std::rethrow_exception(own);
  }
  for (size_t rank = 0; rank < all.size(); ++rank) {
    std::string& text = all[rank];
    if (text.size() >= 2 && text[0] == kFailed) {
      throw Error(static_cast<banyan_status>(text[1]), "rank " + std::to_string(rank) + ": " + text.substr(2));
    }
    BANYAN_CHECK(!text.empty() && text[0] == kFine, "rank " + std::to_string(rank) + " sent no verdict");
    text.erase(0, 1);
  }
  return all;
}

void require_equal(bootstrap::Bootstrap& bootstrap, Deadline deadline,
                   const std::vector<std::pair<std::string, std::string>>& fields) {
  std::string mine;
  for (const auto& field : fields) {
    mine += field.second;
    mine += '\0';
  }
  const std::vector<std::string> all = bootstrap.allgather_strings(mine, deadline);
  for (size_t rank = 1; rank < all.size(); ++rank) {
    if (all[rank] == all[0]) {
      continue;
    }
    size_t at_first = 0;
    size_t at_other = 0;
    for (const auto& field : fields) {
      const std::string first = all[0].c_str() + at_first;
      const std::string other = at_other < all[rank].size() ? all[rank].c_str() + at_other : "";
      if (first != other) {
        throw Error(BANYAN_ERR_MISMATCH, field.first + " is \"" + first + "\" on rank 0 and \"" + other +
                                             "\" on rank " + std::to_string(rank) + "; make it equal on all ranks");
      }
      at_first += first.size() + 1;
      at_other += other.size() + 1;
    }
  }
}

}  // namespace banyan::comm
