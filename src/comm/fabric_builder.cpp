// SPDX-License-Identifier: Apache-2.0
#include "comm/fabric_builder.hpp"

#include <sched.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/error.hpp"
#include "base/log.hpp"
#include "comm/agree.hpp"

namespace banyan::comm {
namespace {

using topology::Tier;

/// Memory of a rank's rings, divided among the ranks of its domain.
constexpr size_t kRingBudgetBytes = size_t{8} << 20;
/// Within this a byte must have come over a network for it to be used.
constexpr double kRailTrialSeconds = 5;
constexpr size_t kMinSlotBytes = 4096;
constexpr size_t kMaxSlotBytes = size_t{128} << 10;

/// Equal on all ranks: that of the largest domain.
size_t slot_bytes(const topology::LocalityTree& tree) {
  size_t largest = 1;
  for (const int node : tree.at_tier(Tier::kDomain)) {
    largest = std::max(largest, tree.node(node).ranks.size());
  }
  const size_t share = kRingBudgetBytes / (largest * transport::kRingSlots);
  return std::clamp(std::bit_floor(std::max(share, kMinSlotBytes)), kMinSlotBytes, kMaxSlotBytes);
}

std::string pack(const std::vector<std::string>& pieces) {
  std::string packed;
  for (const auto& piece : pieces) {
    const auto size = static_cast<uint32_t>(piece.size());
    packed.append(reinterpret_cast<const char*>(&size), sizeof size);
    packed += piece;
  }
  return packed;
}

std::vector<std::string> unpack(const std::string& packed, size_t count) {
  std::vector<std::string> pieces;
  size_t at = 0;
  while (pieces.size() < count && at + sizeof(uint32_t) <= packed.size()) {
    uint32_t size = 0;
    std::memcpy(&size, packed.data() + at, sizeof size);
    at += sizeof size;
    if (size > packed.size() - at) {
      break;
    }
    pieces.push_back(packed.substr(at, size));
    at += size;
  }
  BANYAN_CHECK(pieces.size() == count, "a peer's list of addresses is short");
  return pieces;
}

std::string join_names(const std::vector<std::unique_ptr<transport::Transport>>& transports) {
  std::string names;
  for (const auto& transport : transports) {
    names += (names.empty() ? "" : ",") + std::string(transport->name());
  }
  return names.empty() ? "none" : names;
}

}  // namespace

FabricOwner::FabricOwner(bootstrap::Bootstrap& bootstrap, const topology::LocalityTree& tree, const Settings& settings,
                         std::shared_ptr<transport::InprocHub> hub, uint64_t comm_id, Deadline deadline)
    : settings_(settings), comm_id_(comm_id), hub_(std::move(hub)) {
  fabric_.rank = bootstrap.rank();
  fabric_.peers.resize(static_cast<size_t>(bootstrap.size()));
  fabric_.peers[static_cast<size_t>(fabric_.rank)].same_host = true;
  if (bootstrap.size() == 1) {
    description_ = "none";
    return;
  }
  agree_on_rails(bootstrap, tree, deadline);
  open(bootstrap, deadline);
  connect(bootstrap, tree, deadline);
  add_rails(bootstrap, tree, deadline);
  map_rings(bootstrap, tree, deadline);
}

FabricOwner::~FabricOwner() { close(); }

void FabricOwner::close() noexcept {
  fabric_.transports.clear();
  fabric_.rails.clear();
  for (auto& peer : fabric_.peers) {
    peer = {};
  }
  fabric_.ring_capacity = 0;
  senders_.clear();
  receivers_.clear();
  mappings_.clear();
  window_.reset();
  transports_.clear();
}

std::unique_ptr<transport::Transport> FabricOwner::open_one(const std::string& name, const std::string& interfaces) {
  banyan_transport_config config{};
  config.struct_size = sizeof config;
  config.rank = fabric_.rank;
  config.size = fabric_.size();
  config.comm_id = comm_id_;
  config.interface_name = interfaces.empty() ? nullptr : interfaces.c_str();
  // One that nothing comes over must not hold up its end for long.
  config.timeout_s = rail_interfaces_.empty() ? settings_.timeout_s : std::min(settings_.timeout_s, kRailTrialSeconds);
  config.host_context = name == "inproc" ? hub_.get() : nullptr;
  return std::make_unique<transport::Transport>(registry_.find(name), config);
}

/// Where several networks join the hosts, each gets transports of its own: a transport may use only one of several.
void FabricOwner::agree_on_rails(bootstrap::Bootstrap& bootstrap, const topology::LocalityTree& tree,
                                 Deadline deadline) {
  if (tree.at_tier(Tier::kNode).size() < 2) {
    return;
  }
  const auto own = [&] { return to_text(own_interfaces(settings_.interface_name)); };
  std::vector<std::vector<Interface>> interfaces;
  std::vector<int> hosts;
  for (const std::string& text : exchange_or_fail(bootstrap, deadline, own)) {
    hosts.push_back(tree.ancestor(static_cast<int>(interfaces.size()), Tier::kNode));
    interfaces.push_back(interfaces_from_text(text));
  }
  rails_ = choose_rails(interfaces, hosts, settings_.rails);
  if (rails_.count() < 2 && settings_.rails != 1) {
    return;  // what it uses of this host's is the transport's choice
  }
  for (const std::string& subnet : rails_.subnets) {
    const auto& mine = interfaces[static_cast<size_t>(bootstrap.rank())];
    rail_interfaces_.push_back(
        std::find_if(mine.begin(), mine.end(), [&](const Interface& i) { return i.subnet == subnet; })->name);
  }
}

void FabricOwner::open(bootstrap::Bootstrap& bootstrap, Deadline deadline) {
  const auto local = [&] {
    std::string opened;
    for (const std::string& name : settings_.transports) {
      try {
        auto transport = open_one(name, rail_interfaces_.empty() ? settings_.interface_name : rail_interfaces_[0]);
        opened += name + ",";
        transports_.push_back(std::move(transport));
      } catch (const Error& error) {
        if (settings_.transports_named) {
          throw;
        }
        BANYAN_LOG(kInfo, "transport", "{} is not used: {}", name, error.what());
      }
    }
    return opened;
  };
  // A transport that is not open everywhere is of no use anywhere.
  const auto opened = exchange_or_fail(bootstrap, deadline, local);
  std::erase_if(transports_, [&](const auto& transport) {
    const std::string needle = std::string(transport->name()) + ",";
    return !std::all_of(opened.begin(), opened.end(), [&](const std::string& names) {
      return ("," + names).find("," + needle) != std::string::npos;
    });
  });
}

/// Makes the links to all peers; `addresses[peer][t]` is the peer's address on transport t.
void FabricOwner::link_peers(const topology::LocalityTree& tree,
                             const std::vector<std::vector<std::string>>& addresses) {
  for (int peer = 0; peer < fabric_.size(); ++peer) {
    if (peer == fabric_.rank) {
      continue;
    }
    auto& link = fabric_.peers[static_cast<size_t>(peer)];
    link.same_host = tree.same_host(fabric_.rank, peer);
    link.transport = tree.mapped(fabric_.rank, peer) ? local_ : remote_;
    const auto used = std::find_if(transports_.begin(), transports_.end(),
                                   [&](const auto& transport) { return transport.get() == link.transport; });
    link.transport->connect(peer,
                            addresses[static_cast<size_t>(peer)][static_cast<size_t>(used - transports_.begin())]);
  }
}

FabricOwner::Reach FabricOwner::agree_on_reach(bootstrap::Bootstrap& bootstrap, const topology::LocalityTree& tree,
                                               const std::vector<std::vector<std::string>>& addresses,
                                               Deadline deadline) {
  const int rank = bootstrap.rank();
  const auto reach = [&] {
    std::string bits(2, '\xff');
    for (size_t t = 0; t < transports_.size(); ++t) {
      for (int peer = 0; peer < bootstrap.size(); ++peer) {
        if (peer != rank && !transports_[t]->is_reachable(peer, addresses[static_cast<size_t>(peer)][t])) {
          bits[tree.mapped(rank, peer) ? 0 : 1] &= static_cast<char>(~(1U << t));
        }
      }
    }
    return bits;
  };
  Reach all;
  for (const std::string& bits : exchange_or_fail(bootstrap, deadline, reach)) {
    all.inside &= static_cast<unsigned char>(bits.at(0));
    all.outside &= static_cast<unsigned char>(bits.at(1));
  }
  // Ranks with different host identities must not share memory, even where they could.
  unsigned between_hosts = 0;
  for (size_t t = 0; t < transports_.size(); ++t) {
    between_hosts |= transports_[t]->has(BANYAN_TRANSPORT_CAP_INTER_HOST) ? 1U << t : 0U;
  }
  if (tree.at_tier(Tier::kNode).size() > 1 && (all.outside & between_hosts) != 0) {
    all.outside &= between_hosts;
  }
  return all;
}

transport::Transport* FabricOwner::first_of(unsigned mask, const char* where) const {
  const auto index = static_cast<size_t>(std::countr_zero(mask));
  if (index >= transports_.size()) {
    throw Error(BANYAN_ERR_NOT_SUPPORTED,
                std::string("ranks ") + where + " cannot reach each other over " + join_names(transports_) +
                    "; name other transports or interfaces, or set BANYAN_LOG=info to see why "
                    "a transport is not used");
  }
  return transports_[index].get();
}

void FabricOwner::connect(bootstrap::Bootstrap& bootstrap, const topology::LocalityTree& tree, Deadline deadline) {
  const auto own_addresses = [&] {
    std::vector<std::string> mine;
    for (const auto& transport : transports_) {
      mine.push_back(transport->address());
    }
    return pack(mine);
  };
  std::vector<std::vector<std::string>> addresses;
  for (const std::string& packed : exchange_or_fail(bootstrap, deadline, own_addresses)) {
    addresses.push_back(unpack(packed, transports_.size()));
  }
  const Reach reach = agree_on_reach(bootstrap, tree, addresses, deadline);
  const auto domains = tree.at_tier(Tier::kDomain);
  const bool any_inside =
      std::any_of(domains.begin(), domains.end(), [&](int node) { return tree.node(node).ranks.size() > 1; });
  local_ = any_inside ? first_of(reach.inside, "of one memory domain") : nullptr;
  remote_ = domains.size() > 1 ? first_of(reach.outside, "of different memory domains") : nullptr;
  description_ = local_ != nullptr ? local_->name() : "";
  if (remote_ != nullptr && remote_ != local_) {
    description_ += (description_.empty() ? "" : ",") + std::string(remote_->name());
  }
  static_cast<void>(exchange_or_fail(bootstrap, deadline, [&] {
    link_peers(tree, addresses);
    return std::string();
  }));
  std::erase_if(transports_, [&](const auto& t) { return t.get() != local_ && t.get() != remote_; });
  for (const auto& transport : transports_) {
    fabric_.transports.push_back(transport.get());
  }
}

/// The other networks' transports, to the ranks of other hosts.
void FabricOwner::add_rails(bootstrap::Bootstrap& bootstrap, const topology::LocalityTree& tree, Deadline deadline) {
  if (rail_interfaces_.size() < 2 || remote_ == nullptr || !remote_->has(BANYAN_TRANSPORT_CAP_INTER_HOST)) {
    return;
  }
  fabric_.rails = {remote_};
  const auto own_addresses = [&] {
    std::vector<std::string> mine;
    for (size_t rail = 1; rail < rail_interfaces_.size(); ++rail) {
      transports_.push_back(open_one(remote_->name(), rail_interfaces_[rail]));
      fabric_.transports.push_back(transports_.back().get());
      fabric_.rails.push_back(transports_.back().get());
      mine.push_back(transports_.back()->address());
    }
    return pack(mine);
  };
  const auto packed = exchange_or_fail(bootstrap, deadline, own_addresses);
  static_cast<void>(exchange_or_fail(bootstrap, deadline, [&] {
    for (int peer = 0; peer < fabric_.size(); ++peer) {
      const auto addresses = unpack(packed[static_cast<size_t>(peer)], fabric_.rails.size() - 1);
      const bool over_rails = fabric_.peers[static_cast<size_t>(peer)].transport == remote_;
      for (size_t rail = 1; rail < fabric_.rails.size() && over_rails; ++rail) {
        fabric_.rails[rail]->connect(peer, addresses[rail - 1]);
      }
    }
    return std::string();
  }));
  try_rails(bootstrap, tree, deadline);
}

/// Leaves out networks over which nothing comes, on any rank: a firewall, or addresses that are equal by chance.
void FabricOwner::try_rails(bootstrap::Bootstrap& bootstrap, const topology::LocalityTree& tree, Deadline deadline) {
  const auto local = [&] {
    for (transport::Transport* rail : fabric_.rails) {
      trials_.push_back(std::make_unique<RailTrial>(*rail, fabric_.rank, tree));
    }
    const Deadline limit = Deadline::in(std::min(kRailTrialSeconds, deadline.remaining_s()));
    const auto waits = [](const auto& trial) { return trial->advance() == RailTrial::State::kWaiting; };
    while (std::count_if(trials_.begin(), trials_.end(), waits) > 0 && !limit.passed()) {
      ::sched_yield();
    }
    std::string passed;
    for (const auto& trial : trials_) {
      passed += trial->advance() == RailTrial::State::kPassed ? '1' : '0';
    }
    return passed;
  };
  std::vector<bool> keep(fabric_.rails.size(), true);
  for (const std::string& passed : exchange_or_fail(bootstrap, deadline, local)) {
    for (size_t rail = 0; rail < keep.size(); ++rail) {
      keep[rail] = keep[rail] && passed.at(rail) == '1';
    }
  }
  const bool none_passed = std::find(keep.begin(), keep.end(), true) == keep.end();
  if (none_passed) {
    keep[0] = true;  // its errors will tell why
  }
  for (size_t rail = 0; rail < keep.size(); ++rail) {
    if (!keep[rail] && fabric_.rank == 0) {
      BANYAN_LOG(kWarn, "comm", "the network {} joins all hosts by its addresses, but nothing came over it: left out",
                 rails_.subnets[rail]);
    }
  }
  keep_only(keep);
  if (!none_passed) {
    trials_.clear();  // else what the first posted is still posted
  }
}

/// Closes the transports of the other rails, and takes what is left for what they were used for.
void FabricOwner::keep_only(const std::vector<bool>& keep) {
  const auto is_dropped = [&](const transport::Transport* transport) {
    const auto rail = std::find(fabric_.rails.begin(), fabric_.rails.end(), transport);
    return rail != fabric_.rails.end() && !keep[static_cast<size_t>(rail - fabric_.rails.begin())];
  };
  transport::Transport* first =
      fabric_.rails[static_cast<size_t>(std::find(keep.begin(), keep.end(), true) - keep.begin())];
  for (auto& link : fabric_.peers) {
    link.transport = link.transport == remote_ ? first : link.transport;
  }
  remote_ = first;
  std::erase_if(fabric_.transports, is_dropped);
  std::erase_if(transports_, [&](const auto& transport) { return is_dropped(transport.get()); });
  size_t rail = 0;
  std::erase_if(fabric_.rails, [&](const transport::Transport*) { return !keep[rail++]; });
  rails_ = keep_rails(rails_, keep);
  if (rails_.count() < 2) {
    fabric_.rails.clear();
    return;
  }
  fabric_.rail_pattern = rails_.pattern;
  description_ += " on " + std::to_string(rails_.count()) + " rails";
}

void FabricOwner::map_rings(bootstrap::Bootstrap& bootstrap, const topology::LocalityTree& tree, Deadline deadline) {
  if (local_ == nullptr || !local_->has(BANYAN_TRANSPORT_CAP_MAPPED)) {
    return;
  }
  const size_t slot = slot_bytes(tree);
  const size_t ring = transport::RingMemory::bytes(slot);
  const int rank = bootstrap.rank();
  const auto& domain = tree.node(tree.ancestor(rank, Tier::kDomain)).ranks;
  const auto handles = exchange_or_fail(bootstrap, deadline, [&] {
    window_ = std::make_unique<transport::Transport::Window>(*local_, domain.size() * ring);
    return window_->handle();
  });
  const auto own = static_cast<size_t>(std::find(domain.begin(), domain.end(), rank) - domain.begin());
  static_cast<void>(exchange_or_fail(bootstrap, deadline, [&] {
    for (size_t i = 0; i < domain.size(); ++i) {
      if (domain[i] == rank) {
        continue;
      }
      const auto peer = static_cast<size_t>(domain[i]);
      mappings_.push_back(std::make_unique<transport::Transport::Mapping>(*local_, domain[i], handles[peer]));
      auto* out = static_cast<std::byte*>(mappings_.back()->base()) + own * ring;
      auto* in = static_cast<std::byte*>(window_->base()) + i * ring;
      senders_.push_back(std::make_unique<transport::RingSender>(transport::RingMemory{out, slot}));
      receivers_.push_back(std::make_unique<transport::RingReceiver>(transport::RingMemory{in, slot}));
      fabric_.peers[peer].ring_out = senders_.back().get();
      fabric_.peers[peer].ring_in = receivers_.back().get();
    }
    return std::string();
  }));
  fabric_.ring_capacity = ring_capacity(tree);
}

size_t ring_capacity(const topology::LocalityTree& tree) { return slot_bytes(tree) - sizeof(transport::SlotHeader); }

}  // namespace banyan::comm
