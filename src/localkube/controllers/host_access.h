// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <set>

#include "localkube/controllers/cluster.h"
#include "localkube/network/relay.h"
#include "localkube/process/host_ports.h"

namespace localkube {

// Makes Services reachable from the host: node ports on its loopback, the ports
// of LoadBalancers on the loopback and on the address of --listen. A port that
// is taken, or not allowed, is replaced by another one; the Service's annotation
// "localkube.seine.dev/host-ports" says where each of a LoadBalancer is, and node
// ports that are elsewhere: "80=127.0.0.1:8080,node/30080=127.0.0.1:30081". An
// event tells of it, too.
// Assigns the LoadBalancers' addresses.
//
// The host's ports are everybody's, so a Service and a namespace have so many at
// most; an event on the Service (HostPortsExhausted) tells which it is.
inline constexpr size_t kMostOfService = 768;  // sockets: a Service of 250 ports needs 750
inline constexpr size_t kMostOfNamespace = 1536;
// Why a Service that has so many sockets, in a namespace that has so many, gets no more; empty: it does.
std::string no_more_host_ports(size_t of_service, size_t of_namespace, std::string_view ns);

class HostAccess {
 public:
  HostAccess(Cluster& cluster, HostPortsClient& host, std::string listen);

 private:
  struct Open {
    std::unique_ptr<Relay> relay;
    std::string target;
    net::Address host;
  };
  // Which host addresses lead where: key -> (candidates, target inside).
  struct Wanted {
    std::vector<std::string> candidates;
    std::string target;
    int64_t balanced_port = 0;  // of a LoadBalancer; else
    int64_t node_port = 0;
  };
  std::map<std::string, Wanted> wanted_of(const objects::Object& service) const;
  static net::Task<bool> reconcile(HostAccess* self, std::string key);
  static net::Task<bool> announce(HostAccess* self, objects::Object service);
  std::string host_ports_of(const objects::Object& service) const;
  void tell_of_move(const objects::Object& service, const Wanted& wanted, const net::Address& host);
  static net::Task<void> forget_gone(HostAccess* self);
  bool close_others(const std::string& service, const std::map<std::string, Wanted>& wanted);  // whether any was
  std::string no_more_of(const std::string& service) const;
  void tell_of_exhaustion(const objects::Object& service, size_t left_out, const std::string& why);

  Cluster& cluster_;
  HostPortsClient& host_;
  const std::string listen_;                                 // empty: the loopback only
  std::map<std::string, std::map<std::string, Open>> open_;  // by Service
  std::map<std::string, size_t> opening_;                    // by Service: asked for, and not answered yet
  std::set<std::string> waiting_;                            // Services for whose ports there was no more room
  WorkQueue queue_;
  Api::Handle services_;
};

}  // namespace localkube
