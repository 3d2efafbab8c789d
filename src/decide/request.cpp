// SPDX-License-Identifier: Apache-2.0
#include "decide/request.h"

#include "base/strings.h"

namespace decide {
namespace {

// An address for what is outside of the mesh (RFC 5737).
constexpr const char* kElsewhere = "198.51.100.1";

struct Url {
  std::string scheme, host, path;
  int port = 0;
};

base::Result<Url> parse_url(std::string_view text) {
  Url out;
  size_t scheme = text.find("://");
  out.scheme = scheme == std::string_view::npos ? "http" : text.substr(0, scheme);
  if (scheme != std::string_view::npos) text.remove_prefix(scheme + 3);
  size_t slash = text.find('/');
  out.path = slash == std::string_view::npos ? "/" : std::string(text.substr(slash));
  std::string_view authority = text.substr(0, slash);
  size_t colon = authority.rfind(':');
  bool has_port = colon != std::string_view::npos && authority.find(']', colon) == std::string_view::npos;
  out.host = authority.substr(0, has_port ? colon : std::string_view::npos);
  out.port = out.scheme == "https" ? 443 : 80;
  if (has_port) {
    auto port = base::parse_number<uint16_t>(authority.substr(colon + 1));
    if (!port) return base::fail(base::ErrorKind::Invalid, "\"" + std::string(authority) + "\" has no good port");
    out.port = *port;
  }
  if (out.host.empty()) return base::fail(base::ErrorKind::Invalid, "the URL names no host");
  return out;
}

const mesh::Service* service_named(const mesh::View& view, const std::string& host) {
  const std::string& domain = view.mesh().cluster_domain;
  for (const std::string& suffix :
       {std::string(), "." + view.proxy().ns + ".svc." + domain, ".svc." + domain, "." + domain})
    if (const mesh::Service* found = view.service(host + suffix)) return found;
  return nullptr;
}

std::string address_of(const mesh::View& view, const std::string& host, int port) {
  if (net::Address::parse(host, 0)) return host;
  const mesh::Service* service = service_named(view, host);
  if (!service) return kElsewhere;
  for (const std::string& address : service->addresses)
    if (address.find('/') == std::string::npos) return address;
  const auto& endpoints = view.endpoints(*service, port);
  return service->headless && !endpoints.empty() ? endpoints.front().address : kElsewhere;
}

int listen_port(const mesh::View& view, int port) {
  for (const mesh::GatewayServer& server : view.gateway_servers())
    if (server.port == port) return server.listen_port;
  return port;
}

}  // namespace

base::Result<Request> Request::parse(std::string_view text) {
  auto lines = base::split(text, '\n');
  Request out;
  std::string_view first = base::trim(lines.front());
  if (auto parts = base::cut(first, ' ')) {
    out.method = parts->first;
    out.url = base::trim(parts->second);
  } else {
    out.url = first;
  }
  for (size_t i = 1; i < lines.size(); ++i) {
    std::string_view line = base::trim(lines[i]);
    if (line.empty()) continue;
    auto header = base::cut(line, ':');
    if (!header) return base::fail(base::ErrorKind::Invalid, "\"" + std::string(line) + "\" is not a header");
    out.headers.emplace_back(base::trim(header->first), base::trim(header->second));
  }
  return out;
}

base::Result<Dialled> dial(const mesh::View& view, const Request& request) {
  Url url = TRY(parse_url(request.url));
  Dialled out;
  out.head.method = request.method;
  out.head.scheme = url.scheme;
  out.head.path = url.path;
  bool usual = url.port == (url.scheme == "https" ? 443 : 80);
  out.head.authority = usual ? url.host : url.host + ":" + std::to_string(url.port);
  for (const auto& [name, value] : request.headers) {
    if (base::equal_ignoring_case(name, "host"))
      out.head.authority = value;
    else
      out.head.headers.add(base::to_lower(name), value);
  }
  bool gateway = view.proxy().type != mesh::ProxyType::Sidecar;
  std::string ip = gateway && !view.proxy().addresses.empty() ? view.proxy().addresses.front()
                                                              : address_of(view, url.host, url.port);
  int port = gateway ? listen_port(view, url.port) : url.port;
  out.address = TRY(net::Address::parse(ip, static_cast<uint16_t>(port)));
  return out;
}

}  // namespace decide
