// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "mesh/view.h"

namespace decide {

struct Request {
  std::string method = "GET";
  std::string url;  // "http://helloworld.default:5000/hello"
  std::vector<std::pair<std::string, std::string>> headers;

  // "GET http://helloworld:5000/hello", with "Name: value" lines after it.
  static base::Result<Request> parse(std::string_view text);
};

// One destination and its part of the requests.
struct Share {
  std::string cluster;
  uint32_t weight = 1;
  bool known = false;  // there is such a cluster
  std::vector<std::string> endpoints;
};

// What a proxy does with one request, and whose rule says so.
struct Decision {
  int status = 0;   // what the proxy itself answers; 0: it forwards
  std::string why;  // Envoy's response flag: NR (no route), NC (no cluster), UH (no endpoint)
  std::string body;
  std::string location;  // of a redirect
  std::string listener, chain, route_table, virtual_host, route;
  std::string origin;  // "/apis/networking.istio.io/v1/namespaces/default/virtual-service/reviews"
  std::vector<Share> shares;
  std::string authority, path;           // as they go upstream
  std::chrono::milliseconds timeout{0};  // 0: none
  uint32_t retries = 0;
  bool tcp = false;  // bytes are passed on unread
};

// Runs the request through the configuration that the proxy of `view` would be
// sent, compiled by the proxy's own code. No socket, no clock; where weights
// decide, all shares are told. The error says what did not compile.
base::Result<Decision> decide(const mesh::View& view, const Request& request);

}  // namespace decide
