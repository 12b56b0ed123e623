// SPDX-License-Identifier: Apache-2.0
#include "common/exchange.hpp"

#include <numeric>
#include <type_traits>
#include <utility>

namespace banyan::perf {
namespace {

const char* name_or_null(const std::string& algorithm) { return algorithm.empty() ? nullptr : algorithm.c_str(); }

int size_of(const banyan_comm* comm) {
  int size = 0;
  require(banyan_comm_size(comm, &size), "banyan_comm_size");
  return size;
}

template <typename T>
std::vector<T> allgather(banyan_comm* comm, const T* values, size_t count) {
  static_assert(std::is_trivially_copyable_v<T>);
  std::vector<T> all(count * static_cast<size_t>(size_of(comm)));
  require(banyan_comm_allgather(comm, values, all.data(), count * sizeof(T)), "banyan_comm_allgather");
  return all;
}

}  // namespace

BanyanExchange::BanyanExchange(banyan_comm* comm, const Traffic& traffic, ExchangeBuffers& buffers, Choices choices)
    : comm_(comm),
      buffers_(buffers),
      element_size_(traffic.element_size),
      uniform_(traffic.uniform_bytes.has_value()),
      uniform_count_(traffic.uniform_bytes.value_or(0) / traffic.element_size),
      choices_(std::move(choices)),
      options_ BANYAN_ALLTOALL_OPTIONS_INIT {
  options_.algorithm = name_or_null(choices_.algorithm);
  if (choices_.oneshot) {
    return;
  }
  banyan_request* request = nullptr;
  const auto& layout = buffers_.layout();
  if (uniform_) {
    require(banyan_alltoall_init(comm_, buffers_.send(), buffers_.recv(), uniform_count_, element_size_, &options_,
                                 &request),
            "banyan_alltoall_init");
  } else {
    require(
        banyan_alltoallv_init(comm_, buffers_.send(), layout.sendcounts.data(), layout.sdispls.data(), buffers_.recv(),
                              layout.recvcounts.data(), layout.rdispls.data(), element_size_, &options_, &request),
        "banyan_alltoallv_init");
  }
  request_.reset(request);
}

void BanyanExchange::run() {
  if (choices_.oneshot) {
    run_oneshot();
    return;
  }
  require(banyan_request_start(request_.get()), "banyan_request_start");
  require(banyan_request_wait(request_.get()), "banyan_request_wait");
}

void BanyanExchange::run_oneshot() {
  const auto& layout = buffers_.layout();
  if (uniform_) {
    require(banyan_alltoall(comm_, buffers_.send(), buffers_.recv(), uniform_count_, element_size_, &options_),
            "banyan_alltoall");
    return;
  }
  require(banyan_alltoallv(comm_, buffers_.send(), layout.sendcounts.data(), layout.sdispls.data(), buffers_.recv(),
                           layout.recvcounts.data(), layout.rdispls.data(), element_size_, &options_),
          "banyan_alltoallv");
}

Plan make_plan(const banyan_comm* comm, const Traffic& traffic, const std::string& algorithm) {
  banyan_plan* plan = nullptr;
  const uint64_t* matrix = traffic.uniform_bytes ? nullptr : traffic.bytes.data();
  require(banyan_plan_from_comm(comm, traffic.uniform_bytes.value_or(0), matrix, name_or_null(algorithm), &plan),
          "banyan_plan_from_comm");
  return Plan(plan);
}

PlanFigures figures_of(const banyan_plan* plan) {
  banyan_plan_info info{};
  info.struct_size = sizeof(info);
  require(banyan_plan_get_info(plan, &info), "banyan_plan_get_info");
  return {info.algorithm,     info.predicted_time_s, info.lower_bound_s,       info.wire_bytes,
          info.logical_bytes, info.num_messages,     info.num_mapped_messages, info.measured != 0};
}

namespace {

banyan_comm_stats stats_of(const banyan_comm* comm) {
  banyan_comm_stats stats{};
  stats.struct_size = sizeof(stats);
  require(banyan_comm_get_stats(comm, &stats), "banyan_comm_get_stats");
  return stats;
}

}  // namespace

uint64_t read_trials(const banyan_comm* comm) { return stats_of(comm).trials; }

Counters read_counters(const banyan_comm* comm) {
  const banyan_comm_stats stats = stats_of(comm);
  return {stats.messages_sent, stats.message_bytes,       stats.mapped_writes,
          stats.mapped_bytes,  stats.inter_host_messages, stats.inter_host_bytes};
}

Counters operator-(const Counters& later, const Counters& earlier) {
  return {later.messages - earlier.messages,
          later.message_bytes - earlier.message_bytes,
          later.mapped_writes - earlier.mapped_writes,
          later.mapped_bytes - earlier.mapped_bytes,
          later.inter_host_messages - earlier.inter_host_messages,
          later.inter_host_bytes - earlier.inter_host_bytes};
}

Counters operator+(const Counters& one, const Counters& other) {
  return {one.messages + other.messages,
          one.message_bytes + other.message_bytes,
          one.mapped_writes + other.mapped_writes,
          one.mapped_bytes + other.mapped_bytes,
          one.inter_host_messages + other.inter_host_messages,
          one.inter_host_bytes + other.inter_host_bytes};
}

std::vector<double> gather(banyan_comm* comm, const std::vector<double>& values) {
  return allgather(comm, values.data(), values.size());
}

uint64_t sum(banyan_comm* comm, uint64_t value) {
  const auto all = allgather(comm, &value, 1);
  return std::accumulate(all.begin(), all.end(), uint64_t{0});
}

Counters sum(banyan_comm* comm, const Counters& counters) {
  Counters total;
  for (const auto& one : allgather(comm, &counters, 1)) {
    total = total + one;
  }
  return total;
}

}  // namespace banyan::perf
