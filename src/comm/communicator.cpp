// SPDX-License-Identifier: Apache-2.0
#include "comm/communicator.hpp"

#include <sched.h>
#include <sys/random.h>

#include <cstring>
#include <map>
#include <thread>

#include "base/env.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "base/log.hpp"
#include "comm/agree.hpp"
#include "cost/inferred_racks.hpp"
#include "topology/discover.hpp"

namespace banyan::comm {
namespace {

/// What ranks tell each other first.
struct Introduction {
  uint64_t id;      ///< rank 0's is a number that no other communicator has
  cpu_set_t cores;  ///< that the process may run on; none if it cannot tell
};

std::vector<Introduction> introduce(bootstrap::Bootstrap& bootstrap, Deadline deadline) {
  Introduction mine{};
  if (bootstrap.rank() == 0 && ::getrandom(&mine.id, sizeof mine.id, 0) != sizeof mine.id) {
    throw Error(BANYAN_ERR_IO, std::string("getrandom: ") + std::strerror(errno));
  }
  if (::sched_getaffinity(0, sizeof mine.cores, &mine.cores) != 0) {
    CPU_ZERO(&mine.cores);
  }
  std::vector<Introduction> all(static_cast<size_t>(bootstrap.size()));
  bootstrap.allgather(&mine, all.data(), sizeof mine, deadline);
  return all;
}

/// Whether the ranks of a host outnumber the cores that they may run on, all together: each may be bound to its own.
bool should_yield(const std::vector<int>& ranks, const std::vector<Introduction>& introductions) {
  if (env::get("BANYAN_SPIN")) {
    return !env::get_flag("BANYAN_SPIN");
  }
  cpu_set_t cores;
  CPU_ZERO(&cores);
  for (const int rank : ranks) {
    CPU_OR(&cores, &cores, &introductions[static_cast<size_t>(rank)].cores);
  }
  const int count = CPU_COUNT(&cores);
  return ranks.size() > static_cast<size_t>(count > 0 ? count : static_cast<int>(std::thread::hardware_concurrency()));
}

}  // namespace

Communicator::Communicator(Parts parts)
    : bootstrap_(std::move(parts.bootstrap)),
      control_(std::move(parts.control)),
      watched_(*bootstrap_, *control_),
      settings_(std::move(parts.settings)),
      hub_(std::move(parts.hub)) {
  const Deadline deadline = Deadline::in(settings_.bootstrap_timeout_s);
  agree_on_settings(deadline);
  make_topology(deadline);
  const auto introductions = introduce(watched_, deadline);
  const uint64_t id = introductions[0].id;
  yields_ = should_yield(tree_.node(tree_.ancestor(rank(), topology::Tier::kNode)).ranks, introductions);
  fabric_ = std::make_unique<FabricOwner>(watched_, tree_, settings_, hub_, id, deadline);
  const auto texts = exchange_or_fail(watched_, deadline, [&] {
    if (rank() != 0 || settings_.profile_file.empty()) {
      return std::string();
    }
    const std::string text = file::read(settings_.profile_file);
    static_cast<void>(cost::profile_from_json(text).value(settings_.profile_file));
    return text;
  });
  if (!texts[0].empty()) {
    profile_ = cost::profile_from_json(texts[0]).value("rank 0's profile");
  }
  derive();
  share_tuning_file(deadline);
  BANYAN_LOG(kInfo, "comm", "rank {} of {}, {} hosts, transports {}, model {}", rank(), size(),
             tree_.at_tier(topology::Tier::kNode).size(), transports(), model_.source);
}

void Communicator::share_tuning_file(Deadline deadline) {
  const auto texts = exchange_or_fail(watched_, deadline, [&] {
    const std::string& path = settings_.tuning_file;
    return rank() == 0 && !path.empty() ? path + '\n' + file::read(path) : std::string();
  });
  if (const size_t end = texts[0].find('\n'); end != std::string::npos) {
    tuning_file_ = SharedFile{texts[0].substr(0, end), texts[0].substr(end + 1)};
  }
}

Communicator::~Communicator() {
  // The control plane leaves before the connections close, so that closing is no failure to others.
  control_->leave();
}

void Communicator::agree_on_settings(Deadline deadline) {
  std::string transports;
  for (const auto& name : settings_.transports) {
    transports += (transports.empty() ? "" : ",") + name;
  }
  require_equal(
      watched_, deadline,
      {{"the library's version", std::to_string(BANYAN_VERSION_MAJOR) + "." + std::to_string(BANYAN_VERSION_MINOR) +
                                     "." + std::to_string(BANYAN_VERSION_PATCH)},
       {"the list of transports", transports},
       {"the aggregate limit", std::to_string(settings_.aggregate_limit_bytes)},
       {"BANYAN_CHUNK_BYTES", std::to_string(settings_.chunk_bytes)},
       {"BANYAN_WINDOW", std::to_string(settings_.window)},
       {"BANYAN_WINDOW_BYTES", std::to_string(settings_.window_bytes)},
       {"BANYAN_OWN_RAIL", settings_.own_rail ? "1" : "0"},
       {"BANYAN_TUNER", settings_.tunes ? "1" : "0"},
       {"BANYAN_RAILS", std::to_string(settings_.rails)},
       {"BANYAN_ALGORITHM", settings_.algorithm}});
}

void Communicator::make_topology(Deadline deadline) {
  const auto texts = exchange_or_fail(watched_, deadline, [&] {
    return topology::to_json(
        topology::discover_host({.host_id = settings_.host_id, .interface_name = settings_.interface_name}));
  });
  // Ranks of one host mostly say the same: parse each text once.
  std::map<std::string, topology::Graph> parsed;
  std::vector<topology::Graph> parts;
  parts.reserve(texts.size());
  for (size_t r = 0; r < texts.size(); ++r) {
    auto [entry, is_new] = parsed.try_emplace(texts[r]);
    if (is_new) {
      entry->second = topology::from_json(texts[r]).value("the topology of rank " + std::to_string(r));
    }
    parts.push_back(entry->second);
  }
  discovered_ = topology::merge(parts);
  const auto files = exchange_or_fail(watched_, deadline, [&] {
    if (rank() != 0 || settings_.topology_file.empty()) {
      return std::string();
    }
    const std::string text = file::read(settings_.topology_file);
    static_cast<void>(topology::from_text(text).value(settings_.topology_file));
    return text;
  });
  if (!files[0].empty()) {
    topology::overlay_switches(discovered_, topology::from_text(files[0]).value("rank 0's topology file"));
  }
  derive();
}

void Communicator::set_profile(const std::optional<cost::Profile>& profile) {
  check_usable();
  const Deadline deadline = Deadline::in(settings_.timeout_s);
  const auto texts =
      watched_.allgather_strings(rank() == 0 && profile ? cost::to_json(*profile) : std::string(), deadline);
  profile_.reset();
  if (!texts[0].empty()) {
    profile_ = cost::profile_from_json(texts[0]).value("rank 0's profile");
  }
  derive();
}

void Communicator::derive() {
  graph_ = discovered_;
  if (profile_ && cost::add_inferred_racks(graph_, *profile_)) {
    BANYAN_LOG(kInfo, "comm", "the profile's racks, inferred from rates, are used");
  }
  tree_ = topology::LocalityTree::derive(graph_);
  model_ = profile_ ? cost::measured_model(tree_, *profile_) : cost::nominal_model(tree_);
}

void Communicator::check_usable() {
  if (control_->state().raised()) {
    throw Error(control_->state().status(), control_->state().text());
  }
}

void Communicator::say_goodbye() noexcept {
  try {
    // Ranks as threads leave nothing behind in a transport, and one thread may destroy them all in turn.
    if (!in_process() && !control_->state().raised()) {
      bootstrap_->barrier(Deadline::in(settings_.timeout_s));
    }
  } catch (const std::exception& error) {
    BANYAN_LOG(kInfo, "comm", "goodbye of rank {} went unanswered: {}", rank(), error.what());
  }
}

}  // namespace banyan::comm
