// SPDX-License-Identifier: Apache-2.0
#include "translate/endpoint.h"

#include <algorithm>
#include <map>

#include "base/strings.h"
#include "envoy/config/endpoint/v3/endpoint_components.pb.h"
#include "mesh/labels.h"
#include "translate/locality.h"
#include "translate/parts.h"
#include "translate/policy.h"
#include "translate/translate.h"

namespace translate {
namespace {

using endpoints_v3::ClusterLoadAssignment;
using endpoints_v3::LbEndpoint;

// "reviews-v1;default;reviews;v1;Kubernetes": who a proxy's telemetry says it called.
std::string workload_text(const mesh::Workload& workload, const std::string& cluster_id) {
  return workload.workload_name + ";" + workload.ns + ";" + mesh::canonical_name(workload) + ";" +
         mesh::canonical_revision(workload) + ";" + cluster_id;
}

void fill(LbEndpoint& out, const mesh::Endpoint& endpoint, bool mutual, const std::string& cluster_id) {
  set_address(out.mutable_endpoint()->mutable_address(), endpoint.address, endpoint.port);
  switch (endpoint.health) {
    case mesh::Health::Healthy:
      out.set_health_status(core::HEALTHY);
      break;
    case mesh::Health::Unhealthy:
      out.set_health_status(core::UNHEALTHY);
      break;
    case mesh::Health::Draining:
      out.set_health_status(core::DRAINING);
      break;
  }
  out.mutable_load_balancing_weight()->set_value(endpoint.weight);
  if (endpoint.workload)
    set_text(istio_metadata(out.mutable_metadata()), "workload", workload_text(*endpoint.workload, cluster_id));
  if (mutual) {
    auto& match = (*out.mutable_metadata()->mutable_filter_metadata())["envoy.transport_socket_match"];
    set_text(match, "tlsMode", "istio");
  }
}

// Whether the rule leaves room for auto mTLS: its own TLS settings replace it.
bool allows_mutual(const istio_api::TrafficPolicy& policy) {
  return !policy.has_tls() || policy.tls().mode() == istio_api::ClientTLSSettings::ISTIO_MUTUAL;
}

// "outbound|9080|v1|reviews.default.svc.cluster.local"
struct Name {
  int port;
  std::string_view subset, hostname;
};
std::optional<Name> parse_name(std::string_view text) {
  auto parts = base::split(text, '|');
  if (parts.size() != 4 || parts[0] != "outbound") return std::nullopt;
  auto port = base::parse_number<int>(parts[1]);
  if (!port) return std::nullopt;
  return Name{*port, parts[2], parts[3]};
}

Resource assignment_of(const mesh::View& view, const std::string& name) {
  auto out = std::make_shared<ClusterLoadAssignment>();
  out->set_cluster_name(name);
  std::vector<objects::Ref> provenance;
  if (auto parsed = parse_name(name)) {
    const mesh::Service* service = view.service(parsed->hostname);
    const mesh::Port* port = service ? service->port(parsed->port) : nullptr;
    if (port) {
      fill_assignment(*out, view, {service, port, parsed->subset, name});
      provenance.push_back(service->ref);
    }
  }
  return {name, std::move(out), std::move(provenance)};
}

}  // namespace

void fill_assignment(ClusterLoadAssignment& out, const mesh::View& view, const Assignment& assignment) {
  out.set_cluster_name(assignment.cluster_name);
  const mesh::Service& service = *assignment.service;
  auto rule = view.destination_rule(service);
  const istio_api::Subset* subset = subset_of(rule.get(), assignment.subset);
  if (!assignment.subset.empty() && !subset) return;
  istio_api::TrafficPolicy policy = policy_of(rule.get(), assignment.subset, assignment.port->number);
  bool may_be_mutual = view.mesh().auto_mtls && allows_mutual(policy);

  std::map<mesh::Locality, std::vector<const mesh::Endpoint*>> by_locality;
  for (const mesh::Endpoint& endpoint : view.endpoints(service, assignment.port->number))
    if (!subset || mesh::has_all(endpoint.labels, subset->labels()))
      by_locality[endpoint.locality].push_back(&endpoint);

  // The sum of all weights must fit into 32 bits.
  uint64_t total = 0;
  for (const auto& [locality, endpoints] : by_locality)
    for (const mesh::Endpoint* endpoint : endpoints) total += endpoint->weight;
  const uint64_t shrink = total / 0x8000'0000u + 1;

  for (const auto& [locality, endpoints] : by_locality) {
    auto* group = out.add_endpoints();
    group->mutable_locality()->set_region(locality.region);
    group->mutable_locality()->set_zone(locality.zone);
    group->mutable_locality()->set_sub_zone(locality.subzone);
    uint32_t weight = 0;
    for (const mesh::Endpoint* endpoint : endpoints) {
      bool mutual =
          may_be_mutual && endpoint->tls_istio && view.mtls_mode_of(*endpoint, service) != mesh::MtlsMode::Disable;
      auto* added = group->add_lb_endpoints();
      fill(*added, *endpoint, mutual, view.mesh().cluster_id);
      if (shrink > 1)
        added->mutable_load_balancing_weight()->set_value(
            static_cast<uint32_t>(std::max<uint64_t>(1, endpoint->weight / shrink)));
      weight += added->load_balancing_weight().value();
    }
    group->mutable_load_balancing_weight()->set_value(weight);
  }
  balance_localities(out, view, policy);
}

mesh::Shared<std::vector<mesh::Endpoint>> endpoint_set_of(const mesh::View& view, const std::string& cluster_name) {
  static const auto kNone = std::make_shared<const std::vector<mesh::Endpoint>>();
  auto parsed = parse_name(cluster_name);
  const mesh::Service* service = parsed ? view.service(parsed->hostname) : nullptr;
  return service ? view.endpoint_set(*service, parsed->port) : kNone;
}

std::vector<Resource> endpoints(const mesh::View& view, std::span<const std::string> cluster_names) {
  std::vector<Resource> out;
  out.reserve(cluster_names.size());
  for (const std::string& name : cluster_names) out.push_back(assignment_of(view, name));
  return out;
}

}  // namespace translate
