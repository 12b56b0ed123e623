// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <source_location>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/deadline.hpp"
#include "exchange.hpp"
#include "transport/transport.hpp"
#include "transport_under_test.hpp"

namespace banyan::conformance {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

/// An exam that takes longer has failed.
inline constexpr double kExamSeconds = kSanitized ? 400 : 100;

/// Ends a rank's part of an exam.
class RankFailure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Throws RankFailure with the caller's line unless `condition` holds.
void require(bool condition, const std::string& what, std::source_location where = std::source_location::current());

using Request = banyan_transport_request;

class Rank;

/// One rank's end of one communicator: an open transport connected to all ranks, its own included.
class Member {
 public:
  Member(Rank& rank, int communicator);
  ~Member();
  Member(const Member&) = delete;
  Member& operator=(const Member&) = delete;

  [[nodiscard]] transport::Transport& transport() noexcept { return *transport_; }
  /// Closes the transport; what is in progress is dropped, its buffers must be kept until this returns.
  void close() noexcept { transport_.reset(); }

  /// Posts and requires that the transport takes it.
  void send(int peer, const void* buffer, size_t size, uint64_t tag, Request& request);
  void receive(int peer, void* buffer, size_t size, uint64_t tag, Request& request);

  /// One call of progress; yields when nothing happened.
  void progress();
  /// Progresses until the request ended, and gives its status.
  banyan_status finish(Request& request, std::source_location where = std::source_location::current());
  /// Progresses until all have ended and requires that they went well.
  void finish_all(std::vector<Request>& requests, std::source_location where = std::source_location::current());

 private:
  friend class Rank;
  Rank& rank_;
  std::unique_ptr<transport::Transport> transport_;
};

/// What a rank of an exam sees.
class Rank {
 public:
  Rank(const TransportUnderTest& subject, Exchange& exchange, int rank,
       std::function<void*(int communicator)> host_context);

  [[nodiscard]] int rank() const noexcept { return rank_; }
  [[nodiscard]] int size() const noexcept { return exchange_.size(); }
  [[nodiscard]] const TransportUnderTest& subject() const noexcept { return subject_; }
  [[nodiscard]] const banyan_transport_ops& ops() const noexcept { return ops_; }
  [[nodiscard]] bool can(uint64_t capability) const noexcept { return (ops_.capabilities & capability) != 0; }
  [[nodiscard]] Exchange& exchange() noexcept { return exchange_; }

  /// The configuration with which the rank opens a transport of a communicator; join() numbers them from 0.
  [[nodiscard]] banyan_transport_config config(int communicator) const;
  /// Collective: opens and connects a transport in a new communicator.
  [[nodiscard]] std::unique_ptr<Member> join();

  /// Collective. While they wait, ranks progress their members, as the library does.
  void barrier();
  std::vector<std::string> allgather(const std::string& bytes);

  /// Throws when the exam's deadline passed or another rank failed.
  void check_deadline(std::source_location where = std::source_location::current()) const;

  /// Ends this process at once as SIGKILL does; only with Ranks::kProcesses.
  [[noreturn]] void die();

 private:
  friend class Member;
  void idle();

  const TransportUnderTest& subject_;
  Exchange& exchange_;
  int rank_;
  std::function<void*(int)> host_context_;
  const banyan_transport_ops& ops_;
  Deadline deadline_;
  std::vector<Member*> members_;
  int communicators_ = 0;
};

/// Runs `body` on `size` ranks and reports each failure to GoogleTest.
void run_ranks(const TransportUnderTest& subject, int size, const std::function<void(Rank&)>& body);

}  // namespace banyan::conformance
