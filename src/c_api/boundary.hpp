// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstring>
#include <new>
#include <string>
#include <type_traits>

#include "banyan/status.h"
#include "base/error.hpp"

namespace banyan::c_api {

/// Stores the text for banyan_last_error() on this thread and logs it once; returns `status`.
banyan_status report(banyan_status status, const char* text) noexcept;

/// Runs the body of a C function and turns whatever it throws into a status. The body returns nothing, or a status of
/// its own (BANYAN_IN_PROGRESS).
template <typename Body>
banyan_status c_boundary(const Body& body) noexcept {
  try {
    if constexpr (std::is_void_v<decltype(body())>) {
      body();
      return BANYAN_OK;
    } else {
      return body();
    }
  } catch (const Error& error) {
    return report(error.status(), error.what());
  } catch (const std::bad_alloc&) {
    return report(BANYAN_ERR_NO_MEMORY, "out of memory");
  } catch (const std::exception& error) {
    return report(BANYAN_ERR_INTERNAL, error.what());
  } catch (...) {
    return report(BANYAN_ERR_INTERNAL, "an exception of unknown type");
  }
}

/// Error{INVALID_ARGUMENT} "comm is NULL".
template <typename T>
T& require(T* pointer, const char* name) {
  if (pointer == nullptr) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT, std::string(name) + " is NULL");
  }
  return *pointer;
}

/// The caller's struct, which may be an older and shorter one, completed with zeros.
template <typename Struct>
Struct complete(const Struct* given, const char* name) {
  Struct full{};
  if (given == nullptr) {
    full.struct_size = sizeof full;
    return full;
  }
  if (given->struct_size < sizeof(size_t) || given->struct_size > sizeof full) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT, std::string(name) + ".struct_size is " +
                                                 std::to_string(given->struct_size) + ", between " +
                                                 std::to_string(sizeof(size_t)) + " and " +
                                                 std::to_string(sizeof full) + " is known; start from its _INIT macro");
  }
  std::memcpy(&full, given, given->struct_size);
  return full;
}

/// Fills the caller's struct, which may be an older and shorter one.
template <typename Struct>
void fill(Struct* out, const Struct& full, const char* name) {
  const size_t size = require(out, name).struct_size;
  if (size < sizeof(size_t) || size > sizeof full) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT,
                std::string(name) + ".struct_size is " + std::to_string(size) + "; set it to sizeof the struct");
  }
  std::memcpy(out, &full, size);
  out->struct_size = size;
}

/// A copy for a `char**` output, freed by banyan_string_free.
[[nodiscard]] char* copy_string(const std::string& text);

}  // namespace banyan::c_api
