! SPDX-License-Identifier: Apache-2.0
! What late_fortran_program.c opens: MPI, and calls in place. Returns the number of wrong elements.
integer(c_int) function late_fortran() bind(C, name='late_fortran')
  use iso_c_binding, only: c_int
  implicit none
  include 'mpif.h'
  integer :: ierror, rank, size, i
  integer, allocatable :: mine(:), ones(:), displs(:)
  call mpi_init(ierror)
  call mpi_comm_rank(MPI_COMM_WORLD, rank, ierror)
  call mpi_comm_size(MPI_COMM_WORLD, size, ierror)
  allocate(mine(size), ones(size), displs(size))
  do i = 1, size
    mine(i) = 100 * rank + i
    ones(i) = 1
    displs(i) = i - 1
  end do
  late_fortran = 0
  call mpi_alltoall(MPI_IN_PLACE, 0, MPI_INTEGER, mine, 1, MPI_INTEGER, MPI_COMM_WORLD, ierror)
  do i = 1, size
    if (ierror /= MPI_SUCCESS .or. mine(i) /= 100 * (i - 1) + rank + 1) late_fortran = late_fortran + 1
  end do
  call mpi_alltoallv(MPI_IN_PLACE, ones, displs, MPI_INTEGER, mine, ones, displs, MPI_INTEGER, MPI_COMM_WORLD, ierror)
  do i = 1, size
    if (ierror /= MPI_SUCCESS .or. mine(i) /= 100 * rank + i) late_fortran = late_fortran + 1
  end do
  call mpi_finalize(ierror)
end function late_fortran
