// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

/// What a topology may hold at most; files and strings from outside are checked against it.
namespace banyan::topology {

inline constexpr size_t kMaxVertices = size_t{1} << 20;
inline constexpr size_t kMaxLinks = size_t{1} << 22;
inline constexpr size_t kMaxAttributes = 64;    ///< of one vertex
inline constexpr size_t kMaxNameBytes = 512;    ///< of a key, a name, an attribute's name
inline constexpr size_t kMaxValueBytes = 4096;  ///< of an attribute's value
inline constexpr size_t kMaxHosts = size_t{1} << 17;
inline constexpr size_t kMaxGpusPerHost = 1024;

}  // namespace banyan::topology
