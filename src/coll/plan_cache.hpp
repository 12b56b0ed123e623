// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "coll/compile.hpp"
#include "coll/options.hpp"
#include "coll/planned.hpp"
#include "coll/tuned.hpp"
#include "comm/communicator.hpp"
#include "planner/hosts.hpp"
#include "planner/select.hpp"
#include "planner/tuning_rules.hpp"

namespace banyan::coll {

/// How calls of one kind are made: as planned, or as `tuned` says call by call.
struct Kept {
  std::shared_ptr<Planned> planned;
  std::shared_ptr<Tuned> tuned;  ///< nullptr: nothing is tried
};

/// Plans exchanges of a communicator, and keeps what calls need again. An all-to-all-v is planned without its counts,
/// so one plan serves all counts. Finding what is kept allocates nothing. One thread.
class PlanCache {
 public:
  /// Borrows the communicator. Error{FORMAT}: its tuning file is not one; the same on all ranks.
  explicit PlanCache(comm::Communicator& communicator);

  /// Error{NOT_FOUND} for an unknown algorithm. All that is kept is forgotten when it is too much; callers who need it
  /// longer share it. Good until the next call.
  [[nodiscard]] const Kept& uniform(size_t block_bytes, const Options& options);
  [[nodiscard]] const Kept& variable(const Options& options);
  /// See compile_bounded.
  [[nodiscard]] std::shared_ptr<Planned> make_bounded(const planner::Choice& choice, uint64_t number) const;

  /// After the communicator's tree or model changed.
  void clear();

  [[nodiscard]] planner::Situation situation() const;
  /// The algorithm that the caller names, else the environment, else the tuning file. `block_bytes`: per pair; nullopt:
  /// an all-to-all-v.
  [[nodiscard]] planner::Wish wish(const Options& options, std::optional<size_t> block_bytes) const;

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

  [[nodiscard]] size_t num_rails() const;
  [[nodiscard]] Place place() const;
  [[nodiscard]] Compile compile_of(std::optional<size_t> block_bytes) const;
  [[nodiscard]] Kept make_uniform(size_t block_bytes, const Options& options);
  [[nodiscard]] Kept make_variable(const Options& options) const;
  template <typename Make>
  const Kept& kept(const KeyView& key, Make make);

  comm::Communicator& comm_;
  planner::TuningRules rules_;
  std::shared_ptr<const planner::Hosts> hosts_;  ///< what is kept shares it
  std::map<Key, Kept, Less> kept_;
};

}  // namespace banyan::coll
