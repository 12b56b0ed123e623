// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "base/json.hpp"
#include "cost/profile.hpp"

namespace banyan::cost {
namespace {

using json::Value;
using topology::Tier;

constexpr const char* kFormat = "banyan-profile-1";
constexpr double kMaxSeconds = 1e3;
constexpr double kMaxRate = 1e18;
constexpr std::array kTiers = {Tier::kSelf, Tier::kDomain, Tier::kNode, Tier::kRack, Tier::kCluster};

Value write_tier(const TierCost& tier) {
  Value value = {{"alpha_s", tier.alpha_s}, {"overhead_s", tier.overhead_s}};
  if (tier.gap_s > 0) {
    value["gap_s"] = tier.gap_s;
  }
  value["flow_bytes_per_s"] = tier.flow_bytes_per_s;
  return value;
}

void write_rate(Value& object, const char* name, double rate) {
  if (rate > 0) {
    object[name] = rate;
  }
}

Value write_hosts(const std::vector<HostProfile>& hosts) {
  Value array = Value::array();
  for (const HostProfile& host : hosts) {
    Value item = {{"key", host.key}, {"name", host.name}, {"num_ranks", host.num_ranks}};
    write_rate(item, "egress_bytes_per_s", host.egress_bytes_per_s);
    write_rate(item, "ingress_bytes_per_s", host.ingress_bytes_per_s);
    array.push_back(std::move(item));
  }
  return array;
}

Value write_pairs(const Profile& profile) {
  const size_t n = profile.hosts.size();
  Value rows = Value::array();
  for (size_t from = 0; from < n; ++from) {
    Value row = Value::array();
    for (size_t to = 0; to < n; ++to) {
      row.push_back(profile.host_pair_bytes_per_s[from * n + to]);
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

Value write_inferred_racks(const Profile& profile) {
  Value array = Value::array();
  for (const InferredRack& rack : *profile.inferred_racks) {
    Value keys = Value::array();
    for (const int host : rack.hosts) {
      keys.push_back(profile.hosts.at(static_cast<size_t>(host)).key);
    }
    Value item = {{"hosts", std::move(keys)}};
    write_rate(item, "egress_bytes_per_s", rack.egress_bytes_per_s);
    write_rate(item, "ingress_bytes_per_s", rack.ingress_bytes_per_s);
    array.push_back(std::move(item));
  }
  return array;
}

/// Thrown by Reader, caught in profile_from_json; never leaves this file.
struct Rejected {
  std::string message;
};

[[noreturn]] void reject(const std::string& path, const std::string& message) { throw Rejected{path + ": " + message}; }

/// Reads members of one JSON object and says by path what is wrong.
class Reader {
 public:
  Reader(const Value& value, std::string path) : value_(value), path_(std::move(path)) {
    if (!value.is_object()) {
      reject(path_.empty() ? "profile" : path_, std::string("expected an object, found ") + value.type_name());
    }
  }

  [[nodiscard]] std::string at(const char* name) const { return path_.empty() ? name : path_ + "." + name; }
  [[nodiscard]] const Value* find(const char* name) const {
    const auto entry = value_.find(name);
    return entry == value_.end() ? nullptr : &*entry;
  }
  [[nodiscard]] const Value& need(const char* name) const {
    const Value* member = find(name);
    if (member == nullptr) {
      reject(at(name), "is missing");
    }
    return *member;
  }

  [[nodiscard]] std::string text(const char* name) const {
    const Value& member = need(name);
    if (!member.is_string()) {
      reject(at(name), std::string("expected a string, found ") + member.type_name());
    }
    const auto& result = member.get_ref<const std::string&>();
    if (result.size() > kMaxProfileNameBytes) {
      reject(at(name), "is longer than " + std::to_string(kMaxProfileNameBytes) + " bytes");
    }
    return result;
  }
  [[nodiscard]] int count(const char* name) const {
    const Value& member = need(name);
    const double value = member.is_number_integer() ? member.get<double>() : 0;
    if (!(value >= 1 && value <= kMaxProfileRanks)) {
      reject(at(name),
             "expected an integer from 1 to " + std::to_string(kMaxProfileRanks) + ", found " + shown(member));
    }
    return static_cast<int>(value);
  }
  [[nodiscard]] double seconds(const char* name) const { return number(need(name), at(name), 0, kMaxSeconds); }
  [[nodiscard]] double rate(const char* name) const { return positive(need(name), at(name)); }
  /// 0 if absent.
  [[nodiscard]] double optional_rate(const char* name) const {
    const Value* member = find(name);
    return member == nullptr ? 0 : positive(*member, at(name));
  }

  static double number(const Value& value, const std::string& path, double least, double most) {
    const double result = value.is_number() ? value.get<double>() : NAN;
    if (!(result >= least && result <= most)) {
      reject(path,
             "expected a number from " + shown(Value(least)) + " to " + shown(Value(most)) + ", found " + shown(value));
    }
    return result;
  }

 private:
  static double positive(const Value& value, const std::string& path) {
    const double result = number(value, path, 0, kMaxRate);
    if (!(result > 0)) {
      reject(path, "expected a rate above 0, found 0");
    }
    return result;
  }
  static std::string shown(const Value& value) {
    return value.is_number() || value.is_boolean() ? value.dump() : value.type_name();
  }

  const Value& value_;
  std::string path_;
};

TierCost read_tier(const Value& value, const std::string& path) {
  const Reader reader(value, path);
  return {.alpha_s = reader.seconds("alpha_s"),
          .overhead_s = reader.seconds("overhead_s"),
          .gap_s = reader.find("gap_s") == nullptr ? 0 : reader.seconds("gap_s"),
          .flow_bytes_per_s = reader.rate("flow_bytes_per_s"),
          .measured = true};
}

void read_tiers(const Reader& reader, Profile& profile) {
  const Value* tiers = reader.find("tiers");
  if (tiers == nullptr) {
    return;
  }
  const Reader inside(*tiers, "tiers");
  for (const Tier tier : kTiers) {
    if (const Value* value = inside.find(topology::tier_name(tier)); value != nullptr) {
      profile.tiers[static_cast<size_t>(tier)] = read_tier(*value, inside.at(topology::tier_name(tier)));
    }
  }
}

const Value& array_of(const Value& value, const std::string& path, size_t most) {
  if (!value.is_array()) {
    reject(path, std::string("expected an array, found ") + value.type_name());
  }
  if (value.size() > most) {
    reject(path, "has " + std::to_string(value.size()) + " entries, more than " + std::to_string(most));
  }
  return value;
}

std::vector<HostProfile> read_hosts(const Reader& reader, const char* name) {
  std::vector<HostProfile> hosts;
  const Value* value = reader.find(name);
  if (value == nullptr) {
    return hosts;
  }
  std::set<std::string> keys;
  for (const Value& item : array_of(*value, name, kMaxProfileHosts)) {
    const std::string path = std::string(name) + "[" + std::to_string(hosts.size()) + "]";
    const Reader inside(item, path);
    hosts.push_back({.key = inside.text("key"),
                     .name = inside.text("name"),
                     .num_ranks = inside.count("num_ranks"),
                     .egress_bytes_per_s = inside.optional_rate("egress_bytes_per_s"),
                     .ingress_bytes_per_s = inside.optional_rate("ingress_bytes_per_s")});
    if (!keys.insert(hosts.back().key).second) {
      reject(path + ".key", "is the key of an earlier entry too");
    }
  }
  return hosts;
}

/// The hosts of one rack by key; `free`: the hosts that are in none yet.
std::vector<int> read_rack_hosts(const Value& value, const std::string& path, std::map<std::string, int>& free) {
  std::vector<int> hosts;
  for (const Value& key : array_of(value, path, kMaxProfileHosts)) {
    const std::string at = path + "[" + std::to_string(hosts.size()) + "]";
    const auto host = key.is_string() ? free.find(key.get_ref<const std::string&>()) : free.end();
    if (host == free.end()) {
      reject(at, "expected the key of one of hosts that is in no rack yet");
    }
    hosts.push_back(host->second);
    free.erase(host);
  }
  if (hosts.empty()) {
    reject(path, "is empty");
  }
  std::sort(hosts.begin(), hosts.end());
  return hosts;
}

std::optional<std::vector<InferredRack>> read_inferred_racks(const Reader& reader,
                                                             const std::vector<HostProfile>& hosts) {
  constexpr const char* kName = "inferred_racks";
  const Value* value = reader.find(kName);
  if (value == nullptr) {
    return std::nullopt;
  }
  std::map<std::string, int> free;
  for (const HostProfile& host : hosts) {
    free.emplace(host.key, static_cast<int>(free.size()));
  }
  std::vector<InferredRack> racks;
  for (const Value& item : array_of(*value, kName, kMaxProfileHosts)) {
    const std::string path = std::string(kName) + "[" + std::to_string(racks.size()) + "]";
    const Reader inside(item, path);
    racks.push_back({.hosts = read_rack_hosts(inside.need("hosts"), inside.at("hosts"), free),
                     .egress_bytes_per_s = inside.optional_rate("egress_bytes_per_s"),
                     .ingress_bytes_per_s = inside.optional_rate("ingress_bytes_per_s")});
  }
  if (!racks.empty() && !free.empty()) {
    reject(kName, "has no rack with host " + free.begin()->first);
  }
  if (racks.size() == 1) {
    reject(kName, "has one rack; an uplink leads from one to another");
  }
  std::sort(racks.begin(), racks.end(),
            [](const InferredRack& a, const InferredRack& b) { return a.hosts.front() < b.hosts.front(); });
  return racks;
}

std::vector<double> read_pairs(const Reader& reader, size_t num_hosts) {
  constexpr const char* kName = "host_pair_bytes_per_s";
  std::vector<double> pairs;
  const Value* value = reader.find(kName);
  if (value == nullptr) {
    return pairs;
  }
  const auto expect = [&](const Value& array, const std::string& path) {
    if (array_of(array, path, kMaxProfileHosts).size() != num_hosts) {
      reject(path,
             "has " + std::to_string(array.size()) + " entries, but there are " + std::to_string(num_hosts) + " hosts");
    }
  };
  expect(*value, kName);
  pairs.reserve(num_hosts * num_hosts);
  for (size_t from = 0; from < num_hosts; ++from) {
    const std::string row = std::string(kName) + "[" + std::to_string(from) + "]";
    expect((*value)[from], row);
    for (size_t to = 0; to < num_hosts; ++to) {
      pairs.push_back(Reader::number((*value)[from][to], row + "[" + std::to_string(to) + "]", 0, kMaxRate));
    }
  }
  return pairs;
}

Profile read_profile(const Value& value) {
  const Reader reader(value, "");
  if (reader.text("format") != kFormat) {
    reject("format", std::string("is not \"") + kFormat + "\", the only one that this version reads");
  }
  Profile profile;
  profile.created = reader.text("created");
  profile.transport = reader.text("transport");
  profile.num_ranks = reader.count("num_ranks");
  read_tiers(reader, profile);
  if (const Value* local = reader.find("local_message"); local != nullptr) {
    profile.local_message = read_tier(*local, "local_message");
  }
  profile.hosts = read_hosts(reader, "hosts");
  profile.racks = read_hosts(reader, "racks");
  profile.inferred_racks = read_inferred_racks(reader, profile.hosts);
  profile.host_pair_bytes_per_s = read_pairs(reader, profile.hosts.size());
  profile.copy_bytes_per_s = reader.optional_rate("copy_bytes_per_s");
  profile.host_copy_bytes_per_s = reader.optional_rate("host_copy_bytes_per_s");
  return profile;
}

}  // namespace

std::string to_json(const Profile& profile) {
  Value root = {{"format", kFormat},
                {"created", profile.created},
                {"transport", profile.transport},
                {"num_ranks", profile.num_ranks}};
  Value tiers = Value::object();
  for (const Tier tier : kTiers) {
    if (const TierCost& cost = profile.tiers[static_cast<size_t>(tier)]; cost.measured) {
      tiers[topology::tier_name(tier)] = write_tier(cost);
    }
  }
  root["tiers"] = std::move(tiers);
  if (profile.local_message.measured) {
    root["local_message"] = write_tier(profile.local_message);
  }
  root["hosts"] = write_hosts(profile.hosts);
  if (!profile.racks.empty()) {
    root["racks"] = write_hosts(profile.racks);
  }
  if (profile.inferred_racks) {
    root["inferred_racks"] = write_inferred_racks(profile);
  }
  const size_t num_pairs = profile.hosts.size() * profile.hosts.size();
  if (!profile.host_pair_bytes_per_s.empty() && profile.host_pair_bytes_per_s.size() == num_pairs) {
    root["host_pair_bytes_per_s"] = write_pairs(profile);
  }
  write_rate(root, "copy_bytes_per_s", profile.copy_bytes_per_s);
  write_rate(root, "host_copy_bytes_per_s", profile.host_copy_bytes_per_s);
  // Host names come from the machines; a name that is no UTF-8 must not stop the writing.
  return root.dump(2, ' ', false, Value::error_handler_t::replace) + "\n";
}

Result<Profile> profile_from_json(std::string_view text) {
  const auto value = json::parse(text);
  if (!value) {
    return value.error();
  }
  try {
    return read_profile(value.value("profile"));
  } catch (const Rejected& rejected) {
    return ParseError{rejected.message, 0, 0};
  }
}

}  // namespace banyan::cost
