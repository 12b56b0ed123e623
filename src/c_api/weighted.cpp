// SPDX-License-Identifier: Apache-2.0
#include "banyan/weighted.h"

#include <algorithm>

#include "c_api/boundary.hpp"
#include "c_api/handles.hpp"
#include "coll/capacity.hpp"
#include "coll/weighted.hpp"

namespace banyan::c_api {
namespace {

/// A weight array that is NULL is empty here.
coll::CapacityTerms capacity_of(const banyan_weighted_options& options, int size) {
  coll::CapacityTerms terms;
  if (options.weights != nullptr) {
    terms.weights = {options.weights, static_cast<size_t>(size)};
  }
  terms.rows = options.rows;
  terms.factor = options.capacity_factor == 0 ? 1 : options.capacity_factor;
  terms.min_capacity = options.min_capacity;
  return terms;
}

/// What is wrong is left to the collective part of init, so that all ranks hear of it.
coll::WeightedTerms terms_of(const banyan_weighted_options& options, int size, size_t row_bytes) {
  coll::WeightedTerms terms;
  terms.capacity = capacity_of(options, size);
  terms.row_bytes = row_bytes;
  terms.options = {.algorithm = options.algorithm != nullptr ? options.algorithm : "", .timeout_s = options.timeout_s};
  if (!(options.timeout_s >= 0) || options.timeout_s > 1e9) {
    terms.problem = "options.timeout_s must be between 0 and 1e9 seconds";
    terms.options.timeout_s = 0;
  }
  switch (options.overflow) {
    case BANYAN_OVERFLOW_ERROR:
      terms.overflow = coll::Overflow::kError;
      return terms;
    case BANYAN_OVERFLOW_DROP:
      terms.overflow = coll::Overflow::kDrop;
      return terms;
    case BANYAN_OVERFLOW_REST:
      terms.overflow = coll::Overflow::kRest;
      return terms;
  }
  terms.problem =
      "options.overflow is " + std::to_string(options.overflow) + ", must be BANYAN_OVERFLOW_ERROR, DROP or REST";
  return terms;
}

template <typename Handle>
coll::Weighted& weighted_of(Handle* request) {
  auto& r = require(request, "request");
  if (!r.weighted) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT, "the request is not of banyan_weighted_alltoall_init");
  }
  return *r.weighted;
}

void copy_to(const std::vector<size_t>& from, size_t* to) {
  if (to != nullptr) {
    std::copy(from.begin(), from.end(), to);
  }
}

}  // namespace
}  // namespace banyan::c_api

using banyan::c_api::c_boundary;
using banyan::c_api::capacity_of;
using banyan::c_api::complete;
using banyan::c_api::copy_to;
using banyan::c_api::fill;
using banyan::c_api::require;
using banyan::c_api::terms_of;
using banyan::c_api::weighted_of;

extern "C" {

banyan_status banyan_weighted_capacities(const banyan_weighted_options* options, int size, size_t* capacities) {
  return c_boundary([&] {
    const auto full = complete(&require(options, "options"), "options");
    static_cast<void>(require(full.weights, "options.weights"));
    static_cast<void>(require(capacities, "capacities"));
    if (size < 1) {
      throw banyan::Error(BANYAN_ERR_INVALID_ARGUMENT, "size is " + std::to_string(size) + ", must be at least 1");
    }
    copy_to(banyan::coll::capacities_of(capacity_of(full, size)), capacities);
  });
}

banyan_status banyan_weighted_alltoall_init(banyan_comm* comm, const banyan_weighted_options* options, size_t row_bytes,
                                            banyan_request** request) {
  return c_boundary([&] {
    banyan_comm& c = require(comm, "comm");
    auto& out = require(request, "request");
    const auto full = complete(&require(options, "options"), "options");
    auto handle = std::make_unique<banyan_request>();
    handle->comm = &c;
    handle->weighted =
        std::make_unique<banyan::coll::Weighted>(*c.engine, terms_of(full, c.communicator->size(), row_bytes));
    ++c.num_requests;
    out = handle.release();
  });
}

banyan_status banyan_weighted_alltoall_layout(const banyan_request* request, size_t* send_capacities,
                                              size_t* recv_capacities, size_t* recv_displs, size_t* recv_rows) {
  return c_boundary([&] {
    const auto& weighted = weighted_of(request);
    copy_to(weighted.send_capacities(), send_capacities);
    copy_to(weighted.recv_capacities(), recv_capacities);
    copy_to(weighted.recv_displs(), recv_displs);
    if (recv_rows != nullptr) {
      *recv_rows = weighted.recv_rows();
    }
  });
}

banyan_status banyan_weighted_alltoall_start(banyan_request* request, const void* sendbuf, const size_t* sendcounts,
                                             const size_t* sdispls, void* recvbuf, const size_t* rdispls) {
  return c_boundary([&] {
    auto& weighted = weighted_of(request);
    static_cast<void>(require(sendcounts, "sendcounts"));
    weighted.start(
        {.sendbuf = sendbuf, .sendcounts = sendcounts, .sdispls = sdispls, .recvbuf = recvbuf, .rdispls = rdispls});
  });
}

banyan_status banyan_weighted_alltoall_result(const banyan_request* request, banyan_weighted_result* result) {
  return c_boundary([&] {
    const auto& weighted = weighted_of(request);
    if (request->running().started) {
      throw banyan::Error(BANYAN_ERR_BUSY, "the request is started; wait for it before its result is read");
    }
    banyan_weighted_result full{};
    full.recvcounts = weighted.received().data();
    full.recvrest = weighted.recv_rest().data();
    full.sendrest = weighted.send_rest().data();
    full.num_overflowed = weighted.num_overflowed();
    fill(result, full, "result");
  });
}

banyan_status banyan_weighted_alltoall_rest(banyan_request* request, void* restbuf, const size_t* rdispls) {
  return c_boundary([&] { weighted_of(request).rest(restbuf, rdispls); });
}

banyan_status banyan_weighted_alltoall_plan(banyan_request* request, banyan_plan** plan) {
  return c_boundary([&] {
    auto& out = require(plan, "plan");
    out = new banyan_plan{weighted_of(request).plan()};
  });
}

}  // extern "C"
