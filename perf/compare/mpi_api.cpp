// SPDX-License-Identifier: Apache-2.0
#include "compare/mpi_api.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>

#include "common/failure.hpp"
#include "common/program.hpp"

namespace banyan::perf {
namespace {

constexpr size_t kHostnameBytes = 256;

/// Whether every rank called this within 5 s. A rank that aborted at once might end rank 0 before it has spoken.
bool all_ranks_are_here() {
  MPI_Request request = MPI_REQUEST_NULL;
  if (MPI_Ibarrier(MPI_COMM_WORLD, &request) != MPI_SUCCESS) {
    return false;
  }
  int done = 0;
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  while (done == 0 && std::chrono::steady_clock::now() < end) {
    if (MPI_Test(&request, &done, MPI_STATUS_IGNORE) != MPI_SUCCESS) {
      return false;
    }
  }
  return done != 0;
}

}  // namespace

void require_mpi(int code, const char* call) {
  if (code == MPI_SUCCESS) {
    return;
  }
  std::array<char, MPI_MAX_ERROR_STRING> text{};
  int length = 0;
  MPI_Error_string(code, text.data(), &length);
  throw Failure(std::string(call) + ": " + std::string(text.data(), static_cast<size_t>(length)));
}

MpiSession::MpiSession(int* argc, char*** argv) {
  // Read by MPI_Init; without it coll/tuned ignores the algorithm that the tool interface sets (read-only later).
  setenv("OMPI_MCA_coll_tuned_use_dynamic_rules", "1", 1);
  require_mpi(MPI_Init(argc, argv), "MPI_Init");
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  int provided = 0;
  require_mpi(MPI_T_init_thread(MPI_THREAD_SINGLE, &provided), "MPI_T_init_thread");
  require_mpi(MPI_Comm_rank(MPI_COMM_WORLD, &rank_), "MPI_Comm_rank");
  require_mpi(MPI_Comm_size(MPI_COMM_WORLD, &size_), "MPI_Comm_size");
}

MpiSession::~MpiSession() {
  MPI_T_finalize();
  MPI_Finalize();
}

std::string MpiSession::version() {
  std::array<char, MPI_MAX_LIBRARY_VERSION_STRING> text{};
  int length = 0;
  MPI_Get_library_version(text.data(), &length);
  std::string version(text.data(), static_cast<size_t>(length));
  version.erase(std::find_if(version.begin(), version.end(), [](char c) { return c == '\0' || c == '\n'; }),
                version.end());
  std::replace(version.begin(), version.end(), '\t', ' ');
  return version;
}

int guarded(const char* program, const MpiSession& session, const std::function<int()>& body) {
  try {
    return body();
  } catch (const UsageError& error) {
    if (session.rank() == 0) {
      std::fprintf(stderr, "%s: %s\n", program, error.what());
    }
    if (!all_ranks_are_here()) {
      MPI_Abort(MPI_COMM_WORLD, kExitUsage);
    }
    return kExitUsage;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: rank %d: %s\n", program, session.rank(), error.what());
    MPI_Abort(MPI_COMM_WORLD, kExitFailed);
    return kExitFailed;
  }
}

MpiComm::MpiComm(MPI_Comm parent) {
  require_mpi(MPI_Comm_dup(parent, &comm_), "MPI_Comm_dup");
  MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN);
}

MpiComm MpiComm::of_colour(int colour) {
  MPI_Comm split = MPI_COMM_NULL;
  require_mpi(MPI_Comm_split(MPI_COMM_WORLD, colour, 0, &split), "MPI_Comm_split");
  MpiComm own(split);
  MPI_Comm_free(&split);
  return own;
}

MpiComm::MpiComm(MpiComm&& other) noexcept : comm_(other.comm_) { other.comm_ = MPI_COMM_NULL; }

MpiComm::~MpiComm() {
  if (comm_ != MPI_COMM_NULL) {
    MPI_Comm_free(&comm_);
  }
}

void barrier() { require_mpi(MPI_Barrier(MPI_COMM_WORLD), "MPI_Barrier"); }

double max_over_ranks(double value) {
  double max = 0;
  require_mpi(MPI_Allreduce(&value, &max, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD), "MPI_Allreduce");
  return max;
}

std::vector<double> max_over_ranks(const std::vector<double>& values) {
  std::vector<double> max(values.size());
  require_mpi(
      MPI_Allreduce(values.data(), max.data(), static_cast<int>(values.size()), MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD),
      "MPI_Allreduce");
  return max;
}

uint64_t sum_over_ranks(uint64_t value) {
  uint64_t sum = 0;
  require_mpi(MPI_Allreduce(&value, &sum, 1, MPI_UINT64_T, MPI_SUM, MPI_COMM_WORLD), "MPI_Allreduce");
  return sum;
}

double from_rank_zero(double value) {
  require_mpi(MPI_Bcast(&value, 1, MPI_DOUBLE, 0, MPI_COMM_WORLD), "MPI_Bcast");
  return value;
}

std::vector<std::string> gather_hostnames() {
  std::array<char, kHostnameBytes> own{};
  gethostname(own.data(), own.size() - 1);
  int size = 0;
  require_mpi(MPI_Comm_size(MPI_COMM_WORLD, &size), "MPI_Comm_size");
  std::vector<char> all(kHostnameBytes * static_cast<size_t>(size));
  require_mpi(MPI_Allgather(own.data(), kHostnameBytes, MPI_CHAR, all.data(), kHostnameBytes, MPI_CHAR, MPI_COMM_WORLD),
              "MPI_Allgather");
  std::vector<std::string> names;
  for (size_t rank = 0; rank < static_cast<size_t>(size); ++rank) {
    names.emplace_back(&all[rank * kHostnameBytes]);
  }
  return names;
}

std::vector<int> gather_hosts() {
  MPI_Comm host = MPI_COMM_NULL;
  int rank = 0;
  int size = 0;
  require_mpi(MPI_Comm_rank(MPI_COMM_WORLD, &rank), "MPI_Comm_rank");
  require_mpi(MPI_Comm_size(MPI_COMM_WORLD, &size), "MPI_Comm_size");
  require_mpi(MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, rank, MPI_INFO_NULL, &host),
              "MPI_Comm_split_type");
  int leader = rank;
  require_mpi(MPI_Bcast(&leader, 1, MPI_INT, 0, host), "MPI_Bcast");
  MPI_Comm_free(&host);
  std::vector<int> leaders(static_cast<size_t>(size));
  require_mpi(MPI_Allgather(&leader, 1, MPI_INT, leaders.data(), 1, MPI_INT, MPI_COMM_WORLD), "MPI_Allgather");
  std::map<int, int> index;
  std::vector<int> hosts;
  for (const int one : leaders) {
    hosts.push_back(index.try_emplace(one, static_cast<int>(index.size())).first->second);
  }
  return hosts;
}

}  // namespace banyan::perf
