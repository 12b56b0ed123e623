// SPDX-License-Identifier: Apache-2.0
#include "mpi/counterpart.hpp"

#include <sys/random.h>

#include <atomic>
#include <chrono>
#include <exception>
#include <string>
#include <utility>

#include "mpi/agreement.hpp"
#include "mpi/crowding.hpp"
#include "mpi/departure.hpp"
#include "mpi/failure.hpp"
#include "mpi/notice.hpp"
#include "mpi/patience.hpp"

namespace banyan::preload {
namespace {

/// Never fails: the others would wait for the number.
int64_t random_number() noexcept {
  int64_t number = 0;
  if (::getrandom(&number, sizeof number, 0) != ssize_t{sizeof number}) {
    number = std::chrono::steady_clock::now().time_since_epoch().count();
  }
  return number;
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
  identity_ = rank_ == 0 ? random_number() : 0;
  check_mpi(PMPI_Bcast(&identity_, 1, MPI_INT64_T, 0, owner), "MPI_Bcast");
  calls_to_come_ = 1;
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
  progress_.emplace(local);
  std::string why_not = Agreement::why_not();
  if (why_not.empty()) {
    place_ = Place::find(rank_, size_, *progress_);
    why_not = place_.why_not();
  }
  Agreement agreement(owner_);
  if (agreement.all_agree(why_not)) {
    comm_ = agreement.make();
  }
  if (comm_ == nullptr) {
    place_ = {};
    progress_.reset();
    say_why(agreement.cause());
  } else {
    yields_ = outnumber_cores(owner_);
  }
}

void Counterpart::say_why(const std::string& cause) const {
  if (rank_ == 0 && !cause.empty()) {
    say_once("MPI's own all-to-all serves a communicator of " + std::to_string(size_) + " ranks, because Banyan's " +
             "could not be made: " + cause);
  }
}

std::optional<ObservedCommunicator> Counterpart::conclude_observation() noexcept {
  if (!observation_) {
    return std::nullopt;
  }
  std::optional<ObservedCommunicator> observed;
  try {
    observed = observation_->conclude(owner_, comm_);
  } catch (const std::exception& error) {
    say_once(std::string("what was observed is lost: ") + error.what());
  }
  observation_.reset();
  return observed;
}

std::optional<ObservedCommunicator> Counterpart::retire() noexcept {
  auto observed = conclude_observation();
  if (comm_ == nullptr) {
    return observed;
  }
  depart(comm_, std::move(place_));
  comm_ = nullptr;
  progress_.reset();
  return observed;
}

}  // namespace banyan::preload
