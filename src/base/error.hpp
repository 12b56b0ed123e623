// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <source_location>
#include <stdexcept>
#include <string>
#include <utility>

#include "banyan/status.h"

namespace banyan {

/// The one exception type of the control path. The message names cause, operands and next step.
class Error : public std::runtime_error {
 public:
  Error(banyan_status status, const std::string& message, std::source_location where = std::source_location::current())
      : std::runtime_error(message), status_(status), where_(where) {}

  [[nodiscard]] banyan_status status() const noexcept { return status_; }
  [[nodiscard]] const std::source_location& where() const noexcept { return where_; }

 private:
  banyan_status status_;
  std::source_location where_;
};

/// Throws BANYAN_ERR_INTERNAL with the values when a broken invariant is found. Never for user input.
#define BANYAN_CHECK(condition, message)                                                                        \
  do {                                                                                                          \
    if (!(condition)) {                                                                                         \
      throw ::banyan::Error(BANYAN_ERR_INTERNAL, std::string("broken invariant " #condition ": ") + (message)); \
    }                                                                                                           \
  } while (false)

/// Where bad input from a file or string was found.
struct ParseError {
  std::string message;
  int line = 0;    ///< from 1; 0: unknown
  int column = 0;  ///< from 1; 0: unknown
};

/// A value, or why the input did not parse. Any thread, as far as T allows.
template <typename T>
class Result {
 public:
  Result(T value) : value_(std::move(value)), ok_(true) {}            // NOLINT(google-explicit-constructor)
  Result(ParseError error) : error_(std::move(error)), ok_(false) {}  // NOLINT(google-explicit-constructor)

  [[nodiscard]] bool ok() const noexcept { return ok_; }
  explicit operator bool() const noexcept { return ok_; }
  [[nodiscard]] const ParseError& error() const noexcept { return error_; }

  /// The value; throws Error{BANYAN_ERR_FORMAT} with `origin` and position when there is none.
  [[nodiscard]] const T& value(const std::string& origin) const {
    if (!ok_) {
      throw Error(BANYAN_ERR_FORMAT, describe(origin));
    }
    return value_;
  }

  [[nodiscard]] std::string describe(const std::string& origin) const {
    std::string text = origin;
    if (error_.line > 0) {
      text += ":" + std::to_string(error_.line);
      if (error_.column > 0) {
        text += ":" + std::to_string(error_.column);
      }
    }
    return text + ": " + error_.message;
  }

 private:
  T value_{};
  ParseError error_;
  bool ok_;
};

}  // namespace banyan
