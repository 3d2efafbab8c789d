// SPDX-License-Identifier: Apache-2.0
#include "config/descriptions.h"

#include <google/protobuf/descriptor.h>

#include <map>
#include <string>

namespace config {

namespace {

#define NETWORKING "networking.v1alpha3."
#define SECURITY "security.v1beta1."
#define TELEMETRY "telemetry.v1alpha1."
#define EXTENSIONS "extensions.v1alpha1."

constexpr std::string_view kSelector =
    "Labels of the pods in this namespace that it is for; all of them without it. In the root namespace: of the mesh.";
constexpr std::string_view kTarget = "A Gateway, Service or other object that it is for, in place of a selector.";
constexpr std::string_view kTargets = "Gateways, Services or other objects that it is for, in place of a selector.";
constexpr std::string_view kExportTo = "Namespaces that see it: \".\" for this one, \"*\" for all, the default.";
constexpr std::string_view kMatchGateways = "Gateways for which alone the match is made; \"mesh\" stands for sidecars.";
constexpr std::string_view kMatchSource = "Labels of the client's pod.";
constexpr std::string_view kMatchPort = "The port that the client asked for.";
constexpr std::string_view kWeight = "The destination's share, in relation to the others' weights.";
constexpr std::string_view kPercentage = "The share of requests that are affected, 0 to 100; all without it.";

constexpr Description kDescriptions[] = {
    {NETWORKING "VirtualService", "", "Where requests for a host go: by path, header, weight and more."},
    {NETWORKING "VirtualService", "hosts",
     "The names that clients ask for: Services, DNS names, or \"*.\" before a domain."},
    {NETWORKING "VirtualService", "gateways",
     "Gateways that apply the routes, as NAME or NAMESPACE/NAME; \"mesh\", the default, stands for all sidecars."},
    {NETWORKING "VirtualService", "http", "Routes of HTTP, HTTP/2 and gRPC; the first that matches is taken."},
    {NETWORKING "VirtualService", "tls", "Routes of TLS that is passed through undecrypted, by its server name."},
    {NETWORKING "VirtualService", "tcp", "Routes of what is neither HTTP nor TLS, by port and address."},
    {NETWORKING "VirtualService", "exportTo", kExportTo},
    {NETWORKING "HTTPRoute", "name", "For logs and statistics."},
    {NETWORKING "HTTPRoute", "match", "Conditions, one of which has to hold; without any the route takes everything."},
    {NETWORKING "HTTPRoute", "route", "The destinations, each with its share by weight."},
    {NETWORKING "HTTPRoute", "redirect", "Answers with a redirect instead of a destination."},
    {NETWORKING "HTTPRoute", "directResponse", "Answers with a fixed status and body instead of a destination."},
    {NETWORKING "HTTPRoute", "delegate", "Another VirtualService, which has the routes below this match."},
    {NETWORKING "HTTPRoute", "rewrite", "Changes path and authority before the request goes on."},
    {NETWORKING "HTTPRoute", "timeout", "For the whole answer, tries included, e.g. 5s; none where it is not set."},
    {NETWORKING "HTTPRoute", "retries", "How often, and after which failures, a request is tried again."},
    {NETWORKING "HTTPRoute", "fault", "Delays or aborts some requests on purpose."},
    {NETWORKING "HTTPRoute", "mirror", "Gets a copy of the requests; its answers are thrown away."},
    {NETWORKING "HTTPRoute", "mirrors", "Several destinations of copies, each with its own share."},
    {NETWORKING "HTTPRoute", "mirrorPercent", "Superseded by mirrorPercentage."},
    {NETWORKING "HTTPRoute", "mirrorPercentage", "The share of requests that are copied, 0 to 100; all without it."},
    {NETWORKING "HTTPRoute", "corsPolicy", "Which pages of other origins may ask, and how."},
    {NETWORKING "HTTPRoute", "headers", "Changes headers of requests and answers."},
    {NETWORKING "HTTPMatchRequest", "name", "For logs and statistics."},
    {NETWORKING "HTTPMatchRequest", "uri", "The path: exact, prefix or regex."},
    {NETWORKING "HTTPMatchRequest", "scheme", "http or https, as the client asked."},
    {NETWORKING "HTTPMatchRequest", "method", "GET, POST and so on."},
    {NETWORKING "HTTPMatchRequest", "authority", "The host that the client asked for."},
    {NETWORKING "HTTPMatchRequest", "headers",
     "Headers by name in lower case, all of which have to match; an empty match asks for presence."},
    {NETWORKING "HTTPMatchRequest", "port", kMatchPort},
    {NETWORKING "HTTPMatchRequest", "sourceLabels", kMatchSource},
    {NETWORKING "HTTPMatchRequest", "gateways", kMatchGateways},
    {NETWORKING "HTTPMatchRequest", "queryParams", "Parameters of the query by name, all of which have to match."},
    {NETWORKING "HTTPMatchRequest", "ignoreUriCase", "Whether case does not matter in exact and prefix of uri."},
    {NETWORKING "HTTPMatchRequest", "withoutHeaders", "Headers that must not match."},
    {NETWORKING "HTTPMatchRequest", "sourceNamespace", "The namespace of the client's pod."},
    {NETWORKING "StringMatch", "exact", "The whole text, as it is."},
    {NETWORKING "StringMatch", "prefix", "What the text begins with."},
    {NETWORKING "StringMatch", "regex", "A regular expression (RE2) for the whole text."},
    {NETWORKING "HTTPRouteDestination", "destination", "The host, subset and port that requests are sent to."},
    {NETWORKING "HTTPRouteDestination", "weight", kWeight},
    {NETWORKING "HTTPRouteDestination", "headers", "Changes headers for this destination only."},
    {NETWORKING "RouteDestination", "destination", "The host, subset and port that connections are sent to."},
    {NETWORKING "RouteDestination", "weight", kWeight},
    {NETWORKING "Destination", "host",
     "A Service or the host of a ServiceEntry; a short name is one of this namespace."},
    {NETWORKING "Destination", "subset", "The name of a subset that the host's DestinationRule has."},
    {NETWORKING "Destination", "port", "The host's port; only needed where it has several."},
    {NETWORKING "PortSelector", "number", "The port's number."},
    {NETWORKING "HTTPRedirect", "uri", "The path to redirect to."},
    {NETWORKING "HTTPRedirect", "authority", "The host to redirect to."},
    {NETWORKING "HTTPRedirect", "scheme", "http or https."},
    {NETWORKING "HTTPRedirect", "port", "The port to redirect to."},
    {NETWORKING "HTTPRedirect", "redirectCode", "301, the default, 302, 303, 307 or 308."},
    {NETWORKING "HTTPDirectResponse", "status", "The status of the answer."},
    {NETWORKING "HTTPDirectResponse", "body", "The body of the answer, as string or as bytes in base64."},
    {NETWORKING "HTTPRewrite", "uri", "Takes the place of the path, or of the prefix that was matched."},
    {NETWORKING "HTTPRewrite", "authority", "Takes the place of the host."},
    {NETWORKING "HTTPRewrite", "uriRegexRewrite", "Changes the path by a regular expression."},
    {NETWORKING "HTTPRetry", "attempts", "How often a request is tried again; 0 for never."},
    {NETWORKING "HTTPRetry", "perTryTimeout", "For each try by itself, e.g. 2s; the route's timeout without it."},
    {NETWORKING "HTTPRetry", "retryOn", "Failures after which it is tried again, as Envoy names them, with commas."},
    {NETWORKING "HTTPFaultInjection", "delay", "Holds requests back before they go on."},
    {NETWORKING "HTTPFaultInjection", "abort", "Answers requests with an error; they do not go on."},
    {NETWORKING "HTTPFaultInjection.Delay", "fixedDelay", "How long, e.g. 5s."},
    {NETWORKING "HTTPFaultInjection.Delay", "percentage", kPercentage},
    {NETWORKING "HTTPFaultInjection.Abort", "httpStatus", "The status of the answer."},
    {NETWORKING "HTTPFaultInjection.Abort", "grpcStatus", "The status of the answer to gRPC, by name."},
    {NETWORKING "HTTPFaultInjection.Abort", "percentage", kPercentage},
    {NETWORKING "Percent", "value", "0 to 100."},
    {NETWORKING "HTTPMirrorPolicy", "destination", "Who gets the copies."},
    {NETWORKING "HTTPMirrorPolicy", "percentage", kPercentage},
    {NETWORKING "CorsPolicy", "allowOrigins", "Origins that may ask."},
    {NETWORKING "CorsPolicy", "allowMethods", "Methods that they may use."},
    {NETWORKING "CorsPolicy", "allowHeaders", "Headers that they may send."},
    {NETWORKING "CorsPolicy", "exposeHeaders", "Headers of the answer that pages may read."},
    {NETWORKING "CorsPolicy", "maxAge", "How long browsers may remember the answer to a preflight."},
    {NETWORKING "CorsPolicy", "allowCredentials", "Whether cookies and the like may be sent along."},
    {NETWORKING "Headers", "request", "Of the request, before it goes on."},
    {NETWORKING "Headers", "response", "Of the answer, before it goes back."},
    {NETWORKING "Headers.HeaderOperations", "set", "Headers that get this value in place of any that they had."},
    {NETWORKING "Headers.HeaderOperations", "add", "Headers that get this value besides those that they had."},
    {NETWORKING "Headers.HeaderOperations", "remove", "Names of headers that are taken off."},
    {NETWORKING "TLSRoute", "match", "Conditions, one of which has to hold."},
    {NETWORKING "TLSRoute", "route", "The destinations, each with its share by weight."},
    {NETWORKING "TLSMatchAttributes", "sniHosts", "Server names that the client asks for; each is one of hosts."},
    {NETWORKING "TLSMatchAttributes", "port", kMatchPort},
    {NETWORKING "TLSMatchAttributes", "gateways", kMatchGateways},
    {NETWORKING "TCPRoute", "match", "Conditions, one of which has to hold; without any it takes everything."},
    {NETWORKING "TCPRoute", "route", "The destinations, each with its share by weight."},
    {NETWORKING "L4MatchAttributes", "port", kMatchPort},
    {NETWORKING "L4MatchAttributes", "sourceLabels", kMatchSource},
    {NETWORKING "L4MatchAttributes", "gateways", kMatchGateways},

    {NETWORKING "DestinationRule", "", "How clients treat a host: versions, balancing, limits, TLS."},
    {NETWORKING "DestinationRule", "host", "The Service, or host of a ServiceEntry, that it is about."},
    {NETWORKING "DestinationRule", "trafficPolicy", "Balancing, connections, outliers and TLS, for all subsets."},
    {NETWORKING "DestinationRule", "subsets", "Named parts of the host's pods, by label: its versions, for instance."},
    {NETWORKING "DestinationRule", "exportTo", kExportTo},
    {NETWORKING "DestinationRule", "workloadSelector", "Labels of the client pods that heed it; all without it."},
    {NETWORKING "Subset", "name", "What routes call it."},
    {NETWORKING "Subset", "labels", "Labels that a pod has to carry to be of it."},
    {NETWORKING "Subset", "trafficPolicy", "Goes before the rule's own policy."},
    {NETWORKING "TrafficPolicy", "loadBalancer", "How an endpoint is chosen."},
    {NETWORKING "TrafficPolicy", "connectionPool", "Limits of connections and requests."},
    {NETWORKING "TrafficPolicy", "outlierDetection", "When an endpoint that fails is left out for a while."},
    {NETWORKING "TrafficPolicy", "tls", "How connections to the host are encrypted."},
    {NETWORKING "TrafficPolicy", "portLevelSettings", "The same for single ports; nothing is inherited from above."},
    {NETWORKING "TrafficPolicy", "tunnel", "Wraps connections in requests to a proxy."},
    {NETWORKING "LoadBalancerSettings", "simple", "LEAST_REQUEST, the default, RANDOM, ROUND_ROBIN or PASSTHROUGH."},
    {NETWORKING "LoadBalancerSettings", "consistentHash",
     "Keeps requests that are alike in something with one endpoint."},
    {NETWORKING "LoadBalancerSettings", "localityLbSetting", "How regions and zones are preferred."},
    {NETWORKING "ConnectionPoolSettings", "tcp", "Limits of connections."},
    {NETWORKING "ConnectionPoolSettings", "http", "Limits of requests."},
    {NETWORKING "ConnectionPoolSettings.TCPSettings", "maxConnections", "Connections at once to the host, at most."},
    {NETWORKING "ConnectionPoolSettings.TCPSettings", "connectTimeout", "For making a connection; 10s by default."},
    {NETWORKING "ConnectionPoolSettings.HTTPSettings", "http1MaxPendingRequests",
     "Requests that wait for a connection, at most."},
    {NETWORKING "ConnectionPoolSettings.HTTPSettings", "http2MaxRequests", "Requests at once to the host, at most."},
    {NETWORKING "ConnectionPoolSettings.HTTPSettings", "maxRequestsPerConnection",
     "After how many requests a connection is closed; 1 turns keep-alive off."},
    {NETWORKING "ConnectionPoolSettings.HTTPSettings", "maxRetries", "Tries again at once to the host, at most."},
    {NETWORKING "OutlierDetection", "consecutive5xxErrors", "Answers of 5xx in a row that leave an endpoint out."},
    {NETWORKING "OutlierDetection", "consecutiveGatewayErrors",
     "Answers of 502, 503 or 504 in a row that leave an endpoint out."},
    {NETWORKING "OutlierDetection", "interval", "How often it is looked; 10s by default."},
    {NETWORKING "OutlierDetection", "baseEjectionTime", "How long the first time; each further time is longer."},
    {NETWORKING "OutlierDetection", "maxEjectionPercent",
     "The share of endpoints that may be left out; 10 by default."},
    {NETWORKING "ClientTLSSettings", "mode",
     "DISABLE, SIMPLE, MUTUAL (own certificate), or ISTIO_MUTUAL (the mesh's certificates)."},
    {NETWORKING "ClientTLSSettings", "clientCertificate", "A file of the pod with the own certificate, for MUTUAL."},
    {NETWORKING "ClientTLSSettings", "privateKey", "A file of the pod with its key, for MUTUAL."},
    {NETWORKING "ClientTLSSettings", "caCertificates", "A file of the pod with the authorities to trust."},
    {NETWORKING "ClientTLSSettings", "credentialName", "A Secret with certificate and key, in place of files."},
    {NETWORKING "ClientTLSSettings", "subjectAltNames", "Names, one of which the host's certificate has to have."},
    {NETWORKING "ClientTLSSettings", "sni", "The server name to ask for."},

    {NETWORKING "Gateway", "", "Ports of a gateway's pods, and the hosts that they serve."},
    {NETWORKING "Gateway", "servers", "The ports, each with its hosts and its TLS."},
    {NETWORKING "Gateway", "selector", "Labels of the gateway's pods, e.g. istio: ingressgateway."},
    {NETWORKING "Server", "port", "The port to listen on."},
    {NETWORKING "Server", "hosts", "Hosts that are served, each as NAME or NAMESPACE/NAME; \"*\" for all."},
    {NETWORKING "Server", "tls", "Certificates, or what else is done with TLS."},
    {NETWORKING "Server", "name", "For statistics; unique where it is set."},
    {NETWORKING "Server", "bind", "The address to listen on; all without it."},
    {NETWORKING "Port", "number", "The port's number."},
    {NETWORKING "Port", "protocol", "HTTP, HTTPS, HTTP2, GRPC, TLS or TCP."},
    {NETWORKING "Port", "name", "A label for it."},
    {NETWORKING "ServerTLSSettings", "mode",
     "SIMPLE, MUTUAL (clients need certificates), PASSTHROUGH (it stays encrypted), ISTIO_MUTUAL or others."},
    {NETWORKING "ServerTLSSettings", "credentialName",
     "The Secret with certificate and key, in the gateway's namespace."},
    {NETWORKING "ServerTLSSettings", "httpsRedirect", "Whether plain HTTP is redirected to HTTPS."},
    {NETWORKING "ServerTLSSettings", "serverCertificate", "A file of the gateway's pod with the certificate."},
    {NETWORKING "ServerTLSSettings", "privateKey", "A file of the gateway's pod with its key."},
    {NETWORKING "ServerTLSSettings", "caCertificates", "A file with the authorities that clients' certificates need."},
    {NETWORKING "ServerTLSSettings", "minProtocolVersion", "The oldest version of TLS; TLSV1_2 by default."},
    {NETWORKING "ServerTLSSettings", "maxProtocolVersion", "The newest version of TLS."},
    {NETWORKING "ServerTLSSettings", "cipherSuites", "Cipher suites that may be used; Envoy's defaults without them."},

    {NETWORKING "ServiceEntry", "", "A service that Kubernetes does not know, made known to the mesh."},
    {NETWORKING "ServiceEntry", "hosts", "The names that clients ask for."},
    {NETWORKING "ServiceEntry", "addresses", "Virtual addresses by which it is told apart, where the name cannot."},
    {NETWORKING "ServiceEntry", "ports", "Its ports, each with its protocol."},
    {NETWORKING "ServiceEntry", "location", "MESH_EXTERNAL, or MESH_INTERNAL for workloads that speak mutual TLS."},
    {NETWORKING "ServiceEntry", "resolution",
     "How addresses are found: NONE (the client's own), STATIC (endpoints), DNS or DNS_ROUND_ROBIN."},
    {NETWORKING "ServiceEntry", "endpoints", "The addresses that serve it; names for resolution DNS."},
    {NETWORKING "ServiceEntry", "workloadSelector", "Labels of pods and WorkloadEntries that serve it."},
    {NETWORKING "ServiceEntry", "exportTo", kExportTo},
    {NETWORKING "ServiceEntry", "subjectAltNames", "Names that the server's certificate has to have."},
    {NETWORKING "ServicePort", "number", "The port that clients use."},
    {NETWORKING "ServicePort", "protocol", "HTTP, HTTPS, HTTP2, GRPC, MONGO, TLS or TCP."},
    {NETWORKING "ServicePort", "name", "A label for it; unique in the ServiceEntry."},
    {NETWORKING "ServicePort", "targetPort", "The endpoints' port, where it is another one."},

    {NETWORKING "Sidecar", "", "What sidecars of a namespace know of the rest of the mesh, and take in."},
    {NETWORKING "Sidecar", "workloadSelector", "Labels of the pods that it is for; all of the namespace without it."},
    {NETWORKING "Sidecar", "ingress", "Ports of the pod that take requests; without any: those of its containers."},
    {NETWORKING "Sidecar", "egress", "Hosts that the pod may reach by the mesh's routes."},
    {NETWORKING "Sidecar", "inboundConnectionPool", "Limits of connections and requests that come in."},
    {NETWORKING "Sidecar", "outboundTrafficPolicy", "What happens to traffic for hosts that nobody knows."},
    {NETWORKING "IstioEgressListener", "hosts", "Hosts as NAMESPACE/NAME; \".\" is this namespace, \"*\" is all."},
    {NETWORKING "IstioEgressListener", "port", "The port that it is about; all without it."},
    {NETWORKING "IstioIngressListener", "port", "The port to listen on."},
    {NETWORKING "IstioIngressListener", "defaultEndpoint", "Where in the pod it goes, e.g. 127.0.0.1:8080."},
    {NETWORKING "OutboundTrafficPolicy", "mode", "ALLOW_ANY, or REGISTRY_ONLY: only hosts that the mesh knows."},

    {NETWORKING "WorkloadEntry", "", "A workload that is no pod, such as a virtual machine."},
    {NETWORKING "WorkloadEntry", "address", "Its IP address, or a DNS name."},
    {NETWORKING "WorkloadEntry", "ports", "Its ports by name, where they are not the service's."},
    {NETWORKING "WorkloadEntry", "labels", "Labels by which selectors and subsets find it."},
    {NETWORKING "WorkloadEntry", "network", "The network that it is in, where not all reach each other."},
    {NETWORKING "WorkloadEntry", "locality", "REGION/ZONE/SUBZONE."},
    {NETWORKING "WorkloadEntry", "weight", "Its share in relation to the others'."},
    {NETWORKING "WorkloadEntry", "serviceAccount", "The account in whose name its certificate is."},
    {NETWORKING "WorkloadGroup", "", "What workloads that register themselves look like."},
    {NETWORKING "WorkloadGroup", "metadata", "Labels and annotations of their WorkloadEntries."},
    {NETWORKING "WorkloadGroup", "template", "The WorkloadEntry to make for each."},
    {NETWORKING "WorkloadGroup", "probe", "How their health is checked."},

    {NETWORKING "EnvoyFilter", "", "Changes to the configuration that proxies get, in Envoy's own terms."},
    {NETWORKING "EnvoyFilter", "workloadSelector", "Labels of the pods whose proxies get them; all without it."},
    {NETWORKING "EnvoyFilter", "targetRefs", kTargets},
    {NETWORKING "EnvoyFilter", "configPatches", "The changes, in the order in which they are made."},
    {NETWORKING "EnvoyFilter", "priority", "Of several objects, that of the lowest number changes first."},
    {NETWORKING "EnvoyFilter.EnvoyConfigObjectPatch", "applyTo",
     "The kind of thing that is changed, e.g. HTTP_FILTER."},
    {NETWORKING "EnvoyFilter.EnvoyConfigObjectPatch", "match", "Which of these."},
    {NETWORKING "EnvoyFilter.EnvoyConfigObjectPatch", "patch", "What is done, and with which value."},
    {"networking.v1beta1.ProxyConfig", "", "How proxies run."},
    {"networking.v1beta1.ProxyConfig", "selector", kSelector},
    {"networking.v1beta1.ProxyConfig", "concurrency", "Worker threads; 0 for one a core."},
    {"networking.v1beta1.ProxyConfig", "environmentVariables", "More variables for the proxy's environment."},
    {"networking.v1beta1.ProxyConfig", "image", "The variant of the proxy's image."},

    {SECURITY "AuthorizationPolicy", "", "Who may ask what of these workloads."},
    {SECURITY "AuthorizationPolicy", "selector", kSelector},
    {SECURITY "AuthorizationPolicy", "targetRef", kTarget},
    {SECURITY "AuthorizationPolicy", "targetRefs", kTargets},
    {SECURITY "AuthorizationPolicy", "rules",
     "Descriptions of requests, one of which has to fit. No rules fit nothing: an ALLOW without any denies all."},
    {SECURITY "AuthorizationPolicy", "action",
     "ALLOW, the default, DENY, which goes before ALLOW, AUDIT, or CUSTOM, which goes before both."},
    {SECURITY "AuthorizationPolicy", "provider", "Who is asked, for CUSTOM."},
    {SECURITY "Rule", "from", "Sources, one of which has to fit; all without any."},
    {SECURITY "Rule", "to", "Operations, one of which has to fit; all without any."},
    {SECURITY "Rule", "when", "Further conditions, all of which have to hold."},
    {SECURITY "Rule.From", "source", "Who asks."},
    {SECURITY "Rule.To", "operation", "What is asked."},
    {SECURITY "Source", "principals", "Identities of mutual TLS: cluster.local/ns/NAMESPACE/sa/ACCOUNT."},
    {SECURITY "Source", "requestPrincipals", "Identities of tokens: ISSUER/SUBJECT."},
    {SECURITY "Source", "namespaces", "Namespaces, known by mutual TLS."},
    {SECURITY "Source", "serviceAccounts", "Accounts as NAME or NAMESPACE/NAME, known by mutual TLS."},
    {SECURITY "Source", "ipBlocks", "Addresses of the connection."},
    {SECURITY "Source", "remoteIpBlocks", "Addresses of the first client, as far as proxies before are trusted."},
    {SECURITY "Operation", "hosts", "Hosts that the request is for."},
    {SECURITY "Operation", "ports", "Ports of the workload."},
    {SECURITY "Operation", "methods", "GET, POST and so on; always POST for gRPC."},
    {SECURITY "Operation", "paths", "Paths, with \"*\" at one end, or templates with {*} and {**}."},
    {SECURITY "Condition", "key", "What is looked at, e.g. request.headers[x-token] or request.auth.claims[group]."},
    {SECURITY "Condition", "values", "Values, one of which it has to have."},
    {SECURITY "Condition", "notValues", "Values, none of which it may have."},
    {SECURITY "PeerAuthentication", "", "Whether workloads take connections without mutual TLS."},
    {SECURITY "PeerAuthentication", "selector", kSelector},
    {SECURITY "PeerAuthentication", "mtls", "For all ports that portLevelMtls does not name."},
    {SECURITY "PeerAuthentication", "portLevelMtls", "For single ports of the workload, by number; needs a selector."},
    {SECURITY "PeerAuthentication.MutualTLS", "mode",
     "STRICT, PERMISSIVE (both are taken), DISABLE, or UNSET: as above."},
    {SECURITY "RequestAuthentication", "", "Which tokens (JWT) workloads know, and how they are checked."},
    {SECURITY "RequestAuthentication", "selector", kSelector},
    {SECURITY "RequestAuthentication", "targetRef", kTarget},
    {SECURITY "RequestAuthentication", "targetRefs", kTargets},
    {SECURITY "RequestAuthentication", "jwtRules",
     "Issuers of tokens. A wrong token is refused; none passes: an AuthorizationPolicy asks for one."},
    {SECURITY "JWTRule", "issuer", "Who issued the token, as its claim iss says."},
    {SECURITY "JWTRule", "audiences", "For whom it may be; one has to be in its claim aud."},
    {SECURITY "JWTRule", "jwksUri", "Where the issuer's keys are."},
    {SECURITY "JWTRule", "jwks", "The issuer's keys themselves."},
    {SECURITY "JWTRule", "fromHeaders", "Headers that may have the token, in place of Authorization."},
    {SECURITY "JWTRule", "fromParams", "Parameters of the query that may have it."},
    {SECURITY "JWTRule", "forwardOriginalToken", "Whether the application gets the token, too."},
    {SECURITY "JWTRule", "outputPayloadToHeader", "A header that gets the token's claims, in base64."},
    {SECURITY "JWTRule", "outputClaimToHeaders", "Headers that get single claims."},
    {"type.v1beta1.WorkloadSelector", "matchLabels", "Labels that a pod has to carry with these values."},
    {"type.v1beta1.PolicyTargetReference", "group", "The object's API group, e.g. gateway.networking.k8s.io."},
    {"type.v1beta1.PolicyTargetReference", "kind", "The object's kind."},
    {"type.v1beta1.PolicyTargetReference", "name", "The object's name, in this namespace."},
    {NETWORKING "WorkloadSelector", "labels", "Labels that a pod has to carry with these values."},

    {TELEMETRY "Telemetry", "", "What proxies measure, log and trace."},
    {TELEMETRY "Telemetry", "selector", kSelector},
    {TELEMETRY "Telemetry", "targetRef", kTarget},
    {TELEMETRY "Telemetry", "targetRefs", kTargets},
    {TELEMETRY "Telemetry", "tracing", "Which requests are traced, and who gets the spans."},
    {TELEMETRY "Telemetry", "metrics", "Metrics and their labels."},
    {TELEMETRY "Telemetry", "accessLogging", "Which requests are logged, and where."},
    {TELEMETRY "Tracing", "providers", "Who gets the spans, as named in the mesh's extensionProviders."},
    {TELEMETRY "Tracing", "randomSamplingPercentage", "The share of requests that are traced, 0 to 100."},
    {TELEMETRY "Tracing", "disableSpanReporting", "Whether no spans are sent."},
    {TELEMETRY "Tracing", "customTags", "More tags of each span."},
    {TELEMETRY "Metrics", "providers", "Who gets them, as named in the mesh's extensionProviders."},
    {TELEMETRY "Metrics", "overrides", "Changes of single metrics and their labels."},
    {TELEMETRY "AccessLogging", "providers", "Where to, as named in the mesh's extensionProviders; envoy for stdout."},
    {TELEMETRY "AccessLogging", "disabled", "Whether nothing is logged."},
    {TELEMETRY "AccessLogging", "filter", "Which requests: a condition in CEL."},
    {TELEMETRY "AccessLogging", "match", "Of the client's side, the server's or both."},
    {TELEMETRY "ProviderRef", "name", "The provider's name."},

    {EXTENSIONS "WasmPlugin", "", "A filter in WebAssembly for proxies."},
    {EXTENSIONS "WasmPlugin", "selector", kSelector},
    {EXTENSIONS "WasmPlugin", "targetRef", kTarget},
    {EXTENSIONS "WasmPlugin", "targetRefs", kTargets},
    {EXTENSIONS "WasmPlugin", "url", "Where the module is: oci://, https:// or file://."},
    {EXTENSIONS "WasmPlugin", "sha256", "The module's checksum."},
    {EXTENSIONS "WasmPlugin", "imagePullPolicy", "Whether the module is fetched anew each time."},
    {EXTENSIONS "WasmPlugin", "imagePullSecret", "A Secret with credentials for the registry."},
    {EXTENSIONS "WasmPlugin", "verificationKey", "A key that the module is signed with."},
    {EXTENSIONS "WasmPlugin", "pluginConfig", "What the module is given at its start."},
    {EXTENSIONS "WasmPlugin", "pluginName", "The name of one plugin among those in the module."},
    {EXTENSIONS "WasmPlugin", "phase", "Before which of the mesh's own filters it comes: AUTHN, AUTHZ or STATS."},
    {EXTENSIONS "WasmPlugin", "priority", "Of several in one phase, that of the highest number comes first."},
    {EXTENSIONS "WasmPlugin", "failStrategy", "FAIL_CLOSE, the default, FAIL_OPEN or FAIL_RELOAD."},
    {EXTENSIONS "WasmPlugin", "vmConfig", "Variables for the module's environment."},
    {EXTENSIONS "WasmPlugin", "match", "Which traffic it sees; all without any."},
    {EXTENSIONS "WasmPlugin", "type", "HTTP or NETWORK."},
};

using Fields = std::map<std::pair<std::string_view, std::string_view>, std::string_view>;

Fields fields() {
  Fields out;
  for (const Description& one : kDescriptions) out[{one.type, one.field}] = one.text;
  return out;
}

}  // namespace

std::span<const Description> descriptions() { return kDescriptions; }

std::string_view description_of(const google::protobuf::Descriptor& type, std::string_view field) {
  static const Fields kFields = fields();
  std::string_view name = type.full_name();
  if (name.starts_with("istio.")) name.remove_prefix(6);
  auto found = kFields.find({name, field});
  return found == kFields.end() ? std::string_view() : found->second;
}

void describe(const google::protobuf::Descriptor& type, base::Json& schema) {
  auto properties = schema.find("properties");
  if (properties == schema.end()) return;
  for (int i = 0; i < type.field_count(); ++i) {
    const google::protobuf::FieldDescriptor& field = *type.field(i);
    auto property = properties->find(field.json_name());
    if (property == properties->end()) continue;
    if (std::string_view text = description_of(type, field.json_name()); !text.empty())
      (*property)["description"] = text;
    const google::protobuf::Descriptor* below = field.message_type();
    if (below && field.is_map()) below = below->FindFieldByNumber(2)->message_type();
    if (!below) continue;
    base::Json* inner = &*property;
    if (field.is_map())
      inner = &(*property)["additionalProperties"];
    else if (field.is_repeated())
      inner = &(*property)["items"];
    describe(*below, *inner);
  }
}

}  // namespace config
