// SPDX-License-Identifier: Apache-2.0
#include "c_api/boundary.hpp"

#include <gtest/gtest.h>

#include <stdexcept>

namespace banyan::c_api {
namespace {

TEST(Boundary, BodyReturnsThenOkOrItsStatus) {
  EXPECT_EQ(c_boundary([] {}), BANYAN_OK);
  EXPECT_EQ(c_boundary([] { return BANYAN_IN_PROGRESS; }), BANYAN_IN_PROGRESS);
}

TEST(Boundary, ErrorThenItsStatusAndText) {
  EXPECT_EQ(c_boundary([] { throw Error(BANYAN_ERR_AUTH, "peer 3 has another secret"); }), BANYAN_ERR_AUTH);
  EXPECT_STREQ(banyan_last_error(), "peer 3 has another secret");
}

TEST(Boundary, NoMemoryThenNoMemory) {
  EXPECT_EQ(c_boundary([] { throw std::bad_alloc(); }), BANYAN_ERR_NO_MEMORY);
  EXPECT_STREQ(banyan_last_error(), "out of memory");
}

TEST(Boundary, AnyOtherExceptionThenInternal) {
  EXPECT_EQ(c_boundary([] { throw std::out_of_range("index 7"); }), BANYAN_ERR_INTERNAL);
  EXPECT_STREQ(banyan_last_error(), "index 7");
  EXPECT_EQ(c_boundary([] { throw 42; }), BANYAN_ERR_INTERNAL);
  EXPECT_STRNE(banyan_last_error(), "index 7");
}

TEST(Boundary, TextLongerThanItsPlaceThenCutNotOverrun) {
  EXPECT_EQ(c_boundary([] { throw Error(BANYAN_ERR_IO, std::string(100000, 'x')); }), BANYAN_ERR_IO);
  const std::string text = banyan_last_error();
  EXPECT_GT(text.size(), 1000U);
  EXPECT_EQ(text, std::string(text.size(), 'x'));
}

struct Growing {
  size_t struct_size;
  int first;
  int second;
};

TEST(Complete, OlderAndShorterStructThenRestIsZero) {
  const Growing given{sizeof(size_t) + sizeof(int), 5, 9};
  const Growing full = complete(&given, "config");
  EXPECT_EQ(full.first, 5);
  EXPECT_EQ(full.second, 0);
}

TEST(Complete, NewerAndLongerStructThenInvalidArgument) {
  const Growing given{sizeof(Growing) + 8, 5, 9};
  EXPECT_EQ(c_boundary([&] { static_cast<void>(complete(&given, "config")); }), BANYAN_ERR_INVALID_ARGUMENT);
}

TEST(Fill, OlderAndShorterStructThenOnlyItsBytesAreWritten) {
  Growing out{sizeof(size_t) + sizeof(int), -1, -1};
  fill(&out, Growing{0, 5, 9}, "info");
  EXPECT_EQ(out.first, 5);
  EXPECT_EQ(out.second, -1);
  EXPECT_EQ(out.struct_size, sizeof(size_t) + sizeof(int));
}

}  // namespace
}  // namespace banyan::c_api
