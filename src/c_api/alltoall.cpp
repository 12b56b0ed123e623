// SPDX-License-Identifier: Apache-2.0
#include "banyan/alltoall.h"

#include <vector>

#include "base/checked.hpp"
#include "c_api/boundary.hpp"
#include "c_api/handles.hpp"

namespace banyan::c_api {
namespace {

coll::Options options_of(const banyan_alltoall_options* given) {
  const auto full = complete(given, "options");
  if (!(full.timeout_s >= 0) || full.timeout_s > 1e9) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT, "options.timeout_s must be between 0 and 1e9 seconds");
  }
  return {.algorithm = full.algorithm != nullptr ? full.algorithm : "", .timeout_s = full.timeout_s};
}

size_t product(size_t count, size_t factor, const char* what, const char* factor_name = "element_size") {
  const auto bytes = checked::multiply(count, factor);
  if (!bytes) {
    throw Error(BANYAN_ERR_LIMIT, std::string(what) + " " + std::to_string(count) + " * " + factor_name + " " +
                                      std::to_string(factor) + " overflows size_t");
  }
  return *bytes;
}

/// The bytes per pair of a uniform exchange, after checking the arguments.
size_t check_uniform(const banyan_comm& comm, const void* sendbuf, void* recvbuf, size_t count, size_t element_size) {
  if (element_size == 0) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT, "element_size is 0");
  }
  const size_t bytes = product(count, element_size, "count");
  static_cast<void>(product(bytes, static_cast<size_t>(comm.communicator->size()), "bytes per pair", "size"));
  if (bytes > 0) {
    static_cast<void>(require(static_cast<const char*>(sendbuf), "sendbuf"));
    static_cast<void>(require(static_cast<char*>(recvbuf), "recvbuf"));
    if (sendbuf == recvbuf) {
      throw Error(BANYAN_ERR_NOT_SUPPORTED, "sendbuf and recvbuf are the same; in-place exchanges are not supported");
    }
  }
  return bytes;
}

void to_bytes(const size_t* counts, const size_t* displs, size_t size, size_t element_size, const char* counts_name,
              const char* displs_name, const void* buffer, const char* buffer_name, std::vector<size_t>& bytes,
              std::vector<size_t>& offsets) {
  static_cast<void>(require(counts, counts_name));
  static_cast<void>(require(displs, displs_name));
  bytes.resize(size);
  offsets.resize(size);
  for (size_t i = 0; i < size; ++i) {
    bytes[i] = product(counts[i], element_size, counts_name);
    offsets[i] = product(displs[i], element_size, displs_name);
    if (!checked::add(offsets[i], bytes[i])) {
      throw Error(BANYAN_ERR_LIMIT, std::string(displs_name) + "[" + std::to_string(i) + "] + " + counts_name + "[" +
                                        std::to_string(i) + "] overflows size_t");
    }
    if (bytes[i] > 0 && buffer == nullptr) {
      throw Error(BANYAN_ERR_INVALID_ARGUMENT, std::string(buffer_name) + " is NULL but " + counts_name + "[" +
                                                   std::to_string(i) + "] is " + std::to_string(counts[i]));
    }
  }
}

/// The arguments of an all-to-all-v, as a user gives them.
struct VArguments {
  const void* sendbuf;
  const size_t* sendcounts;
  const size_t* sdispls;
  void* recvbuf;
  const size_t* recvcounts;
  const size_t* rdispls;
  size_t element_size;
};

/// The arguments in bytes, in memory of the communicator that its next call uses again.
coll::ByteLayout check_v(banyan_comm& comm, const VArguments& a) {
  if (a.element_size == 0) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT, "element_size is 0");
  }
  const auto size = static_cast<size_t>(comm.communicator->size());
  Layout& layout = comm.layout;
  to_bytes(a.sendcounts, a.sdispls, size, a.element_size, "sendcounts", "sdispls", a.sendbuf, "sendbuf",
           layout.send_bytes, layout.send_offsets);
  to_bytes(a.recvcounts, a.rdispls, size, a.element_size, "recvcounts", "rdispls", a.recvbuf, "recvbuf",
           layout.recv_bytes, layout.recv_offsets);
  const auto rank = static_cast<size_t>(comm.communicator->rank());
  if (layout.send_bytes[rank] != layout.recv_bytes[rank]) {
    const std::string text = "rank " + std::to_string(rank) + " sends itself " + std::to_string(a.sendcounts[rank]) +
                             " elements and receives " + std::to_string(a.recvcounts[rank]);
    comm.communicator->control().abort(BANYAN_ERR_MISMATCH, text);
    throw Error(BANYAN_ERR_MISMATCH, text);
  }
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
using banyan::c_api::check_v;
using banyan::c_api::fill;
using banyan::c_api::options_of;
using banyan::c_api::require;
using banyan::c_api::wrap_request;

extern "C" {

banyan_status banyan_alltoall(banyan_comm* comm, const void* sendbuf, void* recvbuf, size_t count, size_t element_size,
                              const banyan_alltoall_options* options) {
  return c_boundary([&] {
    banyan_comm& c = require(comm, "comm");
    const size_t bytes = check_uniform(c, sendbuf, recvbuf, count, element_size);
    c.engine->alltoall(sendbuf, recvbuf, bytes, options_of(options));
  });
}

banyan_status banyan_alltoallv(banyan_comm* comm, const void* sendbuf, const size_t* sendcounts, const size_t* sdispls,
                               void* recvbuf, const size_t* recvcounts, const size_t* rdispls, size_t element_size,
                               const banyan_alltoall_options* options) {
  return c_boundary([&] {
    banyan_comm& c = require(comm, "comm");
    const auto layout = check_v(c, {sendbuf, sendcounts, sdispls, recvbuf, recvcounts, rdispls, element_size});
    c.engine->alltoallv(sendbuf, recvbuf, layout, options_of(options));
  });
}

banyan_status banyan_alltoall_init(banyan_comm* comm, const void* sendbuf, void* recvbuf, size_t count,
                                   size_t element_size, const banyan_alltoall_options* options,
                                   banyan_request** request) {
  return c_boundary([&] {
    banyan_comm& c = require(comm, "comm");
    auto& out = require(request, "request");
    const size_t bytes = check_uniform(c, sendbuf, recvbuf, count, element_size);
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
    const auto layout = check_v(c, {sendbuf, sendcounts, sdispls, recvbuf, recvcounts, rdispls, element_size});
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
