// SPDX-License-Identifier: Apache-2.0
// The forms beside MPI_Alltoall and MPI_Alltoallv with counts of int.
#include <mpi.h>
#ifdef OPEN_MPI
#include <mpi-ext.h>
#endif

#include <algorithm>
#include <array>

#include "program.hpp"

namespace preload_test {
namespace {

/// An exchange of all ranks of MPI_COMM_WORLD in which each pair has its own count and, for MPI_Alltoallw, its
/// datatype.
struct Exchange {
  explicit Exchange(const std::array<MPI_Datatype, 3>& kinds) {
    const int size = size_of(MPI_COMM_WORLD), rank = rank_of(MPI_COMM_WORLD);
    for (int peer = 0; peer < size; ++peer) {
      const int pair = rank + peer;  // alike at both ends
      counts.push_back(pair % 4 == 1 ? 0 : 5 * pair + 3);
      types.push_back(kinds[static_cast<size_t>(pair) % kinds.size()]);
      displs.push_back((size - 1 - peer) * kRoom);
    }
    std::mt19937 random(static_cast<unsigned>(rank + 11));
    sent = random_bytes(static_cast<size_t>(size) * kRoom * sizeof(int), random);
    through_mpi = through_pmpi = random_bytes(sent.size(), random);
  }

  [[nodiscard]] std::vector<int> byte_displs() const {
    std::vector<int> bytes = displs;
    std::for_each(bytes.begin(), bytes.end(), [](int& displ) { displ *= static_cast<int>(sizeof(int)); });
    return bytes;
  }

  static constexpr int kRoom = 400;  ///< ints per block
  std::vector<int> counts, displs;
  std::vector<MPI_Datatype> types;
  std::vector<std::byte> sent, through_mpi, through_pmpi;
};

const std::array<MPI_Datatype, 3> kInts = {MPI_INT, MPI_INT, MPI_INT};

struct Kinds {
  Kinds() {
    MPI_Type_contiguous(3, MPI_INT, &of[1]);
    MPI_Type_vector(3, 1, 2, MPI_INT, &of[2]);
    MPI_Type_commit(&of[1]);
    MPI_Type_commit(&of[2]);
  }
  ~Kinds() {
    MPI_Type_free(&of[1]);
    MPI_Type_free(&of[2]);
  }
  Kinds(const Kinds&) = delete;
  Kinds& operator=(const Kinds&) = delete;
  std::array<MPI_Datatype, 3> of = {MPI_INT, MPI_DATATYPE_NULL, MPI_DATATYPE_NULL};
};

/// A type for each pair of ranks, of which this rank sees some with gaps.
void types_by_pair() {
  const Kinds kinds;
  Exchange e(kinds.of);
  const auto displs = e.byte_displs();
  expect_banyan_calls(2, "MPI_Alltoallw", [&] {
    MPI_Alltoallw(e.sent.data(), e.counts.data(), displs.data(), e.types.data(), e.through_mpi.data(), e.counts.data(),
                  displs.data(), e.types.data(), MPI_COMM_WORLD);
    PMPI_Alltoallw(e.sent.data(), e.counts.data(), displs.data(), e.types.data(), e.through_pmpi.data(),
                   e.counts.data(), displs.data(), e.types.data(), MPI_COMM_WORLD);
    check(e.through_mpi == e.through_pmpi, "MPI_Alltoallw differs");
    MPI_Alltoallw(MPI_IN_PLACE, nullptr, nullptr, nullptr, e.through_mpi.data(), e.counts.data(), displs.data(),
                  e.types.data(), MPI_COMM_WORLD);
    PMPI_Alltoallw(MPI_IN_PLACE, nullptr, nullptr, nullptr, e.through_pmpi.data(), e.counts.data(), displs.data(),
                   e.types.data(), MPI_COMM_WORLD);
    check(e.through_mpi == e.through_pmpi, "MPI_Alltoallw in place differs");
  });
}

/// All pairs contiguous: no copies are made.
void contiguous_types_by_pair() {
  const Kinds kinds;
  Exchange e({MPI_INT, kinds.of[1], MPI_FLOAT});
  const auto displs = e.byte_displs();
  expect_banyan_calls(1, "MPI_Alltoallw", [&] {
    MPI_Alltoallw(e.sent.data(), e.counts.data(), displs.data(), e.types.data(), e.through_mpi.data(), e.counts.data(),
                  displs.data(), e.types.data(), MPI_COMM_WORLD);
  });
  PMPI_Alltoallw(e.sent.data(), e.counts.data(), displs.data(), e.types.data(), e.through_pmpi.data(), e.counts.data(),
                 displs.data(), e.types.data(), MPI_COMM_WORLD);
  check(e.through_mpi == e.through_pmpi, "MPI_Alltoallw differs");
}

#ifdef MPICH
/// What MPICH takes, and Open MPI refuses: where nothing goes, the types are no types at all.
void no_types_of_nothing() {
  const Kinds kinds;
  Exchange e(kinds.of);
  const auto displs = e.byte_displs();
  auto types = e.types;
  for (size_t peer = 0; peer < types.size(); ++peer) {
    if (e.counts[peer] == 0) {
      types[peer] = static_cast<MPI_Datatype>(0x4c7fffff);
    }
  }
  const std::vector<int> none(types.size(), 0);
  const std::vector<MPI_Datatype> no_types(types.size(), static_cast<MPI_Datatype>(0x4c7fffff));
  expect_banyan_calls(2, "MPI_Alltoallw", [&] {
    MPI_Alltoallw(e.sent.data(), e.counts.data(), displs.data(), types.data(), e.through_mpi.data(), e.counts.data(),
                  displs.data(), types.data(), MPI_COMM_WORLD);
    MPI_Alltoallw(e.sent.data(), none.data(), displs.data(), no_types.data(), e.through_mpi.data(), none.data(),
                  displs.data(), no_types.data(), MPI_COMM_WORLD);
  });
  PMPI_Alltoallw(e.sent.data(), e.counts.data(), displs.data(), e.types.data(), e.through_pmpi.data(), e.counts.data(),
                 displs.data(), e.types.data(), MPI_COMM_WORLD);
  check(e.through_mpi == e.through_pmpi, "MPI_Alltoallw differs");
}
#endif

#if MPI_VERSION >= 4
/// Counts of MPI_Count, displacements of MPI_Aint.
void large_counts() {
  const Kinds kinds;
  Exchange e(kInts), w(kinds.of);
  const std::vector<MPI_Count> counts(e.counts.begin(), e.counts.end());
  const auto bytes = e.byte_displs();
  const std::vector<MPI_Aint> displs(e.displs.begin(), e.displs.end()), byte_displs(bytes.begin(), bytes.end());
  expect_banyan_calls(3, "large counts", [&] {
    MPI_Alltoall_c(e.sent.data(), 7, MPI_INT, e.through_mpi.data(), 7, MPI_INT, MPI_COMM_WORLD);
    PMPI_Alltoall_c(e.sent.data(), 7, MPI_INT, e.through_pmpi.data(), 7, MPI_INT, MPI_COMM_WORLD);
    check(e.through_mpi == e.through_pmpi, "MPI_Alltoall_c differs");
    MPI_Alltoallv_c(e.sent.data(), counts.data(), displs.data(), MPI_INT, e.through_mpi.data(), counts.data(),
                    displs.data(), MPI_INT, MPI_COMM_WORLD);
    PMPI_Alltoallv_c(e.sent.data(), counts.data(), displs.data(), MPI_INT, e.through_pmpi.data(), counts.data(),
                     displs.data(), MPI_INT, MPI_COMM_WORLD);
    check(e.through_mpi == e.through_pmpi, "MPI_Alltoallv_c differs");
    MPI_Alltoallw_c(w.sent.data(), counts.data(), byte_displs.data(), w.types.data(), w.through_mpi.data(),
                    counts.data(), byte_displs.data(), w.types.data(), MPI_COMM_WORLD);
    PMPI_Alltoallw_c(w.sent.data(), counts.data(), byte_displs.data(), w.types.data(), w.through_pmpi.data(),
                     counts.data(), byte_displs.data(), w.types.data(), MPI_COMM_WORLD);
    check(w.through_mpi == w.through_pmpi, "MPI_Alltoallw_c differs");
  });
}
#endif

/// Completes `request` and compares with MPI's blocking call.
void compare_left(Exchange& e, MPI_Request& request, const char* form) {
  MPI_Wait(&request, MPI_STATUS_IGNORE);
  check(e.through_mpi == e.through_pmpi, std::string(form) + " differs");
}

void nonblocking() {
  const Kinds kinds;
  Exchange u(kInts), v(kInts), w(kinds.of);
  const auto bytes = w.byte_displs();
  const uint64_t left = preload_test_banyan_calls_left();
  std::array<MPI_Request, 3> requests{};
  expect_banyan_calls(0, "nonblocking calls", [&] {
    MPI_Ialltoall(u.sent.data(), 7, MPI_INT, u.through_mpi.data(), 7, MPI_INT, MPI_COMM_WORLD, &requests[0]);
    MPI_Ialltoallv(v.sent.data(), v.counts.data(), v.displs.data(), MPI_INT, v.through_mpi.data(), v.counts.data(),
                   v.displs.data(), MPI_INT, MPI_COMM_WORLD, &requests[1]);
    MPI_Ialltoallw(w.sent.data(), w.counts.data(), bytes.data(), w.types.data(), w.through_mpi.data(), w.counts.data(),
                   bytes.data(), w.types.data(), MPI_COMM_WORLD, &requests[2]);
  });
  check(preload_test_banyan_calls_left() == left + 3, "nonblocking calls are not counted");
  PMPI_Alltoall(u.sent.data(), 7, MPI_INT, u.through_pmpi.data(), 7, MPI_INT, MPI_COMM_WORLD);
  PMPI_Alltoallv(v.sent.data(), v.counts.data(), v.displs.data(), MPI_INT, v.through_pmpi.data(), v.counts.data(),
                 v.displs.data(), MPI_INT, MPI_COMM_WORLD);
  PMPI_Alltoallw(w.sent.data(), w.counts.data(), bytes.data(), w.types.data(), w.through_pmpi.data(), w.counts.data(),
                 bytes.data(), w.types.data(), MPI_COMM_WORLD);
  compare_left(u, requests[0], "MPI_Ialltoall");
  compare_left(v, requests[1], "MPI_Ialltoallv");
  compare_left(w, requests[2], "MPI_Ialltoallw");
}

/// A blocking call while a nonblocking one of the same communicator is under way: MPI's messages must not mix.
void blocking_beside_nonblocking() {
  MPI_Comm copy = MPI_COMM_NULL;
  MPI_Comm_dup(MPI_COMM_WORLD, &copy);
  Exchange e(kInts);
  MPI_Request request = MPI_REQUEST_NULL;
  PMPI_Alltoall(e.sent.data(), 7, MPI_INT, e.through_pmpi.data(), 7, MPI_INT, copy);
  MPI_Ialltoall(e.sent.data(), 7, MPI_INT, e.through_mpi.data(), 7, MPI_INT, copy, &request);
  Exchange between(kInts);
  expect_banyan_calls(1, "the first blocking call", [&] {
    MPI_Alltoall(between.sent.data(), 9, MPI_INT, between.through_mpi.data(), 9, MPI_INT, copy);
  });
  PMPI_Alltoall(between.sent.data(), 9, MPI_INT, between.through_pmpi.data(), 9, MPI_INT, copy);
  check(between.through_mpi == between.through_pmpi, "MPI_Alltoall beside MPI_Ialltoall differs");
  compare_left(e, request, "MPI_Ialltoall");
  MPI_Comm_free(&copy);
}

#if MPI_VERSION >= 4 || defined OMPI_HAVE_MPI_EXT_PCOLLREQ
#if MPI_VERSION >= 4
const auto alltoallv_init = MPI_Alltoallv_init;
#else
const auto alltoallv_init = MPIX_Alltoallv_init;
#endif

void persistent() {
  Exchange e(kInts);
  const uint64_t left = preload_test_banyan_calls_left();
  MPI_Request request = MPI_REQUEST_NULL;
  expect_banyan_calls(0, "persistent requests", [&] {
    alltoallv_init(e.sent.data(), e.counts.data(), e.displs.data(), MPI_INT, e.through_mpi.data(), e.counts.data(),
                   e.displs.data(), MPI_INT, MPI_COMM_WORLD, MPI_INFO_NULL, &request);
    check(preload_test_banyan_calls_left() == left + 1, "persistent requests are not counted");
    for (int round = 0; round < 3; ++round) {
      std::reverse(e.sent.begin(), e.sent.end());
      PMPI_Alltoallv(e.sent.data(), e.counts.data(), e.displs.data(), MPI_INT, e.through_pmpi.data(), e.counts.data(),
                     e.displs.data(), MPI_INT, MPI_COMM_WORLD);
      MPI_Start(&request);
      compare_left(e, request, "a persistent all-to-all-v");
    }
  });
  MPI_Request_free(&request);
}
#endif

}  // namespace

const std::vector<Case> kFormCases = {
    {"types_by_pair", types_by_pair},
    {"contiguous_types_by_pair", contiguous_types_by_pair},
#ifdef MPICH
    {"no_types_of_nothing", no_types_of_nothing},
#endif
#if MPI_VERSION >= 4
    {"large_counts", large_counts},
#endif
    {"nonblocking", nonblocking},
    {"blocking_beside_nonblocking", blocking_beside_nonblocking},
#if MPI_VERSION >= 4 || defined OMPI_HAVE_MPI_EXT_PCOLLREQ
    {"persistent", persistent},
#endif
};

}  // namespace preload_test
