// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace banyan_run {

/// Turns what a rank writes into whole lines that begin with "[rank] ". One thread.
class TaggedStream {
 public:
  /// Takes over `source`; lines go to `target`.
  TaggedStream(int source, int target, int rank);
  TaggedStream(TaggedStream&& other) noexcept;
  TaggedStream& operator=(TaggedStream&&) = delete;
  TaggedStream(const TaggedStream&) = delete;
  TaggedStream& operator=(const TaggedStream&) = delete;
  ~TaggedStream();

  /// -1 after the end.
  [[nodiscard]] int source() const { return source_; }
  /// Reads once; writes the lines that are whole. At the end writes the rest.
  void pass_on();

 private:
  void write_line(const std::string& line) const;

  int source_;
  int target_;
  std::string tag_;
  std::string partial_;
};

}  // namespace banyan_run
