// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <unordered_set>

#include "base/strings.h"
#include "localkube/api/api.h"
#include "localkube/network/dns_message.h"
#include "localkube/process/fd.h"
#include "net/listener.h"

namespace localkube::dns {

// The cluster's DNS over UDP and TCP. Names outside cluster.local are passed to
// the host's resolver where there is one, else they do not exist.
class Server final : private net::IoHandler {
 public:
  // Port 0 picks one.
  static base::Result<std::unique_ptr<Server>> make(net::Loop& loop, const Api& api, const net::Address& address);
  ~Server();

  // A UDP socket of the host's network, and the resolver's address there.
  void forward_by(Fd host_socket, const net::Address& resolver);
  net::Address address() const { return tcp_->address(); }

 private:
  class Forwarder;
  class TcpClient;
  Server(net::Loop& loop, const Api& api);
  void on_io(uint32_t events) override;
  void accepted(Fd fd, const net::Address& peer);
  void forget(TcpClient& client);
  // Calls with the answer, now or later; never where the bytes are no query.
  void answer(std::string_view bytes, bool over_udp, std::function<void(std::string)> call);

  net::Loop& loop_;
  const Api& api_;
  Fd udp_;
  std::unique_ptr<net::Listener> tcp_;
  std::unordered_set<TcpClient*> clients_;  // owned
  base::StringMap<size_t> clients_by_peer_;
  std::unique_ptr<Forwarder> forwarder_;
};

// The first IPv4 name server of a resolv.conf.
std::optional<net::Address> resolver_of(std::string_view resolv_conf);

}  // namespace localkube::dns
