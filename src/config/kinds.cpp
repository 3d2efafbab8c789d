// SPDX-License-Identifier: Apache-2.0
#include "config/kinds.h"

#include <algorithm>

namespace config {
namespace {

using Text = std::string_view;

constexpr Text kNetworking = "networking.istio.io";
constexpr Text kSecurity = "security.istio.io";
constexpr Text kTelemetry = "telemetry.istio.io";
constexpr Text kExtensions = "extensions.istio.io";

constexpr Text kThree[] = {"v1", "v1beta1", "v1alpha3"};
constexpr Text kTwo[] = {"v1", "v1beta1"};
constexpr Text kTelemetryVersions[] = {"v1", "v1alpha1"};
constexpr Text kAlpha3[] = {"v1alpha3"};
constexpr Text kBeta1[] = {"v1beta1"};
constexpr Text kAlpha1[] = {"v1alpha1"};

constexpr Text kVs[] = {"vs"}, kDr[] = {"dr"}, kGw[] = {"gw"}, kSe[] = {"se"}, kWe[] = {"we"}, kWg[] = {"wg"},
               kAp[] = {"ap"}, kPa[] = {"pa"}, kRa[] = {"ra"}, kTel[] = {"telemetry"};

constexpr PrinterColumn kAge = {"Age", "date", ".metadata.creationTimestamp", "How long ago it was created"};
constexpr PrinterColumn kAgeOnly[] = {kAge};
constexpr PrinterColumn kVirtualService[] = {
    {"Gateways", "string", ".spec.gateways", "The gateways and sidecars that apply these routes"},
    {"Hosts", "string", ".spec.hosts", "The hosts that traffic is sent to"},
    kAge};
constexpr PrinterColumn kDestinationRule[] = {{"Host", "string", ".spec.host", "The service that the rule is about"},
                                              kAge};
constexpr PrinterColumn kServiceEntry[] = {
    {"Hosts", "string", ".spec.hosts", "The hosts of the service"},
    {"Location", "string", ".spec.location", "Whether the service is inside the mesh"},
    {"Resolution", "string", ".spec.resolution", "How its endpoints are found"},
    kAge};
constexpr PrinterColumn kWorkloadEntry[] = {kAge, {"Address", "string", ".spec.address", "The workload's address"}};
constexpr PrinterColumn kAuthorizationPolicy[] = {
    {"Action", "string", ".spec.action", "What is done with a matching request"}, kAge};
constexpr PrinterColumn kPeerAuthentication[] = {{"Mode", "string", ".spec.mtls.mode", "The mTLS mode"}, kAge};

constexpr IstioKind kKinds[] = {
    {kNetworking, "VirtualService", "virtualservices", "virtualservice", "virtual-service",
     "istio.networking.v1alpha3.VirtualService", kThree, "v1", kVs, "networking-istio-io", kVirtualService},
    {kNetworking, "DestinationRule", "destinationrules", "destinationrule", "destination-rule",
     "istio.networking.v1alpha3.DestinationRule", kThree, "v1", kDr, "networking-istio-io", kDestinationRule},
    {kNetworking,
     "Gateway",
     "gateways",
     "gateway",
     "gateway",
     "istio.networking.v1alpha3.Gateway",
     kThree,
     "v1",
     kGw,
     "networking-istio-io",
     {}},
    {kNetworking, "ServiceEntry", "serviceentries", "serviceentry", "service-entry",
     "istio.networking.v1alpha3.ServiceEntry", kThree, "v1", kSe, "networking-istio-io", kServiceEntry},
    {kNetworking,
     "Sidecar",
     "sidecars",
     "sidecar",
     "sidecar",
     "istio.networking.v1alpha3.Sidecar",
     kThree,
     "v1",
     {},
     "networking-istio-io",
     {}},
    {kNetworking, "WorkloadEntry", "workloadentries", "workloadentry", "workload-entry",
     "istio.networking.v1alpha3.WorkloadEntry", kThree, "v1", kWe, "networking-istio-io", kWorkloadEntry},
    {kNetworking, "WorkloadGroup", "workloadgroups", "workloadgroup", "workload-group",
     "istio.networking.v1alpha3.WorkloadGroup", kThree, "v1", kWg, "networking-istio-io", kAgeOnly},
    {kNetworking,
     "EnvoyFilter",
     "envoyfilters",
     "envoyfilter",
     "envoy-filter",
     "istio.networking.v1alpha3.EnvoyFilter",
     kAlpha3,
     "v1alpha3",
     {},
     "networking-istio-io",
     {}},
    {kNetworking,
     "ProxyConfig",
     "proxyconfigs",
     "proxyconfig",
     "proxy-config",
     "istio.networking.v1beta1.ProxyConfig",
     kBeta1,
     "v1beta1",
     {},
     "networking-istio-io",
     {}},
    {kSecurity, "AuthorizationPolicy", "authorizationpolicies", "authorizationpolicy", "authorization-policy",
     "istio.security.v1beta1.AuthorizationPolicy", kTwo, "v1", kAp, "security-istio-io", kAuthorizationPolicy},
    {kSecurity, "PeerAuthentication", "peerauthentications", "peerauthentication", "peer-authentication",
     "istio.security.v1beta1.PeerAuthentication", kTwo, "v1", kPa, "security-istio-io", kPeerAuthentication},
    {kSecurity,
     "RequestAuthentication",
     "requestauthentications",
     "requestauthentication",
     "request-authentication",
     "istio.security.v1beta1.RequestAuthentication",
     kTwo,
     "v1",
     kRa,
     "security-istio-io",
     {}},
    {kTelemetry, "Telemetry", "telemetries", "telemetry", "telemetry", "istio.telemetry.v1alpha1.Telemetry",
     kTelemetryVersions, "v1alpha1", kTel, "telemetry-istio-io", kAgeOnly},
    {kExtensions,
     "WasmPlugin",
     "wasmplugins",
     "wasmplugin",
     "wasm-plugin",
     "istio.extensions.v1alpha1.WasmPlugin",
     kAlpha1,
     "v1alpha1",
     {},
     "extensions-istio-io",
     kAgeOnly},
    {kExtensions,
     "TrafficExtension",
     "trafficextensions",
     "trafficextension",
     "traffic-extension",
     "istio.extensions.v1alpha1.TrafficExtension",
     kAlpha1,
     "v1alpha1",
     {},
     "extensions-istio-io",
     kAgeOnly},
};

}  // namespace

bool IstioKind::serves(std::string_view version) const {
  return std::ranges::find(versions, version) != versions.end();
}

std::span<const IstioKind> istio_kinds() { return kKinds; }

const IstioKind* find_kind(std::string_view group, std::string_view kind) {
  for (const IstioKind& known : kKinds)
    if (known.group == group && known.kind == kind) return &known;
  return nullptr;
}

std::string config_path(const objects::Ref& ref) {
  const IstioKind* kind = find_kind(ref.group, ref.kind);
  std::string version = kind ? std::string(kind->versions.front()) : "v1";
  std::string kebab = kind ? std::string(kind->kebab) : ref.kind;
  return "/apis/" + ref.group + "/" + version + "/namespaces/" + ref.ns + "/" + kebab + "/" + ref.name;
}

}  // namespace config
