// SPDX-License-Identifier: Apache-2.0
#include "coll/engine.hpp"

#include <sched.h>

#include <algorithm>
#include <cstring>

#include "base/error.hpp"
#include "base/log.hpp"
#include "planner/algorithms/direct.hpp"

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
/// Idle rounds before a waiting rank offers its core to others, even when there are enough.
constexpr uint32_t kSpinRounds = 2000;
/// Programs kept for one-shot calls; the oldest keys go first when it is passed.
constexpr size_t kMaxCachedPrograms = 64;

/// FNV-1a, 32 bits: http://www.isthe.com/chongo/tech/comp/fnv/, parameters as published there.
uint32_t fingerprint_of(const std::string& text) {
  uint32_t hash = 2166136261U;
  for (const char c : text) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
  }
  return hash;
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
    : comm_(communicator), hosts_(communicator.tree()), executor_(communicator.fabric()) {}

Engine::~Engine() {
  if (executor_.active()) {
    drain();
  }
}

planner::Situation Engine::situation() const { return {comm_.tree(), hosts_, comm_.model()}; }

planner::Wish Engine::wish(const Options& options) const {
  return {.algorithm = options.algorithm.empty() ? comm_.settings().algorithm : options.algorithm,
          .aggregate_limit_bytes = comm_.settings().aggregate_limit_bytes,
          .pace = {comm_.settings().chunk_bytes, comm_.settings().window, comm_.settings().window_bytes}};
}

void Engine::set_pace(executor::CompileOptions& compile, const planner::Pace& pace) const {
  compile.chunk_bytes = pace.chunk_bytes;
  compile.window = pace.window;
  compile.window_bytes = pace.window_bytes;
  for (int peer = 0; peer < comm_.size(); ++peer) {
    const int rank = comm_.rank();
    const bool local = hosts_.host_of(peer) == hosts_.host_of(rank);
    compile.send_phase.push_back(local ? -1 : planner::direct::phase(hosts_, rank, peer));
    compile.receive_phase.push_back(local ? -1 : planner::direct::phase(hosts_, peer, rank));
    // One after the other for a rank from phase to phase, and for the ranks of a host in one phase.
    compile.send_place.push_back(local ? 0 : compile.send_phase.back() + hosts_.local_index(rank));
    compile.receive_place.push_back(local ? 0 : compile.receive_phase.back() + hosts_.local_index(peer));
  }
}

Engine::Planned Engine::plan_uniform(size_t block_bytes, const Options& options) {
  const auto choice = planner::choose_uniform(situation(), block_bytes, wish(options));
  const std::string name = planner::algorithm_name(choice.chosen.algorithm);
  executor::CompileOptions compile;
  compile.num_ranks = comm_.size();
  compile.rule.block_bytes = block_bytes;
  compile.rule.ring_capacity = comm_.fabric().ring_capacity;
  set_pace(compile, choice.pace);
  compile.fingerprint = fingerprint_of("alltoall " + name + " " + std::to_string(block_bytes) + " " +
                                       std::to_string(compile.chunk_bytes));
  const auto part =
      planner::build_part(hosts_, comm_.rank(), choice.chosen.algorithm, comm_.mapped(), /*self_describing=*/false);
  return {std::make_shared<executor::Program>(part, compile), name};
}

Engine::Planned Engine::plan_v(const Options& options) {
  const auto choice = planner::choose_v(situation(), wish(options));
  const bool aggregates = choice.chosen.algorithm != planner::Algorithm::kDirect;
  const std::string name = planner::algorithm_name(choice.chosen.algorithm);
  executor::CompileOptions compile;
  compile.num_ranks = comm_.size();
  compile.rule = {.uniform = false,
                  .block_bytes = 0,
                  .block_limit = choice.block_limit,
                  .ring_capacity = comm_.fabric().ring_capacity};
  set_pace(compile, choice.pace);
  compile.fingerprint = fingerprint_of("alltoallv " + name + " " + std::to_string(choice.block_limit) + " " +
                                       std::to_string(compile.chunk_bytes));
  const int rank = comm_.rank();
  const auto append = [](std::vector<int>& to, const std::vector<int>& from) {
    to.insert(to.end(), from.begin(), from.end());
  };
  append(compile.direct_send_order, planner::direct::remote_send_order(hosts_, rank));
  append(compile.direct_send_order, planner::direct::local_send_order(hosts_, rank));
  append(compile.direct_receive_order, planner::direct::remote_receive_order(hosts_, rank));
  append(compile.direct_receive_order, planner::direct::local_receive_order(hosts_, rank));
  schedule::RankSchedule part;
  part.rank = rank;
  if (aggregates) {
    part = planner::build_part(hosts_, rank, choice.chosen.algorithm, comm_.mapped(), /*self_describing=*/true);
  }
  return {std::make_shared<executor::Program>(part, compile), name};
}

/// One-shot calls share programs; a request that is started holds its own.
Engine::Planned Engine::cached(const std::string& key, const Options& options, size_t block_bytes, bool uniform) {
  const auto found = cache_.find(key);
  if (found != cache_.end()) {
    return found->second;
  }
  if (cache_.size() >= kMaxCachedPrograms) {
    cache_.clear();
  }
  return cache_[key] = uniform ? plan_uniform(block_bytes, options) : plan_v(options);
}

void Engine::alltoall(const void* sendbuf, void* recvbuf, size_t block_bytes, const Options& options) {
  comm_.check_usable();
  Planned planned = cached("u" + std::to_string(block_bytes) + " " + options.algorithm, options, block_bytes, true);
  Request request;
  request.program = std::move(planned.program);
  request.operation = "alltoall";
  request.algorithm = std::move(planned.algorithm);
  request.timeout_s = options.timeout_s;
  request.exchange.sendbuf = static_cast<const std::byte*>(sendbuf);
  request.exchange.recvbuf = static_cast<std::byte*>(recvbuf);
  request.exchange.block_bytes = block_bytes;
  run(request);
}

void Engine::alltoallv(const void* sendbuf, void* recvbuf, const ByteLayout& layout, const Options& options) {
  comm_.check_usable();
  Planned planned = cached("v " + options.algorithm, options, 0, false);
  Request request;
  request.program = std::move(planned.program);
  request.operation = "alltoallv";
  request.algorithm = std::move(planned.algorithm);
  request.timeout_s = options.timeout_s;
  request.exchange = {.sendbuf = static_cast<const std::byte*>(sendbuf),
                      .recvbuf = static_cast<std::byte*>(recvbuf),
                      .uniform = false,
                      .block_bytes = 0,
                      .send_bytes = layout.send_bytes,
                      .send_offsets = layout.send_offsets,
                      .recv_bytes = layout.recv_bytes,
                      .recv_offsets = layout.recv_offsets};
  run(request);
}

std::unique_ptr<Request> Engine::alltoall_init(const void* sendbuf, void* recvbuf, size_t block_bytes,
                                               const Options& options) {
  comm_.check_usable();
  Planned planned = plan_uniform(block_bytes, options);
  auto request = std::make_unique<Request>();
  request->program = std::move(planned.program);
  request->operation = "alltoall";
  request->algorithm = std::move(planned.algorithm);
  request->timeout_s = options.timeout_s;
  request->exchange.sendbuf = static_cast<const std::byte*>(sendbuf);
  request->exchange.recvbuf = static_cast<std::byte*>(recvbuf);
  request->exchange.block_bytes = block_bytes;
  return request;
}

std::unique_ptr<Request> Engine::alltoallv_init(const void* sendbuf, void* recvbuf, const ByteLayout& layout,
                                                const Options& options) {
  comm_.check_usable();
  Planned planned = plan_v(options);
  auto request = std::make_unique<Request>();
  request->program = std::move(planned.program);
  request->operation = "alltoallv";
  request->algorithm = std::move(planned.algorithm);
  request->timeout_s = options.timeout_s;
  request->send_bytes.assign(layout.send_bytes.begin(), layout.send_bytes.end());
  request->send_offsets.assign(layout.send_offsets.begin(), layout.send_offsets.end());
  request->recv_bytes.assign(layout.recv_bytes.begin(), layout.recv_bytes.end());
  request->recv_offsets.assign(layout.recv_offsets.begin(), layout.recv_offsets.end());
  request->exchange = {.sendbuf = static_cast<const std::byte*>(sendbuf),
                       .recvbuf = static_cast<std::byte*>(recvbuf),
                       .uniform = false,
                       .block_bytes = 0,
                       .send_bytes = request->send_bytes,
                       .send_offsets = request->send_offsets,
                       .recv_bytes = request->recv_bytes,
                       .recv_offsets = request->recv_offsets};
  return request;
}

void Engine::start(Request& request) {
  if (active_ != nullptr) {
    throw Error(BANYAN_ERR_BUSY, request.started ? "the request is already started; wait for it"
                                                 : "another request of this communicator is active; wait for it");
  }
  comm_.check_usable();
  const double timeout = request.timeout_s > 0 ? request.timeout_s : comm_.settings().timeout_s;
  deadline_ = Deadline::in(timeout);
  stall_deadline_ = Deadline::in(std::min(kStallSeconds, timeout / 2));
  stall_repeat_s_ = std::min(kStallRepeatSeconds, timeout * kStallRepeatShare);
  idle_rounds_ = 0;
  verdict_deadline_.reset();
  active_ = &request;
  request.started = true;
  comm_.control().operation_started(++operation_);
  const banyan_status status = executor_.start(*request.program, request.exchange, operation_);
  if (status != BANYAN_OK) {
    fail(status, executor_.error());
  }
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

bool Engine::must_yield() const { return idle_rounds_ > 0 && (comm_.yields() || idle_rounds_ > kSpinRounds); }

void Engine::idle() {
  if (must_yield()) {
    ::sched_yield();
  }
}

void Engine::check_clock(Request& request) {
  if (comm_.control().state().raised()) {
    fail(comm_.control().state().status(), comm_.control().state().text());
  }
  if (stall_deadline_.passed()) {
    stall_deadline_ = Deadline::in(stall_repeat_s_);
    report_stall(request);
  }
  if (deadline_.passed()) {
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

void Engine::report_stall(const Request& request) {
  bootstrap::OperationReport report;
  report.sequence = operation_;
  report.fields = {{"operation", request.operation}};
  if (request.exchange.uniform) {
    report.fields.emplace_back("bytes per pair", std::to_string(request.exchange.block_bytes));
  }
  report.fields.emplace_back("algorithm", request.algorithm);  // may follow from the bytes
  if (!executor_.leaving()) {                                  // else the peers owe nothing
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
  if (active_ != &request) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT, "the request is not started");
  }
  // A caller that polls rarely must still see the deadline.
  rounds_ = kClockRounds - 1;
  return advance(request);
}

void Engine::wait(Request& request) {
  if (active_ != &request) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT, "the request is not started");
  }
  while (!advance(request)) {
    idle();
  }
}

void Engine::end_if_failed(Request& request) noexcept {
  if (active_ != &request || !comm_.control().state().raised()) {
    return;
  }
  active_->started = false;
  active_ = nullptr;
  drain();
}

void Engine::run(Request& request) {
  start(request);
  wait(request);
}

void Engine::barrier() { alltoall(nullptr, nullptr, 0, {}); }

planner::Plan Engine::plan(const planner::Demand& demand, const Options& options) {
  return planner::make_plan(situation(), demand, wish(options), comm_.fabric().ring_capacity);
}

void Engine::forget_plans() { cache_.clear(); }

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
