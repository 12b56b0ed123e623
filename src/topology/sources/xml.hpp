// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.hpp"

namespace banyan::topology {

/// One element of an XML file. A value.
struct XmlElement {
  std::string name;
  std::vector<std::pair<std::string, std::string>> attributes;  ///< in the file's order, names unique
  std::vector<XmlElement> children;
  int line = 0;    ///< of the '<', from 1
  int column = 0;  ///< from 1

  /// The attribute's value, or nullptr.
  [[nodiscard]] const std::string* find(std::string_view attribute) const noexcept;
};

/// Reads the subset of XML that topology files use: elements, attributes, comments, an XML declaration. Untrusted
/// input: no DOCTYPE, no entities, no text content, no processing instructions; at most 64 levels, 131072 elements, 64
/// attributes an element, 128 bytes a name and 4096 bytes a value.
[[nodiscard]] Result<XmlElement> parse_xml(std::string_view text);

}  // namespace banyan::topology
