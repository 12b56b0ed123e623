// SPDX-License-Identifier: Apache-2.0
#include "compare/preloaded_candidate.hpp"

#include <dlfcn.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "common/failure.hpp"
#include "compare/local_player.hpp"
#include "compare/mpi_exchange.hpp"

namespace banyan::perf {
namespace {

/// So many calls of a communicator's first may be MPI's, before the library takes them.
constexpr uint64_t kMayBeLeft = 64;
/// So many calls of a size are taken for trials of ways to make it: the library does not tell.
constexpr uint64_t kTrials = 256;

/// Exchanges that Banyan has made in this process; nothing where the library is not loaded.
using CallsOfLibrary = uint64_t (*)();
CallsOfLibrary calls_of_library() {
  return reinterpret_cast<CallsOfLibrary>(::dlsym(RTLD_DEFAULT, "banyan_preload_calls"));
}

bool is_off() {
  const char* mode = std::getenv("BANYAN_PRELOAD");
  return mode != nullptr && std::string_view(mode) == "off";
}

class Preloaded final : public PreparedExchange {
 public:
  explicit Preloaded(std::unique_ptr<PreparedExchange> exchange)
      : exchange_(std::move(exchange)), by_banyan_(calls_of_library()), before_(by_banyan_()) {}

  void run() override {
    exchange_->run();
    ++calls_;
  }
  /// Failure when MPI makes the calls: then the figure is not Banyan's.
  void settle() override {
    const uint64_t left = calls_ - (by_banyan_() - before_);
    if (left > kMayBeLeft) {
      throw Failure(fmt::format("{} of {} calls were left to MPI by the preload library; see what it says on stderr",
                                left, calls_));
    }
  }
  [[nodiscard]] std::optional<uint64_t> trials() const override { return std::min(calls_, kTrials); }

 private:
  std::unique_ptr<PreparedExchange> exchange_;
  CallsOfLibrary by_banyan_;
  uint64_t before_;
  uint64_t calls_ = 0;
};

}  // namespace

PreloadedCandidate::PreloadedCandidate() : passes_on_(is_off()), comm_(MPI_COMM_WORLD) {
  if (calls_of_library() == nullptr) {
    throw UsageError("--preloaded needs the preload library in every rank: LD_PRELOAD=libbanyan_preload_openmpi.so");
  }
}

std::unique_ptr<Player> PreloadedCandidate::prepare(const Traffic& traffic, ExchangeBuffers& buffers) {
  auto exchange = make_mpi_exchange(comm_.get(), traffic, buffers, Entry::kProgram);
  if (!passes_on_) {
    exchange = std::make_unique<Preloaded>(std::move(exchange));
  }
  return std::make_unique<LocalPlayer>(std::move(exchange), buffers);
}

}  // namespace banyan::perf
