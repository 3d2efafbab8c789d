// SPDX-License-Identifier: Apache-2.0
#include "translate/cluster.h"

#include <algorithm>
#include <set>

#include "envoy/extensions/upstreams/http/v3/http_protocol_options.pb.h"
#include "translate/endpoint.h"
#include "translate/parts.h"
#include "translate/policy.h"
#include "translate/translate.h"

namespace translate {
namespace {

using clusters_v3::Cluster;
using HttpOptions = envoy::extensions::upstreams::http::v3::HttpProtocolOptions;

// 2^32-1 in place of Envoy's 1024: the mesh sets no limit that nobody asked for.
constexpr uint32_t kNoLimit = 4294967295;
// Inbound hosts must outlive every idle pause; Go's longest duration, as Istio has it.
constexpr int64_t kForever = 9223372035;

Resource resource_of(Cluster cluster, std::vector<objects::Ref> provenance) {
  std::string name = cluster.name();
  return {std::move(name), std::make_shared<const Cluster>(std::move(cluster)), std::move(provenance)};
}

void add_service(google::protobuf::Struct& istio, const mesh::Service& service) {
  auto* entry = (*istio.mutable_fields())["services"].mutable_list_value()->add_values()->mutable_struct_value();
  set_text(*entry, "host", service.hostname);
  set_text(*entry, "name", service.name);
  set_text(*entry, "namespace", service.ns);
}

void describe(Cluster& cluster, const mesh::Service& service, const config::DestinationRule* rule,
              std::string_view subset) {
  auto& istio = istio_metadata(cluster.mutable_metadata());
  add_service(istio, service);
  if (service.external) (*istio.mutable_fields())["external"].set_bool_value(true);
  if (rule) set_provenance(cluster.mutable_metadata(), rule->meta.ref);
  if (!subset.empty()) set_text(istio, "subset", subset);
}

void use_eds(Cluster& cluster) {
  cluster.set_type(Cluster::EDS);
  use_ads(cluster.mutable_eds_cluster_config()->mutable_eds_config());
  cluster.mutable_eds_cluster_config()->set_service_name(cluster.name());
  cluster.set_lb_policy(Cluster::LEAST_REQUEST);
}

void use_dns(Cluster& cluster, Cluster::DiscoveryType type) {
  cluster.set_type(type);
  cluster.set_lb_policy(Cluster::LEAST_REQUEST);
  cluster.set_respect_dns_ttl(true);
  cluster.mutable_dns_refresh_rate()->set_seconds(60);
  cluster.set_dns_lookup_family(Cluster::V4_ONLY);
}

void use_original_destination(Cluster& cluster) {
  cluster.set_type(Cluster::ORIGINAL_DST);
  cluster.set_lb_policy(Cluster::CLUSTER_PROVIDED);
}

// How the endpoints are found. False where a cluster without endpoints would be
// refused by the proxy.
bool set_discovery(Cluster& cluster, const mesh::View& view, const mesh::Service& service, const mesh::Port& port,
                   std::string_view subset) {
  switch (service.resolution) {
    case mesh::Resolution::Endpoints:
      use_eds(cluster);
      return true;
    case mesh::Resolution::Passthrough:
      // A gateway's clients dialled the gateway, so their address says nothing.
      if (view.proxy().type != mesh::ProxyType::Sidecar)
        use_eds(cluster);
      else
        use_original_destination(cluster);
      return true;
    case mesh::Resolution::Dns:
      use_dns(cluster, Cluster::STRICT_DNS);
      break;
    case mesh::Resolution::DnsRoundRobin:
      use_dns(cluster, Cluster::LOGICAL_DNS);
      break;
    case mesh::Resolution::Alias:
      return false;
  }
  fill_assignment(*cluster.mutable_load_assignment(), view, {&service, &port, subset, cluster.name()});
  return cluster.load_assignment().endpoints_size() > 0;
}

std::optional<Resource> outbound_cluster(const mesh::View& view, const mesh::Service& service, const mesh::Port& port,
                                         const config::DestinationRule* rule, std::string_view subset) {
  Cluster cluster = base_cluster(cluster_name("outbound", port.number, subset, service.hostname), view.mesh());
  cluster.mutable_common_lb_config()->mutable_healthy_panic_threshold();
  describe(cluster, service, rule, subset);
  if (!set_discovery(cluster, view, service, port, subset)) return std::nullopt;

  istio_api::TrafficPolicy policy = policy_of(rule, subset, port.number);
  if (policy.has_connection_pool()) apply_connection_pool(cluster, policy.connection_pool());
  if (policy.has_outlier_detection()) apply_outlier_detection(cluster, policy.outlier_detection());
  bool balanced = cluster.type() != Cluster::ORIGINAL_DST;
  if (balanced && policy.has_load_balancer())
    apply_load_balancer(cluster, policy.load_balancer(), policy.has_outlier_detection());
  apply_http_options(cluster, port.protocol, policy, view.proxy());
  apply_security(cluster, view, {service, port, subset, policy, rule && rule->spec.has_workload_selector()});

  std::vector<objects::Ref> provenance = {service.ref};
  if (rule) provenance.push_back(rule->meta.ref);
  return resource_of(std::move(cluster), std::move(provenance));
}

// What went where it came from: the address that was dialled, in the protocol
// that was spoken.
Cluster passthrough_cluster(const char* name, const mesh::MeshConfig& mesh) {
  Cluster cluster = base_cluster(name, mesh);
  use_original_destination(cluster);
  HttpOptions options;
  options.mutable_common_http_protocol_options()->mutable_idle_timeout()->set_seconds(300);
  options.mutable_use_downstream_protocol_config()->mutable_http_protocol_options();
  options.mutable_use_downstream_protocol_config()->mutable_http2_protocol_options();
  pack(options, &(*cluster.mutable_typed_extension_protocol_options())[options.GetDescriptor()->full_name()]);
  return cluster;
}

Cluster black_hole(const mesh::MeshConfig& mesh) {
  Cluster cluster;
  cluster.set_name("BlackHoleCluster");
  cluster.set_alt_stat_name("BlackHoleCluster;");
  cluster.set_type(Cluster::STATIC);
  set(cluster.mutable_connect_timeout(), mesh.connect_timeout);
  return cluster;
}

// Connections to the application come from this address, so that the capture
// rules let them through.
void bind_inbound(Cluster& cluster) {
  auto* source = cluster.mutable_upstream_bind_config()->mutable_source_address();
  source->set_address("127.0.0.6");
  source->set_port_value(0);
}

Resource inbound_cluster(const mesh::View& view, int target, const std::vector<const mesh::InboundPort*>& behind) {
  Cluster cluster = base_cluster(cluster_name("inbound", target, "", ""), view.mesh());
  cluster.mutable_common_lb_config();
  if (view.mesh().inbound_localhost) {
    cluster.set_type(Cluster::STATIC);
    auto* assignment = cluster.mutable_load_assignment();
    assignment->set_cluster_name(cluster.name());
    set_address(assignment->add_endpoints()->add_lb_endpoints()->mutable_endpoint()->mutable_address(), "127.0.0.1",
                target);
  } else {
    use_original_destination(cluster);
    cluster.mutable_cleanup_interval()->set_seconds(kForever);
    bind_inbound(cluster);
  }
  std::vector<objects::Ref> provenance;
  auto& istio = istio_metadata(cluster.mutable_metadata());
  for (const mesh::InboundPort* port : behind) {
    add_service(istio, *port->service);
    provenance.push_back(port->service->ref);
  }
  const mesh::InboundPort& first = *behind.front();
  auto rule = view.destination_rule(*first.service);
  istio_api::TrafficPolicy policy = policy_of(rule.get(), "", first.port.number);
  policy.clear_tls();
  if (policy.has_connection_pool()) apply_connection_pool(cluster, policy.connection_pool());
  policy.mutable_connection_pool()->mutable_http()->clear_h2_upgrade_policy();
  apply_http_options(cluster, first.port.protocol, policy, view.proxy());
  if (rule) provenance.push_back(rule->meta.ref);
  return resource_of(std::move(cluster), std::move(provenance));
}

void add_inbound(const mesh::View& view, std::vector<Resource>& out) {
  std::map<int, std::vector<const mesh::InboundPort*>> by_target;
  for (const mesh::InboundPort& port : view.inbound_ports()) by_target[port.target].push_back(&port);
  for (const auto& [target, ports] : by_target) out.push_back(inbound_cluster(view, target, ports));
}

}  // namespace

Cluster base_cluster(const std::string& name, const mesh::MeshConfig& mesh) {
  Cluster cluster;
  cluster.set_name(name);
  cluster.set_alt_stat_name(name + ";");
  set(cluster.mutable_connect_timeout(), mesh.connect_timeout);
  auto* limits = cluster.mutable_circuit_breakers()->add_thresholds();
  limits->mutable_max_connections()->set_value(kNoLimit);
  limits->mutable_max_pending_requests()->set_value(kNoLimit);
  limits->mutable_max_requests()->set_value(kNoLimit);
  limits->mutable_max_retries()->set_value(kNoLimit);
  limits->set_track_remaining(true);
  return cluster;
}

std::vector<Resource> shared_clusters(const mesh::View& view) {
  std::vector<Resource> out;
  auto add = [&](std::optional<Resource> cluster) {
    if (cluster) out.push_back(std::move(*cluster));
  };
  for (const auto& service : view.services()) {
    auto rule = view.destination_rule(*service);
    for (const mesh::Port& port : service->ports) {
      if (port.protocol == mesh::Protocol::Udp) continue;
      add(outbound_cluster(view, *service, port, rule.get(), ""));
      if (!rule) continue;
      for (const auto& subset : rule->spec.subsets())
        add(outbound_cluster(view, *service, port, rule.get(), subset.name()));
    }
  }
  add(resource_of(black_hole(view.mesh()), {}));
  if (view.proxy().type == mesh::ProxyType::Sidecar) {
    add(resource_of(passthrough_cluster("PassthroughCluster", view.mesh()), {}));
    Cluster inbound = passthrough_cluster("InboundPassthroughCluster", view.mesh());
    bind_inbound(inbound);
    add(resource_of(std::move(inbound), {}));
  }
  return out;
}

std::vector<Resource> own_clusters(const mesh::View& view) {
  std::vector<Resource> out;
  if (view.proxy().type == mesh::ProxyType::Sidecar) add_inbound(view, out);
  return out;
}

std::vector<Resource> clusters(const mesh::View& view) {
  std::vector<Resource> out = shared_clusters(view);
  std::ranges::move(own_clusters(view), std::back_inserter(out));
  std::ranges::sort(out, {}, &Resource::name);
  return out;
}

std::vector<std::string> names_of_endpoints(const std::vector<std::shared_ptr<const Resource>>& clusters) {
  std::vector<std::string> out;
  for (const auto& cluster : clusters) {
    const auto& message = static_cast<const Cluster&>(*cluster->message);
    if (message.type() == Cluster::EDS) out.push_back(message.eds_cluster_config().service_name());
  }
  return out;
}

std::vector<std::string> endpoint_names(const mesh::View& view) {
  std::vector<std::shared_ptr<const Resource>> shared;
  for (Resource& cluster : shared_clusters(view))
    shared.push_back(std::make_shared<const Resource>(std::move(cluster)));
  return names_of_endpoints(shared);
}

}  // namespace translate
