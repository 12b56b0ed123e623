// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <utility>

#include "base/json.hpp"
#include "base/parse.hpp"
#include "topology/discover.hpp"
#include "topology/limits.hpp"
#include "topology/names.hpp"

namespace banyan::topology {
namespace {

constexpr const char* kFormat = "banyan-topology-1";

/// Why a value of the file is not what it should be, with its path; caught in from_json only.
struct Rejected {
  std::string message;
};

[[noreturn]] void reject(const std::string& path, const std::string& message) {
  throw Rejected{(path.empty() ? "/" : path) + ": " + message};
}

std::string quoted(const std::string& text) { return json::Value(text).dump(); }

void expect_object(const json::Value& value, const std::string& path, std::initializer_list<const char*> members) {
  if (!value.is_object()) {
    reject(path, "expected an object");
  }
  for (const auto& [name, unused] : value.items()) {
    const auto same = [&member = name](const char* known) { return member == known; };
    if (std::none_of(members.begin(), members.end(), same)) {
      reject(path + "/" + to_plain_text(name), "unknown member");
    }
  }
}

const json::Value& member(const json::Value& object, const std::string& path, const char* name) {
  const auto found = object.find(name);
  if (found == object.end()) {
    reject(path, std::string("member \"") + name + "\" is missing");
  }
  return *found;
}

const json::Value& array_member(const json::Value& object, const char* name, size_t max_size) {
  const json::Value& value = member(object, "", name);
  if (!value.is_array()) {
    reject(std::string("/") + name, "expected an array");
  }
  if (value.size() > max_size) {
    reject(std::string("/") + name, fmt::format("has {} elements; at most {} are supported", value.size(), max_size));
  }
  return value;
}

std::string text_of(const json::Value& value, const std::string& path) {
  if (!value.is_string()) {
    reject(path, "expected a string");
  }
  return value.get<std::string>();
}

int index_of(const json::Value& value, const std::string& path, size_t size) {
  const int64_t index = value.is_number_integer() ? value.get<int64_t>() : -1;
  if (index < 0 || static_cast<size_t>(index) >= size) {
    reject(path, fmt::format("expected the index of a vertex, 0 to {}", static_cast<int64_t>(size) - 1));
  }
  return static_cast<int>(index);
}

/// An optional rate or time; absent: 0.
double number_member(const json::Value& object, const std::string& path, const char* name) {
  const auto found = object.find(name);
  if (found == object.end()) {
    return 0;
  }
  const double value = found->is_number() ? found->get<double>() : -1;
  if (!(value >= 0) || value > std::numeric_limits<double>::max()) {
    reject(path + "/" + name, "expected a number that is finite and not negative");
  }
  return value;
}

Vertex parse_vertex(const json::Value& value, const std::string& path) {
  expect_object(value, path, {"kind", "key", "name", "attributes"});
  const std::string kind_text = text_of(member(value, path, "kind"), path + "/kind");
  const auto kind = vertex_kind(kind_text);
  if (!kind) {
    reject(path + "/kind", "unknown kind \"" + to_plain_text(kind_text) + "\"");
  }
  Vertex vertex;
  vertex.kind = *kind;
  vertex.key = text_of(member(value, path, "key"), path + "/key");
  vertex.name = text_of(member(value, path, "name"), path + "/name");
  if (const auto attributes = value.find("attributes"); attributes != value.end()) {
    if (!attributes->is_object()) {
      reject(path + "/attributes", "expected an object");
    }
    for (const auto& [name, text] : attributes->items()) {
      vertex.attributes[name] = text_of(text, path + "/attributes/" + to_plain_text(name));
    }
  }
  return vertex;
}

Link parse_link(const json::Value& value, const std::string& path, size_t num_vertices) {
  expect_object(value, path, {"from", "to", "kind", "bandwidth_bytes_per_s", "latency_s"});
  const std::string kind_text = text_of(member(value, path, "kind"), path + "/kind");
  const auto kind = link_kind(kind_text);
  if (!kind) {
    reject(path + "/kind", "unknown kind \"" + to_plain_text(kind_text) + "\"");
  }
  Link link;
  link.from = index_of(member(value, path, "from"), path + "/from", num_vertices);
  link.to = index_of(member(value, path, "to"), path + "/to", num_vertices);
  link.kind = *kind;
  link.bandwidth_bytes_per_s = number_member(value, path, "bandwidth_bytes_per_s");
  link.latency_s = number_member(value, path, "latency_s");
  return link;
}

Graph parse_graph(const json::Value& root) {
  expect_object(root, "", {"format", "vertices", "links", "ranks"});
  if (const std::string format = text_of(member(root, "", "format"), "/format"); format != kFormat) {
    reject("/format", fmt::format("is \"{}\"; this library reads \"{}\"", to_plain_text(format), kFormat));
  }
  const json::Value& vertices = array_member(root, "vertices", kMaxVertices);
  const json::Value& links = array_member(root, "links", kMaxLinks);
  const json::Value& ranks = array_member(root, "ranks", kMaxVertices);
  Graph graph;
  graph.vertices.reserve(vertices.size());
  graph.links.reserve(links.size());
  for (size_t i = 0; i < vertices.size(); ++i) {
    graph.vertices.push_back(parse_vertex(vertices[i], fmt::format("/vertices/{}", i)));
  }
  for (size_t i = 0; i < links.size(); ++i) {
    graph.links.push_back(parse_link(links[i], fmt::format("/links/{}", i), vertices.size()));
  }
  for (size_t i = 0; i < ranks.size(); ++i) {
    graph.rank_vertex.push_back(index_of(ranks[i], fmt::format("/ranks/{}", i), vertices.size()));
  }
  return graph;
}

std::string vertex_json(const Vertex& vertex) {
  std::string text = fmt::format(R"({{"kind": "{}", "key": {}, "name": {})", kind_name(vertex.kind), quoted(vertex.key),
                                 quoted(vertex.name));
  if (!vertex.attributes.empty()) {
    const char* separator = ", \"attributes\": {";
    for (const auto& [name, value] : vertex.attributes) {
      text += separator + quoted(name) + ": " + quoted(value);
      separator = ", ";
    }
    text += "}";
  }
  return text + "}";
}

std::string link_json(const Link& link) {
  std::string text = fmt::format(R"({{"from": {}, "to": {}, "kind": "{}")", link.from, link.to, kind_name(link.kind));
  if (link.bandwidth_bytes_per_s != 0) {
    text += fmt::format(R"(, "bandwidth_bytes_per_s": {})", link.bandwidth_bytes_per_s);
  }
  if (link.latency_s != 0) {
    text += fmt::format(R"(, "latency_s": {})", link.latency_s);
  }
  return text + "}";
}

/// A JSON array with one element a line.
template <typename Elements, typename ToText>
std::string lines(const Elements& elements, ToText to_text) {
  std::string text = "[";
  const char* separator = "\n    ";
  for (const auto& element : elements) {
    text += separator + to_text(element);
    separator = ",\n    ";
  }
  return text + (elements.empty() ? "]" : "\n  ]");
}

}  // namespace

std::string to_json(const Graph& graph) {
  std::string text = fmt::format("{{\n  \"format\": \"{}\",\n  \"vertices\": ", kFormat);
  text += lines(graph.vertices, vertex_json);
  text += ",\n  \"links\": " + lines(graph.links, link_json);
  text += ",\n  \"ranks\": [";
  const char* separator = "";
  for (const int vertex : graph.rank_vertex) {
    text += separator + std::to_string(vertex);
    separator = ", ";
  }
  return text + "]\n}\n";
}

Result<Graph> from_json(std::string_view text) {
  const Result<json::Value> parsed = json::parse(text);
  if (!parsed) {
    return parsed.error();
  }
  try {
    Graph graph = parse_graph(parsed.value("topology"));
    if (std::string broken = check(graph); !broken.empty()) {
      return ParseError{broken};
    }
    return graph;
  } catch (const Rejected& rejected) {
    return ParseError{rejected.message};
  }
}

Result<Graph> from_text(std::string_view text) {
  if (text.starts_with("\xef\xbb\xbf")) {
    text.remove_prefix(3);
  }
  const std::string_view content = parse::trim(text);
  if (content.empty()) {
    return ParseError{"is empty; expected Banyan's JSON, NCCL's topology XML or Slurm's topology.conf"};
  }
  if (content.front() == '{' || content.front() == '[') {
    return from_json(text);
  }
  return content.front() == '<' ? from_nccl_xml(text) : from_slurm_conf(text);
}

}  // namespace banyan::topology
