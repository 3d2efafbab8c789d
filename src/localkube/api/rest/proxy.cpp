// SPDX-License-Identifier: Apache-2.0
#include "base/strings.h"
#include "http/client.h"
#include "localkube/api/kinds/document.h"
#include "localkube/api/rest/front.h"
#include "localkube/api/rest/respond.h"

namespace localkube {

namespace {

using Stream = std::shared_ptr<http::ClientStream>;

const objects::Resource kPods{"", "v1", "pods"}, kServices{"", "v1", "services"},
    kSlices{"discovery.k8s.io", "v1", "endpointslices"};
constexpr std::chrono::seconds kMostWait{30};  // for the head of the pod's answer

// A pod may answer before it has the whole body; the answer counts then.
net::Task<void> copy_request(std::shared_ptr<http::Exchange> exchange, Stream stream) {
  for (;;) {
    auto piece = co_await exchange->read();
    if (!piece) {
      stream->reset();
      co_return;
    }
    if (!*piece) break;
    auto written = co_await stream->write(std::move(**piece));
    if (!written) co_return;
  }
  stream->finish();
}

// Piece by piece, as fast as the client takes them: nothing is gathered here.
net::Task<void> copy_answer(std::shared_ptr<http::Exchange> exchange, Stream stream, http::ResponseHead head) {
  http::ResponseHead answer;
  answer.status = head.status;
  for (const char* name : {"content-type", "content-length"})
    if (auto value = head.headers.get(name)) answer.headers.set(name, *value);
  exchange->start(std::move(answer));
  for (;;) {
    auto piece = co_await stream->read();
    if (!piece) {
      exchange->abort();
      co_return;
    }
    if (!*piece) break;
    auto written = co_await exchange->write(std::move(**piece));
    if (!written) co_return;
  }
  exchange->finish();
}

Refusal bad_name(std::string message) { return {.code = 400, .reason = "BadRequest", .message = std::move(message)}; }

// Where a request goes: a pod, and a port of it.
struct PodPort {
  std::string pod;
  uint16_t port = 0;
};

// The port that stands in the URL, else the first that the pod's containers name, else 80.
Answer<PodPort> port_of_pod(const Api& api, const std::string& ns, const ProxyName& named) {
  if (!named.port.empty()) {
    auto port = base::parse_number<uint16_t>(named.port);
    if (!port || *port == 0) return std::unexpected(bad_name("write the pod as NAME:PORT, the port as a number"));
    return PodPort{named.name, *port};
  }
  auto pod = api.peek(kPods, ns, named.name);
  if (pod)
    for (const Json& container : items(*pod, "spec", "containers"))
      for (const Json& port : items(container, "ports"))
        return PodPort{named.name, static_cast<uint16_t>(number(port, "containerPort"))};
  return PodPort{named.name, 80};
}

// A ready endpoint of the Service's port, which goes by name or number; a Service with one port needs none.
Answer<PodPort> port_of_service(const Api& api, const std::string& ns, const ProxyName& named) {
  auto service = api.peek(kServices, ns, named.name);
  if (!service) return std::unexpected(not_found(kServices, named.name));
  auto absent = [&](const std::string& what) {
    return std::unexpected(Refusal{.code = 503, .reason = "ServiceUnavailable", .message = what});
  };
  const Json& ports = items(*service, "spec", "ports");
  const Json* wanted = nullptr;
  for (const Json& port : ports)
    if (named.port == base::text(port, "name") || named.port == std::to_string(number(port, "port"))) wanted = &port;
  if (!wanted && named.port.empty() && ports.size() == 1) wanted = &ports[0];
  if (!wanted)
    return absent("no service port " + in_quotes(named.port) + " found for service " + in_quotes(named.name));
  for (const objects::Object& slice : api.list(kSlices, ns)) {
    if (slice.label("kubernetes.io/service-name") != named.name) continue;
    for (const Json& port : items(slice.json(), "ports")) {
      if (base::text(port, "name") != base::text(*wanted, "name")) continue;
      for (const Json& endpoint : items(slice.json(), "endpoints")) {
        const Json* ready = base::find(endpoint, "conditions", "ready");
        if ((ready && *ready == false) || base::text(endpoint, "targetRef", "kind") != "Pod") continue;
        return PodPort{string_at(endpoint, "targetRef", "name"), static_cast<uint16_t>(number(port, "port"))};
      }
    }
  }
  return absent("no endpoints available for service " + in_quotes(named.name));
}

}  // namespace

bool is_proxy(const ApiPath& path) {
  return path.group.empty() && path.rest.size() >= 5 && path.rest[0] == "namespaces" &&
         (path.rest[2] == "pods" || path.rest[2] == "services") && path.rest[4] == "proxy";
}

ProxyName proxy_name(std::string_view text) {
  auto parts = base::split(text, ':');
  if (parts.size() == 3) return {std::string(parts[0]), std::string(parts[1]), std::string(parts[2])};
  if (parts.size() == 2) return {"", std::string(parts[0]), std::string(parts[1])};
  return {"", std::string(text), ""};
}

net::Task<void> serve_proxy(Services& services, std::shared_ptr<http::Exchange> exchange, ApiPath path) {
  const std::string ns = path.rest[1];
  const ProxyName named = proxy_name(path.rest[3]);
  if (!named.scheme.empty() && named.scheme != "http") {
    respond_refusal(*exchange, bad_name("this machine's proxy speaks to pods in clear text: write NAME:PORT"));
    co_return;
  }
  if (!services.streams) {
    respond_refusal(*exchange, Refusal{.code = 503, .reason = "ServiceUnavailable", .message = "no pods are run here"});
    co_return;
  }
  Answer<PodPort> to = path.rest[2] == "pods" ? port_of_pod(services.registry, ns, named)
                                              : port_of_service(services.registry, ns, named);
  Answer<std::string> address;
  if (to)
    address = services.streams->dial_address(ns, to->pod, to->port);
  else
    address = std::unexpected(to.error());
  if (!address) {
    respond_refusal(*exchange, address.error());
    co_return;
  }
  auto target = net::Address::parse_host_port(*address);
  if (!target) {
    respond_refusal(*exchange, Refusal{.code = 500, .reason = "InternalError", .message = target.error().message});
    co_return;
  }
  http::ClientOptions options{.host = target->is_unix() ? *address : target->ip(), .port = target->port()};
  http::Client client(services.loop, std::move(options));
  http::RequestHead request;
  request.method = exchange->request().method;
  // What follows ".../proxy", as it was written.
  const std::string& whole = exchange->request().path;
  std::string marker = "/" + path.rest[2] + "/" + path.rest[3] + "/proxy";
  size_t at = whole.find(marker);
  request.path = at == whole.npos ? "/" : whole.substr(at + marker.size());
  if (!request.path.starts_with('/')) request.path.insert(0, "/");
  const bool has_body = request.method != "GET" && request.method != "HEAD";
  for (const char* header : {"accept", "content-type", "content-length"})
    if (auto value = exchange->request().headers.get(header); value && (has_body || header[0] == 'a'))
      request.headers.add(header, *value);
  auto opened = co_await client.open(std::move(request));
  std::string why = opened ? "" : opened.error().message;
  if (opened) {
    Stream stream = std::move(*opened);
    exchange->on_closed([stream] { stream->reset(); });
    net::Timer late(services.loop, [stream] { stream->reset(); });
    late.arm(kMostWait);
    if (has_body)
      net::spawn(copy_request(exchange, stream));
    else
      stream->finish();
    auto head = co_await stream->response();
    late.cancel();
    if (head) {
      co_await copy_answer(std::move(exchange), std::move(stream), std::move(*head));
      co_return;
    }
    why = head.error().message;
  }
  respond_refusal(*exchange, Refusal{.code = 503,
                                     .reason = "ServiceUnavailable",
                                     .message = "error trying to reach pod " + to->pod + ": " + why});
}

}  // namespace localkube
