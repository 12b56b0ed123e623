// SPDX-License-Identifier: Apache-2.0
// What moves rows, waiting or not. The rest of banyan/moe.h is moe.cpp.
#include <type_traits>
#include <utility>

#include "c_api/boundary.hpp"
#include "c_api/moe_handles.hpp"
#include "moe/exchange/moves.hpp"

namespace banyan::c_api {
namespace {

/// The part of an array of all the step's tokens that is the chunk's; null stays null where there is nothing.
template <typename Pointer>
auto chunk_tokens(const Extent& extent, Pointer pointer, size_t bytes, const char* name) {
  using Byte = std::conditional_t<std::is_const_v<std::remove_pointer_t<Pointer>>, const std::byte, std::byte>;
  if (extent.num_tokens * bytes > 0) {
    static_cast<void>(require(static_cast<Byte*>(pointer), name));
  }
  return pointer == nullptr ? nullptr : static_cast<Byte*>(pointer) + extent.first_token * bytes;
}

template <typename Pointer>
auto chunk_rows(const Extent& extent, Pointer pointer, size_t bytes, const char* name) {
  using Byte = std::conditional_t<std::is_const_v<std::remove_pointer_t<Pointer>>, const std::byte, std::byte>;
  if (extent.layout.rows * bytes > 0) {
    static_cast<void>(require(static_cast<Byte*>(pointer), name));
  }
  return static_cast<Byte*>(pointer);
}

size_t combine_bytes(const moe::Group& group) { return group.hidden() * device::element_bytes(group.combine_dtype()); }

moe::DispatchTerms dispatch_terms(const banyan_moe_handle& handle, size_t chunk, const void* tokens, const void* scales,
                                  const std::pair<void*, void*>& rows_and_scales) {
  const Extent extent = extent_of(handle, chunk);
  const auto& group = handle.group.group;
  const auto [rows, row_scales] = rows_and_scales;
  return {.tokens = chunk_tokens(extent, tokens, group.row_bytes(), "tokens"),
          .scales = chunk_tokens(extent, scales, group.scale_bytes(), "scales"),
          .rows = chunk_rows(extent, rows, group.row_bytes(), "rows"),
          .row_scales = chunk_rows(extent, row_scales, group.scale_bytes(), "row_scales")};
}

moe::CombineTerms combine_terms(const banyan_moe_handle& handle, size_t chunk, const void* rows, void* tokens) {
  const Extent extent = extent_of(handle, chunk);
  const size_t bytes = combine_bytes(handle.group.group);
  return {.rows = chunk_rows(extent, rows, bytes, "rows"),
          .tokens = chunk_tokens(extent, tokens, bytes, "tokens"),
          .weighted = true};
}

moe::CombineTerms dispatch_backward_terms(const banyan_moe_handle& handle, size_t chunk, const void* grad_rows,
                                          void* grad_tokens) {
  const Extent extent = extent_of(handle, chunk);
  const size_t bytes = combine_bytes(handle.group.group);
  return {.rows = chunk_rows(extent, grad_rows, bytes, "grad_rows"),
          .tokens = chunk_tokens(extent, grad_tokens, bytes, "grad_tokens"),
          .weighted = false};
}

/// What a caller of combine_backward gives.
struct BackwardBuffers {
  const void* grad_tokens;
  const void* rows;
  void* grad_rows;
  float* grad_weights;
};

moe::SpreadTerms combine_backward_terms(const banyan_moe_handle& handle, size_t chunk, const BackwardBuffers& buffers) {
  const Extent extent = extent_of(handle, chunk);
  const auto& group = handle.group.group;
  const size_t bytes = combine_bytes(group);
  moe::SpreadTerms terms{.tokens = chunk_tokens(extent, buffers.grad_tokens, bytes, "grad_tokens"),
                         .rows = chunk_rows(extent, buffers.grad_rows, bytes, "grad_rows")};
  if (buffers.grad_weights != nullptr) {
    if (!is_expert_major(group)) {
      throw Error(BANYAN_ERR_NOT_SUPPORTED, "grad_weights: only EXPERT_MAJOR rows are multiplied by weights here");
    }
    const auto top_k = static_cast<size_t>(group.routing_rules().top_k);
    terms.expert_rows = chunk_rows(extent, buffers.rows, bytes, "rows");
    terms.routing = &handle.handle.routing();
    terms.gradients = {buffers.grad_weights + extent.first_token * top_k, extent.num_tokens * top_k};
  }
  return terms;
}

moe::Moves make(banyan_moe_handle& h, size_t chunk, const moe::DispatchTerms& terms) {
  return moe::make_dispatch(h.group.group, chunk_of(h.handle, chunk), terms);
}
moe::Moves make(banyan_moe_handle& h, size_t chunk, const moe::CombineTerms& terms) {
  return moe::make_combine(h.group.group, chunk_of(h.handle, chunk), terms);
}
moe::Moves make(banyan_moe_handle& h, size_t chunk, const moe::SpreadTerms& terms) {
  return moe::make_spread(h.group.group, chunk_of(h.handle, chunk), terms);
}

template <typename Terms>
void run(banyan_moe_handle& h, size_t chunk, const Terms& terms) {
  if (h.sliced) {
    h.sliced->run(chunk, terms);
  } else {
    h.group.mover.run(make(h, chunk, terms));
  }
}

/// Starts moves; the request is the caller's, and counted.
template <typename Make>
void start_moves(banyan_moe_group& group, int& count, banyan_moe_request*& request, const Make& make_moves) {
  if (group.ring) {
    throw Error(BANYAN_ERR_NOT_SUPPORTED, "a group with duplicates moves rows only by calls that wait");
  }
  group.group.guarded([&] {  // the other ranks hear of what fails here
    auto made = std::make_unique<banyan_moe_request>(group, count);
    made->started = group.mover.start(make_moves());
    ++count;
    request = made.release();
  });
}

template <typename Terms>
void start(banyan_moe_handle& h, size_t chunk, const Terms& terms, banyan_moe_request*& request) {
  start_moves(h.group, h.num_requests, request, [&] { return make(h, chunk, terms); });
}

}  // namespace
}  // namespace banyan::c_api

using banyan::c_api::c_boundary;
using banyan::c_api::combine_backward_terms;
using banyan::c_api::combine_terms;
using banyan::c_api::dispatch_backward_terms;
using banyan::c_api::dispatch_terms;
using banyan::c_api::require;
using banyan::c_api::run;
using banyan::c_api::start;
using banyan::c_api::start_moves;

extern "C" {

banyan_status banyan_moe_dispatch(banyan_moe_handle* handle, size_t chunk, const void* tokens, const void* scales,
                                  void* rows, void* row_scales) {
  return c_boundary([&] {
    banyan_moe_handle& h = require(handle, "handle");
    run(h, chunk, dispatch_terms(h, chunk, tokens, scales, {rows, row_scales}));
  });
}

banyan_status banyan_moe_combine(banyan_moe_handle* handle, size_t chunk, const void* rows, void* tokens) {
  return c_boundary([&] {
    banyan_moe_handle& h = require(handle, "handle");
    run(h, chunk, combine_terms(h, chunk, rows, tokens));
  });
}

banyan_status banyan_moe_dispatch_backward(banyan_moe_handle* handle, size_t chunk, const void* grad_rows,
                                           void* grad_tokens) {
  return c_boundary([&] {
    banyan_moe_handle& h = require(handle, "handle");
    run(h, chunk, dispatch_backward_terms(h, chunk, grad_rows, grad_tokens));
  });
}

banyan_status banyan_moe_combine_backward(banyan_moe_handle* handle, size_t chunk, const void* grad_tokens,
                                          const void* rows, void* grad_rows, float* grad_weights) {
  return c_boundary([&] {
    banyan_moe_handle& h = require(handle, "handle");
    run(h, chunk, combine_backward_terms(h, chunk, {grad_tokens, rows, grad_rows, grad_weights}));
  });
}

banyan_status banyan_moe_dispatch_start(banyan_moe_handle* handle, size_t chunk, const void* tokens, const void* scales,
                                        void* rows, void* row_scales, banyan_moe_request** request) {
  return c_boundary([&] {
    banyan_moe_handle& h = require(handle, "handle");
    start(h, chunk, dispatch_terms(h, chunk, tokens, scales, {rows, row_scales}), require(request, "request"));
  });
}

banyan_status banyan_moe_combine_start(banyan_moe_handle* handle, size_t chunk, const void* rows, void* tokens,
                                       banyan_moe_request** request) {
  return c_boundary([&] {
    banyan_moe_handle& h = require(handle, "handle");
    start(h, chunk, combine_terms(h, chunk, rows, tokens), require(request, "request"));
  });
}

banyan_status banyan_moe_dispatch_backward_start(banyan_moe_handle* handle, size_t chunk, const void* grad_rows,
                                                 void* grad_tokens, banyan_moe_request** request) {
  return c_boundary([&] {
    banyan_moe_handle& h = require(handle, "handle");
    start(h, chunk, dispatch_backward_terms(h, chunk, grad_rows, grad_tokens), require(request, "request"));
  });
}

banyan_status banyan_moe_combine_backward_start(banyan_moe_handle* handle, size_t chunk, const void* grad_tokens,
                                                const void* rows, void* grad_rows, float* grad_weights,
                                                banyan_moe_request** request) {
  return c_boundary([&] {
    banyan_moe_handle& h = require(handle, "handle");
    start(h, chunk, combine_backward_terms(h, chunk, {grad_tokens, rows, grad_rows, grad_weights}),
          require(request, "request"));
  });
}

banyan_status banyan_moe_turn_start(banyan_moe_group* group, banyan_moe_request** request) {
  return c_boundary([&] {
    banyan_moe_group& g = require(group, "group");
    start_moves(g, g.num_turns, require(request, "request"), [&] { return banyan::moe::make_turn(g.group); });
  });
}

banyan_status banyan_moe_request_test(banyan_moe_request* request) {
  bool done = false;
  const banyan_status status = c_boundary([&] {
    banyan_moe_request& r = require(request, "request");
    done = r.group.mover.test(r.started);
  });
  return status == BANYAN_OK && !done ? BANYAN_IN_PROGRESS : status;
}

banyan_status banyan_moe_request_wait(banyan_moe_request* request) {
  return c_boundary([&] {
    banyan_moe_request& r = require(request, "request");
    r.group.mover.wait(r.started);
  });
}

banyan_status banyan_moe_request_free(banyan_moe_request* request) {
  return c_boundary([&] {
    if (request == nullptr) {
      return;
    }
    if (!request->group.mover.settle(request->started)) {
      throw banyan::Error(BANYAN_ERR_BUSY, "the request is not done; wait for it");
    }
    --request->siblings;
    delete request;
  });
}

}  // extern "C"
