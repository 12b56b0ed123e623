// SPDX-License-Identifier: Apache-2.0
#include "banyan/alltoall.h"

#include "c_api/boundary.hpp"
#include "c_api/counts.hpp"
#include "c_api/handles.hpp"

namespace banyan::c_api {
namespace {

coll::Options options_of(const banyan_alltoall_options* given) {
  const auto full = complete(given, "options");
  if (!(full.timeout_s >= 0) || full.timeout_s > 1e9) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT, "options.timeout_s must be between 0 and 1e9 seconds");
  }
  return {.algorithm = full.algorithm != nullptr ? full.algorithm : "",
          .timeout_s = full.timeout_s,
          .meanwhile = {full.while_waiting, full.waiting_context}};
}

/// The arguments in bytes, in memory of the communicator that its next call uses again.
coll::ByteLayout layout_of(banyan_comm& comm, const VArguments& arguments) {
  comm.engine->require_not_serving();
  check_v(*comm.communicator, arguments, comm.layout);
  const Layout& layout = comm.layout;
  return {layout.send_bytes, layout.send_offsets, layout.recv_bytes, layout.recv_offsets};
}

banyan_request* wrap_request(banyan_comm& comm, std::unique_ptr<coll::Request> request) {
  auto* handle = new banyan_request{&comm, std::move(request), nullptr};
  ++comm.num_requests;
  return handle;
}

}  // namespace
}  // namespace banyan::c_api

using banyan::c_api::c_boundary;
using banyan::c_api::check_uniform;
using banyan::c_api::fill;
using banyan::c_api::layout_of;
using banyan::c_api::options_of;
using banyan::c_api::require;
using banyan::c_api::wrap_request;

extern "C" {

banyan_status banyan_alltoall(banyan_comm* comm, const void* sendbuf, void* recvbuf, size_t count, size_t element_size,
                              const banyan_alltoall_options* options) {
  return c_boundary([&] {
    banyan_comm& c = require(comm, "comm");
    const size_t bytes = check_uniform(*c.communicator, sendbuf, recvbuf, count, element_size);
    c.engine->alltoall(sendbuf, recvbuf, bytes, options_of(options));
  });
}

banyan_status banyan_alltoallv(banyan_comm* comm, const void* sendbuf, const size_t* sendcounts, const size_t* sdispls,
                               void* recvbuf, const size_t* recvcounts, const size_t* rdispls, size_t element_size,
                               const banyan_alltoall_options* options) {
  return c_boundary([&] {
    banyan_comm& c = require(comm, "comm");
    const auto layout = layout_of(c, {sendbuf, sendcounts, sdispls, recvbuf, recvcounts, rdispls, element_size});
    c.engine->alltoallv(sendbuf, recvbuf, layout, options_of(options));
  });
}

banyan_status banyan_alltoall_init(banyan_comm* comm, const void* sendbuf, void* recvbuf, size_t count,
                                   size_t element_size, const banyan_alltoall_options* options,
                                   banyan_request** request) {
  return c_boundary([&] {
    banyan_comm& c = require(comm, "comm");
    auto& out = require(request, "request");
    const size_t bytes = check_uniform(*c.communicator, sendbuf, recvbuf, count, element_size);
    out = wrap_request(c, c.engine->alltoall_init(sendbuf, recvbuf, bytes, options_of(options)));
  });
}

banyan_status banyan_alltoallv_init(banyan_comm* comm, const void* sendbuf, const size_t* sendcounts,
                                    const size_t* sdispls, void* recvbuf, const size_t* recvcounts,
                                    const size_t* rdispls, size_t element_size, const banyan_alltoall_options* options,
                                    banyan_request** request) {
  return c_boundary([&] {
    banyan_comm& c = require(comm, "comm");
    auto& out = require(request, "request");
    const auto layout = layout_of(c, {sendbuf, sendcounts, sdispls, recvbuf, recvcounts, rdispls, element_size});
    out = wrap_request(c, c.engine->alltoallv_init(sendbuf, recvbuf, layout, options_of(options)));
  });
}

banyan_status banyan_request_start(banyan_request* request) {
  return c_boundary([&] {
    banyan_request& r = require(request, "request");
    if (r.weighted) {
      throw banyan::Error(BANYAN_ERR_INVALID_ARGUMENT,
                          "a weighted all-to-all needs counts; start it with banyan_weighted_alltoall_start");
    }
    r.comm->engine->start(*r.request);
  });
}

banyan_status banyan_request_test(banyan_request* request) {
  return c_boundary([&] {
    banyan_request& r = require(request, "request");
    const bool done = r.comm->engine->test(r.running());
    if (done && r.weighted) {
      r.weighted->finish();
    }
    return done ? BANYAN_OK : BANYAN_IN_PROGRESS;
  });
}

banyan_status banyan_request_wait(banyan_request* request) {
  return c_boundary([&] {
    banyan_request& r = require(request, "request");
    r.comm->engine->wait(r.running());
    if (r.weighted) {
      r.weighted->finish();
    }
  });
}

banyan_status banyan_request_free(banyan_request* request) {
  return c_boundary([&] {
    if (request == nullptr) {
      return;
    }
    request->comm->engine->require_not_serving();
    request->comm->engine->end_if_failed(request->running());
    if (request->running().started) {
      throw banyan::Error(BANYAN_ERR_BUSY, "the request is started; wait for it before it is freed");
    }
    --request->comm->num_requests;
    delete request;
  });
}

banyan_status banyan_comm_get_stats(const banyan_comm* comm, banyan_comm_stats* stats) {
  return c_boundary([&] {
    const auto& engine = *require(comm, "comm").engine;
    const auto& counters = engine.counters();
    banyan_comm_stats full{};
    full.operations = counters.operations;
    full.messages_sent = counters.messages_sent;
    full.message_bytes = counters.message_bytes;
    full.mapped_writes = counters.mapped_writes;
    full.mapped_bytes = counters.mapped_bytes;
    full.inter_host_messages = counters.inter_host_messages;
    full.inter_host_bytes = counters.inter_host_bytes;
    full.trials = engine.trials();
    fill(stats, full, "stats");
  });
}

}  // extern "C"
