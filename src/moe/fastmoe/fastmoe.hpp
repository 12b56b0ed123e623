// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "coll/engine.hpp"

namespace banyan::moe {

/// The arguments of a scatter or gather; all borrowed for the call.
struct FastmoeCall {
  const void* sendbuf = nullptr;
  const int64_t* local = nullptr;  ///< [size * num_local_experts]: rows of this rank, by rank and its expert
  void* recvbuf = nullptr;
  const int64_t* global = nullptr;  ///< [size * num_local_experts]: rows for this rank's experts, by source and expert
  int num_local_experts = 0;
  size_t row_bytes = 0;
  bool verify_counts = false;
  coll::Options options;
};

/// FastMoE's exchanges on a communicator (banyan/fastmoe.h has the contract): one message per pair of ranks instead of
/// one per pair and expert, and a copy that sorts rows by expert. Keeps the memory of its largest call. One thread.
class Fastmoe {
 public:
  /// `engine` outlives this.
  explicit Fastmoe(coll::Engine& engine);

  /// See banyan_fastmoe_expert_exchange.
  void expert_exchange(const int64_t* local, int64_t* global, int num_local_experts);
  /// See banyan_fastmoe_global_scatter.
  void global_scatter(const FastmoeCall& call);
  /// See banyan_fastmoe_global_gather.
  void global_gather(const FastmoeCall& call);

 private:
  /// Bytes per pair of ranks.
  struct Side {
    std::vector<size_t> bytes;    ///< [size]
    std::vector<size_t> offsets;  ///< [size]: of the blocks one after the other
    size_t total = 0;
  };

  [[nodiscard]] size_t num_counts(int num_local_experts) const;
  void measure(const int64_t* counts, const char* name, const FastmoeCall& call, Side& side) const;
  void check(const FastmoeCall& call, size_t send_total, size_t recv_total) const;
  void prepare(const FastmoeCall& call);
  void verify(const FastmoeCall& call);
  void check_own(const FastmoeCall& call);
  [[noreturn]] void mismatch(const std::string& text);
  [[nodiscard]] bool sorted(const FastmoeCall& call) const noexcept;
  [[nodiscard]] std::byte* scratch(size_t bytes);
  template <typename Copy>
  void for_each_block(const FastmoeCall& call, const Copy& copy) const;

  coll::Engine& engine_;
  size_t size_;
  size_t rank_;
  Side local_;
  Side global_;
  std::vector<int64_t> theirs_;  ///< counts as the senders have them
  std::unique_ptr<std::byte[]> scratch_;
  size_t scratch_bytes_ = 0;
};

}  // namespace banyan::moe
