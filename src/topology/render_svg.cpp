// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "topology/graph_builder.hpp"
#include "topology/locality_tree.hpp"
#include "topology/names.hpp"
#include "topology/render.hpp"

namespace banyan::topology {
namespace {

// Layout, in pixels: the tree grows from left to right, one row a host, so that pictures of many hosts scroll.
constexpr int kMargin = 16;
constexpr int kRootX = kMargin;
constexpr int kRootWidth = 110;
constexpr int kRackX = 230;
constexpr int kRackWidth = 130;
constexpr int kHostX = 500;
constexpr int kHostTitleWidth = 150;
constexpr int kChipWidth = 30;
constexpr int kChipHeight = 20;
constexpr int kChipPitch = kChipWidth + 4;
constexpr int kRangesWidth = 180;
constexpr int kRowHeight = 44;
constexpr int kBoxHeight = 34;
constexpr int kRackGap = 14;
constexpr size_t kMaxChips = 16;   ///< ranks drawn one by one in a host
constexpr size_t kMaxHosts = 256;  ///< drawn in all
constexpr size_t kMaxNameLength = 20;

/// Fills of the domains of a host, told apart by readers who do not see red and green alike as well.
constexpr std::array kDomainColours = {"#cfe3f7", "#fde2b8", "#d9ead3", "#e6d5ef"};

std::string escape(const std::string& text) {
  std::string result;
  for (const char c : text) {
    switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '"':
        result += "&quot;";
        break;
      default:
        result += c;
    }
  }
  return result;
}

/// Cut to fit a box, at a character's border, and escaped.
std::string label(const std::string& text) {
  if (text.size() <= kMaxNameLength) {
    return escape(text);
  }
  size_t end = kMaxNameLength - 1;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) {
    --end;
  }
  return escape(text.substr(0, end)) + "…";
}

std::string rate_label(double bytes_per_s) { return bytes_per_s > 0 ? bit_rate_text(bytes_per_s) : "rate unknown"; }

/// Draws one tree. One use.
class Picture {
 public:
  /// `with_ranks` false: the tree's ranks only stand for their hosts.
  Picture(const LocalityTree& tree, bool with_ranks) : tree_(tree), with_ranks_(with_ranks) {}

  std::string run() {
    const std::vector<int> racks = tree_.at_tier(Tier::kRack);
    std::vector<int> rack_y;
    for (const int rack : racks) {
      if (drawn_hosts_ == kMaxHosts) {
        break;
      }
      rack_y.push_back(draw_rack(tree_.node(rack)));
    }
    const size_t hidden = tree_.at_tier(Tier::kNode).size() - drawn_hosts_;
    if (hidden > 0) {
      text(kHostX, y_ + 16, fmt::format("and {} more hosts", hidden), "note");
      y_ += kRowHeight;
    }
    const int root_y = rack_y.empty() ? kMargin + kBoxHeight : (rack_y.front() + rack_y.back()) / 2;
    draw_root(root_y, racks, rack_y);
    return head() + body_ + "</svg>\n";
  }

 private:
  [[nodiscard]] std::string head() const {
    const int width = right_ + kMargin;
    const int height = std::max(y_, 2 * kMargin + kBoxHeight) + kMargin;
    return fmt::format(
               R"(<svg xmlns="http://www.w3.org/2000/svg" width="{0}" height="{1}" viewBox="0 0 {0} {1}" role="img">)"
               "\n<title>{2} ranks on {3} hosts</title>\n",
               width, height, with_ranks_ ? tree_.num_ranks() : 0, tree_.at_tier(Tier::kNode).size()) +
           "<style>text{font:12px sans-serif;fill:#222}.note{fill:#555;font-size:11px}.chip{font-size:10px}"
           ".box{fill:#fff;stroke:#445;stroke-width:1.2}.rack{fill:#eef1f6}.edge{fill:none;stroke:#889;stroke-width:1."
           "5}"
           "</style>\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n";
  }

  void box(int x, int y, int width, const char* kind) {
    body_ += fmt::format("<rect class=\"box {}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"5\"/>\n", kind, x, y,
                         width, kBoxHeight);
  }
  /// `escaped` goes into the picture as it is.
  void text(int x, int y, const std::string& escaped, const char* kind, const char* anchor = "start") {
    body_ +=
        fmt::format("<text class=\"{}\" x=\"{}\" y=\"{}\" text-anchor=\"{}\">{}</text>\n", kind, x, y, anchor, escaped);
  }
  /// From the right of one box to the left of another, with its label over the last, level part.
  void edge(int from_x, int from_y, int to_x, int to_y, const std::string& escaped) {
    const int bend = from_x + 18;
    body_ += fmt::format("<path class=\"edge\" d=\"M{} {}H{}V{}H{}\"/>\n", from_x, from_y, bend, to_y, to_x);
    if (!escaped.empty()) {
      text(to_x - 6, to_y - 5, escaped, "note", "end");
    }
  }

  /// "1 rank", "2 hosts".
  static std::string count(size_t number, const char* noun) {
    return fmt::format("{} {}{}", number, noun, number == 1 ? "" : "s");
  }

  void draw_host(const TreeNode& host) {
    const int top = y_ + (kRowHeight - kBoxHeight) / 2;
    const size_t chips = !with_ranks_ || host.ranks.size() > kMaxChips ? 0 : host.ranks.size();
    const bool as_text = with_ranks_ && chips == 0;
    const int width = kHostTitleWidth + (as_text ? kRangesWidth : static_cast<int>(chips) * kChipPitch) + 8;
    right_ = std::max(right_, kHostX + width);
    box(kHostX, top, width, "host");
    text(kHostX + 8, top + (with_ranks_ ? 15 : 21), label(host.name), "name");
    if (with_ranks_) {
      text(kHostX + 8, top + 28, count(host.ranks.size(), "rank"), "note");
    }
    if (as_text) {
      text(kHostX + kHostTitleWidth, top + 21, "ranks " + label(ranges_text(host.ranks)), "note");
    }
    for (size_t i = 0; i < chips; ++i) {
      draw_chip(kHostX + kHostTitleWidth + static_cast<int>(i) * kChipPitch, top + 7, host, host.ranks[i]);
    }
    y_ += kRowHeight;
  }

  void draw_chip(int x, int y, const TreeNode& host, int rank) {
    const int domain = tree_.ancestor(rank, Tier::kDomain);
    const auto at = std::find(host.children.begin(), host.children.end(), domain) - host.children.begin();
    const char* colour = kDomainColours[static_cast<size_t>(at) % kDomainColours.size()];
    body_ += fmt::format("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"3\" fill=\"{}\" stroke=\"#667\"/>\n",
                         x, y, kChipWidth, kChipHeight, colour);
    text(x + kChipWidth / 2, y + 14, std::to_string(rank), "chip", "middle");
  }

  /// Returns the y of the rack's middle.
  int draw_rack(const TreeNode& rack) {
    std::vector<int> middles;
    std::vector<const TreeNode*> hosts;
    for (const int child : rack.children) {
      if (drawn_hosts_ == kMaxHosts) {
        break;
      }
      middles.push_back(y_ + kRowHeight / 2);
      hosts.push_back(&tree_.node(child));
      draw_host(*hosts.back());
      ++drawn_hosts_;
    }
    const int middle = (middles.front() + middles.back()) / 2;
    for (size_t i = 0; i < middles.size(); ++i) {
      const std::string nics = hosts[i]->num_nics == 1 ? "" : fmt::format("{} NICs, ", hosts[i]->num_nics);
      edge(kRackX + kRackWidth, middle, kHostX, middles[i], nics + rate_label(hosts[i]->egress_bytes_per_s));
    }
    box(kRackX, middle - kBoxHeight / 2, kRackWidth, "rack");
    text(kRackX + 8, middle - 2, label(rack.name), "name");
    text(kRackX + 8, middle + 11, count(rack.children.size(), "host"), "note");
    y_ += kRackGap;
    return middle;
  }

  void draw_root(int root_y, const std::vector<int>& racks, const std::vector<int>& rack_y) {
    for (size_t i = 0; i < rack_y.size(); ++i) {
      const double uplink = tree_.node(racks[i]).egress_bytes_per_s;
      edge(kRootX + kRootWidth, root_y, kRackX, rack_y[i], uplink > 0 ? bit_rate_text(uplink) : "");
    }
    box(kRootX, root_y - kBoxHeight / 2, kRootWidth, "rack");
    text(kRootX + 8, root_y - 2, "cluster", "name");
    text(kRootX + 8, root_y + 11,
         with_ranks_ ? count(static_cast<size_t>(tree_.num_ranks()), "rank")
                     : count(tree_.at_tier(Tier::kNode).size(), "host"),
         "note");
  }

  const LocalityTree& tree_;
  bool with_ranks_;
  std::string body_;
  int right_ = kRackX + kRackWidth;
  int y_ = kMargin;
  size_t drawn_hosts_ = 0;
};

}  // namespace

std::string render_svg(const Graph& graph) {
  if (graph.num_ranks() > 0) {
    return Picture(LocalityTree::derive(graph), true).run();
  }
  GraphBuilder stand_ins(graph);  // the tree is made of ranks: give each host one
  for (size_t v = 0; v < graph.vertices.size(); ++v) {
    if (graph.vertices[v].kind == VertexKind::kHost) {
      stand_ins.add_rank(static_cast<int>(v));
    }
  }
  return Picture(LocalityTree::derive(stand_ins.graph()), false).run();
}

}  // namespace banyan::topology
