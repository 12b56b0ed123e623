// SPDX-License-Identifier: Apache-2.0
// Ranks that meet over PMI-1, with a server of our own in the place of mpiexec.hydra.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

#include "base/fd.hpp"
#include "threads.hpp"
#include "variables.hpp"

namespace banyan::bootstrap {
namespace {

constexpr double kGenerous = 60;

using ::testing::HasSubstr;
using testing::lookup_in;
using testing::Outcome;
using testing::run_ranks;
using testing::status_of;
using testing::text_of;
using testing::Variables;

/// mpiexec.hydra's side of PMI-1 for one job: a socket per rank, a key-value space, a barrier.
class PmiServer {
 public:
  explicit PmiServer(int size) : size_(size) {
    for (int rank = 0; rank < size; ++rank) {
      std::array<int, 2> ends{};
      EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
      rank_ends_.emplace_back(ends[0]);
      threads_.emplace_back([this, fd = ends[1]] { serve(Fd(fd)); });
    }
  }
  ~PmiServer() {
    rank_ends_.clear();
    for (std::thread& thread : threads_) {
      thread.join();
    }
  }
  PmiServer(const PmiServer&) = delete;
  PmiServer& operator=(const PmiServer&) = delete;

  [[nodiscard]] int fd(int rank) const { return rank_ends_[static_cast<size_t>(rank)].get(); }
  [[nodiscard]] int goodbyes() {
    const std::lock_guard lock(mutex_);
    return goodbyes_;
  }
  void refuse_put() { refuses_put_ = true; }

 private:
  void serve(Fd fd) {
    std::string unread;
    std::array<char, 512> piece;
    ssize_t count = 0;
    while ((count = ::read(fd.get(), piece.data(), piece.size())) > 0) {
      unread.append(piece.data(), static_cast<size_t>(count));
      for (size_t end = unread.find('\n'); end != std::string::npos; end = unread.find('\n')) {
        const std::string reply = answer(unread.substr(0, end)) + "\n";
        const ssize_t sent = ::send(fd.get(), reply.data(), reply.size(), MSG_NOSIGNAL);
        EXPECT_TRUE(sent == static_cast<ssize_t>(reply.size()) || errno == EPIPE);  // EPIPE: the rank has gone
        unread.erase(0, end + 1);
      }
    }
  }

  static std::string word(const std::string& line, const std::string& name) {
    const size_t begin = line.find(name + "=");
    return begin == std::string::npos
               ? ""
               : line.substr(begin + name.size() + 1, line.find(' ', begin) - begin - name.size() - 1);
  }

  std::string answer(const std::string& line) {
    std::unique_lock lock(mutex_);
    const std::string command = word(line, "cmd");
    if (command == "init") {
      return "cmd=response_to_init pmi_version=1 pmi_subversion=1 rc=0";
    }
    if (command == "get_my_kvsname") {
      return "cmd=my_kvsname kvsname=kvs_1_0";
    }
    if (command == "put" && !refuses_put_) {
      EXPECT_EQ(word(line, "kvsname"), "kvs_1_0");
      EXPECT_LE(word(line, "value").size(), 1024U);
      values_[word(line, "key")] = word(line, "value");
      return "cmd=put_result rc=0 msg=success";
    }
    if (command == "put") {
      return "cmd=put_result rc=-1 msg=refused";
    }
    if (command == "barrier_in") {
      const int round = waiting_++ / size_;
      changed_.notify_all();
      changed_.wait(lock, [&] { return waiting_ >= (round + 1) * size_; });
      return "cmd=barrier_out";
    }
    if (command == "get") {
      const auto found = values_.find(word(line, "key"));
      return found == values_.end() ? "cmd=get_result rc=-1 msg=key_not_found value=unknown"
                                    : "cmd=get_result rc=0 msg=success value=" + found->second;
    }
    ++goodbyes_;
    return "cmd=finalize_ack";
  }

  int size_;
  bool refuses_put_ = false;
  std::vector<Fd> rank_ends_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, std::string> values_;
  int waiting_ = 0;
  int goodbyes_ = 0;
  std::vector<std::thread> threads_;
};

std::unique_ptr<Bootstrap> connect(const Variables& variables, double seconds = kGenerous) {
  const auto lookup = lookup_in(variables);
  return connect_launch(launch_from_environment(lookup), lookup, "", Deadline::in(seconds));
}

Variables hydra_rank(int rank, int size, int fd) {
  return {{"PMI_RANK", std::to_string(rank)}, {"PMI_SIZE", std::to_string(size)}, {"PMI_FD", std::to_string(fd)}};
}

TEST(Hydra, RanksMeetOverPmi1AndSayGoodbye) {
  PmiServer server(3);
  const auto outcomes = run_ranks(3, [&](int rank) {
    const auto bootstrap = connect(hydra_rank(rank, 3, server.fd(rank)));
    bootstrap->barrier(Deadline::in(kGenerous));
    EXPECT_EQ(bootstrap->rank(), rank);
  });
  for (const Outcome& outcome : outcomes) {
    EXPECT_EQ(text_of(outcome), "no error");
  }
  EXPECT_EQ(server.goodbyes(), 3);
}

TEST(Hydra, RankThatStaysAwayIsATimeout) {
  PmiServer server(2);
  const auto outcomes = run_ranks(1, [&](int) { static_cast<void>(connect(hydra_rank(1, 2, server.fd(1)), 0.2)); });
  EXPECT_EQ(status_of(outcomes[0]), BANYAN_ERR_TIMEOUT);
  EXPECT_THAT(text_of(outcomes[0]), HasSubstr("not all ranks of the job came to the PMI barrier"));
  EXPECT_EQ(server.goodbyes(), 0);
  const std::string late = "cmd=barrier_in\n";  // lets the server's thread go
  EXPECT_EQ(::send(server.fd(0), late.data(), late.size(), MSG_NOSIGNAL), static_cast<ssize_t>(late.size()));
}

TEST(Hydra, RefusedPutIsAnErrorWithTheAnswer) {
  PmiServer server(2);
  server.refuse_put();
  const auto outcomes = run_ranks(1, [&](int) { static_cast<void>(connect(hydra_rank(0, 2, server.fd(0)))); });
  EXPECT_EQ(status_of(outcomes[0]), BANYAN_ERR_IO);
  EXPECT_THAT(text_of(outcomes[0]), HasSubstr("put_result rc=-1"));
}

TEST(Hydra, SocketThatIsClosedIsAnErrorThatTellsTheWayOut) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
  const Fd own(ends[0]);
  ::close(ends[1]);
  const auto outcomes = run_ranks(1, [&](int) { static_cast<void>(connect(hydra_rank(1, 2, own.get()))); });
  EXPECT_EQ(status_of(outcomes[0]), BANYAN_ERR_IO);
  EXPECT_THAT(text_of(outcomes[0]), HasSubstr("banyan_comm_split"));
}

}  // namespace
}  // namespace banyan::bootstrap
