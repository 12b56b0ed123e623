// SPDX-License-Identifier: Apache-2.0
// The exam of banyan/device.h on GPUs: what the library does with the CUDA plugin. A rank is a process, as a launcher
// starts them: threads of one GPU would stop at each other's cudaFree. Exchanges in the group's memory and in any
// other, captured in a graph, refused; tokens; a rank that does not come, and a new group after that. Exit status 77:
// there is no device.
#include <cuda_runtime_api.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

#include "banyan/banyan.h"
#include "banyan/device.h"

namespace banyan::gpu_test {
namespace {

void require(bool condition, const std::string& what) {
  if (!condition) {
    throw std::runtime_error(what);
  }
}
void require(banyan_status status, const char* what) {
  require(status == BANYAN_OK, std::string(what) + ": " + banyan_last_error());
}
void require(cudaError_t error, const char* what) {
  require(error == cudaSuccess, std::string(what) + ": " + cudaGetErrorString(error));
}

/// Memory of the thread's device that no group knows.
template <class T>
class Memory {
 public:
  explicit Memory(size_t count) { require(cudaMalloc(&data_, count * sizeof(T)), "cudaMalloc"); }
  explicit Memory(const std::vector<T>& values) : Memory(values.size()) { write(values); }
  ~Memory() { cudaFree(data_); }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  [[nodiscard]] T* get() const noexcept { return static_cast<T*>(data_); }
  /// Returns when it is there: a copy of pageable memory may return before, and the ranks' streams do not wait for it.
  void write(const std::vector<T>& values) {
    require(cudaMemcpy(data_, values.data(), values.size() * sizeof(T), cudaMemcpyHostToDevice), "cudaMemcpy");
    require(cudaStreamSynchronize(cudaStreamLegacy), "cudaStreamSynchronize");
  }

 private:
  void* data_ = nullptr;
};

template <class T>
std::vector<T> to_host(const T* device, size_t count) {
  std::vector<T> values(count);
  require(cudaMemcpy(values.data(), device, count * sizeof(T), cudaMemcpyDeviceToHost), "cudaMemcpy");
  return values;
}

struct Rank {
  banyan_comm* comm = nullptr;
  int rank = 0;
  int size = 1;
  int device = 0;
  int max_blocks = 0;
  cudaStream_t stream = nullptr;

  [[nodiscard]] size_t n() const { return static_cast<size_t>(size); }
  void synchronize() const { require(cudaStreamSynchronize(stream), "cudaStreamSynchronize"); }
};

banyan_device_group* make_group(const Rank& self, double timeout_s) {
  banyan_device_group_options options = BANYAN_DEVICE_GROUP_OPTIONS_INIT;
  options.eager_bytes = size_t{64} << 10;
  options.max_blocks = self.max_blocks;
  options.timeout_s = timeout_s;
  banyan_device_group* group = nullptr;
  require(banyan_device_group_create(self.comm, self.device, &options, &group), "banyan_device_group_create");
  return group;
}

uint32_t element(int round, int from, int to, size_t index) {
  return static_cast<uint32_t>(round * 7919 + from * 104729 + to * 1299709) +
         static_cast<uint32_t>(index) * 2654435761U;
}

std::vector<uint32_t> blocks(const Rank& self, int round, size_t count, bool sent) {
  std::vector<uint32_t> values;
  for (int peer = 0; peer < self.size; ++peer) {
    for (size_t i = 0; i < count; ++i) {
      values.push_back(sent ? element(round, self.rank, peer, i) : element(round, peer, self.rank, i));
    }
  }
  return values;
}

void uniform(const Rank& self) {
  banyan_device_group* group = make_group(self, 20);
  constexpr size_t kLarge = 750'001;
  void* window = nullptr;
  require(banyan_device_alloc(group, self.n() * kLarge * 4, &window), "banyan_device_alloc");
  const Memory<uint32_t> other(self.n() * 1000);
  for (const size_t count : {size_t{1}, size_t{1000}, size_t{16384}, size_t{16385}, kLarge, size_t{0}}) {
    const Memory<uint32_t> send(blocks(self, 1, count, true));
    auto* recv = count == 1000 ? other.get() : static_cast<uint32_t*>(window);
    require(banyan_device_alltoall(group, send.get(), recv, count, 4, self.stream), "banyan_device_alltoall");
    self.synchronize();
    require(to_host(recv, self.n() * count) == blocks(self, 1, count, false),
            "wrong data in blocks of " + std::to_string(count));
  }
  require(banyan_device_group_check(group), "banyan_device_group_check");
  require(banyan_device_group_free(group), "banyan_device_group_free");
}

/// Elements of a pair: random, all to one rank, none.
size_t count_of(int round, int from, int to, int size) {
  const size_t random = element(round, from, to, 1) % 40000;
  return round % 3 == 0 ? random : round % 3 == 1 ? (to == round % size ? 100000 + random : random % 2) : 0;
}

void variable(const Rank& self) {
  banyan_device_group* group = make_group(self, 20);
  constexpr size_t kRoom = 140000;
  void* window = nullptr;
  require(banyan_device_alloc(group, self.n() * kRoom * 4, &window), "banyan_device_alloc");
  Memory<uint32_t> send(self.n() * kRoom);
  std::vector<size_t> offsets(self.n());
  for (size_t peer = 0; peer < self.n(); ++peer) {
    offsets[peer] = peer * kRoom + peer % 3;
  }
  for (int round = 0; round < 9; ++round) {
    std::vector<size_t> sends(self.n());
    std::vector<size_t> receives(self.n());
    std::vector<uint32_t> sent(self.n() * kRoom, 0);
    std::vector<uint32_t> expected(self.n() * kRoom, 0xEEEEEEEE);
    require(cudaMemset(window, 0xEE, self.n() * kRoom * 4), "cudaMemset");  // write() waits for it
    for (int peer = 0; peer < self.size; ++peer) {
      const auto p = static_cast<size_t>(peer);
      sends[p] = count_of(round, self.rank, peer, self.size);
      receives[p] = count_of(round, peer, self.rank, self.size);
      for (size_t i = 0; i < sends[p]; ++i) {
        sent[offsets[p] + i] = element(round, self.rank, peer, i);
      }
      for (size_t i = 0; i < receives[p]; ++i) {
        expected[offsets[p] + i] = element(round, peer, self.rank, i);
      }
    }
    send.write(sent);
    require(banyan_device_alltoallv(group, send.get(), sends.data(), offsets.data(), window, receives.data(),
                                    offsets.data(), 4, self.stream),
            "banyan_device_alltoallv");
    self.synchronize();
    require(to_host(static_cast<uint32_t*>(window), expected.size()) == expected,
            "wrong data in round " + std::to_string(round));
  }
  require(banyan_device_group_free(group), "banyan_device_group_free");
}

void captured(const Rank& self) {
  banyan_device_group* group = make_group(self, 20);
  for (const size_t count : {size_t{300}, size_t{50000}}) {
    void* window = nullptr;
    require(banyan_device_alloc(group, self.n() * count * 4, &window), "banyan_device_alloc");
    Memory<uint32_t> send(self.n() * count);
    cudaGraph_t graph = nullptr;
    cudaGraphExec_t exec = nullptr;
    require(cudaStreamBeginCapture(self.stream, cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture");
    require(banyan_device_alltoall(group, send.get(), window, count, 4, self.stream), "captured alltoall");
    require(cudaStreamEndCapture(self.stream, &graph), "cudaStreamEndCapture");
    require(cudaGraphInstantiate(&exec, graph, 0), "cudaGraphInstantiate");
    for (int round = 0; round < 5; ++round) {
      send.write(blocks(self, round, count, true));
      require(cudaGraphLaunch(exec, self.stream), "cudaGraphLaunch");
      self.synchronize();
      require(to_host(static_cast<uint32_t*>(window), self.n() * count) == blocks(self, round, count, false),
              "wrong data in replay " + std::to_string(round));
    }
    require(cudaGraphExecDestroy(exec), "cudaGraphExecDestroy");
    require(cudaGraphDestroy(graph), "cudaGraphDestroy");
  }
  require(banyan_device_group_free(group), "banyan_device_group_free");
}

void expect_refused(banyan_status status, banyan_status expected, const std::string& word) {
  const std::string text = banyan_last_error();
  require(
      status == expected && text.find(word) != std::string::npos,
      "status " + std::to_string(status) + ", expected " + std::to_string(expected) + " and '" + word + "': " + text);
}

void refused(const Rank& self) {
  banyan_device_group* group = make_group(self, 20);
  const size_t count = size_t{32} << 10;
  std::vector<uint32_t> host(self.n() * count);
  const Memory<uint32_t> device(self.n() * count);
  void* window = nullptr;
  require(banyan_device_alloc(group, self.n() * count * 4, &window), "banyan_device_alloc");
  expect_refused(banyan_device_alltoall(group, host.data(), window, count, 4, self.stream), BANYAN_ERR_INVALID_ARGUMENT,
                 "host");
  expect_refused(banyan_device_alltoall(group, window, host.data(), count, 4, self.stream), BANYAN_ERR_INVALID_ARGUMENT,
                 "host");
  if (self.size > 1) {  // the own block may lie anywhere
    expect_refused(banyan_device_alltoall(group, window, device.get(), count, 4, self.stream), BANYAN_ERR_NOT_SUPPORTED,
                   "banyan_device_alloc");
  }
  require(banyan_device_group_check(group), "banyan_device_group_check");  // nothing was enqueued
  require(banyan_device_group_free(group), "banyan_device_group_free");
}

/// Experts that do nothing: what comes back is a token's row, once for each rank that has one of its experts.
void tokens(const Rank& self) {
  constexpr int kTokens = 200;
  constexpr int kTopK = 3;
  constexpr size_t kHidden = 96;
  banyan_device_group* group = make_group(self, 20);
  const int num_experts = 4 * self.size;
  std::vector<int> rank_of(static_cast<size_t>(num_experts));
  for (size_t e = 0; e < rank_of.size(); ++e) {
    rank_of[e] = static_cast<int>(e) % self.size;
  }
  banyan_device_tokens_options options = BANYAN_DEVICE_TOKENS_OPTIONS_INIT;
  options.max_tokens = kTokens;
  options.top_k = kTopK;
  options.num_experts = num_experts;
  options.rank_of_expert = rank_of.data();
  options.row_bytes = kHidden * sizeof(float);
  options.max_blocks = self.max_blocks;
  banyan_device_tokens* exchange = nullptr;
  require(banyan_device_tokens_create(group, &options, &exchange), "banyan_device_tokens_create");
  for (int round = 0; round < 4; ++round) {
    const auto num_tokens = static_cast<size_t>(round == 2 && self.rank == 0 ? 0 : kTokens - 13 * round);
    std::vector<float> rows(num_tokens * kHidden);
    std::vector<float> expected(rows.size());
    std::vector<int> experts(num_tokens * kTopK);
    for (size_t t = 0; t < num_tokens; ++t) {
      std::vector<bool> goes(self.n());
      for (size_t k = 0; k < kTopK; ++k) {
        const int expert = static_cast<int>(element(round, self.rank, 3, t * kTopK + k) % (num_experts + 2)) - 1;
        experts[t * kTopK + k] = expert;
        if (expert >= 0 && expert < num_experts) {
          goes[static_cast<size_t>(rank_of[static_cast<size_t>(expert)])] = true;
        }
      }
      const auto times = static_cast<float>(std::accumulate(goes.begin(), goes.end(), 0));
      for (size_t h = 0; h < kHidden; ++h) {
        rows[t * kHidden + h] = static_cast<float>((t * 31 + h) % 4096) + 10000.0F * static_cast<float>(self.rank);
        expected[t * kHidden + h] = times * rows[t * kHidden + h];
      }
    }
    Memory<float> in(std::max<size_t>(1, rows.size()));
    const Memory<float> out(std::max<size_t>(1, rows.size()));
    Memory<int> chosen(std::max<size_t>(1, experts.size()));
    in.write(rows);
    chosen.write(experts);
    require(banyan_comm_barrier(self.comm), "banyan_comm_barrier");  // nobody allocates while others wait
    banyan_device_tokens_batch batch = BANYAN_DEVICE_TOKENS_BATCH_INIT;
    batch.rows = in.get();
    batch.experts = chosen.get();
    batch.num_tokens = static_cast<int>(num_tokens);
    require(banyan_device_tokens_dispatch(exchange, &batch, self.stream), "banyan_device_tokens_dispatch");
    require(banyan_device_tokens_combine(exchange, out.get(), self.stream), "banyan_device_tokens_combine");
    self.synchronize();
    require(to_host(out.get(), rows.size()) == expected, "wrong sums in round " + std::to_string(round));
    require(banyan_comm_barrier(self.comm), "banyan_comm_barrier");
  }
  require(banyan_device_tokens_free(exchange), "banyan_device_tokens_free");
  require(banyan_device_group_free(group), "banyan_device_group_free");
}

/// The last rank does not come to an exchange: the others are told, free the group, and the next one works.
void missing(const Rank& self) {
  banyan_device_group* group = make_group(self, 1.5);
  const Memory<uint32_t> send(self.n());
  const Memory<uint32_t> recv(self.n());
  const int absent = self.size - 1;
  if (self.rank != absent) {
    require(banyan_device_alltoall(group, send.get(), recv.get(), 1, 4, self.stream), "banyan_device_alltoall");
    self.synchronize();
    expect_refused(banyan_device_group_check(group), BANYAN_ERR_TIMEOUT, "rank " + std::to_string(absent));
  }
  require(banyan_device_group_free(group), "banyan_device_group_free");
  uniform(self);
}

struct Trial {
  const char* name;
  void (*body)(const Rank&);
  int fewest_ranks;
};
constexpr std::array<Trial, 6> kTrials = {{{"uniform", uniform, 1},
                                           {"variable", variable, 1},
                                           {"captured", captured, 1},
                                           {"refused", refused, 1},
                                           {"tokens", tokens, 1},
                                           {"a rank does not come", missing, 2}}};

/// Runs all trials on this rank; returns how many failed. A rank that fails ends the others' waits.
int run_rank(banyan_comm* comm, int devices, int ranks_per_device) {
  Rank self;
  self.comm = comm;
  int failed = 0;
  const char* name = "setting up";
  try {
    require(banyan_comm_rank(comm, &self.rank), "banyan_comm_rank");
    require(banyan_comm_size(comm, &self.size), "banyan_comm_size");
    self.device = self.rank % devices;
    int multiprocessors = 0;
    require(cudaSetDevice(self.device), "cudaSetDevice");
    require(cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, self.device), "attribute");
    self.max_blocks = ranks_per_device > 1 ? multiprocessors / ranks_per_device / 2 : 0;
    require(cudaStreamCreateWithFlags(&self.stream, cudaStreamNonBlocking), "cudaStreamCreate");
    for (const Trial& trial : kTrials) {
      name = trial.name;
      if (self.size < trial.fewest_ranks) {
        continue;
      }
      trial.body(self);
      if (self.rank == 0) {
        std::printf("ok     %d ranks: %s\n", self.size, name);
        std::fflush(stdout);
      }
    }
    require(cudaStreamDestroy(self.stream), "cudaStreamDestroy");
  } catch (const std::exception& error) {
    std::printf("FAILED %d ranks: %s: rank %d: %s\n", self.size, name, self.rank, error.what());
    std::fflush(stdout);
    banyan_comm_abort(comm, error.what());
    failed = 1;
  }
  banyan_comm_destroy(comm);
  return failed;
}

int examine(int argc, char** argv) {
  if (argc > 1) {
    const bool help = std::strcmp(argv[1], "--help") == 0 || std::strcmp(argv[1], "-h") == 0;
    std::fprintf(help ? stdout : stderr,
                 "usage: banyan-run -n N -- gpu_library_exam\n"
                 "Exchanges of banyan/device.h on GPUs, by the ranks of a launcher, or one. With fewer GPUs than ranks "
                 "start an MPS server.\n"
                 "BANYAN_PLUGIN_PATH: where libbanyan_device_cuda.so is, if not beside the library.\n");
    return help ? 0 : 2;
  }
  int devices = 0;
  if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) {
    std::printf("SKIP: there is no CUDA device here\n");
    return 77;
  }
  banyan_comm* comm = nullptr;
  if (banyan_comm_create_from_environment(nullptr, &comm) != BANYAN_OK) {
    std::printf("FAILED communicator: %s\n", banyan_last_error());
    return 1;
  }
  int size = 1;
  banyan_comm_size(comm, &size);
  return run_rank(comm, devices, (size + devices - 1) / devices);
}

}  // namespace
}  // namespace banyan::gpu_test

int main(int argc, char** argv) { return banyan::gpu_test::examine(argc, argv); }
