// SPDX-License-Identifier: Apache-2.0
#include "moe/exchange/rank_names.hpp"

#include <cctype>
#include <charconv>
#include <optional>
#include <utility>

namespace banyan::moe {
namespace {

/// Reads `text` from left to right and writes what it becomes.
class Renamer {
 public:
  Renamer(std::string_view text, std::span<const int> members, int world_size)
      : text_(text), members_(members), world_size_(world_size) {}

  std::string run() {
    while (at_ < text_.size()) {
      const bool at_word = at_ == 0 || std::isalnum(static_cast<unsigned char>(text_[at_ - 1])) == 0;
      if (at_word && pass("ranks ")) {
        rename(true);
      } else if (at_word && (pass("rank ") || pass("peer "))) {
        rename(false);
      } else {
        out_ += text_[at_++];
      }
    }
    return std::move(out_);
  }

 private:
  /// Copies `words` if they come next.
  bool pass(std::string_view words) {
    if (text_.substr(at_, words.size()) != words) {
      return false;
    }
    out_ += words;
    at_ += words.size();
    return true;
  }

  std::optional<size_t> number() {
    size_t value = 0;
    const char* const begin = text_.data() + at_;
    const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), value);
    if (error != std::errc{}) {
      return std::nullopt;
    }
    at_ += static_cast<size_t>(end - begin);
    return value;
  }

  /// "1", "1 of 2"; where there are `several` "0, 1 and 3".
  void rename(bool several) {
    while (const auto rank = number()) {
      out_ += std::to_string(*rank < members_.size() ? members_[*rank] : static_cast<int>(*rank));
      if (!several || !followed_by_another()) {
        break;
      }
    }
    const size_t before = at_;
    const size_t written = out_.size();
    if (pass(" of ")) {
      if (const auto size = number(); size == members_.size()) {
        out_ += std::to_string(world_size_);
      } else {
        at_ = before;
        out_.resize(written);
      }
    }
  }

  bool followed_by_another() {
    for (const std::string_view between : {", ", " and ", " or "}) {
      const size_t next = at_ + between.size();
      if (text_.substr(at_, between.size()) == between && next < text_.size() &&
          std::isdigit(static_cast<unsigned char>(text_[next])) != 0) {
        return pass(between);
      }
    }
    return false;
  }

  std::string_view text_;
  std::span<const int> members_;
  int world_size_;
  size_t at_ = 0;
  std::string out_;
};

}  // namespace

std::string in_numbers_of_world(std::string_view text, std::span<const int> members, int world_size) {
  return Renamer(text, members, world_size).run();
}

}  // namespace banyan::moe
