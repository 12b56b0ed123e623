// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/error.hpp"
#include "topology/locality_tree.hpp"
#include "topology/names.hpp"
#include "topology/render.hpp"

namespace banyan::topology {
namespace {

constexpr size_t kMaxRankRows = 128;
constexpr size_t kMaxHostRows = 512;
constexpr std::array kLetters = {'X', 'D', 'N', 'R', 'C'};

constexpr const char* kLegend =
    "\n"
    "X  the same rank\n"
    "D  same domain: load and store (NVLink, shared memory)\n"
    "N  same node, another domain: inside the host, by messages\n"
    "R  same rack: over the hosts' NICs and a leaf switch\n"
    "C  same cluster: over the racks' uplinks too\n"
    "NIC: nominal rate of all NICs of the host that are up, shared by its ranks.\n";

/// A row of the matrix: a rank, or a host by one of its ranks.
struct Row {
  std::string title;
  int rank = 0;
  std::string detail;  ///< what stands at the right
};

std::string host_detail(const LocalityTree& tree, int rank) {
  const TreeNode& host = tree.node(tree.ancestor(rank, Tier::kNode));
  return host.num_nics == 0 ? "none" : fmt::format("{} x{}", bit_rate_text(host.egress_bytes_per_s), host.num_nics);
}

std::vector<Row> rank_rows(const LocalityTree& tree) {
  std::vector<Row> rows;
  for (int rank = 0; rank < tree.num_ranks(); ++rank) {
    rows.push_back({std::to_string(rank), rank,
                    fmt::format("{}  {}", tree.node(tree.ancestor(rank, Tier::kNode)).name, host_detail(tree, rank))});
  }
  return rows;
}

std::vector<Row> host_rows(const LocalityTree& tree) {
  std::vector<Row> rows;
  for (const int host : tree.at_tier(Tier::kNode)) {
    const TreeNode& node = tree.node(host);
    rows.push_back(
        {std::to_string(rows.size()), node.ranks.front(),
         fmt::format("{}  {}  ranks {}", node.name, host_detail(tree, node.ranks.front()), ranges_text(node.ranks))});
  }
  return rows;
}

/// The tier inside a host, for the diagonal of a matrix of hosts.
char inside(const LocalityTree& tree, int rank) {
  const bool one_domain = tree.node(tree.ancestor(rank, Tier::kNode)).children.size() == 1;
  return kLetters[static_cast<size_t>(one_domain ? Tier::kDomain : Tier::kNode)];
}

}  // namespace

std::string render_matrix(const Graph& graph) {
  const LocalityTree tree = LocalityTree::derive(graph);
  const bool by_host = graph.rank_vertex.size() > kMaxRankRows;
  const std::vector<Row> rows = by_host ? host_rows(tree) : rank_rows(tree);
  if (rows.size() > kMaxHostRows) {
    throw Error(BANYAN_ERR_LIMIT,
                fmt::format("a matrix of {} hosts can not be read; at most {} are drawn; use the text view",
                            rows.size(), kMaxHostRows));
  }
  if (rows.empty()) {
    return "no ranks: a matrix needs a topology with ranks\n";
  }
  const size_t width = rows.back().title.size() + 1;
  std::string text = fmt::format("{:<5}", by_host ? "host" : "rank");
  for (const Row& row : rows) {
    text += fmt::format("{:>{}}", row.title, width);
  }
  text += by_host ? "  name  NIC  ranks\n" : "  host  NIC\n";
  for (const Row& row : rows) {
    text += fmt::format("{:<5}", row.title);
    for (const Row& column : rows) {
      const char letter = by_host && row.rank == column.rank
                              ? inside(tree, row.rank)
                              : kLetters[static_cast<size_t>(tree.common_tier(row.rank, column.rank))];
      text += fmt::format("{:>{}}", letter, width);
    }
    text += "  " + row.detail + "\n";
  }
  return text + kLegend;
}

}  // namespace banyan::topology
