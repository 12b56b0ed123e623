// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <mutex>
#include <string>

namespace banyan::testing {

/// What ranks as threads found wrong. Any thread may add; read after they have ended.
class Complaints {
 public:
  void add(const std::string& text) {
    const std::lock_guard lock(mutex_);
    text_ += text + "\n";
  }
  void expect(bool right, const std::string& text) {
    if (!right) {
      add(text);
    }
  }
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  std::mutex mutex_;
  std::string text_;
};

}  // namespace banyan::testing
