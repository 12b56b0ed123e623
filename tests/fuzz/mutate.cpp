// SPDX-License-Identifier: Apache-2.0
#include "mutate.hpp"

#include <algorithm>
#include <array>
#include <cctype>

namespace banyan::fuzz {
namespace {

constexpr size_t kLongestPiece = 200;

size_t below(size_t limit, std::mt19937& random) { return limit == 0 ? 0 : random() % limit; }

/// A piece of the text: where it begins and how long it is.
std::pair<size_t, size_t> piece_of(const std::string& text, std::mt19937& random) {
  const size_t begin = below(text.size() + 1, random);
  return {begin, below(std::min(text.size() - begin, kLongestPiece) + 1, random)};
}

void flip_bit(std::string& text, std::mt19937& random) {
  if (!text.empty()) {
    char& byte = text[below(text.size(), random)];
    byte = static_cast<char>(byte ^ (1 << below(8, random)));
  }
}

void insert_token(std::string& text, std::mt19937& random) {
  static const std::array<std::string, 24> kTokens = {"\"",   "\\",       "{",       "}",
                                                      "[",    "]",        "<",       ">",
                                                      "/>",   "=",        ":",       ",",
                                                      "-",    "..",       "\n",      "#",
                                                      "null", "\\u0000",  "\\ud800", std::string(1, '\0'),
                                                      "\xff", "\xc3\xa9", "&lt;",    std::string(300, '[')};
  text.insert(below(text.size() + 1, random), kTokens[below(kTokens.size(), random)]);
}

void replace_number(std::string& text, std::mt19937& random) {
  static const std::array<std::string, 14> kNumbers = {"0",
                                                       "-1",
                                                       "1",
                                                       "65536",
                                                       "2147483647",
                                                       "2147483648",
                                                       "-2147483649",
                                                       "4294967296",
                                                       "9223372036854775807",
                                                       "18446744073709551616",
                                                       "1e308",
                                                       "1e999",
                                                       "-0.0",
                                                       "00012"};
  const size_t from = below(text.size() + 1, random);
  const auto is_digit = [](char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; };
  const auto begin = std::find_if(text.begin() + static_cast<std::ptrdiff_t>(from), text.end(), is_digit);
  const auto end = std::find_if_not(begin, text.end(), is_digit);
  text.replace(begin, end, kNumbers[below(kNumbers.size(), random)]);
}

void damage(std::string& text, const std::vector<std::string>& texts, std::mt19937& random) {
  const auto [begin, length] = piece_of(text, random);
  switch (random() % 9) {
    case 0:
      flip_bit(text, random);
      break;
    case 1:
      insert_token(text, random);
      break;
    case 2:
    case 3:
      replace_number(text, random);
      break;
    case 4:
      text.erase(begin, length);
      break;
    case 5:
      text.insert(begin, text.substr(begin, length));
      break;
    case 6: {
      const std::string moved = text.substr(begin, length);
      text.erase(begin, length);
      text.insert(below(text.size() + 1, random), moved);
      break;
    }
    case 7: {
      const std::string& other = texts[below(texts.size(), random)];
      const auto [from, count] = piece_of(other, random);
      text.insert(begin, other.substr(from, count));
      break;
    }
    default:
      text.resize(begin);
  }
}

}  // namespace

std::string mutate(const std::vector<std::string>& texts, size_t index, std::mt19937& random) {
  std::string text = texts[index];
  for (size_t changes = 1 + below(4, random); changes > 0; --changes) {
    damage(text, texts, random);
  }
  return text;
}

}  // namespace banyan::fuzz
