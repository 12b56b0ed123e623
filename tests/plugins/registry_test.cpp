// SPDX-License-Identifier: Apache-2.0
#include "transport/registry.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/error.hpp"
#include "transport/transport.hpp"

namespace banyan::transport {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;

/// The registry with BANYAN_PLUGIN_PATH set to the mocks.
class Registry : public testing::Test {
 protected:
  Registry() { ::setenv("BANYAN_PLUGIN_PATH", MOCK_FOLDER, 1); }
  ~Registry() override { ::unsetenv("BANYAN_PLUGIN_PATH"); }

  /// Status and text with which finding the transport fails.
  static std::pair<banyan_status, std::string> failure_of(const std::string& name) {
    try {
      (void)TransportRegistry().find(name);
      return {BANYAN_OK, ""};
    } catch (const Error& error) {
      return {error.status(), error.what()};
    }
  }
  static void expect_refused(const std::string& name, const std::string& reason) {
    const auto [status, text] = failure_of(name);
    EXPECT_EQ(status, BANYAN_ERR_NOT_SUPPORTED);
    EXPECT_THAT(text, AllOf(HasSubstr("libbanyan_transport_" + name + ".so"), HasSubstr(reason)));
  }
};

TEST_F(Registry, OwnTransportsAreFoundWithoutAPath) {
  ::unsetenv("BANYAN_PLUGIN_PATH");
  TransportRegistry registry;
  EXPECT_STREQ(registry.find("inproc").name, "inproc");
  EXPECT_STREQ(registry.find("shm").name, "shm");
}

TEST_F(Registry, PluginIsFoundInThePath) {
  TransportRegistry registry;
  const banyan_transport_ops& ops = registry.find("mock_good");
  EXPECT_STREQ(ops.name, "mock_good");
  EXPECT_EQ(ops.struct_size, sizeof(banyan_transport_ops));
}

TEST_F(Registry, PathHasSeveralFoldersAndEmptyOnes) {
  ::setenv("BANYAN_PLUGIN_PATH", ":/nonexistent::" MOCK_FOLDER, 1);
  EXPECT_STREQ(TransportRegistry().find("mock_good").name, "mock_good");
}

TEST_F(Registry, TableOutlivesTheRegistryAndIsMadeOnce) {
  const banyan_transport_ops* first = &TransportRegistry().find("mock_good");
  const banyan_transport_ops* second = &TransportRegistry().find("mock_good");
  EXPECT_EQ(first, second);
  EXPECT_STREQ(first->name, "mock_good");
}

TEST_F(Registry, AbsentOptionalOperationsAnswerNotSupported) {
  const banyan_transport_ops& ops = TransportRegistry().find("mock_good");
  void* out = nullptr;
  size_t size = 0;
  EXPECT_EQ(ops.register_memory(nullptr, nullptr, 0, &out), BANYAN_ERR_NOT_SUPPORTED);
  EXPECT_EQ(ops.deregister_memory(nullptr, nullptr), BANYAN_ERR_NOT_SUPPORTED);
  EXPECT_EQ(ops.window_create(nullptr, 1, &out, &out), BANYAN_ERR_NOT_SUPPORTED);
  EXPECT_EQ(ops.window_export(nullptr, nullptr, nullptr, &size), BANYAN_ERR_NOT_SUPPORTED);
  EXPECT_EQ(ops.window_map(nullptr, 0, nullptr, 0, &out, &out), BANYAN_ERR_NOT_SUPPORTED);
  EXPECT_EQ(ops.window_unmap(nullptr, nullptr), BANYAN_ERR_NOT_SUPPORTED);
  EXPECT_EQ(ops.window_free(nullptr, nullptr), BANYAN_ERR_NOT_SUPPORTED);
}

TEST_F(Registry, OlderShorterTableIsUpgraded) {
  const banyan_transport_ops& ops = TransportRegistry().find("mock_older");
  EXPECT_EQ(ops.struct_size, sizeof(banyan_transport_ops));
  EXPECT_EQ(ops.window_free(nullptr, nullptr), BANYAN_ERR_NOT_SUPPORTED);
}

TEST_F(Registry, LongerTableIsCutToWhatIsKnown) {
  EXPECT_EQ(TransportRegistry().find("mock_longer").struct_size, sizeof(banyan_transport_ops));
}

TEST_F(Registry, TableThatEndsBeforeARequiredMemberIsRefused) { expect_refused("mock_cut", "struct_size"); }
TEST_F(Registry, MissingRequiredOperationIsNamed) { expect_refused("mock_missing", "post_recv"); }
TEST_F(Registry, UnknownVersionIsRefused) { expect_refused("mock_version", "version 99"); }
TEST_F(Registry, PluginWithoutAKnownVersionIsRefused) { expect_refused("mock_newer", "no table of version"); }
TEST_F(Registry, LibraryWithoutTheSymbolIsRefused) { expect_refused("mock_no_query", "banyan_transport_query"); }
TEST_F(Registry, HalfFilledGroupIsRefused) { expect_refused("mock_half", "window_create is NULL"); }
TEST_F(Registry, NullNameIsRefused) { expect_refused("mock_null_name", "name"); }
TEST_F(Registry, OtherNameThanTheFilesIsRefused) { expect_refused("mock_renamed", "something_else"); }
TEST_F(Registry, MappedCapabilityWithoutWindowsIsRefused) { expect_refused("mock_no_windows", "CAP_MAPPED is set"); }

TEST_F(Registry, UnknownNameListsFoldersAndWhatThereIs) {
  const auto [status, text] = failure_of("nosuch");
  EXPECT_EQ(status, BANYAN_ERR_NOT_FOUND);
  EXPECT_THAT(text, AllOf(HasSubstr(MOCK_FOLDER), HasSubstr("libbanyan_transport_nosuch.so"), HasSubstr("mock_good"),
                          HasSubstr("inproc"), HasSubstr("shm"), HasSubstr("BANYAN_PLUGIN_PATH")));
}

TEST_F(Registry, NameThatIsAPathIsRefused) {
  EXPECT_EQ(failure_of("../mocks/x").first, BANYAN_ERR_INVALID_ARGUMENT);
  EXPECT_EQ(failure_of("").first, BANYAN_ERR_INVALID_ARGUMENT);
}

TEST_F(Registry, FileThatIsNoLibraryGivesTheLoadersText) {
  const auto folder = std::filesystem::temp_directory_path() / ("banyan-registry-" + std::to_string(::getpid()));
  std::filesystem::create_directory(folder);
  std::ofstream(folder / "libbanyan_transport_broken.so") << "not a library";
  ::setenv("BANYAN_PLUGIN_PATH", folder.c_str(), 1);
  const auto [status, text] = failure_of("broken");
  EXPECT_EQ(status, BANYAN_ERR_NOT_FOUND);
  EXPECT_THAT(text, HasSubstr("libbanyan_transport_broken.so"));
  std::filesystem::remove_all(folder);
}

TEST_F(Registry, AvailableListsOwnTransportsAndPlugins) {
  const auto names = TransportRegistry().available();
  EXPECT_THAT(names, AllOf(Contains("inproc"), Contains("shm"), Contains("mock_good")));
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
}

TEST_F(Registry, WrapperThrowsWithThePluginsText) {
  const banyan_transport_ops& ops = TransportRegistry().find("mock_good");
  banyan_transport_config config{};
  config.struct_size = sizeof(config);
  config.rank = 1;
  config.size = 1;
  try {
    const Transport transport(ops, config);
    FAIL() << "open succeeded";
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), BANYAN_ERR_INVALID_ARGUMENT);
    EXPECT_THAT(error.what(), AllOf(HasSubstr("mock_good"), HasSubstr("open failed")));
  }
  config.rank = 0;
  Transport transport(ops, config);
  EXPECT_EQ(transport.address(), "m");
  EXPECT_TRUE(transport.is_reachable(0, "m"));
  EXPECT_FALSE(transport.is_reachable(0, "x"));
  EXPECT_THROW(transport.connect(0, "x"), Error);
  EXPECT_THROW(Transport::Window(transport, 4096), Error);
  EXPECT_THROW(Transport::Mapping(transport, 0, "handle"), Error);
}

}  // namespace
}  // namespace banyan::transport
