// SPDX-License-Identifier: Apache-2.0
#include "banyan/device.h"

#include <memory>
#include <numeric>

#include "base/env.hpp"
#include "c_api/boundary.hpp"
#include "c_api/device_handles.hpp"
#include "comm/device_tokens.hpp"

struct banyan_device_tokens {
  banyan_device_tokens(banyan_device_group& of, const banyan_device_tokens_config& config, const std::string& problem)
      : group(of), tokens(of.group, config, problem) {}

  banyan_device_group& group;
  banyan::comm::DeviceTokens tokens;
};

namespace banyan::c_api {
namespace {

constexpr size_t kDefaultEager = size_t{256} << 10;  // that of perf/gpu/gpu_compare, with which it was measured
constexpr size_t kMostEager = size_t{1} << 30;

void require_within(double value, double most, const char* name) {
  if (!(value >= 0) || value > most) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT, std::string(name) + " is " + std::to_string(value) +
                                                 ", must be 0 (default) to " + std::to_string(most));
  }
}

comm::DeviceTerms terms_of(const banyan_device_group_options* given, int device) {
  comm::DeviceTerms terms;
  terms.device = device;
  terms.problem = problem_of([&] {
    const auto full = complete(given, "options");
    terms.plugin = full.plugin != nullptr ? full.plugin : env::get("BANYAN_DEVICE_PLUGIN").value_or(terms.plugin);
    terms.eager_bytes = full.eager_bytes == 0 ? kDefaultEager : full.eager_bytes;
    terms.max_blocks = full.max_blocks;
    terms.timeout_s = full.timeout_s;
    require_within(static_cast<double>(terms.eager_bytes), static_cast<double>(kMostEager), "options.eager_bytes");
    require_within(terms.max_blocks, 1e9, "options.max_blocks");
    require_within(terms.timeout_s, 1e9, "options.timeout_s");
  });
  return terms;
}

banyan_device_tokens_config config_of(const banyan_device_tokens_options* given, std::string& problem) {
  banyan_device_tokens_config config{};
  problem = problem_of([&] { config = tokens_config_of(complete(&require(given, "options"), "options")); });
  return config;
}

/// Every block has `bytes`, one behind the other.
void lay_out_evenly(Layout& layout, size_t size, size_t bytes) {
  layout.send_bytes.assign(size, bytes);
  layout.send_offsets.resize(size);
  std::exclusive_scan(layout.send_bytes.begin(), layout.send_bytes.end(), layout.send_offsets.begin(), size_t{0});
  layout.recv_bytes = layout.send_bytes;
  layout.recv_offsets = layout.send_offsets;
}

void exchange(banyan_device_group& group, const void* sendbuf, void* recvbuf, void* stream) {
  const Layout& layout = group.layout;
  group.group.alltoallv(sendbuf, {layout.send_bytes, layout.send_offsets}, recvbuf,
                        {layout.recv_bytes, layout.recv_offsets}, stream);
}

}  // namespace

banyan_device_dispatch dispatch_of(const banyan_device_tokens_batch* batch) {
  const auto full = complete(&require(batch, "batch"), "batch");
  banyan_device_dispatch dispatch{};
  dispatch.struct_size = sizeof(dispatch);
  dispatch.rows = full.rows;
  dispatch.experts = full.experts;
  dispatch.weights = full.weights;
  dispatch.num_tokens = full.num_tokens;
  dispatch.device_tokens = full.device_tokens;
  return dispatch;
}

}  // namespace banyan::c_api

using banyan::c_api::c_boundary;
using banyan::c_api::complete;
using banyan::c_api::fill;
using banyan::c_api::require;

extern "C" {

banyan_status banyan_device_group_create(banyan_comm* comm, int device, const banyan_device_group_options* options,
                                         banyan_device_group** group) {
  return c_boundary([&] {
    banyan_comm& c = require(comm, "comm");
    auto& out = require(group, "group");
    out = new banyan_device_group(c, banyan::c_api::terms_of(options, device));
    ++c.num_requests;
  });
}

banyan_status banyan_device_group_free(banyan_device_group* group) {
  return c_boundary([&] {
    if (group == nullptr) {
      return;
    }
    group->group.leave(group->num_tokens);
    --group->comm.num_requests;
    delete group;
  });
}

banyan_status banyan_device_alloc(banyan_device_group* group, size_t size, void** memory) {
  return c_boundary([&] {
    banyan_device_group& g = require(group, "group");
    auto& out = require(memory, "memory");
    out = g.group.allocate(size);
  });
}

banyan_status banyan_device_free(banyan_device_group* group, void* memory) {
  return c_boundary([&] { require(group, "group").group.free(memory); });
}

banyan_status banyan_device_alltoall(banyan_device_group* group, const void* sendbuf, void* recvbuf, size_t count,
                                     size_t element_size, void* stream) {
  return c_boundary([&] {
    banyan_device_group& g = require(group, "group");
    const auto& communicator = *g.comm.communicator;
    const size_t bytes = banyan::c_api::check_uniform(communicator, sendbuf, recvbuf, count, element_size);
    banyan::c_api::lay_out_evenly(g.layout, static_cast<size_t>(communicator.size()), bytes);
    banyan::c_api::exchange(g, sendbuf, recvbuf, stream);
  });
}

banyan_status banyan_device_alltoallv(banyan_device_group* group, const void* sendbuf, const size_t* sendcounts,
                                      const size_t* sdispls, void* recvbuf, const size_t* recvcounts,
                                      const size_t* rdispls, size_t element_size, void* stream) {
  return c_boundary([&] {
    banyan_device_group& g = require(group, "group");
    banyan::c_api::check_v(*g.comm.communicator,
                           {sendbuf, sendcounts, sdispls, recvbuf, recvcounts, rdispls, element_size}, g.layout);
    if (sendbuf == recvbuf && sendbuf != nullptr) {
      throw banyan::Error(BANYAN_ERR_NOT_SUPPORTED, "sendbuf equals recvbuf; an exchange in place is not supported");
    }
    banyan::c_api::exchange(g, sendbuf, recvbuf, stream);
  });
}

banyan_status banyan_device_tokens_create(banyan_device_group* group, const banyan_device_tokens_options* options,
                                          banyan_device_tokens** tokens) {
  return c_boundary([&] {
    banyan_device_group& g = require(group, "group");
    auto& out = require(tokens, "tokens");
    std::string problem;
    const auto config = banyan::c_api::config_of(options, problem);
    out = new banyan_device_tokens(g, config, problem);
    ++g.num_tokens;
  });
}

banyan_status banyan_device_tokens_free(banyan_device_tokens* tokens) {
  return c_boundary([&] {
    if (tokens == nullptr) {
      return;
    }
    --tokens->group.num_tokens;
    delete tokens;
  });
}

banyan_status banyan_device_tokens_received(const banyan_device_tokens* tokens, banyan_device_tokens_view* view) {
  return c_boundary([&] {
    const banyan_device_received received = require(tokens, "tokens").tokens.received();
    banyan_device_tokens_view full{};
    full.rows = received.rows;
    full.counts = received.counts;
    full.experts = received.experts;
    full.weights = received.weights;
    fill(view, full, "view");
  });
}

banyan_status banyan_device_tokens_dispatch(banyan_device_tokens* tokens, const banyan_device_tokens_batch* batch,
                                            void* stream) {
  return c_boundary([&] {
    auto& t = require(tokens, "tokens");
    t.tokens.dispatch(banyan::c_api::dispatch_of(batch), stream);
  });
}

banyan_status banyan_device_tokens_combine(banyan_device_tokens* tokens, void* out, void* stream) {
  return c_boundary([&] { require(tokens, "tokens").tokens.combine(out, stream); });
}

banyan_status banyan_device_group_check(banyan_device_group* group) {
  return c_boundary([&] { require(group, "group").group.check(); });
}

banyan_status banyan_device_group_abort(banyan_device_group* group) {
  return c_boundary([&] { require(group, "group").group.abort(); });
}

}  // extern "C"
