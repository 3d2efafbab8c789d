// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "net/loop.h"
#include "proxy/runtime/bootstrap.h"
#include "proxy/runtime/configuration.h"
#include "proxy/runtime/file_watch.h"
#include "xds/client.h"

namespace proxy {

// Keeps the configuration what others say: a control plane over ADS, servers of
// single kinds of resources over gRPC, and files. Each resource comes from where
// what names it says. While a server is away, what it said last stays in force.
// Main thread.
class ControlPlane {
 public:
  struct Options {
    xds::Variant variant = xds::Variant::Delta;  // of ADS
    envoy::config::core::v3::Node node;
    std::function<bool(const std::string& name)> own_secret;          // whether this process itself answers that one
    std::optional<Source> listeners = Source{}, clusters = Source{};  // all there are; none: only the bootstrap's
  };
  // `ads` dials the aggregated stream; empty: there is none, and what would come over it never does.
  ControlPlane(net::Loop& loop, Configuration& configuration, Options options, xds::AdsClient::Dialer ads);
  ~ControlPlane();
  ControlPlane(const ControlPlane&) = delete;

  // What the bootstrap's dynamic_resources say; refuses by name what it does not know.
  static base::Result<std::unique_ptr<ControlPlane>> of(net::Loop& loop, const Bootstrap& bootstrap,
                                                        Configuration& configuration);

  bool connected() const { return ads_ && ads_->client.connected(); }
  // All that was asked for has come once, or the listeners' and clusters' initial fetch time-outs are over (one that is
  // 0 never is).
  bool answered() const;
  // Whether listeners, or clusters, come from elsewhere than the bootstrap.
  bool asks_for_all(Kind kind) const {
    return (kind == Kind::Listener ? options_.listeners : options_.clusters).has_value();
  }
  // How often the source of that resource failed: streams that ended, files that could not be read. Without a name:
  // the source of all listeners, or of all clusters.
  uint64_t failures(Kind kind, std::string_view name = {}) const;

 private:
  struct Remote {
    Remote(net::Loop& loop, xds::Variant variant, envoy::config::core::v3::Node node, xds::ClientSession::Take take,
           xds::AdsClient::Dialer dialer, std::string method)
        : session(variant, std::move(node), std::move(take)),
          client(loop, session, std::move(dialer), std::move(method)) {}
    xds::ClientSession session;
    xds::AdsClient client;
  };
  struct File {
    Kind kind;
    Source source;
    bool all = false;  // everything in it, not only `names`
    std::set<std::string> names, held;
    std::string bytes;  // as last read
    uint64_t failures = 0;
  };
  using Timed = std::pair<Kind, std::string>;  // a resource

  xds::ClientSession::Take taker();
  std::vector<xds::Refused> take(std::string_view type_url, std::span<const xds::Offered> changed,
                                 std::span<const std::string> removed);
  void want(Kind kind, const std::set<std::string>& names);
  void want_all(Kind kind, const Source& source);
  Remote& remote(Kind kind, const Source& source);
  File& file(Kind kind, const Source& source);
  void read(File& file, bool anew);
  void note_ttl(Kind kind, const xds::Offered& offered);
  void watch_secrets();
  void arm();
  void on_timer();

  net::Loop& loop_;
  const net::Clock::time_point began_ = loop_.now();
  Configuration& configuration_;
  const Options options_;
  std::unique_ptr<Remote> ads_;
  std::map<std::pair<Kind, std::string>, std::unique_ptr<Remote>> remotes_;  // by kind and source
  std::map<std::pair<Kind, std::string>, std::unique_ptr<File>> files_;
  FileWatch watch_;
  std::set<std::string> watched_secrets_;
  std::set<std::string> asked_[kResourceKinds];
  std::map<Timed, net::Clock::time_point> waiting_;  // until it is given up
  std::map<Timed, net::Clock::time_point> expiring_;
  net::Timer timer_;
};

// How to reach what one of the clusters serves, e.g. the one that ads_config names: its endpoints
// in turn, with its TLS. It need not be there yet.
xds::AdsClient::Dialer dialer_to(net::Loop& loop, const Configuration& configuration, std::string cluster,
                                 std::vector<std::pair<std::string, std::string>> metadata);

}  // namespace proxy
