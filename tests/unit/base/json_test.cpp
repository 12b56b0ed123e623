// SPDX-License-Identifier: Apache-2.0
#include "base/json.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <string>

namespace banyan::json {
namespace {

using testing::HasSubstr;

struct BadInput {
  std::string text;
  int line;
  int column;
  std::string reason;
};

std::string nested(int depth) {
  return std::string(static_cast<size_t>(depth), '[') + std::string(static_cast<size_t>(depth), ']');
}

std::string object_with_members(int count) {
  std::string text = "{";
  for (int i = 0; i < count; ++i) {
    text += (i == 0 ? "\"m" : ",\"m") + std::to_string(i) + "\":0";
  }
  return text + "}";
}

TEST(JsonParse, ValidTextThenMembersKeepTheirOrder) {
  const auto result = parse(R"({"z": 1, "a": [true, null, "x"], "m": {"k": 2.5}})");
  ASSERT_TRUE(result.ok()) << result.describe("text");
  EXPECT_EQ(result.value("text").dump(), R"({"z":1,"a":[true,null,"x"],"m":{"k":2.5}})");
}

TEST(JsonParse, SameNameInDifferentObjectsThenAllowed) {
  EXPECT_TRUE(parse(R"({"a": {"a": 1}, "b": {"a": "a"}})").ok());
}

class JsonBadInput : public testing::TestWithParam<BadInput> {};

TEST_P(JsonBadInput, ErrorHasLineColumnAndReason) {
  const BadInput& bad = GetParam();
  const auto result = parse(bad.text);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().line, bad.line) << result.describe("text");
  EXPECT_EQ(result.error().column, bad.column) << result.describe("text");
  EXPECT_THAT(result.error().message, HasSubstr(bad.reason));
  EXPECT_THAT(result.error().message, testing::Not(HasSubstr("json.exception")));
}

INSTANTIATE_TEST_SUITE_P(
    Texts, JsonBadInput,
    testing::Values(BadInput{"", 1, 1, "unexpected end of input"},
                    BadInput{"{\n  \"a\": 1,\n  \"b\" 2\n}", 3, 7, "expected ':'"},
                    BadInput{"[1, 2", 1, 6, "unexpected end of input"},
                    BadInput{"[1] 2", 1, 5, "expected end of input"}, BadInput{"[1e999]", 1, 7, "number overflow"},
                    BadInput{"\"\xff\"", 1, 2, "ill-formed UTF-8"},
                    BadInput{"{\"a\": 1,\n \"b\": \"a\",\n \"a\": 2, \"c\": \"a\"}", 3, 2, "\"a\" appears twice"},
                    BadInput{"{\"a\\\"b\": 1, \"a\\\"b\": 2}", 1, 13, "appears twice"},
                    BadInput{"{\"x\": " + nested(64) + "}", 1, 70, "nested deeper than 64"},
                    BadInput{object_with_members(4097), 1, 39852, "more than 4096 members"}));

TEST(JsonParse, AsDeepAndAsWideAsAllowedThenParsed) {
  EXPECT_TRUE(parse(nested(64)).ok());
  EXPECT_TRUE(parse(object_with_members(4096)).ok());
}

TEST(JsonParse, BracketsInStringsThenNotCountedAsDepth) {
  const std::string text = "[\"" + std::string(100, '[') + "\\\"" + std::string(100, '{') + "\"]";
  EXPECT_TRUE(parse(text).ok());
}

TEST(JsonParse, MillionOpenBracketsThenErrorNotOverflow) {
  const auto result = parse(std::string(1000000, '['));
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().column, 65);
}

TEST(JsonParse, AnyBytesThenValueOrErrorWithinTheText) {
  EXPECT_TRUE(rc::check([](const std::vector<char>& bytes) {
    const std::string text(bytes.begin(), bytes.end());
    const auto result = parse(text);
    if (!result.ok()) {
      RC_ASSERT(result.error().line >= 1);
      RC_ASSERT(result.error().column >= 1);
      RC_ASSERT(result.error().column <= static_cast<int>(text.size()) + 1);
    }
  }));
}

/// Up to the limit of a file, or as much as a sanitizer can take in a test's time.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED
constexpr size_t kHostileBytes = size_t{2} << 20;
#else
constexpr size_t kHostileBytes = size_t{16} << 20;
#endif

std::string repeated(const std::string& piece) {
  std::string text = "[";
  while (text.size() + piece.size() + 1 < kHostileBytes) {
    text += piece + ",";
  }
  return text + "0]";
}

TEST(JsonParse, MuchHostileTextThenTimeIsLinear) {
  // Quadratic time in any of these is more than the test's own limit.
  std::string wide = object_with_members(4096);
  for (const std::string& piece : {std::string(R"({"member":1,"other":[]})"), nested(63), wide}) {
    const auto result = parse(repeated(piece));
    if (!result.ok()) {
      EXPECT_THAT(result.error().message, HasSubstr("MiB of memory"));
    }
  }
  EXPECT_TRUE(parse("\"" + std::string(kHostileBytes, 'a') + "\"").ok());
  EXPECT_TRUE(parse(repeated("12345")).ok());
}

#ifndef SANITIZED  // they need several times the memory
TEST(JsonParse, LittleTextThatTakesMuchMemoryThenRefused) {
  std::string text = "[";
  while (text.size() < (size_t{24} << 20)) {
    text += "[],";
  }
  const auto result = parse(text);
  ASSERT_FALSE(result.ok());
  EXPECT_THAT(result.error().message, HasSubstr("more than 512 MiB of memory"));
}
#endif

TEST(JsonParse, LongerThanTheLimitThenRefused) {
  const auto result = parse(std::string(kMaxTextBytes + 1, ' '));
  ASSERT_FALSE(result.ok());
  EXPECT_THAT(result.error().message, HasSubstr("longer than 64 MiB"));
}

Value random_value(int depth) {
  const int kind = *rc::gen::inRange(0, depth > 0 ? 7 : 5);
  switch (kind) {
    case 0:
      return nullptr;
    case 1:
      return *rc::gen::arbitrary<bool>();
    case 2:
      return *rc::gen::arbitrary<int64_t>();
    case 3:
      return static_cast<double>(*rc::gen::arbitrary<int32_t>()) / 64;
    case 4:
      return *rc::gen::string<std::string>();
    default:
      break;
  }
  Value value = kind == 5 ? Value::array() : Value::object();
  for (int i = *rc::gen::inRange(0, 5); i > 0; --i) {
    if (kind == 5) {
      value.push_back(random_value(depth - 1));
    } else {
      value["member " + std::to_string(i)] = random_value(depth - 1);
    }
  }
  return value;
}

TEST(JsonParse, AnyValuePrintedThenParsesBackEqual) {
  EXPECT_TRUE(rc::check([] {
    const Value value = random_value(4);
    const std::string text = value.dump(*rc::gen::inRange(-1, 3), ' ', true, Value::error_handler_t::replace);
    const auto result = parse(text);
    RC_ASSERT(result.ok());
    RC_ASSERT(result.value("text") == Value::parse(text));
  }));
}

TEST(JsonParse, AnyTruncationThenError) {
  const std::string text = R"({"format": "x", "hosts": [{"key": "a\u00e9", "n": -1.5e3}], "ok": true})";
  for (size_t size = 0; size < text.size(); ++size) {
    EXPECT_FALSE(parse(text.substr(0, size)).ok()) << text.substr(0, size);
  }
  EXPECT_TRUE(parse(text).ok());
}

}  // namespace
}  // namespace banyan::json
