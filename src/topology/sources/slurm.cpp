// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/parse.hpp"
#include "topology/discover.hpp"
#include "topology/graph_builder.hpp"
#include "topology/limits.hpp"
#include "topology/names.hpp"
#include "topology/sources/hostlist.hpp"

namespace banyan::topology {
namespace {

/// One `key=value` of a line, with the column of the value.
struct Assignment {
  std::string key;  ///< lower case
  std::string value;
  int column = 0;
};

/// One SwitchName line, lists not yet expanded.
struct SwitchLine {
  int line = 0;
  Assignment name;
  std::optional<Assignment> nodes;
  std::optional<Assignment> switches;
  std::string link_speed;
};

[[noreturn]] void fail(int line, int column, const std::string& message) { throw ParseError{message, line, column}; }

std::vector<Assignment> assignments(std::string_view text, int line) {
  constexpr std::string_view kBlanks = " \t\r";
  std::vector<Assignment> result;
  size_t begin = text.find_first_not_of(kBlanks);
  while (begin != std::string_view::npos) {
    const size_t end = std::min(text.find_first_of(kBlanks, begin), text.size());
    const std::string_view word = text.substr(begin, end - begin);
    const size_t equals = word.find('=');
    const int column = static_cast<int>(begin) + 1;
    if (equals == std::string_view::npos || equals == 0 || equals + 1 == word.size()) {
      fail(line, column, "expected key=value, as in \"SwitchName=leaf0 Nodes=node[0-15]\"");
    }
    Assignment assignment{std::string(word.substr(0, equals)), std::string(word.substr(equals + 1)),
                          column + static_cast<int>(equals) + 1};
    std::transform(assignment.key.begin(), assignment.key.end(), assignment.key.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
    result.push_back(std::move(assignment));
    begin = text.find_first_not_of(kBlanks, end);
  }
  return result;
}

SwitchLine parse_line(std::string_view text, int line) {
  SwitchLine result;
  result.line = line;
  std::set<std::string> seen;
  for (const Assignment& assignment : assignments(text, line)) {
    if (!seen.insert(assignment.key).second) {
      fail(line, assignment.column, to_plain_text(assignment.key) + " appears twice on one line");
    }
    if (assignment.key == "switchname") {
      result.name = assignment;
    } else if (assignment.key == "nodes") {
      result.nodes = assignment;
    } else if (assignment.key == "switches") {
      result.switches = assignment;
    } else if (assignment.key == "linkspeed") {
      result.link_speed = to_plain_text(assignment.value);
    } else {
      fail(line, assignment.column,
           "unknown key \"" + to_plain_text(assignment.key) + "\"; expected SwitchName, Nodes, Switches or LinkSpeed");
    }
  }
  if (result.name.key.empty()) {
    fail(line, 1, "line without SwitchName");
  }
  return result;
}

/// Lines with comments cut off; a '\' at the end joins the next line.
std::vector<SwitchLine> parse_lines(std::string_view text) {
  std::vector<SwitchLine> switches;
  std::string joined;
  int line = 0;
  int first_line = 0;
  while (!text.empty()) {
    ++line;
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view content = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    content = content.substr(0, content.find('#'));
    first_line = joined.empty() ? line : first_line;
    const std::string_view trimmed = parse::trim(content);
    if (trimmed.ends_with('\\')) {
      joined += std::string(trimmed.substr(0, trimmed.size() - 1)) + " ";
      continue;
    }
    joined += content;
    if (!parse::trim(joined).empty()) {
      switches.push_back(parse_line(joined, first_line));
    }
    joined.clear();
  }
  if (!joined.empty()) {
    fail(line, 0, "the last line ends in '\\', which joins it with a line that is not there");
  }
  return switches;
}

std::vector<std::string> expand(const Assignment& assignment, int line) {
  const auto names = expand_hostlist(assignment.value, kMaxHosts);
  if (!names) {
    fail(line, assignment.column + names.error().column - 1, names.error().message);
  }
  return names.value("host list");
}

/// Builds the graph: all switches first, then what hangs below them.
class Importer {
 public:
  Graph run(const std::vector<SwitchLine>& lines) {
    std::vector<std::vector<int>> vertices;
    for (const SwitchLine& line : lines) {
      vertices.push_back(add_switches(line));
    }
    for (size_t i = 0; i < lines.size(); ++i) {
      for (const int vertex : vertices[i]) {
        join_children(lines[i], vertex);
      }
    }
    return builder_.take();
  }

 private:
  std::vector<int> add_switches(const SwitchLine& line) {
    std::vector<int> vertices;
    for (const std::string& name : expand(line.name, line.line)) {
      const auto [found, inserted] = switches_.try_emplace(name, -1);
      if (!inserted) {
        fail(line.line, line.name.column, "switch " + name + " appears twice");
      }
      found->second = builder_.add(VertexKind::kSwitch, "switch:" + name, name);
      if (!line.link_speed.empty()) {
        builder_.vertex(found->second).attributes["link_speed"] = line.link_speed;  // Slurm: the unit is arbitrary
      }
      vertices.push_back(found->second);
    }
    return vertices;
  }

  void join_children(const SwitchLine& line, int parent) {
    if (line.switches) {
      for (const std::string& name : expand(*line.switches, line.line)) {
        const auto found = switches_.find(name);
        if (found == switches_.end()) {
          fail(line.line, line.switches->column, "switch " + name + " has no line of its own");
        }
        if (found->second == parent || !below_.insert(found->second).second) {
          fail(line.line, line.switches->column, "switch " + name + " is below itself or below two switches");
        }
        builder_.join(found->second, parent, LinkKind::kNetwork);
      }
    }
    if (line.nodes) {
      for (const std::string& name : expand(*line.nodes, line.line)) {
        if (!hosts_.insert(name).second) {
          fail(line.line, line.nodes->column, "node " + name + " is below two switches");
        }
        if (hosts_.size() > kMaxHosts) {
          fail(line.line, line.nodes->column, fmt::format("more than {} nodes", kMaxHosts));
        }
        const int host = builder_.add(VertexKind::kHost, "host:" + name, name);
        const int nic = builder_.add(VertexKind::kNic, "host:" + name + "/nic:net", "net");
        builder_.join(host, nic, LinkKind::kPci);
        builder_.join(nic, parent, LinkKind::kNetwork);
      }
    }
  }

  GraphBuilder builder_;
  std::map<std::string, int> switches_;
  std::set<int> below_;
  std::set<std::string> hosts_;
};

}  // namespace

Result<Graph> from_slurm_conf(std::string_view text) {
  try {
    const std::vector<SwitchLine> lines = parse_lines(text);
    if (lines.empty()) {
      return ParseError{"no SwitchName line in it; expected Slurm's topology.conf (topology/tree)"};
    }
    Graph graph = Importer().run(lines);
    if (std::string broken = check(graph); !broken.empty()) {
      return ParseError{broken};
    }
    return graph;
  } catch (const ParseError& error) {
    return error;
  }
}

}  // namespace banyan::topology
