// SPDX-License-Identifier: Apache-2.0
/// Token exchange for C++20: owning types and exceptions over banyan/moe.h, which says what each call does and blocks
/// on. Header only; objects are move-only; one thread at a time, the communicator's. Requests go before their handle,
/// handles before their group, groups before their communicator. Buffers are spans whose sizes are checked.
#pragma once

#include "banyan/banyan.hpp"

namespace banyan {

namespace detail {

/// Waits: buffers of a request under way are in use. Bounded by the deadline of its exchanges.
struct FreeMoeRequest {
  void operator()(banyan_moe_request* request) const noexcept {
    static_cast<void>(banyan_moe_request_wait(request));
    static_cast<void>(banyan_moe_request_free(request));
  }
};
struct FreeMoeHandle {
  void operator()(banyan_moe_handle* handle) const noexcept { static_cast<void>(banyan_moe_handle_free(handle)); }
};
struct FreeMoeGroup {
  void operator()(banyan_moe_group* group) const noexcept { static_cast<void>(banyan_moe_group_free(group)); }
};

[[nodiscard]] inline std::size_t element_bytes(int dtype) {
  switch (dtype) {
    case BANYAN_DTYPE_FP16:
    case BANYAN_DTYPE_BF16:
      return 2;
    case BANYAN_DTYPE_BYTES:
      return 1;
    default:
      return 4;
  }
}

/// Bytes of what a step's buffers are made of.
struct MoeSizes {
  std::size_t row_bytes = 0;      ///< dispatched
  std::size_t scale_bytes = 0;    ///< beside
  std::size_t combine_bytes = 0;  ///< of a row that is combined
  std::size_t top_k = 0;
  std::size_t note_bytes = 0;
  std::size_t num_ranks = 0;
  std::size_t num_local_experts = 0;

  [[nodiscard]] static MoeSizes of(const banyan_moe_config& config) {
    const int combine_dtype = config.combine_dtype == BANYAN_DTYPE_DEFAULT ? config.dtype : config.combine_dtype;
    const std::size_t combine_hidden = config.combine_hidden > 0 ? config.combine_hidden : config.hidden;
    return {.row_bytes = config.hidden * element_bytes(config.dtype),
            .scale_bytes = config.scale_bytes,
            .combine_bytes = combine_hidden * element_bytes(combine_dtype),
            .top_k = static_cast<std::size_t>(config.top_k),
            .note_bytes = config.note_bytes};
  }
};

template <typename T>
void require_room(const char* name, std::span<T> buffer, std::size_t bytes) {
  if (buffer.size_bytes() < bytes) {
    reject(std::string(name) + " has " + std::to_string(buffer.size_bytes()) + " bytes, needs " +
           std::to_string(bytes));
  }
}

}  // namespace detail

/// A dispatch, combine, gradient or turn under way. Its destructor waits for it.
class MoeRequest {
 public:
  /// Whether it is done.
  [[nodiscard]] bool test() {
    const banyan_status status = banyan_moe_request_test(handle_.get());
    if (status == BANYAN_IN_PROGRESS) {
      return false;
    }
    detail::check(status);
    return true;
  }
  void wait() { detail::check(banyan_moe_request_wait(handle_.get())); }

  /// The C handle, borrowed.
  [[nodiscard]] banyan_moe_request* get() const noexcept { return handle_.get(); }

 private:
  friend class MoeHandle;
  friend class MoeGroup;
  explicit MoeRequest(banyan_moe_request* handle) : handle_(handle) {}
  std::unique_ptr<banyan_moe_request, detail::FreeMoeRequest> handle_;
};

/// The routing of one step. Token buffers are those of all the step's tokens, rows those of one chunk.
class MoeHandle {
 public:
  [[nodiscard]] std::size_t num_tokens() const noexcept { return num_tokens_; }
  [[nodiscard]] banyan_moe_chunk_info info(std::size_t chunk = 0) const {
    banyan_moe_chunk_info result{};
    result.struct_size = sizeof result;
    detail::check(banyan_moe_handle_get_info(get(), chunk, &result));
    return result;
  }
  /// Rows of each local expert.
  [[nodiscard]] std::vector<std::size_t> expert_counts(std::size_t chunk = 0) const {
    std::vector<std::size_t> counts(sizes_.num_local_experts + 1);  // so that data() is not null
    detail::check(banyan_moe_handle_experts(get(), chunk, counts.data(), nullptr));
    counts.pop_back();
    return counts;
  }
  /// EXPERT_MAJOR: first row of each local expert, then num_rows.
  [[nodiscard]] std::vector<std::size_t> expert_begins(std::size_t chunk = 0) const {
    std::vector<std::size_t> begins(sizes_.num_local_experts + 1);
    detail::check(banyan_moe_handle_experts(get(), chunk, nullptr, begins.data()));
    return begins;
  }
  /// FLAT and RANK_MAJOR: what each row is for.
  struct Rows {
    std::vector<std::int64_t> local_experts;  ///< [num_rows, top_k], -1 behind the last
    std::vector<float> weights;               ///< like it
    std::vector<int> sources;                 ///< [num_rows], -1: unused
  };
  [[nodiscard]] Rows rows(std::size_t chunk = 0) const {
    const std::size_t count = info(chunk).num_rows;
    Rows result{std::vector<std::int64_t>(count * sizes_.top_k), std::vector<float>(count * sizes_.top_k),
                std::vector<int>(count)};
    detail::check(banyan_moe_handle_rows(get(), chunk, result.local_experts.data(), result.weights.data(),
                                         result.sources.data()));
    return result;
  }

  /// What each rank's note was when it routed.
  template <Sendable T>
  [[nodiscard]] std::vector<T> notes() const {
    if (sizeof(T) != sizes_.note_bytes) {
      detail::reject("a note has " + std::to_string(sizes_.note_bytes) + " bytes, not " + std::to_string(sizeof(T)));
    }
    std::vector<T> result(sizes_.num_ranks);
    detail::check(banyan_moe_handle_notes(get(), result.data()));
    return result;
  }

  template <Sendable T>
  void dispatch(std::size_t chunk, std::span<const T> tokens, std::span<T> rows) {
    dispatch<T, std::byte>(chunk, tokens, {}, rows, {});
  }
  /// With scales beside.
  template <Sendable T, Sendable S>
  void dispatch(std::size_t chunk, std::span<const T> tokens, std::span<const S> scales, std::span<T> rows,
                std::span<S> row_scales) {
    require_dispatch_room(chunk, tokens, scales, rows, row_scales);
    detail::check(banyan_moe_dispatch(get(), chunk, tokens.data(), scales.data(), rows.data(), row_scales.data()));
  }
  template <Sendable T>
  [[nodiscard]] MoeRequest dispatch_start(std::size_t chunk, std::span<const T> tokens, std::span<T> rows) {
    return dispatch_start<T, std::byte>(chunk, tokens, {}, rows, {});
  }
  /// With scales beside.
  template <Sendable T, Sendable S>
  [[nodiscard]] MoeRequest dispatch_start(std::size_t chunk, std::span<const T> tokens, std::span<const S> scales,
                                          std::span<T> rows, std::span<S> row_scales) {
    require_dispatch_room(chunk, tokens, scales, rows, row_scales);
    banyan_moe_request* request = nullptr;
    detail::check(banyan_moe_dispatch_start(get(), chunk, tokens.data(), scales.data(), rows.data(), row_scales.data(),
                                            &request));
    return MoeRequest(request);
  }

  template <Sendable T>
  void combine(std::size_t chunk, std::span<const T> rows, std::span<T> tokens) {
    require_combine_room(chunk, "rows", rows, "tokens", tokens);
    detail::check(banyan_moe_combine(get(), chunk, rows.data(), tokens.data()));
  }
  template <Sendable T>
  [[nodiscard]] MoeRequest combine_start(std::size_t chunk, std::span<const T> rows, std::span<T> tokens) {
    require_combine_room(chunk, "rows", rows, "tokens", tokens);
    banyan_moe_request* request = nullptr;
    detail::check(banyan_moe_combine_start(get(), chunk, rows.data(), tokens.data(), &request));
    return MoeRequest(request);
  }

  template <Sendable T>
  void dispatch_backward(std::size_t chunk, std::span<const T> grad_rows, std::span<T> grad_tokens) {
    require_combine_room(chunk, "grad_rows", grad_rows, "grad_tokens", grad_tokens);
    detail::check(banyan_moe_dispatch_backward(get(), chunk, grad_rows.data(), grad_tokens.data()));
  }
  template <Sendable T>
  [[nodiscard]] MoeRequest dispatch_backward_start(std::size_t chunk, std::span<const T> grad_rows,
                                                   std::span<T> grad_tokens) {
    require_combine_room(chunk, "grad_rows", grad_rows, "grad_tokens", grad_tokens);
    banyan_moe_request* request = nullptr;
    detail::check(banyan_moe_dispatch_backward_start(get(), chunk, grad_rows.data(), grad_tokens.data(), &request));
    return MoeRequest(request);
  }

  /// The gradients of weights with EXPERT_MAJOR: what combine had, and where to write, [num_tokens, top_k].
  template <Sendable T>
  struct WeightGradients {
    std::span<const T> rows;
    std::span<float> grad_weights;
  };
  /// `weights` is given on all ranks or on none.
  template <Sendable T>
  void combine_backward(std::size_t chunk, std::span<const T> grad_tokens, std::span<T> grad_rows,
                        const std::optional<WeightGradients<T>>& weights = {}) {
    require_combine_room(chunk, "grad_rows", grad_rows, "grad_tokens", grad_tokens);
    detail::check(banyan_moe_combine_backward(get(), chunk, grad_tokens.data(), rows_of(chunk, weights),
                                              grad_rows.data(), weights_of(weights)));
  }
  template <Sendable T>
  [[nodiscard]] MoeRequest combine_backward_start(std::size_t chunk, std::span<const T> grad_tokens,
                                                  std::span<T> grad_rows,
                                                  const std::optional<WeightGradients<T>>& weights = {}) {
    require_combine_room(chunk, "grad_rows", grad_rows, "grad_tokens", grad_tokens);
    banyan_moe_request* request = nullptr;
    detail::check(banyan_moe_combine_backward_start(get(), chunk, grad_tokens.data(), rows_of(chunk, weights),
                                                    grad_rows.data(), weights_of(weights), &request));
    return MoeRequest(request);
  }

  /// The C handle, borrowed.
  [[nodiscard]] banyan_moe_handle* get() const noexcept { return handle_.get(); }

 private:
  friend class MoeGroup;
  MoeHandle(banyan_moe_handle* handle, const detail::MoeSizes& sizes, std::size_t num_tokens)
      : handle_(handle), sizes_(sizes), num_tokens_(num_tokens) {}

  template <typename T, typename S>
  void require_dispatch_room(std::size_t chunk, std::span<const T> tokens, std::span<const S> scales, std::span<T> rows,
                             std::span<S> row_scales) const {
    const std::size_t num_rows = info(chunk).num_rows;
    detail::require_room("tokens", tokens, num_tokens_ * sizes_.row_bytes);
    detail::require_room("scales", scales, num_tokens_ * sizes_.scale_bytes);
    detail::require_room("rows", rows, num_rows * sizes_.row_bytes);
    detail::require_room("row_scales", row_scales, num_rows * sizes_.scale_bytes);
  }
  template <typename T>
  [[nodiscard]] const T* rows_of(std::size_t chunk, const std::optional<WeightGradients<T>>& weights) const {
    if (!weights) {
      return nullptr;
    }
    detail::require_room("rows", weights->rows, info(chunk).num_rows * sizes_.combine_bytes);
    detail::require_room("grad_weights", weights->grad_weights, num_tokens_ * sizes_.top_k * sizeof(float));
    return weights->rows.data();
  }
  /// Not null where they are wanted, also of a rank without tokens.
  template <typename T>
  [[nodiscard]] static float* weights_of(const std::optional<WeightGradients<T>>& weights) {
    static float none = 0;
    return !weights ? nullptr : weights->grad_weights.empty() ? &none : weights->grad_weights.data();
  }
  template <typename R, typename T>
  void require_combine_room(std::size_t chunk, const char* rows_name, std::span<R> rows, const char* tokens_name,
                            std::span<T> tokens) const {
    detail::require_room(rows_name, rows, info(chunk).num_rows * sizes_.combine_bytes);
    detail::require_room(tokens_name, tokens, num_tokens_ * sizes_.combine_bytes);
  }

  std::unique_ptr<banyan_moe_handle, detail::FreeMoeHandle> handle_;
  detail::MoeSizes sizes_;
  std::size_t num_tokens_;
};

/// A communicator with experts.
class MoeGroup {
 public:
  [[nodiscard]] static MoeGroup create(Comm& comm, const banyan_moe_config& config) {
    banyan_moe_group* handle = nullptr;
    detail::check(banyan_moe_group_create(comm.get(), &config, &handle));
    return MoeGroup(handle, detail::MoeSizes::of(config), comm.size());
  }

  [[nodiscard]] banyan_moe_group_info info() const {
    banyan_moe_group_info result{};
    result.struct_size = sizeof result;
    detail::check(banyan_moe_group_get_info(get(), &result));
    return result;
  }
  /// Ascending.
  [[nodiscard]] std::vector<int> local_experts() const {
    std::vector<int> experts(sizes_.num_local_experts);
    detail::check(banyan_moe_group_local_experts(get(), experts.data()));
    return experts;
  }
  /// Of note_bytes bytes.
  template <Sendable T>
  void set_note(const T& note) {
    if (sizeof(T) != sizes_.note_bytes) {
      detail::reject("the note has " + std::to_string(sizeof(T)) + " bytes, note_bytes is " +
                     std::to_string(sizes_.note_bytes));
    }
    detail::check(banyan_moe_group_set_note(get(), &note));
  }
  /// topk_idx: [num_tokens, top_k]; topk_weights: like it, or empty: 1.
  [[nodiscard]] MoeHandle route(std::span<const std::int64_t> topk_idx, std::span<const float> topk_weights = {}) {
    if (topk_idx.size() % sizes_.top_k != 0 || (!topk_weights.empty() && topk_weights.size() != topk_idx.size())) {
      detail::reject("topk_idx has " + std::to_string(topk_idx.size()) + " entries, topk_weights " +
                     std::to_string(topk_weights.size()) +
                     "; both need the same multiple of top_k, weights may be none");
    }
    const std::size_t num_tokens = topk_idx.size() / sizes_.top_k;
    banyan_moe_handle* handle = nullptr;
    detail::check(banyan_moe_route(get(), topk_idx.data(), topk_weights.empty() ? nullptr : topk_weights.data(),
                                   num_tokens, &handle));
    return MoeHandle(handle, sizes_, num_tokens);
  }
  /// Done when all that was started before is done, on all ranks.
  [[nodiscard]] MoeRequest start_turn() {
    banyan_moe_request* request = nullptr;
    detail::check(banyan_moe_turn_start(get(), &request));
    return MoeRequest(request);
  }
  /// Frees now and throws if that fails; the destructor ignores it.
  void free() {
    detail::check(banyan_moe_group_free(get()));
    static_cast<void>(handle_.release());
  }

  /// The C handle, borrowed.
  [[nodiscard]] banyan_moe_group* get() const noexcept { return handle_.get(); }

 private:
  MoeGroup(banyan_moe_group* handle, const detail::MoeSizes& sizes, int num_ranks) : handle_(handle), sizes_(sizes) {
    sizes_.num_ranks = static_cast<std::size_t>(num_ranks);
    sizes_.num_local_experts = static_cast<std::size_t>(info().num_local_experts);
  }

  std::unique_ptr<banyan_moe_group, detail::FreeMoeGroup> handle_;
  detail::MoeSizes sizes_;
};

}  // namespace banyan
