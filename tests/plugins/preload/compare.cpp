// SPDX-License-Identifier: Apache-2.0
// MPI_* and PMPI_* side by side: only the first can be Banyan's.
#include <algorithm>
#include <numeric>

#include "program.hpp"

namespace preload_test {
namespace {

/// Bytes that `elements` of `type` may touch behind a buffer's begin; the types of these tests have a lower bound of 0.
size_t span_of(MPI_Datatype type, size_t elements) {
  MPI_Aint lower = 0, extent = 0, true_lower = 0, true_extent = 0;
  MPI_Type_get_extent(type, &lower, &extent);
  MPI_Type_get_true_extent(type, &true_lower, &true_extent);
  return elements * static_cast<size_t>(extent) + static_cast<size_t>(true_lower + true_extent);
}

/// Blocks in reverse order of ranks, each followed by a gap that grows.
struct Placed {
  explicit Placed(std::vector<int> by_rank) : counts(std::move(by_rank)), displs(counts.size()) {
    for (size_t i = counts.size(); i-- > 0;) {
      displs[i] = elements;
      elements += counts[i] + static_cast<int>(i % 3);
    }
  }
  std::vector<int> counts, displs;
  int elements = 0;
};

std::vector<int> row(const Counts& counts, int size, int rank) {
  const auto begin = counts.begin() + ptrdiff_t{rank} * size;
  return {begin, begin + size};
}

std::vector<int> column(const Counts& counts, int size, int rank) {
  std::vector<int> result(static_cast<size_t>(size));
  for (int i = 0; i < size; ++i) {
    result[static_cast<size_t>(i)] = counts[static_cast<size_t>(i * size + rank)];
  }
  return result;
}

}  // namespace

Counts random_counts(int size, int largest, std::mt19937& random) {
  Counts counts(static_cast<size_t>(size * size));
  std::generate(counts.begin(), counts.end(), [&] {
    return random() % 3 == 0 ? 0 : static_cast<int>(random() % static_cast<unsigned>(largest + 1));
  });
  return counts;
}

void exchange_once(MPI_Comm comm) {
  std::mt19937 shared(7), own(static_cast<unsigned>(rank_of(comm)));
  compare_alltoallv(comm, random_counts(size_of(comm), 100, shared), MPI_INT, MPI_INT, own);
}

void compare_alltoall(MPI_Comm comm, int count, MPI_Datatype sendtype, MPI_Datatype recvtype, std::mt19937& random) {
  const auto elements = static_cast<size_t>(count) * static_cast<size_t>(size_of(comm));
  const auto sent = random_bytes(span_of(sendtype, elements), random);
  auto through_mpi = random_bytes(span_of(recvtype, elements), random);
  auto through_pmpi = through_mpi, kept = sent;
  check(MPI_Alltoall(sent.data(), count, sendtype, through_mpi.data(), count, recvtype, comm) == MPI_SUCCESS,
        "MPI_Alltoall fails");
  PMPI_Alltoall(sent.data(), count, sendtype, through_pmpi.data(), count, recvtype, comm);
  check(through_mpi == through_pmpi, "MPI_Alltoall of " + std::to_string(count) + " elements differs");
  check(sent == kept, "MPI_Alltoall wrote to what it sends");
}

void compare_alltoall_in_place(MPI_Comm comm, int count, MPI_Datatype type, std::mt19937& random) {
  const auto elements = static_cast<size_t>(count) * static_cast<size_t>(size_of(comm));
  auto through_mpi = random_bytes(span_of(type, elements), random);
  auto through_pmpi = through_mpi;
  MPI_Alltoall(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, through_mpi.data(), count, type, comm);
  PMPI_Alltoall(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, through_pmpi.data(), count, type, comm);
  check(through_mpi == through_pmpi, "MPI_Alltoall in place of " + std::to_string(count) + " elements differs");
}

void compare_alltoallv(MPI_Comm comm, const Counts& counts, MPI_Datatype sendtype, MPI_Datatype recvtype,
                       std::mt19937& random) {
  const int size = size_of(comm), rank = rank_of(comm);
  const Placed send(row(counts, size, rank)), recv(column(counts, size, rank));
  const auto sent = random_bytes(span_of(sendtype, static_cast<size_t>(send.elements)), random);
  auto through_mpi = random_bytes(span_of(recvtype, static_cast<size_t>(recv.elements)), random);
  auto through_pmpi = through_mpi, kept = sent;
  check(MPI_Alltoallv(sent.data(), send.counts.data(), send.displs.data(), sendtype, through_mpi.data(),
                      recv.counts.data(), recv.displs.data(), recvtype, comm) == MPI_SUCCESS,
        "MPI_Alltoallv fails");
  PMPI_Alltoallv(sent.data(), send.counts.data(), send.displs.data(), sendtype, through_pmpi.data(), recv.counts.data(),
                 recv.displs.data(), recvtype, comm);
  check(through_mpi == through_pmpi, "MPI_Alltoallv differs");
  check(sent == kept, "MPI_Alltoallv wrote to what it sends");
}

void compare_alltoallv_in_place(MPI_Comm comm, const Counts& counts, MPI_Datatype type, std::mt19937& random) {
  const int size = size_of(comm), rank = rank_of(comm);
  Counts symmetric = counts;  // as MPI asks of a call in place
  for (int i = 0; i < size; ++i) {
    for (int j = 0; j < i; ++j) {
      symmetric[static_cast<size_t>(i * size + j)] = symmetric[static_cast<size_t>(j * size + i)];
    }
  }
  const Placed blocks(row(symmetric, size, rank));
  auto through_mpi = random_bytes(span_of(type, static_cast<size_t>(blocks.elements)), random);
  auto through_pmpi = through_mpi;
  MPI_Alltoallv(MPI_IN_PLACE, nullptr, nullptr, MPI_DATATYPE_NULL, through_mpi.data(), blocks.counts.data(),
                blocks.displs.data(), type, comm);
  PMPI_Alltoallv(MPI_IN_PLACE, nullptr, nullptr, MPI_DATATYPE_NULL, through_pmpi.data(), blocks.counts.data(),
                 blocks.displs.data(), type, comm);
  check(through_mpi == through_pmpi, "MPI_Alltoallv in place differs");
}

}  // namespace preload_test
