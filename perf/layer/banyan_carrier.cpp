// SPDX-License-Identifier: Apache-2.0
#include "common/exchange.hpp"
#include "layer/rows_way.hpp"

namespace banyan::perf {
namespace {

class BanyanCarrier final : public Carrier {
 public:
  BanyanCarrier(banyan_comm* comm, size_t row_bytes) : comm_(comm), row_bytes_(row_bytes) {}

  [[nodiscard]] std::string name() const override { return "rows"; }

  void exchange_counts(const std::vector<int32_t>& send, std::vector<int32_t>& recv, size_t count) override {
    require(banyan_alltoall(comm_, send.data(), recv.data(), count, sizeof(int32_t), nullptr), "banyan_alltoall");
  }

  void exchange_rows(const std::byte* send, const RowSide& out, std::byte* recv, const RowSide& in) override {
    require(banyan_alltoallv(comm_, send, out.counts.data(), out.displs.data(), recv, in.counts.data(),
                             in.displs.data(), row_bytes_, nullptr),
            "banyan_alltoallv");
  }

  void settle() override { require(banyan_comm_barrier(comm_), "banyan_comm_barrier"); }
  [[nodiscard]] std::optional<uint64_t> trials() const override { return read_trials(comm_); }

 private:
  banyan_comm* comm_;
  size_t row_bytes_;
};

}  // namespace

std::unique_ptr<Carrier> make_banyan_carrier(banyan_comm* comm, const Layer& layer) {
  return std::make_unique<BanyanCarrier>(comm, layer.row_bytes());
}

}  // namespace banyan::perf
