// SPDX-License-Identifier: Apache-2.0
#include "base/dl.hpp"

#include <gtest/gtest.h>

#include "base/error.hpp"

namespace banyan {
namespace {

TEST(DynamicLibrary, ExistingSymbolThenCallable) {
  const DynamicLibrary library = DynamicLibrary::open(TEST_LIBRARY_PATH);
  auto* const answer = library.function<int (*)()>("base_test_library_answer");
  ASSERT_NE(answer, nullptr);
  EXPECT_EQ(answer(), 42);
}

TEST(DynamicLibrary, AbsentSymbolThenNull) {
  const DynamicLibrary library = DynamicLibrary::open(TEST_LIBRARY_PATH);
  EXPECT_EQ(library.symbol("base_test_library_question"), nullptr);
}

TEST(DynamicLibrary, SymbolsOfALoadedLibraryAreNotGlobal) {
  const DynamicLibrary library = DynamicLibrary::open(TEST_LIBRARY_PATH);
  ASSERT_NE(library.symbol("base_test_library_answer"), nullptr);
  const DynamicLibrary libc = DynamicLibrary::open("libc.so.6");
  EXPECT_EQ(libc.symbol("base_test_library_answer"), nullptr);
}

TEST(DynamicLibrary, AbsentFileThenNotFoundNamesItAndTheReason) {
  try {
    (void)DynamicLibrary::open("/nonexistent/libnothing.so");
    FAIL() << "no exception";
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), BANYAN_ERR_NOT_FOUND);
    EXPECT_NE(std::string(error.what()).find("/nonexistent/libnothing.so"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("No such file"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace banyan
