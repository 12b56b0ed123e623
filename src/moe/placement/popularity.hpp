// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.hpp"

namespace banyan::moe {

/// See banyan_popularity_config, whose defaults these are.
struct PopularityTerms {
  int num_layers = 0;
  int num_experts = 0;
  int top_k = 0;
  int path_length = 3;
  int path_choices = 1;
  int max_paths = 4096;
  int max_experts_per_path = 16;
  double decay = 0.99;

  bool operator==(const PopularityTerms&) const = default;
};

/// What is wrong with the terms, empty if nothing; names are those of banyan_popularity_config.
[[nodiscard]] std::string problem_of(const PopularityTerms& terms);

/// Decayed counts below this are forgotten, before they become numbers that computers are slow with.
inline constexpr double kForgotten = 1e-9;

/// What tokens of one path did next. Weights are counts, decayed; 0 or at least kForgotten.
struct PathStatistics {
  double tokens = 0;                            ///< that took the path
  double choices = 0;                           ///< that they made, also of experts that are not kept
  std::vector<std::pair<int, double>> experts;  ///< and how often they were chosen, by rising expert

  bool operator==(const PathStatistics&) const = default;
};

/// Paths of one layer. A key has the choices of the layers before, the last one first, path_choices rising experts (-1:
/// none) each; shorter keys are the same paths cut at their older end, and the empty one is the layer's average.
using PathTable = std::map<std::vector<int>, PathStatistics>;

/// How many tokens of a prediction were predicted from what.
struct PopularityUse {
  size_t full_paths = 0;
  size_t shorter_paths = 0;
  size_t unknown = 0;
};

/// Estimates how popular the next layer's experts will be from the paths that tokens took so far. Source: Lina (arXiv
/// 2210.17223): load of e = sum over tokens t of P(e | path of t), paths of 3 layers, the top experts of each path
/// kept. Cutting unknown paths is ours, after the back-off of n-gram models (Katz 1987). Deterministic. One thread.
class Popularity {
 public:
  /// Error{INVALID_ARGUMENT} as problem_of.
  explicit Popularity(const PopularityTerms& terms);

  /// See banyan_popularity_observe; topk_idx: [num_tokens, top_k].
  void observe(int layer, std::span<const int64_t> topk_idx, size_t num_tokens, bool learn);
  /// See banyan_popularity_predict: [num_experts].
  [[nodiscard]] std::vector<double> predict();

  [[nodiscard]] const PopularityTerms& terms() const noexcept { return terms_; }
  [[nodiscard]] const std::vector<PathTable>& layers() const noexcept { return layers_; }
  [[nodiscard]] size_t num_paths() const noexcept;
  [[nodiscard]] size_t num_tokens() const noexcept { return num_tokens_; }
  [[nodiscard]] int last_layer() const noexcept { return last_layer_; }
  [[nodiscard]] const PopularityUse& use() const noexcept { return use_; }

  /// "banyan-popularity-1", docs/placement.md: terms and paths, not the batch.
  [[nodiscard]] std::string to_json() const;
  [[nodiscard]] static Result<Popularity> from_json(std::string_view text);
  /// A table of layers.
  [[nodiscard]] std::string to_text() const;

  Popularity() = default;  ///< for Result

 private:
  void check(int layer, std::span<const int64_t> topk_idx, size_t num_tokens) const;
  void check_token(std::span<const int64_t> choices, size_t token, std::vector<int64_t>& sorted) const;
  void learn(PathTable& table, std::span<const int64_t> topk_idx);
  void decay(PathTable& table) const;
  void trim(PathTable& table) const;
  void extend(std::span<const int64_t> topk_idx);
  [[nodiscard]] std::span<const int> path_of(size_t token) const;
  void add_expected(const PathTable& table, std::span<const int> path, double tokens, std::vector<double>& load) const;
  void spread_rest(const PathTable& table, std::span<const int> path, double rest, std::vector<double>& load) const;

  PopularityTerms terms_;
  std::vector<PathTable> layers_;
  std::vector<int> paths_;  ///< [num_tokens, path_length * path_choices], as keys
  int depth_ = 0;           ///< layers in paths_
  int last_layer_ = -1;
  size_t num_tokens_ = 0;
  PopularityUse use_;
};

}  // namespace banyan::moe
