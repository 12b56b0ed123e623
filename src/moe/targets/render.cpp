// SPDX-License-Identifier: Apache-2.0
#include "moe/targets/render.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.hpp"
#include "base/json.hpp"
#include "cost/quantity.hpp"

namespace banyan::moe {
namespace {

constexpr const char* kTierNames[kTargetTiers] = {"domain", "node", "rack", "cluster"};
/// Classes whose rows are printed.
constexpr size_t kMaxTextClasses = 16;
/// Ranks that a line names.
constexpr size_t kMaxNamedRanks = 8;

std::vector<std::vector<int>> ranks_by_class(const Targets& targets) {
  std::vector<std::vector<int>> ranks(targets.shape().classes().size());
  for (int rank = 0; rank < targets.num_ranks(); ++rank) {
    ranks[static_cast<size_t>(targets.shape().class_of(rank))].push_back(rank);
  }
  return ranks;
}

/// "0, 1, 2, ... (512 ranks)".
std::string name_ranks(const std::vector<int>& ranks) {
  std::string text;
  for (size_t i = 0; i < std::min(ranks.size(), kMaxNamedRanks); ++i) {
    text += (i > 0 ? ", " : "") + std::to_string(ranks[i]);
  }
  return text + (ranks.size() > kMaxNamedRanks ? fmt::format(", ... ({} ranks)", ranks.size()) : "");
}

/// What a rank of a class sends to experts of another that it meets at a tier.
struct Entry {
  int from, to, tier;
  double ranks;  ///< of `to`, that one of `from` meets there
  double tokens_per_expert;
  int experts;  ///< of each of these ranks
};

std::vector<Entry> entries_of(const Targets& targets, int from) {
  const Shape& shape = targets.shape();
  std::vector<Entry> entries;
  for (int tier = 0; tier < kTargetTiers; ++tier) {
    const auto& of = shape.classes()[static_cast<size_t>(from)];
    const Branch& branch = shape.branches()[static_cast<size_t>(of.branch[static_cast<size_t>(tier)])];
    for (int to = branch.first; to < branch.end; ++to) {
      const int example = shape.classes()[static_cast<size_t>(to)].example;
      const int experts = targets.demand.num_experts[static_cast<size_t>(example)];
      const double ranks = shape.partners(from, to, tier);
      if (ranks > 0 && experts > 0) {
        entries.push_back({from, to, tier, ranks, targets.tokens_per_expert(from, to, tier), experts});
      }
    }
  }
  return entries;
}

std::string times_text(const Targets& targets) {
  std::string text;
  const auto line = [&text](const char* name, double seconds, const std::string& busiest) {
    text += fmt::format("  {:<14} {:>10}{}{}\n", name, cost::show_time(seconds), busiest.empty() ? "" : "   ", busiest);
  };
  line("even dispatch", targets.even_s, targets.even_busiest);
  line("these targets", targets.time_s, targets.busiest);
  if (targets.least_s > 0) {
    line("least of any", targets.least_s, "");
  }
  if (targets.method == TargetMethod::kBudgeted) {
    line("budget", targets.budget_s, targets.budget_met ? "met" : "NOT MET: no targets can; these are the exact ones");
  }
  return text;
}

std::string rows_text(const Targets& targets) {
  const auto ranks = ranks_by_class(targets);
  std::string text;
  for (size_t from = 0; from < std::min(ranks.size(), kMaxTextClasses); ++from) {
    text += fmt::format("ranks {}\n", name_ranks(ranks[from]));
    for (const Entry& entry : entries_of(targets, static_cast<int>(from))) {
      text += fmt::format("  {:>10.1f} tokens to each of {:.0f} experts, tier {}, as of rank {}\n",
                          entry.tokens_per_expert, entry.ranks * entry.experts, kTierNames[entry.tier],
                          targets.shape().classes()[static_cast<size_t>(entry.to)].example);
    }
  }
  if (ranks.size() > kMaxTextClasses) {
    text += fmt::format("... and {} more kinds of ranks\n", ranks.size() - kMaxTextClasses);
  }
  return text;
}

json::Value figures_json(const Targets& targets) {
  return {{"format", "banyan-targets-1"},
          {"method", method_name(targets.method)},
          {"num_ranks", targets.num_ranks()},
          {"num_experts", targets.demand.owner.size()},
          {"top_k", targets.demand.top_k},
          {"row_bytes", targets.row_bytes},
          {"measured", targets.measured},
          {"model", targets.model_source},
          {"even_time_s", targets.even_s},
          {"time_s", targets.time_s},
          {"least_time_s", targets.least_s},
          {"budget_s", targets.budget_s},
          {"budget_met", targets.budget_met},
          {"busiest_link", targets.busiest},
          {"even_busiest_link", targets.even_busiest},
          {"divergence_nats", targets.divergence},
          {"gap_nats", targets.gap},
          {"column_error", targets.column_error},
          {"most_per_token", targets.most_per_token},
          {"expert_rank", targets.demand.owner},
          {"classes", json::Value::array()}};
}

}  // namespace

std::string render_targets_text(const Targets& targets) {
  std::string text = fmt::format("dispatch targets, {}: {} experts on {} ranks, top-{}, rows of {:.0f} bytes\n",
                                 method_name(targets.method), targets.demand.owner.size(), targets.num_ranks(),
                                 targets.demand.top_k, targets.row_bytes);
  text += "speeds: " + targets.model_source + "\ntransfer time\n" + times_text(targets);
  text += fmt::format("divergence from even {:.4f} nats per token copy; largest column error {:.2g} %\n",
                      targets.divergence, 100 * targets.column_error);
  if (targets.most_per_token > 1) {
    text += fmt::format("a rank would send an expert {:.2f} copies per token: more than 1, no gate gets there\n",
                        targets.most_per_token);
  }
  return text + rows_text(targets);
}

std::string render_targets_json(const Targets& targets) {
  const auto ranks = ranks_by_class(targets);
  if (ranks.size() > kMaxJsonClasses) {
    throw Error(BANYAN_ERR_LIMIT, "the ranks are of " + std::to_string(ranks.size()) + " kinds, JSON is for up to " +
                                      std::to_string(kMaxJsonClasses) + "; read rows with banyan_targets_row");
  }
  json::Value out = figures_json(targets);
  for (size_t from = 0; from < ranks.size(); ++from) {
    json::Value rows = json::Value::array();
    for (const Entry& entry : entries_of(targets, static_cast<int>(from))) {
      rows.push_back({{"to_class", entry.to},
                      {"tier", kTierNames[entry.tier]},
                      {"ranks", entry.ranks},
                      {"experts_per_rank", entry.experts},
                      {"tokens_per_expert", entry.tokens_per_expert}});
    }
    const auto example = static_cast<size_t>(ranks[from].front());
    out["classes"].push_back({{"ranks", ranks[from]}, {"tokens", targets.demand.tokens[example]}, {"sends", rows}});
  }
  return out.dump(2) + "\n";
}

}  // namespace banyan::moe
