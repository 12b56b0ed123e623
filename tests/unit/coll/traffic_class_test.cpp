// SPDX-License-Identifier: Apache-2.0
#include "coll/traffic_class.hpp"

#include <gtest/gtest.h>

namespace banyan::coll {
namespace {

void observe(TrafficClass& traffic, std::initializer_list<int> widths) {
  for (const int width : widths) {
    traffic.observe(width);
  }
}

TEST(TrafficClass, WidthIsThatOfTheNumber) {
  EXPECT_EQ(TrafficClass::width_of(0), 0U);
  EXPECT_EQ(TrafficClass::width_of(1), 1U);
  EXPECT_EQ(TrafficClass::width_of(1024), 11U);
  EXPECT_LT(TrafficClass::width_of(SIZE_MAX), uint32_t{1} << TrafficClass::kWidthBits);
}

TEST(TrafficClass, ChangesAfterAFewCallsOfAnotherSize) {
  TrafficClass traffic;
  observe(traffic, {12, 12});
  EXPECT_EQ(traffic.width(), 0);
  observe(traffic, {12});
  EXPECT_EQ(traffic.width(), 12);
}

TEST(TrafficClass, SizesAroundAPowerOfTwoAreOfOneClass) {
  TrafficClass traffic;
  observe(traffic, {12, 12, 12, 13, 13, 13, 13, 11, 11, 11, 12, 13});
  EXPECT_EQ(traffic.width(), 12);
}

TEST(TrafficClass, SingleOddCallsDoNotChangeIt) {
  TrafficClass traffic;
  observe(traffic, {12, 12, 12, 20, 20, 12, 20, 20, 12, 0, 12});
  EXPECT_EQ(traffic.width(), 12);
}

TEST(TrafficClass, NothingIsAClassOfItsOwn) {
  TrafficClass traffic;
  observe(traffic, {1, 1, 1});
  EXPECT_EQ(traffic.width(), 1);
  observe(traffic, {0, 0, 0});
  EXPECT_EQ(traffic.width(), 0);
}

}  // namespace
}  // namespace banyan::coll
