// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/tcp_bootstrap.hpp"

#include "bootstrap/callback_bootstrap.hpp"
#include "bootstrap/local_bootstrap.hpp"
#include "bootstrap/star_exchange.hpp"

namespace banyan::bootstrap {
namespace {

class TcpRoot final : public Bootstrap {
 public:
  explicit TcpRoot(StarChannels channels) : star_(std::move(channels)) {
    if (star_.channels().size() > 1) {
      route_ = local_address(star_.channels()[1]->fd()).ip();
    }
  }

  [[nodiscard]] int rank() const noexcept override { return 0; }
  [[nodiscard]] int size() const noexcept override { return static_cast<int>(star_.channels().size()); }
  [[nodiscard]] std::string route_address() const override { return route_; }
  void allgatherv(const void* mine, void* all, std::span<const size_t> sizes, Deadline deadline) override {
    star_.allgatherv(mine, all, sizes, deadline);
  }
  void heed(const AbortState* state) noexcept override { star_.heed(state); }

 private:
  StarRoot star_;
  std::string route_;
};

class TcpMember final : public Bootstrap {
 public:
  TcpMember(Channel channel, int rank, int size)
      : star_(std::move(channel), rank), rank_(rank), size_(size), route_(local_address(star_.channel().fd()).ip()) {}

  [[nodiscard]] int rank() const noexcept override { return rank_; }
  [[nodiscard]] int size() const noexcept override { return size_; }
  [[nodiscard]] std::string route_address() const override { return route_; }
  void allgatherv(const void* mine, void* all, std::span<const size_t> sizes, Deadline deadline) override {
    star_.allgatherv(mine, all, sizes, deadline);
  }
  void heed(const AbortState* state) noexcept override { star_.heed(state); }

 private:
  StarMember star_;
  int rank_;
  int size_;
  std::string route_;
};

}  // namespace

std::unique_ptr<Bootstrap> make_single_bootstrap() { return std::move(make_local_bootstraps(1).front()); }

std::unique_ptr<Bootstrap> make_tcp_root(Fd listener, const StarTicket& ticket, Deadline deadline) {
  return std::make_unique<TcpRoot>(accept_star(std::move(listener), ticket, deadline));
}

std::unique_ptr<Bootstrap> make_tcp_member(const std::vector<SocketAddress>& roots, const StarTicket& ticket,
                                           const std::string& interface_name, Deadline deadline) {
  std::optional<SocketAddress> from;
  if (!interface_name.empty()) {
    from = interface_address(interface_name);
  }
  return std::make_unique<TcpMember>(join_star(roots, ticket, from, deadline), ticket.rank, ticket.size);
}

std::unique_ptr<Bootstrap> make_tcp_bootstrap(const UniqueId& id, int rank, int size, const std::string& interface_name,
                                              Deadline deadline) {
  check_rank_and_size(rank, size);
  const StarTicket ticket = {
      .secret = id.secret, .job_id = id.job_id, .rank = rank, .size = size, .purpose = "bootstrap"};
  if (rank == 0) {
    return make_tcp_root(take_listener(id), ticket, deadline);
  }
  return make_tcp_member({id.root}, ticket, interface_name, deadline);
}

}  // namespace banyan::bootstrap
