// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/callback_bootstrap.hpp"

#include "base/error.hpp"

namespace banyan::bootstrap {
namespace {

class CallbackBootstrap final : public Bootstrap {
 public:
  CallbackBootstrap(int rank, int size, banyan_allgather_fn callback, void* context)
      : rank_(rank), size_(size), callback_(callback), context_(context) {}

  [[nodiscard]] int rank() const noexcept override { return rank_; }
  [[nodiscard]] int size() const noexcept override { return size_; }

  void allgather(const void* mine, void* all, size_t bytes, Deadline deadline) override {
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

 private:
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
