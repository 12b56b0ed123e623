// SPDX-License-Identifier: Apache-2.0
#include "compare/mpich_server.hpp"

#include <unistd.h>

#include <array>

#include "common/failure.hpp"
#include "compare/mpi_exchange.hpp"
#include "compare/traffic_json.hpp"

namespace banyan::perf {
namespace {

constexpr double kNoLimit = -1;

bool same(const Traffic& one, const Traffic& other) {
  return one.num_ranks == other.num_ranks && one.element_size == other.element_size && one.bytes == other.bytes &&
         one.uniform_bytes == other.uniform_bytes;
}

}  // namespace

void MpichServer::serve(Channel& channel) {
  while (const auto request = channel.receive(kNoLimit)) {
    try {
      channel.send(answer(*request));
    } catch (const std::exception& error) {
      channel.send({{"failed", error.what()}});  // stderr may be lost: mpiexec kills all ranks once one aborts
      throw;
    }
  }
  prepared_.clear();
  traffic_.reset();
  buffers_.reset();
}

Json MpichServer::answer(const Json& request) {
  const auto what = request.at("do").get<std::string>();
  if (what == "hello") {
    return hello();
  }
  if (what == "algorithms") {
    return algorithms(request.at("variable").get<bool>()).names();
  }
  if (what == "prepare") {
    return prepare(request);
  }
  if (what == "time") {
    return player(request).time(request.at("warmup").get<int>(), request.at("exchanges").get<int>()).exchange_s;
  }
  if (what == "check") {
    return player(request).check(request.at("salt").get<uint64_t>());
  }
  throw Failure("asked for an unknown \"" + what + "\"");
}

Json MpichServer::hello() const {
  std::array<char, 256> host{};
  gethostname(host.data(), host.size() - 1);
  return {
      {"rank", session_.rank()}, {"ranks", session_.size()}, {"host", host.data()}, {"version", MpiSession::version()}};
}

Json MpichServer::prepare(const Json& request) {
  const Traffic traffic = traffic_from_json(request.at("traffic"));
  if (traffic.num_ranks != session_.size()) {
    throw Failure("traffic of " + std::to_string(traffic.num_ranks) + " ranks");
  }
  if (!traffic_ || !same(*traffic_, traffic)) {
    prepared_.clear();
    traffic_ = traffic;
    buffers_ = std::make_unique<ExchangeBuffers>(traffic, session_.rank());
  }
  Prepared one;
  one.algorithms = &algorithms(!traffic.uniform_bytes);
  one.algorithm = request.at("algorithm").get<std::string>();
  one.player = std::make_unique<LocalPlayer>(make_mpi_exchange(MPI_COMM_WORLD, *traffic_, *buffers_), *buffers_);
  prepared_.push_back(std::move(one));
  return prepared_.size() - 1;
}

MpichAlgorithms& MpichServer::algorithms(bool variable) {
  return algorithms_.try_emplace(variable, variable).first->second;
}

LocalPlayer& MpichServer::player(const Json& request) {
  const auto& one = prepared_.at(request.at("player").get<size_t>());
  one.algorithms->choose(one.algorithm);
  return *one.player;
}

}  // namespace banyan::perf
