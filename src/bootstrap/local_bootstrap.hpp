// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <vector>

#include "bootstrap/bootstrap.hpp"
#include "bootstrap/control.hpp"

namespace banyan::bootstrap {

/// What ranks that are threads of one process share. Opaque; any thread.
class LocalHub;
[[nodiscard]] std::shared_ptr<LocalHub> make_local_hub(int size);

/// One rank's end of the hub, for one thread. Every failure, a deadline that passes included, is thrown on every rank.
[[nodiscard]] std::unique_ptr<Bootstrap> make_local_bootstrap(std::shared_ptr<LocalHub> hub, int rank);

/// One bootstrap per rank over a new hub: banyan_comm_create_local gives each to a thread that makes a communicator.
[[nodiscard]] std::vector<std::unique_ptr<Bootstrap>> make_local_bootstraps(int size);

/// The control plane of such ranks: no thread, no socket. A Control destroyed without leave() counts as a failed rank.
[[nodiscard]] std::unique_ptr<Control> make_local_control(std::shared_ptr<LocalHub> hub, int rank);

/// The control plane of a single rank: nothing to watch.
[[nodiscard]] std::unique_ptr<Control> make_trivial_control();

}  // namespace banyan::bootstrap
