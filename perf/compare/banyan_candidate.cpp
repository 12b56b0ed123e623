// SPDX-License-Identifier: Apache-2.0
#include "compare/banyan_candidate.hpp"

#include <limits>

#include "compare/local_player.hpp"

namespace banyan::perf {
namespace {

int allgather_over_mpi(const void* sendbuf, void* recvbuf, size_t size, void* context) {
  if (size > static_cast<size_t>(std::numeric_limits<int>::max())) {
    return MPI_ERR_COUNT;
  }
  const int count = static_cast<int>(size);
  return MPI_Allgather(sendbuf, count, MPI_BYTE, recvbuf, count, MPI_BYTE, *static_cast<MPI_Comm*>(context));
}

class BanyanPrepared final : public PreparedExchange {
 public:
  BanyanPrepared(banyan_comm* comm, const Traffic& traffic, ExchangeBuffers& buffers, const std::string& algorithm)
      : comm_(comm),
        plan_(figures_of(make_plan(comm, traffic, algorithm).get())),
        exchange_(comm, traffic, buffers, {algorithm, false}),
        tries_(algorithm == "auto") {}
  void run() override { exchange_.run(); }
  void settle() override { require(banyan_comm_barrier(comm_), "banyan_comm_barrier"); }
  [[nodiscard]] std::optional<uint64_t> trials() const override {
    return tries_ ? std::optional(read_trials(comm_)) : std::nullopt;
  }
  [[nodiscard]] std::optional<Counters> counters() const override { return read_counters(comm_); }
  [[nodiscard]] std::optional<PlanFigures> plan() const override { return plan_; }

 private:
  banyan_comm* comm_;
  PlanFigures plan_;
  BanyanExchange exchange_;
  bool tries_;
};

}  // namespace

BanyanOverMpi::BanyanOverMpi(const MpiSession& session, const std::string& profile_file) : bootstrap_(MPI_COMM_WORLD) {
  banyan_comm_config config = BANYAN_COMM_CONFIG_INIT;
  config.profile_file = profile_file.empty() ? nullptr : profile_file.c_str();
  banyan_comm* comm = nullptr;
  MPI_Comm context = bootstrap_.get();
  // The callback is called only inside this call (comm.h), so `context` may live on the stack.
  require(banyan_comm_create(session.rank(), session.size(), allgather_over_mpi, &context, &config, &comm),
          "banyan_comm_create");
  comm_.reset(comm);
}

std::unique_ptr<Player> BanyanCandidate::prepare(const Traffic& traffic, ExchangeBuffers& buffers) {
  return std::make_unique<LocalPlayer>(std::make_unique<BanyanPrepared>(comm_, traffic, buffers, algorithm_), buffers);
}

}  // namespace banyan::perf
