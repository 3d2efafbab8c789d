// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "config/finding.h"
#include "config/specs.h"
#include "decide/decide.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/endpoint/v3/endpoint.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/config/route/v3/route.pb.h"
#include "mesh/view.h"
#include "translate/translate.h"

namespace scenario {

namespace cluster_v3 = envoy::config::cluster::v3;
namespace endpoint_v3 = envoy::config::endpoint::v3;
namespace listener_v3 = envoy::config::listener::v3;
namespace route_v3 = envoy::config::route::v3;

// A small mesh from YAML, without sockets: what would a proxy be told?
//
// Services, Pods and Istio's objects are written down; EndpointSlices are made
// from the pods that a Service selects, as Kubernetes would.
class Mesh {
 public:
  // The helloworld mesh: nginx and two versions of helloworld in `default`,
  // db, db-headless and plain (a port without a name) in `data`, the ingress
  // gateway in `istio-system`.
  static Mesh helloworld(std::string_view more_yaml = "");
  static Mesh of(std::string_view yaml);

  void apply(std::string_view yaml);
  // The same for what came past admission: what is wrong is left to findings().
  void store(std::string_view yaml);
  void erase(const objects::Ref& ref);

  // The proxy beside a pod, "default/nginx".
  mesh::View view(std::string_view pod) const;
  std::vector<config::Finding> findings() const;
  // What happens to "GET http://helloworld:5000/hello" beside that pod.
  decide::Decision decide(std::string_view pod, std::string_view request) const;
  std::shared_ptr<const mesh::Snapshot> snapshot() const { return snapshot_; }

  route_v3::RouteConfiguration routes(std::string_view pod, const std::string& name) const;
  // The virtual host that answers for `domain`, or an empty one.
  route_v3::VirtualHost host(std::string_view pod, const std::string& table, std::string_view domain) const;
  cluster_v3::Cluster cluster(std::string_view pod, std::string_view name) const;  // empty: none of that name
  std::vector<std::string> clusters(std::string_view pod) const;
  listener_v3::Listener listener(std::string_view pod, std::string_view name) const;
  std::vector<std::string> listeners(std::string_view pod) const;
  // "10.10.0.6:5000" of each, with "+mtls" where the proxy is to speak mTLS.
  std::vector<std::string> endpoints(std::string_view pod, const std::string& cluster) const;

 private:
  void rebuild();

  mesh::Inputs inputs_;
  std::shared_ptr<const mesh::Snapshot> snapshot_;
};

// "v1.cluster=20 v2.cluster=80", or the one cluster's name.
std::string shares(const route_v3::Route& route);
std::string shares(const decide::Decision& decision);
std::vector<std::string> names(const route_v3::VirtualHost& host);  // of its routes

}  // namespace scenario
