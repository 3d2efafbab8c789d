// SPDX-License-Identifier: Apache-2.0
#include "proxy/runtime/harness.h"

#include <csignal>

#include "base/strings.h"
#include "net/byte_stream.h"

namespace proxy::testing {

Backend::Backend(net::Loop& loop)
    : loop_(loop),
      server_(loop, [this](std::shared_ptr<http::Exchange> exchange) { return serve(*this, std::move(exchange)); }) {
  auto bound = server_.listen(*net::Address::parse("127.0.0.1", 0));
  EXPECT_TRUE(bound);
  address_ = *bound;
}

net::Task<void> Backend::serve(Backend& self, std::shared_ptr<http::Exchange> exchange) {
  ++self.requests;
  auto body = co_await exchange->read_all(64 << 20);
  if (!body) co_return;
  const http::RequestHead& request = exchange->request();
  std::string path(request.path_only());
  http::Response response;
  if (path.starts_with("/status/"))
    response.status = base::parse_number<int>(std::string_view(path).substr(8)).value_or(500);
  if (path.starts_with("/fail-first/") && self.seen_[path]++ == 0) response.status = 503;
  if (path == "/close") {
    exchange->abort();
    co_return;
  }
  if (path == "/slow") co_await net::sleep(self.loop_, std::chrono::hours(1));
  if (path == "/big") {
    response.body.assign(5'000'000, 'x');
  } else {
    response.body =
        request.method + " " + request.path + " host=" + request.authority + " body=" + std::to_string(body->size());
    if (exchange->is_http2()) response.body += " h2";
  }
  if (path.starts_with("/redirect/")) {
    response.status = 302;
    response.headers.add("location", std::string(request.headers.get("redirect-to").value_or(path.substr(10))));
  }
  self.last = response.body;
  for (auto field : request.headers) response.headers.add("echo-" + std::string(field.name), field.value);
  exchange->respond(std::move(response));
}

static void replace_all(std::string& text, std::string_view from, const std::string& to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
}

Proxy::Proxy(net::Loop& loop, std::string text, uint16_t backend, ProcessOptions options) {
  std::signal(SIGPIPE, SIG_IGN);  // as in the program: splice() to a socket that was reset raises it
  replace_all(text, "@backend", std::to_string(backend));
  replace_all(text, "@main", "0");
  auto bootstrap = parse_bootstrap(text);
  EXPECT_TRUE(bootstrap) << bootstrap.error().message;
  options.concurrency = 2;
  process_ = std::make_unique<Process>(loop, std::move(options), std::move(*bootstrap));
  auto started = process_->start();
  EXPECT_TRUE(started) << started.error().message;
}

uint16_t Proxy::port(const std::string& listener) const {
  for (const auto& [name, address] : process_->configuration().bound_addresses())
    if (name == listener) return address.port();
  ADD_FAILURE() << "no listener " << listener;
  return 0;
}

std::string cluster_of(const std::string& name, const std::string& port, const std::string& more) {
  return "  - name: " + name + "\n    type: STATIC\n    connect_timeout: 2s\n" + more +
         "    load_assignment: {cluster_name: " + name +
         ", endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: " +
         port + "}}}}]}]}\n";
}

std::string bootstrap_of(const std::string& routes, const std::string& clusters, const std::string& http_options,
                         const std::string& filters) {
  std::string chain = filters;
  if (chain.empty())
    chain =
        R"({name: envoy.filters.http.fault, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault}}
{name: envoy.filters.http.cors, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.cors.v3.Cors}}
)";
  std::string items;
  for (std::string_view line : base::split(chain, '\n'))
    if (!line.empty()) items += "          - " + std::string(line) + "\n";
  return R"(
static_resources:
  listeners:
  - name: main
    address: {socket_address: {address: 127.0.0.1, port_value: 0}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: main
)" + http_options +
         R"(
          http_filters:
)" + items +
         R"(          - name: envoy.filters.http.router
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
          route_config:
            name: local
            virtual_hosts:
            - name: all
              domains: ["*"]
              include_request_attempt_count: true
              routes:
)" + routes +
         "\n  clusters:\n" + clusters;
}

static net::Task<base::Result<http::Response>> fetch_once(net::Loop& loop, uint16_t port, http::Request request,
                                                          http::Version version) {
  http::ClientOptions options{.host = "127.0.0.1", .port = port, .version = version};
  http::Client client(loop, std::move(options));
  auto response = co_await client.fetch(std::move(request));
  co_return response;
}

std::string cluster_at(const std::vector<std::string>& ports, const std::string& more, const std::string& type,
                       const std::string& host) {
  std::string endpoints;
  for (const std::string& port : ports)
    endpoints += (endpoints.empty() ? "" : ", ") +
                 ("{endpoint: {address: {socket_address: {address: " + host + ", port_value: ") + port + "}}}}";
  return "  - name: c\n    type: " + type + "\n    connect_timeout: 2s\n" + more +
         "    load_assignment: {cluster_name: c, endpoints: [{lb_endpoints: [" + endpoints + "]}]}\n";
}

http::Response fetch(net::Loop& loop, uint16_t port, http::Request request, http::Version version) {
  auto response = net::run_to_end(loop, fetch_once(loop, port, std::move(request), version));
  EXPECT_TRUE(response) << response.error().message;
  return response ? std::move(*response) : http::Response{};
}

http::Response get(net::Loop& loop, uint16_t port, const std::string& path, http::Version version) {
  http::Request request;
  request.path = path;
  return fetch(loop, port, std::move(request), version);
}

std::string bytes(size_t size) { return std::string(size, 'b'); }

static net::Task<std::string> raw_exchange(net::Loop& loop, uint16_t port, std::string bytes) {
  auto address = net::Address::parse("127.0.0.1", port);
  net::ConnectOptions options;
  auto stream = co_await net::connect(loop, *address, std::move(options));
  if (!stream) co_return "cannot connect";
  auto written = co_await (*stream)->write(std::move(bytes));
  std::string out;
  while (written) {
    auto piece = co_await (*stream)->read();
    if (!piece || !*piece) break;
    out += **piece;
  }
  co_return out;
}

std::map<std::string, double> counted(Proxy& proxy) {
  std::map<std::string, double> out;
  for (const auto& stat : proxy.process().scrape().stats()) out[stat.name] = stat.value;
  return out;
}

std::string raw(net::Loop& loop, uint16_t port, std::string bytes) {
  return net::run_to_end(loop, raw_exchange(loop, port, std::move(bytes)));
}

}  // namespace proxy::testing
