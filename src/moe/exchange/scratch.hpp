// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>

namespace banyan::moe {

/// Memory that grows to what was needed, and whose contents do not survive growth. One thread.
class Scratch {
 public:
  /// At least `bytes`, not initialised; good until the next call. std::bad_alloc.
  [[nodiscard]] std::byte* take(size_t bytes) {
    if (bytes > size_) {
      data_.reset();
      size_ = 0;
      data_.reset(new std::byte[bytes]);
      size_ = bytes;
    }
    return data_.get();
  }

 private:
  std::unique_ptr<std::byte[]> data_;
  size_t size_ = 0;
};

}  // namespace banyan::moe
