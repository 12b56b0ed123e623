// SPDX-License-Identifier: Apache-2.0
// Counts and datatypes.
#include <dlfcn.h>

#include <utility>

#include "program.hpp"

namespace preload_test {
namespace {

constexpr int kRounds = 8;

/// Gives each rank random numbers of its own beside those that all share.
struct Randoms {
  std::mt19937 shared{20261128};
  std::mt19937 own{static_cast<unsigned>(1 + rank_of(MPI_COMM_WORLD))};
};

MPI_Datatype committed(MPI_Datatype type) {
  MPI_Type_commit(&type);
  return type;
}

MPI_Datatype contiguous(int count, MPI_Datatype of) {
  MPI_Datatype type = MPI_DATATYPE_NULL;
  MPI_Type_contiguous(count, of, &type);
  return committed(type);
}

MPI_Datatype vector(int count, int stride, MPI_Datatype of) {
  MPI_Datatype type = MPI_DATATYPE_NULL;
  MPI_Type_vector(count, 1, stride, of, &type);
  return committed(type);
}

MPI_Datatype resized(MPI_Datatype of, MPI_Aint extent) {
  MPI_Datatype type = MPI_DATATYPE_NULL;
  MPI_Type_create_resized(of, 0, extent, &type);
  return committed(type);
}

/// Two ints, the second in front of the first: as large as its extent, yet not contiguous.
MPI_Datatype swapped() {
  const int displacements[2] = {1, 0};
  MPI_Datatype type = MPI_DATATYPE_NULL;
  MPI_Type_create_indexed_block(2, 1, displacements, MPI_INT, &type);
  return committed(type);
}

MPI_Datatype structure() {
  const int lengths[3] = {1, 3, 2};
  const MPI_Aint displacements[3] = {0, 8, 24};
  const MPI_Datatype parts[3] = {MPI_DOUBLE, MPI_SHORT, MPI_CHAR};
  MPI_Datatype type = MPI_DATATYPE_NULL;
  MPI_Type_create_struct(3, lengths, displacements, parts, &type);
  const MPI_Datatype wide = resized(type, 40);
  MPI_Type_free(&type);
  return wide;
}

void exchange_all_ways(MPI_Datatype sendtype, MPI_Datatype recvtype) {
  Randoms randoms;
  const int size = size_of(MPI_COMM_WORLD);
  for (int round = 0; round < kRounds; ++round) {
    const int count = static_cast<int>(randoms.shared() % 400);
    compare_alltoall(MPI_COMM_WORLD, count, sendtype, recvtype, randoms.own);
    compare_alltoallv(MPI_COMM_WORLD, random_counts(size, 900, randoms.shared), sendtype, recvtype, randoms.own);
    compare_alltoall_in_place(MPI_COMM_WORLD, count, recvtype, randoms.own);
    compare_alltoallv_in_place(MPI_COMM_WORLD, random_counts(size, 300, randoms.shared), recvtype, randoms.own);
  }
}

void expect_all_taken(MPI_Datatype sendtype, MPI_Datatype recvtype) {
  expect_banyan_calls(4 * kRounds, "exchanges", [&] { exchange_all_ways(sendtype, recvtype); });
}

void basic_types() {
  expect_all_taken(MPI_BYTE, MPI_BYTE);
  expect_all_taken(MPI_DOUBLE, MPI_DOUBLE);
}

void contiguous_types() {
  MPI_Datatype inner = contiguous(3, MPI_INT), outer = contiguous(2, inner), copy = MPI_DATATYPE_NULL;
  MPI_Type_dup(outer, &copy);
  expect_all_taken(outer, copy);
  for (MPI_Datatype* type : {&inner, &outer, &copy}) {
    MPI_Type_free(type);
  }
}

/// Those that Fortran asks for by precision have no name, and are not the program's to free.
void types_of_fortran_kinds() {
  MPI_Datatype real = MPI_DATATYPE_NULL, copy = MPI_DATATYPE_NULL;
  MPI_Type_create_f90_real(6, MPI_UNDEFINED, &real);
  MPI_Datatype three = contiguous(3, real);
  MPI_Type_dup(three, &copy);
  expect_all_taken(real, MPI_FLOAT);
  expect_all_taken(three, copy);
  MPI_Type_free(&three);
  MPI_Type_free(&copy);
}

#if MPI_VERSION >= 4
/// Of which MPI_Type_get_envelope knows nothing.
void types_of_large_counts() {
  MPI_Datatype inner = MPI_DATATYPE_NULL, strided = MPI_DATATYPE_NULL;
  MPI_Type_contiguous_c(3, MPI_INT, &inner);
  MPI_Type_vector_c(3, 1, 2, MPI_INT, &strided);
  MPI_Datatype three = committed(inner), gaps = committed(strided), outer = contiguous(2, three);
  expect_all_taken(three, three);
  expect_all_taken(outer, outer);
  expect_all_taken(three, gaps);
  for (MPI_Datatype* type : {&three, &gaps, &outer}) {
    MPI_Type_free(type);
  }
}
#endif

void types_with_gaps() {
  MPI_Datatype strided = vector(3, 2, MPI_INT), record = structure(), order = swapped();
  MPI_Datatype wide = resized(MPI_INT, 12), three = contiguous(3, MPI_INT);
  expect_all_taken(strided, strided);
  expect_all_taken(record, record);
  expect_all_taken(wide, wide);
  expect_all_taken(MPI_DOUBLE_INT, MPI_DOUBLE_INT);
  expect_all_taken(order, order);
  expect_all_taken(three, strided);
  for (MPI_Datatype* type : {&strided, &record, &order, &wide, &three}) {
    MPI_Type_free(type);
  }
}

MPI_Datatype blocks(const std::vector<int>& lengths, const std::vector<int>& displacements) {
  MPI_Datatype type = MPI_DATATYPE_NULL;
  MPI_Type_indexed(static_cast<int>(lengths.size()), lengths.data(), displacements.data(), MPI_INT, &type);
  return committed(type);
}

/// `parts` one behind the other.
MPI_Datatype record_of(const std::vector<MPI_Datatype>& parts) {
  std::vector<MPI_Aint> displacements;
  MPI_Aint end = 0;
  for (const MPI_Datatype part : parts) {
    MPI_Aint lower = 0, extent = 0;
    MPI_Type_get_extent(part, &lower, &extent);
    displacements.push_back(end);
    end += extent;
  }
  const std::vector<int> ones(parts.size(), 1);
  MPI_Datatype type = MPI_DATATYPE_NULL;
  MPI_Type_create_struct(static_cast<int>(parts.size()), ones.data(), displacements.data(), parts.data(), &type);
  return committed(type);
}

void exchange_copying(MPI_Datatype type, bool copies, const char* what) {
  const auto packs = reinterpret_cast<uint64_t (*)()>(::dlsym(RTLD_DEFAULT, "preload_test_packs"));
  check(packs != nullptr, "stubborn_mpi.cpp is not preloaded");
  if (packs == nullptr) {
    return;
  }
  Randoms randoms;
  const uint64_t before = packs();
  expect_banyan_calls(2, what, [&] {
    compare_alltoall(MPI_COMM_WORLD, 30, type, type, randoms.own);
    compare_alltoallv(MPI_COMM_WORLD, random_counts(size_of(MPI_COMM_WORLD), 20, randoms.shared), type, type,
                      randoms.own);
  });
  check((packs() > before) == copies, std::string(what) + (copies ? ": not copied" : ": copied"));
}

/// With stubborn_mpi.cpp, which counts what is packed: types that are a run of bytes, however they are made, are not.
void runs_are_not_copied() {
  MPI_Datatype strided = vector(3, 1, MPI_INT), two = record_of({MPI_INT, MPI_FLOAT}), same = resized(MPI_INT, 4);
  MPI_Datatype in_order = blocks({2, 0, 3}, {0, 9, 2}), out_of_order = blocks({2, 3}, {3, 0});
  MPI_Datatype with_gap = blocks({2, 3}, {0, 3}), late = blocks({2, 3}, {1, 3}), gaps = vector(3, 2, MPI_INT);
  MPI_Datatype rest = contiguous(8, MPI_CHAR), large = record_of({strided, strided, rest}), order = swapped();
  MPI_Datatype bad_record = record_of({strided, order});
  for (const auto& [type, what] :
       {std::pair{strided, "a vector"}, std::pair{two, "a struct"}, std::pair{same, "resized"},
        std::pair{in_order, "indexed"}, std::pair{large, "a struct of vectors"}}) {
    exchange_copying(type, false, what);
  }
  for (const auto& [type, what] :
       {std::pair{out_of_order, "out of order"}, std::pair{with_gap, "with a gap"}, std::pair{late, "late"},
        std::pair{gaps, "a vector with gaps"}, std::pair{order, "swapped"}, std::pair{bad_record, "swapped inside"}}) {
    exchange_copying(type, true, what);
  }
  for (MPI_Datatype* type :
       {&strided, &two, &same, &in_order, &out_of_order, &with_gap, &late, &gaps, &rest, &large, &order, &bad_record}) {
    MPI_Type_free(type);
  }
}

/// What one rank sees as contiguous another does not; both must come to the same decision.
void types_that_differ_by_rank() {
  MPI_Datatype strided = vector(3, 2, MPI_INT), three = contiguous(3, MPI_INT);
  const bool odd = rank_of(MPI_COMM_WORLD) % 2 == 1;
  expect_all_taken(odd ? strided : three, odd ? three : strided);
  MPI_Type_free(&strided);
  MPI_Type_free(&three);
}

void nothing_to_exchange() {
  const auto zeros = static_cast<size_t>(size_of(MPI_COMM_WORLD));
  const std::vector<int> none(zeros, 0);
  expect_banyan_calls(2, "empty exchanges", [&] {
    check(MPI_Alltoall(nullptr, 0, MPI_INT, nullptr, 0, MPI_INT, MPI_COMM_WORLD) == MPI_SUCCESS, "MPI_Alltoall of 0");
    check(MPI_Alltoallv(nullptr, none.data(), none.data(), MPI_INT, nullptr, none.data(), none.data(), MPI_INT,
                        MPI_COMM_WORLD) == MPI_SUCCESS,
          "MPI_Alltoallv of 0");
  });
}

/// What MPICH takes, and Open MPI refuses: one rank does not say where its nothing is.
void absent_displacements() {
  const bool absent = rank_of(MPI_COMM_WORLD) == 1;
  const std::vector<int> none(static_cast<size_t>(size_of(MPI_COMM_WORLD)), 0);
  MPI_Datatype strided = vector(3, 2, MPI_INT);
  expect_banyan_calls(2, "absent displacements", [&] {
    for (const MPI_Datatype type : {MPI_INT, strided}) {
      check(MPI_Alltoallv(nullptr, none.data(), absent ? nullptr : none.data(), type, nullptr, none.data(),
                          absent ? nullptr : none.data(), type, MPI_COMM_WORLD) == MPI_SUCCESS,
            "MPI_Alltoallv of 0");
    }
  });
  MPI_Type_free(&strided);
}

void large_blocks() {
  Randoms randoms;
  MPI_Datatype strided = vector(3, 2, MPI_INT);
  expect_banyan_calls(3, "large blocks", [&] {
    compare_alltoall(MPI_COMM_WORLD, 3 << 20, MPI_BYTE, MPI_BYTE, randoms.own);
    compare_alltoall(MPI_COMM_WORLD, 1 << 18, strided, strided, randoms.own);
    compare_alltoallv(MPI_COMM_WORLD, random_counts(size_of(MPI_COMM_WORLD), 1 << 19, randoms.shared), MPI_INT, MPI_INT,
                      randoms.own);
  });
  MPI_Type_free(&strided);
}

/// Addresses in the datatype and in the displacements, none in the buffer.
void absolute_addresses() {
  const auto size = static_cast<size_t>(size_of(MPI_COMM_WORLD));
  std::vector<int> sent(size, rank_of(MPI_COMM_WORLD)), received(size, -1);
  MPI_Aint addresses[2] = {};
  MPI_Get_address(sent.data(), &addresses[0]);
  MPI_Get_address(received.data(), &addresses[1]);
  MPI_Datatype types[2] = {};
  for (int i = 0; i < 2; ++i) {
    const int length = 1;
    MPI_Datatype at = MPI_DATATYPE_NULL;
    MPI_Type_create_hindexed(1, &length, &addresses[i], MPI_INT, &at);
    types[i] = resized(at, sizeof(int));
    MPI_Type_free(&at);
  }
  expect_banyan_calls(1, "absolute addresses",
                      [&] { MPI_Alltoall(MPI_BOTTOM, 1, types[0], MPI_BOTTOM, 1, types[1], MPI_COMM_WORLD); });
  for (size_t i = 0; i < size; ++i) {
    check(received[i] == static_cast<int>(i), "an element at an absolute address");
  }
  MPI_Type_free(&types[0]);
  MPI_Type_free(&types[1]);
}

void displacements_before_the_buffer() {
  const int size = size_of(MPI_COMM_WORLD), rank = rank_of(MPI_COMM_WORLD);
  std::vector<int> sent(static_cast<size_t>(size)), received(sent.size(), -1), ones(sent.size(), 1),
      displs(sent.size());
  for (int i = 0; i < size; ++i) {
    sent[static_cast<size_t>(i)] = 100 * rank + i;
    displs[static_cast<size_t>(i)] = i - size;
  }
  expect_banyan_calls(1, "negative displacements", [&] {
    MPI_Alltoallv(sent.data() + size, ones.data(), displs.data(), MPI_INT, received.data() + size, ones.data(),
                  displs.data(), MPI_INT, MPI_COMM_WORLD);
  });
  for (int i = 0; i < size; ++i) {
    check(received[static_cast<size_t>(i)] == 100 * i + rank, "an element before the buffer");
  }
}

void invalid_arguments() {
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  std::vector<int> buffer(64);
  const auto expect_class = [&](int wanted, int code, const char* what) {
    int error_class = MPI_SUCCESS;
    MPI_Error_class(code, &error_class);
    check(error_class == wanted, what);
  };
  expect_banyan_calls(0, "invalid arguments", [&] {
    expect_class(MPI_ERR_COUNT,
                 MPI_Alltoall(buffer.data(), -1, MPI_INT, buffer.data() + 32, -1, MPI_INT, MPI_COMM_WORLD),
                 "a negative count is not MPI's to report");
    expect_class(
        MPI_ERR_TYPE,
        MPI_Alltoall(buffer.data(), 1, MPI_DATATYPE_NULL, buffer.data() + 32, 1, MPI_DATATYPE_NULL, MPI_COMM_WORLD),
        "no datatype is not MPI's to report");
    const std::vector<int> ones(64, 1), displs(64, 0);
    check(MPI_Alltoall(buffer.data(), 1, MPI_INT, MPI_IN_PLACE, 1, MPI_INT, MPI_COMM_WORLD) != MPI_SUCCESS,
          "what is received in place is taken");
    check(MPI_Alltoallv(buffer.data(), ones.data(), displs.data(), MPI_INT, MPI_IN_PLACE, ones.data(), displs.data(),
                        MPI_INT, MPI_COMM_WORLD) != MPI_SUCCESS,
          "what is received in place by MPI_Alltoallv is taken");
  });
  MPI_Comm copy = MPI_COMM_NULL;
  MPI_Datatype strided = MPI_DATATYPE_NULL;
  MPI_Comm_dup(MPI_COMM_WORLD, &copy);
  MPI_Type_vector(3, 1, 2, MPI_INT, &strided);
  expect_banyan_calls(0, "a type that is not committed", [&] {
    expect_class(MPI_ERR_TYPE, MPI_Alltoall(buffer.data(), 1, strided, buffer.data() + 32, 1, strided, copy),
                 "an error of MPI does not stay one");
  });
  MPI_Type_free(&strided);
  MPI_Comm_free(&copy);
}

/// That nothing is Banyan's says nothing where there is no library.
void library_is_loaded() { check(preload_test_is_loaded(), "the library is not loaded"); }

void all_left_to_mpi() {
  expect_banyan_calls(0, "what is left to MPI", [] { exchange_all_ways(MPI_INT, MPI_INT); });
}

}  // namespace

const std::vector<Case> kDataCases = {
    {"basic_types", basic_types},
    {"contiguous_types", contiguous_types},
    {"types_of_fortran_kinds", types_of_fortran_kinds},
#if MPI_VERSION >= 4
    {"types_of_large_counts", types_of_large_counts},
#endif
    {"types_with_gaps", types_with_gaps},
    {"runs_are_not_copied", runs_are_not_copied},
    {"types_that_differ_by_rank", types_that_differ_by_rank},
    {"nothing_to_exchange", nothing_to_exchange},
    {"absent_displacements", absent_displacements},
    {"large_blocks", large_blocks},
    {"absolute_addresses", absolute_addresses},
    {"displacements_before_the_buffer", displacements_before_the_buffer},
    {"invalid_arguments", invalid_arguments},
    {"library_is_loaded", library_is_loaded},
    {"all_left_to_mpi", all_left_to_mpi},
};

}  // namespace preload_test
