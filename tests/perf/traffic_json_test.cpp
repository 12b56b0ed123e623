// SPDX-License-Identifier: Apache-2.0
#include "compare/traffic_json.hpp"

#include <gtest/gtest.h>

#include "common/failure.hpp"

namespace banyan::perf {
namespace {

TEST(TrafficJson, ComesBackAsItWas) {
  for (const Traffic& traffic : {uniform_traffic(3, 64, 8), matrix_traffic(2, {1, 2, 3, 4}, 1)}) {
    const Traffic back = traffic_from_json(to_json(traffic));
    EXPECT_EQ(back.num_ranks, traffic.num_ranks);
    EXPECT_EQ(back.element_size, traffic.element_size);
    EXPECT_EQ(back.bytes, traffic.bytes);
    EXPECT_EQ(back.uniform_bytes, traffic.uniform_bytes);
  }
}

TEST(TrafficJson, ThatIsNoSquareMatrixIsRefused) {
  Json json = to_json(uniform_traffic(3, 64, 8));
  json["ranks"] = 4;
  EXPECT_THROW((void)traffic_from_json(json), Failure);
  EXPECT_THROW((void)traffic_from_json(Json::object()), Failure);
  EXPECT_THROW((void)traffic_from_json(Json("text")), Failure);
}

}  // namespace
}  // namespace banyan::perf
