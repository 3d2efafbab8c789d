// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "envoy/extensions/transport_sockets/tls/v3/secret.pb.h"
#include "proxy/runtime/compile.h"
#include "proxy/runtime/runtime_values.h"
#include "proxy/runtime/worker.h"

namespace proxy {

// A resource as it came, from the bootstrap or a control plane.
struct Resource {
  std::string name;
  std::string version;
  google::protobuf::Any body;
};
struct Rejection {
  std::string name;
  std::string reason;
};

// Everything the proxy was told, and what of it is in force. Main thread only.
//
// Each resource stands for itself: one that does not compile is rejected, with
// the reason, and its last good state stays. A cluster serves once its
// endpoints are known, a listener once its route tables and certificates are;
// until then what was there before serves.
class Configuration {
 public:
  explicit Configuration(std::vector<Worker*> workers)
      : workers_(std::move(workers)), slots_(static_cast<unsigned>(workers_.size())) {}
  ~Configuration();
  Configuration(const Configuration&) = delete;

  enum class From : uint8_t { Bootstrap, ControlPlane };
  // Takes a batch and publishes what became ready.
  std::vector<Rejection> update(Kind kind, std::span<const Resource> changed, std::span<const std::string> removed,
                                From from = From::ControlPlane);

  // What has not come is not waited for any more: a cluster without endpoints, a listener without
  // routes or certificates then serves as well as it can.
  void give_up(Kind kind, const std::string& name);
  // Nothing needs it any more, so nobody keeps it up to date: needed again, it is waited for again.
  void drop(Kind kind, const std::string& name);

  // A request needs the virtual host `key`, "<route table>/<host>", that its table does not have; asked
  // for if there are not too many such already. False: it is not.
  bool demand(const std::string& key);
  void forget_demand(const std::string& key);  // nobody answered in time

  bool has_host(const std::string& key) const;

  // The directories in which files of secrets lie, and what to call when one of them changed.
  std::set<std::string> secret_directories() const;
  void read_secrets_again();

  const Source& source(Kind kind, std::string_view name) const;

  // Values of the runtime, for resources that come after.
  void set_runtime(RuntimeValues values) { runtime_ = std::move(values); }
  // Also for those that are there: each one in which another value stands is compiled again and published.
  void change_runtime(RuntimeValues values);
  // How many connections listeners may have, by name; other listeners any number.
  void set_listener_limits(const base::StringMap<uint64_t>& limits);

  // Refuses what a message sets and nothing here can heed, and tells what is left out: unread.h.
  base::Result<void> check(const google::protobuf::Message& message);

  // A cluster that a route table names, asks to be there (validate_clusters), and that is not; empty: none.
  static std::string unknown_cluster(const google::protobuf::Message& resource,
                                     const std::function<bool(const std::string& name)>& known);

  // Endpoints of a DNS cluster.
  void resolved(const std::string& cluster, std::shared_ptr<const EndpointSet> endpoints);

  // The names that need to be subscribed to; called as they change.
  std::function<void(Kind kind, const std::set<std::string>& names)> on_wanted;
  // Called with every cluster that came or changed, and with nullptr for those that are gone.
  std::function<void(const std::string& name, std::shared_ptr<const Cluster> cluster)> on_cluster;
  // Called with what a cluster's endpoints are said to be, before workers are told; returns what they are.
  std::function<std::shared_ptr<const EndpointSet>(const Cluster& cluster, std::shared_ptr<const EndpointSet> told)>
      on_endpoints;
  // Other endpoints for a cluster whose told ones did not change.
  void replace_endpoints(const std::string& cluster, const std::shared_ptr<const EndpointSet>& endpoints);
  // As the workers have them: with what health checks add; nullptr: none are known.
  std::shared_ptr<const EndpointSet> endpoints_of(const Cluster& cluster) const;
  uint64_t endpoint_changes(const Cluster& cluster) const;
  // Calls it for everything that is wanted now and was not told.
  void tell_wanted();
  // Called with every cluster that needs names resolved, and with those that do not any more (nullptr).
  std::function<void(const std::string& name, std::shared_ptr<const Cluster> cluster)> on_dns_cluster;

  std::function<void()> on_published;  // what serves has changed
  // Listening sockets of that address that another process gave, each to be taken once.
  std::function<std::vector<int>(const net::Address& address)> inherit;

  struct Told {
    std::string version, body;
    std::chrono::system_clock::time_point updated{};
  };
  struct Entry {
    From from = From::ControlPlane;
    std::string version;  // of `body`
    std::string type_url;
    std::string body;  // the resource in force or, before the first, warming
    bool warming = false;
    std::chrono::system_clock::time_point updated{};
    Told serving;                      // while `body` warms: what is in force; empty: nothing is
    uint64_t taken = 0, refused = 0;   // how often it was told
    std::string error, error_version;  // of the last rejection; empty: none
    std::string rejected_body;
    std::chrono::system_clock::time_point rejected_at{};

    std::shared_ptr<const Listener> listener, next_listener;
    std::shared_ptr<const Cluster> cluster, next_cluster;
    std::shared_ptr<const RouteTable> routes;    // as the resource says
    std::shared_ptr<const RouteTable> complete;  // with the virtual hosts that came on their own
    std::shared_ptr<const VirtualHost> host;
    std::shared_ptr<const EndpointSet> endpoints;
    envoy::extensions::transport_sockets::tls::v3::Secret secret;
  };
  using Entries = std::map<std::string, Entry, std::less<>>;
  const Entries& entries(Kind kind) const { return entries_[static_cast<size_t>(kind)]; }
  const RuntimeConfig& published() const { return *published_; }
  // Where a listener is really bound (port 0 in the configuration picks one).
  std::vector<std::pair<std::string, net::Address>> bound_addresses() const;
  // All listeners that were ever told of serve.
  bool listeners_ready() const;
  // Updates of the control plane that were taken whole, and those of which something was rejected.
  uint64_t rejected(Kind kind) const { return rejected_count_[static_cast<size_t>(kind)]; }
  uint64_t updated(Kind kind) const { return updated_count_[static_cast<size_t>(kind)]; }
  // Resources that came, were replaced by others of their names, and went.
  struct Changes {
    uint64_t added = 0, modified = 0, removed = 0;
    std::string version;  // of the last update of the control plane that was taken whole
    std::chrono::system_clock::time_point at{};
  };
  const Changes& changes(Kind kind) const { return changes_[static_cast<size_t>(kind)]; }
  const std::set<std::string>& wanted(Kind kind) const { return wanted_[static_cast<size_t>(kind)]; }
  // The listeners that were replaced or removed, and still have connections.
  struct Draining {
    std::string name, type_url;
    Told told;
    std::weak_ptr<const Listener> listener;
  };
  std::vector<const Draining*> draining() const;
  LogFiles& logs() { return logs_; }
  const Slots& slots() const { return slots_; }

 private:
  struct Bound {
    std::string listener;
    SocketSpec spec;       // how they were opened
    net::Address address;  // as bound
    std::vector<int> fds;  // not handed to the workers yet
  };
  Entries& mutable_entries(Kind kind) { return entries_[static_cast<size_t>(kind)]; }
  base::Result<void> take(Kind kind, const Resource& resource, Entry& entry);
  base::Result<void> check_clusters(const google::protobuf::Message& resource) const;
  base::Result<void> take_listener(const Resource& resource, Entry& entry);
  base::Result<void> bind(const std::string& listener, const SocketSpec& spec);
  base::Result<void> open(const std::string& listener, const std::string& key, const SocketSpec& spec);
  bool holds(const std::string& listener, const std::string& key);
  void let_go(const std::string& key);
  void await_closing();
  bool unused(const std::string& key, const Bound& bound) const;
  bool any_unused() const;
  void free_unused();
  void remove(Kind kind, const std::string& name);
  base::Result<void> take_secret(const Resource& resource, Entry& entry);
  void build_tls();
  std::vector<std::shared_ptr<const Listener>> left();
  std::vector<bool> tls_in_use(std::span<const std::shared_ptr<const Listener>> besides) const;
  void complete_tables();
  void settle();  // moves what is ready from warming to in force
  void publish();
  void tell_workers(const Cluster& cluster, const std::shared_ptr<const EndpointSet>& told);
  void publish_endpoints(const Cluster& cluster, std::shared_ptr<const EndpointSet> endpoints);
  // To the clusters that they are for; whether one of them was waiting for it.
  bool send_endpoints(std::span<const Resource> changed);
  bool ready(const Listener& listener) const;
  base::Result<std::shared_ptr<const net::TlsContext>> make_context(const TlsSpec& spec) const;
  const Entry* find(Kind kind, std::string_view name) const;
  bool given_up(Kind kind, std::string_view name) const { return given_up_[static_cast<size_t>(kind)].contains(name); }

  std::vector<Worker*> workers_;
  RuntimeValues runtime_;
  base::StringMap<std::shared_ptr<ConnectionLimit>> listener_limits_;
  Slots slots_;
  LogFiles logs_;
  Entries entries_[kResourceKinds];
  struct Endpoints {
    std::shared_ptr<const EndpointSet> set;
    uint64_t changes = 0;
  };
  std::unordered_map<Slot, Endpoints> told_;  // to the workers, by cluster
  std::map<std::string, Bound> bound_;        // by configured address
  bool closing_ = false;                      // workers were told to close sockets, and may not have yet
  std::set<std::string> opened_;              // keys of bound_ that the workers do not have yet
  std::set<std::string> handed_on_;  // keys of bound_ that another listener has now, and the workers do not know it
  std::vector<std::shared_ptr<const net::TlsContext>> tls_;  // by slot; of those in use
  std::vector<bool> tls_tried_;                              // to make, by slot, with the secrets that there are
  bool secrets_changed_ = false, tables_changed_ = false;
  std::set<std::string, std::less<>> given_up_[kResourceKinds];
  std::set<std::string> demanded_;  // virtual hosts that requests asked for
  std::vector<Draining> left_;
  std::shared_ptr<const RuntimeConfig> published_ = std::make_shared<const RuntimeConfig>();
  std::set<std::string> wanted_[kResourceKinds];
  uint64_t rejected_count_[kResourceKinds] = {}, updated_count_[kResourceKinds] = {};
  Changes changes_[kResourceKinds];
};

}  // namespace proxy
