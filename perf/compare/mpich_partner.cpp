// SPDX-License-Identifier: Apache-2.0
#include "compare/mpich_partner.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cmath>
#include <limits>

#include "common/failure.hpp"
#include "compare/mpi_api.hpp"
#include "compare/traffic_json.hpp"

namespace banyan::perf {
namespace {

constexpr double kPatience_s = 120;  ///< for one turn: longer than any exchange in a lab takes
constexpr double kLost = std::numeric_limits<double>::infinity();

class MpichPlayer final : public Player {
 public:
  MpichPlayer(MpichPartner& partner, const std::string& algorithm, const Traffic& traffic)
      : partner_(partner),
        number_(partner.ask({{"do", "prepare"}, {"algorithm", algorithm}, {"traffic", to_json(traffic)}})) {}

  Turn time(int warmup, int exchanges) override {
    const Json took = partner_.ask({{"do", "time"}, {"player", number_}, {"warmup", warmup}, {"exchanges", exchanges}});
    Turn turn;
    // Also keeps ranks from going on before the last of the partner's is done.
    turn.exchange_s = max_over_ranks(took.is_number() ? took.get<double>() : kLost);
    if (std::isinf(turn.exchange_s)) {
      partner_.give_up();
    }
    return turn;
  }

  uint64_t check(uint64_t salt) override {
    const Json wrong = partner_.ask({{"do", "check"}, {"player", number_}, {"salt", salt}});
    barrier();
    return wrong.is_number() ? wrong.get<uint64_t>() : 0;
  }

 private:
  MpichPartner& partner_;
  Json number_;
};

class MpichCandidate final : public Candidate {
 public:
  MpichCandidate(MpichPartner& partner, std::string algorithm) : partner_(partner), algorithm_(std::move(algorithm)) {}

  [[nodiscard]] std::string name() const override { return "mpich:" + algorithm_; }
  [[nodiscard]] bool is_banyan() const override { return false; }
  [[nodiscard]] bool may_be_left_out() const override { return true; }
  [[nodiscard]] std::unique_ptr<Player> prepare(const Traffic& traffic, ExchangeBuffers& /*buffers*/) override {
    return std::make_unique<MpichPlayer>(partner_, algorithm_, traffic);
  }

 private:
  MpichPartner& partner_;
  std::string algorithm_;
};

}  // namespace

MpichPartner::MpichPartner(const std::string& sockets, int rank, int size)
    : channel_(connect_to(socket_path(sockets, rank))), rank_(rank) {
  const Json hello = ask({{"do", "hello"}});
  if (hello.is_null()) {
    throw Failure("mpich_compare does not answer");
  }
  std::array<char, 256> host{};
  gethostname(host.data(), host.size() - 1);
  const std::string wanted = fmt::format("rank {} of {} on {}", rank, size, host.data());
  const std::string got = fmt::format("rank {} of {} on {}", hello.at("rank").get<int>(), hello.at("ranks").get<int>(),
                                      hello.at("host").get<std::string>());
  if (got != wanted) {
    throw Failure(fmt::format("mpich_compare's is {}, mpi_compare's {}: start both on the same hosts", got, wanted));
  }
  version_ = hello.at("version").get<std::string>();
}

Json MpichPartner::ask(const Json& request) {
  if (lost_) {
    return {};
  }
  try {
    channel_.send(request);
    const auto answer = channel_.receive(kPatience_s);
    if (!answer) {
      throw Failure("it ended");
    }
    if (answer->is_object() && answer->contains("failed")) {
      throw Failure(answer->at("failed").get<std::string>());
    }
    return *answer;
  } catch (const Failure& error) {
    lost_ = true;
    fmt::print(stderr, "mpi_compare: rank {}: mpich_compare is lost: {}\n", rank_, error.what());
    return {};
  }
}

std::unique_ptr<MpichPartner> join_mpich(const std::string& sockets, int rank, int size, std::string& reason) {
  std::unique_ptr<MpichPartner> partner;
  std::string cause;
  try {
    partner = std::make_unique<MpichPartner>(sockets, rank, size);
  } catch (const Failure& error) {
    cause = error.what();
    fmt::print(stderr, "mpi_compare: rank {}: no MPICH: {}\n", rank, cause);
  }
  const uint64_t failed = sum_over_ranks(partner ? 0 : 1);
  if (failed == 0) {
    return partner;
  }
  reason = fmt::format("{} of {} ranks have no mpich_compare beside them{}", failed, size,
                       cause.empty() ? "" : ": " + cause);
  return nullptr;
}

std::vector<std::unique_ptr<Candidate>> mpich_candidates(MpichPartner& partner, bool variable) {
  std::vector<std::unique_ptr<Candidate>> candidates;
  const Json names = partner.ask({{"do", "algorithms"}, {"variable", variable}});
  if (sum_over_ranks(names.is_array() ? 0 : 1) > 0) {
    partner.give_up();
    return candidates;
  }
  for (const auto& name : names) {
    candidates.push_back(std::make_unique<MpichCandidate>(partner, name.get<std::string>()));
  }
  return candidates;
}

}  // namespace banyan::perf
