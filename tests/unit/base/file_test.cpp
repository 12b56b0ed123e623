// SPDX-License-Identifier: Apache-2.0
#include "base/file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>

#include "base/error.hpp"

namespace banyan::file {
namespace {

using testing::HasSubstr;

class File : public testing::Test {
 protected:
  File() {
    std::string pattern = testing::TempDir() + "banyan_file_XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
  }
  ~File() override { std::filesystem::remove_all(folder_); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  [[nodiscard]] std::string path(const std::string& name) const { return folder_ + "/" + name; }
  [[nodiscard]] size_t num_files() const {
    return static_cast<size_t>(
        std::distance(std::filesystem::directory_iterator(folder_), std::filesystem::directory_iterator()));
  }

  template <typename Function>
  static void expect_error(banyan_status status, const std::string& part, Function function) {
    try {
      function();
      ADD_FAILURE() << "no exception; expected " << part;
    } catch (const Error& error) {
      EXPECT_EQ(error.status(), status) << error.what();
      EXPECT_THAT(error.what(), HasSubstr(part));
    }
  }

  std::string folder_;
};

TEST_F(File, WrittenThenReadBackWithAllBytes) {
  std::string content(200000, '\0');
  for (size_t i = 0; i < content.size(); ++i) {
    content[i] = static_cast<char>(i * 31);
  }
  write_atomically(path("a"), content);
  EXPECT_EQ(read(path("a")), content);
}

TEST_F(File, ReplacedThenNewContentAndNoTemporaryIsLeft) {
  write_atomically(path("a"), "old and longer");
  write_atomically(path("a"), "new");
  EXPECT_EQ(read(path("a")), "new");
  EXPECT_EQ(num_files(), 1U);
}

TEST_F(File, AtTheLimitThenReadAndOneByteMoreThenLimit) {
  write_atomically(path("a"), std::string(100000, 'x'));
  EXPECT_EQ(read(path("a"), 100000).size(), 100000U);
  expect_error(BANYAN_ERR_LIMIT, "99999 bytes", [&] { (void)read(path("a"), 99999); });
}

TEST_F(File, AbsentThenNotFoundNamesIt) {
  expect_error(BANYAN_ERR_NOT_FOUND, path("absent"), [&] { (void)read(path("absent")); });
}

TEST_F(File, FifoWithoutWriterThenRefusedWithoutWaiting) {
  ASSERT_EQ(::mkfifo(path("fifo").c_str(), 0600), 0);
  expect_error(BANYAN_ERR_IO, "not a regular file", [&] { (void)read(path("fifo")); });
}

TEST_F(File, DeviceOrFolderThenRefused) {
  expect_error(BANYAN_ERR_IO, "not a regular file", [] { (void)read("/dev/zero"); });
  expect_error(BANYAN_ERR_IO, "not a regular file", [&] { (void)read(folder_); });
}

TEST_F(File, TargetIsAFolderThenErrorAndNoTemporaryIsLeft) {
  ASSERT_TRUE(std::filesystem::create_directory(path("folder")));
  expect_error(BANYAN_ERR_IO, "cannot replace", [&] { write_atomically(path("folder"), "x"); });
  EXPECT_EQ(num_files(), 1U);
}

TEST_F(File, FolderIsAbsentThenNotFound) {
  expect_error(BANYAN_ERR_NOT_FOUND, "temporary file", [&] { write_atomically(path("no/file"), "x"); });
}

}  // namespace
}  // namespace banyan::file
