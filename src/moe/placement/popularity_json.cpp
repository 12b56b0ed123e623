// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <cmath>

#include "base/json.hpp"
#include "moe/placement/popularity.hpp"

namespace banyan::moe {
namespace {

using json::Value;

constexpr const char* kFormat = "banyan-popularity-1";
constexpr double kMaxWeight = 1e15;

/// Thrown by the readers below, caught in from_json; never leaves this file.
struct Rejected {
  std::string message;
};

const Value& member(const Value& object, const char* name, const std::string& path) {
  if (!object.is_object()) {
    throw Rejected{fmt::format("{}: expected an object, found {}", path, object.type_name())};
  }
  const auto found = object.find(name);
  if (found == object.end()) {
    throw Rejected{fmt::format("{}{}: is missing", path, name)};
  }
  return *found;
}

int integer(const Value& value, const std::string& path, int least, int most) {
  const double number = value.is_number_integer() ? value.get<double>() : NAN;
  if (!(number >= least && number <= most)) {
    throw Rejected{fmt::format("{}: expected an integer from {} to {}, found {}", path, least, most,
                               value.is_number() ? value.dump() : value.type_name())};
  }
  return static_cast<int>(number);
}

double weight(const Value& value, const std::string& path) {
  const double number = value.is_number() ? value.get<double>() : NAN;
  if (!(number == 0 || (number >= kForgotten && number <= kMaxWeight))) {
    throw Rejected{fmt::format("{}: expected 0 or a number from {} to {}, found {}", path, kForgotten, kMaxWeight,
                               value.is_number() ? value.dump() : value.type_name())};
  }
  return number;
}

const Value& array(const Value& value, const std::string& path, size_t most) {
  if (!value.is_array() || value.size() > most) {
    throw Rejected{value.is_array() ? fmt::format("{}: has {} entries, more than {}", path, value.size(), most)
                                    : fmt::format("{}: expected an array, found {}", path, value.type_name())};
  }
  return value;
}

PopularityTerms read_terms(const Value& root) {
  constexpr int kMost = 1 << 20;
  const auto field = [&](const char* name) { return integer(member(root, name, ""), name, 1, kMost); };
  const PopularityTerms terms{.num_layers = field("num_layers"),
                              .num_experts = field("num_experts"),
                              .top_k = field("top_k"),
                              .path_length = field("path_length"),
                              .path_choices = field("path_choices"),
                              .max_paths = field("max_paths"),
                              .max_experts_per_path = field("max_experts_per_path"),
                              .decay = weight(member(root, "decay", ""), "decay")};
  const std::string problem = problem_of(terms);
  if (!problem.empty()) {
    throw Rejected{problem};
  }
  return terms;
}

/// A key: whole layers of rising experts, -1 for none; an expert is in a layer once.
std::vector<int> read_key(const Value& value, const std::string& path, const PopularityTerms& terms, int layer) {
  const int length = std::min(terms.path_length, layer);
  const auto choices = static_cast<size_t>(terms.path_choices);
  const Value& entries = array(value, path, static_cast<size_t>(length) * choices);
  if (entries.size() % choices != 0) {
    throw Rejected{fmt::format("{}: has {} entries, which are not whole layers of {}", path, entries.size(), choices)};
  }
  std::vector<int> key;
  for (size_t i = 0; i < entries.size(); ++i) {
    key.push_back(integer(entries[i], fmt::format("{}[{}]", path, i), -1, terms.num_experts - 1));
    if (i % choices != 0 && (key[i] < key[i - 1] || (key[i] == key[i - 1] && key[i] >= 0))) {
      throw Rejected{fmt::format("{}[{}]: is {} after {}; experts of a layer rise", path, i, key[i], key[i - 1])};
    }
  }
  return key;
}

PathStatistics read_statistics(const Value& value, const std::string& path, const PopularityTerms& terms,
                               bool average) {
  PathStatistics statistics{.tokens = weight(member(value, "tokens", path + "."), path + ".tokens"),
                            .choices = weight(member(value, "choices", path + "."), path + ".choices"),
                            .experts = {}};
  const auto most = static_cast<size_t>(average ? terms.num_experts : terms.max_experts_per_path);
  const Value& experts = array(member(value, "experts", path + "."), path + ".experts", most);
  double sum = 0;
  for (size_t i = 0; i < experts.size(); ++i) {
    const std::string at = fmt::format("{}.experts[{}]", path, i);
    if (array(experts[i], at, 2).size() != 2) {
      throw Rejected{at + ": expected an expert and a weight"};
    }
    const int expert = integer(experts[i][0], at + "[0]", 0, terms.num_experts - 1);
    if (i > 0 && expert <= statistics.experts.back().first) {
      throw Rejected{
          fmt::format("{}: is of expert {} after {}; experts rise", at, expert, statistics.experts.back().first)};
    }
    statistics.experts.emplace_back(expert, weight(experts[i][1], at + "[1]"));
    sum += statistics.experts.back().second;
  }
  // Sums of many roundings, so not to the last digit.
  if (sum > statistics.choices * (1 + 1e-9) || statistics.choices > statistics.tokens * terms.top_k * (1 + 1e-9)) {
    throw Rejected{fmt::format("{}: {} tokens can't have made {} choices, {} of them of experts listed", path,
                               statistics.tokens, statistics.choices, sum)};
  }
  return statistics;
}

void read_layer(const Value& value, int layer, const PopularityTerms& terms, PathTable& table) {
  const std::string path = fmt::format("layers[{}]", layer);
  const Value& paths = array(value, path, static_cast<size_t>(terms.max_paths));
  for (size_t i = 0; i < paths.size(); ++i) {
    const std::string at = fmt::format("{}[{}]", path, i);
    auto key = read_key(member(paths[i], "path", at + "."), at + ".path", terms, layer);
    auto statistics = read_statistics(paths[i], at, terms, key.empty());
    if (!table.emplace(std::move(key), std::move(statistics)).second) {
      throw Rejected{at + ".path: appears twice"};
    }
  }
}

}  // namespace

std::string Popularity::to_json() const {
  Value root = {{"format", kFormat},
                {"num_layers", terms_.num_layers},
                {"num_experts", terms_.num_experts},
                {"top_k", terms_.top_k},
                {"path_length", terms_.path_length},
                {"path_choices", terms_.path_choices},
                {"max_paths", terms_.max_paths},
                {"max_experts_per_path", terms_.max_experts_per_path},
                {"decay", terms_.decay}};
  Value layers = Value::array();
  for (const PathTable& table : layers_) {
    Value paths = Value::array();
    for (const auto& [key, path] : table) {
      Value experts = Value::array();
      for (const auto& [expert, chosen] : path.experts) {
        experts.push_back(Value::array({expert, chosen}));
      }
      paths.push_back({{"path", key}, {"tokens", path.tokens}, {"choices", path.choices}, {"experts", experts}});
    }
    layers.push_back(std::move(paths));
  }
  root["layers"] = std::move(layers);
  return root.dump(1) + "\n";
}

Result<Popularity> Popularity::from_json(std::string_view text) {
  const auto parsed = json::parse(text);
  if (!parsed) {
    return parsed.error();
  }
  const Value& root = parsed.value("popularity");
  try {
    const Value& format = member(root, "format", "");
    if (!format.is_string() || format.get_ref<const std::string&>() != kFormat) {
      throw Rejected{fmt::format("format: expected \"{}\"", kFormat)};
    }
    Popularity popularity(read_terms(root));
    const auto number = static_cast<size_t>(popularity.terms_.num_layers);
    const Value& layers = array(member(root, "layers", ""), "layers", number);
    if (layers.size() != number) {
      throw Rejected{fmt::format("layers: has {} entries, num_layers is {}", layers.size(), number)};
    }
    for (size_t layer = 0; layer < number; ++layer) {
      read_layer(layers[layer], static_cast<int>(layer), popularity.terms_, popularity.layers_[layer]);
    }
    return popularity;
  } catch (const Rejected& rejected) {
    return ParseError{rejected.message};
  }
}

std::string Popularity::to_text() const {
  std::string text = fmt::format("popularity of {} experts in {} layers, top {}, from paths of {} layers\n",
                                 terms_.num_experts, terms_.num_layers, terms_.top_k, terms_.path_length);
  for (size_t layer = 0; layer < layers_.size(); ++layer) {
    const auto average = layers_[layer].find({});
    const double tokens = average == layers_[layer].end() ? 0 : average->second.tokens;
    text += fmt::format("  layer {:<4} {:>8} paths  {:>12.1f} tokens\n", layer, layers_[layer].size(), tokens);
  }
  return text;
}

}  // namespace banyan::moe
