// SPDX-License-Identifier: Apache-2.0
// Opening, addresses, arguments, registration, descriptors.
#include <dirent.h>
#include <fmt/format.h>

#include <cstring>

#include "conformance.hpp"

namespace banyan::conformance {
namespace {

TEST_P(TransportConformance, AddressFitsAndErrorTextIsNeverNull) {
  ranks(2, [](Rank& rank) {
    const auto member = rank.join();
    const std::string address = member->transport().address();
    require(!address.empty() && address.size() <= BANYAN_TRANSPORT_MAX_ADDRESS,
            fmt::format("address of {} bytes", address.size()));
    require(member->transport().address() == address, "the address changed");
    require(member->transport().last_error() != nullptr, "last_error is NULL");
    require(rank.ops().last_error(nullptr) != nullptr, "last_error(NULL) is NULL");
    rank.barrier();
  });
}

TEST_P(TransportConformance, CapabilitiesAreThoseExpected) {
  ranks(1, [](Rank& rank) {
    require(rank.ops().capabilities == rank.subject().capabilities,
            fmt::format("the transport claims capabilities {:#x}, expected are {:#x}", rank.ops().capabilities,
                        rank.subject().capabilities));
  });
}

TEST_P(TransportConformance, OpenRefusesARankOutsideItsSize) {
  ranks(1, [](Rank& rank) {
    banyan_transport_config config = rank.config(0);
    config.rank = 1;
    void* object = nullptr;
    const banyan_status status = rank.ops().open(&config, &object);
    require(status == BANYAN_ERR_INVALID_ARGUMENT, fmt::format("open gave {}", static_cast<int>(status)));
    require(object == nullptr, "a failed open wrote its output");
    require(*rank.ops().last_error(nullptr) != '\0', "a failed open left no text");
  });
}

TEST_P(TransportConformance, PostsRefuseWrongPeersAndLeaveAText) {
  ranks(1, [](Rank& rank) {
    banyan_transport_config config = rank.config(0);
    transport::Transport transport(rank.ops(), config);
    char byte = 0;
    for (const int peer : {-1, 0, 1, 1 << 30}) {  // 0 is not connected yet
      Request request{};
      require(transport.post_send(peer, &byte, 1, 1, &request) == BANYAN_ERR_INVALID_ARGUMENT,
              fmt::format("send to peer {} was taken", peer));
      require(request.status == BANYAN_ERR_INVALID_ARGUMENT, "a refused send left another status in its request");
      require(std::strlen(transport.last_error()) > 0, "a refused send left no text");
      require(transport.post_recv(peer, &byte, 1, 1, &request) == BANYAN_ERR_INVALID_ARGUMENT,
              fmt::format("receive from peer {} was taken", peer));
      require(request.status == BANYAN_ERR_INVALID_ARGUMENT, "a refused receive left another status in its request");
    }
  });
}

/// Addresses that no transport may take: a peer's bytes are checked, never trusted.
std::vector<std::string> damaged(const std::string& address) {
  std::vector<std::string> wrong = {std::string{}, address.substr(0, 1), address.substr(0, address.size() / 2),
                                    std::string(address.size(), '\0'), std::string(address.size(), '\xff')};
  wrong.push_back(address.substr(0, address.size() - 1));
  std::string flipped = address;
  flipped[0] = static_cast<char>(flipped[0] ^ 0x40);
  wrong.push_back(flipped);
  return wrong;
}

TEST_P(TransportConformance, DamagedAddressesAreRefused) {
  ranks(2, [](Rank& rank) {
    banyan_transport_config config = rank.config(0);
    transport::Transport transport(rank.ops(), config);
    const int peer = 1 - rank.rank();
    const auto addresses = rank.allgather(transport.address());
    for (const std::string& wrong : damaged(addresses[static_cast<size_t>(peer)])) {
      bool refused = false;
      try {
        refused = !transport.is_reachable(peer, wrong);
        transport.connect(peer, wrong);
      } catch (const std::exception&) {
        refused = true;
      }
      require(refused, fmt::format("a damaged address of {} bytes was taken", wrong.size()));
    }
    rank.barrier();
  });
}

TEST_P(TransportConformance, AddressOfAnotherCommunicatorIsRefused) {
  ranks(2, [](Rank& rank) {
    banyan_transport_config first = rank.config(0);
    banyan_transport_config second = rank.config(1);
    transport::Transport one(rank.ops(), first);
    transport::Transport other(rank.ops(), second);
    const auto addresses = rank.allgather(other.address());
    bool refused = false;
    try {
      refused = !one.is_reachable(1 - rank.rank(), addresses[static_cast<size_t>(1 - rank.rank())]);
    } catch (const std::exception&) {
      refused = true;
    }
    require(refused, "the address of another communicator is reachable");
    rank.barrier();
  });
}

TEST_P(TransportConformance, IdleProgressReportsNoEvents) {
  ranks(2, [](Rank& rank) {
    const auto member = rank.join();
    int events = 1;
    while (events != 0) {
      require(member->transport().progress(&events) == BANYAN_OK, member->transport().last_error());
      rank.check_deadline();
    }
    rank.barrier();
  });
}

TEST_P(TransportConformance, RegisteredMemoryCarriesMessages) {
  ranks(1, [](Rank& rank) {
    const banyan_transport_ops& ops = rank.ops();
    const banyan_transport_config config = rank.config(0);
    void* object = nullptr;
    require(ops.open(&config, &object) == BANYAN_OK, ops.last_error(nullptr));
    char address[BANYAN_TRANSPORT_MAX_ADDRESS];
    size_t address_size = sizeof(address);
    require(ops.get_address(object, address, &address_size) == BANYAN_OK, ops.last_error(object));
    require(ops.connect(object, 0, address, address_size) == BANYAN_OK, ops.last_error(object));
    const size_t size = size_t{1} << 20;
    auto memory = pattern(size, 2);
    memory.resize(2 * size);
    void* registration = nullptr;
    const banyan_status status = ops.register_memory(object, memory.data(), 2 * size, &registration);
    require(status == BANYAN_OK || status == BANYAN_ERR_NOT_SUPPORTED, ops.last_error(object));
    Request send{};
    Request receive{};
    require(ops.post_recv(object, 0, memory.data() + size, size, 1, &receive) == BANYAN_OK, ops.last_error(object));
    require(ops.post_send(object, 0, memory.data(), size, 1, &send) == BANYAN_OK, ops.last_error(object));
    while (send.status == BANYAN_IN_PROGRESS || receive.status == BANYAN_IN_PROGRESS) {
      int events = 0;
      require(ops.progress(object, &events) == BANYAN_OK, ops.last_error(object));
      rank.check_deadline();
    }
    require(receive.status == BANYAN_OK && has_pattern(memory.data() + size, size, 2), "wrong bytes");
    require(status != BANYAN_OK || ops.deregister_memory(object, registration) == BANYAN_OK, ops.last_error(object));
    ops.close(object);
  });
}

/// Descriptors of this process, without the one that reads the folder.
size_t open_descriptors() {
  size_t count = 0;
  DIR* folder = ::opendir("/proc/self/fd");
  while (folder != nullptr && ::readdir(folder) != nullptr) {
    ++count;
  }
  if (folder != nullptr) {
    ::closedir(folder);
  }
  return count;
}

TEST_P(TransportConformance, ClosedTransportsLeaveNoDescriptors) {
  ranks(1, [](Rank& rank) {
    size_t before = 0;
    for (int c = 0; c < 6; ++c) {
      {
        const auto member = rank.join();
        if (rank.can(BANYAN_TRANSPORT_CAP_MAPPED)) {
          const transport::Transport::Window window(member->transport(), 10000);
          const transport::Transport::Mapping mapping(member->transport(), 0, window.handle());
        }
      }
      if (c == 1) {
        before = open_descriptors();  // the first ones may open what the process keeps
      }
    }
    require(open_descriptors() <= before, fmt::format("{} descriptors became {}", before, open_descriptors()));
  });
}

}  // namespace
}  // namespace banyan::conformance
