// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace banyan {

/// The text for XML and HTML, attributes included: names come from other machines. Control characters, which XML 1.0
/// cannot hold, become "?"; a line's end too, unless `keeps_lines`. Any thread.
[[nodiscard]] std::string xml_text(std::string_view text, bool keeps_lines);

}  // namespace banyan
