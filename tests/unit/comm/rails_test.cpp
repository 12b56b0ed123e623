// SPDX-License-Identifier: Apache-2.0
// Which networks messages are spread over.
#include "comm/rails.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace banyan::comm {
namespace {

constexpr double kGigabit = 125e6;

/// Two hosts of two ranks, each with the given interfaces; `last` is the last number of a host's addresses.
using Host = std::vector<Interface>;
Rails rails_of(const Host& first, const Host& second, size_t most = 0) {
  return choose_rails({first, first, second, second}, {7, 7, 9, 9}, most);
}

Interface on(const std::string& subnet, int host, double bytes_per_s = kGigabit) {
  return {.name = "eth" + subnet,
          .subnet = "10." + subnet + ".0.0/24",
          .address = "10." + subnet + ".0." + std::to_string(host),
          .bytes_per_s = bytes_per_s};
}

TEST(Rails, AreTheSubnetsThatAllRanksAreIn) {
  const Rails rails = rails_of({on("1", 1), on("2", 1), on("3", 1)}, {on("3", 2), on("1", 2)});
  EXPECT_EQ(rails.subnets, std::vector<std::string>({"10.1.0.0/24", "10.3.0.0/24"}));
  EXPECT_EQ(rails.pattern, std::vector<int>({0, 1}));
  EXPECT_EQ(rails_of({on("1", 1)}, {on("2", 2)}).count(), 0U);
  EXPECT_EQ(rails_of({}, {on("2", 2)}).count(), 0U);
}

TEST(Rails, AreAtMostAsManyAsAskedForFastestFirst) {
  const Host first = {on("1", 1), on("2", 1, 2 * kGigabit), on("3", 1)};
  const Host second = {on("1", 2), on("2", 2, 2 * kGigabit), on("3", 2)};
  EXPECT_EQ(rails_of(first, second, 2).subnets, std::vector<std::string>({"10.2.0.0/24", "10.1.0.0/24"}));
}

TEST(Rails, NetworksOfTheHostAloneAreNone) {
  // Docker gives every host the same address.
  const Rails rails = rails_of({on("1", 1), on("172", 1)}, {on("1", 2), on("172", 1)});
  EXPECT_EQ(rails.subnets, std::vector<std::string>({"10.1.0.0/24"}));
}

TEST(Rails, SlowNetworksAreLeftAlone) {
  const Rails rails = rails_of({on("1", 1, 100 * kGigabit), on("2", 1)}, {on("1", 2, 100 * kGigabit), on("2", 2)});
  EXPECT_EQ(rails.subnets, std::vector<std::string>({"10.1.0.0/24"}));
}

TEST(Rails, ShareMessagesByTheirSlowestInterface) {
  const Rails rails = rails_of({on("1", 1, 3 * kGigabit), on("2", 1)}, {on("1", 2, 5 * kGigabit), on("2", 2)});
  ASSERT_EQ(rails.count(), 2U);
  EXPECT_EQ(std::count(rails.pattern.begin(), rails.pattern.end(), 0),
            3 * std::count(rails.pattern.begin(), rails.pattern.end(), 1));
  // Spread, not in a row: of any four, one.
  for (size_t i = 0; i + 4 <= rails.pattern.size(); ++i) {
    EXPECT_EQ(
        std::count(rails.pattern.begin() + static_cast<long>(i), rails.pattern.begin() + static_cast<long>(i) + 4, 1),
        1);
  }
}

TEST(Rails, ThatAreKeptShareAnew) {
  const Rails rails =
      rails_of({on("1", 1, 3 * kGigabit), on("2", 1), on("3", 1)}, {on("1", 2, 3 * kGigabit), on("2", 2), on("3", 2)});
  ASSERT_EQ(rails.count(), 3U);
  const Rails two = keep_rails(rails, {false, true, true});
  EXPECT_EQ(two.subnets, std::vector<std::string>({"10.2.0.0/24", "10.3.0.0/24"}));
  EXPECT_EQ(two.pattern, std::vector<int>({0, 1}));
}

TEST(Rails, OfUnknownSpeedsCountAsEqual) {
  const Rails rails = rails_of({on("1", 1, 0), on("2", 1)}, {on("1", 2, 0), on("2", 2)});
  EXPECT_EQ(rails.count(), 2U);
  EXPECT_EQ(rails.pattern.size(), 2U);
}

TEST(Rails, InterfacesSurviveTheirText) {
  const Host host = {on("1", 1, 1.0 / 3), on("2", 200, 0)};
  EXPECT_EQ(interfaces_from_text(to_text(host)), host);
  EXPECT_TRUE(interfaces_from_text("").empty());
}

TEST(Rails, OwnInterfacesAreNeitherLoopbackNorUnasked) {
  for (const Interface& interface : own_interfaces("")) {
    EXPECT_FALSE(interface.address.starts_with("127."));
  }
  EXPECT_TRUE(own_interfaces("no_such_interface").empty());
}

}  // namespace
}  // namespace banyan::comm
