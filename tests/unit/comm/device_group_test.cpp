// SPDX-License-Identifier: Apache-2.0
// Communicators that cannot have a device group, whatever their devices.
#include "comm/device_group.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "base/error.hpp"
#include "comm/factory.hpp"

namespace banyan::comm {
namespace {

using testing::AllOf;
using testing::Each;
using testing::HasSubstr;

/// What each rank is told when all make a group.
std::vector<std::string> refusals(const std::vector<Settings>& settings) {
  const auto communicators = create_local(settings);
  std::vector<std::string> texts(communicators.size());
  std::vector<std::thread> threads;
  for (size_t rank = 0; rank < communicators.size(); ++rank) {
    threads.emplace_back([&, rank] {
      try {
        const DeviceGroup group(*communicators[rank], {});
      } catch (const Error& error) {
        texts[rank] = std::string(std::to_string(error.status())) + " " + error.what();
      }
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  return texts;
}

TEST(DeviceGroup, RanksOfTwoHostsAreToldToSplit) {
  std::vector<Settings> settings(3);
  settings[2].host_id = "elsewhere";
  settings[0].host_id = settings[1].host_id = "here";
  const auto texts = refusals(settings);
  EXPECT_THAT(texts, Each(AllOf(HasSubstr(std::to_string(BANYAN_ERR_NOT_SUPPORTED) + " "), HasSubstr("rank 0 is on"),
                                HasSubstr("rank 2 on"), HasSubstr("split the communicator by host"))));
}

TEST(DeviceGroup, MoreRanksThanAGroupHasAreRefused) {
  const auto texts = refusals(std::vector<Settings>(BANYAN_DEVICE_MAX_RANKS + 1));
  EXPECT_THAT(texts, Each(AllOf(HasSubstr(std::to_string(BANYAN_ERR_LIMIT) + " "), HasSubstr("at most 72 ranks"),
                                HasSubstr("has 73"))));
}

}  // namespace
}  // namespace banyan::comm
