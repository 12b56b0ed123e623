// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "bootstrap/bootstrap.hpp"

namespace banyan::comm {

/// Runs `local` and exchanges its strings. If it throws on any rank, every rank throws: the own error where there is
/// one, else that of the lowest failing rank, naming it. So no rank goes on alone.
[[nodiscard]] std::vector<std::string> exchange_or_fail(bootstrap::Bootstrap& bootstrap, Deadline deadline,
                                                        const std::function<std::string()>& local);

/// Error{MISMATCH} on every rank if any of the named values differs between ranks; names the field, two ranks and both
/// values.
void require_equal(bootstrap::Bootstrap& bootstrap, Deadline deadline,
                   const std::vector<std::pair<std::string, std::string>>& fields);

}  // namespace banyan::comm
