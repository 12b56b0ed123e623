// SPDX-License-Identifier: Apache-2.0
#include "coll/engine.hpp"

#include <sched.h>

#include <algorithm>
#include <cstring>

#include "base/error.hpp"
#include "base/log.hpp"
#include "coll/weighted_choice.hpp"
#include "comm/agree.hpp"

namespace banyan::coll {
namespace {

/// Without progress for this long, a rank tells the control plane what it is doing.
constexpr double kStallSeconds = 1.0;
/// It repeats this as often as the control plane's judgement needs; see StallTable.
constexpr double kStallRepeatSeconds = 0.5;
constexpr double kStallRepeatShare = 1.0 / 16;  ///< of a short deadline
/// How long the control plane may take to name what differs between two ranks' calls; both report it at once, or when
/// they stall.
constexpr double kVerdictSeconds = 3.0;
/// How long the cause may take to arrive after the connection of a peer that left because of it.
constexpr double kCauseSeconds = 0.5;
/// After an error, posted operations get this long to end before the transports are closed.
constexpr double kDrainSeconds = 1.0;
/// Rounds between looks at the clock and the abort state; every round that ends in a yield has one too.
constexpr uint32_t kClockRounds = 256;
/// Rounds of a wait between calls of what the caller wants done meanwhile, and before the first: most exchanges inside
/// a host end within it.
constexpr uint32_t kMeanwhileRounds = 32;
/// Idle rounds before a waiting rank offers its core to others, even when there are enough.
constexpr uint32_t kSpinRounds = 2000;

executor::Exchange uniform_exchange(const void* sendbuf, void* recvbuf, size_t block_bytes) {
  executor::Exchange exchange;
  exchange.sendbuf = static_cast<const std::byte*>(sendbuf);
  exchange.recvbuf = static_cast<std::byte*>(recvbuf);
  exchange.block_bytes = block_bytes;
  return exchange;
}

executor::Exchange variable_exchange(const void* sendbuf, void* recvbuf, const ByteLayout& layout) {
  return {.sendbuf = static_cast<const std::byte*>(sendbuf),
          .recvbuf = static_cast<std::byte*>(recvbuf),
          .uniform = false,
          .block_bytes = 0,
          .send_bytes = layout.send_bytes,
          .send_offsets = layout.send_offsets,
          .recv_bytes = layout.recv_bytes,
          .recv_offsets = layout.recv_offsets};
}

void take(Request& request, const Kept& kept) {
  request.planned = kept.planned;
  request.tuned = kept.tuned;
}

std::string list(const std::vector<int>& ranks) {
  std::string text;
  for (const int rank : ranks) {
    text += (text.empty() ? "" : ", ") + std::to_string(rank);
  }
  return text;
}

}  // namespace

Engine::Engine(comm::Communicator& communicator)
    : comm_(communicator), plans_(communicator), executor_(communicator.fabric()) {}

Engine::~Engine() {
  if (executor_.active()) {
    drain();
  }
}

void Engine::alltoall(const void* sendbuf, void* recvbuf, size_t block_bytes, const Options& options) {
  require_free();
  comm_.check_usable();
  take(one_shot_, plans_.uniform(block_bytes, options));
  one_shot_.exchange = uniform_exchange(sendbuf, recvbuf, block_bytes);
  run_one_shot("alltoall", options);
}

void Engine::alltoallv(const void* sendbuf, void* recvbuf, const ByteLayout& layout, const Options& options) {
  require_free();
  comm_.check_usable();
  take(one_shot_, plans_.variable(options));
  one_shot_.exchange = variable_exchange(sendbuf, recvbuf, layout);
  run_one_shot("alltoallv", options);
}

void Engine::run_one_shot(const char* operation, const Options& options) {
  one_shot_.operation = operation;
  one_shot_.timeout_s = options.timeout_s;
  one_shot_.meanwhile = options.meanwhile;
  start(one_shot_);
  wait(one_shot_);
}

std::unique_ptr<Request> Engine::alltoall_init(const void* sendbuf, void* recvbuf, size_t block_bytes,
                                               const Options& options) {
  require_free();
  comm_.check_usable();
  auto request = std::make_unique<Request>();
  take(*request, plans_.uniform(block_bytes, options));
  request->operation = "alltoall";
  request->timeout_s = options.timeout_s;
  request->meanwhile = options.meanwhile;
  request->exchange = uniform_exchange(sendbuf, recvbuf, block_bytes);
  return request;
}

std::unique_ptr<Request> Engine::alltoallv_init(const void* sendbuf, void* recvbuf, const ByteLayout& layout,
                                                const Options& options) {
  require_free();
  auto request = std::make_unique<Request>();
  alltoallv_prepare(*request, sendbuf, recvbuf, layout, options);
  return request;
}

void Engine::alltoallv_prepare(Request& request, const void* sendbuf, void* recvbuf, const ByteLayout& layout,
                               const Options& options) {
  comm_.check_usable();
  take(request, plans_.variable(options));
  request.operation = "alltoallv";
  request.timeout_s = options.timeout_s;
  request.meanwhile = options.meanwhile;
  request.send_bytes.assign(layout.send_bytes.begin(), layout.send_bytes.end());
  request.send_offsets.assign(layout.send_offsets.begin(), layout.send_offsets.end());
  request.recv_bytes.assign(layout.recv_bytes.begin(), layout.recv_bytes.end());
  request.recv_offsets.assign(layout.recv_offsets.begin(), layout.recv_offsets.end());
  request.exchange = variable_exchange(
      sendbuf, recvbuf, {request.send_bytes, request.send_offsets, request.recv_bytes, request.recv_offsets});
}

void Engine::require_not_serving() const {
  if (serving_) {
    throw Error(BANYAN_ERR_BUSY,
                "an exchange of this communicator waits for what it calls meanwhile (while_waiting) to return");
  }
}

void Engine::require_free() const {
  require_not_serving();
  if (held_) {
    throw Error(BANYAN_ERR_BUSY, "a dispatch or combine of this communicator is not finished; wait for it");
  }
}

void Engine::require_idle(const Request& request) const {
  if (!request.of_holder) {
    require_free();
  }
  if (active_ != nullptr) {
    throw Error(BANYAN_ERR_BUSY, request.started ? "the request is already started; wait for it"
                                                 : "another request of this communicator is active; wait for it");
  }
}

void Engine::start(Request& request) {
  require_idle(request);
  comm_.check_usable();
  if (request.tuned != nullptr) {  // which may fail, so before the request counts as started
    request.planned = request.tuned->next(request.exchange);
  }
  const double timeout = timeout_of(request.timeout_s);
  started_at_ = Deadline::Clock::now();  // once: a look at the clock is 1 % of the smallest exchanges
  deadline_ = Deadline::in(timeout, started_at_);
  stall_deadline_ = Deadline::in(stall_s({.algorithm = {}, .timeout_s = timeout}), started_at_);
  stall_repeat_s_ = std::min(kStallRepeatSeconds, timeout * kStallRepeatShare);
  idle_rounds_ = 0;
  verdict_deadline_.reset();
  active_ = &request;
  request.started = true;
  comm_.control().operation_started(++operation_);
  const banyan_status status = executor_.start(request.planned->program, request.exchange, operation_);
  if (status != BANYAN_OK) {
    fail(status, executor_.error());
  }
  unfinished_ = executor_.unfinished();
}

bool Engine::advance(Request& request) {
  if (verdict_deadline_) {
    await_verdict();
    return false;
  }
  int events = 0;
  const banyan_status status = executor_.progress(&events);
  if (status == BANYAN_OK) {
    comm_.control().operation_finished(operation_);
    if (request.tuned != nullptr) {
      tell(request);
    }
    active_ = nullptr;
    request.started = false;
    return true;
  }
  if (status != BANYAN_IN_PROGRESS) {
    if (!executor_.disagrees() && status != BANYAN_ERR_PEER_FAILED) {
      fail(status, executor_.error());
    }
    if (executor_.disagrees()) {
      report_stall(request);
    }
    verdict_ = status;
    const double patience_s = executor_.disagrees() ? kVerdictSeconds : kCauseSeconds;
    verdict_deadline_ = Deadline::in(std::min(patience_s, deadline_.remaining_s()));
    return false;
  }
  idle_rounds_ = events > 0 ? 0 : idle_rounds_ + 1;
  // A yield may take as long as others run, a round with events as long as a copy.
  if (++rounds_ % kClockRounds == 0 || must_yield()) {
    check_clock(request);
  }
  return false;
}

/// Tells what tunes the request how the call went.
void Engine::tell(Request& request) {
  const double seconds = std::chrono::duration<double>(Deadline::Clock::now() - started_at_).count();
  trials_ += request.tuned->tries() ? 1 : 0;
  const bool noted = request.exchange.carries_notes;
  if (request.tuned->finished(seconds, noted ? executor_.notes() : std::span<const uint32_t>())) {
    BANYAN_LOG(kDebug, "coll", "rank {}: {} by {}", comm_.rank(), request.operation, request.tuned->describe());
  }
}

bool Engine::must_yield() const { return idle_rounds_ > 0 && (comm_.yields() || idle_rounds_ > kSpinRounds); }

void Engine::idle() {
  if (must_yield()) {
    ::sched_yield();
  }
}

void Engine::check_aborted(comm::Communicator& communicator) {
  const auto& state = communicator.control().state();
  if (state.raised()) {
    fail(state.status(), state.text());
  }
}

void Engine::check_clock(Request& request) {
  check_aborted(comm_);
  if (parent_ != nullptr) {
    check_aborted(*parent_);
  }
  const auto now = Deadline::Clock::now();
  if (stall_deadline_.passed(now)) {
    stall_deadline_ = Deadline::in(stall_repeat_s_, now);
    report_stall(request);
  }
  if (deadline_.passed(now)) {
    fail(BANYAN_ERR_TIMEOUT, describe_timeout(request));
  }
}

std::string Engine::describe_timeout(const Request& request) const {
  const auto peers = executor_.waiting_for();
  const std::string whom = (peers.size() == 1 ? "rank " : "ranks ") + list(peers);
  std::string text = "rank " + std::to_string(comm_.rank()) + " waited past the deadline of " + request.operation +
                     " number " + std::to_string(operation_) + " for ";
  const std::string known = comm_.control().diagnosis();
  if (executor_.leaving()) {
    text += "its data to " + whom + " to leave this rank; " + (known.empty() ? "can it reach them?" : known);
  } else {
    text += whom + (known.empty() ? "; is it alive, and does it make the same calls?" : "; " + known);
  }
  return text + " (BANYAN_TIMEOUT_S sets the deadline)";
}

double Engine::timeout_of(double wanted_s) const { return wanted_s > 0 ? wanted_s : comm_.settings().timeout_s; }

double Engine::stall_s(const Options& options) const {
  return std::min(kStallSeconds, timeout_of(options.timeout_s) / 2);
}

bootstrap::OperationReport Engine::report_of(const Request& request, uint64_t operation) {
  bootstrap::OperationReport report;
  report.sequence = operation;
  report.fields = {{"operation", request.operation}};
  if (request.exchange.uniform || request.exchange.block_bytes > 0) {
    report.fields.emplace_back("bytes per pair", std::to_string(request.exchange.block_bytes));
  }
  if (request.purpose != 0) {
    report.fields.emplace_back("purpose", request.describe_purpose(request.purpose));
  } else {
    report.fields.emplace_back("algorithm", request.planned->algorithm);  // may follow from the bytes
  }
  return report;
}

void Engine::report_next(const Request& request) { comm_.control().report_stall(report_of(request, operation_ + 1)); }

void Engine::report_stall(const Request& request) {
  bootstrap::OperationReport report = report_of(request, operation_);
  // A slow rank's peers may be in later operations while it still takes in what they sent: as long as it gets on, it
  // suspects nobody. One that is leaving is owed nothing.
  const bool moved = executor_.unfinished() != unfinished_;
  unfinished_ = executor_.unfinished();
  if (!moved && !executor_.leaving()) {
    report.waiting_for = executor_.waiting_for();
  }
  BANYAN_LOG(kDebug, "coll", "rank {} stalls in {} number {}, waiting for {}", comm_.rank(), request.operation,
             operation_, list(report.waiting_for));
  comm_.control().report_stall(std::move(report));
}

/// A peer makes another call: the control plane names what differs once it knows both. Or a peer is gone: one that left
/// because of an error has told the control plane why.
void Engine::await_verdict() {
  ++idle_rounds_;
  if (comm_.control().state().raised() || verdict_deadline_->passed()) {
    fail(verdict_, executor_.error());
  }
}

bool Engine::test(Request& request) {
  require_not_serving();
  if (!request.started || active_ != &request) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT, "the request is not started");
  }
  // A caller that polls rarely must still see the deadline.
  rounds_ = kClockRounds - 1;
  return advance(request);
}

void Engine::wait(Request& request) {
  require_not_serving();
  if (!request.started || active_ != &request) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT, "the request is not started");
  }
  for (uint32_t round = 1; !advance(request); ++round) {
    if (request.meanwhile.function != nullptr && round % kMeanwhileRounds == 0) {
      serve_meanwhile(request);
    }
    idle();
  }
}

void Engine::serve_meanwhile(const Request& request) {
  serving_ = true;
  const int code = request.meanwhile.function(request.meanwhile.context);
  serving_ = false;
  if (code != 0) {
    fail(BANYAN_ERR_ABORTED, "rank " + std::to_string(comm_.rank()) + " ended " + request.operation + " number " +
                                 std::to_string(operation_) + ": what it calls while it waits (while_waiting) gave " +
                                 std::to_string(code));
  }
}

void Engine::end_if_failed(Request& request) noexcept {
  if (!request.started || active_ != &request || !comm_.control().state().raised()) {
    return;
  }
  active_->started = false;
  active_ = nullptr;
  drain();
}

void Engine::barrier() { alltoall(nullptr, nullptr, 0, {}); }

planner::Plan Engine::plan(const planner::Demand& demand, const Options& options, size_t aggregate_limit_bytes) {
  require_free();
  planner::Wish wish = plans_.wish(options, demand.matrix.empty() ? std::optional(demand.block_bytes) : std::nullopt);
  wish.aggregate_limit_bytes = aggregate_limit_bytes > 0 ? aggregate_limit_bytes : wish.aggregate_limit_bytes;
  return planner::make_plan(plans_.situation(), demand, wish, comm_.fabric().ring_capacity);
}

planner::Choice Engine::choose_bounded(std::span<const uint64_t> matrix, const Options& options) const {
  require_free();
  return choose_weighted(plans_.situation(), matrix, plans_.wish(options, std::nullopt));
}

std::shared_ptr<Planned> Engine::plan_bounded(const planner::Choice& choice) {
  return plans_.make_bounded(choice, ++num_bounded_);
}

void Engine::set_profile(const std::optional<cost::Profile>& profile) {
  comm_.check_usable();
  static_cast<void>(comm::exchange_or_fail(comm_.bootstrap(), Deadline::in(comm_.settings().timeout_s), [&] {
    require_idle(one_shot_);
    return std::string();
  }));
  comm_.set_profile(profile);
  forget_plans();
}

void Engine::forget_plans() { plans_.clear(); }

void Engine::drain() noexcept {
  const Deadline deadline = Deadline::in(kDrainSeconds);
  while (!executor_.cancel()) {
    if (deadline.passed()) {
      comm_.close_transports();
      executor_.abandon();
      return;
    }
    ::sched_yield();
  }
}

void Engine::fail(banyan_status status, const std::string& text) {
  if (active_ != nullptr) {
    active_->started = false;
    active_ = nullptr;
  }
  comm_.control().abort(status, text);
  drain();
  // Another rank may have been first with the cause; all report the same one.
  throw Error(comm_.control().state().status(), comm_.control().state().text());
}

}  // namespace banyan::coll
