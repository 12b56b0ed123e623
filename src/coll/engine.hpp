// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/deadline.hpp"
#include "coll/options.hpp"
#include "coll/plan_cache.hpp"
#include "coll/request.hpp"
#include "comm/communicator.hpp"
#include "executor/host_executor.hpp"
#include "planner/plan.hpp"
#include "planner/select.hpp"

namespace banyan::coll {

/// Counts and displacements of an all-to-all-v, in bytes, [size] each. Borrowed for the call.
struct ByteLayout {
  std::span<const size_t> send_bytes;
  std::span<const size_t> send_offsets;
  std::span<const size_t> recv_bytes;
  std::span<const size_t> recv_offsets;
};

/// The exchanges of a communicator: has them planned, runs them, and turns what goes wrong into one error on
/// every rank. One thread at a time. Errors are thrown; after any but INVALID_ARGUMENT, NOT_FOUND, LIMIT and BUSY the
/// communicator is unusable.
class Engine {
 public:
  explicit Engine(comm::Communicator& communicator);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  [[nodiscard]] comm::Communicator& communicator() noexcept { return comm_; }
  /// From now on exchanges also end when `parent`, of which this communicator is a split, is aborted. Borrowed.
  void heed(comm::Communicator& parent) noexcept { parent_ = &parent; }

  /// See banyan_alltoall; `block_bytes` per pair.
  void alltoall(const void* sendbuf, void* recvbuf, size_t block_bytes, const Options& options);
  /// See banyan_alltoallv.
  void alltoallv(const void* sendbuf, void* recvbuf, const ByteLayout& layout, const Options& options);

  /// Persistent forms; the request must be gone before the engine.
  [[nodiscard]] std::unique_ptr<Request> alltoall_init(const void* sendbuf, void* recvbuf, size_t block_bytes,
                                                       const Options& options);
  [[nodiscard]] std::unique_ptr<Request> alltoallv_init(const void* sendbuf, void* recvbuf, const ByteLayout& layout,
                                                        const Options& options);
  /// alltoallv_init() into a request that is not started, which keeps its memory.
  void alltoallv_prepare(Request& request, const void* sendbuf, void* recvbuf, const ByteLayout& layout,
                         const Options& options);
  /// Error{BUSY} in what a waiting thread calls (Options::meanwhile): the exchange under way borrows what belongs to
  /// the next one.
  void require_not_serving() const;
  /// Error{BUSY} if the request, or another one, is started, or the engine is held by others.
  void require_idle(const Request& request) const;
  void start(Request& request);
  /// True: done.
  [[nodiscard]] bool test(Request& request);
  void wait(Request& request);
  /// Ends a started request if the communicator has failed meanwhile, so that it can be freed.
  void end_if_failed(Request& request) noexcept;
  /// What a wait does between tests: offers the core to others where it should.
  void idle();

  /// Until release(), all but requests `of_holder` are BUSY: they are the parts of something longer, whose order among
  /// other exchanges would not be the same on all ranks. Meanwhile another thread than hold()'s may run those requests;
  /// release() is hold()'s thread's again, when the other one is done with them.
  void hold() noexcept { held_ = true; }
  void release() noexcept { held_ = false; }

  /// Returns when all ranks have called it: an all-to-all of nothing.
  void barrier();

  /// For exchanges with capacities (coll::Weighted): chooses for capacities in bytes, [size, size] or empty where they
  /// are too many, and has it compiled. Called in equal order on all ranks.
  [[nodiscard]] planner::Choice choose_bounded(std::span<const uint64_t> matrix, const Options& options) const;
  [[nodiscard]] std::shared_ptr<Planned> plan_bounded(const planner::Choice& choice);
  /// After how long without an event an exchange of these options stalls, and its rank tells what it is in.
  [[nodiscard]] double stall_s(const Options& options) const;
  /// Tells that this rank stalls before an exchange like `request`, which will be its next: ranks whose next ones
  /// differ hear of it.
  void report_next(const Request& request);
  /// How many times this was called on the communicator: a number for whoever makes exchanges of it.
  [[nodiscard]] uint64_t count_user() noexcept { return ++num_users_; }
  /// What the last exchange brought beside data.
  [[nodiscard]] const executor::HostExecutor& executor() const noexcept { return executor_; }
  [[nodiscard]] bool busy() const noexcept { return held_ || active_ != nullptr; }

  /// The plan that alltoall (matrix empty) or alltoallv would use, for all ranks.
  /// `aggregate_limit_bytes`: 0: the communicator's.
  [[nodiscard]] planner::Plan plan(const planner::Demand& demand, const Options& options,
                                   size_t aggregate_limit_bytes = 0);

  /// Replaces the communicator's profile, see Communicator::set_profile, and forgets plans made so far (requests keep
  /// theirs). BUSY on all ranks if an exchange is under way on any.
  void set_profile(const std::optional<cost::Profile>& profile);
  /// After the communicator's tree or model changed.
  void forget_plans();

  /// Error{BUSY} while it is held.
  [[nodiscard]] const executor::Counters& counters() const {
    require_free();
    return executor_.counters();
  }
  /// Exchanges that tried a way, or told all ranks what a trial took.
  [[nodiscard]] uint64_t trials() const noexcept { return trials_; }

 private:
  void run_one_shot(const char* operation, const Options& options);
  /// One step of a started request, with all checks that do not need to be made at once.
  [[nodiscard]] bool advance(Request& request);
  [[nodiscard]] bool must_yield() const;
  void require_free() const;
  void tell(Request& request);
  void serve_meanwhile(const Request& request);
  void check_clock(Request& request);
  void check_aborted(comm::Communicator& communicator);
  [[nodiscard]] static bootstrap::OperationReport report_of(const Request& request, uint64_t operation);
  void report_stall(const Request& request);
  [[nodiscard]] double timeout_of(double wanted_s) const;
  void await_verdict();
  [[nodiscard]] std::string describe_timeout(const Request& request) const;
  [[noreturn]] void fail(banyan_status status, const std::string& text);
  void drain() noexcept;

  comm::Communicator& comm_;
  comm::Communicator* parent_ = nullptr;
  PlanCache plans_;
  executor::HostExecutor executor_;
  Request one_shot_;
  Request* active_ = nullptr;
  bool held_ = false;
  bool serving_ = false;  ///< what is to be done meanwhile runs
  Deadline::Clock::time_point started_at_;
  Deadline deadline_ = Deadline::in(0);
  Deadline stall_deadline_ = Deadline::in(0);
  double stall_repeat_s_ = 0;
  std::optional<Deadline> verdict_deadline_;  ///< set: the executor failed because a peer makes another call
  banyan_status verdict_ = BANYAN_OK;         ///< what to fail with if none comes
  uint64_t operation_ = 0;
  uint64_t trials_ = 0;
  uint64_t num_bounded_ = 0;  ///< planned so far
  uint64_t num_users_ = 0;
  size_t unfinished_ = 0;  ///< of the exchange, when the control plane was last told of it
  uint32_t idle_rounds_ = 0;
  uint32_t rounds_ = 0;
};

}  // namespace banyan::coll
