// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <iterator>
#include <span>

#include "schedule/text.hpp"

namespace banyan::schedule {
namespace {

using Out = std::back_insert_iterator<std::string>;

/// Ranks as "0..3,8,10..16/2": runs of three or more with one positive stride are ranges.
void print_set(std::string& text, std::span<const int> ranks) {
  for (size_t begin = 0; begin < ranks.size();) {
    size_t end = begin + 1;
    const int64_t stride = end < ranks.size() ? int64_t{ranks[end]} - ranks[begin] : 0;
    while (stride > 0 && end < ranks.size() && int64_t{ranks[end]} - ranks[end - 1] == stride) {
      ++end;
    }
    if (end - begin < 3) {
      end = begin + 1;
    }
    fmt::format_to(Out(text), "{}{}", begin > 0 ? "," : "", ranks[begin]);
    if (end - begin > 1) {
      fmt::format_to(Out(text), "..{}", ranks[end - 1]);
      if (stride > 1) {
        fmt::format_to(Out(text), "/{}", stride);
      }
    }
    begin = end;
  }
}

/// The longest prefix of `blocks` that is a product: for each of `outer` in order, all of `inner` in order.
struct Product {
  std::vector<int> outer;
  std::vector<int> inner;
  [[nodiscard]] size_t size() const { return outer.size() * inner.size(); }
};

Product leading_product(std::span<const Block> blocks, int Block::*outer, int Block::*inner) {
  Product product;
  product.outer.push_back(blocks[0].*outer);
  size_t length = 0;
  while (length < blocks.size() && length < kMaxTextSet && blocks[length].*outer == product.outer[0]) {
    product.inner.push_back(blocks[length].*inner);
    ++length;
  }
  for (size_t begin = length; begin + length <= blocks.size() && product.outer.size() < kMaxTextSet; begin += length) {
    for (size_t k = 0; k < length; ++k) {
      if (blocks[begin + k].*outer != blocks[begin].*outer || blocks[begin + k].*inner != product.inner[k]) {
        return product;
      }
    }
    product.outer.push_back(blocks[begin].*outer);
  }
  return product;
}

void print_blocks(std::string& text, std::span<const Block> blocks) {
  for (bool first = true; !blocks.empty(); first = false) {
    const Product by_source = leading_product(blocks, &Block::src, &Block::dst);
    const Product by_destination = leading_product(blocks, &Block::dst, &Block::src);
    const bool sources_first = by_source.size() >= by_destination.size();
    const Product& best = sources_first ? by_source : by_destination;
    if (!first) {
      text += ' ';
    }
    print_set(text, best.outer);
    text += sources_first ? '>' : '<';
    print_set(text, best.inner);
    blocks = blocks.subspan(best.size());
  }
}

void print_message(std::string& text, const Message& message) {
  fmt::format_to(Out(text), "step {}: {} -> {} {}{} [", message.step, message.from, message.to,
                 message.path == Path::kMapped ? "mapped" : "message", message.self_describing ? " sized" : "");
  print_blocks(text, message.blocks);
  text += ']';
}

void print_quoted(std::string& text, std::string_view value) {
  text += '"';
  for (const char c : value) {
    if (c == '"' || c == '\\') {
      text += '\\';
      text += c;
    } else if (c >= ' ' && c <= '~') {
      text += c;
    } else {
      fmt::format_to(Out(text), "\\x{:02x}", static_cast<unsigned>(static_cast<unsigned char>(c)));
    }
  }
  text += '"';
}

}  // namespace

std::string print(const Message& message) {
  std::string text;
  print_message(text, message);
  return text;
}

std::string print(const Schedule& schedule) {
  std::string text = "banyan-schedule 1\nalgorithm ";
  print_quoted(text, schedule.algorithm);
  fmt::format_to(Out(text), "\nranks {}\nwindow {}\nmessages {}\n", schedule.num_ranks, schedule.window,
                 schedule.messages.size());
  for (const Message& message : schedule.messages) {
    print_message(text, message);
    text += '\n';
  }
  return text;
}

}  // namespace banyan::schedule
