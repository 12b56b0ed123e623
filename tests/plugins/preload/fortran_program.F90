! SPDX-License-Identifier: Apache-2.0
! The calls of a Fortran program, in place and not; stops with 1 if data are wrong or Banyan did not make the exchanges.
program fortran_program
#ifdef WITH_MPI_F08
  use mpi_f08
  use iso_c_binding, only: c_int64_t
  implicit none
  type(MPI_Comm) :: copy
  type(MPI_Datatype), allocatable :: types(:)
#else
  use iso_c_binding, only: c_int64_t
  implicit none
  include 'mpif.h'
  integer :: copy
  integer, allocatable :: types(:)
#endif
  interface
    function banyan_calls() bind(C, name='preload_test_banyan_calls')
      import :: c_int64_t
      integer(c_int64_t) :: banyan_calls
    end function banyan_calls
  end interface
  integer :: ierror, rank, size, i, all_wrong
  integer :: wrong = 0
  integer, allocatable :: sent(:), received(:), ones(:), displs(:), bytes(:)
  call mpi_init(ierror)
  call mpi_comm_dup(MPI_COMM_WORLD, copy, ierror)
  call mpi_comm_rank(copy, rank, ierror)
  call mpi_comm_size(copy, size, ierror)
  allocate(sent(size), received(size), ones(size), displs(size), bytes(size), types(size))
  do i = 1, size
    sent(i) = 100 * rank + i
    ones(i) = 1
    displs(i) = size - i
  end do
  call mpi_alltoall(sent, 1, MPI_INTEGER, received, 1, MPI_INTEGER, copy, ierror)
  do i = 1, size
    if (ierror /= MPI_SUCCESS .or. received(i) /= 100 * (i - 1) + rank + 1) wrong = wrong + 1
  end do
  call mpi_alltoallv(sent, ones, displs, MPI_INTEGER, received, ones, displs, MPI_INTEGER, copy, ierror)
  do i = 1, size
    if (ierror /= MPI_SUCCESS .or. received(size - i + 1) /= 100 * (i - 1) + size - rank) wrong = wrong + 1
  end do
  call mpi_alltoall(MPI_IN_PLACE, 0, MPI_INTEGER, sent, 1, MPI_INTEGER, copy, ierror)
  do i = 1, size
    if (ierror /= MPI_SUCCESS .or. sent(i) /= 100 * (i - 1) + rank + 1) wrong = wrong + 1
  end do
#ifdef WITH_MPI_F08
  ! ierror may be absent.
  call mpi_alltoallv(MPI_IN_PLACE, ones, displs, MPI_INTEGER, sent, ones, displs, MPI_INTEGER, copy)
#else
  call mpi_alltoallv(MPI_IN_PLACE, ones, displs, MPI_INTEGER, sent, ones, displs, MPI_INTEGER, copy, ierror)
#endif
  do i = 1, size
    if (sent(size - i + 1) /= 100 * (size - rank - 1) + i) wrong = wrong + 1
  end do
  types = MPI_INTEGER
  do i = 1, size
    sent(i) = 100 * rank + i
    bytes(i) = 4 * (size - i)
  end do
  call mpi_alltoallw(sent, ones, bytes, types, received, ones, bytes, types, copy, ierror)
  do i = 1, size
    if (ierror /= MPI_SUCCESS .or. received(size - i + 1) /= 100 * (i - 1) + size - rank) wrong = wrong + 1
  end do
  call mpi_alltoallw(MPI_IN_PLACE, ones, bytes, types, sent, ones, bytes, types, copy, ierror)
  if (any(sent /= received)) wrong = wrong + 1
  if (banyan_calls() /= 6) wrong = wrong + 1
  call mpi_comm_free(copy, ierror)
  call mpi_allreduce(wrong, all_wrong, 1, MPI_INTEGER, MPI_SUM, MPI_COMM_WORLD, ierror)
  call mpi_finalize(ierror)
  if (all_wrong /= 0) stop 1
end program fortran_program
