// SPDX-License-Identifier: Apache-2.0
#include "compare/mpi_exchange.hpp"

#include <limits>
#include <string>
#include <vector>

#include "common/failure.hpp"

namespace banyan::perf {
namespace {

int to_int(size_t value) {
  if (value > static_cast<size_t>(std::numeric_limits<int>::max())) {
    throw Failure("MPI 3.1 counts are int: " + std::to_string(value) +
                  " elements do not fit; raise --element-size or lower -e");
  }
  return static_cast<int>(value);
}

std::vector<int> to_ints(const std::vector<size_t>& values) {
  std::vector<int> ints;
  for (const size_t value : values) {
    ints.push_back(to_int(value));
  }
  return ints;
}

/// Elements as a contiguous MPI type, so that counts are the same as Banyan's.
class ElementType {
 public:
  explicit ElementType(size_t size) {
    require_mpi(MPI_Type_contiguous(to_int(size), MPI_BYTE, &type_), "MPI_Type_contiguous");
    require_mpi(MPI_Type_commit(&type_), "MPI_Type_commit");
  }
  ~ElementType() { MPI_Type_free(&type_); }
  ElementType(const ElementType&) = delete;
  ElementType& operator=(const ElementType&) = delete;
  [[nodiscard]] MPI_Datatype get() const noexcept { return type_; }

 private:
  MPI_Datatype type_ = MPI_DATATYPE_NULL;
};

class MpiUniform final : public PreparedExchange {
 public:
  MpiUniform(MPI_Comm comm, const Traffic& traffic, ExchangeBuffers& buffers)
      : comm_(comm),
        buffers_(buffers),
        type_(traffic.element_size),
        count_(to_int(traffic.uniform_bytes.value_or(0) / traffic.element_size)) {}
  void run() override {
    require_mpi(MPI_Alltoall(buffers_.send(), count_, type_.get(), buffers_.recv(), count_, type_.get(), comm_),
                "MPI_Alltoall");
  }

 private:
  MPI_Comm comm_;
  ExchangeBuffers& buffers_;
  ElementType type_;
  int count_;
};

class MpiVariable final : public PreparedExchange {
 public:
  MpiVariable(MPI_Comm comm, const Traffic& traffic, ExchangeBuffers& buffers)
      : comm_(comm),
        buffers_(buffers),
        type_(traffic.element_size),
        sendcounts_(to_ints(buffers.layout().sendcounts)),
        sdispls_(to_ints(buffers.layout().sdispls)),
        recvcounts_(to_ints(buffers.layout().recvcounts)),
        rdispls_(to_ints(buffers.layout().rdispls)) {}
  void run() override {
    require_mpi(MPI_Alltoallv(buffers_.send(), sendcounts_.data(), sdispls_.data(), type_.get(), buffers_.recv(),
                              recvcounts_.data(), rdispls_.data(), type_.get(), comm_),
                "MPI_Alltoallv");
  }

 private:
  MPI_Comm comm_;
  ExchangeBuffers& buffers_;
  ElementType type_;
  std::vector<int> sendcounts_;
  std::vector<int> sdispls_;
  std::vector<int> recvcounts_;
  std::vector<int> rdispls_;
};

}  // namespace

std::unique_ptr<PreparedExchange> make_mpi_exchange(MPI_Comm comm, const Traffic& traffic, ExchangeBuffers& buffers) {
  if (traffic.uniform_bytes) {
    return std::make_unique<MpiUniform>(comm, traffic, buffers);
  }
  return std::make_unique<MpiVariable>(comm, traffic, buffers);
}

}  // namespace banyan::perf
