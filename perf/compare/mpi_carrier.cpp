// SPDX-License-Identifier: Apache-2.0
#include "compare/mpi_carrier.hpp"

#include "compare/mpi_element.hpp"

namespace banyan::perf {
namespace {

class MpiCarrier final : public Carrier {
 public:
  MpiCarrier(AlgorithmComm comm, size_t row_bytes) : comm_(std::move(comm)), row_(row_bytes) {}

  [[nodiscard]] std::string name() const override { return "openmpi:" + comm_.algorithm; }

  void exchange_counts(const std::vector<int32_t>& send, std::vector<int32_t>& recv, size_t count) override {
    const int number = to_int(count);
    require_mpi(MPI_Alltoall(send.data(), number, MPI_INT32_T, recv.data(), number, MPI_INT32_T, comm_.comm.get()),
                "MPI_Alltoall");
  }

  void exchange_rows(const std::byte* send, const RowSide& out, std::byte* recv, const RowSide& in) override {
    to_ints(out.counts, sendcounts_);
    to_ints(out.displs, sdispls_);
    to_ints(in.counts, recvcounts_);
    to_ints(in.displs, rdispls_);
    require_mpi(MPI_Alltoallv(send, sendcounts_.data(), sdispls_.data(), row_.get(), recv, recvcounts_.data(),
                              rdispls_.data(), row_.get(), comm_.comm.get()),
                "MPI_Alltoallv");
  }

 private:
  AlgorithmComm comm_;
  ElementType row_;
  std::vector<int> sendcounts_, sdispls_, recvcounts_, rdispls_;
};

}  // namespace

std::unique_ptr<Carrier> make_mpi_carrier(AlgorithmComm comm, const Layer& layer) {
  return std::make_unique<MpiCarrier>(std::move(comm), layer.row_bytes());
}

}  // namespace banyan::perf
