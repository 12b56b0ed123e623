// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "base/file.hpp"
#include "cost/profile.hpp"

namespace banyan::cost {
namespace {

using testing::HasSubstr;

rc::Gen<double> positive() {
  return rc::gen::map(rc::gen::inRange<int64_t>(1, int64_t{1} << 60),
                      [](int64_t value) { return static_cast<double>(value) * 0.37; });
}

TierCost any_tier() {
  if (*rc::gen::arbitrary<bool>()) {
    return {};
  }
  return {.alpha_s = *positive() * 1e-18,
          .overhead_s = *positive() * 1e-18,
          .gap_s = *rc::gen::arbitrary<bool>() ? *positive() * 1e-18 : 0,
          .flow_bytes_per_s = *positive(),
          .measured = true};
}

std::vector<HostProfile> any_hosts(const char* prefix) {
  std::vector<HostProfile> hosts;
  const int count = *rc::gen::inRange(0, 6);
  for (int i = 0; i < count; ++i) {
    // Text that JSON must escape; a number keeps the keys apart.
    const std::string text = *rc::gen::container<std::string>(rc::gen::inRange<char>(1, 127));
    hosts.push_back({prefix + std::to_string(i) + text, text, *rc::gen::inRange(1, 1000),
                     *rc::gen::element(0.0, *positive()), *rc::gen::element(0.0, *positive())});
  }
  return hosts;
}

/// Any partition of the hosts into several, or none.
std::optional<std::vector<InferredRack>> any_inferred_racks(size_t num_hosts) {
  std::vector<InferredRack> racks;
  if (num_hosts == 0 || *rc::gen::arbitrary<bool>()) {
    return std::nullopt;
  }
  for (size_t host = 0; host < num_hosts; ++host) {
    const size_t rack = *rc::gen::inRange<size_t>(0, racks.size() + 1);
    if (rack == racks.size()) {
      racks.push_back({{}, *rc::gen::element(0.0, *positive()), *rc::gen::element(0.0, *positive())});
    }
    racks[rack].hosts.push_back(static_cast<int>(host));
  }
  return racks.size() > 1 ? racks : std::vector<InferredRack>{};
}

Profile any_profile() {
  Profile profile;
  profile.created = "2026-11-22T03:40:00Z";
  profile.transport = *rc::gen::element<std::string>("", "shm,ucx", "inproc");
  profile.num_ranks = *rc::gen::inRange(1, kMaxProfileRanks + 1);
  for (auto& tier : profile.tiers) {
    tier = any_tier();
  }
  profile.local_message = any_tier();
  profile.hosts = any_hosts("host:");
  profile.racks = any_hosts("switch:");
  profile.inferred_racks = any_inferred_racks(profile.hosts.size());
  if (!profile.hosts.empty() && *rc::gen::arbitrary<bool>()) {
    for (size_t i = 0; i < profile.hosts.size() * profile.hosts.size(); ++i) {
      profile.host_pair_bytes_per_s.push_back(*rc::gen::element(0.0, *positive()));
    }
  }
  profile.copy_bytes_per_s = *rc::gen::element(0.0, *positive());
  profile.host_copy_bytes_per_s = *rc::gen::element(0.0, *positive());
  return profile;
}

std::string sample_text() { return file::read(BANYAN_TEST_PROFILES "/two_hosts.json"); }

std::string racks_text() { return file::read(BANYAN_TEST_PROFILES "/inferred_racks.json"); }

/// The text with the first `from` replaced.
std::string with(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}
std::string sample_with(const std::string& from, const std::string& to) { return with(sample_text(), from, to); }
std::string racks_with(const std::string& from, const std::string& to) { return with(racks_text(), from, to); }

std::string error_of(const std::string& text) {
  const auto result = profile_from_json(text);
  return result.ok() ? "accepted" : result.describe("p");
}

TEST(ProfileJson, AnyProfileThenReadBackEqual) {
  EXPECT_TRUE(rc::check([] {
    const Profile profile = any_profile();
    const auto back = profile_from_json(to_json(profile));
    RC_ASSERT(back.ok());
    RC_ASSERT(back.value("text") == profile);
  }));
}

TEST(ProfileJson, SampleFileThenItsNumbers) {
  const Profile profile = profile_from_json(sample_text()).value("two_hosts.json");
  EXPECT_EQ(profile.num_ranks, 4);
  ASSERT_EQ(profile.hosts.size(), 2u);
  EXPECT_EQ(profile.hosts[1].name, "node1");
  EXPECT_EQ(profile.hosts[1].egress_bytes_per_s, 11.9e6);
  EXPECT_EQ(profile.host_pair_bytes_per_s, (std::vector<double>{0, 11.9e6, 11.8e6, 0}));
  EXPECT_TRUE(profile.tiers[static_cast<size_t>(topology::Tier::kRack)].measured);
  EXPECT_FALSE(profile.tiers[static_cast<size_t>(topology::Tier::kCluster)].measured);
}

TEST(ProfileJson, InferredRacksThenHostsByPosition) {
  const Profile profile = profile_from_json(racks_text()).value("inferred_racks.json");
  ASSERT_TRUE(profile.inferred_racks);
  EXPECT_EQ(*profile.inferred_racks, (std::vector<InferredRack>{{{0, 2}, 5.8e6, 6e6}, {{1, 3}, 5.9e6, 0}}));
  EXPECT_FALSE(profile_from_json(sample_text()).value("two_hosts.json").inferred_racks) << "not looked for";
  const auto none = profile_from_json(sample_with("\"created\"", "\"inferred_racks\": [], \"created\""));
  EXPECT_TRUE(none.value("none").inferred_racks->empty()) << "looked for, and none found";
}

TEST(ProfileJson, BadInferredRacksThenTheErrorNamesThem) {
  const std::string first = "[\"host:node0\", \"host:node2\"]";
  EXPECT_THAT(error_of(racks_with(first, "[\"host:node0\"]")),
              HasSubstr("inferred_racks: has no rack with host host:node2"));
  EXPECT_THAT(error_of(racks_with(first, "[\"host:node0\", \"host:node9\"]")),
              HasSubstr("inferred_racks[0].hosts[1]: expected the key of one of hosts that is in no rack yet"));
  EXPECT_THAT(error_of(racks_with(first, "[\"host:node0\", \"host:node0\"]")), HasSubstr("hosts[1]: expected the key"));
  EXPECT_THAT(error_of(racks_with(first, "[0, 2]")), HasSubstr("inferred_racks[0].hosts[0]: expected the key"));
  EXPECT_THAT(error_of(racks_with(first, "[]")), HasSubstr("inferred_racks[0].hosts: is empty"));
  EXPECT_THAT(error_of(racks_with(first, "7")), HasSubstr("inferred_racks[0].hosts: expected an array"));
  EXPECT_THAT(error_of(racks_with("\"hosts\": " + first + ", ", "")), HasSubstr("inferred_racks[0].hosts: is missing"));
  EXPECT_THAT(error_of(racks_with("5800000", "0")), HasSubstr("inferred_racks[0].egress_bytes_per_s: expected a rate"));
  EXPECT_THAT(error_of(racks_with("6000000", "-1")), HasSubstr("inferred_racks[0].ingress_bytes_per_s"));
  EXPECT_THAT(error_of(racks_with("\"inferred_racks\": [", "\"inferred_racks\": [1, ")),
              HasSubstr("inferred_racks[0]: expected an object"));
  EXPECT_THAT(error_of(sample_with("\"created\"", "\"inferred_racks\": {}, \"created\"")),
              HasSubstr("inferred_racks: expected an array"));
  EXPECT_THAT(error_of(sample_with("\"created\"",
                                   "\"inferred_racks\": [{\"hosts\": [\"host:b0\", \"host:b1\"]}], \"created\"")),
              HasSubstr("inferred_racks: has one rack"));
}

TEST(ProfileJson, NoTruncationIsAccepted) {
  std::string text = racks_text();
  while (!text.empty() && text.back() != '}') {
    text.pop_back();
  }
  for (size_t length = 0; length < text.size(); ++length) {
    ASSERT_FALSE(profile_from_json(std::string_view(text).substr(0, length)).ok()) << "at byte " << length;
  }
  EXPECT_TRUE(profile_from_json(text).ok());
}

TEST(ProfileJson, AnyByteChangedThenNoCrashAndAnyAcceptedProfileIsUsable) {
  const std::string text = racks_text();
  EXPECT_TRUE(rc::check([&] {
    std::string changed = text;
    changed[*rc::gen::inRange<size_t>(0, text.size())] = *rc::gen::arbitrary<char>();
    if (const auto result = profile_from_json(changed); result.ok()) {
      RC_ASSERT(result.value("text").num_ranks >= 1);
      for (const auto& host : result.value("text").hosts) {
        RC_ASSERT(host.egress_bytes_per_s >= 0 && host.egress_bytes_per_s <= 1e18);
      }
    } else {
      RC_ASSERT(!result.error().message.empty());
    }
  }));
}

TEST(ProfileJson, BadMembersThenTheErrorNamesThem) {
  EXPECT_THAT(error_of("[]"), HasSubstr("profile: expected an object, found array"));
  EXPECT_THAT(error_of("{}"), HasSubstr("format: is missing"));
  EXPECT_THAT(error_of(sample_with("banyan-profile-1", "banyan-profile-9")), HasSubstr("format: is not"));
  EXPECT_THAT(error_of(sample_with("\"num_ranks\": 4", "\"num_ranks\": 0")),
              HasSubstr("num_ranks: expected an integer"));
  EXPECT_THAT(error_of(sample_with("\"num_ranks\": 4", "\"num_ranks\": 99999999999")), HasSubstr("num_ranks"));
  EXPECT_THAT(error_of(sample_with("\"num_ranks\": 4", "\"num_ranks\": 1.5")), HasSubstr("num_ranks"));
  EXPECT_THAT(error_of(sample_with("\"alpha_s\": ", "\"alpha_s\": -")), HasSubstr("alpha_s: expected a number from"));
  EXPECT_THAT(error_of(sample_with("\"alpha_s\": ", "\"alpha_s\": true, \"was\": ")), HasSubstr("found true"));
  EXPECT_THAT(error_of(sample_with("\"name\": \"node1\"", "\"name\": 7")),
              HasSubstr("hosts[1].name: expected a string"));
  EXPECT_THAT(error_of(sample_with("\"name\": \"node1\"", "\"name\": \"" + std::string(2000, 'x') + "\"")),
              HasSubstr("hosts[1].name: is longer than"));
  EXPECT_THAT(error_of(sample_with("\"key\": \"host:b1\"", "\"key\": \"host:b0\"")),
              HasSubstr("hosts[1].key: is the key"));
  EXPECT_THAT(error_of(sample_with("\"egress_bytes_per_s\": 11900000", "\"egress_bytes_per_s\": 0")),
              HasSubstr("hosts[1].egress_bytes_per_s: expected a rate above 0"));
  EXPECT_THAT(error_of(sample_with("\"egress_bytes_per_s\": 11900000", "\"egress_bytes_per_s\": 1e300")),
              HasSubstr("hosts[1].egress_bytes_per_s: expected a number"));
  EXPECT_THAT(error_of(sample_with("[0, 11900000]", "[0]")), HasSubstr("host_pair_bytes_per_s[0]: has 1 entries"));
  EXPECT_THAT(error_of(sample_with("[0, 11900000],", "")), HasSubstr("host_pair_bytes_per_s: has 1 entries"));
  EXPECT_THAT(error_of(sample_with("[0, 11900000]", "[0, null]")), HasSubstr("host_pair_bytes_per_s[0][1]"));
}

TEST(ProfileJson, TooManyHostsThenRefusedBeforeTheyAreRead) {
  std::string many = "\"hosts\": [0";
  for (size_t i = 0; i < kMaxProfileHosts; ++i) {
    many += ",0";
  }
  EXPECT_THAT(error_of(sample_with("\"hosts\": [", many + "], \"was\": [")), HasSubstr("hosts: has 4097 entries"));
}

TEST(ProfileJson, UnknownMembersThenIgnored) {
  EXPECT_TRUE(profile_from_json(sample_with("\"created\"", "\"comment\": {\"a\": [1]}, \"created\"")).ok());
}

TEST(ProfileJson, NameThatIsNoUtf8ThenStillWritten) {
  Profile profile;
  profile.num_ranks = 1;
  profile.hosts.push_back({"host:\xff", "\xc3", 1, 0, 0});
  EXPECT_TRUE(profile_from_json(to_json(profile)).ok());
}

}  // namespace
}  // namespace banyan::cost
