// SPDX-License-Identifier: Apache-2.0
#include "banyan/info.h"

#include <fmt/format.h>

#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/env.hpp"
#include "base/json.hpp"
#include "c_api/boundary.hpp"
#include "transport/registry.hpp"

namespace banyan::c_api {
namespace {

using json::Value;

constexpr std::string_view kSecret = "BANYAN_JOB_SECRET";

constexpr std::array<std::pair<uint64_t, std::string_view>, 3> kCapabilities = {{
    {BANYAN_TRANSPORT_CAP_INTER_HOST, "inter-host"},
    {BANYAN_TRANSPORT_CAP_MAPPED, "mapped-memory"},
    {BANYAN_TRANSPORT_CAP_REPORTS_PEER_FAILURE, "reports-peer-failure"},
}};

Value describe_environment() {
  Value variables = Value::array();
  for (const env::Variable& variable : env::variables()) {
    const auto value = env::get(std::string(variable.name).c_str());
    Value entry = {{"name", variable.name}, {"default", variable.default_value}, {"doc", variable.doc}};
    if (value) {
      entry["value"] = variable.name == kSecret ? std::string("hidden") : *value;
    }
    variables.push_back(std::move(entry));
  }
  Value unknown = Value::array();
  for (const env::Unknown& variable : env::unknown_variables()) {
    unknown.push_back({{"name", variable.name}, {"nearest", variable.nearest}});
  }
  return {{"format", "banyan-environment-1"}, {"variables", variables}, {"unknown", unknown}};
}

std::string environment_text(const Value& environment) {
  std::string text;
  for (const Value& variable : environment["variables"]) {
    const auto name = variable["name"].get<std::string_view>();
    const auto default_value = variable["default"].get<std::string_view>();
    text += fmt::format("{}\n    {}\n    default: {}\n", name, variable["doc"].get<std::string_view>(),
                        default_value.empty() ? "not set" : default_value);
    if (variable.contains("value")) {
      text += fmt::format("    here: {}\n", variable["value"].get<std::string_view>());
    }
  }
  for (const Value& variable : environment["unknown"]) {
    text += fmt::format("warning: {} is set but unknown; did you mean {}?\n", variable["name"].get<std::string_view>(),
                        variable["nearest"].get<std::string_view>());
  }
  return text;
}

Value describe_transport(transport::TransportRegistry& registry, const std::string& name) {
  Value entry = {{"name", name}};
  try {
    const banyan_transport_ops& table = registry.find(name);
    Value capabilities = Value::array();
    for (const auto& [bit, word] : kCapabilities) {
      if ((table.capabilities & bit) != 0) {
        capabilities.push_back(word);
      }
    }
    entry["capabilities"] = std::move(capabilities);
  } catch (const Error& error) {
    entry["error"] = error.what();
  }
  return entry;
}

Value describe_transports() {
  transport::TransportRegistry registry;
  Value transports = Value::array();
  for (const std::string& name : registry.available()) {
    transports.push_back(describe_transport(registry, name));
  }
  return {{"format", "banyan-transports-1"}, {"transports", transports}};
}

std::string transports_text(const Value& transports) {
  std::string text;
  for (const Value& entry : transports["transports"]) {
    text += entry["name"].get<std::string_view>();
    text += ":";
    if (entry.contains("error")) {
      text += fmt::format(" cannot be used: {}", entry["error"].get<std::string_view>());
    } else {
      for (const Value& word : entry["capabilities"]) {
        text += fmt::format(" {}", word.get<std::string_view>());
      }
    }
    text += "\n";
  }
  return text;
}

/// `render` makes the text from the JSON value.
void export_value(const Value& value, banyan_format format, char** text, std::string (*render)(const Value&)) {
  switch (format) {
    case BANYAN_FORMAT_TEXT:
      *text = copy_string(render(value));
      return;
    case BANYAN_FORMAT_JSON:
      *text = copy_string(value.dump(2, ' ', false, Value::error_handler_t::replace) + "\n");
      return;
    default:
      throw Error(BANYAN_ERR_NOT_SUPPORTED,
                  fmt::format("format {} is not TEXT or JSON, the formats of this call", static_cast<int>(format)));
  }
}

}  // namespace
}  // namespace banyan::c_api

using banyan::c_api::c_boundary;
using banyan::c_api::describe_environment;
using banyan::c_api::describe_transports;
using banyan::c_api::environment_text;
using banyan::c_api::export_value;
using banyan::c_api::require;
using banyan::c_api::transports_text;

extern "C" {

banyan_status banyan_environment_export(banyan_format format, char** text) {
  return c_boundary([&] {
    require(text, "text");
    export_value(describe_environment(), format, text, environment_text);
  });
}

banyan_status banyan_transports_export(banyan_format format, char** text) {
  return c_boundary([&] {
    require(text, "text");
    export_value(describe_transports(), format, text, transports_text);
  });
}

}  // extern "C"
