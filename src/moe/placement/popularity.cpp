// SPDX-License-Identifier: Apache-2.0
#include "moe/placement/popularity.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <tuple>

#include "base/checked.hpp"

namespace banyan::moe {
namespace {

std::string out_of_range(const char* name, int value, int least, int most) {
  return value >= least && value <= most ? "" : fmt::format("{} is {}, must be {} to {}", name, value, least, most);
}

void count(PathStatistics& path, std::span<const int64_t> choices) {
  path.tokens += 1;
  for (const int64_t choice : choices) {
    if (choice < 0) {
      continue;
    }
    path.choices += 1;
    const auto expert = static_cast<int>(choice);
    const auto at = std::lower_bound(path.experts.begin(), path.experts.end(), expert,
                                     [](const auto& entry, int wanted) { return entry.first < wanted; });
    if (at != path.experts.end() && at->first == expert) {
      at->second += 1;
    } else {
      path.experts.insert(at, {expert, 1.0});
    }
  }
}

/// Keeps the experts chosen most, of equal ones the first.
void trim_experts(PathStatistics& path, size_t most) {
  if (path.experts.size() <= most) {
    return;
  }
  std::sort(path.experts.begin(), path.experts.end(), [](const auto& a, const auto& b) {
    return std::tuple(-a.second, a.first) < std::tuple(-b.second, b.first);
  });
  path.experts.resize(most);
  std::sort(path.experts.begin(), path.experts.end());
}

double kept_choices(const PathStatistics& path) {
  double sum = 0;
  for (const auto& [expert, weight] : path.experts) {
    sum += weight;
  }
  return sum;
}

/// The longest beginning of `path` in the table, and its length.
std::pair<const PathStatistics*, size_t> longest_known(const PathTable& table, std::span<const int> path, size_t step) {
  std::vector<int> key(path.begin(), path.end());
  for (;;) {
    const auto found = table.find(key);
    if (found != table.end() && found->second.tokens > 0) {
      return {&found->second, key.size()};
    }
    if (key.empty()) {
      return {nullptr, 0};
    }
    key.resize(key.size() - step);
  }
}

}  // namespace

std::string problem_of(const PopularityTerms& terms) {
  for (const std::string& problem :
       {out_of_range("num_layers", terms.num_layers, 1, 4096), out_of_range("num_experts", terms.num_experts, 1, 65536),
        out_of_range("top_k", terms.top_k, 1, terms.num_experts), out_of_range("path_length", terms.path_length, 1, 16),
        out_of_range("path_choices", terms.path_choices, 1, terms.top_k),
        out_of_range("max_paths", terms.max_paths, 1, 1 << 20),
        out_of_range("max_experts_per_path", terms.max_experts_per_path, 1, 65536)}) {
    if (!problem.empty()) {
      return problem;
    }
  }
  if (!(terms.decay > 0 && terms.decay <= 1)) {
    return fmt::format("decay is {}, must be above 0 and at most 1", terms.decay);
  }
  return {};
}

Popularity::Popularity(const PopularityTerms& terms) : terms_(terms) {
  const std::string problem = problem_of(terms);
  if (!problem.empty()) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT, problem);
  }
  layers_.resize(static_cast<size_t>(terms.num_layers));
}

size_t Popularity::num_paths() const noexcept {
  size_t number = 0;
  for (const PathTable& table : layers_) {
    number += table.size();
  }
  return number;
}

void Popularity::check_token(std::span<const int64_t> choices, size_t token, std::vector<int64_t>& sorted) const {
  for (const int64_t choice : choices) {
    if (choice < -1 || choice >= terms_.num_experts) {
      throw Error(BANYAN_ERR_INVALID_ARGUMENT, fmt::format("topk_idx of token {} has {}, must be 0 to {}, or -1", token,
                                                           choice, terms_.num_experts - 1));
    }
  }
  sorted.assign(choices.begin(), choices.end());
  std::sort(sorted.begin(), sorted.end());
  for (size_t i = 1; i < sorted.size(); ++i) {
    if (sorted[i] == sorted[i - 1] && sorted[i] >= 0) {
      throw Error(BANYAN_ERR_INVALID_ARGUMENT, fmt::format("topk_idx of token {} has {} twice", token, sorted[i]));
    }
  }
}

void Popularity::check(int layer, std::span<const int64_t> topk_idx, size_t num_tokens) const {
  if (layer < 0 || layer >= terms_.num_layers) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT, fmt::format("layer is {}, must be 0 to {}", layer, terms_.num_layers - 1));
  }
  if (layer != 0 && layer != last_layer_ + 1) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT,
                last_layer_ < 0 ? fmt::format("layer is {}; a batch begins with layer 0", layer)
                                : fmt::format("layer is {}, but the last one observed was {}; layers of a batch come "
                                              "in order, a new batch begins with 0",
                                              layer, last_layer_));
  }
  if (layer != 0 && num_tokens != num_tokens_) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT,
                fmt::format("num_tokens is {}, but the batch has {}", num_tokens, num_tokens_));
  }
  const auto k = static_cast<size_t>(terms_.top_k);
  std::vector<int64_t> sorted;
  for (size_t token = 0; token < num_tokens; ++token) {
    check_token(topk_idx.subspan(token * k, k), token, sorted);
  }
}

void Popularity::observe(int layer, std::span<const int64_t> topk_idx, size_t num_tokens, bool learn_it) {
  check(layer, topk_idx, num_tokens);
  const auto width = static_cast<size_t>(terms_.path_length * terms_.path_choices);
  const auto ints = checked::multiply(num_tokens, width);
  if (!ints || !checked::multiply(*ints, sizeof(int))) {
    throw Error(BANYAN_ERR_LIMIT, fmt::format("num_tokens {} times {} overflows size_t", num_tokens, width));
  }
  if (layer == 0) {
    paths_.assign(*ints, -1);
    num_tokens_ = num_tokens;
    depth_ = 0;
    use_ = {};
  }
  if (learn_it) {
    learn(layers_[static_cast<size_t>(layer)], topk_idx);
  }
  extend(topk_idx);
  last_layer_ = layer;
}

std::span<const int> Popularity::path_of(size_t token) const {
  const auto width = static_cast<size_t>(terms_.path_length * terms_.path_choices);
  return std::span(paths_).subspan(token * width, static_cast<size_t>(depth_ * terms_.path_choices));
}

void Popularity::learn(PathTable& table, std::span<const int64_t> topk_idx) {
  decay(table);
  const auto k = static_cast<size_t>(terms_.top_k);
  const auto step = static_cast<size_t>(terms_.path_choices);
  std::vector<int> key;
  for (size_t token = 0; token < num_tokens_; ++token) {
    const std::span<const int> path = path_of(token);
    for (size_t length = 0; length <= path.size(); length += step) {
      key.assign(path.begin(), path.begin() + static_cast<std::ptrdiff_t>(length));
      count(table[key], topk_idx.subspan(token * k, k));
    }
  }
  trim(table);
}

void Popularity::decay(PathTable& table) const {
  for (auto& [key, path] : table) {
    path.tokens *= terms_.decay;
    path.choices = path.choices * terms_.decay < kForgotten ? 0 : path.choices * terms_.decay;
    for (auto& [expert, weight] : path.experts) {
      weight *= terms_.decay;
    }
    std::erase_if(path.experts, [](const auto& entry) { return entry.second < kForgotten; });
  }
  std::erase_if(table, [](const auto& entry) { return entry.second.tokens < kForgotten; });
}

/// A path is never taken more often than a shorter one that ends it, so that what is dropped first is the longest.
void Popularity::trim(PathTable& table) const {
  for (auto& [key, path] : table) {
    if (!key.empty()) {
      trim_experts(path, static_cast<size_t>(terms_.max_experts_per_path));
    }
  }
  const auto most = static_cast<size_t>(terms_.max_paths);
  if (table.size() <= most) {
    return;
  }
  std::vector<PathTable::const_iterator> order;
  order.reserve(table.size());
  for (auto path = table.cbegin(); path != table.cend(); ++path) {
    order.push_back(path);
  }
  // Stable: of equal ones the first keys stay.
  std::stable_sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
    return std::tuple(-a->second.tokens, a->first.size()) < std::tuple(-b->second.tokens, b->first.size());
  });
  for (size_t i = most; i < order.size(); ++i) {
    table.erase(order[i]);
  }
}

/// Puts the layer's choices before those of the layers before.
void Popularity::extend(std::span<const int64_t> topk_idx) {
  const auto k = static_cast<size_t>(terms_.top_k);
  const auto step = static_cast<std::ptrdiff_t>(terms_.path_choices);
  const auto width = static_cast<std::ptrdiff_t>(terms_.path_length) * step;
  for (size_t token = 0; token < num_tokens_; ++token) {
    const auto path = paths_.begin() + static_cast<std::ptrdiff_t>(token) * width;
    std::copy_backward(path, path + width - step, path + width);
    for (std::ptrdiff_t i = 0; i < step; ++i) {
      path[i] = static_cast<int>(topk_idx[token * k + static_cast<size_t>(i)]);
    }
    std::sort(path, path + step);
  }
  depth_ = std::min(depth_ + 1, terms_.path_length);
}

/// Adds what `tokens` tokens of the path are expected to choose.
void Popularity::add_expected(const PathTable& table, std::span<const int> path, double tokens,
                              std::vector<double>& load) const {
  const auto [known, length] = longest_known(table, path, static_cast<size_t>(terms_.path_choices));
  if (known == nullptr) {
    const double each = tokens * terms_.top_k / terms_.num_experts;
    std::for_each(load.begin(), load.end(), [&](double& rows) { rows += each; });
    return;
  }
  for (const auto& [expert, weight] : known->experts) {
    load[static_cast<size_t>(expert)] += tokens * weight / known->tokens;
  }
  const double rest = known->choices - kept_choices(*known);
  if (rest > kForgotten * known->choices) {
    spread_rest(table, path.first(length), tokens * rest / known->tokens, load);
  }
}

/// Choices of experts that a path does not keep are shared out as those of the next shorter one.
void Popularity::spread_rest(const PathTable& table, std::span<const int> path, double rest,
                             std::vector<double>& load) const {
  if (!path.empty()) {
    const auto step = static_cast<size_t>(terms_.path_choices);
    const auto shorter = path.first(path.size() - step);
    const auto [known, length] = longest_known(table, shorter, step);
    if (known != nullptr && known->choices > 0) {
      add_expected(table, shorter, rest * known->tokens / known->choices, load);
      return;
    }
  }
  const double each = rest / terms_.num_experts;
  std::for_each(load.begin(), load.end(), [&](double& rows) { rows += each; });
}

std::vector<double> Popularity::predict() {
  if (last_layer_ < 0 || last_layer_ + 1 == terms_.num_layers) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT,
                last_layer_ < 0 ? "no layer of a batch has been observed yet"
                                : fmt::format("layer {} is the last one; there is no next", last_layer_));
  }
  const PathTable& table = layers_[static_cast<size_t>(last_layer_ + 1)];
  std::map<std::vector<int>, size_t> batch;  // tokens by path, in an order that does not depend on theirs
  for (size_t token = 0; token < num_tokens_; ++token) {
    const auto path = path_of(token);
    ++batch[{path.begin(), path.end()}];
  }
  std::vector<double> load(static_cast<size_t>(terms_.num_experts), 0);
  use_ = {};
  for (const auto& [path, tokens] : batch) {
    const auto [known, length] = longest_known(table, path, static_cast<size_t>(terms_.path_choices));
    size_t& used = known == nullptr ? use_.unknown : length == path.size() ? use_.full_paths : use_.shorter_paths;
    used += tokens;
    add_expected(table, path, static_cast<double>(tokens), load);
  }
  return load;
}

}  // namespace banyan::moe
