// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include <map>
#include <set>

#include "envoy/extensions/transport_sockets/tls/v3/tls.pb.h"
#include "proxy/runtime/compile.h"
#include "scenario.h"

// A proxy takes or refuses a resource as a whole, so nothing that admission lets pass, however odd, may be translated
// into what a proxy refuses: the rest of that table or listener would be held back with it.
namespace scenario {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

std::string text_of(const std::vector<config::Finding>& findings, config::Severity severity) {
  std::string out;
  for (const config::Finding& finding : findings)
    if (finding.severity == severity) out += config::text(finding);
  return out;
}

// Whether two filter chains ask for the same, which an Envoy refuses.
bool chains_overlap(const listener_v3::Listener& listener) {
  std::set<std::string> seen;
  for (const auto& chain : listener.filter_chains()) {
    const auto& match = chain.filter_chain_match();
    std::vector<std::string> names(match.server_names().begin(), match.server_names().end());
    std::vector<std::string> protocols(match.application_protocols().begin(), match.application_protocols().end());
    std::vector<std::string> blocks;
    for (const auto& block : match.prefix_ranges())
      blocks.push_back(block.address_prefix() + "/" + std::to_string(block.prefix_len().value()));
    for (auto* list : {&names, &protocols, &blocks})
      if (list->empty()) list->emplace_back();
    for (const auto& name : names)
      for (const auto& protocol : protocols)
        for (const auto& block : blocks)
          if (!seen.insert(std::to_string(match.destination_port().value()) + " " + match.transport_protocol() + " " +
                           name + " " + protocol + " " + block)
                   .second)
            return true;
  }
  return false;
}

// What the proxy beside `pod` would refuse, one "KIND NAME: why" a line.
std::string refusals(const Mesh& mesh, const std::string& pod) {
  mesh::View view = mesh.view(pod);
  proxy::Slots slots;
  proxy::LogFiles logs;
  proxy::Compiler compiler{slots, logs};
  std::string out;
  std::set<std::string> names;
  auto judge = [&](const char* kind, const translate::Resource& resource, const auto& compiled) {
    if (!compiled) out += std::string(kind) + " " + resource.name + ": " + compiled.error().message + "\n";
    if (!names.insert(std::string(kind) + " " + resource.name).second)
      out += std::string(kind) + " " + resource.name + " is there twice\n";
  };
  std::map<std::string, std::string> bound;
  for (const auto& resource : translate::listeners(view)) {
    auto compiled = compiler.listener(static_cast<const listener_v3::Listener&>(*resource.message));
    judge("listener", resource, compiled);
    if (chains_overlap(static_cast<const listener_v3::Listener&>(*resource.message)))
      out += "listener " + resource.name + ": chains overlap\n";
    if (!compiled || !(*compiled)->bind) continue;
    auto [place, fresh] = bound.emplace((*compiled)->addresses.front().text(), resource.name);
    if (!fresh) out += "listener " + resource.name + " has the address of " + place->second + "\n";
  }
  std::vector<std::string> endpoints;
  for (const auto& resource : translate::clusters(view)) {
    const auto& cluster = static_cast<const cluster_v3::Cluster&>(*resource.message);
    judge("cluster", resource, compiler.cluster(cluster));
    if (cluster.type() == cluster_v3::Cluster::EDS) endpoints.push_back(cluster.eds_cluster_config().service_name());
  }
  for (const auto& resource : translate::endpoints(view, endpoints))
    judge("endpoints", resource,
          compiler.endpoints(static_cast<const endpoint_v3::ClusterLoadAssignment&>(*resource.message)));
  for (const auto& resource : translate::routes(view, translate::route_names(view)))
    judge("routes", resource,
          compiler.route_table(static_cast<const route_v3::RouteConfiguration&>(*resource.message)));
  return out;
}

std::string refusals(const Mesh& mesh) {
  std::string out;
  for (const char* pod :
       {"default/nginx", "default/helloworld-v1-1", "data/db-0", "istio-system/istio-ingressgateway-1"})
    if (std::string refused = refusals(mesh, pod); !refused.empty()) out += std::string(pod) + ":\n" + refused;
  return out;
}

// Each of Istio's kinds in short: "VirtualService NAME: SPEC", one a line; anything else is YAML.
std::string documents(std::string_view lines) {
  static const std::map<std::string, std::string, std::less<>> kApi = {
      {"VirtualService", "networking.istio.io/v1"},
      {"DestinationRule", "networking.istio.io/v1"},
      {"Gateway", "networking.istio.io/v1"},
      {"ServiceEntry", "networking.istio.io/v1"},
      {"WorkloadEntry", "networking.istio.io/v1"},
      {"Sidecar", "networking.istio.io/v1"},
      {"AuthorizationPolicy", "security.istio.io/v1"},
      {"RequestAuthentication", "security.istio.io/v1"},
      {"PeerAuthentication", "security.istio.io/v1"},
      {"Telemetry", "telemetry.istio.io/v1"},
      {"Service", "v1"},
      {"ConfigMap", "v1"}};
  std::string out;
  for (std::string_view line : base::split(lines, '\n')) {
    line = base::trim(line);
    if (line.empty()) continue;
    auto space = base::cut(line, ' ');
    auto colon = base::cut(space->second, ':');
    auto place = base::cut(colon->first, '/');
    out += "---\n{apiVersion: " + kApi.at(std::string(space->first)) + ", kind: " + std::string(space->first) +
           ", metadata: {name: " + std::string(place ? place->second : colon->first) +
           ", namespace: " + std::string(place ? place->first : "default") + "}, " +
           (space->first == "ConfigMap" ? "data" : "spec") + ": " + std::string(colon->second) + "}\n";
  }
  return out;
}

struct Case {
  const char* name;
  const char* objects;
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

class Admitted : public ::testing::TestWithParam<Case> {};

TEST_P(Admitted, IsTakenByEveryProxy) {
  Mesh mesh = Mesh::helloworld();
  mesh.store(documents(GetParam().objects));
  EXPECT_THAT(text_of(mesh.findings(), config::Severity::Error), Not(HasSubstr("left out")));
  EXPECT_THAT(refusals(mesh), IsEmpty());
}

constexpr Case kOddities[] = {
    {"HostsThatDifferInCase",
     "ServiceEntry a: {hosts: [a.example.com, A.example.com], ports: [{number: 80, name: http, "
     "protocol: HTTP}], resolution: DNS}"},
    {"OneHostInTwoNamespacesAndProtocols", R"(
      ServiceEntry a: {hosts: [a.example.com], ports: [{number: 80, name: http, protocol: HTTP}], resolution: DNS}
      ServiceEntry b: {hosts: [a.example.com], ports: [{number: 80, name: tcp, protocol: TCP}], resolution: STATIC, endpoints: [{address: 10.1.1.1}]}
      ServiceEntry data/c: {hosts: [a.example.com], ports: [{number: 80, name: tls, protocol: TLS}], resolution: NONE}
      ServiceEntry data/d: {hosts: [A.EXAMPLE.COM, '*.example.com'], ports: [{number: 80, name: auto}], resolution: NONE})"},
    {"OneHostTwice",
     "ServiceEntry a: {hosts: [a.example.com, a.example.com, a.example.com.], ports: [{number: 80, name: "
     "http, protocol: HTTP}], resolution: DNS}"},
    {"AServiceEntryOfAServicesName", R"(
      ServiceEntry a: {hosts: [helloworld.default.svc.cluster.local, helloworld.default.svc, helloworld.default, helloworld], ports: [{number: 5000, name: http, protocol: HTTP}], resolution: DNS}
      ServiceEntry b: {hosts: ['*.default.svc.cluster.local', '*.local'], ports: [{number: 5000, name: tcp, protocol: TCP}]})"},
    {"BlocksAroundServicesAddresses", R"(
      ServiceEntry data/a: {hosts: [a.example.com], addresses: [10.96.0.0/16, 10.96.0.10/32, 10.96.0.10], ports: [{number: 5000, name: tcp, protocol: TCP}], resolution: NONE}
      ServiceEntry data/b: {hosts: [b.example.com], addresses: ['fd00::1', 'fd00::/64', 10.96.0.11/32], ports: [{number: 5000, name: http, protocol: HTTP}], resolution: NONE})"},
    {"CertificateFilesThatAreNone", R"(
      Gateway a: {selector: {istio: ingressgateway}, servers: [{port: {number: 443, name: s, protocol: HTTPS}, hosts: [a.example.com], tls: {mode: MUTUAL, serverCertificate: /etc/passwd, privateKey: /etc/passwd, caCertificates: /etc/passwd, caCrl: /none}}]})"},
    {"AddressesSharedAndOfBothFamilies", R"(
      ServiceEntry a: {hosts: [a.example.com], addresses: [10.96.0.10, 10.96.0.10, '2001:db8::1', '::', 0.0.0.0, 10.0.0.0/8, 10.0.0.0/8, '::/0', 127.0.0.1], ports: [{number: 5000, name: tcp, protocol: TCP}, {number: 80, name: http, protocol: HTTP}, {number: 81, name: tls, protocol: TLS}, {number: 82, name: any}]}
      ServiceEntry b: {hosts: [b.example.com], addresses: [10.96.0.10, '2001:0db8::1', '2001:DB8::1', 10.0.0.0/8, 10.1.0.0/8], ports: [{number: 5000, name: tls, protocol: TLS}, {number: 80, name: any}, {number: 81, name: tcp, protocol: TCP}, {number: 82, name: http, protocol: HTTP}]})"},
    {"PortsOfTheProxyItself", R"(
      ServiceEntry a: {hosts: [a.example.com], ports: [{number: 15001, name: http, protocol: HTTP}, {number: 15006, name: tcp, protocol: TCP}, {number: 15090, name: any}]}
      Gateway g: {selector: {istio: ingressgateway}, servers: [{port: {number: 15001, name: a, protocol: HTTP}, hosts: ['*']}]})"},
    {"WeightsBeyondMeasure",
     "ServiceEntry a: {hosts: [a.example.com], ports: [{number: 80, name: http, protocol: HTTP}], "
     "resolution: STATIC, endpoints: [{address: 10.1.1.1, weight: 4294967295}, {address: "
     "10.1.1.2, weight: 4294967295}, {address: 10.1.1.2}]}"},
    {"RoundRobinOverSelectedWorkloads", R"(
      WorkloadEntry one: {address: one.example.com, labels: {app: w}}
      WorkloadEntry two: {address: 10.1.1.1, labels: {app: w}}
      WorkloadEntry three: {network: far, labels: {app: w}}
      ServiceEntry a: {hosts: [a.example.com], ports: [{number: 80, name: http, protocol: HTTP}], resolution: DNS_ROUND_ROBIN, workloadSelector: {labels: {app: w}}}
      ServiceEntry b: {hosts: [b.example.com], ports: [{number: 80, name: http, protocol: HTTP}], resolution: STATIC, workloadSelector: {labels: {app: w}}}
      ServiceEntry c: {hosts: ['*.c.example.com'], ports: [{number: 80, name: http, protocol: HTTP}], resolution: DNS, workloadSelector: {labels: {app: w}}})"},
    {"SubsetsOfTwoRulesForOneHost", R"(
      DestinationRule a: {host: helloworld, subsets: [{name: v1, labels: {version: v1}}, {name: none}]}
      DestinationRule b: {host: helloworld.default.svc.cluster.local, subsets: [{name: v1, labels: {version: v2}}]}
      DestinationRule c: {host: '*.local', subsets: [{name: v1}]})"},
    {"EveryBalancerOnEveryDiscovery", R"(
      ServiceEntry s: {hosts: [s.example.com, '*.s.example.com'], ports: [{number: 80, name: http, protocol: HTTP}, {number: 81, name: tcp, protocol: TCP}], resolution: STATIC, endpoints: [{address: 10.1.1.1}]}
      ServiceEntry d: {hosts: [d.example.com], ports: [{number: 80, name: http, protocol: HTTP}], resolution: DNS}
      ServiceEntry r: {hosts: [r.example.com], ports: [{number: 80, name: http, protocol: HTTP}], resolution: DNS_ROUND_ROBIN}
      ServiceEntry n: {hosts: [n.example.com], ports: [{number: 80, name: http, protocol: HTTP}], resolution: NONE}
      DestinationRule a: {host: '*.example.com', trafficPolicy: {loadBalancer: {simple: PASSTHROUGH}, portLevelSettings: [{port: {number: 81}, loadBalancer: {consistentHash: {useSourceIp: true, maglev: {}}}}]}, subsets: [{name: a, trafficPolicy: {loadBalancer: {consistentHash: {httpCookie: {name: x, ttl: 0s}, ringHash: {minimumRingSize: 8388608}}}}}, {name: b, trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN, warmup: {duration: 1s}}}}]}
      DestinationRule h: {host: '*.data.svc.cluster.local', trafficPolicy: {loadBalancer: {simple: PASSTHROUGH}, outlierDetection: {consecutive5xxErrors: 0, minHealthPercent: 100}}, subsets: [{name: a, trafficPolicy: {loadBalancer: {simple: RANDOM}}}]})"},
    {"AnyRegexWrittenAsAStar",
     "VirtualService a: {hosts: [helloworld], http: [{match: [{uri: {regex: '*'}}, {headers: {x: "
     "{regex: '*'}}, method: {regex: '*'}, queryParams: {q: {}}}], corsPolicy: {allowOrigins: "
     "[{regex: '*'}, {exact: 'http://a'}]}, route: [{destination: {host: helloworld}}]}]}"},
    {"HeadersThatAreNone",
     "VirtualService a: {hosts: [helloworld], http: [{headers: {request: {set: {Host: a, ':path': /}, "
     "remove: [Host, HOST, ':path']}, response: {set: {Host: a, ':status': '1'}, remove: [Host, "
     "':status']}}, route: [{destination: {host: helloworld}, headers: {response: {remove: "
     "[host]}}}, {destination: {host: helloworld}, headers: {response: {remove: [host]}}, weight: "
     "1}]}]}"},
    {"GatewayHostsThatDifferInCase", R"(
      Gateway g: {selector: {istio: ingressgateway}, servers: [{port: {number: 80, name: a, protocol: HTTP}, hosts: ['*', 'default/*.example.com', A.example.com], tls: {httpsRedirect: true, mode: PASSTHROUGH}}, {port: {number: 443, name: b, protocol: HTTPS}, hosts: ['A.b.com', a.B.com], tls: {mode: SIMPLE, credentialName: c}}, {port: {number: 443, name: c, protocol: HTTPS}, hosts: [a.b.com, '*-x.com', '*'], tls: {mode: MUTUAL, credentialName: c}}]}
      VirtualService a: {hosts: [A.example.com, a.b.com], gateways: [g], http: [{route: [{destination: {host: helloworld}}]}]}
      VirtualService b: {hosts: [a.EXAMPLE.com, A.B.com, '*-x.com'], gateways: [g], http: [{route: [{destination: {host: helloworld}}]}]}
      VirtualService c: {hosts: ['*.EXAMPLE.com'], gateways: [g], http: [{route: [{destination: {host: helloworld}}]}]})"},
    {"GatewaysOfOnePortAndAllProtocols", R"(
      Gateway g: {selector: {istio: ingressgateway}, servers: [{port: {number: 8000, name: a, protocol: TCP}, hosts: ['*']}, {port: {number: 8000, name: b, protocol: HTTP}, hosts: ['*']}, {port: {number: 8000, name: c, protocol: TLS}, hosts: ['*'], tls: {mode: PASSTHROUGH}}, {port: {number: 8000, name: d, protocol: TLS}, hosts: [a.com, '*'], tls: {mode: SIMPLE, credentialName: c}}, {port: {number: 8000, name: e, protocol: HTTPS}, hosts: ['*', a.com], tls: {mode: ISTIO_MUTUAL}}, {port: {number: 8000, name: f, protocol: MONGO}, hosts: ['*']}, {port: {number: 8000, name: i, protocol: HTTP}, bind: '::', hosts: ['*']}, {port: {number: 8000, name: j, protocol: HTTP}, bind: 0.0.0.0, hosts: ['*']}, {port: {number: 8000, name: k, protocol: HTTP}, bind: '0:0::0', hosts: ['*']}]}
      Gateway h: {selector: {istio: ingressgateway}, servers: [{port: {number: 80, name: a, protocol: TCP}, hosts: ['*']}, {port: {number: 8080, name: b, protocol: HTTP}, hosts: ['*']}, {port: {number: 8443, name: c, protocol: TLS}, hosts: ['*'], tls: {mode: PASSTHROUGH}}, {port: {number: 443, name: d, protocol: HTTPS}, hosts: ['*'], tls: {mode: PASSTHROUGH}}]}
      VirtualService a: {hosts: ['*'], gateways: [g, h], tcp: [{match: [{destinationSubnets: [10.0.0.0/8, 10.1.0.0/8]}, {destinationSubnets: [10.1.0.0/8, 10.0.0.0/8]}, {port: 8000}], route: [{destination: {host: helloworld}}]}], tls: [{match: [{sniHosts: ['*', a.com]}, {sniHosts: [A.com, a.com]}, {sniHosts: [a.com], destinationSubnets: ['::/0']}], route: [{destination: {host: helloworld}}]}]}
      VirtualService b: {hosts: [a.com, b.com], gateways: [g, h], tcp: [{route: [{destination: {host: helloworld}, weight: 0}, {destination: {host: helloworld}, weight: 1}]}], tls: [{match: [{sniHosts: [a.com, b.com]}], route: [{destination: {host: helloworld}}]}]})"},
    {"NamesOfTlsThatOverlap", R"(
      ServiceEntry s: {hosts: [a.com, b.com, '*.com'], ports: [{number: 443, name: tls, protocol: TLS}], resolution: NONE}
      VirtualService a: {hosts: [a.com, '*.net'], tls: [{match: [{sniHosts: [a.com, b.net], port: 443}, {sniHosts: [b.net, a.com]}], route: [{destination: {host: a.com}}]}]}
      VirtualService b: {hosts: ['*.com'], tls: [{match: [{sniHosts: [b.com, a.com]}, {sniHosts: ['*.com']}], route: [{destination: {host: b.com, port: {number: 443}}}]}]})"},
    {"VirtualServicesWhoseHostsMeet", R"(
      VirtualService a: {hosts: ['*.default.svc.cluster.local'], http: [{route: [{destination: {host: helloworld}}]}]}
      VirtualService b: {hosts: ['*.cluster.local'], http: [{route: [{destination: {host: helloworld}}]}]}
      VirtualService c: {hosts: [HELLOWORLD.default.svc.cluster.local, helloworld.default.svc, helloworld.default], http: [{route: [{destination: {host: helloworld}}]}]}
      VirtualService d: {hosts: [10.96.0.10, '2001:db8::1', helloworld.default.svc.cluster.local.], http: [{route: [{destination: {host: helloworld}}]}]}
      VirtualService e: {hosts: ['*.example.com', x.com, X.com], http: [{route: [{destination: {host: helloworld}}]}]}
      VirtualService data/f: {hosts: ['*.example.com', X.COM], http: [{route: [{destination: {host: helloworld}}]}]})"},
    {"ServicesAsKubernetesAllowsThem", R"(
      Service aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa: {clusterIPs: [10.96.0.10, '2001:db8::9'], clusterIP: 10.96.0.10, ports: [{port: 5000, name: http}, {port: 5000, name: udp, protocol: UDP}, {port: 5000, protocol: SCTP, name: sctp}, {port: 15001, name: http-x}, {port: 65535, targetPort: none, name: a}]}
      Service n1: {clusterIP: None, ports: [{port: 5000, name: http}, {port: 5001, name: tcp}, {port: 5002}]}
      Service n2: {clusterIP: None}
      Service e1: {type: ExternalName, externalName: helloworld.default.svc.cluster.local, ports: [{port: 5000, name: http}]}
      Service e2: {type: ExternalName, externalName: helloworld.default.svc.cluster.local}
      Service e3: {type: ExternalName, externalName: e3.default.svc.cluster.local, ports: [{port: 80, name: http}]}
      Service e4: {type: ExternalName, externalName: Upper.example.com., ports: [{port: 80}]}
      Service data/helloworld: {clusterIP: 10.96.0.10, ports: [{port: 5000, name: tcp}]})"},
    {"MeshConfigThatIsWrong",
     R"(ConfigMap istio-system/istio: {mesh: "{accessLogFile: /dev/stdout, accessLogFormat: '%FOO%', connectTimeout: 0s, proxyListenPort: 99999, proxyInboundListenPort: -1, defaultHttpRetryPolicy: {attempts: -1, retryOn: 'x y'}, protocolDetectionTimeout: 0s, trustDomain: ''}"})"},
    {"LimitsAtTheirEnds", R"(
      PeerAuthentication p: {selector: {matchLabels: {app: helloworld}}, portLevelMtls: {70000: {mode: STRICT}, 15006: {mode: DISABLE}, 15001: {mode: STRICT}}}
      DestinationRule a: {host: helloworld, trafficPolicy: {outlierDetection: {baseEjectionTime: 10000h, interval: 1ms, maxEjectionPercent: 100, consecutiveGatewayErrors: 4294967295}, connectionPool: {http: {maxConcurrentStreams: 2147483647, http2MaxRequests: 2147483647, idleTimeout: 87600h}, tcp: {connectTimeout: 1ms, idleTimeout: 0s, maxConnectionDuration: 1ms, tcpKeepalive: {time: 0s, probes: 4294967295}}}, loadBalancer: {localityLbSetting: {distribute: [{from: '*', to: {'': 100}}]}}}}
      VirtualService a: {hosts: [helloworld], http: [{timeout: 87600h, retries: {attempts: 2147483647, perTryTimeout: 1ms, backoff: 87600h, retryOn: '503,5xx,retriable-headers', retryRemoteLocalities: true}, fault: {delay: {percentage: {value: 0.00001}, fixedDelay: 87600h}, abort: {grpcStatus: UNAVAILABLE}}, mirrors: [{destination: {host: helloworld}, percentage: {value: 100}}], route: [{destination: {host: helloworld, subset: none}, weight: 100}, {destination: {host: nowhere, port: {number: 65535}}, weight: 100}]}]})"},
    {"TemplatesAndConditionsOfAllKinds", R"(
      AuthorizationPolicy a: {action: AUDIT, rules: [{to: [{operation: {paths: ['/{*}/{*}/{*}/{*}/{*}/{*}/{*}', '/{**}', '*', 'x'], notPaths: ['/a/{*}/b'], notPorts: ['65535'], notMethods: [x], notHosts: ['*.x', 'x.*']}}], from: [{source: {requestPrincipals: ['*'], notRemoteIpBlocks: [1.2.3.4], notNamespaces: [a], notPrincipals: ['a*']}}]}]}
      AuthorizationPolicy b: {action: ALLOW, rules: [{from: [{source: {serviceAccounts: [a, b/c]}}], when: [{key: source.ip, values: [1.2.3.4/32]}, {key: destination.port, notValues: ['1']}, {key: source.namespace, values: ['*a*']}, {key: request.auth.audiences, values: [x]}]}]}
      AuthorizationPolicy c: {}
      AuthorizationPolicy d: {action: DENY}
      RequestAuthentication e: {}
      Telemetry t: {accessLogging: [{disabled: true}, {providers: [{name: envoy}, {name: none}]}]}
      Sidecar s: {egress: [{port: {number: 99999, protocol: HTTP, name: x}, hosts: ['*/*']}, {hosts: ['~/*', './helloworld.default.svc.cluster.local']}], outboundTrafficPolicy: {mode: REGISTRY_ONLY}})"},
    {"TokensAndPolicies", R"(
      AuthorizationPolicy a: {action: DENY, rules: [{to: [{operation: {paths: ['*'], hosts: ['*', A.com], methods: ['*'], ports: ['1']}}], from: [{source: {principals: ['*'], namespaces: ['*'], ipBlocks: ['::/0', 10.0.0.0/8]}}], when: [{key: 'request.headers[X-A]', values: ['*']}, {key: connection.sni, values: ['*']}, {key: 'request.auth.claims[a][b]', values: [x]}]}]}
      RequestAuthentication r: {jwtRules: [{issuer: me, jwks: '{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}', fromParams: [''], fromCookies: [''], audiences: [''], fromHeaders: [{name: X-A, prefix: ''}], outputPayloadToHeader: 'x-y', outputClaimToHeaders: [{header: X-B, claim: a.b}]}]})"},
};
INSTANTIATE_TEST_SUITE_P(Oddities, Admitted, ::testing::ValuesIn(kOddities),
                         [](const auto& info) { return std::string(info.param.name); });

// As they are stored where nobody looked at them, or where an older Seine did.
constexpr Case kWrong[] = {
    {"ARegexThatIsNone",
     "VirtualService bad: {hosts: [helloworld], http: [{match: [{uri: {regex: '(a'}}], route: "
     "[{destination: {host: helloworld}}]}]}"},
    {"AHeaderThatIsNoFormat",
     "VirtualService bad: {hosts: [helloworld], http: [{headers: {request: {set: {x: '100%'}}}, "
     "route: [{destination: {host: helloworld}}]}]}"},
    {"ARedirectOverTwoLines", "VirtualService bad: {hosts: [helloworld], http: [{redirect: {uri: \"/a\\r\\nb\"}}]}"},
    {"AHostOfEverything", "VirtualService bad: {hosts: ['*'], http: [{route: [{destination: {host: helloworld}}]}]}"},
    {"WeightsOfNothing",
     "VirtualService bad: {hosts: [helloworld], http: [{route: [{destination: {host: helloworld}, weight: "
     "0}, {destination: {host: helloworld}, weight: 0}]}]}"},
    {"AResponseWithoutAStatus", "VirtualService bad: {hosts: [helloworld], http: [{directResponse: {status: 99}}]}"},
    {"AFieldThatIsNone", "VirtualService bad: {hosts: [helloworld], htttp: []}"},
    {"AStatusThatIsNone",
     "VirtualService bad: {hosts: [helloworld], http: [{fault: {abort: {httpStatus: 1, percentage: "
     "{value: 'NaN'}}}, route: [{destination: {host: helloworld}}]}]}"},
    {"ATableThatIsNoPrime",
     "DestinationRule bad: {host: helloworld, trafficPolicy: {loadBalancer: {consistentHash: "
     "{useSourceIp: true, maglev: {tableSize: 4}}}}}"},
    {"ARingTooLarge",
     "DestinationRule bad: {host: helloworld, trafficPolicy: {loadBalancer: {consistentHash: "
     "{useSourceIp: true, minimumRingSize: 99999999}}}}"},
    {"AnEndpointThatIsNone",
     "ServiceEntry bad: {hosts: [a.example.com], ports: [{number: 80, name: http, protocol: "
     "HTTP}], resolution: STATIC, endpoints: [{address: nowhere}]}"},
    {"APortThatIsNone",
     "ServiceEntry bad: {hosts: [a.example.com], ports: [{number: 99999, name: http, protocol: HTTP}, "
     "{number: 0, name: tcp}], resolution: DNS}"},
    {"CiphersAndVersionsThatAreNone",
     "Gateway bad: {selector: {istio: ingressgateway}, servers: [{port: {number: 443, name: a, protocol: HTTPS}, "
     "hosts: "
     "['*'], tls: {mode: SIMPLE, credentialName: c, cipherSuites: [NONE], maxProtocolVersion: TLSV1_1, "
     "verifyCertificateHash: [x]}}]}"},
    {"AParameterWithoutAName",
     "VirtualService bad: {hosts: [helloworld], http: [{match: [{queryParams: {'': {exact: a}}}], "
     "route: [{destination: {host: helloworld}}]}]}"},
    {"AnAddressThatIsNone",
     "Gateway bad: {selector: {istio: ingressgateway}, servers: [{port: {number: 80, name: a, "
     "protocol: HTTP}, bind: here, hosts: ['*']}]}"},
};

class Stored : public ::testing::TestWithParam<Case> {};

TEST_P(Stored, IsLeftOutAloneAndTold) {
  Mesh mesh = Mesh::helloworld();
  std::string good =
      "Gateway good: {selector: {istio: ingressgateway}, servers: [{port: {number: 443, name: s, protocol: HTTPS}, "
      "hosts: [good.example.com], tls: {mode: SIMPLE, credentialName: c}}]}\n"
      "VirtualService good: {hosts: [helloworld-v1], http: [{name: good, route: [{destination: {host: "
      "helloworld-v1}}]}]}\n";
  mesh.store(documents(good + GetParam().objects));
  EXPECT_THAT(refusals(mesh), IsEmpty());
  std::string errors = text_of(mesh.findings(), config::Severity::Error);
  EXPECT_THAT(errors, HasSubstr(" default/bad, spec"));
  EXPECT_THAT(errors, HasSubstr("left out until it is mended"));
  EXPECT_THAT(names(mesh.host("default/nginx", "5000", "helloworld-v1.default.svc.cluster.local")),
              testing::ElementsAre("good"));
  EXPECT_THAT(names(mesh.host("default/nginx", "5000", "helloworld.default.svc.cluster.local")),
              testing::ElementsAre("default"));
  EXPECT_THAT(mesh.listeners("istio-system/istio-ingressgateway-1"), testing::Contains("0.0.0.0_8443"));
}
INSTANTIATE_TEST_SUITE_P(Wrong, Stored, ::testing::ValuesIn(kWrong),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(Stored, ARuleThatIsWrongKeepsItsTls) {
  Mesh mesh = Mesh::helloworld();
  mesh.store(documents(R"(
    ServiceEntry a: {hosts: [a.example.com], ports: [{number: 80, name: http, protocol: HTTP}], resolution: DNS}
    ServiceEntry b: {hosts: [b.example.com], ports: [{number: 80, name: http, protocol: HTTP}], resolution: DNS}
    DestinationRule a: {host: a.example.com, trafficPolicy: {tls: {mode: SIMPLE, sni: x}, connectionPool: {tcp: {maxConnections: -1}}}, subsets: [{name: one}]}
    DestinationRule b: {host: b.example.com, trafficPolicy: {tls: {mode: MUTUAL}}})"));
  EXPECT_THAT(refusals(mesh), IsEmpty());
  for (const char* name : {"outbound|80||a.example.com", "outbound|80|one|a.example.com", "outbound|80||b.example.com"})
    EXPECT_EQ(mesh.cluster("default/nginx", name).transport_socket().name(), "envoy.transport_sockets.tls") << name;
  std::string errors = text_of(mesh.findings(), config::Severity::Error);
  EXPECT_THAT(errors, HasSubstr("left out until it is mended, but for its TLS settings"));
  EXPECT_THAT(errors, HasSubstr("but for that its host is called with the mesh's mTLS alone"));
}

// What a proxy would take as the identity of one who answers for a host.
std::string identities(const Mesh& mesh, const char* pod, const char* cluster) {
  envoy::extensions::transport_sockets::tls::v3::UpstreamTlsContext context;
  const auto message = mesh.cluster(pod, cluster);
  for (const auto& match : message.transport_socket_matches())
    if (match.name() == "tlsMode-istio") context.ParseFromString(match.transport_socket().typed_config().value());
  std::string out;
  for (const auto& name : context.common_tls_context()
                              .combined_validation_context()
                              .default_validation_context()
                              .match_subject_alt_names())
    out += name.exact() + "\n";
  return out;
}

// "certificate=NAME roots=NAME" of the secrets that a cluster's TLS asks for.
std::string secrets(const Mesh& mesh, const char* pod, const char* cluster) {
  envoy::extensions::transport_sockets::tls::v3::UpstreamTlsContext context;
  const auto message = mesh.cluster(pod, cluster);
  context.ParseFromString(message.transport_socket().typed_config().value());
  std::string out;
  for (const auto& secret : context.common_tls_context().tls_certificate_sds_secret_configs())
    out += "certificate=" + secret.name() + " ";
  return out + "roots=" +
         context.common_tls_context().combined_validation_context().validation_context_sds_secret_config().name();
}

TEST(DestinationRule, ACredentialOfAClientIsFetchedByGatewaysAndByTheSidecarsThatItSelects) {
  Mesh mesh = Mesh::helloworld();
  mesh.store(documents(R"(
    ServiceEntry a: {hosts: [a.example.com, b.example.com], ports: [{number: 443, name: http, protocol: HTTP}], resolution: DNS}
    DestinationRule a: {host: a.example.com, trafficPolicy: {tls: {mode: MUTUAL, credentialName: mine}}}
    DestinationRule b: {host: b.example.com, workloadSelector: {matchLabels: {run: nginx}}, trafficPolicy: {tls: {mode: SIMPLE, credentialName: mine}}})"));
  constexpr const char *kA = "outbound|443||a.example.com", *kB = "outbound|443||b.example.com";
  EXPECT_EQ(secrets(mesh, "istio-system/istio-ingressgateway-1", kA),
            "certificate=kubernetes://mine roots=kubernetes://mine-cacert");
  EXPECT_EQ(secrets(mesh, "default/nginx", kA), "roots=file-root:system");
  EXPECT_EQ(secrets(mesh, "default/nginx", kB), "roots=kubernetes://mine-cacert");
  std::string told = text_of(mesh.findings(), config::Severity::Warning);
  EXPECT_THAT(told, HasSubstr("DestinationRule default/a, spec\n  credentialName acts at gateways alone"));
  EXPECT_THAT(told, Not(HasSubstr("DestinationRule default/b")));
}

TEST(Gateway, APortThatItsServiceLacksIsTold) {
  Mesh mesh = Mesh::helloworld();
  mesh.store(
      documents("Gateway g: {selector: {istio: ingressgateway}, servers: [{port: {number: 80, name: a, protocol: "
                "HTTP}, hosts: ['*']}, {port: {number: 8099, name: b, protocol: HTTP}, hosts: ['*']}]}"));
  std::string told = text_of(mesh.findings(), config::Severity::Warning);
  EXPECT_THAT(told,
              HasSubstr("Gateway default/g, spec.servers[1].port.number\n  The gateway is listening on a target port "
                        "(port 8099) that is not defined in the Service"));
  EXPECT_THAT(told, HasSubstr("the Service istio-system/istio-ingressgateway has: 15021, 80, 443"));
  EXPECT_THAT(told, Not(HasSubstr("spec.servers[0]")));
}

TEST(ServiceEntry, OfAnotherNamespaceAddsNoIdentityToAHost) {
  constexpr const char* kCluster = "outbound|5000||helloworld.default.svc.cluster.local";
  Mesh mesh = Mesh::helloworld();
  const std::string own = "spiffe://cluster.local/ns/default/sa/default\n";
  EXPECT_EQ(identities(mesh, "default/nginx", kCluster), own);
  mesh.store(documents(R"(
    ServiceEntry data/a: {hosts: [helloworld.default.svc.cluster.local], location: MESH_INTERNAL, ports: [{number: 5000, name: http, protocol: HTTP}], resolution: STATIC, endpoints: [{address: 10.9.9.9, serviceAccount: thief}]}
    WorkloadEntry data/w: {address: 10.9.9.8, serviceAccount: thief})"));
  EXPECT_EQ(identities(mesh, "default/nginx", kCluster), own);
  EXPECT_EQ(identities(mesh, "data/db-0", kCluster), own);
}

TEST(PeerAuthentication, SaysTheModeOfPortsThatNoServiceNames) {
  Mesh mesh = Mesh::helloworld();
  mesh.store(
      documents("PeerAuthentication p: {selector: {matchLabels: {app: helloworld}}, mtls: {mode: STRICT}, "
                "portLevelMtls: {9999: {mode: DISABLE}, 5000: {mode: PERMISSIVE}}}"));
  EXPECT_THAT(refusals(mesh), IsEmpty());
  std::map<uint32_t, std::set<std::string>> transports;  // by port; 0: any other
  const auto listener = mesh.listener("default/helloworld-v1-1", "virtualInbound");
  for (const auto& chain : listener.filter_chains()) {
    const auto& match = chain.filter_chain_match();
    if (!match.transport_protocol().empty())
      transports[match.destination_port().value()].insert(match.transport_protocol() +
                                                          (chain.has_transport_socket() ? "+ends" : ""));
  }
  using Set = std::set<std::string>;
  EXPECT_EQ(transports[0], (Set{"tls+ends"}));
  EXPECT_EQ(transports[5000], (Set{"tls+ends", "raw_buffer"}));
  EXPECT_EQ(transports[9999], (Set{"tls", "raw_buffer"}));
}

}  // namespace
}  // namespace scenario
