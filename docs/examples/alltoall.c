/* SPDX-License-Identifier: Apache-2.0 */
/* A uniform all-to-all. Run it on four ranks of this machine: banyan-run -n 4 -- build/dev/docs/examples/alltoall */
#include <stdio.h>
#include <stdlib.h>

#include <banyan/banyan.h>

static void check(banyan_status status) {
  if (status != BANYAN_OK) {
    fprintf(stderr, "%s: %s\n", banyan_status_name(status), banyan_last_error());
    exit(1);
  }
}

int main(void) {
  banyan_comm* comm = NULL;
  int rank = 0, size = 0, peer;
  check(banyan_comm_create_from_environment(NULL, &comm)); /* torchrun, mpirun, srun or banyan-run started us */
  check(banyan_comm_rank(comm, &rank));
  check(banyan_comm_size(comm, &size));

  int* sendbuf = malloc((size_t)size * sizeof *sendbuf);
  int* recvbuf = malloc((size_t)size * sizeof *recvbuf);
  if (sendbuf == NULL || recvbuf == NULL) {
    return 1;
  }
  for (peer = 0; peer < size; ++peer) {
    sendbuf[peer] = 100 * rank + peer;
  }
  check(banyan_alltoall(comm, sendbuf, recvbuf, 1, sizeof(int), NULL)); /* one int to each rank, one from each */
  for (peer = 0; peer < size; ++peer) {
    if (recvbuf[peer] != 100 * peer + rank) {
      fprintf(stderr, "rank %d: wrong value %d from rank %d\n", rank, recvbuf[peer], peer);
      return 1;
    }
  }
  printf("rank %d of %d: right\n", rank, size);

  free(sendbuf);
  free(recvbuf);
  check(banyan_comm_destroy(comm));
  return 0;
}
