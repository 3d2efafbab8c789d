// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "control/authentication.h"
#include "http/grpc.h"
#include "mesh/snapshot.h"
#include "mesh/view.h"
#include "xds/server.h"

namespace control {

// Serves aggregated discovery to proxies: one stream a proxy, either variant.
// A proxy must be who it says: where the connection is authenticated, namespace
// and service account of the node must be the identity's. Translation is done
// once for all proxies that see the same (by node and snapshot).
class Ads {
 public:
  enum class Trust { Authenticated, Anyone };  // Anyone: the clear-text port, where it was asked for

  explicit Ads(net::Loop& loop);
  ~Ads();

  static bool serves(std::string_view path);
  // The whole life of one stream.
  net::Task<void> serve(std::shared_ptr<http::Exchange> exchange, Trust trust, std::optional<Identity> identity);

  // What all proxies are served from now on.
  void publish(std::shared_ptr<const mesh::Snapshot> snapshot, mesh::Scope scope);

  struct Client {
    std::string proxy;  // "nginx.default"
    std::string cluster_id;
    std::string version;
    net::Address address;
    const xds::ServerSession* session;
  };
  std::vector<Client> clients() const;

  struct Counts {
    uint64_t pushes = 0;
    uint64_t rejections = 0;
    uint64_t translated = 0;  // resources built
  };
  const Counts& counts() const { return counts_; }

  struct Stream;

 private:
  void drop(Stream* stream);

  net::Loop& loop_;
  std::shared_ptr<const mesh::Snapshot> snapshot_;
  std::list<std::shared_ptr<Stream>> streams_;
  Counts counts_;
};

}  // namespace control
