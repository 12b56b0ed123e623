// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime_api.h>

#include <functional>
#include <string>
#include <vector>

#include "gpu/mapped_job.hpp"

/// What the exams of a device plugin share: ranks for each test, a limit of its time, and the count.
namespace banyan::gpu_test {

/// Throws std::runtime_error unless `error` is success.
void check(cudaError_t error, const char* what);

/// Throws std::runtime_error unless `condition` holds.
void expect(bool condition, const std::string& what);

/// A stream of the caller's.
class Stream {
 public:
  Stream() { check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreate"); }
  ~Stream() { static_cast<void>(cudaStreamDestroy(stream_)); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  [[nodiscard]] cudaStream_t get() const { return stream_; }

 private:
  cudaStream_t stream_{};
};

/// One test; run with each number of ranks, in processes of their own.
struct Trial {
  std::string name;
  std::function<void(perf::MappedRank&)> body;
  int fewest_ranks;
  perf::JobOptions options;  ///< limit_s is the exam's
};

/// The exam's main program: its options are those of --help. Trials are in the order of what they tell; two ranks come
/// first, one last. Exit status 1: some trial failed or was not run; 77: there is no device.
[[nodiscard]] int examine(int argc, char** argv, const std::vector<Trial>& trials);

}  // namespace banyan::gpu_test
