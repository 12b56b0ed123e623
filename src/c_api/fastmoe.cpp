// SPDX-License-Identifier: Apache-2.0
#include "banyan/fastmoe.h"

#include "c_api/boundary.hpp"
#include "c_api/handles.hpp"

namespace banyan::c_api {
namespace {

moe::Fastmoe& fastmoe_of(banyan_comm* comm) {
  banyan_comm& c = require(comm, "comm");
  if (!c.fastmoe) {
    c.fastmoe = std::make_unique<moe::Fastmoe>(*c.engine);
  }
  return *c.fastmoe;
}

void take(const banyan_fastmoe_options* given, moe::FastmoeCall& call) {
  const auto full = complete(given, "options");
  if (!(full.timeout_s >= 0) || full.timeout_s > 1e9) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT, "options.timeout_s must be between 0 and 1e9 seconds");
  }
  if (full.verify_counts != 0 && full.verify_counts != 1) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT,
                "options.verify_counts is " + std::to_string(full.verify_counts) + ", must be 0 or 1");
  }
  call.verify_counts = full.verify_counts == 1;
  call.options = {.algorithm = full.algorithm != nullptr ? full.algorithm : "", .timeout_s = full.timeout_s};
}

}  // namespace
}  // namespace banyan::c_api

using banyan::c_api::c_boundary;
using banyan::c_api::fastmoe_of;
using banyan::c_api::take;

extern "C" {

banyan_status banyan_fastmoe_expert_exchange(banyan_comm* comm, const int64_t* local_expert_count,
                                             int64_t* global_expert_count, int num_local_experts) {
  return c_boundary(
      [&] { fastmoe_of(comm).expert_exchange(local_expert_count, global_expert_count, num_local_experts); });
}

banyan_status banyan_fastmoe_global_scatter(banyan_comm* comm, const void* sendbuf, const int64_t* local_expert_count,
                                            void* recvbuf, const int64_t* global_expert_count, int num_local_experts,
                                            size_t row_bytes, const banyan_fastmoe_options* options) {
  return c_boundary([&] {
    banyan::moe::FastmoeCall call{.sendbuf = sendbuf,
                                  .local = local_expert_count,
                                  .recvbuf = recvbuf,
                                  .global = global_expert_count,
                                  .num_local_experts = num_local_experts,
                                  .row_bytes = row_bytes,
                                  .options = {}};
    auto& fastmoe = fastmoe_of(comm);
    take(options, call);
    fastmoe.global_scatter(call);
  });
}

banyan_status banyan_fastmoe_global_gather(banyan_comm* comm, const void* sendbuf, const int64_t* local_expert_count,
                                           void* recvbuf, const int64_t* global_expert_count, int num_local_experts,
                                           size_t row_bytes, const banyan_fastmoe_options* options) {
  return c_boundary([&] {
    banyan::moe::FastmoeCall call{.sendbuf = sendbuf,
                                  .local = local_expert_count,
                                  .recvbuf = recvbuf,
                                  .global = global_expert_count,
                                  .num_local_experts = num_local_experts,
                                  .row_bytes = row_bytes,
                                  .options = {}};
    auto& fastmoe = fastmoe_of(comm);
    take(options, call);
    fastmoe.global_gather(call);
  });
}

}  // extern "C"
