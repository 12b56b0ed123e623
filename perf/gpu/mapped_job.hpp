// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "banyan/device_plugin.h"

/// Ranks as processes of this host, each with a device, in one mapped group: what a communicator would make of them.
namespace banyan::perf {

/// What the ranks of a job share: an anonymous mapping made before they were forked.
struct SharedPage;

struct JobOptions {
  size_t eager_bytes = 0;
  double timeout_s = 20;  ///< of waits on the device
  int max_blocks = 0;     ///< of an exchange; 0: as the plugin chooses, or what fits where ranks share a device
  double limit_s = 0;     ///< ranks that last longer say where they are, and are ended; 0: none
};

/// One rank. Any failed call of the plugin throws std::runtime_error.
class MappedRank {
 public:
  MappedRank(const banyan_device_ops& ops, SharedPage& page, int rank, int size, const JobOptions& options);
  ~MappedRank();
  MappedRank(const MappedRank&) = delete;
  MappedRank& operator=(const MappedRank&) = delete;

  [[nodiscard]] int rank() const noexcept { return rank_; }
  [[nodiscard]] int size() const noexcept { return size_; }
  [[nodiscard]] int device() const noexcept { return device_; }
  /// Collective: memory that peers map too. Freed with the rank.
  [[nodiscard]] char* make_window(size_t bytes);
  /// Collective: memory that peers map, but no window of the group; by rank, where each part is mapped here.
  [[nodiscard]] std::vector<void*> make_area(size_t bytes);
  /// Where a peer's part of the window is mapped here.
  [[nodiscard]] char* peer_window(int window, int peer) const;
  /// Enqueues; windows of receive buffers are found.
  void exchange(std::vector<banyan_device_move> moves, void* stream);
  /// Enqueues; each move's source is the caller's.
  void pull(const std::vector<banyan_device_move>& moves, void* stream);
  [[nodiscard]] banyan_device_failure failure() const;
  void abort() { ops_.group_abort(group_); }
  /// What this rank does now, for the report of a rank that hangs; at most 127 characters of it are kept.
  void note(const std::string& text);
  /// What the group's words on the device say. Any thread.
  [[nodiscard]] std::string description() const;
  [[nodiscard]] const banyan_device_ops& ops() const noexcept { return ops_; }
  [[nodiscard]] void* group() const noexcept { return group_; }
  void check(banyan_status status, const char* what) const;
  /// Of all ranks' processes. Throws after a minute, or when another rank gave up.
  void barrier();
  /// Collective: the largest of all ranks' values.
  [[nodiscard]] double max(double value);
  /// Collective: rank 0's bytes, at most BANYAN_DEVICE_MAX_HANDLE.
  void broadcast(void* bytes, size_t size);

 private:
  struct Window {
    char* base;
    size_t bytes;
    std::vector<void*> mapped, tokens;
  };

  [[nodiscard]] Window make_memory(size_t bytes);
  [[nodiscard]] std::vector<void*> share(const void* address, std::vector<void*>& tokens);

  const banyan_device_ops& ops_;
  SharedPage& page_;
  int rank_, size_, device_ = 0;
  void* object_ = nullptr;
  void* inbox_ = nullptr;
  std::vector<void*> inbox_tokens_;
  void* group_ = nullptr;
  std::vector<Window> windows_, areas_;
};

/// The plugin's table, from BANYAN_PLUGIN_PATH or the folder given. Throws.
[[nodiscard]] const banyan_device_ops& load_plugin(const std::string& folder);

/// Forks `size` ranks and waits for them; how many failed. Nothing may have used CUDA before. `body` may throw; then
/// its process ends without freeing anything when its peers, who hear of it, no longer use that, or after a while.
[[nodiscard]] int run_ranks(const banyan_device_ops& ops, int size, const JobOptions& options,
                            const std::function<void(MappedRank&)>& body);

/// Devices, counted by a process of its own, which also allocates on each, and says on stderr why there are none. Waits
/// for up to 20 s until they answer: an MPS server takes no clients while it starts, or after others were killed.
[[nodiscard]] int count_devices(const banyan_device_ops& ops);

}  // namespace banyan::perf
