// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "config/specs.h"
#include "mesh/view.h"
#include "translate/envoy.h"

namespace translate {

inline const istio_api::Server& spec_of(const mesh::GatewayServer& server) {
  return server.gateway->spec.servers(server.index);
}

// "namespace/name", as VirtualServices name it.
std::string gateway_name(const mesh::GatewayServer& server);

// What a server does with its bytes.
enum class ServerKind {
  Http,        // plain HTTP, also with a redirect to HTTPS
  Https,       // HTTP over TLS that ends here
  Tls,         // TLS that ends here, TCP beyond
  Passthrough  // TCP, or TLS that goes through unopened
};
ServerKind kind_of(const mesh::GatewayServer& server);

// The address to listen at, in one spelling; empty: all of IPv4.
std::string bind_of(const mesh::GatewayServer& server);

// "http.8080", "https.443.https.edge.istio-system"
std::string route_name(const mesh::GatewayServer& server);

// The names that both a VirtualService and a server ask for: the narrower of
// each pair. Server hosts may carry a namespace: "ns/host", "./host", "*/host".
std::vector<std::string> common_hosts(const config::VirtualService& virtual_service, const mesh::GatewayServer& server);
// A server host without its namespace.
std::string_view host_part(std::string_view server_host);

}  // namespace translate
