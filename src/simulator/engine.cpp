// SPDX-License-Identifier: Apache-2.0
#include "simulator/engine.hpp"

#include <algorithm>
#include <limits>
#include <memory>
#include <string>

#include "base/error.hpp"
#include "simulator/network.hpp"

namespace banyan::simulator {
namespace {

/// Events whose times differ by less, relatively, are of one time.
constexpr double kSameTime = 1e-10;
constexpr uint64_t kMessagesPerReport = 1 << 16;

std::vector<double> capacities(const Places& places) {
  std::vector<double> result;
  for (const SharedLink& link : places.links()) {
    result.push_back(link.capacity_bytes_per_s);
  }
  return result;
}

std::unique_ptr<Wires> make_wires(const Places& places, const Options& options) {
  if (options.queues) {
    return std::make_unique<QueuedNetwork>(capacities(places), *options.queues);
  }
  return std::make_unique<Network>(capacities(places));
}

}  // namespace

Engine::Engine(MessageSource& source, const topology::LocalityTree& tree, const cost::CostModel& model,
               const Options& options)
    : source_(source),
      model_(model),
      options_(options),
      window_(options.window.value_or(source.window())),
      places_(tree, model, options.rail_shares),
      network_(make_wires(places_, options)),
      cores_(static_cast<size_t>(tree.num_ranks())),
      hosts_(static_cast<size_t>(places_.num_hosts())) {
  if (source.num_ranks() != tree.num_ranks()) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT, "a schedule of " + std::to_string(source.num_ranks()) +
                                                 " ranks on a topology of " + std::to_string(tree.num_ranks()));
  }
  timeline_.ranks.resize(cores_.size());
}

Timeline Engine::run() {
  begin();
  while (events_.next_s() < std::numeric_limits<double>::infinity() || !network_->idle()) {
    step();
  }
  return finish();
}

void Engine::begin() {
  for (int rank = 0; rank < source_.num_ranks(); ++rank) {
    begin_task(rank, Core::Task::kOwnBlock, kNone, own_work(source_.own_bytes(rank)));
  }
  run_cores();
  network_->settle(now_s_);
}

/// Everything that happens at one time, then the rates that follow from it.
void Engine::step() {
  const double first_s = std::min(events_.next_s(), network_->next_s());
  const double last_s = first_s + std::max(first_s * kSameTime, options_.resolution_s);
  while (true) {
    const double event_s = events_.next_s();
    const double flow_s = network_->next_s();
    if (std::min(event_s, flow_s) > last_s) {
      break;
    }
    now_s_ = std::min(event_s, flow_s);
    if (flow_s <= event_s) {
      wires_move();
    } else {
      const Event event = events_.take();
      event.kind == Event::Kind::kCoreDone ? core_done(event.subject) : latency_over(event.subject);
    }
    run_cores();
  }
  network_->settle(now_s_);
}

void Engine::wake(int rank) {
  Core& core = cores_[static_cast<size_t>(rank)];
  if (!core.waits_to_run) {
    core.waits_to_run = true;
    runnable_.push_back(rank);
  }
}

void Engine::run_cores() {
  for (size_t i = 0; i < runnable_.size(); ++i) {  // grows meanwhile
    const int rank = runnable_[i];
    cores_[static_cast<size_t>(rank)].waits_to_run = false;
    run_core(rank);
  }
  runnable_.clear();
}

void Engine::run_core(int rank) {
  while (cores_[static_cast<size_t>(rank)].task == Core::Task::kIdle && take_task(rank)) {
  }
}

/// Sends and receives in turn where there are both, as in the executor's loop.
bool Engine::take_task(int rank) {
  return cores_[static_cast<size_t>(rank)].sent_last ? take_received(rank) || take_send(rank)
                                                     : take_send(rank) || take_received(rank);
}

bool Engine::take_send(int rank) {
  Core& core = cores_[static_cast<size_t>(rank)];
  Transfer transfer;
  if (!source_.next(rank, window_ > 0 && core.in_flight >= window_, transfer)) {
    return false;
  }
  core.sent_last = true;
  if (transfer.from == transfer.to) {
    begin_task(rank, Core::Task::kOwnBlock, kNone, own_work(transfer.packed));
    return true;
  }
  core.in_flight += transfer.path == schedule::Path::kMessage ? 1 : 0;
  begin_task(rank, Core::Task::kSend, new_message(transfer), send_work(transfer));
  return true;
}

bool Engine::take_received(int rank) {
  Core& core = cores_[static_cast<size_t>(rank)];
  const int message = core.first_received;
  if (message == kNone) {
    return false;
  }
  core.first_received = messages_[static_cast<size_t>(message)].next;
  core.sent_last = false;
  begin_task(rank, Core::Task::kReceive, message, receive_work(messages_[static_cast<size_t>(message)].transfer));
  return true;
}

Engine::Work Engine::own_work(uint64_t bytes) const {
  return {.copy_bytes = static_cast<double>(bytes), .copy_bytes_per_s = model_.copy_bytes_per_s};
}

Engine::Work Engine::send_work(const Transfer& transfer) const {
  const cost::TierCost& tier = places_.cost(transfer.from, transfer.to, transfer.path);
  if (transfer.path == schedule::Path::kMapped) {
    return {.overhead_s = tier.overhead_s,
            .copy_bytes = static_cast<double>(transfer.bytes),
            .copy_bytes_per_s = tier.flow_bytes_per_s};
  }
  return {.overhead_s = tier.overhead_s,
          .gap_s = options_.gap_at_sender ? 2 * tier.gap_s : tier.gap_s,
          .copy_bytes = static_cast<double>(transfer.packed),
          .copy_bytes_per_s = model_.copy_bytes_per_s};
}

Engine::Work Engine::receive_work(const Transfer& transfer) const {
  const cost::TierCost& tier = places_.cost(transfer.from, transfer.to, transfer.path);
  const bool fetches = transfer.by_receiver && tier.flow_bytes_per_s > 0;
  const double fetch_s = fetches ? static_cast<double>(transfer.bytes) / tier.flow_bytes_per_s : 0;
  return {.overhead_s = tier.overhead_s + fetch_s,
          .gap_s = transfer.path == schedule::Path::kMapped || options_.gap_at_sender ? 0 : tier.gap_s,
          .copy_bytes = static_cast<double>(transfer.unpacked),
          .copy_bytes_per_s = model_.copy_bytes_per_s};
}

/// The core is busy for its own work, and until the host has done the work of all its ranks so far.
void Engine::begin_task(int rank, Core::Task task, int message, const Work& work) {
  HostShare& host = hosts_[static_cast<size_t>(places_.host_of(rank))];
  double end_s = now_s_ + work.overhead_s;
  if (work.copy_bytes > 0 && work.copy_bytes_per_s > 0) {
    end_s += work.copy_bytes / work.copy_bytes_per_s;
  }
  if (work.gap_s > 0) {
    host.stack_free_s = std::max(host.stack_free_s, now_s_) + work.gap_s;
    end_s = std::max(end_s, host.stack_free_s);
  }
  if (work.copy_bytes > 0 && model_.host_copy_bytes_per_s > 0) {
    host.memory_free_s = std::max(host.memory_free_s, now_s_) + work.copy_bytes / model_.host_copy_bytes_per_s;
    end_s = std::max(end_s, host.memory_free_s);
  }
  Core& core = cores_[static_cast<size_t>(rank)];
  core.task = task;
  core.message = message;
  if (end_s > now_s_) {
    timeline_.ranks[static_cast<size_t>(rank)].busy_s += end_s - now_s_;
    events_.add(end_s, Event::Kind::kCoreDone, rank);
    return;
  }
  end_task(rank);
}

void Engine::core_done(int rank) { end_task(rank); }

void Engine::end_task(int rank) {
  Core& core = cores_[static_cast<size_t>(rank)];
  const Core::Task task = core.task;
  core.task = Core::Task::kIdle;
  RankTiming& timing = timeline_.ranks[static_cast<size_t>(rank)];
  timing.finish_s = std::max(timing.finish_s, now_s_);
  if (task == Core::Task::kSend) {
    sent(core.message);
  } else if (task == Core::Task::kReceive) {
    received(core.message);
  }
  wake(rank);
}

/// The sender has done its part. What is left of alpha lies between here and the wire: alpha holds the overheads of
/// both ends.
void Engine::sent(int index) {
  Message& message = messages_[static_cast<size_t>(index)];
  const Transfer& transfer = message.transfer;
  const cost::TierCost& tier = places_.cost(transfer.from, transfer.to, transfer.path);
  const bool mapped = transfer.path == schedule::Path::kMapped;
  const bool remote = places_.host_of(transfer.from) != places_.host_of(transfer.to);
  const double in_latency = remote ? options_.in_latency : 1;
  const double at_ends_s = 2 * in_latency * std::max(tier.overhead_s, mapped ? 0 : tier.gap_s);
  if (mapped) {
    message.timing.wire_start_s = message.timing.issue_s;
  }
  events_.add(now_s_ + std::max(0.0, tier.alpha_s - at_ends_s), Event::Kind::kLatencyOver, index);
}

void Engine::latency_over(int index) {
  Message& message = messages_[static_cast<size_t>(index)];
  const Transfer& transfer = message.transfer;
  if (transfer.path == schedule::Path::kMapped) {
    arrive(index);
    return;
  }
  message.timing.wire_start_s = now_s_;
  if (transfer.by_receiver) {
    left_sender(index);
    return;
  }
  network_->begin({.route = places_.route(transfer.from, transfer.to, transfer.rail),
                   .bytes = static_cast<double>(transfer.bytes),
                   .limit_bytes_per_s = places_.cost(transfer.from, transfer.to, transfer.path).flow_bytes_per_s,
                   .connection = connection_of(transfer),
                   .label = index},
                  now_s_);
}

uint64_t Engine::connection_of(const Transfer& transfer) const noexcept {
  const uint64_t ranks = cores_.size();
  const uint64_t pair = static_cast<uint64_t>(transfer.from) * ranks + static_cast<uint64_t>(transfer.to);
  return static_cast<uint64_t>(transfer.rail) * ranks * ranks + pair;
}

void Engine::wires_move() {
  const int ended = network_->advance(now_s_);
  if (ended != Wires::kNothing) {
    left_sender(ended);
  }
}

void Engine::left_sender(int index) {
  const int sender = messages_[static_cast<size_t>(index)].transfer.from;
  --cores_[static_cast<size_t>(sender)].in_flight;
  RankTiming& timing = timeline_.ranks[static_cast<size_t>(sender)];
  timing.finish_s = std::max(timing.finish_s, now_s_);
  wake(sender);
  arrive(index);
}

void Engine::arrive(int index) {
  Message& message = messages_[static_cast<size_t>(index)];
  message.timing.wire_end_s = now_s_;
  message.next = kNone;
  Core& core = cores_[static_cast<size_t>(message.transfer.to)];
  if (core.first_received == kNone) {
    core.first_received = index;
  } else {
    messages_[static_cast<size_t>(core.last_received)].next = index;
  }
  core.last_received = index;
  wake(message.transfer.to);
}

void Engine::received(int index) {
  Message& message = messages_[static_cast<size_t>(index)];
  message.timing.done_s = now_s_;
  StepTiming& step = step_of(message.transfer);
  step.last_done_s = std::max(step.last_done_s, now_s_);
  source_.arrived(message.transfer);
  if (options_.keep_messages && message.transfer.index != kNoIndex) {
    timeline_.messages.resize(std::max(timeline_.messages.size(), message.transfer.index + 1));
    timeline_.messages[message.transfer.index] = message.timing;
  }
  message.next = free_message_;
  free_message_ = index;
  ++timeline_.num_messages;
  if (options_.progress && timeline_.num_messages % kMessagesPerReport == 0) {
    options_.progress(timeline_.num_messages, now_s_);
  }
}

int Engine::new_message(const Transfer& transfer) {
  if (free_message_ == kNone) {
    free_message_ = static_cast<int>(messages_.size());
    messages_.emplace_back();
  }
  const int index = free_message_;
  free_message_ = messages_[static_cast<size_t>(index)].next;
  messages_[static_cast<size_t>(index)] = {.transfer = transfer, .timing = {.issue_s = now_s_}};
  ++issued_;
  StepTiming& step = step_of(transfer);
  step.first_issue_s = step.num_messages == 0 ? now_s_ : step.first_issue_s;
  ++step.num_messages;
  step.bytes += transfer.bytes;
  return index;
}

StepTiming& Engine::step_of(const Transfer& transfer) {
  auto& steps = timeline_.steps;
  const auto found = std::lower_bound(steps.begin(), steps.end(), transfer.step,
                                      [](const StepTiming& timing, int step) { return timing.step < step; });
  return found != steps.end() && found->step == transfer.step ? *found : *steps.insert(found, {.step = transfer.step});
}

Timeline Engine::finish() {
  if (!source_.exhausted() || issued_ != timeline_.num_messages) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT,
                "after " + std::to_string(timeline_.num_messages) +
                    " messages the others wait for blocks that never come; verify the schedule");
  }
  for (const RankTiming& rank : timeline_.ranks) {
    timeline_.total_s = std::max(timeline_.total_s, rank.finish_s);
  }
  for (size_t i = 0; i < places_.links().size(); ++i) {
    const SharedLink& link = places_.links()[i];
    timeline_.links.push_back({.subtree = link.subtree,
                               .egress = link.egress,
                               .capacity_bytes_per_s = link.capacity_bytes_per_s,
                               .bytes = static_cast<uint64_t>(network_->bytes(static_cast<int>(i))),
                               .busy_s = network_->busy_s(static_cast<int>(i)),
                               .rail = link.rail});
  }
  return std::move(timeline_);
}

}  // namespace banyan::simulator
