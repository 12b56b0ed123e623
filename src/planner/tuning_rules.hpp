// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "planner/hosts.hpp"

namespace banyan::planner {

/// The rules of a tuning file (docs/tuning.md): which algorithm is used where the caller and the environment name none.
class TuningRules {
 public:
  /// What rules are matched against.
  struct Case {
    int hosts = 0;
    int ranks = 0;
    std::optional<size_t> block_bytes;  ///< per pair, of an all-to-all; absent: an all-to-all-v
  };
  struct Match {
    std::string algorithm;  ///< a name of docs/algorithms.md, or "auto"
    std::string origin;     ///< "tuning file F, rule 3", counted from 1
  };

  /// No rules.
  TuningRules() = default;

  /// `name`: the file, as messages call it. The error has line and column where the text is no JSON, else a JSON
  /// pointer and what is allowed there.
  [[nodiscard]] static Result<TuningRules> parse(std::string_view text, std::string name);

  /// The first rule that matches; nullopt if none does.
  [[nodiscard]] std::optional<Match> find(const Case& wanted) const;
  [[nodiscard]] size_t size() const noexcept { return rules_.size(); }

  static constexpr size_t kMaxRules = 1000;

 private:
  friend class TuningReader;
  struct Range {
    uint64_t least = 0;
    uint64_t most = std::numeric_limits<uint64_t>::max();
    [[nodiscard]] bool has(uint64_t value) const noexcept { return least <= value && value <= most; }
  };
  struct Rule {
    std::optional<bool> uniform;  ///< absent: both operations
    Range hosts;
    Range ranks;
    Range block_bytes;
    std::string algorithm;
  };

  std::string name_;
  std::vector<Rule> rules_;
};

/// The case of a demand on these hosts.
[[nodiscard]] TuningRules::Case tuning_case(const Hosts& hosts, std::optional<size_t> block_bytes);

}  // namespace banyan::planner
