// SPDX-License-Identifier: Apache-2.0
#include "candidates.hpp"

#include <cstddef>
#include <numeric>
#include <span>

#include "common/pattern.hpp"

namespace banyan::perf {
namespace {

class Known : public Candidate {
 public:
  Known(banyan_comm* comm, const Traffic& traffic, int rank) : buffers_(traffic, rank) {
    const RankLayout& layout = buffers_.layout();
    banyan_request* request = nullptr;
    require(
        banyan_alltoallv_init(comm, buffers_.send(), layout.sendcounts.data(), layout.sdispls.data(), buffers_.recv(),
                              layout.recvcounts.data(), layout.rdispls.data(), traffic.element_size, nullptr, &request),
        "banyan_alltoallv_init");
    request_.reset(request);
  }
  void run() override {
    require(banyan_request_start(request_.get()), "banyan_request_start");
    require(banyan_request_wait(request_.get()), "banyan_request_wait");
  }
  void prepare(uint64_t salt) override { buffers_.prepare(salt); }
  [[nodiscard]] uint64_t count_wrong(uint64_t salt) const override { return buffers_.count_wrong(salt); }

 private:
  ExchangeBuffers buffers_;
  Request request_;
};

class Exchanged : public Candidate {
 public:
  Exchanged(banyan_comm* comm, const Traffic& traffic, int rank)
      : comm_(comm),
        element_size_(traffic.element_size),
        buffers_(traffic, rank),
        recvcounts_(buffers_.layout().recvcounts.size()),
        rdispls_(recvcounts_.size()) {}
  void run() override {
    const RankLayout& layout = buffers_.layout();
    require(banyan_alltoall(comm_, layout.sendcounts.data(), recvcounts_.data(), 1, sizeof(size_t), nullptr),
            "banyan_alltoall");
    std::exclusive_scan(recvcounts_.begin(), recvcounts_.end(), rdispls_.begin(), size_t{0});
    require(banyan_alltoallv(comm_, buffers_.send(), layout.sendcounts.data(), layout.sdispls.data(), buffers_.recv(),
                             recvcounts_.data(), rdispls_.data(), element_size_, nullptr),
            "banyan_alltoallv");
  }
  void prepare(uint64_t salt) override { buffers_.prepare(salt); }
  [[nodiscard]] uint64_t count_wrong(uint64_t salt) const override { return buffers_.count_wrong(salt); }

 private:
  banyan_comm* comm_;
  size_t element_size_;
  ExchangeBuffers buffers_;
  std::vector<size_t> recvcounts_, rdispls_;
};

class Weighted : public Candidate {
 public:
  Weighted(banyan_comm* comm, const Traffic& traffic, int rank, double capacity_factor)
      : rank_(rank), element_size_(traffic.element_size), buffers_(traffic, rank) {
    const auto& counts = buffers_.layout().sendcounts;
    const std::vector<double> weights(counts.begin(), counts.end());
    banyan_weighted_options options = BANYAN_WEIGHTED_OPTIONS_INIT;
    options.weights = weights.data();
    // Capacities stop at the rows that a rank has; these leave room for the factor where one peer gets them all.
    const size_t total = std::accumulate(counts.begin(), counts.end(), size_t{0});
    options.rows = static_cast<size_t>(static_cast<double>(total) * capacity_factor);
    banyan_request* request = nullptr;
    require(banyan_weighted_alltoall_init(comm, &options, element_size_, &request), "banyan_weighted_alltoall_init");
    request_.reset(request);
    displs_.resize(counts.size());
    size_t rows = 0;
    require(banyan_weighted_alltoall_layout(request, nullptr, nullptr, displs_.data(), &rows),
            "banyan_weighted_alltoall_layout");
    receive_.resize(rows * element_size_ + 1);
  }
  void run() override {
    const RankLayout& layout = buffers_.layout();
    require(banyan_weighted_alltoall_start(request_.get(), buffers_.send(), layout.sendcounts.data(),
                                           layout.sdispls.data(), receive_.data(), nullptr),
            "banyan_weighted_alltoall_start");
    require(banyan_request_wait(request_.get()), "banyan_request_wait");
  }
  void prepare(uint64_t salt) override {
    buffers_.prepare(salt);
    receive_.assign(receive_.size(), std::byte{0});
  }
  [[nodiscard]] uint64_t count_wrong(uint64_t salt) const override {
    banyan_weighted_result result{};
    result.struct_size = sizeof(result);
    require(banyan_weighted_alltoall_result(request_.get(), &result), "banyan_weighted_alltoall_result");
    const RankLayout& layout = buffers_.layout();
    uint64_t wrong = 0;
    for (size_t from = 0; from < displs_.size(); ++from) {
      const std::span<const std::byte> block(receive_.data() + displs_[from] * element_size_,
                                             layout.recvcounts[from] * element_size_);
      wrong += count_differences(block, static_cast<int>(from), rank_, salt);
      wrong += result.recvcounts[from] != layout.recvcounts[from] ? 1U : 0U;
    }
    return wrong;
  }

 private:
  int rank_;
  size_t element_size_;
  ExchangeBuffers buffers_;
  std::vector<size_t> displs_;
  std::vector<std::byte> receive_;
  Request request_;
};

}  // namespace

std::vector<std::unique_ptr<Candidate>> make_candidates(banyan_comm* comm, const Traffic& traffic, int rank,
                                                        double capacity_factor) {
  std::vector<std::unique_ptr<Candidate>> candidates;
  candidates.push_back(std::make_unique<Known>(comm, traffic, rank));
  candidates.push_back(std::make_unique<Exchanged>(comm, traffic, rank));
  candidates.push_back(std::make_unique<Weighted>(comm, traffic, rank, capacity_factor));
  return candidates;
}

}  // namespace banyan::perf
