// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "coll/engine.hpp"
#include "comm/settings.hpp"

namespace banyan::testing {

/// What became of a rank.
struct Outcome {
  banyan_status status = BANYAN_OK;
  std::string text;
};

/// Ranks by host: {{0,1},{2}} is two hosts. Order within the world is free.
using HostList = std::vector<std::vector<int>>;

/// `num_hosts` hosts of the given sizes with consecutive ranks.
[[nodiscard]] HostList consecutive(const std::vector<int>& sizes);

/// Makes a communicator with one thread per rank on those hosts and runs `body` on each; returns what each threw.
[[nodiscard]] std::vector<Outcome> run_ranks(const HostList& hosts, comm::Settings settings,
                                             const std::function<void(coll::Engine&)>& body);
/// The same with settings of each rank's own, by rank.
[[nodiscard]] std::vector<Outcome> run_ranks_each(const HostList& hosts, std::vector<comm::Settings> settings,
                                                  const std::function<void(coll::Engine&)>& body);

}  // namespace banyan::testing
