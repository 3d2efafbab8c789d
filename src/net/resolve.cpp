// SPDX-License-Identifier: Apache-2.0
#include <ares.h>
#include <netdb.h>
#include <sys/epoll.h>
#include <sys/time.h>

#include <map>

#include "net/byte_stream.h"
#include "net/loop.h"

namespace net {
namespace {

using Addresses = base::Result<std::vector<Address>>;
using Answer = base::Result<Resolved>;

// One look-up and c-ares' channel for it, so that a changed resolv.conf or
// hosts file counts at once. c-ares tells which sockets it wants watched.
class Lookup final {
 public:
  Lookup(Loop& loop, std::string host, uint16_t port, ResolveOptions options)
      : loop_(loop), host_(std::move(host)), port_(port), options_(std::move(options)), timer_(loop, [this] {
          process(ARES_SOCKET_BAD, 0);
        }) {}

  ~Lookup() {
    cancelled_ = true;
    if (channel_) ares_destroy(channel_);
    for (auto& [fd, watch] : watched_) loop_.remove(fd, *watch);
  }

  Task<Answer> run() {
    ares_options options{};
    options.timeout = 2000;  // milliseconds, of one try
    options.tries = 2;
    options.sock_state_cb = [](void* self, ares_socket_t fd, int readable, int writable) {
      static_cast<Lookup*>(self)->watch(fd, readable, writable);
    };
    options.sock_state_cb_data = this;
    options.flags = options_.tcp ? ARES_FLAG_USEVC : 0;
    const int made = ares_init_options(&channel_, &options,
                                       ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB);
    if (made != ARES_SUCCESS) {
      channel_ = nullptr;
      co_return std::unexpected(error(made));
    }
    if (!options_.servers.empty() && (!options_.servers_are_fallback || !has_servers())) {
      std::string servers;
      for (const Address& server : options_.servers) servers += (servers.empty() ? "" : ",") + server.text();
      const int set = ares_set_servers_ports_csv(channel_, servers.c_str());
      if (set != ARES_SUCCESS) co_return std::unexpected(error(set));
    }
    ares_addrinfo_hints hints{};
    hints.ai_family = options_.family ? options_.family : AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    ares_getaddrinfo(
        channel_, host_.c_str(), nullptr, &hints,
        [](void* self, int status, int, ares_addrinfo* found) { static_cast<Lookup*>(self)->answer(status, found); },
        this);
    arm();
    Answer out = co_await done_.wait();
    co_return out;
  }

 private:
  struct Watch final : IoHandler {
    Lookup& lookup;
    int fd;
    Watch(Lookup& l, int f) : lookup(l), fd(f) {}
    void on_io(uint32_t events) override { lookup.process(fd, events); }
  };

  // Whether the system names DNS servers; c-ares puts this machine where it names none.
  bool has_servers() const {
    ares_addr_port_node* servers = nullptr;
    if (ares_get_servers_ports(channel_, &servers) != ARES_SUCCESS) return false;
    const bool own =
        servers && !servers->next && servers->family == AF_INET && servers->addr.addr4.s_addr == htonl(INADDR_LOOPBACK);
    const bool any = servers != nullptr;
    ares_free_data(servers);
    return any && !own;
  }

  void watch(int fd, int readable, int writable) {
    const uint32_t events = (readable ? uint32_t{EPOLLIN} : 0u) | (writable ? uint32_t{EPOLLOUT} : 0u);
    auto found = watched_.find(fd);
    if (!events) {
      if (found == watched_.end()) return;
      loop_.remove(fd, *found->second);
      watched_.erase(found);
    } else if (found != watched_.end()) {
      [[maybe_unused]] auto modified = loop_.modify(fd, events, *found->second);
    } else {
      auto& made = watched_[fd] = std::make_unique<Watch>(*this, fd);
      [[maybe_unused]] auto added = loop_.add(fd, events, *made);
    }
  }

  void process(int fd, uint32_t events) {
    const uint32_t trouble = EPOLLHUP | EPOLLERR;
    ares_process_fd(channel_, events & (EPOLLIN | trouble) ? fd : ARES_SOCKET_BAD,
                    events & EPOLLOUT ? fd : ARES_SOCKET_BAD);
    arm();
  }

  void arm() {
    timeval left{};
    if (!ares_timeout(channel_, nullptr, &left)) {
      timer_.cancel();
    } else {
      timer_.arm(std::chrono::seconds(left.tv_sec) + std::chrono::microseconds(left.tv_usec));
    }
  }

  void answer(int status, ares_addrinfo* found) {
    if (cancelled_) {
      ares_freeaddrinfo(found);
      return;
    }
    Answer out;
    if (status == ARES_SUCCESS) {
      for (const ares_addrinfo_node* node = found->nodes; node; node = node->ai_next) {
        const std::chrono::seconds ttl(node->ai_ttl);
        if (out->addresses.empty() || ttl < out->ttl) out->ttl = ttl;
        out->addresses.push_back(Address::of(node->ai_addr, node->ai_addrlen).with_port(port_));
      }
    }
    ares_freeaddrinfo(found);
    if (status != ARES_SUCCESS) {
      out = std::unexpected(error(status));
    } else if (out->addresses.empty()) {
      out = std::unexpected(error(ARES_ENODATA));
    }
    // Later, because c-ares is still at work here and the waiter will end this object.
    loop_.post([done = done_, out = std::move(out)]() mutable { done.set(std::move(out)); });
  }

  base::Error error(int status) const {
    const bool unknown = status == ARES_ENOTFOUND || status == ARES_ENODATA;
    return {unknown ? base::ErrorKind::NotFound : base::ErrorKind::Unavailable,
            "cannot resolve \"" + host_ + "\": " + ares_strerror(status), base::Side::Internal, !unknown};
  }

  Loop& loop_;
  const std::string host_;
  const uint16_t port_;
  const ResolveOptions options_;
  Timer timer_;
  ares_channel channel_ = nullptr;
  bool cancelled_ = false;
  std::map<int, std::unique_ptr<Watch>> watched_;
  Oneshot<Answer> done_;
};

}  // namespace

Task<Answer> resolve_name(Loop& loop, std::string host, uint16_t port, ResolveOptions options) {
  std::string_view literal = host;
  if (literal.size() > 2 && literal.front() == '[' && literal.back() == ']') {
    literal = literal.substr(1, literal.size() - 2);
  }
  auto address = Address::parse(literal, port);
  if (address) {
    Resolved own;
    own.addresses.push_back(std::move(*address));
    co_return own;
  }
  Lookup lookup(loop, std::move(host), port, std::move(options));
  Answer out = co_await lookup.run();
  co_return out;
}

Task<Addresses> resolve(Loop& loop, std::string host, uint16_t port) {
  ResolveOptions options;
  Answer found = co_await resolve_name(loop, std::move(host), port, std::move(options));
  if (!found) co_return std::unexpected(found.error());
  co_return std::move(found->addresses);
}

}  // namespace net
