// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "banyan/comm.h"

namespace banyan::comm {

/// A communicator's configuration with environment and defaults applied. A value.
struct Settings {
  double timeout_s = 30;
  double bootstrap_timeout_s = 60;
  std::vector<std::string> transports = {"shm", "ucx"};
  bool transports_named = false;  ///< by the caller or the environment: each must exist
  std::string interface_name;
  size_t rails = 0;       ///< most networks to spread messages to other hosts over; 0: no limit
  bool own_rail = false;  ///< a rank's messages to other hosts take one of them
  std::string topology_file;
  std::string profile_file;
  std::string tuning_file;
  std::string host_id;
  size_t aggregate_limit_bytes = 0;  ///< 0: the model chooses; SIZE_MAX: never aggregate
  size_t chunk_bytes = 0;            ///< 0: the planner's choice, planner::Pace
  int window = 0;                    ///< likewise
  size_t window_bytes = 0;           ///< likewise
  bool tunes = true;                 ///< repeated exchanges try several ways (coll::Tuner)
  std::string algorithm;             ///< of every exchange that names none
};

/// `config` may be null. Error{INVALID_ARGUMENT} naming the member or variable that is wrong.
[[nodiscard]] Settings resolve_settings(const banyan_comm_config* config);

}  // namespace banyan::comm
