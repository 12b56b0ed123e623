// SPDX-License-Identifier: Apache-2.0
#include "comm/factory.hpp"

#include <algorithm>
#include <cstring>
#include <exception>
#include <mutex>
#include <thread>
#include <tuple>

#include "base/env.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "bootstrap/callback_bootstrap.hpp"
#include "bootstrap/launch.hpp"
#include "bootstrap/local_bootstrap.hpp"
#include "bootstrap/tcp_bootstrap.hpp"
#include "comm/agree.hpp"

namespace banyan::comm {
namespace {

/// A misspelt variable would silently change nothing; said once per process, on rank 0 alone. Not of splits, each of
/// which has a rank 0.
void warn_of_unknown_variables(int rank) {
  static std::once_flag once;
  if (rank == 0) {
    std::call_once(once, [] {
      for (const auto& unknown : env::unknown_variables()) {
        BANYAN_LOG(kWarn, "comm", "{} is set but unknown; did you mean {}?", unknown.name, unknown.nearest);
      }
    });
  }
}

/// How long a silent network is borne, by what the caller is ready to wait for an exchange: 4 s of 30 s.
double silence_s(const Settings& settings) { return settings.timeout_s / 7.5; }

/// The last steps that all ways share: control plane and connection.
std::unique_ptr<Communicator> finish(std::unique_ptr<bootstrap::Bootstrap> bootstrap, const Settings& settings,
                                     Deadline deadline, std::shared_ptr<transport::InprocHub> hub = nullptr) {
  auto control = bootstrap::make_control(*bootstrap, settings.interface_name, deadline, silence_s(settings));
  return std::make_unique<Communicator>(Communicator::Parts{
      .bootstrap = std::move(bootstrap), .control = std::move(control), .settings = settings, .hub = std::move(hub)});
}

/// Threads that share memory reach each other through it unless the caller names other transports.
Settings in_process(Settings settings) {
  if (!settings.transports_named) {
    settings.transports = {"inproc"};
    settings.transports_named = true;
  }
  return settings;
}

/// What a rank brings to a split.
struct Member {
  int color = -1;
  int key = 0;
  int parent_rank = 0;
};

std::vector<Member> gather_members(Communicator& parent, int color, int key, Deadline deadline) {
  const Member mine{.color = color, .key = key, .parent_rank = parent.rank()};
  std::vector<Member> all(static_cast<size_t>(parent.size()));
  parent.bootstrap().allgather(&mine, all.data(), sizeof mine, deadline);
  std::erase_if(all, [&](const Member& member) { return member.color != color || color < 0; });
  std::stable_sort(all.begin(), all.end(), [](const Member& a, const Member& b) {
    return std::tie(a.key, a.parent_rank) < std::tie(b.key, b.parent_rank);
  });
  return all;
}

/// In one process: the leader's hubs travel as pointers, kept alive by the leader until all have taken them.
std::unique_ptr<Communicator> split_local(Communicator& parent, const std::vector<Member>& members, int rank,
                                          Deadline deadline) {
  struct Hubs {
    std::shared_ptr<bootstrap::LocalHub> bootstrap;
    std::shared_ptr<transport::InprocHub> transport;
  };
  Hubs own;
  const int size = static_cast<int>(members.size());
  if (rank == 0) {
    own = {bootstrap::make_local_hub(size), transport::make_inproc_hub(size)};
  }
  const Hubs* mine = &own;
  std::vector<const Hubs*> all(static_cast<size_t>(parent.size()));
  parent.bootstrap().allgather(&mine, all.data(), sizeof mine, deadline);
  Hubs hubs;
  if (rank >= 0) {
    hubs = *all[static_cast<size_t>(members[0].parent_rank)];
  }
  parent.bootstrap().barrier(deadline);
  if (rank < 0) {
    return nullptr;
  }
  return finish(bootstrap::make_local_bootstrap(hubs.bootstrap, rank), parent.settings(), deadline, hubs.transport);
}

std::unique_ptr<Communicator> join(const banyan_unique_id& id, int rank, int size, const Settings& settings,
                                   Deadline deadline) {
  return finish(
      bootstrap::make_tcp_bootstrap(bootstrap::UniqueId::read(id), rank, size, settings.interface_name, deadline),
      settings, deadline);
}

std::unique_ptr<Communicator> split_processes(Communicator& parent, const std::vector<Member>& members, int rank,
                                              Deadline deadline) {
  banyan_unique_id id{};
  if (rank == 0) {
    bootstrap::create_unique_id(parent.settings().interface_name, deadline).write(id);
  }
  std::vector<banyan_unique_id> ids(static_cast<size_t>(parent.size()));
  parent.bootstrap().allgather(&id, ids.data(), sizeof id, deadline);
  if (rank < 0) {
    return nullptr;
  }
  const banyan_unique_id& leader = ids[static_cast<size_t>(members[0].parent_rank)];
  return join(leader, rank, static_cast<int>(members.size()), parent.settings(),
              Deadline::in(parent.settings().bootstrap_timeout_s));
}

}  // namespace

std::unique_ptr<Communicator> create_from_id(const banyan_unique_id& id, int rank, int size, const Settings& settings) {
  warn_of_unknown_variables(rank);
  return join(id, rank, size, settings, Deadline::in(settings.bootstrap_timeout_s));
}

std::unique_ptr<Communicator> create_with_callback(int rank, int size, banyan_allgather_fn allgather, void* context,
                                                   const Settings& settings) {
  warn_of_unknown_variables(rank);
  const Deadline deadline = Deadline::in(settings.bootstrap_timeout_s);
  auto callback = bootstrap::make_callback_bootstrap(rank, size, allgather, context);
  if (size == 1) {
    return finish(bootstrap::make_single_bootstrap(), settings, deadline);
  }
  // The callback is the caller's and used in this call only: it carries the id of a rendezvous of our own, which serves
  // from then on.
  const auto ids = exchange_or_fail(*callback, deadline, [&] {
    banyan_unique_id id{};
    if (rank == 0) {
      bootstrap::create_unique_id(settings.interface_name, deadline).write(id);
    }
    return std::string(reinterpret_cast<const char*>(id.bytes), sizeof id.bytes);
  });
  banyan_unique_id id{};
  BANYAN_CHECK(ids[0].size() == sizeof id.bytes, "rank 0's id is cut");
  std::memcpy(id.bytes, ids[0].data(), sizeof id.bytes);
  return join(id, rank, size, settings, deadline);
}

std::unique_ptr<Communicator> create_from_environment(const Settings& settings) {
  const Deadline deadline = Deadline::in(settings.bootstrap_timeout_s);
  auto bootstrap = bootstrap::connect_from_environment(settings.interface_name, deadline);
  warn_of_unknown_variables(bootstrap->rank());
  return finish(std::move(bootstrap), settings, deadline);
}

std::vector<std::unique_ptr<Communicator>> create_local(const std::vector<Settings>& settings) {
  warn_of_unknown_variables(0);
  const int size = static_cast<int>(settings.size());
  auto bootstraps = bootstrap::make_local_bootstraps(size);
  const auto hub = transport::make_inproc_hub(size);
  std::vector<std::unique_ptr<Communicator>> communicators(settings.size());
  std::vector<std::exception_ptr> failures(settings.size());
  std::vector<std::thread> threads;
  for (size_t rank = 0; rank < settings.size(); ++rank) {
    threads.emplace_back([&, rank] {
      try {
        const Settings own = in_process(settings[rank]);
        const Deadline deadline = Deadline::in(own.bootstrap_timeout_s);
        communicators[rank] = finish(std::move(bootstraps[rank]), own, deadline, hub);
      } catch (...) {
        failures[rank] = std::current_exception();
      }
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  for (const auto& failure : failures) {
    if (failure) {
      std::rethrow_exception(failure);
    }
  }
  return communicators;
}

std::unique_ptr<Communicator> split(Communicator& parent, int color, int key) {
  parent.check_usable();
  const Deadline deadline = Deadline::in(parent.settings().bootstrap_timeout_s);
  const auto members = gather_members(parent, color, key, deadline);
  const auto own = std::find_if(members.begin(), members.end(),
                                [&](const Member& member) { return member.parent_rank == parent.rank(); });
  const int rank = own == members.end() ? -1 : static_cast<int>(own - members.begin());
  auto child = parent.in_process() ? split_local(parent, members, rank, deadline)
                                   : split_processes(parent, members, rank, deadline);
  if (child) {
    child->share_cores_with(parent);
  }
  return child;
}

}  // namespace banyan::comm
