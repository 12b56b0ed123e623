// SPDX-License-Identifier: Apache-2.0
#include "moe/exchange/mover.hpp"

#include <system_error>

#include "base/error.hpp"

namespace banyan::moe {

Mover::Mover(Group& group, bool with_thread) : group_(group), flow_(group) {
  if (!with_thread) {
    return;
  }
  try {
    pump_ = std::make_unique<Pump>(group);
  } catch (const std::system_error& error) {  // the other ranks have theirs
    const Error failure(BANYAN_ERR_NO_MEMORY, "rank " + std::to_string(group.rank()) +
                                                  " cannot start the thread of its token exchange: " + error.what());
    group.abort(failure);
    throw failure;
  }
}

Started Mover::start(Moves moves) {
  if (not_over_ == 0) {
    group_.world().communicator().check_usable();
    group_.require_idle();
  }
  Started started{.last = moves.back()};
  if (pump_) {
    pump_->add(std::move(moves));
  } else {
    flow_.add(std::move(moves));
  }
  group_.world().hold();
  ++not_over_;
  if (!pump_) {
    static_cast<void>(flow_.progress());
  }
  return started;
}

bool Mover::settle(Started& started) noexcept {
  if (!pump_ && started.last->status() == BANYAN_IN_PROGRESS) {
    static_cast<void>(flow_.progress());
  } else if (pump_ && group_.world().communicator().control().state().raised()) {
    started.last->sleep();  // its thread is about to end it
  }
  if (started.last->status() == BANYAN_IN_PROGRESS) {
    return false;
  }
  if (!started.over) {
    started.over = true;
    if (--not_over_ == 0) {
      group_.world().release();
    }
  }
  return true;
}

bool Mover::test(Started& started) {
  if (!settle(started)) {
    return false;
  }
  throw_unless_done(started);
  return true;
}

void Mover::wait(Started& started) {
  while (started.last->status() == BANYAN_IN_PROGRESS) {
    if (pump_) {
      started.last->sleep();
    } else if (!flow_.progress()) {
      flow_.idle();
    }
  }
  static_cast<void>(settle(started));
  throw_unless_done(started);
}

void Mover::throw_unless_done(const Started& started) const {
  if (started.last->status() != BANYAN_OK) {
    throw Error(started.last->status(), started.last->text());
  }
}

}  // namespace banyan::moe
