// SPDX-License-Identifier: Apache-2.0
#include "device/table.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdlib>
#include <functional>
#include <string>
#include <utility>

#include "base/error.hpp"
#include "device/device.hpp"

namespace banyan::device {
namespace {

using testing::AllOf;
using testing::HasSubstr;

/// With BANYAN_PLUGIN_PATH set to the plugin of made-up devices.
class Table : public testing::Test {
 protected:
  Table() { ::setenv("BANYAN_PLUGIN_PATH", DEVICE_FOLDER, 1); }
  ~Table() override {
    ::unsetenv("BANYAN_PLUGIN_PATH");
    ::unsetenv("FAKE_DEVICE_COUNT");
  }

  static std::pair<banyan_status, std::string> failure_of(const std::function<void()>& body) {
    try {
      body();
      return {BANYAN_OK, ""};
    } catch (const Error& error) {
      return {error.status(), error.what()};
    }
  }
  /// A table that is right but for what `spoil` does to it.
  static void expect_refused(const std::function<void(banyan_device_ops&)>& spoil, const std::string& reason) {
    banyan_device_ops table = find_table("host");
    spoil(table);
    const auto [status, text] = failure_of([&] { check_table(table, "a file"); });
    EXPECT_EQ(status, BANYAN_ERR_NOT_SUPPORTED);
    EXPECT_THAT(text, AllOf(HasSubstr("device table of a file"), HasSubstr(reason)));
  }
};

TEST_F(Table, PluginIsFoundInThePathAndItsTableIsTheSameEachTime) {
  EXPECT_STREQ(find_table("host").name, "host");
  EXPECT_EQ(&find_table("host"), &find_table("host"));
}

TEST_F(Table, UnknownNameListsFoldersAndWhatThereIs) {
  const auto [status, text] = failure_of([] { static_cast<void>(find_table("nosuch")); });
  EXPECT_EQ(status, BANYAN_ERR_NOT_FOUND);
  EXPECT_THAT(text, AllOf(HasSubstr("no device \"nosuch\""), HasSubstr("libbanyan_device_nosuch.so"),
                          HasSubstr(DEVICE_FOLDER), HasSubstr("there are: "), HasSubstr("host")));
}

TEST_F(Table, NameThatIsAPathIsRefused) {
  const auto [status, text] = failure_of([] { static_cast<void>(find_table("../host")); });
  EXPECT_EQ(status, BANYAN_ERR_INVALID_ARGUMENT);
  EXPECT_THAT(text, HasSubstr("lower-case"));
}

TEST_F(Table, MissingOperationIsNamed) {
  expect_refused([](banyan_device_ops& table) { table.group_describe = nullptr; }, "group_describe is NULL");
  expect_refused([](banyan_device_ops& table) { table.exchange = nullptr; }, "exchange is NULL");
}
TEST_F(Table, UnknownVersionIsRefused) {
  expect_refused([](banyan_device_ops& table) { table.version = 99; }, "version 99");
}
TEST_F(Table, TableThatEndsTooEarlyIsRefused) {
  expect_refused([](banyan_device_ops& table) { table.struct_size = offsetof(banyan_device_ops, group_describe); },
                 "struct_size");
}
TEST_F(Table, TableWithoutANameIsRefused) {
  expect_refused([](banyan_device_ops& table) { table.name = nullptr; }, "name is missing");
}
TEST_F(Table, LongerTableIsTaken) {
  banyan_device_ops table = find_table("host");
  table.struct_size += 64;
  EXPECT_NO_THROW(check_table(table, "a file"));
}

TEST_F(Table, TableOfBeforeThereWereExchangesByExpertsIsTakenAndHasNone) {
  const auto expect_none = [](const std::function<void(banyan_device_ops&)>& spoil) {
    banyan_device_ops table = find_table("host");
    spoil(table);
    EXPECT_NO_THROW(check_table(table, "a file"));
    const auto [status, text] = failure_of([&] { require_experts(table); });
    EXPECT_EQ(status, BANYAN_ERR_NOT_SUPPORTED);
    EXPECT_THAT(text, HasSubstr("device host: this plugin has no token exchanges by experts"));
  };
  EXPECT_NO_THROW(require_experts(find_table("host")));
  expect_none([](banyan_device_ops& table) { table.struct_size = offsetof(banyan_device_ops, experts_area_bytes); });
  expect_none([](banyan_device_ops& table) { table.struct_size -= sizeof(table.experts_combine); });
  expect_none([](banyan_device_ops& table) { table.experts_received = nullptr; });
}

TEST_F(Table, DeviceThatIsNotThereIsNamed) {
  const banyan_device_ops& ops = find_table("host");
  EXPECT_NO_THROW(require_device(ops, 7));
  const auto [status, text] = failure_of([&] { require_device(ops, 8); });
  EXPECT_EQ(status, BANYAN_ERR_INVALID_ARGUMENT);
  EXPECT_THAT(text, HasSubstr("device is 8, this process has 8 of host"));
  EXPECT_EQ(failure_of([&] { require_device(ops, -1); }).first, BANYAN_ERR_INVALID_ARGUMENT);
}

TEST_F(Table, WithoutADriverThePluginsTextIsTheErrors) {
  ::setenv("FAKE_DEVICE_COUNT", "0", 1);
  const auto [status, text] = failure_of([] { require_device(find_table("host"), 0); });
  EXPECT_EQ(status, BANYAN_ERR_NOT_SUPPORTED);
  EXPECT_THAT(text, HasSubstr("device host: count: there is no driver on this machine"));
}

TEST_F(Table, WindowHoldsWhatLiesInIt) {
  Device device(find_table("host"), 0, 1);
  const Window window(device, 100);
  EXPECT_TRUE(window.holds(window.base(), 100));
  EXPECT_TRUE(window.holds(window.base() + 100, 0));
  EXPECT_FALSE(window.holds(window.base() + 1, 100));
  EXPECT_FALSE(window.holds(window.base() - 1, 1));
  EXPECT_FALSE(window.holds(window.base() + 50, SIZE_MAX));
}

}  // namespace
}  // namespace banyan::device
