// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "coll/engine.hpp"
#include "device/rows.hpp"
#include "moe/exchange/expert_map.hpp"
#include "moe/exchange/ladder.hpp"
#include "moe/exchange/layout.hpp"
#include "moe/exchange/metadata.hpp"
#include "moe/exchange/routing.hpp"
#include "planner/hosts.hpp"

namespace banyan::moe {

/// What a group is made of. Equal on all ranks, but for the shares, timeout_s and problem. Borrowed.
struct GroupTerms {
  int num_experts = 0;
  std::span<const int> expert_offsets{};  ///< as ExpertMap's; empty: blocks
  std::span<const int> expert_ranks{};
  std::span<const double> replica_shares{};
  size_t hidden = 0;
  device::Dtype dtype = device::Dtype::kFp32;  ///< of dispatched rows; kBytes: hidden bytes that nobody interprets
  size_t scale_bytes = 0;                      ///< beside each dispatched row
  device::Dtype combine_dtype = device::Dtype::kFp32;
  size_t combine_hidden = 0;
  RoutingRules routing;
  std::optional<Dedup> dedup;  ///< nullopt: the model's choice
  LayoutKind layout = LayoutKind::kExpertMajor;
  size_t alignment = 1;
  size_t num_chunks = 1;  ///< 0: as many as experts_s makes worth it
  double experts_s = 0;   ///< of the experts on a step's rows; the largest of all ranks counts
  size_t num_parts = 0;   ///< of a chunk, one on its way behind the other; a power of two, 0: the model's choice
  size_t note_bytes = 0;  ///< of the caller's, that a rank tells all others with each step's routing
  bool deterministic = false;
  bool fp32_partials = false;    ///< partial sums travel as fp32, not as combine_dtype
  bool progress_thread = false;  ///< a thread moves on what was started; ranks may differ
  double timeout_s = 0;          ///< 0: the communicator's
  std::string problem{};         ///< not empty: what is wrong with the caller's wish, for all ranks to hear
};

/// Error{INVALID_ARGUMENT}: a term is out of its range.
void check_terms(const GroupTerms& terms, size_t num_ranks);

/// Rows along a rung: send_rows[r] rows of `bytes` bytes for rank r, one rank's after the other's, from `send`; what
/// comes lies in `recv` likewise. Rows for ranks that are not of the rung's group do not exist.
struct Leg {
  const std::byte* send = nullptr;
  std::span<const size_t> send_rows;
  std::byte* recv = nullptr;
  std::span<const size_t> recv_rows;
  size_t bytes = 0;
};

/// The ranks of a communicator as they exchange tokens: experts, rows, and a communicator for each rung of the ladder.
/// One thread at a time, the engine's. Errors are thrown; the rules of Engine hold.
class Group {
 public:
  /// Collective. Borrows the engine. What is wrong on any rank is an error on all; nothing has happened then.
  /// Errors: INVALID_ARGUMENT, LIMIT, MISMATCH, BUSY.
  Group(coll::Engine& engine, const GroupTerms& terms);
  ~Group();
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;

  [[nodiscard]] int rank() const noexcept { return engine_.communicator().rank(); }
  [[nodiscard]] int size() const noexcept { return engine_.communicator().size(); }
  /// Of the groups of its communicator, from 1; equal on all ranks.
  [[nodiscard]] uint64_t number() const noexcept { return number_; }
  /// The number of the next routing, from 1; equal on all ranks.
  [[nodiscard]] uint64_t count_routing() noexcept { return ++num_routings_; }
  [[nodiscard]] const ExpertMap& map() const noexcept { return map_; }
  [[nodiscard]] const planner::Hosts& hosts() const noexcept { return hosts_; }
  [[nodiscard]] const Ladder& ladder() const noexcept { return *ladder_; }
  [[nodiscard]] const MetadataRules& metadata_rules() const noexcept { return metadata_; }
  [[nodiscard]] const RoutingRules& routing_rules() const noexcept { return routing_; }
  /// Its capacity is each step's (Handle::capacity).
  [[nodiscard]] const LayoutRules& layout_rules() const noexcept { return layout_; }
  [[nodiscard]] bool deterministic() const noexcept { return deterministic_; }
  /// predict_dispatch() of max_tokens on each rank, by the model that the communicator had when the group was made.
  [[nodiscard]] double predicted_dispatch_s() const noexcept { return predicted_dispatch_s_; }
  /// predict_step() of such a step, in the group's number of chunks.
  [[nodiscard]] double predicted_step_s() const noexcept { return predicted_step_s_; }

  /// In how many parts the rows of a chunk go, where no rank has more than so many tokens in a step.
  [[nodiscard]] size_t num_parts(size_t most_tokens) const;

  /// Bytes of a dispatched row without and with its scales, and of a row of combine.
  [[nodiscard]] size_t row_bytes() const noexcept { return row_bytes_; }
  [[nodiscard]] size_t scale_bytes() const noexcept { return scale_bytes_; }
  [[nodiscard]] size_t hidden() const noexcept { return combine_hidden_; }  ///< elements of a row of combine
  [[nodiscard]] device::Dtype combine_dtype() const noexcept { return combine_dtype_; }
  [[nodiscard]] size_t note_bytes() const noexcept { return note_bytes_; }
  [[nodiscard]] device::Dtype partial_dtype() const noexcept { return partial_dtype_; }

  /// The exchange of all ranks.
  [[nodiscard]] coll::Engine& world() noexcept { return engine_; }
  /// Starts an exchange of rows along a rung, of which one at a time is under way. What `leg` points to is borrowed
  /// until it is over, but not its row counts. `purpose`: Purpose::word(), or 0: of the routing itself.
  void start(size_t rung, const Leg& leg, uint64_t purpose = 0);
  /// The same, and waits.
  void exchange(size_t rung, const Leg& leg) {
    start(rung, leg);
    engine_of(rung).wait(rungs_[rung].request);
  }
  /// True: the rung's exchange is over.
  [[nodiscard]] bool test(size_t rung);
  /// After how long without an event an exchange stalls.
  [[nodiscard]] double stall_s() const { return engine_.stall_s(options_); }
  /// While the ranks stall inside hosts: which exchange of all ranks this one will make next, so that ranks whose
  /// answers differ hear of it.
  void report_next(uint64_t purpose);
  /// After a failure: nothing of the rung's exchange touches its memory any more.
  void end_if_failed(size_t rung) noexcept;
  /// What a wait for this rung's exchange does between tests.
  void idle(size_t rung) { engine_of(rung).idle(); }
  [[nodiscard]] const coll::Options& options() const noexcept { return options_; }

  /// BUSY if a request of the communicator is active.
  void require_idle() const;
  /// Aborts all communicators of the group, so that nobody waits for this rank in another of them.
  void abort(const Error& error) noexcept;

  /// Runs a part of an exchange that all ranks have in common. Errors: BUSY before anything, if a request of the
  /// communicator is active; those of `work`, after which fail() was called, NO_MEMORY for std::bad_alloc.
  template <typename Work>
  void collectively(const Work& work) {
    engine_.communicator().check_usable();
    require_idle();
    guarded(work);
  }

  /// The same for what may be done while a request is active.
  template <typename Work>
  void guarded(const Work& work) {
    try {
      work();
    } catch (const Error& error) {
      fail_and_throw(error);
    } catch (const std::bad_alloc&) {
      fail_without_memory();
    }
  }

 private:
  /// abort(), after an error that leaves a communicator unusable.
  void fail(const Error& error) noexcept;
  [[noreturn]] void fail_without_memory();
  [[noreturn]] void fail_and_throw(const Error& error);

  struct Rung {
    std::unique_ptr<comm::Communicator> communicator;  ///< nullptr: the world
    std::unique_ptr<coll::Engine> engine;
    std::vector<int> members;  ///< ranks of the world
    coll::Request request;     ///< of the exchange that is under way
  };
  [[nodiscard]] coll::Engine& engine_of(size_t rung) { return rungs_[rung].engine ? *rungs_[rung].engine : engine_; }

  void check(const GroupTerms& terms) const;
  void agree(const GroupTerms& terms, Deadline deadline);
  void choose(const GroupTerms& terms, double experts_s);
  void make_rungs();

  coll::Engine& engine_;
  uint64_t number_;
  uint64_t num_routings_ = 0;
  coll::Options options_;
  ExpertMap map_;
  planner::Hosts hosts_;
  RoutingRules routing_;
  MetadataRules metadata_;
  LayoutRules layout_;
  size_t row_bytes_ = 0;
  size_t scale_bytes_ = 0;
  size_t combine_hidden_ = 0;
  size_t note_bytes_ = 0;
  device::Dtype combine_dtype_;
  device::Dtype partial_dtype_;
  bool deterministic_;
  size_t fixed_parts_;                   ///< 0: by the model
  std::vector<size_t> part_thresholds_;  ///< its choice
  double predicted_dispatch_s_ = 0;
  double predicted_step_s_ = 0;
  std::optional<Ladder> ladder_;
  std::vector<Rung> rungs_;
  std::vector<size_t> send_bytes_, send_offsets_, recv_bytes_, recv_offsets_;  ///< of the exchange that starts
};

}  // namespace banyan::moe
