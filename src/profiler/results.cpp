// SPDX-License-Identifier: Apache-2.0
#include "profiler/results.hpp"

#include <fmt/format.h>

#include "base/json.hpp"

namespace banyan::profiler {
namespace {

constexpr const char* kFormat = "banyan-profile-resume-1";
constexpr size_t kMaxProbes = 1 << 16;
constexpr size_t kMaxNumbers = 1 << 16;
constexpr double kMaxNumber = 1e18;

ParseError bad(const std::string& path, const std::string& what) { return {path + ": " + what, 0, 0}; }

/// Why a probe's numbers cannot be used, or empty.
std::string check_numbers(const json::Value& numbers) {
  if (!numbers.is_array() || numbers.size() > kMaxNumbers) {
    return "expected an array of at most " + std::to_string(kMaxNumbers) + " numbers";
  }
  for (const auto& number : numbers) {
    const double value = number.is_number() ? number.get<double>() : 0;
    if (!(value > 0 && value <= kMaxNumber)) {
      return "expected numbers above 0";
    }
  }
  return {};
}

}  // namespace

std::string hash_of(std::string_view text) {
  // http://www.isthe.com/chongo/tech/comp/fnv/, parameters as published there.
  uint64_t hash = 14695981039346656037U;
  for (const char c : text) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211U;
  }
  return fmt::format("{:016x}", hash);
}

std::string results_to_json(const std::string& key, const Results& results) {
  json::Value probes = json::Value::array();
  for (const auto& [name, numbers] : results) {
    probes.push_back({{"probe", name}, {"numbers", numbers}});
  }
  const json::Value root = {{"format", kFormat}, {"key", key}, {"probes", std::move(probes)}};
  return root.dump(1, ' ', false, json::Value::error_handler_t::replace) + "\n";
}

Result<Results> results_from_json(std::string_view text, const std::string& key) {
  const auto parsed = json::parse(text);
  if (!parsed) {
    return parsed.error();
  }
  const json::Value& root = parsed.value("resume file");
  if (!root.is_object() || !root.contains("format") || root["format"] != kFormat) {
    return bad("format", std::string("is not \"") + kFormat + "\"");
  }
  if (!root.contains("key") || root["key"] != key) {
    return Results{};
  }
  if (!root.contains("probes") || !root["probes"].is_array() || root["probes"].size() > kMaxProbes) {
    return bad("probes", "expected an array of at most " + std::to_string(kMaxProbes) + " probes");
  }
  Results results;
  for (const auto& probe : root["probes"]) {
    const std::string path = "probes[" + std::to_string(results.size()) + "]";
    if (!probe.is_object() || !probe.contains("probe") || !probe["probe"].is_string() || !probe.contains("numbers")) {
      return bad(path, "expected an object with a name and numbers");
    }
    if (const std::string why = check_numbers(probe["numbers"]); !why.empty()) {
      return bad(path + ".numbers", why);
    }
    if (!results.emplace(probe["probe"].get<std::string>(), probe["numbers"].get<std::vector<double>>()).second) {
      return bad(path + ".probe", "appears twice");
    }
  }
  return results;
}

}  // namespace banyan::profiler
