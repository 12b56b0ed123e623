// SPDX-License-Identifier: Apache-2.0
#include "base/xml_text.hpp"

namespace banyan {

std::string xml_text(std::string_view text, bool keeps_lines) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '&':
        out += "&amp;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\n':
        out += keeps_lines ? c : '?';
        break;
      default:
        out += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
    }
  }
  return out;
}

}  // namespace banyan
