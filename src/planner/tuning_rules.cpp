// SPDX-License-Identifier: Apache-2.0
#include "planner/tuning_rules.hpp"

#include <algorithm>
#include <array>

#include "base/json.hpp"
#include "base/parse.hpp"
#include "planner/select.hpp"

namespace banyan::planner {
namespace {

using json::Value;

constexpr const char* kFormat = "banyan-tuning-1";

/// Thrown by the reader, caught in parse; never leaves this file.
struct Rejected {
  std::string message;
};

[[noreturn]] void reject(const std::string& pointer, const std::string& message) {
  throw Rejected{(pointer.empty() ? "the file" : pointer) + ": " + message};
}

std::string shown(const Value& value) {
  constexpr size_t kLongest = 40;
  if (value.is_structured()) {
    return value.type_name();
  }
  const std::string text = value.dump();
  return text.size() > kLongest ? text.substr(0, kLongest) + "..." : text;
}

/// Checks that the value is an object of no other members than `allowed`.
void require_object(const Value& value, const std::string& pointer, const std::vector<std::string>& allowed) {
  std::string list;
  for (const auto& name : allowed) {
    list += (list.empty() ? "" : ", ") + name;
  }
  if (!value.is_object()) {
    reject(pointer, "expected an object of " + list + ", found " + shown(value));
  }
  for (const auto& [name, member] : value.items()) {
    if (std::find(allowed.begin(), allowed.end(), name) == allowed.end()) {
      reject(pointer, "unknown member \"" + name.substr(0, 64) + "\"; allowed are " + list);
    }
  }
}

const Value& need(const Value& object, const std::string& pointer, const char* name) {
  const auto member = object.find(name);
  if (member == object.end()) {
    reject(pointer, std::string("\"") + name + "\" is missing");
  }
  return *member;
}

std::string text_of(const Value& value, const std::string& pointer, const std::string& allowed) {
  if (!value.is_string()) {
    reject(pointer, "expected " + allowed + ", found " + shown(value));
  }
  return value.get<std::string>();
}

}  // namespace

/// Reads the parts of a rule; what is wrong is thrown as Rejected.
class TuningReader {
 public:
  static std::vector<TuningRules::Rule> rules(const Value& file) {
    require_object(file, "", {"format", "rules"});
    if (const std::string format = text_of(need(file, "", "format"), "/format", kFormat); format != kFormat) {
      reject("/format", std::string("expected \"") + kFormat + "\", found \"" + format.substr(0, 64) + "\"");
    }
    const Value& array = need(file, "", "rules");
    if (!array.is_array() || array.size() > TuningRules::kMaxRules) {
      reject("/rules", "expected an array of at most " + std::to_string(TuningRules::kMaxRules) + " rules");
    }
    std::vector<TuningRules::Rule> rules;
    for (const Value& item : array) {
      rules.push_back(rule(item, "/rules/" + std::to_string(rules.size())));
    }
    return rules;
  }

 private:
  using Range = TuningRules::Range;

  static TuningRules::Rule rule(const Value& value, const std::string& pointer) {
    require_object(value, pointer, {"match", "algorithm", "comment"});
    TuningRules::Rule rule;
    rule.algorithm = text_of(need(value, pointer, "algorithm"), pointer + "/algorithm", "an algorithm's name");
    if (!is_algorithm_name(rule.algorithm)) {
      reject(pointer + "/algorithm",
             "no algorithm is named \"" + rule.algorithm.substr(0, 64) + "\"; there are: " + algorithm_names());
    }
    if (const auto match = value.find("match"); match != value.end()) {
      read_match(*match, pointer + "/match", rule);
    }
    return rule;
  }

  static void read_match(const Value& match, const std::string& pointer, TuningRules::Rule& rule) {
    require_object(match, pointer, {"operation", "hosts", "ranks", "bytes_per_pair"});
    if (const auto operation = match.find("operation"); operation != match.end()) {
      rule.uniform = is_uniform(*operation, pointer + "/operation");
    }
    rule.hosts = range_of(match, pointer, "hosts");
    rule.ranks = range_of(match, pointer, "ranks");
    if (match.contains("bytes_per_pair")) {
      if (rule.uniform != true) {
        reject(pointer + "/bytes_per_pair",
               "needs \"operation\": \"uniform\"; an all-to-all-v is planned before its sizes are known");
      }
      rule.block_bytes = range_of(match, pointer, "bytes_per_pair");
    }
  }

  static bool is_uniform(const Value& value, const std::string& pointer) {
    const std::string name = text_of(value, pointer, R"("uniform" or "v")");
    if (name != "uniform" && name != "v") {
      reject(pointer, "expected \"uniform\" or \"v\", found " + shown(value));
    }
    return name == "uniform";
  }

  static Range range_of(const Value& match, const std::string& parent, const char* name) {
    const auto value = match.find(name);
    if (value == match.end()) {
      return {};
    }
    const std::string pointer = parent + "/" + name;
    if (!value->is_array()) {
      const uint64_t one = number(*value, pointer);
      return {one, one};
    }
    if (value->size() != 2) {
      reject(pointer, "expected a number or [least, most], found an array of " + std::to_string(value->size()));
    }
    Range range;
    range.least = number((*value)[0], pointer + "/0");
    if (!(*value)[1].is_null()) {
      range.most = number((*value)[1], pointer + "/1");
    }
    if (range.least > range.most) {
      reject(pointer, "matches nothing: " + std::to_string(range.least) + " is above " + std::to_string(range.most));
    }
    return range;
  }

  static uint64_t number(const Value& value, const std::string& pointer) {
    if (value.is_number_integer() && (value.is_number_unsigned() || value.get<int64_t>() >= 0)) {
      return value.get<uint64_t>();
    }
    if (value.is_string()) {
      if (const auto bytes = parse::bytes(value.get_ref<const std::string&>())) {
        return *bytes;
      }
    }
    reject(pointer, "expected a number of at least 0, such as 4096 or \"4k\", found " + shown(value));
  }
};

Result<TuningRules> TuningRules::parse(std::string_view text, std::string name) {
  const auto value = json::parse(text);
  if (!value) {
    return value.error();
  }
  TuningRules rules;
  try {
    rules.rules_ = TuningReader::rules(value.value(name));
  } catch (const Rejected& rejected) {
    return ParseError{rejected.message};
  }
  rules.name_ = std::move(name);
  return rules;
}

std::optional<TuningRules::Match> TuningRules::find(const Case& wanted) const {
  for (size_t i = 0; i < rules_.size(); ++i) {
    const Rule& rule = rules_[i];
    const bool operation = !rule.uniform || *rule.uniform == wanted.block_bytes.has_value();
    if (operation && rule.hosts.has(static_cast<uint64_t>(wanted.hosts)) &&
        rule.ranks.has(static_cast<uint64_t>(wanted.ranks)) && rule.block_bytes.has(wanted.block_bytes.value_or(0))) {
      return Match{rule.algorithm, name_ + ", rule " + std::to_string(i + 1)};
    }
  }
  return std::nullopt;
}

TuningRules::Case tuning_case(const Hosts& hosts, std::optional<size_t> block_bytes) {
  return {hosts.count(), hosts.num_ranks(), block_bytes};
}

}  // namespace banyan::planner
