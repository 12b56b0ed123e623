// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/callback_bootstrap.hpp"

#include <algorithm>
#include <vector>

#include "base/checked.hpp"
#include "base/error.hpp"

namespace banyan::bootstrap {
namespace {

class CallbackBootstrap final : public Bootstrap {
 public:
  CallbackBootstrap(int rank, int size, banyan_allgather_fn callback, void* context)
      : rank_(rank), size_(size), callback_(callback), context_(context) {}

  [[nodiscard]] int rank() const noexcept override { return rank_; }
  [[nodiscard]] int size() const noexcept override { return size_; }

  void allgatherv(const void* mine, void* all, std::span<const size_t> sizes, Deadline deadline) override {
    const size_t largest = *std::max_element(sizes.begin(), sizes.end());
    if (std::all_of(sizes.begin(), sizes.end(), [&](size_t size) { return size == largest; })) {
      gather(mine, all, largest, deadline);
      return;
    }
    const auto padded_bytes = checked::multiply(largest, sizes.size());
    if (!padded_bytes) {
      throw Error(BANYAN_ERR_LIMIT, "what the ranks gather does not fit in memory");
    }
    std::vector<char> own(largest);
    std::vector<char> padded(*padded_bytes);
    std::copy_n(static_cast<const char*>(mine), sizes[static_cast<size_t>(rank_)], own.data());
    gather(own.data(), padded.data(), largest, deadline);
    char* to = static_cast<char*>(all);
    for (size_t rank = 0; rank < sizes.size(); ++rank) {
      to = std::copy_n(padded.data() + rank * largest, sizes[rank], to);
    }
  }

 private:
  void gather(const void* mine, void* all, size_t bytes, Deadline deadline) {
    const int code = callback_(mine, all, bytes, context_);
    if (code != 0) {
      throw Error(BANYAN_ERR_IO, "the allgather callback given to banyan_comm_create returned " + std::to_string(code) +
                                     " on rank " + std::to_string(rank_) + " of " + std::to_string(size_) + " for " +
                                     std::to_string(bytes) + " bytes per rank");
    }
    if (deadline.passed()) {
      throw Error(BANYAN_ERR_TIMEOUT,
                  "the allgather callback given to banyan_comm_create returned after the deadline on "
                  "rank " +
                      std::to_string(rank_) + " of " + std::to_string(size_) +
                      "; raise bootstrap_timeout_s (BANYAN_BOOTSTRAP_TIMEOUT_S)");
    }
  }

  int rank_;
  int size_;
  banyan_allgather_fn callback_;
  void* context_;
};

}  // namespace

void check_rank_and_size(int rank, int size) {
  if (size < 1 || rank < 0 || rank >= size) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT, "rank " + std::to_string(rank) + " of size " + std::to_string(size) +
                                                 " cannot be: expected 0 <= rank < size");
  }
}

std::unique_ptr<Bootstrap> make_callback_bootstrap(int rank, int size, banyan_allgather_fn allgather, void* context) {
  check_rank_and_size(rank, size);
  if (allgather == nullptr) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT, "allgather is NULL: banyan_comm_create needs the caller's allgather");
  }
  return std::make_unique<CallbackBootstrap>(rank, size, allgather, context);
}

}  // namespace banyan::bootstrap
