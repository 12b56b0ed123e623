// SPDX-License-Identifier: Apache-2.0
// Which transports ranks use for each other.
#include <gtest/gtest.h>

#include "comm/factory.hpp"

namespace banyan::comm {
namespace {

/// The transports that ranks on these hosts, all on this machine, choose among the named ones; rank 0's description.
std::string chosen(const std::vector<std::string>& host_ids, const std::vector<std::string>& transports) {
  std::vector<Settings> settings(host_ids.size());
  for (size_t rank = 0; rank < host_ids.size(); ++rank) {
    settings[rank].host_id = host_ids[rank];
    settings[rank].transports = transports;
    settings[rank].transports_named = true;
  }
  const auto communicators = create_local(settings);
  for (const auto& communicator : communicators) {
    EXPECT_EQ(communicator->transports(), communicators[0]->transports());
  }
  return communicators[0]->transports();
}

TEST(Fabric, OneHostThenTheFirstNamed) {
  EXPECT_EQ(chosen({"a", "a", "a"}, {"shm", "ucx"}), "shm");
  EXPECT_EQ(chosen({"a", "a"}, {"ucx", "shm"}), "ucx");
}

TEST(Fabric, DifferentHostIdsThenATransportBetweenHosts) {
  EXPECT_EQ(chosen({"a", "a", "b", "b"}, {"shm", "ucx"}), "shm,ucx");
  EXPECT_EQ(chosen({"a", "b"}, {"shm", "ucx"}), "ucx");
}

TEST(Fabric, DifferentHostIdsAndNoTransportBetweenHostsThenWhatReachesThem) {
  EXPECT_EQ(chosen({"a", "a", "b", "b"}, {"shm"}), "shm");
  EXPECT_EQ(chosen({"a", "b"}, {"inproc"}), "inproc");
}

}  // namespace
}  // namespace banyan::comm
