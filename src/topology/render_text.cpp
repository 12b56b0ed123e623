// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "topology/graph_index.hpp"
#include "topology/locality_tree.hpp"
#include "topology/names.hpp"
#include "topology/render.hpp"

namespace banyan::topology {
namespace {

std::string plural(size_t count, const std::string& noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

/// A part of a host as it is printed. `lines` are what hangs below it.
struct Block {
  VertexKind kind = VertexKind::kHost;
  std::string name;
  std::string shape;   ///< what like parts have in common
  std::string detail;  ///< the same and what only this part has, as its PCI address
  std::vector<std::string> lines;
  std::vector<std::string> shape_lines;  ///< with ranks counted, not numbered
  std::vector<int> ranks;
};

/// Lines of one host's parts; runs of like parts are one line.
class HostLines {
 public:
  explicit HostLines(const GraphIndex& index) : index_(index) {}

  Block run(int host_vertex) const { return block(host_vertex, nullptr); }

 private:
  [[nodiscard]] const Vertex& vertex(int v) const { return index_.graph().vertices[static_cast<size_t>(v)]; }

  /// Containers come before what they contain: host, package, NUMA node, then the rest.
  [[nodiscard]] bool is_below(int parent, int child) const { return vertex(parent).kind < vertex(child).kind; }

  [[nodiscard]] int rank_number(int v) const { return std::stoi(vertex(v).key.substr(vertex(v).key.find(':') + 1)); }

  /// The part at the far end of `link`; without a link: the host.
  [[nodiscard]] Block block(int v, const Link* link) const {
    Block result;
    result.kind = vertex(v).kind;
    result.name = (result.kind == VertexKind::kNic ? "NIC " : "") + vertex(v).name;
    if (link != nullptr) {
      result.shape = describe(*link, false);
      result.detail = describe(*link, true);
    }
    std::vector<int> own_ranks;
    std::vector<Block> children;
    for (const int link_index : index_.out_links(v)) {
      const Link& down = index_.graph().links[static_cast<size_t>(link_index)];
      if (!is_inside_host(down.kind) || !is_below(v, down.to)) {
        continue;
      }
      if (vertex(down.to).kind == VertexKind::kRank) {
        own_ranks.push_back(rank_number(down.to));
      } else {
        children.push_back(block(down.to, &down));
      }
    }
    std::stable_sort(children.begin(), children.end(), [](const Block& x, const Block& y) { return x.kind < y.kind; });
    add_children(result, children);
    add_ranks(result, std::move(own_ranks));
    return result;
  }

  static bool alike(const Block& a, const Block& b) {
    return a.kind == b.kind && a.shape == b.shape && a.shape_lines == b.shape_lines;
  }

  static void add_lines(std::vector<std::string>& to, const std::string& title, const std::vector<std::string>& below) {
    to.push_back("  " + title);
    for (const std::string& line : below) {
      to.push_back("  " + line);
    }
  }

  static void add_children(Block& parent, const std::vector<Block>& children) {
    for (size_t first = 0; first < children.size();) {
      const Block& child = children[first];
      size_t next = first;
      std::vector<int> ranks;
      for (; next < children.size() && alike(children[next], child); ++next) {
        ranks.insert(ranks.end(), children[next].ranks.begin(), children[next].ranks.end());
      }
      if (next == first + 1) {
        add_lines(parent.lines, child.name + child.detail, child.lines);
        add_lines(parent.shape_lines, child.name + child.shape, child.shape_lines);
      } else {
        std::sort(ranks.begin(), ranks.end());
        const std::string& last = children[next - 1].name;
        const std::string title = last == child.name
                                      ? fmt::format("{} x {}", next - first, last)
                                      : fmt::format("{} to {}  {} alike", child.name, last, next - first);
        const std::string each = child.shape.empty() && child.shape_lines.empty() ? "" : ", each" + child.shape;
        const std::string numbers = ranks.empty() ? "" : fmt::format(", ranks {}", ranges_text(ranks));
        add_lines(parent.lines, title + numbers + each, child.shape_lines);
        add_lines(parent.shape_lines, title + each, child.shape_lines);
      }
      parent.ranks.insert(parent.ranks.end(), ranks.begin(), ranks.end());
      first = next;
    }
  }

  static void add_ranks(Block& block, std::vector<int> ranks) {
    if (ranks.empty()) {
      return;
    }
    std::sort(ranks.begin(), ranks.end());
    block.lines.push_back((ranks.size() == 1 ? "  rank " : "  ranks ") + ranges_text(ranks));
    block.shape_lines.push_back("  " + plural(ranks.size(), "rank"));
    block.ranks.insert(block.ranks.end(), ranks.begin(), ranks.end());
  }

  /// What stands behind the part's name. `full`: with addresses and switches, which differ between like parts.
  [[nodiscard]] std::string describe(const Link& link, bool full) const {
    const Vertex& v = vertex(link.to);
    std::string text;
    if (v.kind == VertexKind::kNic) {
      text += "  " + nic_rate(link.to, full);
      append(text, v, {"driver"});
      text += is_up(v) ? "" : "  down";
    } else if (v.kind == VertexKind::kGpu) {
      text += nvlinks(link.to);
    } else {
      append(text, v, {"model"});
      text += attribute(v, "cores").empty() ? "" : "  " + attribute(v, "cores") + " cores";
    }
    if (full && (v.kind == VertexKind::kNic || v.kind == VertexKind::kGpu)) {
      append(text, v, {"rdma", "pci"});
    }
    if (link.bandwidth_bytes_per_s > 0) {
      text += fmt::format("  {} {}", link.kind == LinkKind::kPci ? "PCIe" : "memory",
                          byte_rate_text(link.bandwidth_bytes_per_s));
    }
    return text;
  }

  static void append(std::string& text, const Vertex& v, std::initializer_list<const char*> names) {
    for (const char* name : names) {
      text += attribute(v, name).empty() ? "" : "  " + attribute(v, name);
    }
  }

  [[nodiscard]] std::string nic_rate(int nic, bool full) const {
    std::string text;
    for (const int link_index : index_.out_links(nic)) {
      const Link& link = index_.graph().links[static_cast<size_t>(link_index)];
      if (link.kind == LinkKind::kNetwork) {
        const double rate = link.bandwidth_bytes_per_s;
        text += text.empty() ? "" : " + ";
        text += rate > 0 ? bit_rate_text(rate) : "unknown rate";
        text += full ? " to " + vertex(link.to).name : "";
      }
    }
    return text.empty() ? "no network" : text;
  }

  /// "  NVLink 450 GB/s to 4 NVSwitches": all NVLinks of a GPU, added up.
  [[nodiscard]] std::string nvlinks(int gpu) const {
    double total = 0;
    size_t switches = 0;
    size_t peers = 0;
    for (const int link_index : index_.out_links(gpu)) {
      const Link& link = index_.graph().links[static_cast<size_t>(link_index)];
      if (link.kind == LinkKind::kNvlink) {
        total += link.bandwidth_bytes_per_s;
        (vertex(link.to).kind == VertexKind::kNvSwitch ? switches : peers) += 1;
      }
    }
    if (switches + peers == 0) {
      return "";
    }
    return fmt::format(
        "  NVLink {} to {}", byte_rate_text(total),
        switches > 0 ? fmt::format("{} NVSwitch{}", switches, switches == 1 ? "" : "es") : plural(peers, "peer"));
  }

  const GraphIndex& index_;
};

std::string join_lines(const std::vector<std::string>& lines) {
  return lines.empty() ? "" : fmt::format("{}\n", fmt::join(lines, "\n"));
}

void append_hosts(std::string& text, const GraphIndex& index) {
  const auto& vertices = index.graph().vertices;
  const HostLines host_lines(index);
  for (size_t first = 0; first < index.hosts().size();) {
    const Block block = host_lines.run(index.hosts()[first]);
    std::vector<int> ranks = block.ranks;
    size_t next = first + 1;
    for (; next < index.hosts().size(); ++next) {
      const Block other = host_lines.run(index.hosts()[next]);
      if (other.shape_lines != block.shape_lines) {
        break;
      }
      ranks.insert(ranks.end(), other.ranks.begin(), other.ranks.end());
    }
    const Vertex& last = vertices[static_cast<size_t>(index.hosts()[next - 1])];
    if (next == first + 1) {
      text += fmt::format("host {}  {}\n{}", block.name, plural(block.ranks.size(), "rank"), join_lines(block.lines));
    } else {
      std::sort(ranks.begin(), ranks.end());
      text += fmt::format("hosts {} to {}  {} alike{}{}, each\n{}", block.name, last.name, next - first,
                          ranks.empty() ? "" : ", ranks ", ranges_text(ranks), join_lines(block.shape_lines));
    }
    first = next;
  }
}

/// One line per run of switches with the same uplinks.
void append_switches(std::string& text, const GraphIndex& index) {
  const auto& vertices = index.graph().vertices;
  std::vector<std::pair<std::string, std::vector<std::string>>> groups;  // description, names
  for (size_t v = 0; v < vertices.size(); ++v) {
    if (vertices[v].kind != VertexKind::kSwitch) {
      continue;
    }
    size_t nics = 0;
    size_t switches = 0;
    double bytes_per_s = 0;
    for (const int link_index : index.out_links(static_cast<int>(v))) {
      const Link& link = index.graph().links[static_cast<size_t>(link_index)];
      const bool to_nic = vertices[static_cast<size_t>(link.to)].kind == VertexKind::kNic;
      (to_nic ? nics : switches) += 1;
      bytes_per_s += to_nic ? 0 : link.bandwidth_bytes_per_s;
    }
    std::string what = nics == 0 ? "" : plural(nics, "NIC");
    if (switches > 0) {
      what += fmt::format("{}{} to {} switch{}", what.empty() ? "" : ", ",
                          bytes_per_s > 0 ? bit_rate_text(bytes_per_s) : "unknown rate", switches,
                          switches == 1 ? "" : "es");
    }
    const std::string& source = attribute(vertices[v], "source");
    what += source.empty() ? "" : ", " + source;
    if (groups.empty() || groups.back().first != what) {
      groups.push_back({what, {}});
    }
    groups.back().second.push_back(vertices[v].name);
  }
  for (const auto& [what, names] : groups) {
    text += names.size() == 1 ? fmt::format("switch {}  {}\n", names.front(), what)
                              : fmt::format("switches {} to {}  {} alike; each {}\n", names.front(), names.back(),
                                            names.size(), what);
  }
}

/// Distinct values as "8 7", at most six.
std::string distinct(std::vector<std::string> values) {
  std::vector<std::string> kept;
  for (std::string& value : values) {
    if (std::find(kept.begin(), kept.end(), value) == kept.end()) {
      kept.push_back(std::move(value));
    }
    if (kept.size() > 6) {
      kept.back() = "...";
      break;
    }
  }
  return fmt::format("{}", fmt::join(kept, ", "));
}

void append_tiers(std::string& text, const LocalityTree& tree) {
  if (tree.num_ranks() == 0) {
    return;
  }
  text += fmt::format("\n{:<8} {:>7}  {:<20} {}\n", "tier", "groups", "ranks each", "nominal egress each");
  for (const Tier tier : {Tier::kDomain, Tier::kNode, Tier::kRack, Tier::kCluster}) {
    const std::vector<int> groups = tree.at_tier(tier);
    std::vector<std::string> sizes;
    std::vector<std::string> rates;
    for (const int group : groups) {
      const TreeNode& node = tree.node(group);
      sizes.push_back(std::to_string(node.ranks.size()));
      rates.push_back(node.egress_bytes_per_s > 0 ? bit_rate_text(node.egress_bytes_per_s) : "-");
    }
    text += fmt::format("{:<8} {:>7}  {:<20} {}\n", tier_name(tier), groups.size(), distinct(sizes), distinct(rates));
  }
}

}  // namespace

std::string render_text(const Graph& graph) {
  const GraphIndex index(graph);
  std::string text =
      fmt::format("{} on {}\n", plural(graph.rank_vertex.size(), "rank"), plural(index.hosts().size(), "host"));
  append_hosts(text, index);
  append_switches(text, index);
  append_tiers(text, LocalityTree::derive(graph));
  return text;
}

}  // namespace banyan::topology
