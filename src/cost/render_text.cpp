// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>

#include "cost/quantity.hpp"
#include "cost/render.hpp"

namespace banyan::cost {
namespace {

using topology::Tier;

constexpr size_t kMaxMatrixHosts = 16;
constexpr size_t kMaxNameColumns = 24;

/// Names come from other machines: nothing that a terminal would obey, and bounded.
std::string printable(const std::string& name) {
  std::string text;
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    text += byte < 0x20 || byte == 0x7f ? '?' : c;
  }
  if (text.size() > kMaxNameColumns) {
    size_t end = kMaxNameColumns - 3;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) {
      --end;  // not inside a UTF-8 character
    }
    text = text.substr(0, end) + "...";
  }
  return text;
}

/// Rows of cells, the first left-aligned, the others right-aligned.
class Table {
 public:
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  [[nodiscard]] std::string text() const {
    std::vector<size_t> widths;
    for (const auto& row : rows_) {
      widths.resize(std::max(widths.size(), row.size()));
      for (size_t i = 0; i < row.size(); ++i) {
        widths[i] = std::max(widths[i], row[i].size());
      }
    }
    std::string text;
    for (const auto& row : rows_) {
      std::string line = "  ";
      for (size_t i = 0; i < row.size(); ++i) {
        line += i == 0 ? fmt::format("{:<{}}", row[i], widths[i]) : fmt::format("  {:>{}}", row[i], widths[i]);
      }
      text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
    }
    return text;
  }

 private:
  std::vector<std::vector<std::string>> rows_;
};

void add_tier(Table& table, const std::string& name, const TierCost& tier) {
  if (tier.measured) {
    table.add({name, show_time(tier.alpha_s), show_time(tier.overhead_s), tier.gap_s > 0 ? show_time(tier.gap_s) : "-",
               show_rate(tier.flow_bytes_per_s)});
  }
}

std::string tiers_text(const Profile& profile) {
  Table table;
  table.add({"path", "latency", "per message: a rank", "a host", "one flow"});
  add_tier(table, "domain (mapped memory)", profile.tiers[static_cast<size_t>(Tier::kDomain)]);
  add_tier(table, "local message", profile.local_message);
  for (const Tier tier : {Tier::kNode, Tier::kRack, Tier::kCluster}) {
    add_tier(table, topology::tier_name(tier), profile.tiers[static_cast<size_t>(tier)]);
  }
  return table.text();
}

std::string rate_or_dash(double rate) { return rate > 0 ? show_rate(rate) : "-"; }

std::string capacities_text(const char* title, const std::vector<HostProfile>& hosts) {
  Table table;
  table.add({title, "ranks", "out", "in"});
  for (const HostProfile& host : hosts) {
    table.add({printable(host.name), std::to_string(host.num_ranks), rate_or_dash(host.egress_bytes_per_s),
               rate_or_dash(host.ingress_bytes_per_s)});
  }
  return table.text();
}

/// "node0, node1", at most so many.
std::string host_names(const Profile& profile, const std::vector<int>& hosts) {
  constexpr size_t kMostNames = 8;
  std::string names;
  for (size_t i = 0; i < hosts.size() && i < kMostNames; ++i) {
    names += (i == 0 ? "" : ", ") + printable(profile.hosts.at(static_cast<size_t>(hosts[i])).name);
  }
  return hosts.size() > kMostNames ? names + fmt::format(" and {} more", hosts.size() - kMostNames) : names;
}

std::string uplinks_text(const Profile& profile) {
  if (profile.inferred_racks->empty()) {
    return "  no shared uplink: hosts keep their rates, whichever others are at work\n";
  }
  const auto limit = [](double rate) { return rate > 0 ? show_rate(rate) : std::string("no limit"); };
  Table table;
  table.add({"hosts", "out", "in"});
  for (const InferredRack& rack : *profile.inferred_racks) {
    table.add({host_names(profile, rack.hosts), limit(rack.egress_bytes_per_s), limit(rack.ingress_bytes_per_s)});
  }
  return table.text();
}

std::string matrix_text(const Profile& profile) {
  const size_t n = profile.hosts.size();
  if (n > kMaxMatrixHosts) {
    return fmt::format("  {} hosts; see the JSON or SVG form\n", n);
  }
  Table table;
  std::vector<std::string> head = {"from \\ to"};
  for (const HostProfile& host : profile.hosts) {
    head.push_back(printable(host.name));
  }
  table.add(head);
  for (size_t from = 0; from < n; ++from) {
    std::vector<std::string> row = {printable(profile.hosts[from].name)};
    for (size_t to = 0; to < n; ++to) {
      row.push_back(rate_or_dash(profile.host_pair_bytes_per_s[from * n + to]));
    }
    table.add(row);
  }
  return table.text();
}

}  // namespace

std::string render_profile_text(const Profile& profile) {
  std::string text =
      fmt::format("Profile of {} rank{} on {} host{} over {}, {}\n", profile.num_ranks,
                  profile.num_ranks == 1 ? "" : "s", profile.hosts.size(), profile.hosts.size() == 1 ? "" : "s",
                  printable(profile.transport), printable(profile.created));
  text += "\nBetween two ranks\n" + tiers_text(profile);
  text +=
      "\nCopying\n" + fmt::format("  one core {}, all ranks of a host together {}\n",
                                  rate_or_dash(profile.copy_bytes_per_s), rate_or_dash(profile.host_copy_bytes_per_s));
  if (!profile.hosts.empty()) {
    text += "\nAll ranks of a host at once\n" + capacities_text("host", profile.hosts);
  }
  if (!profile.racks.empty()) {
    text += "\nAll ranks of a rack at once\n" + capacities_text("rack", profile.racks);
  }
  if (profile.inferred_racks) {
    text += "\nUplinks that hosts share, inferred from rates\n" + uplinks_text(profile);
  }
  if (!profile.host_pair_bytes_per_s.empty() &&
      profile.host_pair_bytes_per_s.size() == profile.hosts.size() * profile.hosts.size()) {
    text += "\nHost to host\n" + matrix_text(profile);
  }
  return text;
}

}  // namespace banyan::cost
