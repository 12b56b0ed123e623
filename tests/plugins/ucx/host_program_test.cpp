// SPDX-License-Identifier: Apache-2.0
// What opening the transport must not do to the program around it, and what open refuses.
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>

#include "ranks.hpp"

namespace banyan::ucx_test {
namespace {

banyan_transport_config single_rank_config() {
  banyan_transport_config config = {};
  config.struct_size = sizeof(config);
  config.size = 1;
  config.timeout_s = 5;
  return config;
}

TEST(UcxPlugin, QueryThenTableHasTheRequiredOperations) {
  const banyan_transport_ops& ops = plugin();
  EXPECT_EQ(ops.version, uint32_t{BANYAN_TRANSPORT_ABI_VERSION});
  EXPECT_EQ(ops.struct_size, sizeof(banyan_transport_ops));
  EXPECT_STREQ(ops.name, "ucx");
  EXPECT_EQ(ops.capabilities, BANYAN_TRANSPORT_CAP_INTER_HOST | BANYAN_TRANSPORT_CAP_REPORTS_PEER_FAILURE);
}

TEST(UcxPlugin, OpenThenSignalHandlersAreAsBefore) {
  run_process([] {
    struct Actions {
      std::array<struct sigaction, NSIG> of = {};
      Actions() {
        for (int signal = 1; signal < NSIG; ++signal) {
          sigaction(signal, nullptr, &of[static_cast<size_t>(signal)]);
        }
      }
    };
    const Actions before;
    const banyan_transport_config config = single_rank_config();
    void* transport = nullptr;
    ASSERT_EQ(plugin().open(&config, &transport), BANYAN_OK) << plugin().last_error(nullptr);
    const Actions after;
    for (size_t signal = 1; signal < NSIG; ++signal) {
      EXPECT_EQ(before.of[signal].sa_sigaction, after.of[signal].sa_sigaction) << "signal " << signal;
    }
    plugin().close(transport);
  });
}

TEST(UcxPlugin, OpenWithUnusableTransportsThenErrorAndEmptyStdout) {
  std::array<int, 2> channel = {};
  ASSERT_EQ(pipe2(channel.data(), O_CLOEXEC | O_NONBLOCK), 0);
  run_process([&] {
    dup2(channel[1], STDOUT_FILENO);
    setenv("UCX_TLS", "no_such_transport", 1);
    const banyan_transport_config config = single_rank_config();
    void* transport = nullptr;
    EXPECT_EQ(plugin().open(&config, &transport), BANYAN_ERR_NOT_SUPPORTED);
    EXPECT_EQ(transport, nullptr);
    EXPECT_NE(std::string(plugin().last_error(nullptr)).find("No such device"), std::string::npos)
        << plugin().last_error(nullptr);
  });
  std::array<char, 256> text = {};
  const ssize_t length = read(channel[0], text.data(), text.size() - 1);
  EXPECT_EQ(length, -1) << text.data();
  ::close(channel[0]);
  ::close(channel[1]);
}

TEST(UcxPlugin, OpenWithUnknownInterfaceThenNotFoundNamesIt) {
  run_process([] {
    banyan_transport_config config = single_rank_config();
    config.interface_name = "nosuch7";
    void* transport = nullptr;
    EXPECT_EQ(plugin().open(&config, &transport), BANYAN_ERR_NOT_FOUND);
    EXPECT_NE(std::string(plugin().last_error(nullptr)).find("nosuch7"), std::string::npos);
  });
}

TEST(UcxPlugin, OpenWithRankOutOfRangeThenInvalidArgument) {
  run_process([] {
    banyan_transport_config config = single_rank_config();
    config.rank = 1;
    void* transport = nullptr;
    EXPECT_EQ(plugin().open(&config, &transport), BANYAN_ERR_INVALID_ARGUMENT);
  });
}

TEST(UcxPlugin, ForeignOrCutAddressThenRefused) {
  run_ranks(1, [](Rank& self) {
    std::array<char, BANYAN_TRANSPORT_MAX_ADDRESS> address = {};
    EXPECT_EQ(plugin().is_reachable(self.transport(), 0, address.data(), address.size()), BANYAN_ERR_NOT_SUPPORTED);
    size_t size = 0;
    ASSERT_EQ(plugin().get_address(self.transport(), address.data(), &size), BANYAN_OK);
    for (size_t cut = 0; cut < size; ++cut) {
      EXPECT_NE(plugin().connect(self.transport(), 0, address.data(), cut), BANYAN_OK) << cut;
    }
    EXPECT_EQ(plugin().connect(self.transport(), 0, address.data(), size), BANYAN_OK);
  });
}

}  // namespace
}  // namespace banyan::ucx_test
