// SPDX-License-Identifier: Apache-2.0
#include "emulation/emulated_copies.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <deque>
#include <vector>

#include "emulation/emulated_gpu.hpp"

namespace banyan::emulation {
namespace {

struct In {
  char* to;
  const char* from;
  size_t bytes;
  std::function<void()> done;
};

struct Out {
  char* to;
  const char* from;
  size_t bytes;
  uint64_t group;
  bool is_read;
  std::vector<char> data;  ///< read
};

/// Of the block that this thread is.
thread_local std::deque<In> ins;
thread_local std::deque<Out> outs;
thread_local uint64_t group = 0;  ///< the open one

}  // namespace

void copy_in(char* to, const char* from, size_t bytes, std::function<void()> done) {
  ins.push_back({to, from, bytes, std::move(done)});
}

void copy_out(char* to, const char* from, size_t bytes) { outs.push_back({to, from, bytes, group, false, {}}); }

void commit_copies() { ++group; }

void await_copies_read(size_t pending) {
  const auto is_left = [&](const Out& out) { return !out.is_read && out.group + pending < group; };
  while (std::any_of(outs.begin(), outs.end(), is_left)) {
    yield();
  }
}

void await_copies() {
  while (!outs.empty()) {
    yield();
  }
}

void advance_copies(unsigned lot) {
  if (!ins.empty() && lot % 3 != 0) {
    const size_t number = lot / 3 % std::min<size_t>(ins.size(), 3);
    const In in = ins[number];
    ins.erase(ins.begin() + static_cast<long>(number));
    std::memcpy(in.to, in.from, in.bytes);
    in.done();
  }
  for (unsigned i = 0; i < lot / 8 % 4; ++i) {
    const auto next = std::find_if(outs.begin(), outs.end(), [](const Out& out) { return !out.is_read; });
    if (next != outs.end()) {
      next->data.assign(next->from, next->from + next->bytes);
      next->is_read = true;
    }
  }
  for (unsigned i = 0; i < lot / 32 % 4 && !outs.empty() && outs.front().is_read; ++i) {
    std::memcpy(outs.front().to, outs.front().data.data(), outs.front().bytes);
    outs.pop_front();
  }
}

}  // namespace banyan::emulation
