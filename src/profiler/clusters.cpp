// SPDX-License-Identifier: Apache-2.0
#include "profiler/clusters.hpp"

#include <algorithm>

namespace banyan::profiler {
namespace {

/// Different orders of pivots; the same result from all is usual.
constexpr int kMaxStarts = 16;
/// Passes over all items; each improves the sum, and few are ever needed.
constexpr int kMaxPasses = 16;

size_t at(int index) { return static_cast<size_t>(index); }

/// Labels of items, and their improvement.
class Labelling {
 public:
  /// Each pivot in turn, from `first` on, takes all that are free and go with it.
  Labelling(const Evidence& evidence, int first) : evidence_(evidence), labels_(at(evidence.count()), -1) {
    for (int i = 0; i < evidence.count(); ++i) {
      const int pivot = (first + i) % evidence.count();
      if (labels_[at(pivot)] != -1) {
        continue;
      }
      for (int item = 0; item < evidence.count(); ++item) {
        if (labels_[at(item)] == -1 && (item == pivot || evidence.get(pivot, item) > 0)) {
          labels_[at(item)] = pivot;
        }
      }
    }
  }

  void improve() {
    for (int pass = 0; pass < kMaxPasses; ++pass) {
      const bool moved = move_items();
      if (!join_clusters() && !moved) {
        return;
      }
    }
  }

  [[nodiscard]] double sum() const {
    double sum = 0;
    for (int a = 0; a < evidence_.count(); ++a) {
      for (int b = 0; b < a; ++b) {
        sum += labels_[at(a)] == labels_[at(b)] ? evidence_.get(a, b) : 0;
      }
    }
    return sum;
  }

  [[nodiscard]] Clusters clusters() const {
    Clusters clusters;
    std::vector<int> number(labels_.size(), -1);
    for (int item = 0; item < evidence_.count(); ++item) {
      int& cluster = number[at(labels_[at(item)])];
      if (cluster == -1) {
        cluster = static_cast<int>(clusters.size());
        clusters.emplace_back();
      }
      clusters[at(cluster)].push_back(item);
    }
    return clusters;
  }

 private:
  /// Evidence of an item with each label's members.
  [[nodiscard]] std::vector<double> with_labels(int item) const {
    std::vector<double> sums(labels_.size());
    for (int other = 0; other < evidence_.count(); ++other) {
      sums[at(labels_[at(other)])] += other == item ? 0 : evidence_.get(item, other);
    }
    return sums;
  }

  bool move_items() {
    bool moved = false;
    for (int item = 0; item < evidence_.count(); ++item) {
      const std::vector<double> sums = with_labels(item);
      const int own = labels_[at(item)];
      const auto best = static_cast<int>(std::max_element(sums.begin(), sums.end()) - sums.begin());
      // A label without members has the sum 0, so an item that goes with nobody gets one, if any is free.
      if (sums[at(best)] > sums[at(own)]) {
        labels_[at(item)] = best;
        moved = true;
      }
    }
    return moved;
  }

  bool join_clusters() {
    const Clusters all = clusters();
    bool joined = false;
    std::vector<bool> gone(all.size());
    for (size_t a = 0; a < all.size(); ++a) {
      for (size_t b = a + 1; b < all.size() && !gone[a]; ++b) {
        double sum = 0;
        for (const int one : all[a]) {
          for (const int other : all[b]) {
            sum += evidence_.get(one, other);
          }
        }
        if (sum > 0 && !gone[b]) {
          for (const int other : all[b]) {
            labels_[at(other)] = labels_[at(all[a].front())];
          }
          gone[b] = joined = true;
          break;  // the sums with `a` have changed; the next pass sees them
        }
      }
    }
    return joined;
  }

  const Evidence& evidence_;
  std::vector<int> labels_;
};

}  // namespace

Clusters cluster(const Evidence& evidence) {
  Clusters best;
  double best_sum = 0;
  const int starts = std::min(evidence.count(), kMaxStarts);
  for (int start = 0; start < starts; ++start) {
    Labelling labelling(evidence, start * evidence.count() / starts);
    labelling.improve();
    const double sum = labelling.sum();
    if (best.empty() || sum > best_sum) {
      best = labelling.clusters();
      best_sum = sum;
    }
  }
  return best;
}

}  // namespace banyan::profiler
