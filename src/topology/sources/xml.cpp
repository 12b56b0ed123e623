// SPDX-License-Identifier: Apache-2.0
#include "topology/sources/xml.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace banyan::topology {
namespace {

constexpr int kMaxDepth = 64;
constexpr size_t kMaxElements = size_t{1} << 17;
constexpr size_t kMaxElementAttributes = 64;
constexpr size_t kMaxNameLength = 128;
constexpr size_t kMaxValueLength = 4096;

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

bool is_name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
         c == '.' || c == ':';
}

/// Recursive descent over the text; throws ParseError, which parse_xml turns into a result.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  XmlElement document() {
    skip_blanks();
    if (accept("<?xml")) {
      skip_past("?>", "XML declaration");
    }
    skip_blanks_and_comments();
    XmlElement root = element(1);
    skip_blanks_and_comments();
    if (position_ != text_.size()) {
      fail("text after the end of <" + root.name + ">");
    }
    return root;
  }

 private:
  [[noreturn]] void fail(const std::string& message) const { throw ParseError{message, line_, column()}; }

  [[nodiscard]] int column() const { return static_cast<int>(position_ - line_start_) + 1; }
  [[nodiscard]] bool at_end() const { return position_ == text_.size(); }
  [[nodiscard]] char peek() const { return at_end() ? '\0' : text_[position_]; }

  void advance(size_t count) {
    for (size_t i = 0; i < count; ++i) {
      if (text_[position_++] == '\n') {
        ++line_;
        line_start_ = position_;
      }
    }
  }
  bool accept(std::string_view token) {
    if (!text_.substr(position_).starts_with(token)) {
      return false;
    }
    advance(token.size());
    return true;
  }
  void skip_blanks() {
    while (!at_end() && is_blank(peek())) {
      advance(1);
    }
  }
  void skip_past(std::string_view token, const char* what) {
    const size_t found = text_.find(token, position_);
    if (found == std::string_view::npos) {
      fail(fmt::format("{} is not closed", what));
    }
    advance(found - position_ + token.size());
  }
  void skip_blanks_and_comments() {
    skip_blanks();
    while (accept("<!--")) {
      skip_past("-->", "comment");
      skip_blanks();
    }
  }

  std::string name() {
    const size_t begin = position_;
    while (!at_end() && is_name_char(peek())) {
      advance(1);
    }
    if (position_ == begin) {
      fail(at_end() ? "the text ends where a name is expected" : "expected a name");
    }
    if (position_ - begin > kMaxNameLength) {
      fail("name longer than " + std::to_string(kMaxNameLength) + " bytes");
    }
    return std::string(text_.substr(begin, position_ - begin));
  }

  std::string value() {
    const char quote = peek();
    if (quote != '"' && quote != '\'') {
      fail("expected a quoted value");
    }
    advance(1);
    const size_t end = text_.find(quote, position_);
    if (end == std::string_view::npos) {
      fail("value is not closed");
    }
    const std::string_view text = text_.substr(position_, end - position_);
    if (text.size() > kMaxValueLength) {
      fail("value longer than " + std::to_string(kMaxValueLength) + " bytes");
    }
    if (text.find_first_of("<&") != std::string_view::npos) {
      fail("'<' and entities ('&') are not supported in values");
    }
    advance(text.size() + 1);
    return std::string(text);
  }

  /// Attributes up to '>' or '/>'; true if the element ended here.
  bool attributes(XmlElement& element) {
    while (true) {
      const size_t before = position_;
      skip_blanks();
      if (accept("/>")) {
        return true;
      }
      if (accept(">")) {
        return false;
      }
      if (position_ == before) {
        fail(at_end() ? "<" + element.name + "> is not closed" : "expected a blank, '>' or '/>'");
      }
      std::string attribute = name();
      skip_blanks();
      if (!accept("=")) {
        fail("expected '=' after " + attribute);
      }
      skip_blanks();
      if (element.find(attribute) != nullptr) {
        fail("attribute " + attribute + " appears twice");
      }
      if (element.attributes.size() == kMaxElementAttributes) {
        fail("more than " + std::to_string(kMaxElementAttributes) + " attributes");
      }
      element.attributes.emplace_back(std::move(attribute), value());
    }
  }

  XmlElement element(int depth) {
    if (depth > kMaxDepth) {
      fail("nested deeper than " + std::to_string(kMaxDepth) + " levels");
    }
    if (++elements_ > kMaxElements) {
      fail("more than " + std::to_string(kMaxElements) + " elements");
    }
    XmlElement element;
    element.line = line_;
    element.column = column();
    if (!accept("<")) {
      fail(at_end() ? "the text ends where an element is expected" : "expected '<'");
    }
    if (peek() == '!' || peek() == '?') {
      fail("DOCTYPE, CDATA and processing instructions are not supported");
    }
    element.name = name();
    if (attributes(element)) {
      return element;
    }
    while (true) {
      skip_blanks_and_comments();
      if (accept("</")) {
        if (const std::string closed = name(); closed != element.name) {
          fail("</" + closed + "> closes <" + element.name + "> of line " + std::to_string(element.line));
        }
        skip_blanks();
        if (!accept(">")) {
          fail("expected '>'");
        }
        return element;
      }
      if (at_end()) {
        fail("<" + element.name + "> of line " + std::to_string(element.line) + " is not closed");
      }
      element.children.push_back(this->element(depth + 1));
    }
  }

  std::string_view text_;
  size_t position_ = 0;
  size_t line_start_ = 0;
  int line_ = 1;
  size_t elements_ = 0;
};

}  // namespace

const std::string* XmlElement::find(std::string_view attribute) const noexcept {
  const auto found =
      std::find_if(attributes.begin(), attributes.end(), [&](const auto& entry) { return entry.first == attribute; });
  return found == attributes.end() ? nullptr : &found->second;
}

Result<XmlElement> parse_xml(std::string_view text) {
  try {
    return Reader(text).document();
  } catch (const ParseError& error) {
    return error;
  }
}

}  // namespace banyan::topology
