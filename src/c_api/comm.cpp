// SPDX-License-Identifier: Apache-2.0
#include "banyan/comm.h"

#include "bootstrap/unique_id.hpp"
#include "c_api/boundary.hpp"
#include "c_api/handles.hpp"
#include "comm/factory.hpp"

namespace banyan::c_api {

std::unique_ptr<banyan_comm> wrap(std::unique_ptr<comm::Communicator> communicator) {
  auto handle = std::make_unique<banyan_comm>();
  handle->engine = std::make_unique<coll::Engine>(*communicator);
  handle->communicator = std::move(communicator);
  refresh_profile(*handle);
  return handle;
}

void refresh_profile(banyan_comm& comm) {
  comm.topology.graph = comm.communicator->graph();
  comm.profile.reset();
  if (comm.communicator->profile()) {
    comm.profile = banyan_profile{*comm.communicator->profile()};
  }
}

}  // namespace banyan::c_api

using banyan::c_api::c_boundary;
using banyan::c_api::require;
using banyan::c_api::wrap;
using banyan::comm::resolve_settings;

extern "C" {

banyan_status banyan_unique_id_create(const banyan_comm_config* config, banyan_unique_id* id) {
  return c_boundary([&] {
    const auto settings = resolve_settings(config);
    auto& out = require(id, "id");
    banyan::bootstrap::create_unique_id(settings.interface_name, banyan::Deadline::in(settings.bootstrap_timeout_s))
        .write(out);
  });
}

banyan_status banyan_comm_create_from_id(const banyan_unique_id* id, int rank, int size,
                                         const banyan_comm_config* config, banyan_comm** comm) {
  return c_boundary([&] {
    auto& out = require(comm, "comm");
    out = wrap(banyan::comm::create_from_id(require(id, "id"), rank, size, resolve_settings(config))).release();
  });
}

banyan_status banyan_comm_create(int rank, int size, banyan_allgather_fn allgather, void* context,
                                 const banyan_comm_config* config, banyan_comm** comm) {
  return c_boundary([&] {
    auto& out = require(comm, "comm");
    out = wrap(banyan::comm::create_with_callback(rank, size, allgather, context, resolve_settings(config))).release();
  });
}

banyan_status banyan_comm_create_from_environment(const banyan_comm_config* config, banyan_comm** comm) {
  return c_boundary([&] {
    auto& out = require(comm, "comm");
    out = wrap(banyan::comm::create_from_environment(resolve_settings(config))).release();
  });
}

banyan_status banyan_comm_create_local(int size, const banyan_comm_config* config, banyan_comm** comms) {
  return c_boundary([&] {
    static_cast<void>(require(comms, "comms"));
    constexpr int kMaxThreads = 1024;
    if (size < 1 || size > kMaxThreads) {
      throw banyan::Error(BANYAN_ERR_INVALID_ARGUMENT,
                          "size is " + std::to_string(size) + ", must be between 1 and " + std::to_string(kMaxThreads));
    }
    const std::vector<banyan::comm::Settings> settings(static_cast<size_t>(size), resolve_settings(config));
    std::vector<std::unique_ptr<banyan_comm>> handles;
    for (auto& communicator : banyan::comm::create_local(settings)) {
      handles.push_back(wrap(std::move(communicator)));
    }
    for (size_t rank = 0; rank < handles.size(); ++rank) {
      comms[rank] = handles[rank].release();
    }
  });
}

banyan_status banyan_comm_split(banyan_comm* comm, int color, int key, banyan_comm** split) {
  return c_boundary([&] {
    banyan_comm& parent = require(comm, "comm");
    auto& out = require(split, "split");
    auto communicator = banyan::comm::split(*parent.communicator, color, key);
    out = communicator ? wrap(std::move(communicator)).release() : nullptr;
  });
}

banyan_status banyan_comm_rank(const banyan_comm* comm, int* rank) {
  return c_boundary([&] { require(rank, "rank") = require(comm, "comm").communicator->rank(); });
}

banyan_status banyan_comm_size(const banyan_comm* comm, int* size) {
  return c_boundary([&] { require(size, "size") = require(comm, "comm").communicator->size(); });
}

banyan_status banyan_comm_topology(const banyan_comm* comm, const banyan_topology** topology) {
  return c_boundary([&] { require(topology, "topology") = &require(comm, "comm").topology; });
}

banyan_status banyan_comm_profile(const banyan_comm* comm, const banyan_profile** profile) {
  return c_boundary([&] {
    const banyan_comm& c = require(comm, "comm");
    require(profile, "profile") = c.profile ? &*c.profile : nullptr;
  });
}

banyan_status banyan_comm_set_profile(banyan_comm* comm, const banyan_profile* profile) {
  return c_boundary([&] {
    banyan_comm& c = require(comm, "comm");
    std::optional<banyan::cost::Profile> given;
    if (profile != nullptr) {
      given = profile->profile;
    }
    c.engine->set_profile(given);
    banyan::c_api::refresh_profile(c);
  });
}

banyan_status banyan_comm_barrier(banyan_comm* comm) {
  return c_boundary([&] { require(comm, "comm").engine->barrier(); });
}

banyan_status banyan_comm_allgather(banyan_comm* comm, const void* sendbuf, void* recvbuf, size_t size) {
  return c_boundary([&] {
    banyan_comm& c = require(comm, "comm");
    if (size == 0) {
      return;
    }
    static_cast<void>(require(static_cast<const char*>(sendbuf), "sendbuf"));
    static_cast<void>(require(static_cast<char*>(recvbuf), "recvbuf"));
    c.communicator->check_usable();
    c.communicator->bootstrap().allgather(sendbuf, recvbuf, size,
                                          banyan::Deadline::in(c.communicator->settings().timeout_s));
  });
}

banyan_status banyan_comm_abort(banyan_comm* comm, const char* reason) {
  return c_boundary([&] {
    banyan_comm& c = require(comm, "comm");
    c.communicator->control().abort(
        BANYAN_ERR_ABORTED, "rank " + std::to_string(c.communicator->rank()) +
                                " aborted: " + (reason != nullptr && *reason != '\0' ? reason : "no reason given"));
  });
}

banyan_status banyan_comm_destroy(banyan_comm* comm) {
  return c_boundary([&] {
    if (comm == nullptr) {
      return;
    }
    comm->engine->require_not_serving();
    if (comm->num_requests > 0) {
      throw banyan::Error(BANYAN_ERR_BUSY,
                          std::to_string(comm->num_requests) +
                              " requests and groups of the communicator are not freed; free them first");
    }
    comm->communicator->say_goodbye();
    delete comm;
  });
}

}  // extern "C"
