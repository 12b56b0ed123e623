// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "banyan/device.h"
#include "banyan/device_plugin.h"
#include "c_api/boundary.hpp"
#include "c_api/counts.hpp"
#include "c_api/handles.hpp"
#include "comm/device_group.hpp"

struct banyan_device_group {
  banyan_device_group(banyan_comm& of, const banyan::comm::DeviceTerms& terms)
      : comm(of), group(*of.communicator, terms) {}

  banyan_comm& comm;
  banyan::comm::DeviceGroup group;
  banyan::c_api::Layout layout;  ///< of the last exchange
  int num_tokens = 0;            ///< token exchanges that are not freed
};

namespace banyan::c_api {

/// What is wrong is left to the collective part of a creation, so that all ranks hear of it.
template <typename Body>
std::string problem_of(const Body& body) {
  try {
    body();
    return {};
  } catch (const Error& error) {
    return error.what();
  }
}

/// Options of both token exchanges, which have these members alike.
template <typename Options>
banyan_device_tokens_config tokens_config_of(const Options& options) {
  if (options.dtype < BANYAN_DTYPE_DEFAULT || options.dtype > BANYAN_DTYPE_BYTES) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT, "options.dtype is " + std::to_string(options.dtype));
  }
  banyan_device_tokens_config config{};
  config.struct_size = sizeof(config);
  config.max_tokens = options.max_tokens;
  config.top_k = options.top_k;
  config.num_experts = options.num_experts;
  config.rank_of_expert = options.rank_of_expert;
  config.row_bytes = options.row_bytes;
  config.dtype = options.dtype == BANYAN_DTYPE_DEFAULT ? BANYAN_DTYPE_FP32 : static_cast<banyan_dtype>(options.dtype);
  config.max_blocks = options.max_blocks;
  return config;
}

[[nodiscard]] banyan_device_dispatch dispatch_of(const banyan_device_tokens_batch* batch);

}  // namespace banyan::c_api
