// SPDX-License-Identifier: Apache-2.0
#include "profiler/measure.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <exception>
#include <set>
#include <thread>

#include "base/file.hpp"
#include "comm/factory.hpp"

namespace banyan::profiler {
namespace {

using topology::Tier;

/// Ranks as threads of this process, on the hosts that `hosts` names by rank.
class LocalRanks {
 public:
  explicit LocalRanks(const std::vector<std::string>& hosts) {
    std::vector<comm::Settings> settings(hosts.size());
    for (size_t rank = 0; rank < hosts.size(); ++rank) {
      settings[rank].host_id = hosts[rank];
      settings[rank].timeout_s = 120;  // sanitizers on a loaded machine
      settings[rank].bootstrap_timeout_s = 120;
    }
    comms_ = comm::create_local(settings);
    for (auto& comm : comms_) {
      engines_.push_back(std::make_unique<coll::Engine>(*comm));
    }
  }

  [[nodiscard]] comm::Communicator& comm(size_t rank) { return *comms_[rank]; }

  /// Each rank's profile; `options[rank]`. What a rank threw is rethrown, rank 0's first.
  std::vector<cost::Profile> measure(const std::vector<MeasureOptions>& options) {
    std::vector<cost::Profile> profiles(comms_.size());
    errors_.assign(comms_.size(), nullptr);
    std::vector<std::thread> threads;
    for (size_t rank = 0; rank < comms_.size(); ++rank) {
      threads.emplace_back([&, rank] {
        try {
          profiles[rank] = profiler::measure(*engines_[rank], options[rank]);
        } catch (...) {
          errors_[rank] = std::current_exception();
        }
      });
    }
    for (auto& thread : threads) {
      thread.join();
    }
    for (const auto& error : errors_) {
      if (error) {
        std::rethrow_exception(error);
      }
    }
    return profiles;
  }
  std::vector<cost::Profile> measure(const MeasureOptions& options) {
    return measure(std::vector<MeasureOptions>(comms_.size(), options));
  }
  [[nodiscard]] size_t failed_ranks() const {
    return static_cast<size_t>(std::count_if(errors_.begin(), errors_.end(), [](const auto& e) { return bool(e); }));
  }

 private:
  std::vector<std::unique_ptr<comm::Communicator>> comms_;
  std::vector<std::unique_ptr<coll::Engine>> engines_;
  std::vector<std::exception_ptr> errors_;
};

/// A file name that is free, in a folder that goes with the object.
class TemporaryFile {
 public:
  TemporaryFile() {
    char folder[] = "/tmp/banyan_profiler_XXXXXX";
    if (::mkdtemp(folder) == nullptr) {
      throw std::runtime_error("mkdtemp failed");
    }
    folder_ = folder;
  }
  ~TemporaryFile() {
    static_cast<void>(::unlink(path().c_str()));
    static_cast<void>(::rmdir(folder_.c_str()));
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  [[nodiscard]] std::string path() const { return folder_ + "/resume.json"; }

 private:
  std::string folder_;
};

const MeasureOptions kQuick{.budget_s = 0.2, .max_bytes = 64 << 10, .resume_file = {}, .progress = {}};

void expect_usable(const cost::TierCost& tier) {
  EXPECT_TRUE(tier.measured);
  EXPECT_GT(tier.alpha_s, 0);
  EXPECT_GT(tier.overhead_s, 0);
  EXPECT_GT(tier.flow_bytes_per_s, 0);
}

TEST(Measure, OneRankAHostThenItsMessagesAreTheHosts) {
  const auto profile = LocalRanks({"a", "b"}).measure(kQuick)[0];
  const cost::TierCost& rack = profile.tiers[static_cast<size_t>(Tier::kRack)];
  expect_usable(rack);
  EXPECT_EQ(rack.gap_s, rack.overhead_s);
}

TEST(Measure, TwoHostsThenEveryPartIsPositiveAndEqualOnAllRanks) {
  LocalRanks ranks({"a", "b", "a", "b"});
  const auto profiles = ranks.measure(kQuick);
  const cost::Profile& profile = profiles[0];
  for (const auto& other : profiles) {
    EXPECT_EQ(other, profile);
  }
  EXPECT_EQ(profile.num_ranks, 4);
  EXPECT_EQ(profile.transport, ranks.comm(0).transports());
  expect_usable(profile.local_message);
  expect_usable(profile.tiers[static_cast<size_t>(Tier::kRack)]);
  EXPECT_GT(profile.tiers[static_cast<size_t>(Tier::kRack)].gap_s, 0);
  EXPECT_EQ(profile.local_message.gap_s, 0) << "inside a host nothing is shared but memory";
  EXPECT_EQ(profile.tiers[static_cast<size_t>(Tier::kDomain)].measured, ranks.comm(0).mapped());
  EXPECT_FALSE(profile.tiers[static_cast<size_t>(Tier::kCluster)].measured) << "there is one rack";
  EXPECT_GT(profile.copy_bytes_per_s, 0);
  EXPECT_GT(profile.host_copy_bytes_per_s, 0);
  ASSERT_EQ(profile.hosts.size(), 2u);
  for (const auto& host : profile.hosts) {
    EXPECT_EQ(host.num_ranks, 2);
    EXPECT_GT(host.egress_bytes_per_s, 0);
    EXPECT_GT(host.ingress_bytes_per_s, 0);
  }
  ASSERT_EQ(profile.host_pair_bytes_per_s.size(), 4u);
  EXPECT_EQ(profile.host_pair_bytes_per_s[0], 0);
  EXPECT_GT(profile.host_pair_bytes_per_s[1], 0);
  EXPECT_GT(profile.host_pair_bytes_per_s[2], 0);
}

TEST(Measure, ProfileThenTheModelUsesIt) {
  LocalRanks ranks({"a", "a", "b"});
  const auto profile = ranks.measure(kQuick)[0];
  const auto model = cost::measured_model(ranks.comm(0).tree(), profile);
  EXPECT_TRUE(model.measured);
  for (const int index : ranks.comm(0).tree().at_tier(Tier::kNode)) {
    EXPECT_TRUE(model.subtrees[static_cast<size_t>(index)].measured);
  }
  EXPECT_EQ(cost::profile_from_json(cost::to_json(profile)).value("profile"), profile);
}

TEST(Measure, UnevenHostsThenNoPairIsMissing) {
  LocalRanks ranks({"a", "a", "a", "b", "c"});
  const auto profile = ranks.measure(kQuick)[0];
  ASSERT_EQ(profile.hosts.size(), 3u);
  for (size_t i = 0; i < 9; ++i) {
    EXPECT_EQ(profile.host_pair_bytes_per_s.at(i) > 0, i % 4 != 0) << i;
  }
  for (size_t host = 0; host < 3; ++host) {
    const double* row = &profile.host_pair_bytes_per_s[host * 3];
    EXPECT_GE(profile.hosts[host].egress_bytes_per_s, *std::max_element(row, row + 3));
  }
}

TEST(Measure, FourHostsThenSharedUplinksAreLookedForAndAllRanksAgree) {
  LocalRanks ranks({"a", "b", "c", "d", "d"});
  const auto profiles = ranks.measure(kQuick);
  for (const auto& profile : profiles) {
    EXPECT_EQ(profile, profiles[0]);
  }
  // Memory has no uplinks, but on a busy machine rates may look as if.
  ASSERT_TRUE(profiles[0].inferred_racks);
  EXPECT_EQ(cost::profile_from_json(cost::to_json(profiles[0])).value("profile"), profiles[0]);
}

TEST(Measure, FewerHostsThenNoneCanBeTold) {
  const auto of_three = LocalRanks({"a", "b", "c"}).measure(kQuick)[0].inferred_racks;
  EXPECT_EQ(of_three, std::vector<cost::InferredRack>{});
  EXPECT_EQ(LocalRanks({"a", "a"}).measure(kQuick)[0].inferred_racks, std::nullopt);
}

TEST(Measure, FourHostsResumedThenTheirRoundsComeBack) {
  const TemporaryFile file;
  LocalRanks ranks({"a", "b", "c", "d"});
  MeasureOptions options = kQuick;
  options.resume_file = file.path();
  const auto first = ranks.measure(options)[0];
  auto second = ranks.measure(options)[0];
  second.created = first.created;
  EXPECT_EQ(second, first);
}

TEST(Measure, OneRankThenOnlyCopies) {
  LocalRanks ranks({"a"});
  const auto profile = ranks.measure(kQuick)[0];
  EXPECT_GT(profile.copy_bytes_per_s, 0);
  ASSERT_EQ(profile.hosts.size(), 1u);
  EXPECT_EQ(profile.hosts[0].egress_bytes_per_s, 0);
  EXPECT_TRUE(profile.host_pair_bytes_per_s.empty());
}

TEST(Measure, ProgressThenCalledOnRankZeroInOrderUntilDone) {
  LocalRanks ranks({"a", "b"});
  std::vector<int> done;
  std::set<std::string> names;
  int total = 0;
  std::vector<MeasureOptions> options(2, kQuick);
  options[0].progress = [&](int so_far, int of, const char* probe, double eta_s) {
    done.push_back(so_far);
    names.insert(probe);
    total = of;
    EXPECT_GE(eta_s, 0);
  };
  options[1].progress = [](int, int, const char*, double) { ADD_FAILURE() << "called on rank 1"; };
  static_cast<void>(ranks.measure(options));
  ASSERT_EQ(done.size(), static_cast<size_t>(total) + 1);
  for (size_t i = 0; i < done.size(); ++i) {
    EXPECT_EQ(done[i], static_cast<int>(i));
  }
  EXPECT_EQ(names.size(), done.size()) << "names are distinct";
}

TEST(Measure, OptionsThatDifferThenRankZerosCount) {
  LocalRanks ranks({"a", "b"});
  std::vector<MeasureOptions> options(2, kQuick);
  options[1].budget_s = -5;
  options[1].max_bytes = 1;
  EXPECT_NO_THROW(static_cast<void>(ranks.measure(options)));
}

TEST(Measure, BadOptionsThenEveryRankFailsAndMayTryAgain) {
  LocalRanks ranks({"a", "b"});
  MeasureOptions bad = kQuick;
  bad.budget_s = -1;
  EXPECT_THROW(static_cast<void>(ranks.measure(bad)), Error);
  EXPECT_EQ(ranks.failed_ranks(), 2u);
  bad = kQuick;
  bad.max_bytes = 1;
  EXPECT_THROW(static_cast<void>(ranks.measure(bad)), Error);
  EXPECT_NO_THROW(static_cast<void>(ranks.measure(kQuick)));
}

TEST(Measure, ResumeFileOfAFinishedRunThenItsNumbersComeBack) {
  const TemporaryFile file;
  LocalRanks ranks({"a", "b"});
  MeasureOptions options = kQuick;
  options.resume_file = file.path();
  const auto first = ranks.measure(options)[0];
  auto second = ranks.measure(options)[0];
  second.created = first.created;
  EXPECT_EQ(second, first) << "measured anew, the numbers would differ";
}

TEST(Measure, InterruptedThenOnlyWhatIsMissingIsMeasured) {
  const TemporaryFile file;
  LocalRanks ranks({"a", "b"});
  std::vector<MeasureOptions> options(2, kQuick);
  options[0].resume_file = file.path();
  const auto whole = ranks.measure(options)[0];
  // As if the last probe had not been reached.
  std::string text = file::read(file.path());
  const size_t copy = text.find("\"copy\"");
  ASSERT_NE(copy, std::string::npos);
  text.replace(copy, 6, "\"nope\"");
  file::write_atomically(file.path(), text);
  auto resumed = ranks.measure(options)[0];
  EXPECT_EQ(resumed.host_pair_bytes_per_s, whole.host_pair_bytes_per_s);
  EXPECT_EQ(resumed.tiers[static_cast<size_t>(Tier::kRack)], whole.tiers[static_cast<size_t>(Tier::kRack)]);
  EXPECT_NE(resumed.copy_bytes_per_s, whole.copy_bytes_per_s);
}

TEST(Measure, ResumeFileOfOtherRanksThenIgnoredAndReplaced) {
  const TemporaryFile file;
  MeasureOptions options = kQuick;
  options.resume_file = file.path();
  static_cast<void>(LocalRanks({"a", "b"}).measure(options));
  LocalRanks others({"a", "b", "b"});
  const auto first = others.measure(options)[0];
  EXPECT_EQ(first.num_ranks, 3);
  auto second = others.measure(options)[0];
  second.created = first.created;
  EXPECT_EQ(second, first);
}

TEST(Measure, ResumeFileOfAnotherKindThenErrorOnAllRanksAndTheFileIsKept) {
  const TemporaryFile file;
  file::write_atomically(file.path(), "{\"format\": \"banyan-profile-1\"}");
  LocalRanks ranks({"a", "b"});
  MeasureOptions options = kQuick;
  options.resume_file = file.path();
  EXPECT_THROW(static_cast<void>(ranks.measure(options)), Error);
  EXPECT_EQ(ranks.failed_ranks(), 2u);
  EXPECT_EQ(file::read(file.path()), "{\"format\": \"banyan-profile-1\"}");
}

TEST(Measure, ResumeFileThatCannotBeWrittenThenErrorOnAllRanks) {
  LocalRanks ranks({"a", "b"});
  MeasureOptions options = kQuick;
  options.resume_file = "/proc/no/such/folder/resume.json";
  EXPECT_THROW(static_cast<void>(ranks.measure(options)), Error);
  EXPECT_EQ(ranks.failed_ranks(), 2u);
}

}  // namespace
}  // namespace banyan::profiler
