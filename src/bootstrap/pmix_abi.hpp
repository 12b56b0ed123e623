// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

/// The few declarations of the PMIx Standard's C binding (ABI of libpmix.so.2, PMIx 3 and 4) that Banyan calls, so that
/// libpmix is needed neither for building nor for running. tests/unit/bootstrap/pmix_abi_test.cpp compares them with
/// the installed header.
namespace banyan::bootstrap::pmix {

inline constexpr uint32_t kRankWildcard = UINT32_MAX - 1;
inline constexpr uint16_t kTypeBool = 1;
inline constexpr uint16_t kTypeString = 3;
inline constexpr uint16_t kTypeUint16 = 13;
inline constexpr uint16_t kTypeUint32 = 14;
inline constexpr uint8_t kScopeGlobal = 3;
inline constexpr int kSuccess = 0;
inline constexpr int kErrorUnreachable = -25;

struct Proc {
  char nspace[256];
  uint32_t rank;
};

struct Value {
  uint16_t type;
  union {
    bool flag;
    char* string;
    uint16_t uint16;
    uint32_t uint32;
    struct {
      char* envar;
      char* value;
      char separator;
    } largest;
  } data;
};

struct Info {
  char key[512];
  uint32_t flags;
  Value value;
};

using OperationCallback = void (*)(int status, void* data);
using ValueCallback = void (*)(int status, Value* value, void* data);

using InitFunction = int (*)(Proc*, Info*, size_t);
using FinalizeFunction = int (*)(const Info*, size_t);
using PutFunction = int (*)(uint8_t scope, const char* key, Value*);
using CommitFunction = int (*)();
using FenceFunction = int (*)(const Proc*, size_t, const Info*, size_t, OperationCallback, void*);
using GetFunction = int (*)(const Proc*, const char* key, const Info*, size_t, ValueCallback, void*);
using ErrorStringFunction = const char* (*)(int);

}  // namespace banyan::bootstrap::pmix
