// SPDX-License-Identifier: Apache-2.0
#include "moe/exchange/flow.hpp"

#include <new>

namespace banyan::moe {
namespace {

/// Moves that wait for a rung have their rows ready in advance up to this place in its queue.
constexpr size_t kReadyInAdvance = 1;

}  // namespace

void Flow::add(Moves moves) {
  const size_t before = moves_.size();
  report_ = before == 0 ? Deadline::in(group_.stall_s()) : report_;
  try {
    for (auto& move : moves) {
      moves_.emplace_back().move = std::move(move);
    }
  } catch (const std::bad_alloc&) {
    moves_.resize(before);
    throw;
  }
}

bool Flow::progress() noexcept {
  try {
    if (advance()) {
      report_ = Deadline::in(group_.stall_s());
      return true;
    }
    report_stall();
    return false;
  } catch (const Error& error) {
    fail(error);
  } catch (const std::bad_alloc&) {
    fail(Error(BANYAN_ERR_NO_MEMORY, "rank " + std::to_string(group_.rank()) + " is out of memory"));
  } catch (const std::exception& error) {
    fail(Error(BANYAN_ERR_INTERNAL, "rank " + std::to_string(group_.rank()) + ": " + error.what()));
  }
  return true;
}

bool Flow::advance() {
  bool happened = false;
  for (size_t number = 0; number < moves_.size();) {
    happened = advance(number) || happened;
    if (moves_[number].move->over_rungs() && !moves_[number].exchanging) {
      Entry entry = std::move(moves_[number]);
      moves_.erase(moves_.begin() + static_cast<std::ptrdiff_t>(number));
      entry.move->end(BANYAN_OK, {});  // first: whoever waits for it has nothing to do with what may fail here
      spare_.push_back(std::move(entry.space));
      continue;
    }
    ++number;
  }
  return happened;
}

bool Flow::advance(size_t number) {
  Entry& entry = moves_[number];
  Move& move = *entry.move;
  if (entry.exchanging) {
    if (!group_.test(move.rung())) {
      return false;
    }
    entry.exchanging = false;
    under_way_[move.rung()] = false;
    move.next_rung();
    if (move.over_rungs()) {
      move.finish(*entry.space);
      return true;
    }
    entry.prepared = false;
  }
  const size_t before = ahead(number);
  if (before > kReadyInAdvance) {
    return false;
  }
  const bool was_ready = entry.prepared;
  if (!was_ready) {
    prepare(entry);
  }
  if (before > 0 || under_way_[move.rung()]) {
    return !was_ready;
  }
  group_.start(move.rung(), entry.leg, move.purpose());
  entry.exchanging = true;
  under_way_[move.rung()] = true;
  return true;
}

/// Ranks that start different moves may each wait inside their hosts for another one. What rung 0 waits for its engine
/// reports.
void Flow::report_stall() {
  if (moves_.empty() || under_way_[0] || !report_.passed()) {
    return;
  }
  report_ = Deadline::in(group_.stall_s() / 2);
  for (const Entry& entry : moves_) {
    if (entry.move->needs(0)) {
      group_.report_next(entry.move->purpose());
      return;
    }
  }
}

size_t Flow::ahead(size_t number) const {
  const size_t rung = moves_[number].move->rung();
  size_t count = 0;
  for (size_t before = 0; before < number && count <= kReadyInAdvance; ++before) {
    count += moves_[before].move->needs(rung) ? 1 : 0;
  }
  return count;
}

void Flow::prepare(Entry& entry) {
  if (!entry.space) {
    if (spare_.empty()) {
      spare_.push_back(std::make_unique<Workspace>());
    }
    entry.space = std::move(spare_.back());
    spare_.pop_back();
  }
  entry.leg = entry.move->prepare(*entry.space);
  entry.prepared = true;
}

void Flow::idle() {
  for (size_t rung = 0; rung < under_way_.size(); ++rung) {
    if (under_way_[rung]) {
      group_.idle(rung);
      return;
    }
  }
}

void Flow::fail(const Error& error) noexcept {
  group_.abort(error);  // whatever it is: other ranks are in the middle of it
  // One of them may have been first with the cause; all report the same one.
  const auto& state = group_.world().communicator().control().state();
  for (size_t rung = 0; rung < under_way_.size(); ++rung) {
    if (under_way_[rung]) {
      group_.end_if_failed(rung);
      under_way_[rung] = false;
    }
  }
  // Nothing touches the callers' memory any more. The oldest last: who sees it end can free the others.
  while (!moves_.empty()) {
    const std::shared_ptr<Move> move = std::move(moves_.back().move);
    moves_.pop_back();
    move->end(state.status(), state.text());
  }
}

}  // namespace banyan::moe
