// SPDX-License-Identifier: Apache-2.0
#include "localkube/network/dns_server.h"

#include <sys/epoll.h>

#include <map>

#include "base/strings.h"
#include "localkube/network/dns_zone.h"
#include "net/connection.h"

namespace localkube::dns {

constexpr std::chrono::seconds kIdle{5};                 // RFC 7766, 6.2.3: "on the order of a few seconds"
constexpr size_t kMostClients = 1000, kMostOfPeer = 50;  // over TCP

// Asks the host's resolver. Ids are its own, so that two askers may use the
// same one; answers that nobody waits for are dropped.
class Server::Forwarder final : private net::IoHandler {
 public:
  Forwarder(net::Loop& loop, Fd socket, const net::Address& resolver)
      : loop_(loop), socket_(std::move(socket)), resolver_(resolver), timer_(loop, [this] { expire(); }) {
    (void)loop_.add(socket_.get(), EPOLLIN, *this);
  }
  ~Forwarder() { loop_.remove(socket_.get(), *this); }

  void ask(std::string_view bytes, const Query& query, std::function<void(std::string)> call) {
    uint16_t id = ++last_id_;
    std::string message(bytes);
    message[0] = static_cast<char>(id >> 8);
    message[1] = static_cast<char>(id & 0xFF);
    sendto(socket_.get(), message.data(), message.size(), MSG_DONTWAIT, resolver_.data(), resolver_.size());
    asked_[id] = {.query = query, .call = std::move(call), .until = net::Clock::now() + std::chrono::seconds(4)};
    if (!timer_.armed()) timer_.arm(std::chrono::seconds(1));
  }

 private:
  struct Asked {
    Query query;
    std::function<void(std::string)> call;
    net::Clock::time_point until;
  };

  void on_io(uint32_t) override {
    char block[4096];
    sockaddr_storage from{};
    socklen_t from_size = sizeof from;
    for (ssize_t n; (n = recvfrom(socket_.get(), block, sizeof block, MSG_DONTWAIT, reinterpret_cast<sockaddr*>(&from),
                                  &from_size)) > 0;
         from_size = sizeof from) {
      if (n < 12 || net::Address::of(reinterpret_cast<sockaddr*>(&from), from_size) != resolver_) continue;
      auto id = static_cast<uint16_t>(static_cast<uint8_t>(block[0]) << 8 | static_cast<uint8_t>(block[1]));
      auto found = asked_.find(id);
      if (found == asked_.end()) continue;
      Asked asked = std::move(found->second);
      asked_.erase(found);
      std::string reply(block, static_cast<size_t>(n));
      reply[0] = static_cast<char>(asked.query.id >> 8);
      reply[1] = static_cast<char>(asked.query.id & 0xFF);
      asked.call(std::move(reply));
    }
  }

  void expire() {
    auto now = net::Clock::now();
    for (auto at = asked_.begin(); at != asked_.end();) {
      if (at->second.until > now) {
        ++at;
        continue;
      }
      Asked asked = std::move(at->second);
      at = asked_.erase(at);
      asked.call(serialize(asked.query, {.code = Code::ServerFailure, .authoritative = false}, 512));
    }
    if (!asked_.empty()) timer_.arm(std::chrono::seconds(1));
  }

  net::Loop& loop_;
  Fd socket_;
  net::Address resolver_;
  net::Timer timer_;
  std::map<uint16_t, Asked> asked_;
  uint16_t last_id_ = 0;
};

// Messages with two bytes of length before each (RFC 1035, 4.2.2).
class Server::TcpClient final : private net::Connection::Handler {
 public:
  TcpClient(Server& server, int fd, const net::Address& peer)
      : server_(server),
        peer_(peer.ip()),
        connection_(server.loop_, *this),
        idle_(server.loop_, [this] { connection_.close_after_flush(std::chrono::seconds(1)); }) {
    idle_.arm(kIdle);
    (void)connection_.adopt(fd, peer);
  }
  const std::string& peer() const { return peer_; }

 private:
  void on_data(net::Connection&) override {
    net::Buffer& input = connection_.input();
    while (input.size() >= 2) {
      auto size =
          static_cast<size_t>(static_cast<uint8_t>(input.data()[0]) << 8 | static_cast<uint8_t>(input.data()[1]));
      if (input.size() < 2 + size) return;
      std::weak_ptr<bool> alive = alive_;
      server_.answer(input.view().substr(2, size), false, [this, alive](std::string reply) {
        if (!alive.lock()) return;
        const char length[2] = {static_cast<char>(reply.size() >> 8), static_cast<char>(reply.size() & 0xFF)};
        connection_.write(std::string_view(length, 2));
        connection_.write(reply);
      });
      input.consume(2 + size);
      idle_.arm(kIdle);
    }
  }
  void on_end(net::Connection&) override { connection_.close_after_flush(std::chrono::seconds(1)); }
  void on_closed(net::Connection&, const base::Error&) override {
    server_.forget(*this);
    delete this;
  }

  Server& server_;
  const std::string peer_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  net::Connection connection_;
  net::Timer idle_;  // since the last whole question
};

Server::Server(net::Loop& loop, const Api& api) : loop_(loop), api_(api) {}

base::Result<std::unique_ptr<Server>> Server::make(net::Loop& loop, const Api& api, const net::Address& address) {
  std::unique_ptr<Server> server(new Server(loop, api));
  Server* at = server.get();
  server->tcp_ =
      TRY(net::Listener::listen(loop, address, [at](int fd, const net::Address& peer) { at->accepted(Fd(fd), peer); }));
  server->udp_ = Fd(socket(address.family(), SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  net::Address bound = server->tcp_->address();
  if (!server->udp_ || bind(server->udp_.get(), bound.data(), bound.size()) != 0)
    return std::unexpected(base::system_error("bind UDP " + bound.text(), errno));
  TRY(loop.add(server->udp_.get(), EPOLLIN, *server));
  return server;
}

Server::~Server() {
  if (udp_) loop_.remove(udp_.get(), *this);
  for (TcpClient* client : clients_) delete client;
}

void Server::accepted(Fd fd, const net::Address& peer) {
  auto of_peer = clients_by_peer_.find(peer.ip());
  if (clients_.size() >= kMostClients || (of_peer != clients_by_peer_.end() && of_peer->second >= kMostOfPeer)) return;
  ++clients_by_peer_[peer.ip()];
  clients_.insert(new TcpClient(*this, fd.release(), peer));
}

void Server::forget(TcpClient& client) {
  clients_.erase(&client);
  auto of_peer = clients_by_peer_.find(client.peer());
  if (--of_peer->second == 0) clients_by_peer_.erase(of_peer);
}

void Server::forward_by(Fd host_socket, const net::Address& resolver) {
  forwarder_ = std::make_unique<Forwarder>(loop_, std::move(host_socket), resolver);
}

void Server::on_io(uint32_t) {
  char block[4096];
  sockaddr_storage from{};
  socklen_t from_size = sizeof from;
  for (ssize_t n;
       (n = recvfrom(udp_.get(), block, sizeof block, 0, reinterpret_cast<sockaddr*>(&from), &from_size)) >= 0;
       from_size = sizeof from) {
    answer({block, static_cast<size_t>(n)}, true,
           [this, peer = net::Address::of(reinterpret_cast<sockaddr*>(&from), from_size)](std::string reply) {
             sendto(udp_.get(), reply.data(), reply.size(), MSG_DONTWAIT, peer.data(), peer.size());
           });
  }
}

void Server::answer(std::string_view bytes, bool over_udp, std::function<void(std::string)> call) {
  auto query = parse_query(bytes);
  if (!query) return;
  size_t limit = over_udp ? query->udp_limit : 65535;
  bool internet = query->qclass == 1;
  auto reply = internet ? look_up(api_, query->name, query->type) : std::optional(Reply{.code = Code::Refused});
  if (reply) return call(serialize(*query, *reply, limit));
  // One label is never a name of the outside: the search list of a pod ends there.
  bool outside = query->name.find('.') != std::string::npos && !query->name.ends_with(".local");
  if (forwarder_ && outside) return forwarder_->ask(bytes, *query, std::move(call));
  call(serialize(*query, {.code = Code::NoSuchName, .authoritative = false}, limit));
}

std::optional<net::Address> resolver_of(std::string_view resolv_conf) {
  for (std::string_view line : base::split(resolv_conf, '\n')) {
    line = base::trim(line);
    if (!line.starts_with("nameserver")) continue;
    auto address = net::Address::parse(base::trim(line.substr(10)), 53);
    if (address && address->family() == AF_INET) return *address;
  }
  return std::nullopt;
}

}  // namespace localkube::dns
