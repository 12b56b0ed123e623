// SPDX-License-Identifier: Apache-2.0
#include "rank_threads.hpp"

#include <thread>

#include "base/error.hpp"
#include "comm/factory.hpp"

namespace banyan::testing {

HostList consecutive(const std::vector<int>& sizes) {
  HostList hosts;
  int next = 0;
  for (const int size : sizes) {
    hosts.emplace_back();
    for (int i = 0; i < size; ++i) {
      hosts.back().push_back(next++);
    }
  }
  return hosts;
}

std::vector<Outcome> run_ranks(const HostList& hosts, comm::Settings settings,
                               const std::function<void(coll::Engine&)>& body) {
  size_t size = 0;
  for (const auto& host : hosts) {
    size += host.size();
  }
  return run_ranks_each(hosts, std::vector<comm::Settings>(size, settings), body);
}

std::vector<Outcome> run_ranks_each(const HostList& hosts, std::vector<comm::Settings> settings,
                                    const std::function<void(coll::Engine&)>& body) {
  const size_t size = settings.size();
  for (size_t h = 0; h < hosts.size(); ++h) {
    for (const int rank : hosts[h]) {
      settings[static_cast<size_t>(rank)].host_id = "host" + std::to_string(h);
    }
  }
  auto communicators = comm::create_local(settings);
  std::vector<Outcome> outcomes(size);
  std::vector<std::thread> threads;
  for (size_t rank = 0; rank < size; ++rank) {
    threads.emplace_back([&, rank] {
      try {
        coll::Engine engine(*communicators[rank]);
        body(engine);
      } catch (const Error& error) {
        outcomes[rank] = {error.status(), error.what()};
      }
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  return outcomes;
}

}  // namespace banyan::testing
