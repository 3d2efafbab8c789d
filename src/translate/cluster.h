// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "config/specs.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "mesh/view.h"
#include "translate/envoy.h"

namespace translate {

// What every cluster of this mesh starts from.
clusters_v3::Cluster base_cluster(const std::string& name, const mesh::MeshConfig& mesh);

// The blocks of a traffic policy, one function each.
void apply_connection_pool(clusters_v3::Cluster& cluster, const istio_api::ConnectionPoolSettings& pool);
void apply_outlier_detection(clusters_v3::Cluster& cluster, const istio_api::OutlierDetection& detection);
void apply_load_balancer(clusters_v3::Cluster& cluster, const istio_api::LoadBalancerSettings& balancer,
                         bool outlier_detection);

// Which HTTP versions go upstream, with the pool's HTTP settings.
void apply_http_options(clusters_v3::Cluster& cluster, mesh::Protocol protocol, const istio_api::TrafficPolicy& policy,
                        const mesh::Proxy& proxy);

// How the connection is secured: by the rule, or by auto mTLS.
struct Security {
  const mesh::Service& service;
  const mesh::Port& port;
  std::string_view subset;
  const istio_api::TrafficPolicy& policy;
  bool selected = false;  // the rule is for certain workloads, this one among them
};
void apply_security(clusters_v3::Cluster& cluster, const mesh::View& view, const Security& security);

bool upgrades_to_http2(const istio_api::TrafficPolicy& policy, mesh::Protocol protocol);

}  // namespace translate
