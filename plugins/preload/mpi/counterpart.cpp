// SPDX-License-Identifier: Apache-2.0
#include "mpi/counterpart.hpp"

#include <array>
#include <atomic>
#include <exception>
#include <string>
#include <utility>

#include "mpi/agreement.hpp"
#include "mpi/departure.hpp"
#include "mpi/failure.hpp"
#include "mpi/notice.hpp"
#include "mpi/patience.hpp"

namespace banyan::preload {
namespace {

std::string name_of(MPI_Comm comm) {
  std::array<char, MPI_MAX_OBJECT_NAME> name{};
  int length = 0;
  check_mpi(PMPI_Comm_get_name(comm, name.data(), &length), "MPI_Comm_get_name");
  return name.data();
}

void say_once(const std::string& text) {
  static std::atomic_flag said = ATOMIC_FLAG_INIT;
  if (!said.test_and_set()) {
    say(text);
  }
}

}  // namespace

Counterpart::Counterpart(MPI_Comm owner, Mode wanted, const std::string& broken) : owner_(owner) {
  check_mpi(PMPI_Comm_rank(owner, &rank_), "MPI_Comm_rank");
  check_mpi(PMPI_Comm_size(owner, &size_), "MPI_Comm_size");
  if (size_ == 1) {
    return;
  }
  Agreement agreement(owner);
  const Mode mode = broken.empty() ? agreement.agree_on_mode(wanted, "BANYAN_PRELOAD is not as on other ranks")
                                   : agreement.agree_on_mode(Mode::kOff, broken);
  if (mode == Mode::kOff) {
    say_why(agreement.cause());
    return;
  }
  calls_to_come_ = 1;
  say_why(agreement.cause());  // ranks that look on do so for all
  if (mode == Mode::kObserve) {
    observation_.emplace(size_);  // also without Banyan
  } else {
    calls_to_come_ += agreement.most(calls_before_banyan(owner));
  }
}

void Counterpart::begin_call(MPI_Comm local) {
  if (calls_to_come_ > 0 && --calls_to_come_ == 0) {
    make(local);
  }
}

void Counterpart::make(MPI_Comm local) {
  std::string why_not = Agreement::why_not();
  try {  // the others wait for this rank's vote, whatever happens here
    progress_.emplace(local);
    if (why_not.empty()) {
      place_ = Place::find(rank_, size_, *progress_);
      why_not = place_.why_not();
    }
  } catch (const std::exception& error) {
    why_not = std::string("it cannot prepare a communicator: ") + error.what();
  }
  Agreement agreement(owner_);
  if (agreement.all_agree(why_not)) {
    comm_ = agreement.make();
  }
  if (comm_ == nullptr) {
    place_ = {};
    progress_.reset();
    say_why(agreement.cause());
  }
}

void Counterpart::say_why(const std::string& cause) const {
  if (rank_ == 0 && !cause.empty()) {
    say_once("MPI's own all-to-all serves a communicator of " + std::to_string(size_) + " ranks, because Banyan's " +
             "could not be made: " + cause);
  }
}

/// What is to be done with the observation when the others do it too.
std::function<void()> Counterpart::conclusion(const std::function<void(ObservedCommunicator)>& keep) {
  return [observation = std::move(*observation_), comm = comm_, rank = rank_, name = name_of(owner_), keep] {
    try {
      if (auto observed = observation.conclude(comm, rank, name)) {
        keep(std::move(*observed));
      }
    } catch (const std::exception& error) {
      say_once(std::string("what was observed is lost: ") + error.what());
    }
  };
}

void Counterpart::retire(const std::function<void(ObservedCommunicator)>& keep) noexcept {
  std::function<void()> last;
  calls_to_come_ = 0;
  try {
    last = observation_ ? conclusion(keep) : nullptr;
  } catch (const std::exception& error) {
    say_once(std::string("what was observed is lost: ") + error.what());
    banyan_comm_abort(comm_, "what was observed is lost");
  }
  observation_.reset();
  if (comm_ != nullptr) {
    depart(comm_, std::move(place_), std::move(last));
    comm_ = nullptr;
    progress_.reset();
  } else if (last) {
    last();
  }
}

}  // namespace banyan::preload
