// SPDX-License-Identifier: Apache-2.0
#include "transport/registry.hpp"

#include <atomic>
#include <set>

#include "transport/plugin_kind.hpp"

namespace banyan::transport {
namespace {

/// Completed plugin tables are as immortal as the plugins; the list keeps one per plugin, reachable for leak checkers.
struct ImmortalTable {
  const banyan_transport_ops* source;
  std::unique_ptr<banyan_transport_ops> complete;
  ImmortalTable* next;
};
std::atomic<ImmortalTable*> immortal_tables{nullptr};

const banyan_transport_ops& keep_forever(const banyan_transport_ops& source, const std::string& origin) {
  for (auto* entry = immortal_tables.load(std::memory_order_acquire); entry != nullptr; entry = entry->next) {
    if (entry->source == &source) {
      return *entry->complete;
    }
  }
  auto entry = std::make_unique<ImmortalTable>(ImmortalTable{&source, complete_table(source, origin), nullptr});
  entry->next = immortal_tables.load(std::memory_order_relaxed);
  while (!immortal_tables.compare_exchange_weak(entry->next, entry.get(), std::memory_order_release,
                                                std::memory_order_relaxed)) {
  }
  return *entry.release()->complete;
}

}  // namespace

TransportRegistry::TransportRegistry() : tables_{{"inproc", &inproc_table()}, {"shm", &shm_table()}} {}

const banyan_transport_ops& TransportRegistry::find(const std::string& name) {
  if (const auto known = tables_.find(name); known != tables_.end()) {
    return *known->second;
  }
  const std::string origin = plugins::find(kTransportPlugins, name).string();
  const auto& table = keep_forever(plugins::load<banyan_transport_query_fn>(kTransportPlugins, origin), origin);
  plugins::check_name(kTransportPlugins, table.name, name, origin);
  tables_.emplace(name, &table);
  return table;
}

std::vector<std::string> TransportRegistry::available() const {
  const std::vector<std::string> found = plugins::available(kTransportPlugins);
  std::set<std::string> names(found.begin(), found.end());
  for (const auto& [name, table] : tables_) {
    names.insert(name);
  }
  return {names.begin(), names.end()};
}

}  // namespace banyan::transport
