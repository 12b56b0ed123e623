// SPDX-License-Identifier: Apache-2.0
#include "moe/fastmoe/fastmoe.hpp"

#include <cstring>

#include "base/checked.hpp"
#include "base/error.hpp"

namespace banyan::moe {
namespace {

size_t product(size_t a, size_t b, const char* what) {
  const auto result = checked::multiply(a, b);
  if (!result) {
    throw Error(BANYAN_ERR_LIMIT,
                std::string(what) + " " + std::to_string(a) + " * " + std::to_string(b) + " overflows size_t");
  }
  return *result;
}

void check_counts(const int64_t* counts, size_t number, const char* name) {
  if (counts == nullptr) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT, std::string(name) + " is NULL");
  }
  for (size_t i = 0; i < number; ++i) {
    if (counts[i] < 0) {
      throw Error(BANYAN_ERR_INVALID_ARGUMENT, std::string(name) + "[" + std::to_string(i) + "] is " +
                                                   std::to_string(counts[i]) + "; counts are 0 or positive");
    }
  }
}

void check_buffer(const void* buffer, size_t bytes, const char* name) {
  if (buffer == nullptr && bytes > 0) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT,
                std::string(name) + " is NULL, but the counts are of " + std::to_string(bytes) + " bytes");
  }
}

void copy_bytes(std::byte* to, const std::byte* from, size_t bytes) {
  if (bytes > 0) {
    std::memcpy(to, from, bytes);
  }
}

}  // namespace

Fastmoe::Fastmoe(coll::Engine& engine)
    : engine_(engine),
      size_(static_cast<size_t>(engine.communicator().size())),
      rank_(static_cast<size_t>(engine.communicator().rank())) {}

size_t Fastmoe::num_counts(int num_local_experts) const {
  if (num_local_experts < 1) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT,
                "num_local_experts is " + std::to_string(num_local_experts) + ", must be at least 1");
  }
  return product(size_, static_cast<size_t>(num_local_experts), "size * num_local_experts:");
}

void Fastmoe::expert_exchange(const int64_t* local, int64_t* global, int num_local_experts) {
  const size_t number = num_counts(num_local_experts);
  static_cast<void>(product(number, sizeof(int64_t), "counts * 8 bytes:"));
  check_counts(local, number, "local_expert_count");
  if (global == nullptr) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT, "global_expert_count is NULL");
  }
  if (global == local) {
    throw Error(BANYAN_ERR_NOT_SUPPORTED, "local_expert_count and global_expert_count are the same array");
  }
  engine_.alltoall(local, global, static_cast<size_t>(num_local_experts) * sizeof(int64_t), {});
}

/// Fills `side` from counts by rank and expert.
void Fastmoe::measure(const int64_t* counts, const char* name, const FastmoeCall& call, Side& side) const {
  const size_t number = num_counts(call.num_local_experts);
  check_counts(counts, number, name);
  const auto experts = static_cast<size_t>(call.num_local_experts);
  side.bytes.assign(size_, 0);
  side.offsets.assign(size_, 0);
  side.total = 0;
  for (size_t k = 0; k < number; ++k) {
    const size_t bytes = product(static_cast<size_t>(counts[k]), call.row_bytes, "rows * row_bytes:");
    const auto total = checked::add(side.total, bytes);
    if (!total) {
      throw Error(BANYAN_ERR_LIMIT, std::string("the bytes of ") + name + " overflow size_t at entry " +
                                        std::to_string(k) + ", which is " + std::to_string(counts[k]));
    }
    if (k % experts == 0) {
      side.offsets[k / experts] = side.total;
    }
    side.bytes[k / experts] += bytes;
    side.total = *total;
  }
}

void Fastmoe::check(const FastmoeCall& call, size_t send_total, size_t recv_total) const {
  check_buffer(call.sendbuf, send_total, "sendbuf");
  check_buffer(call.recvbuf, recv_total, "recvbuf");
  if (call.sendbuf == call.recvbuf && send_total > 0 && recv_total > 0) {
    throw Error(BANYAN_ERR_NOT_SUPPORTED, "sendbuf and recvbuf are the same; in-place exchanges are not supported");
  }
}

void Fastmoe::mismatch(const std::string& text) {
  engine_.communicator().control().abort(BANYAN_ERR_MISMATCH, text);
  throw Error(BANYAN_ERR_MISMATCH, text);
}

void Fastmoe::check_own(const FastmoeCall& call) {
  const auto experts = static_cast<size_t>(call.num_local_experts);
  for (size_t k = rank_ * experts; k < (rank_ + 1) * experts; ++k) {
    if (call.local[k] != call.global[k]) {
      mismatch("rank " + std::to_string(rank_) + " has " + std::to_string(call.local[k]) + " rows for its own expert " +
               std::to_string(k - rank_ * experts) + " in local_expert_count and " + std::to_string(call.global[k]) +
               " in global_expert_count");
    }
  }
}

void Fastmoe::verify(const FastmoeCall& call) {
  const auto experts = static_cast<size_t>(call.num_local_experts);
  theirs_.resize(size_ * experts);
  engine_.alltoall(call.local, theirs_.data(), experts * sizeof(int64_t), call.options);
  for (size_t k = 0; k < theirs_.size(); ++k) {
    if (theirs_[k] != call.global[k]) {
      mismatch("rank " + std::to_string(k / experts) + " has " + std::to_string(theirs_[k]) + " rows for expert " +
               std::to_string(k % experts) + " of rank " + std::to_string(rank_) + ", whose global_expert_count[" +
               std::to_string(k) + "] is " + std::to_string(call.global[k]));
    }
  }
}

/// All that can be told before rows move; what one rank alone finds is an error of its arguments.
void Fastmoe::prepare(const FastmoeCall& call) {
  if (call.row_bytes == 0) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT, "row_bytes is 0");
  }
  measure(call.local, "local_expert_count", call, local_);
  measure(call.global, "global_expert_count", call, global_);
}

/// Whether order of ranks and order of experts are the same.
bool Fastmoe::sorted(const FastmoeCall& call) const noexcept { return call.num_local_experts == 1 || size_ == 1; }

std::byte* Fastmoe::scratch(size_t bytes) {
  if (scratch_bytes_ < bytes) {
    scratch_.reset();
    scratch_bytes_ = 0;
    scratch_ = std::make_unique_for_overwrite<std::byte[]>(bytes);
    scratch_bytes_ = bytes;
  }
  return scratch_.get();
}

/// copy(offset by ranks, offset by experts, bytes) for the block of each source and expert.
template <typename Copy>
void Fastmoe::for_each_block(const FastmoeCall& call, const Copy& copy) const {
  const auto experts = static_cast<size_t>(call.num_local_experts);
  std::vector<size_t> by_rank = global_.offsets;
  size_t by_expert = 0;
  for (size_t expert = 0; expert < experts; ++expert) {
    for (size_t source = 0; source < size_; ++source) {
      const size_t bytes = static_cast<size_t>(call.global[source * experts + expert]) * call.row_bytes;
      copy(by_rank[source], by_expert, bytes);
      by_rank[source] += bytes;
      by_expert += bytes;
    }
  }
}

void Fastmoe::global_scatter(const FastmoeCall& call) {
  prepare(call);
  check(call, local_.total, global_.total);
  check_own(call);
  if (call.verify_counts) {
    verify(call);
  }
  std::byte* const received = sorted(call) ? static_cast<std::byte*>(call.recvbuf) : scratch(global_.total);
  engine_.alltoallv(call.sendbuf, received, {local_.bytes, local_.offsets, global_.bytes, global_.offsets},
                    call.options);
  if (!sorted(call)) {
    auto* const to = static_cast<std::byte*>(call.recvbuf);
    for_each_block(call, [&](size_t by_rank, size_t by_expert, size_t bytes) {
      copy_bytes(to + by_expert, received + by_rank, bytes);
    });
  }
}

void Fastmoe::global_gather(const FastmoeCall& call) {
  prepare(call);
  check(call, global_.total, local_.total);
  check_own(call);
  if (call.verify_counts) {
    verify(call);
  }
  const auto* from = static_cast<const std::byte*>(call.sendbuf);
  if (!sorted(call)) {
    std::byte* const packed = scratch(global_.total);
    for_each_block(call, [&](size_t by_rank, size_t by_expert, size_t bytes) {
      copy_bytes(packed + by_rank, from + by_expert, bytes);
    });
    from = packed;
  }
  engine_.alltoallv(from, call.recvbuf, {global_.bytes, global_.offsets, local_.bytes, local_.offsets}, call.options);
}

}  // namespace banyan::moe
