// SPDX-License-Identifier: Apache-2.0
#include "compare/mpi_exchange.hpp"

#include <vector>

#include "compare/mpi_element.hpp"

namespace banyan::perf {
namespace {

std::vector<int> ints_of(const std::vector<size_t>& values) {
  std::vector<int> ints;
  to_ints(values, ints);
  return ints;
}

class MpiUniform final : public PreparedExchange {
 public:
  MpiUniform(MPI_Comm comm, const Traffic& traffic, ExchangeBuffers& buffers, Entry entry)
      : comm_(comm),
        alltoall_(entry == Entry::kMpi ? PMPI_Alltoall : MPI_Alltoall),
        buffers_(buffers),
        type_(traffic.element_size),
        count_(to_int(traffic.uniform_bytes.value_or(0) / traffic.element_size)) {}
  void run() override {
    require_mpi(alltoall_(buffers_.send(), count_, type_.get(), buffers_.recv(), count_, type_.get(), comm_),
                "MPI_Alltoall");
  }

 private:
  MPI_Comm comm_;
  decltype(&MPI_Alltoall) alltoall_;
  ExchangeBuffers& buffers_;
  ElementType type_;
  int count_;
};

class MpiVariable final : public PreparedExchange {
 public:
  MpiVariable(MPI_Comm comm, const Traffic& traffic, ExchangeBuffers& buffers, Entry entry)
      : comm_(comm),
        alltoallv_(entry == Entry::kMpi ? PMPI_Alltoallv : MPI_Alltoallv),
        buffers_(buffers),
        type_(traffic.element_size),
        sendcounts_(ints_of(buffers.layout().sendcounts)),
        sdispls_(ints_of(buffers.layout().sdispls)),
        recvcounts_(ints_of(buffers.layout().recvcounts)),
        rdispls_(ints_of(buffers.layout().rdispls)) {}
  void run() override {
    require_mpi(alltoallv_(buffers_.send(), sendcounts_.data(), sdispls_.data(), type_.get(), buffers_.recv(),
                           recvcounts_.data(), rdispls_.data(), type_.get(), comm_),
                "MPI_Alltoallv");
  }

 private:
  MPI_Comm comm_;
  decltype(&MPI_Alltoallv) alltoallv_;
  ExchangeBuffers& buffers_;
  ElementType type_;
  std::vector<int> sendcounts_;
  std::vector<int> sdispls_;
  std::vector<int> recvcounts_;
  std::vector<int> rdispls_;
};

}  // namespace

std::unique_ptr<PreparedExchange> make_mpi_exchange(MPI_Comm comm, const Traffic& traffic, ExchangeBuffers& buffers,
                                                    Entry entry) {
  if (traffic.uniform_bytes) {
    return std::make_unique<MpiUniform>(comm, traffic, buffers, entry);
  }
  return std::make_unique<MpiVariable>(comm, traffic, buffers, entry);
}

}  // namespace banyan::perf
