// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "coll/compile.hpp"
#include "coll/options.hpp"
#include "coll/planned.hpp"
#include "coll/tuner.hpp"
#include "comm/communicator.hpp"
#include "executor/exchange.hpp"
#include "planner/hosts.hpp"
#include "planner/select.hpp"

namespace banyan::coll {

/// Plans exchanges of a communicator, and keeps what one-shot calls need again. An all-to-all-v is planned without its
/// counts, so one plan serves all counts. Finding a kept plan allocates nothing. One thread.
class PlanCache {
 public:
  /// Borrows the communicator.
  explicit PlanCache(comm::Communicator& communicator) : comm_(communicator), hosts_(communicator.tree()) {}

  /// Plans of their own, for requests that stay. Error{NOT_FOUND} for an unknown algorithm.
  [[nodiscard]] std::shared_ptr<Planned> make_uniform(size_t block_bytes, const Options& options) const;
  [[nodiscard]] std::shared_ptr<Planned> make_variable(const Options& options) const;

  /// Shared ones; all are forgotten when there are too many. Good until the next call.
  [[nodiscard]] const std::shared_ptr<Planned>& uniform(size_t block_bytes, const Options& options);
  [[nodiscard]] const std::shared_ptr<Planned>& variable(const Options& options);

  /// Whether calls of an all-to-all-v with these options try several ways, and the way that is next.
  [[nodiscard]] bool tunes(const Options& options) const;
  [[nodiscard]] const std::shared_ptr<Planned>& tuned();
  /// What such a call carries, and how it went; `notes`: of all ranks, if it carried them.
  void note_tuned(executor::Exchange& exchange) const;
  void tuned_finished(double seconds, std::span<const uint32_t> notes);

  /// After the communicator's tree or model changed.
  void clear();

  [[nodiscard]] planner::Situation situation() const { return {comm_.tree(), hosts_, comm_.model()}; }
  [[nodiscard]] planner::Wish wish(const Options& options) const;

 private:
  /// Bytes per pair, or kVariable; and the algorithm asked for.
  using Key = std::pair<size_t, std::string>;
  using KeyView = std::pair<size_t, std::string_view>;
  struct Less {
    using is_transparent = void;
    static KeyView view(const Key& key) { return {key.first, key.second}; }
    static KeyView view(const KeyView& key) { return key; }
    template <typename A, typename B>
    bool operator()(const A& a, const B& b) const {
      return view(a) < view(b);
    }
  };

  [[nodiscard]] Place place() const;
  template <typename Make>
  const std::shared_ptr<Planned>& kept(const KeyView& key, Make make);

  comm::Communicator& comm_;
  planner::Hosts hosts_;
  std::map<Key, std::shared_ptr<Planned>, Less> kept_;
  std::optional<Tuner> tuner_;
  std::vector<planner::Choice> ways_;
  std::vector<std::shared_ptr<Planned>> way_plans_;  ///< by way, once it is used
};

}  // namespace banyan::coll
