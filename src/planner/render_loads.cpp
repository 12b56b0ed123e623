// SPDX-License-Identifier: Apache-2.0
// The tree with what each of its links carries.
#include <fmt/format.h>

#include <algorithm>

#include "planner/quantity_text.hpp"
#include "planner/render.hpp"
#include "planner/svg.hpp"

namespace banyan::planner {
namespace {

using topology::Tier;
using topology::TreeNode;

// Layout, in pixels: the tree grows from left to right, one row a host, as in topology's picture.
constexpr double kMargin = 16;
constexpr double kTop = 74;  ///< title, legend
constexpr double kRootWidth = 110;
constexpr double kRackX = 340;
constexpr double kRackWidth = 120;
constexpr double kHostX = 680;
constexpr double kHostWidth = 190;
constexpr double kRowHeight = 50;
constexpr double kBoxHeight = 36;
constexpr double kRackGap = 14;
constexpr double kBend = 16;
constexpr double kApart = 7;  ///< of the two directions of a link
constexpr size_t kMaxHosts = 256;
constexpr size_t kMaxName = 18;
constexpr double kThinnest = 1.5;
constexpr double kThickest = 6;

std::string count(size_t number, const char* noun) { return count_text(static_cast<uint64_t>(number), noun); }

std::string short_name(const std::string& name) {
  return name.size() <= kMaxName ? name : name.substr(0, kMaxName - 2) + "..";
}

/// Draws one plan. One use.
class Picture {
 public:
  Picture(const topology::LocalityTree& tree, const Plan& plan)
      : tree_(tree), plan_(plan), loads_(tree.nodes().size()) {
    for (const LinkLoad& load : plan.movement.links) {
      auto& [out, in] = loads_.at(static_cast<size_t>(load.node));
      (load.egress ? out : in) = &load;
    }
  }

  std::string run() {
    head();
    const std::vector<int> racks = tree_.at_tier(Tier::kRack);
    std::vector<double> rack_y;
    for (const int rack : racks) {
      if (drawn_hosts_ < kMaxHosts) {
        rack_y.push_back(draw_rack(tree_.node(rack)));
      }
    }
    if (const size_t hidden = tree_.at_tier(Tier::kNode).size() - drawn_hosts_; hidden > 0) {
      svg_.text(kHostX, y_ + 16, "and " + count(hidden, "more host"), "note");
      y_ += kRowHeight;
    }
    const double root_y = (rack_y.front() + rack_y.back()) / 2;
    for (size_t i = 0; i < rack_y.size(); ++i) {
      link(kMargin + kRootWidth, root_y, kRackX, rack_y[i], racks[i]);
    }
    named_box(kMargin, root_y, kRootWidth, "cluster", count(static_cast<size_t>(tree_.num_ranks()), "rank"));
    return svg_.finish(kHostX + kHostWidth + kMargin, y_ + kMargin, "Load of each link");
  }

 private:
  void head() {
    svg_.text(kMargin, 24, fmt::format("What {} moves", algorithm_name(plan_.choice.chosen.algorithm)), "title");
    svg_.text(kMargin, 42,
              fmt::format("{} between hosts, {} asked for; upper line: out, lower line: in",
                          bytes_text(plan_.wire_bytes), bytes_text(plan_.logical_bytes)),
              "note");
    constexpr int kSteps = 12;
    for (int i = 0; i < kSteps; ++i) {
      svg_.rect(kMargin + 14.0 * i, 50, 14, 9, share_colour(i / (kSteps - 1.0)));
    }
    svg_.text(kMargin + 14 * kSteps + 8, 59, "0 to 100 % of the busiest link's time", "note");
  }

  void named_box(double x, double middle, double width, const std::string& name, const std::string& note) {
    svg_.box(x, middle - kBoxHeight / 2, width, kBoxHeight);
    svg_.text(x + 8, middle - 3, short_name(name));
    svg_.text(x + 8, middle + 11, note, "note");
  }

  double draw_rack(const TreeNode& rack) {
    std::vector<std::pair<int, double>> hosts;
    for (const int child : rack.children) {
      if (drawn_hosts_ == kMaxHosts) {
        break;
      }
      hosts.emplace_back(child, y_ + kRowHeight / 2);
      const TreeNode& host = tree_.node(child);
      named_box(kHostX, hosts.back().second, kHostWidth, host.name, count(host.ranks.size(), "rank"));
      y_ += kRowHeight;
      ++drawn_hosts_;
    }
    const double middle = (hosts.front().second + hosts.back().second) / 2;
    for (const auto& [host, host_y] : hosts) {
      link(kRackX + kRackWidth, middle, kHostX, host_y, host);
    }
    named_box(kRackX, middle, kRackWidth, rack.name, count(rack.children.size(), "host"));
    y_ += kRackGap;
    return middle;
  }

  /// Both directions of a subtree's boundary, or a thin line where nothing can cross it.
  void link(double from_x, double from_y, double to_x, double to_y, int node) {
    const auto& [out, in] = loads_[static_cast<size_t>(node)];
    if (out == nullptr || in == nullptr) {
      svg_.edge(from_x, from_y, from_x + kBend, to_x, to_y, "#bbc", 1, "");
      return;
    }
    direction(from_x, from_y - kApart / 2, from_x + kBend + kApart / 2, to_x, to_y - kApart / 2, *out);
    direction(from_x, from_y + kApart / 2, from_x + kBend - kApart / 2, to_x, to_y + kApart / 2, *in);
    svg_.text(to_x - 8, to_y - 9, "out " + label(*out), "note", "end");
    svg_.text(to_x - 8, to_y + 17, "in " + label(*in), "note", "end");
  }

  void direction(double from_x, double from_y, double bend, double to_x, double to_y, const LinkLoad& load) {
    svg_.edge(from_x, from_y, bend, to_x, to_y, share_colour(load.share),
              kThinnest + (kThickest - kThinnest) * load.share,
              fmt::format("{}: {}, {}", load.name, count_text(load.messages, "message"), label(load)));
  }

  static std::string label(const LinkLoad& load) {
    if (load.capacity_bytes_per_s <= 0) {
      return bytes_text(load.bytes) + ", no limit";
    }
    return fmt::format("{}, {}, {:.0f} %", bytes_text(load.bytes), seconds_text(load.time_s), 100 * load.share);
  }

  const topology::LocalityTree& tree_;
  const Plan& plan_;
  std::vector<std::pair<const LinkLoad*, const LinkLoad*>> loads_;  ///< by tree node: out, in
  Svg svg_;
  double y_ = kTop;
  size_t drawn_hosts_ = 0;
};

}  // namespace

std::string render_loads_svg(const topology::LocalityTree& tree, const Plan& plan) { return Picture(tree, plan).run(); }

}  // namespace banyan::planner
