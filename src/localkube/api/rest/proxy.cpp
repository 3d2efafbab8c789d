// SPDX-License-Identifier: Apache-2.0
#include "base/strings.h"
#include "http/client.h"
#include "localkube/api/rest/front.h"
#include "localkube/api/rest/respond.h"

namespace localkube {

bool is_pod_proxy(const ApiPath& path) {
  return path.group.empty() && path.rest.size() >= 5 && path.rest[0] == "namespaces" && path.rest[2] == "pods" &&
         path.rest[4] == "proxy";
}

// pods/NAME:PORT/proxy/PATH: asks the pod in the client's place, in clear text.
net::Task<void> serve_pod_proxy(Services& services, std::shared_ptr<http::Exchange> exchange, ApiPath path) {
  auto named = base::cut(path.rest[3], ':');
  std::string name(named ? named->first : path.rest[3]);
  auto port = base::parse_number<uint16_t>(named ? named->second : "80");
  if (!port || !services.streams) {
    respond_refusal(*exchange, Refusal{.code = 400,
                                       .reason = "BadRequest",
                                       .message = "write the pod as NAME:PORT, not " + base::to_lower(path.rest[3])});
    co_return;
  }
  auto address = services.streams->dial_address(path.rest[1], name, *port);
  if (!address) {
    respond_refusal(*exchange, address.error());
    co_return;
  }
  auto target = net::Address::parse_host_port(*address);
  std::string body;
  if (exchange->request().method != "GET" && exchange->request().method != "HEAD") {
    auto read = co_await exchange->read_all(3u << 20);
    if (read) body = std::move(*read);
  }
  if (!target) {
    respond_refusal(*exchange, Refusal{.code = 500, .reason = "InternalError", .message = target.error().message});
    co_return;
  }
  http::ClientOptions options{.host = target->is_unix() ? *address : target->ip(), .port = target->port()};
  http::Client client(services.loop, std::move(options));
  http::Request request;
  request.method = exchange->request().method;
  // What follows ".../proxy", as it was written.
  const std::string& whole = exchange->request().path;
  std::string marker = "/pods/" + path.rest[3] + "/proxy";
  size_t at = whole.find(marker);
  request.path = at == whole.npos ? "/" : whole.substr(at + marker.size());
  if (!request.path.starts_with('/')) request.path.insert(0, "/");
  if (auto accept = exchange->request().headers.get("accept")) request.headers.add("accept", *accept);
  if (auto type = exchange->request().headers.get("content-type")) request.headers.add("content-type", *type);
  request.body = std::move(body);
  auto response = co_await client.fetch(std::move(request));
  if (!response) {
    respond_refusal(*exchange,
                    Refusal{.code = 503,
                            .reason = "ServiceUnavailable",
                            .message = "error trying to reach pod " + name + ": " + response.error().message});
    co_return;
  }
  http::Response answer;
  answer.status = response->status;
  if (auto type = response->headers.get("content-type")) answer.headers.set("content-type", *type);
  answer.body = std::move(response->body);
  exchange->respond(std::move(answer));
}

}  // namespace localkube
