// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "net/connection.h"
#include "proxy/listener/listener_config.h"
#include "proxy/route/metadata.h"
#include "proxy/runtime/http_counts.h"
#include "proxy/runtime/list.h"
#include "proxy/runtime/worker.h"
#include "proxy/stream/sides.h"

namespace proxy {

struct AllSessions;

// Anything that lives because a peer connected to us. Owns itself: it stands in
// its worker's list until it calls bury().
class Session : public Mortal, public Link<AllSessions> {
 public:
  explicit Session(Worker& worker) : worker_(worker) {
    worker.sessions.push_back(*this);
    ++worker.session_count;
  }

  // To go as soon as what is under way has ended. Gently: a peer's next request
  // may be on its way, so it is still answered, with the wish to close.
  enum class Drain : uint8_t { Gently, Now };
  virtual void drain(Drain how) = 0;
  // Called about once a second: to end what took too long.
  virtual void sweep(net::Clock::time_point now) = 0;
  // The process ends: everything is dropped at once.
  void abandon() { bury(); }
  // What it was accepted under, or nullptr; a listener that changed drains its sessions.
  virtual const FilterChain* filter_chain() const { return nullptr; }
  virtual const Listener* listener() const { return nullptr; }  // of what may speak HTTP

  Worker& worker() const { return worker_; }

 protected:
  // The last thing that it does; deleted at the end of the turn.
  void bury() {
    if (buried_) return;
    buried_ = true;
    leave();
    --worker_.session_count;
    worker_.bury(std::unique_ptr<Mortal>(this));
  }
  bool buried() const { return buried_; }

 private:
  Worker& worker_;
  bool buried_ = false;
};

// A place among the connections that may be open; given back when it ends.
class Place {
 public:
  Place() = default;
  Place(Place&& other) noexcept : limit_(std::move(other.limit_)) {}
  Place& operator=(Place&& other) noexcept {
    std::swap(limit_, other.limit_);
    return *this;
  }
  ~Place() {
    if (limit_) limit_->now.fetch_sub(1, std::memory_order_relaxed);
  }
  // False: there is none left. No limit: always one.
  bool take(const std::shared_ptr<ConnectionLimit>& limit);

 private:
  std::shared_ptr<ConnectionLimit> limit_;
};

// What is known of a downstream connection once its filter chain is chosen and
// its handshake done. Its HTTP streams point to it.
struct Origin {
  std::shared_ptr<const Listener> listener;
  std::shared_ptr<const FilterChain> chain;
  const HttpConfig* http = nullptr;  // the chain's
  net::Address local;                // where the peer meant to go
  net::Address remote;               // the peer, or for whom it says it connects
  net::Address direct;               // the peer
  net::Address came_in;              // where the connection came in
  bool redirected = false;           // `local` is not where the connection came in: the kernel, or a header, told it
  Place place, global_place;
  bool draining = false;  // asked to go before it had a codec
  uint64_t id = 0;        // of the connection, in this process
  net::Clock::time_point began{};
  std::string local_text, remote_text, remote_ip, direct_text;
  const net::TlsPeer* tls = nullptr;  // nullptr: clear text
  bool tls_on = false;                // also once the connection that `tls` belongs to has gone elsewhere
  std::string server_name;            // SNI, whether the proxy ended TLS or passed it on
  bool mutual_tls = false;
  bool from_seine = false;  // the peer is another Seine proxy, which multiplexes
  std::string peer_uri;     // the first URI SAN of its certificate
  std::string subject;      // of its certificate, as RFC 2253 writes it: "CN=y,O=x"
  std::string certificate_hash;
  mutable std::string certificate_text;  // percent-encoded PEM, once somebody asked for it
  // Who the peer is in the worker's metrics; a peer that multiplexes for several says it again.
  mutable uint32_t peer_number = 0;
  mutable std::string peer_metadata;  // the header that said so
  mutable Metadata metadata;          // dynamic: what network filters found out
  ConnectionCount count;
  ListenerCount arrived;  // begins with the connection

  void describe(const net::TlsPeer& peer);
  // The certificate that this side shows, as the peer sees it; nullptr: clear text.
  const net::TlsPeer* own() const { return tls && tls->context ? &tls->context->own() : nullptr; }
  // Whether the HTTP connection has lasted as long as it may.
  bool too_old(net::Clock::time_point now) const {
    return http->max_connection_duration.count() > 0 && now >= began + http->max_connection_duration;
  }

  // What filters keep for as long as the connection lives, by who keeps it; made by the first who asks.
  struct Kept {
    virtual ~Kept() = default;
  };
  template <typename T, typename... Args>
  T& keep(const void* owner, Args&&... args) const {
    for (const auto& [who, what] : kept_)
      if (who == owner) return static_cast<T&>(*what);
    kept_.emplace_back(owner, std::make_unique<T>(std::forward<Args>(args)...));
    return static_cast<T&>(*kept_.back().second);
  }

 private:
  mutable std::vector<std::pair<const void*, std::unique_ptr<Kept>>> kept_;
};

// Takes an accepted socket through listener filters, filter chain and TLS, to
// the session that its chain wants.
void begin_session(Worker& worker, std::shared_ptr<const Listener> listener, int fd, const net::Address& peer);

}  // namespace proxy
