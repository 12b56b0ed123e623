// SPDX-License-Identifier: Apache-2.0
#include "compare/traffic_json.hpp"

#include "common/failure.hpp"

namespace banyan::perf {

Json to_json(const Traffic& traffic) {
  Json json;
  json["ranks"] = traffic.num_ranks;
  json["element_size"] = traffic.element_size;
  json["uniform_bytes"] = traffic.uniform_bytes ? Json(*traffic.uniform_bytes) : Json();
  json["bytes"] = traffic.bytes;
  return json;
}

Traffic traffic_from_json(const Json& json) {
  Traffic traffic;
  try {
    traffic.num_ranks = json.at("ranks").get<int>();
    traffic.element_size = json.at("element_size").get<size_t>();
    if (!json.at("uniform_bytes").is_null()) {
      traffic.uniform_bytes = json.at("uniform_bytes").get<size_t>();
    }
    traffic.bytes = json.at("bytes").get<std::vector<uint64_t>>();
  } catch (const Json::exception& error) {
    throw Failure(std::string("traffic: ") + error.what());
  }
  const auto ranks = static_cast<size_t>(traffic.num_ranks);
  if (traffic.num_ranks < 1 || traffic.element_size < 1 || traffic.bytes.size() != ranks * ranks) {
    throw Failure("traffic: a matrix of " + std::to_string(traffic.bytes.size()) + " entries for " +
                  std::to_string(traffic.num_ranks) + " ranks");
  }
  return traffic;
}

}  // namespace banyan::perf
