// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>

#include "base/json.hpp"
#include "moe/placement/placement.hpp"

namespace banyan::moe {
namespace {

using json::Value;

/// Experts beyond this many are left to JSON.
constexpr size_t kMaxExpertsShown = 256;

std::string shares_text(std::span<const double> shares) {
  std::string text;
  for (const double share : shares) {
    text += fmt::format(" {:.3f}", share);
  }
  return text;
}

}  // namespace

std::string Placement::to_text() const {
  std::string text =
      fmt::format("placement of {} experts, {} replicas, on {} ranks of {} hosts, from step {} on, digest {:016x}\n",
                  num_experts(), num_replicas(), hosts_.num_ranks(), hosts_.count(), epoch_, digest());
  text += fmt::format("largest load {:.6g} rows, before {:.6g}, mean {:.6g}\n", figures_.max_load,
                      figures_.max_load_before, figures_.mean_load);
  text += fmt::format("rows between hosts {:.6g}, before {:.6g}\n", figures_.remote_rows, figures_.remote_rows_before);
  for (size_t expert = 0; expert < std::min(replicas_.size(), kMaxExpertsShown); ++expert) {
    text += fmt::format("  expert {} on ranks {}\n", expert, fmt::join(replicas_[expert], " "));
    if (replicas_[expert].size() > 1) {
      for (int host = 0; host < hosts_.count(); ++host) {
        text += fmt::format("    shares of host {}:{}\n", host,
                            shares_text(shares(hosts_.ranks(host)[0], static_cast<int>(expert))));
      }
    }
  }
  if (replicas_.size() > kMaxExpertsShown) {
    text += fmt::format("  ... and {} more\n", replicas_.size() - kMaxExpertsShown);
  }
  return text;
}

std::string Placement::to_json() const {
  Value experts = Value::array();
  for (size_t expert = 0; expert < replicas_.size(); ++expert) {
    Value rows = Value::array();
    for (int host = 0; host < hosts_.count(); ++host) {
      const auto row = shares(hosts_.ranks(host)[0], static_cast<int>(expert));
      rows.push_back(std::vector<double>(row.begin(), row.end()));
    }
    experts.push_back({{"ranks", replicas_[expert]}, {"shares", std::move(rows)}});
  }
  Value hosts = Value::array();
  for (int host = 0; host < hosts_.count(); ++host) {
    hosts.push_back(hosts_.ranks(host));
  }
  const Value root = {{"format", "banyan-placement-1"},
                      {"epoch", epoch_},
                      {"digest", fmt::format("{:016x}", digest())},
                      {"mean_load", figures_.mean_load},
                      {"max_load_before", figures_.max_load_before},
                      {"max_load", figures_.max_load},
                      {"remote_rows_before", figures_.remote_rows_before},
                      {"remote_rows", figures_.remote_rows},
                      {"hosts", std::move(hosts)},
                      {"experts", std::move(experts)}};
  return root.dump(1) + "\n";
}

}  // namespace banyan::moe
