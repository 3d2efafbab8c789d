// SPDX-License-Identifier: Apache-2.0
#include "agent/status.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>

#include "net/byte_stream.h"

namespace agent {

using base::Json;

constexpr std::string_view kPrometheus = "text/plain; version=0.0.4; charset=utf-8";

Status::Status(net::Loop& loop, const Environment& environment, Hooks hooks)
    : loop_(loop),
      environment_(environment),
      hooks_(std::move(hooks)),
      server_(loop, [this](std::shared_ptr<http::Exchange> exchange) { return answer(std::move(exchange)); }) {}

base::Result<void> Status::listen(const Ports& ports) {
  for (uint16_t port : {ports.health, ports.agent, ports.metrics}) {
    auto address = TRY(net::Address::parse("0.0.0.0", port));
    auto listening = server_.listen(address);
    if (!listening)
      return base::fail(listening.error().kind, "port " + std::to_string(port) + ": " + listening.error().message);
  }
  return {};
}

net::Task<void> Status::answer(std::shared_ptr<http::Exchange> exchange) {
  std::string path(exchange->request().path_only());
  if (path == "/healthz/ready") {
    bool ready = hooks_.ready();
    exchange->respond(ready ? 200 : 503, ready ? "" : "the proxy is not configured yet\n");
  } else if (path == "/stats/prometheus" || path == "/metrics") {
    co_await merge(exchange);
  } else if (environment_.probers.contains(path)) {
    co_await probe(exchange);
  } else {
    exchange->respond(404, "unknown path " + path + "\n");
  }
}

// 0 where it is no port; the injector wrote it, or the pod's author in its place.
static uint16_t port_of(const Json& action) {
  const Json* port = base::find(action, "port");
  if (!port || !port->is_number_integer() || port->get<int64_t>() < 1 || port->get<int64_t>() > 65535) return 0;
  return port->get<uint16_t>();
}

// One HTTP request to this pod's own application. Headers of the probe's own are
// passed on; the host is the pod's address unless a header says otherwise.
static net::Task<base::Result<http::Response>> ask(net::Loop& loop, std::string host, Json action,
                                                   std::chrono::milliseconds limit) {
  http::ClientOptions options{.host = host, .port = port_of(action), .timeout = limit};
  options.connect_timeout = limit;
  if (base::text(action, "scheme") == "HTTPS") {
    // As the kubelet does: probes do not verify the application's certificate.
    net::TlsSettings tls{.verify_peer = false, .alpn = {"http/1.1"}};
    auto context = net::TlsContext::client(tls);
    if (!context) co_return std::unexpected(context.error());
    options.tls = std::move(*context);
  }
  http::Client client(loop, std::move(options));
  http::Request request;
  request.path = std::string(base::text(action, "path"));
  if (!request.path.starts_with('/')) request.path.insert(0, "/");
  if (const Json* headers = base::find(action, "httpHeaders"); headers && headers->is_array())
    for (const Json& header : *headers) {
      std::string name(base::text(header, "name"));
      for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      if (name == "host") {
        request.authority = base::text(header, "value");
      } else {
        request.headers.add(name, base::text(header, "value"));
      }
    }
  request.headers.add("user-agent", "kube-probe/seine");
  request.headers.add("connection", "close");
  auto response = co_await client.fetch(std::move(request));
  co_return response;
}

net::Task<void> Status::probe(std::shared_ptr<http::Exchange> exchange) {
  Json prober = environment_.probers[std::string(exchange->request().path_only())];
  const Json* seconds = base::find(prober, "timeoutSeconds");
  auto limit = std::chrono::milliseconds(
      seconds && seconds->is_number_integer() ? std::clamp<int64_t>(seconds->get<int64_t>(), 1, 3600) * 1000 : 1000);
  if (const Json* action = base::find(prober, "httpGet")) {
    auto response = co_await ask(loop_, environment_.ip, *action, limit);
    if (response) {
      exchange->respond(response->status, response->body);
    } else {
      exchange->respond(503, response.error().message + "\n");
    }
    co_return;
  }
  if (const Json* action = base::find(prober, "tcpSocket")) {
    auto address = net::Address::parse(environment_.ip, port_of(*action));
    if (!address) {
      exchange->respond(500, address.error().message + "\n");
      co_return;
    }
    net::ConnectOptions options{.timeout = limit};
    auto connected = co_await net::connect(loop_, *address, std::move(options));
    exchange->respond(connected ? 200 : 503, connected ? "" : connected.error().message + "\n");
    co_return;
  }
  exchange->respond(500, "this kind of probe is not supported through the sidecar\n");
}

net::Task<void> Status::merge(std::shared_ptr<http::Exchange> exchange) {
  http::Response response;
  response.headers.set("content-type", kPrometheus);
  response.body = co_await hooks_.metrics();
  // {"scrape":"true","path":"/metrics","port":"9080"}: what the pod asked for before the injector took its place.
  const char* text = std::getenv("ISTIO_PROMETHEUS_ANNOTATIONS");
  auto wanted = base::parse_json(text ? text : "{}");
  if (exchange->local().port() == 15020 && wanted && base::text(*wanted, "scrape") == "true") {
    std::string path(base::text(*wanted, "path"));
    Json action = {{"path", path.empty() ? "/metrics" : path},
                   {"port", std::atoi(std::string(base::text(*wanted, "port")).c_str())}};
    auto application = co_await ask(loop_, environment_.ip, std::move(action), std::chrono::seconds(5));
    if (application && application->status == 200) response.body += application->body;
  }
  exchange->respond(std::move(response));
}

}  // namespace agent
