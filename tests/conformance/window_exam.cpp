// SPDX-License-Identifier: Apache-2.0
// Mapped memory: visibility, independence from the owner's life, wrong handles. And messages above 4 GiB.
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>

#include "base/fd.hpp"
#include "conformance.hpp"

namespace banyan::conformance {
namespace {

using Window = transport::Transport::Window;
using Mapping = transport::Transport::Mapping;

TEST_P(TransportConformance, WindowIsZeroedAndPageAligned) {
  BANYAN_LEAVE_OUT_UNLESS(BANYAN_TRANSPORT_CAP_MAPPED);
  ranks(1, [](Rank& rank) {
    const auto member = rank.join();
    const Window window(member->transport(), 100000);
    const auto* bytes = static_cast<const std::byte*>(window.base());
    require(reinterpret_cast<uintptr_t>(bytes) % 4096 == 0, "the window is not page-aligned");
    require(std::all_of(bytes, bytes + 100000, [](std::byte b) { return b == std::byte{0}; }), "not zeroed");
  });
}

TEST_P(TransportConformance, WindowsOfAllRanksAreWrittenByAllRanks) {
  BANYAN_LEAVE_OUT_UNLESS(BANYAN_TRANSPORT_CAP_MAPPED);
  ranks(4, [](Rank& rank) {
    const auto member = rank.join();
    const size_t part = 70000;
    const auto count = static_cast<size_t>(rank.size());
    const Window window(member->transport(), part * count);
    const auto handles = rank.allgather(window.handle());
    for (int peer = 0; peer < rank.size(); ++peer) {
      const Mapping mapping(member->transport(), peer, handles[static_cast<size_t>(peer)]);
      const auto bytes = pattern(part, static_cast<uint64_t>(rank.rank() * 10 + peer));
      std::memcpy(static_cast<std::byte*>(mapping.base()) + part * static_cast<size_t>(rank.rank()), bytes.data(),
                  part);
    }
    rank.barrier();
    for (int peer = 0; peer < rank.size(); ++peer) {
      require(has_pattern(static_cast<const std::byte*>(window.base()) + part * static_cast<size_t>(peer), part,
                          static_cast<uint64_t>(peer * 10 + rank.rank())),
              fmt::format("what peer {} wrote is not visible", peer));
    }
    rank.barrier();
  });
}

TEST_P(TransportConformance, WindowOrdersBytesBehindAnAtomicFlag) {
  BANYAN_LEAVE_OUT_UNLESS(BANYAN_TRANSPORT_CAP_MAPPED);
  ranks(2, [](Rank& rank) {
    const auto member = rank.join();
    const Window window(member->transport(), 8192);
    const auto handles = rank.allgather(window.handle());
    const Mapping mapping(member->transport(), 1 - rank.rank(), handles[static_cast<size_t>(1 - rank.rank())]);
    auto* mine = static_cast<uint64_t*>(window.base());
    auto* theirs = static_cast<uint64_t*>(mapping.base());
    for (uint64_t turn = 1; turn <= 500; ++turn) {
      std::fill(theirs + 64, theirs + 512, turn);
      std::atomic_ref<uint64_t>(theirs[0]).store(turn, std::memory_order_release);
      while (std::atomic_ref<uint64_t>(mine[0]).load(std::memory_order_acquire) < turn) {
        member->progress();
        rank.check_deadline();
      }
      require(std::all_of(mine + 64, mine + 512, [&](uint64_t word) { return word == turn; }), "stale bytes");
      rank.barrier();
    }
  });
}

TEST_P(TransportConformance, MappingOutlivesItsClosedOwner) {
  BANYAN_LEAVE_OUT_UNLESS(BANYAN_TRANSPORT_CAP_MAPPED);
  ranks(2, [](Rank& rank) {
    const auto member = rank.join();
    if (rank.rank() == 0) {
      {
        const Window window(member->transport(), 4096);
        std::memset(window.base(), 0x5a, 4096);
        rank.allgather(window.handle());
        rank.barrier();
      }
      member->close();
      rank.barrier();
    } else {
      const Mapping mapping(member->transport(), 0, rank.allgather("")[0]);
      rank.barrier();
      rank.barrier();
      auto* bytes = static_cast<unsigned char*>(mapping.base());
      require(std::all_of(bytes, bytes + 4096, [](unsigned char b) { return b == 0x5a; }), "the bytes changed");
      std::memset(bytes, 1, 4096);
    }
  });
}

TEST_P(TransportConformance, MappingOutlivesItsKilledOwner) {
  if (GetParam().ranks == Ranks::kThreads) {
    GTEST_SKIP() << "a thread cannot be killed; the exam with processes covers it";
  }
  BANYAN_LEAVE_OUT_UNLESS(BANYAN_TRANSPORT_CAP_MAPPED);
  ranks(2, [](Rank& rank) {
    int byte = 0;
    Request request{};  // outlives the member's progress
    const auto member = rank.join();
    if (rank.rank() == 0) {
      const Window window(member->transport(), size_t{1} << 20);
      std::memset(window.base(), 0x5a, size_t{1} << 20);
      rank.allgather(window.handle());
      rank.barrier();
      rank.die();
    }
    const Mapping mapping(member->transport(), 0, rank.allgather("")[0]);
    rank.barrier();
    member->receive(0, &byte, sizeof(byte), 1, request);
    if (rank.can(BANYAN_TRANSPORT_CAP_REPORTS_PEER_FAILURE)) {
      require(member->finish(request) == BANYAN_ERR_PEER_FAILED, "the death was not seen");
    }
    auto* bytes = static_cast<unsigned char*>(mapping.base());
    require(std::all_of(bytes, bytes + (1 << 20), [](unsigned char b) { return b == 0x5a; }), "bytes changed");
    std::memset(bytes, 1, size_t{1} << 20);
  });
}

TEST_P(TransportConformance, DamagedWindowHandlesAreRefused) {
  BANYAN_LEAVE_OUT_UNLESS(BANYAN_TRANSPORT_CAP_MAPPED);
  ranks(1, [](Rank& rank) {
    const auto member = rank.join();
    const Window window(member->transport(), 4096);
    const std::string handle = window.handle();
    std::vector<std::string> wrong = {"", handle.substr(0, handle.size() / 2), std::string(handle.size(), '\0'),
                                      std::string(handle.size(), '\xff')};
    wrong.push_back(handle);
    wrong.back()[0] = static_cast<char>(wrong.back()[0] ^ 0x40);
    for (const std::string& bytes : wrong) {
      bool refused = false;
      try {
        const Mapping mapping(member->transport(), 0, bytes);
      } catch (const std::exception&) {
        refused = true;
      }
      require(refused, fmt::format("a damaged handle of {} bytes was mapped", bytes.size()));
    }
  });
}

/// More address space than memory: one small piece of memory, mapped again and again.
class RepeatedMemory {
 public:
  static constexpr size_t kPiece = size_t{16} << 20;

  explicit RepeatedMemory(size_t size) : size_((size + kPiece - 1) / kPiece * kPiece) {
    const Fd memory(::memfd_create("banyan-test", MFD_CLOEXEC));
    require(::ftruncate(memory.get(), kPiece) == 0, "ftruncate failed");
    void* area = ::mmap(nullptr, size_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    require(area != MAP_FAILED, "no address space");
    base_ = static_cast<std::byte*>(area);
    for (size_t at = 0; at < size_; at += kPiece) {
      require(::mmap(base_ + at, kPiece, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, memory.get(), 0) != MAP_FAILED,
              "mmap failed");
    }
  }
  ~RepeatedMemory() { ::munmap(base_, size_); }
  RepeatedMemory(const RepeatedMemory&) = delete;
  RepeatedMemory& operator=(const RepeatedMemory&) = delete;
  [[nodiscard]] std::byte* base() const { return base_; }

 private:
  size_t size_;
  std::byte* base_ = nullptr;
};

TEST_P(TransportConformance, MessageAboveFourGibibytesArrives) {
  if (kSanitized || !GetParam().huge_messages) {
    GTEST_SKIP() << "huge messages are examined without sanitizers, where the transport is fast enough";
  }
  ranks(2, [](Rank& rank) {
    const auto member = rank.join();
    const size_t size = (size_t{4} << 30) + 12345;
    const RepeatedMemory memory(size);
    Request request{};
    if (rank.rank() == 0) {
      const auto bytes = pattern(RepeatedMemory::kPiece, 3);
      std::memcpy(memory.base(), bytes.data(), bytes.size());
      member->send(1, memory.base(), size, 1, request);
      require(member->finish(request) == BANYAN_OK, member->transport().last_error());
    } else {
      member->receive(0, memory.base(), size, 1, request);
      require(member->finish(request) == BANYAN_OK, member->transport().last_error());
      require(request.received == size, fmt::format("received {} of {}", request.received, size));
      require(has_pattern(memory.base(), RepeatedMemory::kPiece, 3), "wrong bytes");
    }
    rank.barrier();
  });
}

}  // namespace
}  // namespace banyan::conformance
