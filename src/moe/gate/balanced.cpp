// SPDX-License-Identifier: Apache-2.0
#include "moe/gate/balanced.hpp"

#include <algorithm>
#include <functional>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "moe/gate/activation.hpp"

namespace banyan::moe::gate {
namespace {

constexpr double kInfinite = std::numeric_limits<double>::infinity();
constexpr size_t kNone = std::numeric_limits<size_t>::max();

/// Assigns tokens one by one; after each the sum is the largest possible. A new token may push others on along a
/// path of experts. Where tokens don't divide evenly, each expert has floor(T / E) places and one extra place of which
/// T mod E may be used: passing one on from an expert to another costs nothing, and goes through the node `pool_`.
class Assigner {
 public:
  explicit Assigner(const Scores& scores)
      : scores_(scores),
        places_(scores.num_tokens / scores.num_experts),
        extras_left_(scores.num_tokens % scores.num_experts),
        pool_(scores.num_experts),
        expert_of_(scores.num_tokens, kNone),
        members_(scores.num_experts),
        cheapest_(area(scores.num_experts, scores.num_experts, "num_experts * num_experts")),
        price_(scores.num_experts + 1, 0.0),
        has_extra_(scores.num_experts, false) {}

  void assign(size_t token) {
    search(token);
    raise_prices();
    move_along(token);
  }

  [[nodiscard]] size_t expert_of(size_t token) const { return expert_of_[token]; }

  /// No balanced assignment collects more: at any prices, a token gains at most its best score less the price there,
  /// and the prices paid are at most those of all places and of the dearest extra ones.
  [[nodiscard]] double upper_bound() const {
    const size_t extras = scores_.num_tokens % scores_.num_experts;
    std::vector<double> prices(price_.begin(), price_.begin() + static_cast<ptrdiff_t>(scores_.num_experts));
    double bound = static_cast<double>(places_) * std::accumulate(prices.begin(), prices.end(), 0.0);
    for (size_t token = 0; token < scores_.num_tokens; ++token) {
      bound += best_gain(token);
    }
    std::sort(prices.begin(), prices.end(), std::greater<>());
    return std::accumulate(prices.begin(), prices.begin() + static_cast<ptrdiff_t>(extras), bound);
  }

 private:
  /// Which token leaves an expert for another at the least loss.
  struct Move {
    double loss = kInfinite;
    size_t token = kNone;
  };

  [[nodiscard]] double loss(size_t token, size_t from, size_t to) const {
    const auto row = scores_.row(token);
    return double{row[from]} - double{row[to]};
  }

  [[nodiscard]] Move& cheapest(size_t from, size_t to) { return cheapest_[from * scores_.num_experts + to]; }

  /// Whether a node takes one more without pushing another on.
  [[nodiscard]] bool absorbs(size_t node) const {
    return node == pool_ ? extras_left_ > 0 : members_[node].size() < places_ + (has_extra_[node] ? 1 : 0);
  }

  /// Cost of the arc between nodes, infinite where there is none.
  [[nodiscard]] double cost(size_t from, size_t to) {
    if (from == pool_) {
      return has_extra_[to] ? 0 : kInfinite;
    }
    if (to == pool_) {
      return has_extra_[from] ? kInfinite : 0;
    }
    return cheapest(from, to).loss;
  }

  /// Dijkstra over costs reduced by prices, up to the first node that absorbs, by distance and then index.
  void search(size_t token) {
    const size_t nodes = pool_ + 1;
    distance_.assign(nodes, kInfinite);
    previous_.assign(nodes, kNone);
    done_.assign(nodes, false);
    end_ = kNone;
    end_distance_ = kInfinite;
    start_from(token);
    for (size_t round = 0; round < nodes; ++round) {
      size_t nearest = kNone;
      for (size_t node = 0; node < nodes; ++node) {
        if (!done_[node] && distance_[node] < (nearest == kNone ? kInfinite : distance_[nearest])) {
          nearest = node;
        }
      }
      if (nearest == kNone || distance_[nearest] >= end_distance_) {
        break;
      }
      done_[nearest] = true;
      if (absorbs(nearest) && distance_[nearest] - price_[nearest] < end_distance_) {
        end_ = nearest;
        end_distance_ = distance_[nearest] - price_[nearest];
      }
      relax(nearest);
    }
    BANYAN_CHECK(end_ != kNone, "token " + std::to_string(token));
  }

  /// The best of the token's scores less prices.
  [[nodiscard]] double best_gain(size_t token) const {
    const auto row = scores_.row(token);
    double best = -kInfinite;
    for (size_t expert = 0; expert < pool_; ++expert) {
      best = std::max(best, double{row[expert]} - price_[expert]);
    }
    return best;
  }

  /// Distances of the experts from the token, measured from what it gains at most.
  void start_from(size_t token) {
    const auto row = scores_.row(token);
    const double best = best_gain(token);
    for (size_t expert = 0; expert < pool_; ++expert) {
      distance_[expert] = best - (double{row[expert]} - price_[expert]);
    }
  }

  void relax(size_t node) {
    for (size_t next = 0; next <= pool_; ++next) {
      if (done_[next] || next == node) {
        continue;
      }
      // Rounding may leave a reduced cost a little below 0, which Dijkstra does not allow.
      const double step = std::max(0.0, cost(node, next) + price_[next] - price_[node]);
      if (distance_[node] + step < distance_[next]) {
        distance_[next] = distance_[node] + step;
        previous_[next] = node;
      }
    }
  }

  void raise_prices() {
    for (size_t node = 0; node <= pool_; ++node) {
      price_[node] += std::max(0.0, end_distance_ - distance_[node]);
    }
  }

  /// Moves a token over each arc of the path, the last first, so that the new one finds a place.
  void move_along(size_t token) {
    if (end_ == pool_) {
      --extras_left_;
    }
    size_t node = end_;
    while (previous_[node] != kNone) {
      const size_t before = previous_[node];
      if (before == pool_) {
        has_extra_[node] = false;
      } else if (node == pool_) {
        has_extra_[before] = true;
      } else {
        const size_t moved = cheapest(before, node).token;
        leave(moved, before);
        enter(moved, node);
      }
      node = before;
    }
    enter(token, node);
  }

  void enter(size_t token, size_t expert) {
    expert_of_[token] = expert;
    members_[expert].push_back(token);
    for (size_t to = 0; to < scores_.num_experts; ++to) {
      const double loss_there = loss(token, expert, to);
      Move& best = cheapest(expert, to);
      if (loss_there < best.loss || (loss_there == best.loss && token < best.token)) {
        best = {.loss = loss_there, .token = token};
      }
    }
  }

  void leave(size_t token, size_t expert) {
    auto& members = members_[expert];
    members.erase(std::find(members.begin(), members.end(), token));
    std::fill_n(cheapest_.begin() + static_cast<ptrdiff_t>(expert * scores_.num_experts), scores_.num_experts, Move{});
    for (const size_t member : members) {
      for (size_t to = 0; to < scores_.num_experts; ++to) {
        const double loss_there = loss(member, expert, to);
        Move& best = cheapest(expert, to);
        if (loss_there < best.loss || (loss_there == best.loss && member < best.token)) {
          best = {.loss = loss_there, .token = member};
        }
      }
    }
  }

  const Scores& scores_;
  size_t places_;                             ///< that every expert has
  size_t extras_left_;                        ///< places that no expert has yet
  size_t pool_;                               ///< the node of the extra places
  std::vector<size_t> expert_of_;             ///< [token]
  std::vector<std::vector<size_t>> members_;  ///< [expert]
  std::vector<Move> cheapest_;                ///< [from, to]
  std::vector<double> price_;                 ///< [node]: what one more place there is worth
  std::vector<bool> has_extra_;               ///< [expert]
  std::vector<double> distance_;
  std::vector<size_t> previous_;
  std::vector<bool> done_;
  size_t end_ = kNone;
  double end_distance_ = kInfinite;
};

}  // namespace

Balanced balanced(const Scores& scores) {
  Balanced result{.routing = empty_routing(scores.num_tokens, 1)};
  if (scores.num_tokens == 0) {
    return result;
  }
  Assigner assigner(scores);
  for (size_t token = 0; token < scores.num_tokens; ++token) {
    assigner.assign(token);
  }
  for (size_t token = 0; token < scores.num_tokens; ++token) {
    const size_t expert = assigner.expert_of(token);
    const double score = scores.row(token)[expert];
    result.routing.idx[token] = static_cast<int64_t>(expert);
    result.routing.weights[token] = static_cast<float>(sigmoid(score));
    result.total += score;
  }
  result.gap = std::max(0.0, assigner.upper_bound() - result.total);
  return result;
}

}  // namespace banyan::moe::gate
