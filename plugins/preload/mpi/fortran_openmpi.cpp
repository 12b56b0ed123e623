// SPDX-License-Identifier: Apache-2.0
// Open MPI's Fortran bindings call PMPI, not MPI, so a Fortran program's calls have to be met by their own names, those
// of the compilers and that of `use mpi_f08`. No Fortran compiler is needed: an INTEGER is an MPI_Fint, and ierror may
// be absent.
#include <banyan/banyan.h>
#include <mpi.h>

#include <algorithm>
#include <vector>

// MPI_IN_PLACE and MPI_BOTTOM of Fortran are variables, known by their address. One name of each is there when this
// library is loaded, see CMakeLists.txt; those of other compilers are absent.
extern "C" {
[[gnu::weak]] extern int mpi_fortran_in_place;
[[gnu::weak]] extern int mpi_fortran_in_place_;
[[gnu::weak]] extern int mpi_fortran_in_place__;
[[gnu::weak]] extern int MPI_FORTRAN_IN_PLACE;
[[gnu::weak]] extern int mpi_fortran_bottom;
[[gnu::weak]] extern int mpi_fortran_bottom_;
[[gnu::weak]] extern int mpi_fortran_bottom__;
[[gnu::weak]] extern int MPI_FORTRAN_BOTTOM;
}

namespace banyan::preload {
namespace {

/// The C meaning of a Fortran buffer.
void* buffer_of(void* buffer) {
  if (buffer != nullptr && (buffer == &mpi_fortran_in_place_ || buffer == &mpi_fortran_in_place ||
                            buffer == &mpi_fortran_in_place__ || buffer == &MPI_FORTRAN_IN_PLACE)) {
    return MPI_IN_PLACE;
  }
  if (buffer != nullptr && (buffer == &mpi_fortran_bottom_ || buffer == &mpi_fortran_bottom ||
                            buffer == &mpi_fortran_bottom__ || buffer == &MPI_FORTRAN_BOTTOM)) {
    return MPI_BOTTOM;
  }
  return buffer;
}

/// The type that MPI ignores in a call in place may be anything there.
MPI_Datatype send_type(const void* sendbuf, const MPI_Fint* type) {
  return sendbuf == MPI_IN_PLACE ? MPI_DATATYPE_NULL : PMPI_Type_f2c(*type);
}

/// One for each rank that takes part: of an inter-communicator those of the other side.
std::vector<MPI_Datatype> types_of(const MPI_Fint* types, MPI_Comm comm) {
  int size = 0, has_two_groups = 0;
  PMPI_Comm_test_inter(comm, &has_two_groups);
  has_two_groups != 0 ? PMPI_Comm_remote_size(comm, &size) : PMPI_Comm_size(comm, &size);
  std::vector<MPI_Datatype> converted(static_cast<size_t>(size));
  std::transform(types, types + size, converted.begin(), [](MPI_Fint type) { return PMPI_Type_f2c(type); });
  return converted;
}

void give(MPI_Fint* ierror, int code) {
  if (ierror != nullptr) {
    *ierror = code;
  }
}

}  // namespace
}  // namespace banyan::preload

using banyan::preload::buffer_of;
using banyan::preload::give;
using banyan::preload::send_type;
using banyan::preload::types_of;

extern "C" {

BANYAN_API void mpi_alltoall_(void* sendbuf, const MPI_Fint* sendcount, const MPI_Fint* sendtype, void* recvbuf,
                              const MPI_Fint* recvcount, const MPI_Fint* recvtype, const MPI_Fint* comm,
                              MPI_Fint* ierror) {
  void* const from = buffer_of(sendbuf);
  give(ierror, MPI_Alltoall(from, *sendcount, send_type(from, sendtype), buffer_of(recvbuf), *recvcount,
                            PMPI_Type_f2c(*recvtype), PMPI_Comm_f2c(*comm)));
}

BANYAN_API void mpi_alltoallv_(void* sendbuf, const MPI_Fint* sendcounts, const MPI_Fint* sdispls,
                               const MPI_Fint* sendtype, void* recvbuf, const MPI_Fint* recvcounts,
                               const MPI_Fint* rdispls, const MPI_Fint* recvtype, const MPI_Fint* comm,
                               MPI_Fint* ierror) {
  void* const from = buffer_of(sendbuf);
  give(ierror, MPI_Alltoallv(from, sendcounts, sdispls, send_type(from, sendtype), buffer_of(recvbuf), recvcounts,
                             rdispls, PMPI_Type_f2c(*recvtype), PMPI_Comm_f2c(*comm)));
}

BANYAN_API void mpi_alltoallw_(void* sendbuf, const MPI_Fint* sendcounts, const MPI_Fint* sdispls,
                               const MPI_Fint* sendtypes, void* recvbuf, const MPI_Fint* recvcounts,
                               const MPI_Fint* rdispls, const MPI_Fint* recvtypes, const MPI_Fint* comm,
                               MPI_Fint* ierror) {
  void* const from = buffer_of(sendbuf);
  const MPI_Comm c_comm = PMPI_Comm_f2c(*comm);
  const auto sent = from == MPI_IN_PLACE ? std::vector<MPI_Datatype>() : types_of(sendtypes, c_comm);
  const auto received = types_of(recvtypes, c_comm);
  give(ierror, MPI_Alltoallw(from, sendcounts, sdispls, sent.data(), buffer_of(recvbuf), recvcounts, rdispls,
                             received.data(), c_comm));
}

BANYAN_API void mpi_init_(MPI_Fint* ierror) { give(ierror, MPI_Init(nullptr, nullptr)); }

BANYAN_API void mpi_init_thread_(const MPI_Fint* required, MPI_Fint* provided, MPI_Fint* ierror) {
  int level = 0;
  const int code = MPI_Init_thread(nullptr, nullptr, *required, &level);
  if (code == MPI_SUCCESS) {
    *provided = level;
  }
  give(ierror, code);
}

using InitOfFortran = decltype(mpi_init_);
using InitThreadOfFortran = decltype(mpi_init_thread_);
using AlltoallOfFortran = decltype(mpi_alltoall_);
using AlltoallvOfFortran = decltype(mpi_alltoallv_);
using AlltoallwOfFortran = decltype(mpi_alltoallw_);

BANYAN_API extern InitOfFortran mpi_init [[gnu::alias("mpi_init_")]];
BANYAN_API extern InitOfFortran mpi_init__ [[gnu::alias("mpi_init_")]];
BANYAN_API extern InitOfFortran MPI_INIT [[gnu::alias("mpi_init_")]];
BANYAN_API extern InitOfFortran mpi_init_f08_ [[gnu::alias("mpi_init_")]];
BANYAN_API extern InitThreadOfFortran mpi_init_thread [[gnu::alias("mpi_init_thread_")]];
BANYAN_API extern InitThreadOfFortran mpi_init_thread__ [[gnu::alias("mpi_init_thread_")]];
BANYAN_API extern InitThreadOfFortran MPI_INIT_THREAD [[gnu::alias("mpi_init_thread_")]];
BANYAN_API extern InitThreadOfFortran mpi_init_thread_f08_ [[gnu::alias("mpi_init_thread_")]];
BANYAN_API extern AlltoallOfFortran mpi_alltoall [[gnu::alias("mpi_alltoall_")]];
BANYAN_API extern AlltoallOfFortran mpi_alltoall__ [[gnu::alias("mpi_alltoall_")]];
BANYAN_API extern AlltoallOfFortran MPI_ALLTOALL [[gnu::alias("mpi_alltoall_")]];
BANYAN_API extern AlltoallOfFortran mpi_alltoall_f08_ [[gnu::alias("mpi_alltoall_")]];
BANYAN_API extern AlltoallvOfFortran mpi_alltoallv [[gnu::alias("mpi_alltoallv_")]];
BANYAN_API extern AlltoallvOfFortran mpi_alltoallv__ [[gnu::alias("mpi_alltoallv_")]];
BANYAN_API extern AlltoallvOfFortran MPI_ALLTOALLV [[gnu::alias("mpi_alltoallv_")]];
BANYAN_API extern AlltoallvOfFortran mpi_alltoallv_f08_ [[gnu::alias("mpi_alltoallv_")]];
BANYAN_API extern AlltoallwOfFortran mpi_alltoallw [[gnu::alias("mpi_alltoallw_")]];
BANYAN_API extern AlltoallwOfFortran mpi_alltoallw__ [[gnu::alias("mpi_alltoallw_")]];
BANYAN_API extern AlltoallwOfFortran MPI_ALLTOALLW [[gnu::alias("mpi_alltoallw_")]];
BANYAN_API extern AlltoallwOfFortran mpi_alltoallw_f08_ [[gnu::alias("mpi_alltoallw_")]];

}  // extern "C"
