// SPDX-License-Identifier: Apache-2.0
// The functions of NCCL that make and end communicators, in their places. Each is NCCL's own; what it makes is noted.
#include <banyan/status.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

#include "nccl/passing.hpp"
#include "nccl/quietly.hpp"
#include "nccl/registry.hpp"
#include "nccl/report.hpp"

namespace {

using banyan::preload::nccl::Birth;
using banyan::preload::nccl::bury;
using banyan::preload::nccl::Comm;
using banyan::preload::nccl::Config;
using banyan::preload::nccl::enter_children_of;
using banyan::preload::nccl::find;
using banyan::preload::nccl::Functions;
using banyan::preload::nccl::is_accepted;
using banyan::preload::nccl::kNoColor;
using banyan::preload::nccl::Origin;
using banyan::preload::nccl::Passing;
using banyan::preload::nccl::put_back;
using banyan::preload::nccl::quietly;
using banyan::preload::nccl::report_if_idle;
using banyan::preload::nccl::Result;
using banyan::preload::nccl::State;
using banyan::preload::nccl::take_out;
using banyan::preload::nccl::UniqueId;

/// FNV-1a: what all ranks have alike becomes a name that all ranks have alike.
class Hash {
 public:
  Hash& operator<<(std::string_view bytes) noexcept {
    for (const char byte : bytes) {
      value_ = (value_ ^ static_cast<unsigned char>(byte)) * 1099511628211U;
    }
    return *this;
  }
  Hash& operator<<(uint64_t number) noexcept {
    return *this << std::string_view(reinterpret_cast<const char*>(&number), sizeof number);
  }
  [[nodiscard]] uint64_t value() const noexcept { return value_; }

 private:
  uint64_t value_ = 14695981039346656037U;
};

uint64_t id_of(std::span<const UniqueId> ids) {
  Hash hash;
  for (const UniqueId& id : ids) {
    hash << std::string_view(id.bytes.data(), id.bytes.size());
  }
  return hash.value();
}

/// Of communicators whose ranks are all in this process.
uint64_t id_in_process() {
  static std::atomic<uint64_t> num_made{0};
  std::array<char, 256> host{};
  ::gethostname(host.data(), host.size() - 1);
  return (Hash() << host.data() << static_cast<uint64_t>(::getpid()) << num_made.fetch_add(1)).value();
}

Result made(const Passing& pass, Result result, std::span<const Birth> births) {
  if (pass.births() != nullptr && is_accepted(result)) {
    quietly([&] { pass.births()->add(births, result); });
  }
  return result;
}

Result made(const Passing& pass, Result result, Comm** place, const Origin& origin, Comm* parent = nullptr) {
  const Birth birth{.place = place, .real = pass.real(), .origin = origin, .parent = parent};
  return made(pass, result, {&birth, 1});
}

/// That of a child whose parent's ranks all take part in making it.
Origin origin_of_split(Comm* parent, int color) {
  Origin origin{.how = "split", .id = {}, .num_ranks = 0, .rank = 0};
  const auto known = find(parent);
  if (known == nullptr) {
    return origin;
  }
  const uint64_t number = known->next_split();
  if (const auto id = known->origin().id; id) {
    origin.id = (Hash() << *id << std::string_view("split") << number << static_cast<uint64_t>(color)).value();
  }
  return origin;
}

Origin origin_of_shrink(Comm* parent, std::span<const int> excluded) {
  Origin origin{.how = "shrink", .id = {}, .num_ranks = 0, .rank = 0};
  const auto known = find(parent);
  if (known == nullptr) {
    return origin;
  }
  const uint64_t number = known->next_shrink();
  if (const auto id = known->origin().id; id) {
    Hash hash;
    hash << *id << std::string_view("shrink") << number;
    for (const int rank : excluded) {
      hash << static_cast<uint64_t>(rank);
    }
    origin.id = hash.value();
  }
  return origin;
}

/// A communicator goes. It is taken out before, because NCCL may give its handle to another thread's right after.
template <typename Call>
Result ended(const Passing& pass, Comm* comm, State state, Call&& call) {
  std::shared_ptr<banyan::preload::nccl::Communicator> communicator;
  if (pass.births() != nullptr) {
    quietly([&] { communicator = take_out(comm); });
  }
  const Result result = call();
  quietly([&] {
    if (communicator == nullptr) {
      return;
    }
    if (is_accepted(result)) {
      bury(std::move(communicator), state);
      report_if_idle();
    } else {
      put_back(comm, std::move(communicator));
    }
  });
  return result;
}

Result became(const Passing& pass, Result result, const Comm* comm, State state) {
  if (pass.births() != nullptr && is_accepted(result)) {
    quietly([&] {
      if (const auto communicator = find(comm); communicator != nullptr) {
        communicator->set_state(state);
      }
    });
  }
  return result;
}

}  // namespace

extern "C" {

BANYAN_API Result ncclCommInitRank(Comm** comm, int nranks, UniqueId id, int rank) {
  const Passing pass("ncclCommInitRank", __builtin_return_address(0));
  return made(pass, pass(&Functions::comm_init_rank, comm, nranks, id, rank), comm,
              {.how = "init_rank", .id = id_of({&id, 1}), .num_ranks = nranks, .rank = rank});
}

BANYAN_API Result ncclCommInitRankConfig(Comm** comm, int nranks, UniqueId id, int rank, Config* config) {
  const Passing pass("ncclCommInitRankConfig", __builtin_return_address(0));
  return made(pass, pass(&Functions::comm_init_rank_config, comm, nranks, id, rank, config), comm,
              {.how = "init_rank", .id = id_of({&id, 1}), .num_ranks = nranks, .rank = rank});
}

BANYAN_API Result ncclCommInitRankScalable(Comm** comm, int nranks, int rank, int num_ids, UniqueId* ids,
                                           Config* config) {
  const Passing pass("ncclCommInitRankScalable", __builtin_return_address(0));
  const Result result = pass(&Functions::comm_init_rank_scalable, comm, nranks, rank, num_ids, ids, config);
  if (!is_accepted(result)) {
    return result;  // the ids may be why
  }
  return made(
      pass, result, comm,
      {.how = "init_rank", .id = id_of({ids, static_cast<size_t>(num_ids)}), .num_ranks = nranks, .rank = rank});
}

BANYAN_API Result ncclCommInitAll(Comm** comms, int num_devices, const int* devices) {
  const Passing pass("ncclCommInitAll", __builtin_return_address(0));
  const Result result = pass(&Functions::comm_init_all, comms, num_devices, devices);
  if (!is_accepted(result)) {
    return result;
  }
  quietly([&] {
    const uint64_t id = id_in_process();
    for (int rank = 0; rank < num_devices; ++rank) {
      static_cast<void>(
          made(pass, result, comms + rank, {.how = "init_all", .id = id, .num_ranks = num_devices, .rank = rank}));
    }
  });
  return result;
}

BANYAN_API Result ncclCommSplit(Comm* comm, int color, int key, Comm** new_comm, Config* config) {
  const Passing pass("ncclCommSplit", __builtin_return_address(0), comm);
  const Result result = pass(&Functions::comm_split, comm, color, key, new_comm, config);
  if (!is_accepted(result)) {
    return result;
  }
  // A rank without a colour counts the split as the others do.
  const Origin origin = pass.births() != nullptr ? origin_of_split(comm, color) : Origin{};
  return color == kNoColor ? result : made(pass, result, new_comm, origin, comm);
}

BANYAN_API Result ncclCommShrink(Comm* comm, int* excluded, int num_excluded, Comm** new_comm, Config* config,
                                 int flags) {
  const Passing pass("ncclCommShrink", __builtin_return_address(0), comm);
  const Result result = pass(&Functions::comm_shrink, comm, excluded, num_excluded, new_comm, config, flags);
  if (!is_accepted(result)) {
    return result;
  }
  const Origin origin = pass.births() != nullptr
                            ? origin_of_shrink(comm, {excluded, static_cast<size_t>(std::max(num_excluded, 0))})
                            : Origin{};
  return made(pass, result, new_comm, origin, comm);
}

BANYAN_API Result ncclCommGetAsyncError(Comm* comm, Result* error) {
  const Passing pass("ncclCommGetAsyncError", __builtin_return_address(0), comm);
  const Result result = pass(&Functions::comm_get_async_error, comm, error);
  if (pass.births() != nullptr && result == Result::kSuccess && *error == Result::kSuccess) {
    quietly([&] { enter_children_of(comm); });
  }
  return result;
}

BANYAN_API Result ncclCommFinalize(Comm* comm) {
  const Passing pass("ncclCommFinalize", __builtin_return_address(0), comm);
  return became(pass, pass(&Functions::comm_finalize, comm), comm, State::kFinalized);
}

BANYAN_API Result ncclCommRevoke(Comm* comm, int flags) {
  const Passing pass("ncclCommRevoke", __builtin_return_address(0), comm);
  return became(pass, pass(&Functions::comm_revoke, comm, flags), comm, State::kRevoked);
}

BANYAN_API Result ncclCommDestroy(Comm* comm) {
  const Passing pass("ncclCommDestroy", __builtin_return_address(0), comm);
  return ended(pass, comm, State::kDestroyed, [&] { return pass(&Functions::comm_destroy, comm); });
}

BANYAN_API Result ncclCommAbort(Comm* comm) {
  const Passing pass("ncclCommAbort", __builtin_return_address(0), comm);
  return ended(pass, comm, State::kAborted, [&] { return pass(&Functions::comm_abort, comm); });
}

}  // extern "C"
