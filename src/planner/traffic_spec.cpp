// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <span>
#include <vector>

#include "base/parse.hpp"
#include "planner/traffic_generators.hpp"

namespace banyan::planner {
namespace {

constexpr double kOneQ32 = 4294967296.0;

[[noreturn]] void reject(const std::string& text) { throw Error(BANYAN_ERR_INVALID_ARGUMENT, text); }

uint64_t whole(std::string_view text, long smallest, long largest, const std::string& key) {
  const auto value = parse::integer(text);
  if (!value || *value < smallest || *value > largest) {
    reject("traffic " + key + " is \"" + std::string(text) + "\"; expected a number from " + std::to_string(smallest) +
           " to " + std::to_string(largest));
  }
  return static_cast<uint64_t>(*value);
}

/// The nearest double times 2^32, rounded down: exact steps, so equal on all platforms.
uint64_t fixed_point(std::string_view text, double largest, const std::string& key) {
  const auto value = parse::real(text);
  if (!value || *value < 0 || *value > largest) {
    reject("traffic " + key + " is \"" + std::string(text) + "\"; expected a number from 0 to " +
           std::to_string(largest));
  }
  return static_cast<uint64_t>(std::floor(*value * kOneQ32));
}

using Set = void (*)(TrafficSpec&, std::string_view value);

struct Key {
  std::string_view name;
  Set set;
};

constexpr long kMaxInt = std::numeric_limits<int>::max();
constexpr long kMaxExperts = 1L << 20;
constexpr double kMaxExponent = 16;

constexpr Key kSeed = {"seed", [](TrafficSpec& spec, std::string_view value) {
                         spec.seed = whole(value, 0, std::numeric_limits<long>::max(), "seed");
                       }};
constexpr std::array kRandomKeys = {kSeed};
constexpr std::array kZipfKeys = {
    Key{"s",
        [](TrafficSpec& spec, std::string_view value) { spec.exponent_q32 = fixed_point(value, kMaxExponent, "s"); }},
    kSeed};
constexpr std::array kMoeKeys = {
    Key{"experts",
        [](TrafficSpec& spec, std::string_view value) {
          spec.experts = static_cast<int>(whole(value, 1, kMaxExperts, "experts"));
        }},
    Key{"topk", [](TrafficSpec& spec,
                   std::string_view value) { spec.top_k = static_cast<int>(whole(value, 1, kMaxExperts, "topk")); }},
    Key{"zeros",
        [](TrafficSpec& spec, std::string_view value) { spec.zero_fraction_q32 = fixed_point(value, 1, "zeros"); }},
    kSeed};
constexpr std::array kHotKeys = {
    Key{"rank", [](TrafficSpec& spec,
                   std::string_view value) { spec.hot_rank = static_cast<int>(whole(value, 0, kMaxInt, "rank")); }},
    Key{"factor", [](TrafficSpec& spec, std::string_view value) {
          spec.hot_factor = static_cast<int>(whole(value, 1, kMaxInt, "factor"));
        }}};
constexpr std::array kZerosKeys = {
    Key{"fraction",
        [](TrafficSpec& spec, std::string_view value) { spec.zero_fraction_q32 = fixed_point(value, 1, "fraction"); }},
    kSeed};

struct Kind {
  std::string_view name;
  TrafficSpec defaults;
  std::span<const Key> keys;
  std::string_view help;
};

TrafficSpec defaults_of(TrafficKind kind) {
  TrafficSpec spec;
  spec.kind = kind;
  spec.exponent_q32 = static_cast<uint64_t>(1.2 * kOneQ32);
  spec.zero_fraction_q32 = static_cast<uint64_t>((kind == TrafficKind::kZeros ? 0.7 : 0.3) * kOneQ32);
  spec.top_k = 8;
  spec.hot_factor = 8;
  return spec;
}

std::vector<Kind> kinds() {
  return {
      {"uniform", defaults_of(TrafficKind::kUniform), {}, "uniform:SIZE  every pair SIZE bytes"},
      {"random", defaults_of(TrafficKind::kRandom), kRandomKeys, "random:AVG[,seed=N]  uniform between 0 and 2 AVG"},
      {"zipf", defaults_of(TrafficKind::kZipf), kZipfKeys,
       "zipf:AVG[,s=1.2][,seed=N]  the k-th largest pair in proportion to k^-s"},
      {"moe", defaults_of(TrafficKind::kMoe), kMoeKeys,
       "moe:AVG[,experts=64][,topk=8][,zeros=0.3][,seed=N]  tokens routed to popular experts"},
      {"hot", defaults_of(TrafficKind::kHot), kHotKeys,
       "hot:AVG[,rank=0][,factor=8]  pairs to one rank are factor times larger"},
      {"zeros", defaults_of(TrafficKind::kZeros), kZerosKeys,
       "zeros:AVG[,fraction=0.7][,seed=N]  that fraction of pairs is empty, the others are equal"},
      {"local", defaults_of(TrafficKind::kLocal), {}, "local:AVG  in proportion to (1 + |i - j|)^-2"}};
}

const Kind& find_kind(const std::vector<Kind>& known, std::string_view name) {
  std::string names;
  for (const Kind& kind : known) {
    if (kind.name == name) {
      return kind;
    }
    names += (names.empty() ? "" : ", ") + std::string(kind.name);
  }
  reject("traffic kind \"" + std::string(name) + "\" is not known; expected one of " + names);
}

void set_key(TrafficSpec& spec, const Kind& kind, std::string_view name, std::string_view value) {
  std::string names;
  for (const Key& key : kind.keys) {
    if (key.name == name) {
      key.set(spec, value);
      return;
    }
    names += (names.empty() ? "" : ", ") + std::string(key.name);
  }
  reject("traffic " + std::string(kind.name) + " has no \"" + std::string(name) + "\"; it has " +
         (names.empty() ? "no keys" : names));
}

}  // namespace

TrafficSpec parse_traffic_spec(std::string_view text, uint64_t default_seed) {
  const std::vector<std::string> pieces = parse::split(text, ',');
  const std::vector<Kind> known = kinds();
  const std::string_view head = pieces[0];
  const size_t colon = std::min(head.find(':'), head.size());
  const Kind& kind = find_kind(known, head.substr(0, colon));
  TrafficSpec spec = kind.defaults;
  spec.seed = default_seed;
  if (colon < head.size()) {
    const std::string_view average = head.substr(colon + 1);
    spec.average_bytes = average != "max" ? parse::bytes(average) : std::nullopt;
    if (!spec.average_bytes) {
      reject("traffic average is \"" + std::string(average) + "\"; expected a number of bytes such as 4096, 64k or 1M");
    }
  }
  std::vector<std::string> seen;
  for (size_t k = 1; k < pieces.size(); ++k) {
    const size_t equals = pieces[k].find('=');
    if (equals == std::string::npos) {
      reject("traffic \"" + std::string(text) + "\" has \"" + pieces[k] + "\"; expected KEY=VALUE");
    }
    const std::string name = pieces[k].substr(0, equals);
    for (const std::string& other : seen) {
      if (other == name) {
        reject("traffic \"" + std::string(text) + "\" gives " + name + " twice");
      }
    }
    seen.push_back(name);
    set_key(spec, kind, name, std::string_view(pieces[k]).substr(equals + 1));
  }
  return spec;
}

std::string traffic_spec_help() {
  std::string text;
  for (const Kind& kind : kinds()) {
    text += std::string(kind.help) + "\n";
  }
  return text;
}

}  // namespace banyan::planner
