// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "banyan/placement.h"
#include "base/checked.hpp"
#include "c_api/boundary.hpp"
#include "c_api/placement_handles.hpp"

namespace banyan::c_api {
namespace {

/// Zero keeps the default.
template <typename T>
void override_with(T& value, T given) {
  if (given != 0) {
    value = given;
  }
}

moe::PopularityTerms terms_of(const banyan_popularity_config& config) {
  moe::PopularityTerms terms;
  terms.num_layers = config.num_layers;
  terms.num_experts = config.num_experts;
  terms.top_k = config.top_k;
  override_with(terms.path_length, config.path_length);
  override_with(terms.path_choices, config.path_choices);
  override_with(terms.max_paths, config.max_paths);
  override_with(terms.max_experts_per_path, config.max_experts_per_path);
  override_with(terms.decay, config.decay);
  return terms;
}

/// [tokens, top_k]; NULL is fine for no tokens.
std::span<const int64_t> choices_of(const int64_t* topk_idx, size_t num_tokens, int top_k) {
  if (num_tokens == 0) {
    return {};
  }
  const auto entries = checked::multiply(num_tokens, static_cast<size_t>(top_k));
  if (!entries || !checked::multiply(*entries, sizeof(int64_t))) {
    throw Error(BANYAN_ERR_LIMIT,
                "num_tokens " + std::to_string(num_tokens) + " * top_k " + std::to_string(top_k) + " overflows size_t");
  }
  return {&require(topk_idx, "topk_idx"), *entries};
}

}  // namespace
}  // namespace banyan::c_api

using banyan::c_api::c_boundary;
using banyan::c_api::choices_of;
using banyan::c_api::complete;
using banyan::c_api::copy_string;
using banyan::c_api::fill;
using banyan::c_api::require;
using banyan::c_api::terms_of;

extern "C" {

banyan_status banyan_popularity_create(const banyan_popularity_config* config, banyan_popularity** popularity) {
  return c_boundary([&] {
    auto& out = require(popularity, "popularity");
    const auto full = complete(&require(config, "config"), "config");
    out = new banyan_popularity{banyan::moe::Popularity(terms_of(full))};
  });
}

banyan_status banyan_popularity_observe(banyan_popularity* popularity, int layer, const int64_t* topk_idx,
                                        size_t num_tokens, int learn) {
  return c_boundary([&] {
    auto& p = require(popularity, "popularity").popularity;
    p.observe(layer, choices_of(topk_idx, num_tokens, p.terms().top_k), num_tokens, learn != 0);
  });
}

banyan_status banyan_popularity_predict(banyan_popularity* popularity, double* load) {
  return c_boundary([&] {
    auto& p = require(popularity, "popularity").popularity;
    static_cast<void>(require(load, "load"));
    const auto rows = p.predict();
    std::copy(rows.begin(), rows.end(), load);
  });
}

banyan_status banyan_popularity_get_info(const banyan_popularity* popularity, banyan_popularity_info* info) {
  return c_boundary([&] {
    const auto& p = require(popularity, "popularity").popularity;
    banyan_popularity_info full{};
    full.num_layers = p.terms().num_layers;
    full.num_experts = p.terms().num_experts;
    full.top_k = p.terms().top_k;
    full.path_length = p.terms().path_length;
    full.num_paths = p.num_paths();
    full.num_tokens = p.num_tokens();
    full.last_layer = p.last_layer();
    full.full_paths = p.use().full_paths;
    full.shorter_paths = p.use().shorter_paths;
    full.unknown = p.use().unknown;
    fill(info, full, "info");
  });
}

banyan_status banyan_popularity_export(const banyan_popularity* popularity, banyan_format format, char** text) {
  return c_boundary([&] {
    const auto& p = require(popularity, "popularity").popularity;
    auto& out = require(text, "text");
    switch (format) {
      case BANYAN_FORMAT_TEXT:
        out = copy_string(p.to_text());
        return;
      case BANYAN_FORMAT_JSON:
        out = copy_string(p.to_json());
        return;
      default:
        throw banyan::Error(BANYAN_ERR_NOT_SUPPORTED, "popularities are exported as TEXT or JSON");
    }
  });
}

banyan_status banyan_popularity_import(const char* text, banyan_popularity** popularity) {
  return c_boundary([&] {
    const std::string_view json = &require(text, "text");
    auto& out = require(popularity, "popularity");
    out = new banyan_popularity{banyan::moe::Popularity::from_json(json).value("text")};
  });
}

void banyan_popularity_free(banyan_popularity* popularity) { delete popularity; }

}  // extern "C"
