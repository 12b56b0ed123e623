// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "base/error.hpp"
#include "transport/registry.hpp"

namespace banyan::transport {
namespace {

/// The text with which a table that `change` spoiled is refused.
std::string refusal(const std::function<void(banyan_transport_ops&)>& change) {
  banyan_transport_ops table = inproc_table();
  change(table);
  try {
    (void)complete_table(table, "test");
    return "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), BANYAN_ERR_NOT_SUPPORTED);
    return error.what();
  }
}

TEST(CompleteTable, CompleteTableIsKept) {
  const auto table = complete_table(inproc_table(), "test");
  EXPECT_EQ(table->post_send, inproc_table().post_send);
  EXPECT_EQ(table->window_free, inproc_table().window_free);
}

TEST(CompleteTable, EachRequiredMemberIsNamedWhenNull) {
  using testing::HasSubstr;
  EXPECT_THAT(refusal([](auto& t) { t.open = nullptr; }), HasSubstr("open is NULL"));
  EXPECT_THAT(refusal([](auto& t) { t.close = nullptr; }), HasSubstr("close is NULL"));
  EXPECT_THAT(refusal([](auto& t) { t.get_address = nullptr; }), HasSubstr("get_address is NULL"));
  EXPECT_THAT(refusal([](auto& t) { t.is_reachable = nullptr; }), HasSubstr("is_reachable is NULL"));
  EXPECT_THAT(refusal([](auto& t) { t.connect = nullptr; }), HasSubstr("connect is NULL"));
  EXPECT_THAT(refusal([](auto& t) { t.post_send = nullptr; }), HasSubstr("post_send is NULL"));
  EXPECT_THAT(refusal([](auto& t) { t.post_recv = nullptr; }), HasSubstr("post_recv is NULL"));
  EXPECT_THAT(refusal([](auto& t) { t.progress = nullptr; }), HasSubstr("progress is NULL"));
  EXPECT_THAT(refusal([](auto& t) { t.cancel = nullptr; }), HasSubstr("cancel is NULL"));
  EXPECT_THAT(refusal([](auto& t) { t.last_error = nullptr; }), HasSubstr("last_error is NULL"));
}

TEST(CompleteTable, HalfAGroupIsRefused) {
  using testing::HasSubstr;
  EXPECT_THAT(refusal([](auto& t) { t.register_memory = nullptr; }), HasSubstr("register_memory is NULL"));
  EXPECT_THAT(refusal([](auto& t) { t.deregister_memory = nullptr; }), HasSubstr("deregister_memory is NULL"));
  EXPECT_THAT(refusal([](auto& t) { t.window_create = nullptr; }), HasSubstr("window_create is NULL"));
  EXPECT_THAT(refusal([](auto& t) { t.window_export = nullptr; }), HasSubstr("window_export is NULL"));
  EXPECT_THAT(refusal([](auto& t) { t.window_map = nullptr; }), HasSubstr("window_map is NULL"));
  EXPECT_THAT(refusal([](auto& t) { t.window_unmap = nullptr; }), HasSubstr("window_unmap is NULL"));
  EXPECT_THAT(refusal([](auto& t) { t.window_free = nullptr; }), HasSubstr("window_free is NULL"));
}

TEST(CompleteTable, WindowsWithoutTheirCapabilityAreRefused) {
  EXPECT_THAT(refusal([](auto& t) { t.capabilities = 0; }), testing::HasSubstr("CAP_MAPPED is not set"));
}

TEST(CompleteTable, ReservedAndEmptyNameAreRefused) {
  EXPECT_THAT(refusal([](auto& t) { t.reserved = 1; }), testing::HasSubstr("reserved"));
  EXPECT_THAT(refusal([](auto& t) { t.name = ""; }), testing::HasSubstr("name"));
  EXPECT_THAT(refusal([](auto& t) { t.version = 0; }), testing::HasSubstr("version 0"));
}

TEST(CompleteTable, UnknownCapabilitiesAreDropped) {
  banyan_transport_ops table = inproc_table();
  table.capabilities |= UINT64_C(1) << 60;
  EXPECT_EQ(complete_table(table, "test")->capabilities, inproc_table().capabilities);
}

}  // namespace
}  // namespace banyan::transport
