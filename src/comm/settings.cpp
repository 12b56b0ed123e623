// SPDX-License-Identifier: Apache-2.0
#include "comm/settings.hpp"

#include <cmath>
#include <cstring>
#include <limits>

#include "base/env.hpp"
#include "base/error.hpp"
#include "base/parse.hpp"

namespace banyan::comm {
namespace {

constexpr double kMaxSeconds = 1e9;

double seconds(double given, const char* member, const char* variable, double fallback) {
  if (given == 0) {
    return env::get_positive_seconds(variable).value_or(fallback);
  }
  if (!(given > 0) || given > kMaxSeconds) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT, std::string("banyan_comm_config.") + member +
                                                 " must be above 0 and at most 1e9 seconds, or 0 for the default");
  }
  return given;
}

std::string text(const char* given, const char* variable) {
  if (given != nullptr) {
    return given;
  }
  return env::get(variable).value_or("");
}

/// A count from the environment, 0 or more; `fallback` if unset.
int small_number(const char* variable, int fallback) {
  const auto value = env::get_int(variable);
  if (value && (*value < 0 || *value > std::numeric_limits<int>::max())) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT,
                std::string(variable) + " is " + std::to_string(*value) + ", must be 0 or more");
  }
  return value ? static_cast<int>(*value) : fallback;
}

std::vector<std::string> names(const std::string& list) {
  std::vector<std::string> result;
  for (const std::string& piece : parse::split(list, ',')) {
    const auto name = parse::trim(piece);
    if (name.empty()) {
      throw Error(BANYAN_ERR_INVALID_ARGUMENT, "the list of transports \"" + list + "\" has an empty name");
    }
    result.emplace_back(name);
  }
  return result;
}

/// The caller's struct, which may be an older and shorter one, with the rest zero.
banyan_comm_config complete(const banyan_comm_config* config) {
  banyan_comm_config full = BANYAN_COMM_CONFIG_INIT;
  if (config == nullptr) {
    return full;
  }
  if (config->struct_size < sizeof(size_t) || config->struct_size > sizeof full) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT,
                "banyan_comm_config.struct_size is " + std::to_string(config->struct_size) + ", at most " +
                    std::to_string(sizeof full) + " is known; start from BANYAN_COMM_CONFIG_INIT");
  }
  std::memcpy(&full, config, config->struct_size);
  return full;
}

}  // namespace

Settings resolve_settings(const banyan_comm_config* given) {
  const banyan_comm_config config = complete(given);
  Settings settings;
  settings.timeout_s = seconds(config.timeout_s, "timeout_s", "BANYAN_TIMEOUT_S", settings.timeout_s);
  settings.bootstrap_timeout_s = seconds(config.bootstrap_timeout_s, "bootstrap_timeout_s",
                                         "BANYAN_BOOTSTRAP_TIMEOUT_S", settings.bootstrap_timeout_s);
  const std::string list = text(config.transports, "BANYAN_TRANSPORTS");
  if (!list.empty()) {
    settings.transports = names(list);
    settings.transports_named = true;
  }
  settings.interface_name = text(config.interface_name, "BANYAN_INTERFACE");
  settings.rails = static_cast<size_t>(small_number("BANYAN_RAILS", 0));
  settings.own_rail = env::get_flag("BANYAN_OWN_RAIL");
  settings.topology_file = text(config.topology_file, "BANYAN_TOPOLOGY_FILE");
  settings.profile_file = text(config.profile_file, "BANYAN_PROFILE");
  settings.tuning_file = text(config.tuning_file, "BANYAN_TUNING_FILE");
  settings.host_id = text(config.host_id, "BANYAN_HOST_ID");
  settings.algorithm = env::get("BANYAN_ALGORITHM").value_or("");
  settings.aggregate_limit_bytes = config.aggregate_limit_bytes != 0
                                       ? config.aggregate_limit_bytes
                                       : env::get_bytes("BANYAN_AGGREGATE_LIMIT").value_or(0);
  settings.tunes = !env::get("BANYAN_TUNER") || env::get_flag("BANYAN_TUNER");
  settings.chunk_bytes = env::get_bytes("BANYAN_CHUNK_BYTES").value_or(0);
  settings.window = small_number("BANYAN_WINDOW", 0);
  settings.window_bytes = env::get_bytes("BANYAN_WINDOW_BYTES").value_or(0);
  return settings;
}

}  // namespace banyan::comm
