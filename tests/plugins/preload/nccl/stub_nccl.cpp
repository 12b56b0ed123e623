// SPDX-License-Identifier: Apache-2.0
// An NCCL of the tests, whose GPUs are memory and whose ranks are those of this process. It writes every call to
// STUB_NCCL_LOG, in the order in which it is made. STUB_VERSION is its version; those before 2.28 lack what came then.
#include <algorithm>
#include <atomic>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>
#include <vector>

#include "nccl_api.hpp"

using nccl::Config;
using nccl::Result;
using nccl::SimInfo;
using nccl::Stream;
using nccl::UniqueId;

namespace banyan::preload::nccl {
struct Comm {
  std::string clique;  ///< what all its ranks have alike
  int num_ranks = 0;
  int rank = 0;
  bool is_blocking = true;
  int num_polls = 0;  ///< until it is ready
  int num_children = 0;
  std::vector<std::pair<Comm**, Comm*>> children;  ///< to be handed out when it is ready
};
}  // namespace banyan::preload::nccl
using nccl::Comm;

namespace {

constexpr Result kInvalidArgument = static_cast<Result>(4);

struct Operation {
  Comm* comm;
  bool is_send;
  int peer;
  char* memory;
  size_t size_bytes;
};

struct Split {
  Comm* parent;
  int color;
  int key;
  Comm** place;
};

struct Group {
  int depth = 0;
  Result error = Result::kSuccess;
  std::vector<Operation> operations;
  std::vector<Split> splits;
};
thread_local Group group;

/// Calls that this library makes of its own functions are not the program's.
thread_local int num_own_calls = 0;

void log(const char* format, ...) {
  const char* path = std::getenv("STUB_NCCL_LOG");
  if (path == nullptr || *path == '\0' || num_own_calls > 0) {
    return;
  }
  static std::atomic<int> num_threads{0};
  thread_local const int thread = num_threads++;
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  if (std::FILE* file = std::fopen(path, "a"); file != nullptr) {
    std::fprintf(file, "%s thread %d: ", STUB_NAME, thread);
    va_list arguments;
    va_start(arguments, format);
    std::vfprintf(file, format, arguments);
    va_end(arguments);
    std::fputc('\n', file);
    std::fclose(file);
  }
}

std::string name_of(const Comm* comm) {
  return comm == nullptr ? "NULL" : comm->clique + "[" + std::to_string(comm->rank) + "]";
}

void copy(std::vector<Operation>& operations) {
  for (Operation& receive : operations) {
    if (receive.is_send) {
      continue;
    }
    const auto send = std::find_if(operations.begin(), operations.end(), [&](const Operation& other) {
      return other.is_send && other.memory != nullptr && other.comm->clique == receive.comm->clique &&
             other.comm->rank == receive.peer && other.peer == receive.comm->rank;
    });
    if (send == operations.end()) {
      std::memset(receive.memory, receive.peer + 1, receive.size_bytes);  // of a rank that is not here
    } else {
      std::memcpy(receive.memory, send->memory, std::min(receive.size_bytes, send->size_bytes));
      send->memory = nullptr;
    }
  }
}

Result run(std::vector<Operation>& operations) {
  Result result = Result::kSuccess;
  for (const Operation& operation : operations) {
    if (!operation.comm->is_blocking) {
      operation.comm->num_polls = 1;
      result = Result::kInProgress;
    }
  }
  copy(operations);
  return result;
}

Result hand_out(Comm* parent, Comm** place, Comm* child) {
  if (parent->is_blocking) {
    *place = child;
    return Result::kSuccess;
  }
  *place = nullptr;
  parent->num_polls = 2;
  parent->children.emplace_back(place, child);
  return Result::kInProgress;
}

Result split(const Split& one, const std::vector<Split>& all) {
  if (one.color == nccl::kNoColor) {
    *one.place = nullptr;
    return Result::kSuccess;
  }
  auto* child = new Comm{.clique = one.parent->clique + "/split" + std::to_string(one.parent->num_children++) + "." +
                                   std::to_string(one.color),
                         .num_ranks = one.parent->num_ranks,
                         .rank = one.parent->rank,
                         .is_blocking = one.parent->is_blocking,
                         .num_polls = 0,
                         .num_children = 0,
                         .children = {}};
  if (all.size() > 1) {  // all its ranks are here
    const auto is_sibling = [&](const Split& other) {
      return other.parent->clique == one.parent->clique && other.color == one.color;
    };
    child->num_ranks = static_cast<int>(std::count_if(all.begin(), all.end(), is_sibling));
    child->rank = static_cast<int>(std::count_if(
        all.begin(), all.end(), [&](const Split& other) { return is_sibling(other) && other.key < one.key; }));
  }
  return hand_out(one.parent, one.place, child);
}

Result act(const Operation& operation, int datatype) {
  if (operation.comm == nullptr || operation.peer < 0 || operation.peer >= operation.comm->num_ranks || datatype < 0) {
    group.error = group.depth > 0 ? kInvalidArgument : Result::kSuccess;
    return kInvalidArgument;
  }
  group.operations.push_back(operation);
  if (group.depth > 0) {
    return Result::kSuccess;
  }
  auto operations = std::move(group.operations);
  group.operations.clear();
  return run(operations);
}

Result end_group(bool is_simulated) {
  if (group.depth == 0) {
    return Result::kInvalidUsage;
  }
  if (--group.depth > 0) {
    return group.error;
  }
  Group ended;
  std::swap(ended, group);
  if (ended.error != Result::kSuccess || is_simulated) {
    return ended.error;
  }
  Result result = run(ended.operations);
  for (const Split& one : ended.splits) {
    if (split(one, ended.splits) == Result::kInProgress) {
      result = Result::kInProgress;
    }
  }
  return result;
}

Result init(Comm** comm, int nranks, const UniqueId& id, int rank, const Config* config) {
  if (rank < 0 || rank >= nranks) {
    return kInvalidArgument;
  }
  const auto* wanted = reinterpret_cast<const BlockingConfig*>(config);
  const bool is_blocking = wanted == nullptr || wanted->blocking != 0;
  *comm = new Comm{.clique = id.bytes.data(),
                   .num_ranks = nranks,
                   .rank = rank,
                   .is_blocking = is_blocking,
                   .num_polls = is_blocking ? 0 : 2,
                   .num_children = 0,
                   .children = {}};
  return is_blocking ? Result::kSuccess : Result::kInProgress;
}

size_t bytes_of(size_t count, int datatype) { return count * std::max<size_t>(nccl::size_of(datatype), 1); }

}  // namespace

#define STUB_API __attribute__((visibility("default")))

/// Each function has the two names that NCCL's has.
#define STUB_ALIAS(name) STUB_API __attribute__((weak, alias("p" #name))) decltype(name) name

extern "C" {

STUB_API Result pncclGetVersion(int* version) {
  *version = STUB_VERSION;
  return Result::kSuccess;
}
STUB_ALIAS(ncclGetVersion);

STUB_API Result pncclGetUniqueId(UniqueId* id) {
  static std::atomic<int> num_ids{0};
  *id = {};
  std::snprintf(id->bytes.data(), id->bytes.size(), "%s%d", STUB_NAME, num_ids++);
  return Result::kSuccess;
}
STUB_ALIAS(ncclGetUniqueId);

STUB_API Result pncclCommCount(const Comm* comm, int* count) {
  *count = comm->num_ranks;
  return comm->num_polls > 0 ? kInvalidArgument : Result::kSuccess;
}
STUB_ALIAS(ncclCommCount);

STUB_API Result pncclCommUserRank(const Comm* comm, int* rank) {
  *rank = comm->rank;
  return comm->num_polls > 0 ? kInvalidArgument : Result::kSuccess;
}
STUB_ALIAS(ncclCommUserRank);

STUB_API Result pncclCommGetAsyncError(Comm* comm, Result* error) {
  log("ncclCommGetAsyncError %s", name_of(comm).c_str());
  if (comm->num_polls > 0 && --comm->num_polls > 0) {
    *error = Result::kInProgress;
    return Result::kSuccess;
  }
  for (const auto& [place, child] : comm->children) {
    *place = child;
  }
  comm->children.clear();
  *error = Result::kSuccess;
  return Result::kSuccess;
}
STUB_ALIAS(ncclCommGetAsyncError);

STUB_API Result pncclSend(const void* sendbuff, size_t count, int datatype, int peer, Comm* comm, Stream* stream) {
  log("ncclSend %zu of type %d to %d on %s stream %zu", count, datatype, peer, name_of(comm).c_str(),
      reinterpret_cast<size_t>(stream));
  return act({comm, true, peer, const_cast<char*>(static_cast<const char*>(sendbuff)), bytes_of(count, datatype)},
             datatype);
}
STUB_ALIAS(ncclSend);

STUB_API Result pncclRecv(void* recvbuff, size_t count, int datatype, int peer, Comm* comm, Stream* stream) {
  log("ncclRecv %zu of type %d from %d on %s stream %zu", count, datatype, peer, name_of(comm).c_str(),
      reinterpret_cast<size_t>(stream));
  return act({comm, false, peer, static_cast<char*>(recvbuff), bytes_of(count, datatype)}, datatype);
}
STUB_ALIAS(ncclRecv);

STUB_API Result pncclGroupStart() {
  log("ncclGroupStart");
  ++group.depth;
  return Result::kSuccess;
}
STUB_ALIAS(ncclGroupStart);

STUB_API Result pncclGroupEnd() {
  log("ncclGroupEnd");
  return end_group(false);
}
STUB_ALIAS(ncclGroupEnd);

STUB_API Result pncclCommInitRank(Comm** comm, int nranks, UniqueId id, int rank) {
  log("ncclCommInitRank %s %d of %d", id.bytes.data(), rank, nranks);
  return init(comm, nranks, id, rank, nullptr);
}
STUB_ALIAS(ncclCommInitRank);

STUB_API Result pncclCommInitRankConfig(Comm** comm, int nranks, UniqueId id, int rank, Config* config) {
  log("ncclCommInitRankConfig %s %d of %d", id.bytes.data(), rank, nranks);
  return init(comm, nranks, id, rank, config);
}
STUB_ALIAS(ncclCommInitRankConfig);

STUB_API Result pncclCommInitAll(Comm** comms, int num_devices, const int* devices) {
  log("ncclCommInitAll %d %d", num_devices, devices != nullptr ? devices[0] : -1);
  UniqueId id;
  pncclGetUniqueId(&id);
  for (int rank = 0; rank < num_devices; ++rank) {
    init(comms + rank, num_devices, id, rank, nullptr);
  }
  return Result::kSuccess;
}
STUB_ALIAS(ncclCommInitAll);

STUB_API Result pncclCommSplit(Comm* comm, int color, int key, Comm** new_comm, Config*) {
  log("ncclCommSplit %s color %d key %d", name_of(comm).c_str(), color, key);
  const Split one{comm, color, key, new_comm};
  if (group.depth > 0) {
    group.splits.push_back(one);
    return Result::kSuccess;
  }
  return split(one, {one});
}
STUB_ALIAS(ncclCommSplit);

STUB_API Result pncclCommFinalize(Comm* comm) {
  log("ncclCommFinalize %s", name_of(comm).c_str());
  return Result::kSuccess;
}
STUB_ALIAS(ncclCommFinalize);

STUB_API Result pncclCommDestroy(Comm* comm) {
  log("ncclCommDestroy %s", name_of(comm).c_str());
  if (comm->num_polls > 0) {
    return kInvalidArgument;
  }
  delete comm;
  return Result::kSuccess;
}
STUB_ALIAS(ncclCommDestroy);

STUB_API Result pncclCommAbort(Comm* comm) {
  log("ncclCommAbort %s", name_of(comm).c_str());
  delete comm;
  return Result::kSuccess;
}
STUB_ALIAS(ncclCommAbort);

#if STUB_VERSION >= 22800
STUB_API Result pncclGroupSimulateEnd(SimInfo*) {
  log("ncclGroupSimulateEnd");
  return end_group(true);
}
STUB_ALIAS(ncclGroupSimulateEnd);

/// By the names that programs use too, which a loaded library may take.
STUB_API Result pncclAlltoAll(const void* sendbuff, void* recvbuff, size_t count, int datatype, Comm* comm,
                              Stream* stream) {
  log("ncclAlltoAll %zu of type %d on %s", count, datatype, name_of(comm).c_str());
  ++num_own_calls;
  const size_t block = bytes_of(count, datatype);
  ncclGroupStart();
  for (int peer = 0; peer < comm->num_ranks; ++peer) {
    ncclSend(static_cast<const char*>(sendbuff) + static_cast<size_t>(peer) * block, count, datatype, peer, comm,
             stream);
    ncclRecv(static_cast<char*>(recvbuff) + static_cast<size_t>(peer) * block, count, datatype, peer, comm, stream);
  }
  const Result result = ncclGroupEnd();
  --num_own_calls;
  return result;
}
STUB_ALIAS(ncclAlltoAll);

STUB_API Result pncclCommInitRankScalable(Comm** comm, int nranks, int rank, int num_ids, UniqueId* ids,
                                          Config* config) {
  log("ncclCommInitRankScalable %s and %d more %d of %d", ids->bytes.data(), num_ids - 1, rank, nranks);
  return init(comm, nranks, *ids, rank, config);
}
STUB_ALIAS(ncclCommInitRankScalable);

STUB_API Result pncclCommShrink(Comm* comm, int* excluded, int num_excluded, Comm** new_comm, Config*, int flags) {
  log("ncclCommShrink %s without %d and %d more flags %d", name_of(comm).c_str(), excluded[0], num_excluded - 1, flags);
  const auto below = std::count_if(excluded, excluded + num_excluded, [&](int rank) { return rank < comm->rank; });
  auto* child = new Comm{.clique = comm->clique + "/shrink",
                         .num_ranks = comm->num_ranks - num_excluded,
                         .rank = comm->rank - static_cast<int>(below),
                         .is_blocking = comm->is_blocking,
                         .num_polls = 0,
                         .num_children = 0,
                         .children = {}};
  return hand_out(comm, new_comm, child);
}
STUB_ALIAS(ncclCommShrink);

STUB_API Result pncclCommRevoke(Comm* comm, int flags) {
  log("ncclCommRevoke %s flags %d", name_of(comm).c_str(), flags);
  return Result::kSuccess;
}
STUB_ALIAS(ncclCommRevoke);
#endif

}  // extern "C"
