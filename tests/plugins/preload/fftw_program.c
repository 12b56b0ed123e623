/* SPDX-License-Identifier: Apache-2.0 */
/* Transforms by FFTW's MPI library, of sizes that the ranks do not divide; prints what came out, as a number each. */
#include <fftw3-mpi.h>
#include <mpi.h>
#include <stdint.h>
#include <stdio.h>

/* FNV-1a of all ranks' bytes, in the order of ranks. */
static void print_digest(const char* name, const void* data, size_t size) {
  const unsigned char* bytes = data;
  uint64_t digest = 14695981039346656037u, all[64];
  int rank, num_ranks;
  for (size_t i = 0; i < size; ++i) {
    digest = (digest ^ bytes[i]) * 1099511628211u;
  }
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &num_ranks);
  MPI_Gather(&digest, 1, MPI_UINT64_T, all, 1, MPI_UINT64_T, 0, MPI_COMM_WORLD);
  for (int i = 0; rank == 0 && i < num_ranks && i < 64; ++i) {
    printf("%s of rank %d: %016llx\n", name, i, (unsigned long long)all[i]);
  }
}

static void transform(const char* name, int dimensions, const ptrdiff_t* n, int sign, unsigned flags) {
  ptrdiff_t local_n0, begin0, local_n1, begin1;
  const ptrdiff_t size =
      flags & FFTW_MPI_TRANSPOSED_OUT
          ? fftw_mpi_local_size_transposed(dimensions, n, MPI_COMM_WORLD, &local_n0, &begin0, &local_n1, &begin1)
          : fftw_mpi_local_size(dimensions, n, MPI_COMM_WORLD, &local_n0, &begin0);
  ptrdiff_t row = 1, count = 0;
  for (int d = 1; d < dimensions; ++d) {
    row *= n[d];
  }
  fftw_complex* data = fftw_alloc_complex((size_t)size);
  fftw_complex* result = fftw_alloc_complex((size_t)size);
  fftw_plan plan =
      fftw_mpi_plan_dft(dimensions, n, data, result, MPI_COMM_WORLD, sign, FFTW_ESTIMATE | FFTW_DESTROY_INPUT | flags);
  for (ptrdiff_t i = 0; i < size; ++i) {
    data[i][0] = data[i][1] = 0;
  }
  for (ptrdiff_t i = 0; i < local_n0 * row; ++i) {
    data[i][0] = (double)((begin0 * row + i) % 1009) / 1009;
    data[i][1] = (double)((begin0 * row + i) % 613) / 613;
  }
  fftw_execute(plan);
  count = flags & FFTW_MPI_TRANSPOSED_OUT ? local_n1 * n[0] * row / n[1] : local_n0 * row;
  print_digest(name, result, (size_t)count * sizeof *result);
  fftw_destroy_plan(plan);
  fftw_free(result);
  fftw_free(data);
}

/* FFTW measures its ways to transpose, all-to-alls among them; the result is the same by all. */
static void transpose(const char* name, ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t width) {
  const ptrdiff_t n[2] = {rows, columns};
  ptrdiff_t local_rows, begin, local_columns, begin_columns;
  const ptrdiff_t size =
      fftw_mpi_local_size_many_transposed(2, n, width, FFTW_MPI_DEFAULT_BLOCK, FFTW_MPI_DEFAULT_BLOCK, MPI_COMM_WORLD,
                                          &local_rows, &begin, &local_columns, &begin_columns);
  double* data = fftw_alloc_real((size_t)size);
  double* transposed = fftw_alloc_real((size_t)size);
  fftw_plan plan = fftw_mpi_plan_many_transpose(rows, columns, width, FFTW_MPI_DEFAULT_BLOCK, FFTW_MPI_DEFAULT_BLOCK,
                                                data, transposed, MPI_COMM_WORLD, FFTW_PATIENT | FFTW_DESTROY_INPUT);
  for (ptrdiff_t i = 0; i < local_rows * columns * width; ++i) {
    data[i] = (double)(begin * columns * width + i);
  }
  fftw_execute(plan);
  print_digest(name, transposed, (size_t)(local_columns * rows * width) * sizeof *data);
  fftw_destroy_plan(plan);
  fftw_free(transposed);
  fftw_free(data);
}

int main(int argc, char** argv) {
  const ptrdiff_t square[2] = {64, 96}, uneven[2] = {37, 53}, box[3] = {18, 22, 10};
  MPI_Init(&argc, &argv);
  fftw_mpi_init();
  transform("2D", 2, square, FFTW_FORWARD, 0);
  transform("2D, uneven", 2, uneven, FFTW_BACKWARD, 0);
  transform("3D, transposed", 3, box, FFTW_FORWARD, FFTW_MPI_TRANSPOSED_OUT);
  transpose("transpose", 24, 40, 1);
  transpose("transpose, uneven", 37, 53, 3);
  fftw_mpi_cleanup();
  MPI_Finalize();
  return 0;
}
