// SPDX-License-Identifier: Apache-2.0
// What the test programs of the LD_PRELOAD libraries share. They are MPI programs that know nothing of Banyan.
#pragma once

#include <mpi.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

/// Whether the preloaded library is there at all.
extern "C" bool preload_test_is_loaded();
/// Exchanges that Banyan made on this rank, as the preloaded library tells; 0 without it.
extern "C" uint64_t preload_test_banyan_calls();
/// All-to-alls that it left to MPI.
extern "C" uint64_t preload_test_banyan_calls_left();

namespace preload_test {

/// Notes a failure of this rank, on stderr, unless `right`. Any thread.
void check(bool right, const std::string& what);
/// Failures that this rank noted.
int num_failures();

/// Runs `body` and checks that Banyan made so many exchanges of this rank in it.
void expect_banyan_calls(uint64_t expected, const std::string& what, const std::function<void()>& body);

int rank_of(MPI_Comm comm);
int size_of(MPI_Comm comm);
std::vector<std::byte> random_bytes(size_t size, std::mt19937& random);

/// An all-to-all of `count` elements per rank through MPI and through PMPI: equal results, gaps included.
void compare_alltoall(MPI_Comm comm, int count, MPI_Datatype sendtype, MPI_Datatype recvtype, std::mt19937& random);
void compare_alltoall_in_place(MPI_Comm comm, int count, MPI_Datatype type, std::mt19937& random);

/// How many elements the ranks send to each other: [size, size], row-major, equal on all ranks.
using Counts = std::vector<int>;
Counts random_counts(int size, int largest, std::mt19937& random);

/// The same for an all-to-all-v, whose blocks lie in reverse order with gaps between them.
void compare_alltoallv(MPI_Comm comm, const Counts& counts, MPI_Datatype sendtype, MPI_Datatype recvtype,
                       std::mt19937& random);
void compare_alltoallv_in_place(MPI_Comm comm, const Counts& counts, MPI_Datatype type, std::mt19937& random);

/// One such exchange, of a few ints.
void exchange_once(MPI_Comm comm);

std::array<MPI_Comm, 2> two_copies();
/// By halves of the ranks, with a message between that tells one half that the other is through: MPI_Comm_free must not
/// wait for other ranks.
void free_in_opposite_orders(std::array<MPI_Comm, 2>& comms);

struct Case {
  std::string_view name;
  void (*run)();
};
/// Of the files beside this one.
extern const std::vector<Case> kDataCases, kCommunicatorCases, kFormCases, kObstacleCases, kStressCases, kThreadCases;

}  // namespace preload_test
