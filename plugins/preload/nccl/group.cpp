// SPDX-License-Identifier: Apache-2.0
#include "nccl/group.hpp"

#include <pthread.h>

#include <new>
#include <utility>

#include "nccl/quietly.hpp"

namespace banyan::preload::nccl {
namespace {

// Not a thread_local object: the program's own may call NCCL in their destructors, after it.
thread_local constinit Group* group_of_thread = nullptr;

void end_thread(void* group) {
  delete static_cast<Group*>(group);
  group_of_thread = nullptr;
}

pthread_key_t make_key() {
  pthread_key_t key{};
  ::pthread_key_create(&key, end_thread);
  return key;
}

}  // namespace

Group* Group::of_this_thread() noexcept {
  if (group_of_thread == nullptr) {
    static const pthread_key_t key = make_key();
    group_of_thread = new (std::nothrow) Group;
    ::pthread_setspecific(key, group_of_thread);
  }
  return group_of_thread;
}

void Group::close(Result result, bool is_simulated) noexcept {
  if (depth_ == 0 || --depth_ > 0) {
    return;
  }
  if (is_accepted(result) && !is_simulated) {
    quietly([&] {
      enter(births_, result);
      conclude();
    });
  }
  births_.clear();
  clear();
}

void Group::expect(const Real& real, Comm* comm) {
  if (current_part_ < num_parts_ && parts_[current_part_].comm == comm) {
    return;
  }
  for (size_t part = 0; part < num_parts_; ++part) {
    if (parts_[part].comm == comm) {
      current_part_ = part;
      return;
    }
  }
  auto communicator = find_or_adopt(real, comm);
  if (num_parts_ == parts_.size()) {
    parts_.emplace_back();
  }
  parts_[num_parts_].comm = comm;
  parts_[num_parts_].communicator = std::move(communicator);
  current_part_ = num_parts_++;
}

void Group::add(const PointToPoint& operation, bool is_type_known) {
  Part& part = parts_[current_part_];
  part.operations.push_back(operation);
  part.num_unknown_datatypes += is_type_known ? 0 : 1;
}

void Group::add_alltoall(uint64_t bytes_per_pair, bool is_type_known) {
  Part& part = parts_[current_part_];
  part.alltoalls.push_back(bytes_per_pair);
  part.num_unknown_datatypes += is_type_known ? 0 : 1;
}

void Group::settle() noexcept {
  if (!is_open()) {
    quietly([this] { conclude(); });
    clear();
  }
}

void Group::add(std::span<const Birth> births, Result result) {
  if (is_open()) {
    births_.insert(births_.end(), births.begin(), births.end());
  } else {
    enter(births, result);
  }
}

void Group::conclude() {
  for (size_t part = 0; part < num_parts_; ++part) {
    if (parts_[part].communicator != nullptr) {
      conclude(parts_[part]);
    }
  }
}

void Group::conclude(Part& part) {
  for (const uint64_t bytes_per_pair : part.alltoalls) {
    part.communicator->add_alltoall(bytes_per_pair);
  }
  const Origin origin = part.communicator->origin();
  const Verdict verdict =
      part.operations.empty() ? Verdict{} : recognition_.judge(part.operations, origin.num_ranks, origin.rank);
  part.communicator->add(verdict, part.operations, part.num_unknown_datatypes);
}

void Group::clear() noexcept {
  for (size_t part = 0; part < num_parts_; ++part) {
    parts_[part].communicator.reset();
    parts_[part].comm = nullptr;
    parts_[part].operations.clear();
    parts_[part].alltoalls.clear();
    parts_[part].num_unknown_datatypes = 0;
  }
  num_parts_ = 0;
  current_part_ = 0;
}

}  // namespace banyan::preload::nccl
