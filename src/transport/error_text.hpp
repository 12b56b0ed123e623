// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>

#include <array>
#include <cstring>

#include "banyan/status.h"

namespace banyan::transport {

/// The text behind last_error: a fixed buffer, so that the data path can write it without allocation. One thread.
class ErrorText {
 public:
  /// Remembers the text, cut to the buffer, and gives `status` back.
  template <typename... Args>
  banyan_status set(banyan_status status, fmt::format_string<Args...> format, Args&&... args) noexcept {
    try {
      *fmt::format_to_n(text_.data(), text_.size() - 1, format, std::forward<Args>(args)...).out = '\0';
    } catch (...) {
      text_[0] = '\0';
    }
    return status;
  }

  [[nodiscard]] const char* get() const noexcept { return text_.data(); }

 private:
  std::array<char, 512> text_{};
};

}  // namespace banyan::transport
