// SPDX-License-Identifier: Apache-2.0
#include "proxy/stream/own_requests.h"

#include <cassert>

namespace proxy {

HttpConfig own_requests(std::string name, std::vector<Route> routes) {
  auto host = std::make_shared<VirtualHost>();
  host->name = std::move(name);
  host->domains = {"*"};
  host->routes = std::move(routes);
  auto table = std::make_shared<RouteTable>();
  auto added = table->add(std::move(host));
  assert(added);
  static_cast<void>(added);
  HttpConfig out;
  out.own_routes = std::move(table);
  out.client_cert = HttpConfig::ClientCert::AlwaysForwardOnly;
  out.server_header = HttpConfig::ServerHeader::PassThrough;
  out.request_ids = false;
  out.suppress_envoy_headers = true;
  return out;
}

}  // namespace proxy
