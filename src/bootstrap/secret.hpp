// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string_view>

namespace banyan::bootstrap {

/// Who admits: 256 bits that every rank of the job knows and nobody else. Wiped when destroyed; never printed.
/// A value; any thread.
class Secret {
 public:
  static constexpr size_t kBytes = 32;

  /// All zero: "no secret", what BANYAN_INSECURE=1 asks for by name.
  Secret() noexcept = default;
  explicit Secret(std::span<const unsigned char, kBytes> bytes) noexcept;
  Secret(const Secret&) noexcept = default;
  Secret& operator=(const Secret&) noexcept = default;
  ~Secret();

  /// From the operating system's generator.
  [[nodiscard]] static Secret random();
  /// From exactly 64 hex digits, blanks at the ends allowed. Error{AUTH} that names `origin`, never the text.
  [[nodiscard]] static Secret from_hex(std::string_view text, std::string_view origin);

  [[nodiscard]] std::span<const unsigned char, kBytes> bytes() const noexcept { return bytes_; }

 private:
  std::array<unsigned char, kBytes> bytes_{};
};

/// Names a job, so that two jobs that share a port do not meet. Not secret.
using JobId = std::array<unsigned char, 16>;

[[nodiscard]] JobId random_job_id();
/// The id that all processes derive from an equal name.
[[nodiscard]] JobId job_id_from_name(std::string_view name);

/// Keyed BLAKE2b over `parts` in order, `out.size()` (16 to 64) bytes.
void keyed_hash(std::span<unsigned char> out, std::span<const unsigned char> key,
                std::span<const std::span<const unsigned char>> parts) noexcept;

/// Comparison in constant time; sizes must be equal.
[[nodiscard]] bool equal_in_constant_time(std::span<const unsigned char> a, std::span<const unsigned char> b) noexcept;

/// Fills with bytes from the operating system's generator.
void fill_random(std::span<unsigned char> out);

/// Overwrites memory that held a secret; the compiler cannot drop it.
void wipe(std::span<unsigned char> memory) noexcept;

}  // namespace banyan::bootstrap
