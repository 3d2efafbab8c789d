// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "control/authentication.h"
#include "control/ingest.h"
#include "control/metrics.h"
#include "control/wire.h"
#include "http/grpc.h"
#include "mesh/view.h"
#include "xds/server.h"

namespace control {

// Serves aggregated discovery to proxies: one stream a proxy, either variant.
// A proxy must be who it says: where the connection is authenticated, namespace
// and service account of the node must be the identity's. One that reads slowly
// is told the newest state once it took the last, not every state in between.
// Lives on the control plane's loop.
class Ads {
 public:
  enum class Trust { Authenticated, Anyone };  // Anyone: the clear-text port, where it was asked for

  Ads(net::Loop& loop, Metrics& metrics);
  ~Ads();
  Ads(const Ads&) = delete;

  static bool serves(std::string_view path);
  // The whole life of one stream.
  net::Task<void> serve(std::shared_ptr<http::Exchange> exchange, Trust trust, std::optional<Identity> identity);

  // Asked, once a minute at most, for each proxy that wants Kubernetes' Secrets; without it, and where nobody proved
  // who they are, there are none.
  std::function<net::Task<base::Result<bool>>(Identity)> may_read_secrets;

  // What all proxies are served from now on.
  void publish(const Ingest::Change& change);

  // One stream, for metrics and the debug pages.
  struct Client {
    std::string connection;  // "nginx.default-3"
    std::string address;
    std::chrono::system_clock::time_point connected;
    mesh::Proxy proxy;
    std::map<std::string, xds::ServerSession::Status, std::less<>> types;  // by short name
  };
  std::vector<Client> clients() const;
  // What the proxy of that node id ("POD.NAMESPACE") was sent last of one type; nullptr if it is not connected or
  // did not ask for it.
  std::shared_ptr<const xds::Resources> sent_to(std::string_view proxy, std::string_view type_url) const;
  bool serves_proxy(std::string_view proxy) const;
  size_t connected() const { return streams_.size(); }

 private:
  struct Stream;
  net::Task<void> read_all(std::shared_ptr<Stream> stream);
  static net::Task<void> write_all(std::shared_ptr<Stream> stream);
  net::Task<void> ask_for_secrets(std::shared_ptr<Stream> stream);
  void push_some();  // to a few milliseconds' worth of streams, then the loop breathes

  Metrics& metrics_;
  std::shared_ptr<const mesh::Snapshot> snapshot_;
  translate::Cache translations_;
  Wire wire_;
  std::map<uint64_t, std::shared_ptr<Stream>> streams_;
  std::deque<std::pair<uint64_t, Ingest::Change>> to_push_;
  net::Timer timer_;
  uint64_t last_id_ = 0;
};

// "cds" of a type URL; the URL itself where there is no short name.
std::string short_type(std::string_view type_url);

}  // namespace control
