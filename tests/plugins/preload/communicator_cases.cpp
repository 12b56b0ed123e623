// SPDX-License-Identifier: Apache-2.0
// Communicators of all kinds, and how they come and go.
#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <string_view>
#include <thread>

#include "program.hpp"

namespace preload_test {
namespace {

int open_descriptors() {
  int count = 0;
  if (DIR* folder = ::opendir("/proc/self/fd")) {
    while (::readdir(folder) != nullptr) {
      ++count;
    }
    ::closedir(folder);
  }
  return count;
}

void split_and_duplicate() {
  const int rank = rank_of(MPI_COMM_WORLD);
  MPI_Comm half = MPI_COMM_NULL, reversed = MPI_COMM_NULL, copy = MPI_COMM_NULL;
  MPI_Comm_split(MPI_COMM_WORLD, rank % 2, rank, &half);
  MPI_Comm_split(MPI_COMM_WORLD, 0, -rank, &reversed);
  expect_banyan_calls(4, "split and duplicated communicators", [&] {
    exchange_once(half);
    exchange_once(reversed);
    MPI_Comm_dup(reversed, &copy);
    exchange_once(copy);
    exchange_once(reversed);
  });
  MPI_Comm_free(&reversed);
  expect_banyan_calls(1, "the duplicate of a freed communicator", [&] { exchange_once(copy); });
  MPI_Comm_disconnect(&copy);
  MPI_Comm_free(&half);
  check(half == MPI_COMM_NULL && copy == MPI_COMM_NULL, "freed handles stay");
}

/// What observed.py expects to be reported.
void observed_halves() {
  const int rank = rank_of(MPI_COMM_WORLD);
  MPI_Comm half = MPI_COMM_NULL;
  MPI_Comm_split(MPI_COMM_WORLD, rank % 2, rank, &half);
  MPI_Comm_set_name(half, "a half & more");
  const auto size = static_cast<size_t>(size_of(half));
  std::vector<int> sent(3 * size, rank), received(3 * size, -1), displs(size), sendcounts(size, rank_of(half) + 1),
      recvcounts(size);
  for (size_t i = 0; i < size; ++i) {
    displs[i] = 3 * static_cast<int>(i);
    recvcounts[i] = static_cast<int>(i) + 1;
  }
  expect_banyan_calls(0, "observed exchanges", [&] {
    for (int i = 0; i < 5; ++i) {
      MPI_Alltoall(i == 0 ? MPI_IN_PLACE : sent.data(), 3, MPI_INT, received.data(), 3, MPI_INT, half);
    }
    for (int i = 0; i < 4; ++i) {
      MPI_Alltoallv(sent.data(), sendcounts.data(), displs.data(), MPI_INT, received.data(), recvcounts.data(),
                    displs.data(), MPI_INT, half);
    }
  });
  for (size_t i = 0; i < size; ++i) {
    check(received[3 * i] == rank % 2 + 2 * static_cast<int>(i), "an element of the half");
  }
  if (rank % 2 == 0) {
    MPI_Comm_free(&half);  // the others leave theirs to MPI_Finalize
  }
}

void one_rank() {
  MPI_Comm alone = MPI_COMM_NULL;
  MPI_Comm_split(MPI_COMM_WORLD, rank_of(MPI_COMM_WORLD), 0, &alone);
  expect_banyan_calls(0, "communicators of one rank", [&] {
    exchange_once(MPI_COMM_SELF);
    exchange_once(alone);
  });
  MPI_Comm_free(&alone);
}

/// The two halves of the world: each rank exchanges with all ranks of the other half.
void inter_communicator() {
  const int rank = rank_of(MPI_COMM_WORLD), size = size_of(MPI_COMM_WORLD), first = rank % 2;
  MPI_Comm half = MPI_COMM_NULL, across = MPI_COMM_NULL;
  MPI_Comm_split(MPI_COMM_WORLD, first, rank, &half);
  MPI_Intercomm_create(half, 0, MPI_COMM_WORLD, 1 - first, 1, &across);
  int others = 0;
  MPI_Comm_remote_size(across, &others);
  std::vector<int> sent(static_cast<size_t>(others), rank), received(sent.size(), -1);
  expect_banyan_calls(0, "inter-communicators",
                      [&] { MPI_Alltoall(sent.data(), 1, MPI_INT, received.data(), 1, MPI_INT, across); });
  for (int i = 0; i < others; ++i) {
    check(received[static_cast<size_t>(i)] == 2 * i + 1 - first && 2 * i < size, "an element of the other half");
  }
  MPI_Comm_free(&across);
  MPI_Comm_free(&half);
}

void freed_in_opposite_orders() {
  for (int round = 0; round < 3; ++round) {
    std::array<MPI_Comm, 2> comms = two_copies();
    expect_banyan_calls(2, "two communicators", [&] {
      exchange_once(comms[0]);
      exchange_once(comms[1]);
    });
    free_in_opposite_orders(comms);
  }
}

/// Started with BANYAN_PRELOAD=observe.
void observed_freed_in_opposite_orders() {
  std::array<MPI_Comm, 2> comms = two_copies();
  exchange_once(comms[0]);
  exchange_once(comms[1]);
  free_in_opposite_orders(comms);
}

/// Whether there are so few again. What the program freed is given back a little later: false after far longer than any
/// machine needs.
bool descriptors_return_to(int most) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (open_descriptors() > most) {
    if (std::chrono::steady_clock::now() > deadline) {
      return false;
    }
    std::this_thread::yield();
  }
  return true;
}

void made_and_freed_often() {
  constexpr int kTimes = 40;
  int with_first = 0;
  expect_banyan_calls(kTimes, "communicators made and freed", [&] {
    for (int i = 0; i < kTimes; ++i) {
      MPI_Comm copy = MPI_COMM_NULL;
      MPI_Comm_dup(MPI_COMM_WORLD, &copy);
      const int mine = rank_of(copy);
      std::vector<int> sent(static_cast<size_t>(size_of(copy)), mine), received(sent.size(), -1);
      MPI_Alltoall(sent.data(), 1, MPI_INT, received.data(), 1, MPI_INT, copy);
      check(std::is_sorted(received.begin(), received.end()) && received[0] == 0, "an element");
      with_first = i == 0 ? open_descriptors() : with_first;
      MPI_Comm_free(&copy);
    }
  });
  check(descriptors_return_to(with_first), "descriptors: " + std::to_string(with_first) + " with the first, " +
                                               std::to_string(open_descriptors()) + " after the last");
}

/// Exchanges of `comm` that are Banyan's, of so many.
uint64_t banyans_of(MPI_Comm comm, int calls) {
  const uint64_t before = preload_test_banyan_calls();
  for (int i = 0; i < calls; ++i) {
    exchange_once(comm);
  }
  return preload_test_banyan_calls() - before;
}

void expect_banyans_of_20(uint64_t of_world, uint64_t of_copy) {
  MPI_Comm copy = MPI_COMM_NULL;
  MPI_Comm_dup(MPI_COMM_WORLD, &copy);
  check(banyans_of(MPI_COMM_WORLD, 20) == of_world, "Banyan does not take over MPI_COMM_WORLD in time");
  check(banyans_of(copy, 20) == of_copy, "Banyan does not take over a communicator in time");
  MPI_Comm_free(&copy);
}

/// Without a wish of a rank.
void banyan_takes_over_in_time() { expect_banyans_of_20(19, 4); }

/// One rank wants 18 calls to be MPI's.
void banyan_takes_over_last() { expect_banyans_of_20(2, 2); }

/// Started with room for a few communicators: all ranks decide alike, the program keeps some room, and what is freed
/// makes room again.
void few_descriptors() {
  std::vector<MPI_Comm> comms(12);
  uint64_t mine = 0, least = 0, most = 0;
  for (MPI_Comm& comm : comms) {
    MPI_Comm_dup(MPI_COMM_WORLD, &comm);
    mine += banyans_of(comm, 1);
  }
  MPI_Allreduce(&mine, &least, 1, MPI_UINT64_T, MPI_MIN, MPI_COMM_WORLD);
  MPI_Allreduce(&mine, &most, 1, MPI_UINT64_T, MPI_MAX, MPI_COMM_WORLD);
  check(least == most && most > 0 && most < comms.size(), std::to_string(most) + " communicators are Banyan's");
  std::vector<int> opened(20);
  std::generate(opened.begin(), opened.end(), [] { return ::open("/dev/null", O_RDONLY | O_CLOEXEC); });
  for (const int descriptor : opened) {
    check(descriptor >= 0, "the program cannot open files");
    ::close(descriptor);
  }
  for (MPI_Comm& comm : comms) {
    MPI_Comm_free(&comm);
  }
  expect_banyan_calls(comms.size(), "communicators made and freed", [&] {
    for (MPI_Comm& comm : comms) {
      MPI_Comm_dup(MPI_COMM_WORLD, &comm);
      exchange_once(comm);
      MPI_Comm_free(&comm);
    }
  });
}

/// Left to MPI_Finalize, in an order that differs between ranks.
void never_freed() {
  const int rank = rank_of(MPI_COMM_WORLD);
  std::vector<MPI_Comm> comms(6);
  for (size_t i = 0; i < comms.size(); ++i) {
    MPI_Comm_split(MPI_COMM_WORLD, i % 2 == 0 ? 0 : rank / 2, rank, &comms[i]);
  }
  expect_banyan_calls(comms.size(), "communicators that stay", [&] {
    for (const MPI_Comm comm : comms) {
      exchange_once(comm);
    }
  });
}

/// Rank 0 comes to the exchange with a receive under way, and the last rank only after its send to it: rank 0 must
/// serve MPI while it waits.
void pending_messages() {
  constexpr int kBytes = 8 << 20;
  std::vector<char> message(kBytes, 'm');
  const int rank = rank_of(MPI_COMM_WORLD), last = size_of(MPI_COMM_WORLD) - 1;
  for (int round = 0; round < 3; ++round) {
    MPI_Request request = MPI_REQUEST_NULL;
    if (rank == 0) {
      MPI_Irecv(message.data(), kBytes, MPI_CHAR, last, 5, MPI_COMM_WORLD, &request);
    } else if (rank == last) {
      MPI_Ssend(message.data(), kBytes, MPI_CHAR, 0, 5, MPI_COMM_WORLD);
    }
    expect_banyan_calls(1, "an exchange beside a message", [] { exchange_once(MPI_COMM_WORLD); });
    MPI_Wait(&request, MPI_STATUS_IGNORE);
  }
}

/// Copy functions of the program's attributes are not to be called for communicators that the program did not make.
void attributes_are_not_copied() {
  static int copies = 0;
  const auto count_copies = [](MPI_Comm, int, void*, void*, void*, int* flag) {
    ++copies;
    *flag = 0;
    return MPI_SUCCESS;
  };
  int key = MPI_KEYVAL_INVALID;
  MPI_Comm_create_keyval(count_copies, MPI_COMM_NULL_DELETE_FN, &key, nullptr);
  for (const MPI_Comm comm : {MPI_COMM_WORLD, MPI_COMM_SELF}) {
    MPI_Comm_set_attr(comm, key, nullptr);
  }
  expect_banyan_calls(1, "an exchange", [] { exchange_once(MPI_COMM_WORLD); });
  check(copies == 0, "attributes were copied");
}

/// Started with an environment that Banyan refuses, on all ranks or on one.
void banyan_cannot_be_made() {
  MPI_Comm copy = MPI_COMM_NULL;
  MPI_Comm_dup(MPI_COMM_WORLD, &copy);
  expect_banyan_calls(0, "exchanges without Banyan", [&] {
    exchange_once(MPI_COMM_WORLD);
    exchange_once(copy);
    exchange_once(MPI_COMM_WORLD);
  });
  MPI_Comm_free(&copy);
}

int errors_heard = 0;

void hear(MPI_Comm* /*comm*/, int* code, ...) {
  char text[MPI_MAX_ERROR_STRING] = "";
  int length = 0;
  MPI_Error_string(*code, text, &length);
  errors_heard += std::string_view(text).starts_with("Banyan: ") ? 1 : 0;
}

/// A duplicate of the world whose errors are heard.
MPI_Comm heard_copy() {
  MPI_Errhandler handler = MPI_ERRHANDLER_NULL;
  MPI_Comm copy = MPI_COMM_NULL;
  MPI_Comm_dup(MPI_COMM_WORLD, &copy);
  MPI_Comm_create_errhandler(hear, &handler);
  MPI_Comm_set_errhandler(copy, handler);
  MPI_Errhandler_free(&handler);
  errors_heard = 0;
  return copy;
}

/// Ranks that do not agree on what they send: an error on each, of which the handler hears.
void errors_reach_the_handler() {
  MPI_Comm copy = heard_copy();
  const int rank = rank_of(copy), count = rank == 0 ? 3 : 5;
  std::vector<int> sent(5 * static_cast<size_t>(size_of(copy))), received(sent.size());
  expect_banyan_calls(0, "an exchange that fails", [&] {
    for (int i = 1; i <= 2; ++i) {
      check(MPI_Alltoall(sent.data(), count, MPI_INT, received.data(), count, MPI_INT, copy) != MPI_SUCCESS,
            "different counts go through");
      check(errors_heard == i, "the handler does not hear of Banyan's error");
    }
  });
  MPI_Comm_free(&copy);
  expect_banyan_calls(1, "another communicator", [] { exchange_once(MPI_COMM_WORLD); });
}

/// More is sent than there is room for: an error, and nothing is written behind the room. A program of Open MPI that
/// expects more than is sent gets the same.
void more_than_expected() {
  constexpr size_t kSent = 8, kRoom = 2;
  for (const bool uniform : {true, false}) {
    MPI_Comm copy = heard_copy();
    const auto size = static_cast<size_t>(size_of(copy));
    const std::vector<int> sent(kSent * size, 1), sendcounts(size, kSent), recvcounts(size, kRoom), displs(size, 0);
    std::vector<int> received(kSent * size, -1);
    expect_banyan_calls(0, "an exchange that fails", [&] {
      const int code = uniform ? MPI_Alltoall(sent.data(), kSent, MPI_INT, received.data(), kRoom, MPI_INT, copy)
                               : MPI_Alltoallv(sent.data(), sendcounts.data(), displs.data(), MPI_INT, received.data(),
                                               recvcounts.data(), displs.data(), MPI_INT, copy);
      check(code != MPI_SUCCESS && errors_heard == 1, "more than expected goes through");
    });
    const auto room = static_cast<ptrdiff_t>(uniform ? kRoom * size : kRoom);
    check(std::all_of(received.begin() + room, received.end(), [](int value) { return value == -1; }),
          "what lies behind the room is written");
    MPI_Comm_free(&copy);
  }
}

}  // namespace

const std::vector<Case> kCommunicatorCases = {
    {"split_and_duplicate", split_and_duplicate},
    {"observed_halves", observed_halves},
    {"one_rank", one_rank},
    {"inter_communicator", inter_communicator},
    {"freed_in_opposite_orders", freed_in_opposite_orders},
    {"observed_freed_in_opposite_orders", observed_freed_in_opposite_orders},
    {"made_and_freed_often", made_and_freed_often},
    {"banyan_takes_over_in_time", banyan_takes_over_in_time},
    {"banyan_takes_over_last", banyan_takes_over_last},
    {"few_descriptors", few_descriptors},
    {"never_freed", never_freed},
    {"pending_messages", pending_messages},
    {"attributes_are_not_copied", attributes_are_not_copied},
    {"banyan_cannot_be_made", banyan_cannot_be_made},
    {"errors_reach_the_handler", errors_reach_the_handler},
    {"more_than_expected", more_than_expected},
};

}  // namespace preload_test
