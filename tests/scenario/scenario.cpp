// SPDX-License-Identifier: Apache-2.0
#include "scenario.h"

#include <algorithm>
#include <stdexcept>

#include "base/json.h"
#include "envoy/config/endpoint/v3/endpoint_components.pb.h"
#include "envoy/config/route/v3/route_components.pb.h"
#include "mesh/labels.h"

namespace scenario {
namespace {

constexpr const char* kHelloworld = R"yaml(
{apiVersion: v1, kind: Node, metadata: {name: node, labels: {topology.kubernetes.io/region: local, topology.kubernetes.io/zone: a}}}
---
{apiVersion: v1, kind: Pod, metadata: {name: nginx, namespace: default, labels: {run: nginx, security.istio.io/tlsMode: istio}}, spec: {nodeName: node}, status: {podIP: 10.10.0.5}}
---
{apiVersion: v1, kind: Pod, metadata: {name: helloworld-v1-1, namespace: default, labels: {app: helloworld, version: v1, security.istio.io/tlsMode: istio}}, spec: {nodeName: node}, status: {podIP: 10.10.0.6}}
---
{apiVersion: v1, kind: Pod, metadata: {name: helloworld-v2-1, namespace: default, labels: {app: helloworld, version: v2, security.istio.io/tlsMode: istio}}, spec: {nodeName: node}, status: {podIP: 10.10.0.7}}
---
{apiVersion: v1, kind: Pod, metadata: {name: db-0, namespace: data, labels: {app: db, security.istio.io/tlsMode: istio}}, spec: {nodeName: node}, status: {podIP: 10.10.0.8}}
---
{apiVersion: v1, kind: Pod, metadata: {name: istio-ingressgateway-1, namespace: istio-system, labels: {istio: ingressgateway, app: istio-ingressgateway}}, spec: {nodeName: node}, status: {podIP: 10.10.0.9}}
---
{apiVersion: v1, kind: Service, metadata: {name: helloworld, namespace: default}, spec: {clusterIP: 10.96.0.10, selector: {app: helloworld}, ports: [{port: 5000, name: http}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: helloworld-v1, namespace: default}, spec: {clusterIP: 10.96.0.11, selector: {app: helloworld, version: v1}, ports: [{port: 5000, name: http}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: helloworld-v2, namespace: default}, spec: {clusterIP: 10.96.0.12, selector: {app: helloworld, version: v2}, ports: [{port: 5000, name: http}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: kubernetes, namespace: default}, spec: {clusterIP: 10.96.0.1, ports: [{port: 443, name: https}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: db, namespace: data}, spec: {clusterIP: 10.96.0.20, selector: {app: db}, ports: [{port: 5432, name: tcp-db}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: db-headless, namespace: data}, spec: {clusterIP: None, selector: {app: db}, ports: [{port: 5433, name: tcp-db, targetPort: 5432}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: plain, namespace: data}, spec: {clusterIP: 10.96.0.21, selector: {app: db}, ports: [{port: 8888}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: istio-ingressgateway, namespace: istio-system}, spec: {clusterIP: 10.96.0.30, selector: {istio: ingressgateway}, ports: [{port: 15021, name: status-port}, {port: 80, name: http2, targetPort: 8080}, {port: 443, name: https, targetPort: 8443}]}}
)yaml";

std::string reached(const endpoint_v3::LbEndpoint& endpoint) {
  const auto& address = endpoint.endpoint().address().socket_address();
  bool mutual = endpoint.metadata().filter_metadata().contains("envoy.transport_socket_match");
  return address.address() + ":" + std::to_string(address.port_value()) + (mutual ? "+mtls" : "");
}

// What Kubernetes' controller would write for one Service.
objects::Object slice_for(const mesh::Service& service, const mesh::Inputs& inputs) {
  base::Json addresses = base::Json::array();
  for (const auto& [place, entry] : inputs.table("", "Pod")) {
    auto* pod = std::get_if<std::shared_ptr<const mesh::Workload>>(&entry.parsed);
    if (!pod || place.first != service.ns || !mesh::has_all((*pod)->labels, service.selector)) continue;
    addresses.push_back({{"addresses", {(*pod)->addresses.front()}},
                         {"conditions", {{"ready", true}}},
                         {"targetRef", {{"kind", "Pod"}, {"name", (*pod)->name}, {"namespace", place.first}}}});
  }
  base::Json ports = base::Json::array();
  for (const mesh::Port& port : service.ports)
    ports.push_back({{"name", port.name}, {"port", port.target}, {"protocol", "TCP"}});
  return objects::Object({{"apiVersion", "discovery.k8s.io/v1"},
                          {"kind", "EndpointSlice"},
                          {"metadata",
                           {{"name", service.name + "-1"},
                            {"namespace", service.ns},
                            {"labels", {{"kubernetes.io/service-name", service.name}}}}},
                          {"addressType", "IPv4"},
                          {"endpoints", addresses},
                          {"ports", ports}});
}

template <typename Message>
Message one(const std::vector<translate::Resource>& resources, std::string_view name) {
  for (const auto& resource : resources)
    if (resource.name == name) return static_cast<const Message&>(*resource.message);
  return {};
}

std::vector<std::string> names_of(const std::vector<translate::Resource>& resources) {
  std::vector<std::string> out;
  for (const auto& resource : resources) out.push_back(resource.name);
  return out;
}

}  // namespace

Mesh Mesh::helloworld(std::string_view more_yaml) {
  Mesh out = of(kHelloworld);
  if (!more_yaml.empty()) out.apply(more_yaml);
  return out;
}

Mesh Mesh::of(std::string_view yaml) {
  Mesh out;
  out.apply(yaml);
  return out;
}

void Mesh::apply(std::string_view yaml) {
  auto documents = base::parse_yaml(yaml);
  if (!documents) throw std::runtime_error(documents.error().message);
  for (auto& document : *documents) {
    objects::Object object(std::move(document));
    objects::Ref ref = object.ref();
    inputs_.put(std::move(object));
    const mesh::Inputs::Entry* entry = inputs_.find(ref);
    if (entry && !entry->error.empty()) throw std::runtime_error(ref.text() + ": " + entry->error);
  }
  rebuild();
}

void Mesh::store(std::string_view yaml) {
  auto documents = base::parse_yaml(yaml);
  if (!documents) throw std::runtime_error(documents.error().message);
  for (auto& document : *documents)
    if (!document.is_null()) inputs_.put(objects::Object(std::move(document)));
  rebuild();
}

void Mesh::erase(const objects::Ref& ref) {
  inputs_.erase(ref);
  rebuild();
}

void Mesh::rebuild() {
  std::vector<objects::Object> slices;
  for (const auto& [place, entry] : inputs_.table("", "Service"))
    if (auto* service = std::get_if<std::shared_ptr<const mesh::Service>>(&entry.parsed))
      if (!(*service)->selector.empty()) slices.push_back(slice_for(**service, inputs_));
  for (auto& slice : slices) inputs_.put(std::move(slice));
  snapshot_ = mesh::Snapshot::build(inputs_, snapshot_.get());
}

mesh::View Mesh::view(std::string_view pod) const {
  size_t slash = pod.find('/');
  std::string ns(pod.substr(0, slash)), name(pod.substr(slash + 1));
  const auto& workload = *snapshot_->workloads->by_name.at({ns, name});
  std::string type = workload.labels.contains("istio") ? "router" : "sidecar";
  std::string id = type + "~" + workload.addresses.front() + "~" + name + "." + ns + "~" + ns + ".svc.cluster.local";
  return mesh::View(snapshot_, *mesh::parse_proxy(id, base::Json::object()));
}

std::vector<config::Finding> Mesh::findings() const { return mesh::analyze_all(inputs_, *snapshot_); }

decide::Decision Mesh::decide(std::string_view pod, std::string_view request) const {
  auto parsed = decide::Request::parse(request);
  if (!parsed) throw std::runtime_error(parsed.error().message);
  auto decision = decide::decide(view(pod), *parsed);
  if (!decision) throw std::runtime_error(decision.error().message);
  return *decision;
}

route_v3::RouteConfiguration Mesh::routes(std::string_view pod, const std::string& name) const {
  return one<route_v3::RouteConfiguration>(translate::routes(view(pod), std::vector{name}), name);
}

route_v3::VirtualHost Mesh::host(std::string_view pod, const std::string& table, std::string_view domain) const {
  auto found = routes(pod, table);
  for (const auto& host : found.virtual_hosts())
    if (std::ranges::find(host.domains(), domain) != host.domains().end()) return host;
  return {};
}

cluster_v3::Cluster Mesh::cluster(std::string_view pod, std::string_view name) const {
  return one<cluster_v3::Cluster>(translate::clusters(view(pod)), name);
}

std::vector<std::string> Mesh::clusters(std::string_view pod) const { return names_of(translate::clusters(view(pod))); }

listener_v3::Listener Mesh::listener(std::string_view pod, std::string_view name) const {
  return one<listener_v3::Listener>(translate::listeners(view(pod)), name);
}

std::vector<std::string> Mesh::listeners(std::string_view pod) const {
  return names_of(translate::listeners(view(pod)));
}

std::vector<std::string> Mesh::endpoints(std::string_view pod, const std::string& cluster) const {
  std::vector<std::string> out;
  auto all = translate::endpoints(view(pod), std::vector{cluster});
  auto assignment = one<endpoint_v3::ClusterLoadAssignment>(all, cluster);
  for (const auto& group : assignment.endpoints())
    for (const auto& endpoint : group.lb_endpoints()) out.push_back(reached(endpoint));
  return out;
}

std::string shares(const route_v3::Route& route) {
  if (!route.route().has_weighted_clusters()) return route.route().cluster();
  std::string out;
  for (const auto& cluster : route.route().weighted_clusters().clusters()) {
    if (!out.empty()) out += " ";
    out += cluster.name() + "=" + std::to_string(cluster.weight().value());
  }
  return out;
}

std::string shares(const decide::Decision& decision) {
  if (decision.shares.size() == 1) return decision.shares.front().cluster;
  std::vector<std::string> out;
  for (const auto& share : decision.shares) out.push_back(share.cluster + "=" + std::to_string(share.weight));
  return base::join(out, " ");
}

std::vector<std::string> names(const route_v3::VirtualHost& host) {
  std::vector<std::string> out;
  for (const auto& route : host.routes()) out.push_back(route.name());
  return out;
}

}  // namespace scenario
