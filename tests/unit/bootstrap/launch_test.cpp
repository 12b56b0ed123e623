// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/launch.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <thread>

#include "bootstrap/socket.hpp"
#include "threads.hpp"

namespace banyan::bootstrap {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::Outcome;
using testing::run_ranks;
using testing::status_of;
using testing::text_of;

constexpr double kGenerous = 60;

using Variables = std::map<std::string, std::string>;

EnvironmentLookup lookup_in(const Variables& variables) {
  return [variables](const char* name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    return found == variables.end() || found->second.empty() ? std::nullopt : std::optional(found->second);
  };
}

Launch read(const Variables& variables) { return launch_from_environment(lookup_in(variables)); }

/// The error of reading these variables.
Outcome refusal(const Variables& variables) {
  return run_ranks(1, [&](int) { static_cast<void>(read(variables)); })[0];
}

TEST(Launch, NoLauncherIsOneRankAlone) {
  const Launch launch = read({{"HOME", "/root"}});
  EXPECT_EQ(launch.launcher, "none");
  EXPECT_EQ(launch.size, 1);
  EXPECT_EQ(launch.meeting, Launch::Meeting::kNone);
}

const Variables kTorchrun = {{"RANK", "5"},
                             {"WORLD_SIZE", "8"},
                             {"LOCAL_RANK", "1"},
                             {"GROUP_RANK", "1"},
                             {"LOCAL_WORLD_SIZE", "4"},
                             {"MASTER_ADDR", "node0"},
                             {"MASTER_PORT", "29500"},
                             {"TORCHELASTIC_RUN_ID", "j1"}};

Variables with(Variables variables, const std::string& name, const std::string& value) {
  variables[name] = value;
  return variables;
}

TEST(Launch, TorchrunIsRead) {
  const Launch launch = read(kTorchrun);
  EXPECT_EQ(launch.launcher, "torchrun");
  EXPECT_EQ(launch.rank, 5);
  EXPECT_EQ(launch.size, 8);
  EXPECT_EQ(launch.local_rank, 1);
  EXPECT_EQ(launch.local_size, 4);
  EXPECT_EQ(launch.node_rank, 1);
  EXPECT_EQ(launch.meeting, Launch::Meeting::kAddress);
  EXPECT_EQ(launch.host, "node0");
}

TEST(Launch, TorchrunsOwnPortIsLeftToItsStore) {
  EXPECT_THAT(read(kTorchrun).ports, ElementsAre(29501, 29502, 29503, 29504, 29505, 29506, 29507, 29508));
}

TEST(Launch, PortsWrapAtTheEndOfTheRange) {
  EXPECT_THAT(read(with(kTorchrun, "MASTER_PORT", "65533")).ports,
              ElementsAre(65534, 65535, 1024, 1025, 1026, 1027, 1028, 1029));
}

TEST(Launch, JobsOfDifferentRunIdsDoNotMeet) {
  EXPECT_NE(read(kTorchrun).job, read(with(kTorchrun, "TORCHELASTIC_RUN_ID", "j2")).job);
}

TEST(Launch, RankBeyondTheWorldIsRefusedByName) {
  const Outcome outcome = refusal(with(kTorchrun, "RANK", "8"));
  EXPECT_EQ(status_of(outcome), BANYAN_ERR_INVALID_ARGUMENT);
  EXPECT_THAT(text_of(outcome), HasSubstr("RANK is 8 but WORLD_SIZE is 8 (torchrun): ranks go from 0 to 7"));
}

TEST(Launch, TextThatIsNoNumberIsRefusedByName) {
  for (const char* bad : {"three", "3x", "-1", "99999999999"}) {
    const Outcome outcome = refusal(with(kTorchrun, "RANK", bad));
    EXPECT_EQ(status_of(outcome), BANYAN_ERR_INVALID_ARGUMENT);
    EXPECT_THAT(text_of(outcome), HasSubstr(std::string("RANK is \"") + bad + "\""));
  }
}

TEST(Launch, LocalRankBeyondTheHostIsRefused) {
  EXPECT_THAT(text_of(refusal(with(kTorchrun, "LOCAL_RANK", "4"))),
              HasSubstr("LOCAL_RANK is 4 and LOCAL_WORLD_SIZE is 4"));
}

TEST(Launch, RankWithoutWorldSizeIsRefused) {
  EXPECT_THAT(text_of(refusal({{"RANK", "0"}})), HasSubstr("RANK is set but WORLD_SIZE is not"));
  EXPECT_THAT(text_of(refusal({{"WORLD_SIZE", "2"}})), HasSubstr("WORLD_SIZE is set but RANK is not"));
}

TEST(Launch, MissingMasterIsRefusedByName) {
  EXPECT_THAT(text_of(refusal(with(kTorchrun, "MASTER_ADDR", ""))), HasSubstr("MASTER_ADDR is not"));
  EXPECT_THAT(text_of(refusal(with(kTorchrun, "MASTER_PORT", ""))), HasSubstr("MASTER_PORT is not"));
}

TEST(Launch, BanyanRunComesBeforeTorchrun) {
  Variables both = kTorchrun;
  both.merge(Variables{{"BANYAN_RANK", "1"},
                       {"BANYAN_SIZE", "2"},
                       {"BANYAN_LOCAL_RANK", "1"},
                       {"BANYAN_LOCAL_SIZE", "2"},
                       {"BANYAN_NODE_RANK", "0"},
                       {"BANYAN_ROOT", "127.0.0.1:4711"},
                       {"BANYAN_JOB_ID", "j"}});
  const Launch launch = read(both);
  EXPECT_EQ(launch.launcher, "banyan-run");
  EXPECT_EQ(launch.rank, 1);
  EXPECT_EQ(launch.host, "127.0.0.1");
  EXPECT_THAT(launch.ports, ElementsAre(4711));
}

TEST(Launch, BanyanRunWithoutRootIsRefused) {
  for (const char* bad : {"", "host", "host:", ":1", "host:0", "host:70000"}) {
    EXPECT_THAT(text_of(refusal({{"BANYAN_RANK", "0"}, {"BANYAN_SIZE", "2"}, {"BANYAN_ROOT", bad}})),
                HasSubstr("BANYAN_ROOT is \"" + std::string(bad) + "\": expected host:port"));
  }
}

TEST(Launch, PmixLeavesSizesToTheServer) {
  const Launch launch = read({{"PMIX_NAMESPACE", "123"}, {"PMIX_RANK", "2"}, {"OMPI_COMM_WORLD_RANK", "2"}});
  EXPECT_EQ(launch.launcher, "PMIx");
  EXPECT_EQ(launch.meeting, Launch::Meeting::kPmix);
  EXPECT_EQ(launch.rank, 2);
  EXPECT_EQ(launch.size, 0);
}

TEST(Launch, OpenMpiWithoutPmixNeedsAMaster) {
  const Variables variables = {{"OMPI_COMM_WORLD_RANK", "1"},
                               {"OMPI_COMM_WORLD_SIZE", "4"},
                               {"OMPI_COMM_WORLD_LOCAL_RANK", "1"},
                               {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"}};
  const Launch launch = read(variables);
  EXPECT_EQ(launch.launcher, "Open MPI");
  EXPECT_EQ(launch.local_size, 2);
  const auto outcomes = run_ranks(
      1, [&](int) { static_cast<void>(connect_launch(launch, lookup_in(variables), "", Deadline::in(kGenerous))); });
  EXPECT_THAT(text_of(outcomes[0]), HasSubstr("set MASTER_ADDR and MASTER_PORT"));
}

TEST(Launch, HydraIsRead) {
  const Launch launch =
      read({{"PMI_RANK", "3"}, {"PMI_SIZE", "4"}, {"PMI_FD", "9"}, {"MPI_LOCALRANKID", "1"}, {"MPI_LOCALNRANKS", "2"}});
  EXPECT_EQ(launch.launcher, "hydra");
  EXPECT_EQ(launch.meeting, Launch::Meeting::kPmi1);
  EXPECT_EQ(launch.pmi_fd, 9);
  EXPECT_EQ(launch.local_rank, 1);
  EXPECT_EQ(launch.local_size, 2);
}

const Variables kSlurm = {{"SLURM_PROCID", "3"},
                          {"SLURM_NTASKS", "8"},
                          {"SLURM_LOCALID", "1"},
                          {"SLURM_NODEID", "1"},
                          {"SLURM_JOB_ID", "77"},
                          {"SLURM_STEP_ID", "0"},
                          {"SLURM_LAUNCH_NODE_IPADDR", "10.0.0.9"}};

TEST(Launch, SlurmStepIsReadWithAPortOfItsOwn) {
  const Launch launch = read(kSlurm);
  EXPECT_EQ(launch.launcher, "Slurm");
  EXPECT_EQ(launch.rank, 3);
  EXPECT_EQ(launch.size, 8);
  EXPECT_EQ(launch.node_rank, 1);
  EXPECT_EQ(launch.host, "10.0.0.9");
  EXPECT_EQ(launch.ports, read(with(kSlurm, "SLURM_PROCID", "0")).ports);
  EXPECT_NE(launch.ports, read(with(kSlurm, "SLURM_JOB_ID", "78")).ports);
}

TEST(Launch, SlurmBatchScriptIsAloneAsItIsNoTask) { EXPECT_EQ(read(with(kSlurm, "SLURM_STEP_ID", "")).size, 1); }

/// A file that is gone after the test.
class SecretFile {
 public:
  SecretFile(const std::string& content, mode_t mode) {
    const int fd = ::mkstemp(path_.data());
    EXPECT_EQ(::write(fd, content.data(), content.size()), static_cast<ssize_t>(content.size()));
    ::fchmod(fd, mode);
    ::close(fd);
  }
  ~SecretFile() { std::filesystem::remove(path_); }
  SecretFile(const SecretFile&) = delete;
  SecretFile& operator=(const SecretFile&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_ = ::testing::TempDir() + "banyan-secret-XXXXXX";
};

Outcome secret_refusal(const Variables& variables) {
  return run_ranks(1, [&](int) { static_cast<void>(job_secret(lookup_in(variables))); })[0];
}

const std::string kDigits = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

TEST(JobSecret, ComesFromAPrivateFile) {
  const SecretFile file(kDigits + "\n", 0600);
  EXPECT_EQ(job_secret(lookup_in({{"BANYAN_JOB_SECRET_FILE", file.path()}})).bytes()[1], 0x11);
}

TEST(JobSecret, FileThatOthersMayReadIsRefused) {
  for (const mode_t mode : {0640, 0604, 0620}) {
    const SecretFile file(kDigits, mode);
    const Outcome outcome = secret_refusal({{"BANYAN_JOB_SECRET_FILE", file.path()}});
    EXPECT_EQ(status_of(outcome), BANYAN_ERR_AUTH);
    EXPECT_THAT(text_of(outcome), HasSubstr("chmod 600"));
  }
}

TEST(JobSecret, LinkAndDeviceAreRefused) {
  const SecretFile file(kDigits, 0600);
  const std::string link = file.path() + ".link";
  std::filesystem::create_symlink(file.path(), link);
  EXPECT_EQ(status_of(secret_refusal({{"BANYAN_JOB_SECRET_FILE", link}})), BANYAN_ERR_AUTH);
  std::filesystem::remove(link);
  EXPECT_THAT(text_of(secret_refusal({{"BANYAN_JOB_SECRET_FILE", "/dev/zero"}})), HasSubstr("is not a plain file"));
}

TEST(JobSecret, FileBeatsVariableAndVariableBeatsInsecure) {
  const SecretFile file(kDigits, 0600);
  const std::string other(64, 'f');
  EXPECT_EQ(job_secret(lookup_in({{"BANYAN_JOB_SECRET_FILE", file.path()}, {"BANYAN_JOB_SECRET", other}})).bytes()[0],
            0);
  EXPECT_EQ(job_secret(lookup_in({{"BANYAN_JOB_SECRET", other}, {"BANYAN_INSECURE", "1"}})).bytes()[0], 0xff);
}

TEST(JobSecret, NoneIsAnErrorThatSaysWhatToSet) {
  const Outcome outcome = secret_refusal({});
  EXPECT_EQ(status_of(outcome), BANYAN_ERR_AUTH);
  EXPECT_THAT(text_of(outcome), HasSubstr("set BANYAN_JOB_SECRET_FILE"));
  EXPECT_EQ(status_of(secret_refusal({{"BANYAN_INSECURE", "0"}})), BANYAN_ERR_AUTH);
}

TEST(JobSecret, InsecureByNameIsAllowed) {
  EXPECT_EQ(status_of(secret_refusal({{"BANYAN_INSECURE", "1"}})), BANYAN_OK);
}

/// A port that was free a moment ago.
uint16_t free_port() { return local_address(listen_on(SocketAddress::from_ip("127.0.0.1", 0).value()).get()).port(); }

Variables torchrun_rank(int rank, int size, uint16_t master_port) {
  return {{"RANK", std::to_string(rank)},       {"WORLD_SIZE", std::to_string(size)},
          {"LOCAL_RANK", std::to_string(rank)}, {"LOCAL_WORLD_SIZE", std::to_string(size)},
          {"MASTER_ADDR", "localhost"},         {"MASTER_PORT", std::to_string(master_port)},
          {"BANYAN_JOB_SECRET", kDigits}};
}

std::unique_ptr<Bootstrap> connect(const Variables& variables, double seconds = kGenerous) {
  const auto lookup = lookup_in(variables);
  return connect_launch(launch_from_environment(lookup), lookup, "", Deadline::in(seconds));
}

TEST(ConnectLaunch, TorchrunRanksMeetBesideABusyPort) {
  Fd busy;  // the first candidate belongs to someone else, who never answers
  uint16_t master = 0;
  while (!busy) {
    master = free_port();
    int error = 0;
    busy = try_listen_on(SocketAddress::from_ip("127.0.0.1", static_cast<uint16_t>(master + 1)).value(), error);
  }
  const auto outcomes = run_ranks(3, [&](int rank) {
    const auto bootstrap = connect(torchrun_rank(rank, 3, master));
    bootstrap->barrier(Deadline::in(kGenerous));
    EXPECT_EQ(bootstrap->rank(), rank);
  });
  for (const Outcome& outcome : outcomes) {
    EXPECT_EQ(text_of(outcome), "no error");
  }
}

TEST(ConnectLaunch, SecondMeetingOfAJobUsesTheSamePortAgain) {
  const uint16_t master = free_port();
  const auto outcomes = run_ranks(2, [&](int rank) {
    for (int i = 0; i < 5; ++i) {
      connect(torchrun_rank(rank, 2, master))->barrier(Deadline::in(kGenerous));
    }
  });
  for (const Outcome& outcome : outcomes) {
    EXPECT_EQ(text_of(outcome), "no error");
  }
}

TEST(ConnectLaunch, RanksWithoutASecretAreToldWhatToSet) {
  const auto outcomes =
      run_ranks(1, [&](int) { static_cast<void>(connect(with(torchrun_rank(1, 2, 29500), "BANYAN_JOB_SECRET", ""))); });
  EXPECT_EQ(status_of(outcomes[0]), BANYAN_ERR_AUTH);
}

TEST(ConnectLaunch, MasterThatIsNotThisHostIsRefusedOnRankZero) {
  const auto outcomes = run_ranks(
      1, [&](int) { static_cast<void>(connect(with(torchrun_rank(0, 2, 29500), "MASTER_ADDR", "203.0.113.77"))); });
  EXPECT_EQ(status_of(outcomes[0]), BANYAN_ERR_INVALID_ARGUMENT);
  EXPECT_THAT(text_of(outcomes[0]), HasSubstr("\"203.0.113.77\" is no address of this host"));
}

TEST(ConnectLaunch, OneRankNeedsNoSecretAndNoNetwork) {
  const auto outcomes = run_ranks(1, [&](int) {
    connect({{"RANK", "0"}, {"WORLD_SIZE", "1"}})->barrier(Deadline::in(kGenerous));
  });
  EXPECT_EQ(text_of(outcomes[0]), "no error");
}

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
