// SPDX-License-Identifier: Apache-2.0
/// Banyan for C++20: owning types and exceptions over the C API, header only. Nothing here adds behaviour; banyan/*.h
/// say what each call does, blocks on and returns. Objects are move-only; a moved-from object may only be destroyed or
/// assigned to. Thread rules are those of the C handles: Topology, Profile and Plan any thread, Comm and its Requests
/// one thread at a time.
#pragma once

#ifndef __cplusplus
#error "banyan/banyan.hpp is C++; C programs include banyan/banyan.h"
#endif

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "banyan/banyan.h"

namespace banyan {

/// What a failed call throws: its status, with banyan_last_error() as what().
class Exception : public std::runtime_error {
 public:
  Exception(banyan_status status, const char* text) : std::runtime_error(text), status_(status) {}
  [[nodiscard]] banyan_status status() const noexcept { return status_; }

 private:
  banyan_status status_;
};

namespace detail {

/// Throws unless `status` is BANYAN_OK.
inline void check(banyan_status status) {
  if (status != BANYAN_OK) {
    throw Exception(status, banyan_last_error());
  }
}

/// For arguments that the wrapper itself can see to be wrong.
[[noreturn]] inline void reject(const std::string& text) { throw Exception(BANYAN_ERR_INVALID_ARGUMENT, text.c_str()); }

inline std::string take_string(char* string) {
  const std::unique_ptr<char, void (*)(char*)> owner(string, &banyan_string_free);
  return owner.get();
}

struct FreeTopology {
  void operator()(banyan_topology* topology) const noexcept { banyan_topology_free(topology); }
};
struct FreeProfile {
  void operator()(banyan_profile* profile) const noexcept { banyan_profile_free(profile); }
};
struct FreePlan {
  void operator()(banyan_plan* plan) const noexcept { banyan_plan_free(plan); }
};
/// A destructor cannot report; free or destroy explicitly to learn how it went.
struct FreeRequest {
  void operator()(banyan_request* request) const noexcept { static_cast<void>(banyan_request_free(request)); }
};
struct DestroyComm {
  void operator()(banyan_comm* comm) const noexcept { static_cast<void>(banyan_comm_destroy(comm)); }
};

}  // namespace detail

/// What can be sent: its bytes are its value.
template <typename T>
concept Sendable = std::is_trivially_copyable_v<T>;

/// The version of the loaded library.
struct Version {
  int major = 0;
  int minor = 0;
  int patch = 0;
};
[[nodiscard]] inline Version version() {
  Version result;
  banyan_version(&result.major, &result.minor, &result.patch);
  return result;
}

/// A topology: see topology.h.
class Topology {
 public:
  [[nodiscard]] static Topology discover() {
    banyan_topology* handle = nullptr;
    detail::check(banyan_topology_discover(&handle));
    return Topology(handle);
  }
  [[nodiscard]] static Topology load(const std::string& path) {
    banyan_topology* handle = nullptr;
    detail::check(banyan_topology_load(path.c_str(), &handle));
    return Topology(handle);
  }
  [[nodiscard]] static Topology synthetic(const std::string& description) {
    banyan_topology* handle = nullptr;
    detail::check(banyan_topology_synthetic(description.c_str(), &handle));
    return Topology(handle);
  }

  void check() const { detail::check(banyan_topology_check(get())); }
  [[nodiscard]] std::string export_as(banyan_format format) const {
    char* text = nullptr;
    detail::check(banyan_topology_export(get(), format, &text));
    return detail::take_string(text);
  }
  [[nodiscard]] int num_ranks() const {
    int count = 0;
    detail::check(banyan_topology_counts(get(), &count, nullptr));
    return count;
  }
  [[nodiscard]] int num_hosts() const {
    int count = 0;
    detail::check(banyan_topology_counts(get(), nullptr, &count));
    return count;
  }
  [[nodiscard]] int host_of(int rank) const {
    int host = 0;
    detail::check(banyan_topology_host_of(get(), rank, &host));
    return host;
  }

  /// The C handle, borrowed.
  [[nodiscard]] const banyan_topology* get() const noexcept { return handle_.get(); }

 private:
  explicit Topology(banyan_topology* handle) : handle_(handle) {}
  std::unique_ptr<banyan_topology, detail::FreeTopology> handle_;
};

/// A measured profile: see profile.h.
class Profile {
 public:
  [[nodiscard]] static Profile load(const std::string& path) {
    banyan_profile* handle = nullptr;
    detail::check(banyan_profile_load(path.c_str(), &handle));
    return Profile(handle);
  }
  [[nodiscard]] std::string export_as(banyan_format format) const {
    char* text = nullptr;
    detail::check(banyan_profile_export(get(), format, &text));
    return detail::take_string(text);
  }

  /// The C handle, borrowed.
  [[nodiscard]] const banyan_profile* get() const noexcept { return handle_.get(); }

 private:
  friend class Comm;
  explicit Profile(banyan_profile* handle) : handle_(handle) {}
  std::unique_ptr<banyan_profile, detail::FreeProfile> handle_;
};

/// A planned exchange: see plan.h.
class Plan {
 public:
  /// `config` may borrow from Topology and Profile objects through their get().
  [[nodiscard]] static Plan create(const banyan_plan_config& config) {
    banyan_plan* handle = nullptr;
    detail::check(banyan_plan_create(&config, &handle));
    return Plan(handle);
  }
  [[nodiscard]] banyan_plan_info info() const {
    banyan_plan_info result{};
    result.struct_size = sizeof result;
    detail::check(banyan_plan_get_info(get(), &result));
    return result;
  }
  [[nodiscard]] std::string export_as(banyan_format format) const {
    char* text = nullptr;
    detail::check(banyan_plan_export(get(), format, &text));
    return detail::take_string(text);
  }

  /// The C handle, borrowed.
  [[nodiscard]] const banyan_plan* get() const noexcept { return handle_.get(); }

 private:
  friend class Comm;
  explicit Plan(banyan_plan* handle) : handle_(handle) {}
  std::unique_ptr<banyan_plan, detail::FreePlan> handle_;
};

/// A persistent exchange. Free it before its communicator.
class Request {
 public:
  void start() { detail::check(banyan_request_start(handle_.get())); }
  /// Whether the exchange is done.
  [[nodiscard]] bool test() {
    const banyan_status status = banyan_request_test(handle_.get());
    if (status == BANYAN_IN_PROGRESS) {
      return false;
    }
    detail::check(status);
    return true;
  }
  void wait() { detail::check(banyan_request_wait(handle_.get())); }
  /// Frees now and throws if it is started; the destructor would leave it to the communicator.
  void free() {
    detail::check(banyan_request_free(handle_.get()));
    static_cast<void>(handle_.release());
  }

  /// The C handle, borrowed.
  [[nodiscard]] banyan_request* get() const noexcept { return handle_.get(); }

 private:
  friend class Comm;
  explicit Request(banyan_request* handle) : handle_(handle) {}
  std::unique_ptr<banyan_request, detail::FreeRequest> handle_;
};

/// Who sends how much where: four arrays of one entry per rank, in elements. Borrowed for the call.
struct Counts {
  std::span<const std::size_t> sendcounts;
  std::span<const std::size_t> sdispls;
  std::span<const std::size_t> recvcounts;
  std::span<const std::size_t> rdispls;
};

/// A communicator: see comm.h and alltoall.h. Vectors convert to spans when the element type is named:
/// comm.alltoall<float>(sendbuf, recvbuf). The destructor of a healthy communicator waits for its peers, bounded by the
/// deadline; abort() first where they will not come.
class Comm {
 public:
  [[nodiscard]] static Comm create(int rank, int size, banyan_allgather_fn allgather, void* context,
                                   const banyan_comm_config* config = nullptr) {
    banyan_comm* handle = nullptr;
    detail::check(banyan_comm_create(rank, size, allgather, context, config, &handle));
    return Comm(handle);
  }
  [[nodiscard]] static Comm from_id(const banyan_unique_id& id, int rank, int size,
                                    const banyan_comm_config* config = nullptr) {
    banyan_comm* handle = nullptr;
    detail::check(banyan_comm_create_from_id(&id, rank, size, config, &handle));
    return Comm(handle);
  }
  [[nodiscard]] static Comm from_environment(const banyan_comm_config* config = nullptr) {
    banyan_comm* handle = nullptr;
    detail::check(banyan_comm_create_from_environment(config, &handle));
    return Comm(handle);
  }
  /// `size` ranks in this process; hand each to a thread of its own.
  [[nodiscard]] static std::vector<Comm> local(int size, const banyan_comm_config* config = nullptr) {
    if (size < 1) {
      detail::reject("size " + std::to_string(size) + " is not positive");
    }
    std::vector<banyan_comm*> handles(static_cast<std::size_t>(size), nullptr);
    std::vector<Comm> comms;
    comms.reserve(handles.size());
    detail::check(banyan_comm_create_local(size, config, handles.data()));
    for (banyan_comm* handle : handles) {
      comms.push_back(Comm(handle));
    }
    return comms;
  }

  [[nodiscard]] int rank() const {
    int result = 0;
    detail::check(banyan_comm_rank(get(), &result));
    return result;
  }
  [[nodiscard]] int size() const {
    int result = 0;
    detail::check(banyan_comm_size(get(), &result));
    return result;
  }
  /// nullopt for a negative color.
  [[nodiscard]] std::optional<Comm> split(int color, int key) {
    banyan_comm* handle = nullptr;
    detail::check(banyan_comm_split(get(), color, key, &handle));
    return handle == nullptr ? std::nullopt : std::optional<Comm>(Comm(handle));
  }
  void barrier() { detail::check(banyan_comm_barrier(get())); }
  void abort(const std::string& reason) { detail::check(banyan_comm_abort(get(), reason.c_str())); }
  /// Destroys now and throws if that fails; the destructor ignores it.
  void destroy() { detail::check(banyan_comm_destroy(handle_.release())); }

  /// The topology in `format`.
  [[nodiscard]] std::string export_topology(banyan_format format) const {
    const banyan_topology* topology = nullptr;
    detail::check(banyan_comm_topology(get(), &topology));
    char* text = nullptr;
    detail::check(banyan_topology_export(topology, format, &text));
    return detail::take_string(text);
  }
  [[nodiscard]] Profile measure_profile(const banyan_profile_config* config = nullptr) {
    banyan_profile* handle = nullptr;
    detail::check(banyan_profile_measure(get(), config, &handle));
    return Profile(handle);
  }
  void set_profile(const Profile& profile) { detail::check(banyan_comm_set_profile(get(), profile.get())); }
  /// The plan of a uniform all-to-all.
  [[nodiscard]] Plan plan(std::size_t bytes_per_pair, const char* algorithm = nullptr) const {
    banyan_plan* handle = nullptr;
    detail::check(banyan_plan_from_comm(get(), bytes_per_pair, nullptr, algorithm, &handle));
    return Plan(handle);
  }
  /// The plan of an all-to-all-v; matrix: [size, size] bytes from row to column.
  [[nodiscard]] Plan plan(std::span<const std::uint64_t> matrix, const char* algorithm = nullptr) const {
    const auto ranks = static_cast<std::size_t>(size());
    if (matrix.size() != ranks * ranks) {
      detail::reject("matrix has " + std::to_string(matrix.size()) + " entries, not size * size");
    }
    banyan_plan* handle = nullptr;
    detail::check(banyan_plan_from_comm(get(), 0, matrix.data(), algorithm, &handle));
    return Plan(handle);
  }
  [[nodiscard]] banyan_comm_stats stats() const {
    banyan_comm_stats result{};
    result.struct_size = sizeof result;
    detail::check(banyan_comm_get_stats(get(), &result));
    return result;
  }

  /// Both spans hold size() equal blocks.
  template <Sendable T>
  void alltoall(std::span<const T> sendbuf, std::span<T> recvbuf, const banyan_alltoall_options* options = nullptr) {
    const std::size_t count = block_count(sendbuf.size(), recvbuf.size());
    detail::check(banyan_alltoall(get(), sendbuf.data(), recvbuf.data(), count, sizeof(T), options));
  }
  /// Every block lies inside its span.
  template <Sendable T>
  void alltoallv(std::span<const T> sendbuf, std::span<T> recvbuf, const Counts& counts,
                 const banyan_alltoall_options* options = nullptr) {
    check_counts(counts, sendbuf.size(), recvbuf.size());
    detail::check(banyan_alltoallv(get(), sendbuf.data(), counts.sendcounts.data(), counts.sdispls.data(),
                                   recvbuf.data(), counts.recvcounts.data(), counts.rdispls.data(), sizeof(T),
                                   options));
  }
  /// The persistent form; the spans are borrowed as long as the request lives.
  template <Sendable T>
  [[nodiscard]] Request alltoall_init(std::span<const T> sendbuf, std::span<T> recvbuf,
                                      const banyan_alltoall_options* options = nullptr) {
    const std::size_t count = block_count(sendbuf.size(), recvbuf.size());
    banyan_request* handle = nullptr;
    detail::check(banyan_alltoall_init(get(), sendbuf.data(), recvbuf.data(), count, sizeof(T), options, &handle));
    return Request(handle);
  }
  /// The persistent form; the buffers are borrowed as long as the request lives, the counts for the call.
  template <Sendable T>
  [[nodiscard]] Request alltoallv_init(std::span<const T> sendbuf, std::span<T> recvbuf, const Counts& counts,
                                       const banyan_alltoall_options* options = nullptr) {
    check_counts(counts, sendbuf.size(), recvbuf.size());
    banyan_request* handle = nullptr;
    detail::check(banyan_alltoallv_init(get(), sendbuf.data(), counts.sendcounts.data(), counts.sdispls.data(),
                                        recvbuf.data(), counts.recvcounts.data(), counts.rdispls.data(), sizeof(T),
                                        options, &handle));
    return Request(handle);
  }

  /// The C handle, borrowed.
  [[nodiscard]] banyan_comm* get() const noexcept { return handle_.get(); }

 private:
  explicit Comm(banyan_comm* handle) : handle_(handle) {}

  [[nodiscard]] std::size_t block_count(std::size_t send_size, std::size_t recv_size) const {
    const auto ranks = static_cast<std::size_t>(size());
    if (send_size != recv_size || send_size % ranks != 0) {
      detail::reject("sendbuf has " + std::to_string(send_size) + " elements and recvbuf " + std::to_string(recv_size) +
                     "; both need the same multiple of " + std::to_string(ranks));
    }
    return send_size / ranks;
  }

  static void check_blocks(const char* name, std::span<const std::size_t> counts, std::span<const std::size_t> displs,
                           std::size_t size) {
    for (std::size_t i = 0; i < counts.size(); ++i) {
      if (counts[i] > size || displs[i] > size - counts[i]) {
        detail::reject(std::string(name) + " block " + std::to_string(i) + " ends after its " + std::to_string(size) +
                       " elements");
      }
    }
  }

  void check_counts(const Counts& counts, std::size_t send_size, std::size_t recv_size) const {
    const auto ranks = static_cast<std::size_t>(size());
    for (const auto& array : {counts.sendcounts, counts.sdispls, counts.recvcounts, counts.rdispls}) {
      if (array.size() != ranks) {
        detail::reject("an array of counts or displacements has " + std::to_string(array.size()) + " entries, not " +
                       std::to_string(ranks));
      }
    }
    check_blocks("sendbuf", counts.sendcounts, counts.sdispls, send_size);
    check_blocks("recvbuf", counts.recvcounts, counts.rdispls, recv_size);
  }

  std::unique_ptr<banyan_comm, detail::DestroyComm> handle_;
};

}  // namespace banyan
