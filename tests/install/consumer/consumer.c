/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include <banyan/banyan.h>

int main(void) {
  banyan_comm* comm = NULL;
  int sent = 42, received = 0, major = -1;
  banyan_version(&major, NULL, NULL);
  if (banyan_comm_create_local(1, NULL, &comm) != BANYAN_OK ||
      banyan_alltoall(comm, &sent, &received, 1, sizeof sent, NULL) != BANYAN_OK ||
      banyan_comm_destroy(comm) != BANYAN_OK) {
    fprintf(stderr, "%s\n", banyan_last_error());
    return 1;
  }
  printf("version %d received %d\n", major, received);
  return !(major == BANYAN_VERSION_MAJOR && received == 42);
}
