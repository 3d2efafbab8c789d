// SPDX-License-Identifier: Apache-2.0
#include "translate/gateway.h"

#include <algorithm>

#include "mesh/hostname.h"

namespace translate {

std::string gateway_name(const mesh::GatewayServer& server) {
  return server.gateway->meta.ref.ns + "/" + server.gateway->meta.ref.name;
}

ServerKind kind_of(const mesh::GatewayServer& server) {
  using Tls = istio_api::ServerTLSSettings;
  const istio_api::Server& spec = spec_of(server);
  bool ends_tls = spec.has_tls() && spec.tls().mode() != Tls::PASSTHROUGH && spec.tls().mode() != Tls::AUTO_PASSTHROUGH;
  if (mesh::is_http(server.protocol)) return ServerKind::Http;
  if (server.protocol == mesh::Protocol::Https && ends_tls) return ServerKind::Https;
  return ends_tls && server.protocol == mesh::Protocol::Tls ? ServerKind::Tls : ServerKind::Passthrough;
}

std::string bind_of(const mesh::GatewayServer& server) {
  std::string bind = mesh::canonical_ip(spec_of(server).bind());
  return bind == "0.0.0.0" ? "" : bind;
}

std::string route_name(const mesh::GatewayServer& server) {
  const istio_api::Server& spec = spec_of(server);
  std::string bind = bind_of(server).empty() ? "" : "." + bind_of(server);
  if (kind_of(server) == ServerKind::Http) return "http." + std::to_string(server.listen_port) + bind;
  return "https." + std::to_string(server.port) + "." + spec.port().name() + "." + server.gateway->meta.ref.name + "." +
         server.gateway->meta.ref.ns + bind;
}

std::string_view host_part(std::string_view server_host) {
  size_t slash = server_host.find('/');
  return slash == std::string_view::npos ? server_host : server_host.substr(slash + 1);
}

std::vector<std::string> common_hosts(const config::VirtualService& virtual_service,
                                      const mesh::GatewayServer& server) {
  std::vector<std::string> out;
  for (const std::string& host : virtual_service.spec.hosts())
    for (const std::string& entry : spec_of(server).hosts()) {
      std::string_view offered = host_part(entry);
      if (offered.size() < entry.size()) {
        std::string_view ns = std::string_view(entry).substr(0, entry.size() - offered.size() - 1);
        if (ns == ".") ns = server.gateway->meta.ref.ns;
        if (ns != "*" && ns != virtual_service.meta.ref.ns) continue;
      }
      if (!mesh::overlaps(host, offered)) continue;
      std::string common(mesh::narrower(host, offered));
      if (std::ranges::find(out, common) == out.end()) out.push_back(std::move(common));
    }
  return out;
}

}  // namespace translate
