// SPDX-License-Identifier: Apache-2.0
// What the environment of each launcher is read as.
#include "bootstrap/launch.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "threads.hpp"
#include "variables.hpp"

namespace banyan::bootstrap {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::lookup_in;
using testing::Outcome;
using testing::run_ranks;
using testing::status_of;
using testing::text_of;
using testing::Variables;
using testing::with;

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
  const auto outcomes =
      run_ranks(1, [&](int) { static_cast<void>(connect_launch(launch, lookup_in(variables), "", Deadline::in(60))); });
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

}  // namespace
}  // namespace banyan::bootstrap
