// SPDX-License-Identifier: Apache-2.0
#include "banyan/placement.h"

#include <algorithm>
#include <cstring>

#include "base/checked.hpp"
#include "c_api/boundary.hpp"
#include "c_api/handles.hpp"
#include "c_api/placement_handles.hpp"
#include "cost/inferred_racks.hpp"

namespace banyan::c_api {
namespace {

/// An array of the caller, empty where it is NULL or a number of its entries is not positive.
template <typename T>
std::span<const T> span_of(const T* array, int rows, int columns, const char* name) {
  if (array == nullptr || rows < 1 || columns < 1) {
    return {};
  }
  const auto entries = checked::multiply(static_cast<size_t>(rows), static_cast<size_t>(columns));
  if (!entries || !checked::multiply(*entries, sizeof(T))) {
    throw Error(BANYAN_ERR_LIMIT, std::string(name) + " of " + std::to_string(rows) + " * " + std::to_string(columns) +
                                      " entries overflows size_t");
  }
  return {array, *entries};
}

bool flag(int value, const char* name) {
  if (value != 0 && value != 1) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT, std::string(name) + " is " + std::to_string(value) + ", must be 0 or 1");
  }
  return value == 1;
}

/// What a placement is made on; the terms borrow it.
struct Machine {
  explicit Machine(const banyan_placement_config& config)
      : tree(tree_of(config)),
        model(config.profile != nullptr ? cost::measured_model(tree, config.profile->profile)
                                        : cost::nominal_model(tree)) {}

  static topology::LocalityTree tree_of(const banyan_placement_config& config) {
    topology::Graph graph = require(config.topology, "config.topology").graph;
    if (config.profile != nullptr) {
      static_cast<void>(cost::add_inferred_racks(graph, config.profile->profile));
    }
    return topology::LocalityTree::derive(graph);
  }

  topology::LocalityTree tree;
  cost::CostModel model;
};

moe::PlacementTerms terms_of(const banyan_placement_config& config, const Machine& machine) {
  const int ranks = machine.tree.num_ranks();
  return {.tree = machine.tree,
          .model = machine.model,
          .num_experts = config.num_experts,
          .load = span_of(config.load, 1, config.num_experts, "load"),
          .rank_load = span_of(config.rank_load, ranks, config.num_experts, "rank_load"),
          .slots_per_rank = config.slots_per_rank,
          .slots = span_of(config.slots, 1, ranks, "slots"),
          .max_replicas = config.max_replicas,
          .home = span_of(config.home, 1, config.num_experts, "home"),
          .fill_slots = flag(config.fill_slots, "config.fill_slots"),
          .balance_slack = config.balance_slack,
          .epoch = config.epoch};
}

/// Text or JSON of an object that has to_text() and to_json().
template <typename Value>
char* exported(const Value& value, banyan_format format, const char* what) {
  switch (format) {
    case BANYAN_FORMAT_TEXT:
      return copy_string(value.to_text());
    case BANYAN_FORMAT_JSON:
      return copy_string(value.to_json());
    default:
      throw Error(BANYAN_ERR_NOT_SUPPORTED, std::string(what) + " are exported as TEXT or JSON");
  }
}

template <typename T>
const T& entry(const std::vector<T>& list, size_t index, const char* what) {
  if (index >= list.size()) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT,
                "index is " + std::to_string(index) + ", but there are " + std::to_string(list.size()) + " " + what);
  }
  return list[index];
}

}  // namespace
}  // namespace banyan::c_api

using banyan::c_api::c_boundary;
using banyan::c_api::complete;
using banyan::c_api::entry;
using banyan::c_api::exported;
using banyan::c_api::fill;
using banyan::c_api::Machine;
using banyan::c_api::require;
using banyan::c_api::span_of;
using banyan::c_api::terms_of;

extern "C" {

banyan_status banyan_placement_create(const banyan_placement_config* config, banyan_placement** placement) {
  return c_boundary([&] {
    auto& out = require(placement, "placement");
    const auto full = complete(&require(config, "config"), "config");
    const Machine machine(full);
    out = new banyan_placement{banyan::moe::Placement::make(terms_of(full, machine))};
  });
}

banyan_status banyan_placement_from_replicas(const banyan_placement_config* config, const int* num_replicas,
                                             const int* ranks, banyan_placement** placement) {
  return c_boundary([&] {
    auto& out = require(placement, "placement");
    const auto full = complete(&require(config, "config"), "config");
    static_cast<void>(require(num_replicas, "num_replicas"));
    static_cast<void>(require(ranks, "ranks"));
    const Machine machine(full);
    out = new banyan_placement{banyan::moe::Placement::from_replicas(terms_of(full, machine), num_replicas, ranks)};
  });
}

banyan_status banyan_placement_with_epoch(const banyan_placement* placement, uint64_t epoch, banyan_placement** copy) {
  return c_boundary([&] {
    const auto& p = require(placement, "placement").placement;
    auto& out = require(copy, "copy");
    out = new banyan_placement{p.with_epoch(epoch)};
  });
}

banyan_status banyan_placement_get_info(const banyan_placement* placement, banyan_placement_info* info) {
  return c_boundary([&] {
    const auto& p = require(placement, "placement").placement;
    banyan_placement_info full{};
    full.num_ranks = p.hosts().num_ranks();
    full.num_hosts = p.hosts().count();
    full.num_experts = p.num_experts();
    full.num_replicas = p.num_replicas();
    full.epoch = p.epoch();
    full.digest = p.digest();
    full.mean_load = p.figures().mean_load;
    full.max_load_before = p.figures().max_load_before;
    full.max_load = p.figures().max_load;
    full.remote_rows_before = p.figures().remote_rows_before;
    full.remote_rows = p.figures().remote_rows;
    fill(info, full, "info");
  });
}

banyan_status banyan_placement_replicas(const banyan_placement* placement, int* num_replicas, int* ranks) {
  return c_boundary([&] {
    for (const auto& own : require(placement, "placement").placement.replicas()) {
      if (num_replicas != nullptr) {
        *num_replicas++ = static_cast<int>(own.size());
      }
      if (ranks != nullptr) {
        ranks = std::copy(own.begin(), own.end(), ranks);
      }
    }
  });
}

banyan_status banyan_placement_shares(const banyan_placement* placement, int source_rank, int expert, double* shares) {
  return c_boundary([&] {
    const auto row = require(placement, "placement").placement.shares(source_rank, expert);
    std::copy(row.begin(), row.end(), &require(shares, "shares"));
  });
}

banyan_status banyan_placement_split(const banyan_placement* placement, int source_rank, int expert, size_t rows,
                                     size_t* counts) {
  return c_boundary([&] {
    const auto parts = require(placement, "placement").placement.split(source_rank, expert, rows);
    std::copy(parts.begin(), parts.end(), &require(counts, "counts"));
  });
}

banyan_status banyan_placement_export(const banyan_placement* placement, banyan_format format, char** text) {
  return c_boundary([&] {
    const auto& p = require(placement, "placement").placement;
    auto& out = require(text, "text");
    out = exported(p, format, "placements");
  });
}

void banyan_placement_free(banyan_placement* placement) { delete placement; }

banyan_status banyan_placement_moves(const banyan_placement* from, const banyan_placement* to,
                                     const size_t* expert_bytes, banyan_moves** moves) {
  return c_boundary([&] {
    const auto& before = require(from, "from").placement;
    const auto& after = require(to, "to").placement;
    auto& out = require(moves, "moves");
    static_cast<void>(require(expert_bytes, "expert_bytes"));
    out = new banyan_moves{
        banyan::moe::moves_between(before, after, {expert_bytes, static_cast<size_t>(before.num_experts())})};
  });
}

banyan_status banyan_moves_get_info(const banyan_moves* moves, banyan_moves_info* info) {
  return c_boundary([&] {
    const auto& m = require(moves, "moves").moves;
    banyan_moves_info full{};
    full.num_moves = m.list.size();
    full.num_links = m.links.size();
    full.bytes = m.bytes;
    full.remote_bytes = m.remote_bytes;
    full.peak_slots = m.peak_slots;
    full.time_s = m.time_s();
    fill(info, full, "info");
  });
}

banyan_status banyan_moves_get(const banyan_moves* moves, size_t index, banyan_move* move) {
  return c_boundary([&] {
    const auto& m = entry(require(moves, "moves").moves.list, index, "moves");
    banyan_move full{};
    full.expert = m.expert;
    full.from_rank = m.from;
    full.to_rank = m.to;
    full.bytes = m.bytes;
    fill(move, full, "move");
  });
}

banyan_status banyan_moves_link(const banyan_moves* moves, size_t index, banyan_move_link* link) {
  return c_boundary([&] {
    const auto& l = entry(require(moves, "moves").moves.links, index, "links");
    banyan_move_link full{};
    std::strncpy(full.name, l.name.c_str(), sizeof full.name - 1);
    full.incoming = l.incoming ? 1 : 0;
    full.bytes = l.bytes;
    full.capacity_bytes_per_s = l.capacity_bytes_per_s;
    full.time_s = l.time_s();
    fill(link, full, "link");
  });
}

banyan_status banyan_moves_export(const banyan_moves* moves, banyan_format format, char** text) {
  return c_boundary([&] {
    const auto& m = require(moves, "moves").moves;
    auto& out = require(text, "text");
    out = exported(m, format, "moves");
  });
}

void banyan_moves_free(banyan_moves* moves) { delete moves; }

}  // extern "C"
