// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include "proxy/runtime/harness.h"

// Who gets which connection upstream, with a whole proxy on sockets.
namespace proxy {
namespace {

using namespace proxy::testing;

constexpr const char* kAll = "              - {match: {prefix: /}, route: {cluster: c}}\n";

class Pools : public ::testing::Test {
 protected:
  std::string backend() const { return std::to_string(backend_.port()); }
  std::string metrics(Proxy& proxy) { return proxy.process().scrape().prometheus(); }

  net::Loop loop_;
  Backend backend_{loop_};
};

// Each client's connection has connections of its own, for these say where it comes from; `more` is of their cluster.
class PoolsOfKeys : public Pools {
 protected:
  std::string keyed(const std::string& more) const {
    const std::string inner =
        "  - name: inner\n    address: {pipe: {path: '" + path_ +
        "'}}\n"
        "    listener_filters: [{name: p, typed_config: {\"@type\": "
        "type.googleapis.com/envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol}}]\n"
        "    filter_chains: [{filters: [{name: h, typed_config: {\"@type\": "
        "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager, "
        "stat_prefix: i, route_config: {virtual_hosts: [{name: a, domains: ['*'], routes: [{match: {prefix: /}, "
        "direct_response: {status: 201}}]}]}, http_filters: [{name: r, typed_config: {\"@type\": "
        "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}]}}]}]\n";
    const std::string clusters =
        "  - name: c\n    type: STATIC\n" + more +
        "    transport_socket: {name: p, typed_config: {\"@type\": type.googleapis.com/"
        "envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport, "
        "transport_socket: {name: raw, typed_config: {\"@type\": "
        "type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer}}}}\n"
        "    load_assignment: {cluster_name: c, endpoints: [{lb_endpoints: [{endpoint: {address: {pipe: {path: '" +
        path_ + "'}}}}]}]}\n";
    std::string bootstrap = bootstrap_of(kAll, clusters);
    bootstrap.insert(bootstrap.find("  - name: main"), inner);
    return bootstrap;
  }
  ~PoolsOfKeys() override { unlink(path_.c_str()); }

 private:
  const std::string path_ = ::testing::TempDir() + "pool_test." + std::to_string(getpid()) + ".sock";
};

TEST_F(PoolsOfKeys, WhatAnotherClientsConnectionHoldsIsInNobodysWay) {
  Proxy proxy(loop_, keyed("    http2_protocol_options: {}\n"
                           "    circuit_breakers: {thresholds: [{max_connections: 1}]}\n"));
  for (int i = 0; i < 4; ++i) EXPECT_EQ(get(loop_, proxy.port(), "/").status, 201) << "client " << i;
}

TEST_F(PoolsOfKeys, ManyAtOnceAllGetTheirTurn) {
  constexpr int kClients = 24, kRequests = 5;
  for (const char* protocol : {"", "    http2_protocol_options: {}\n"}) {
    Proxy proxy(loop_, keyed(std::string(protocol) + "    max_requests_per_connection: 2\n"
                                                     "    circuit_breakers: {thresholds: [{max_connections: 2}]}\n"));
    int answered = 0, done = 0;
    auto ask = [&]() -> net::Task<void> {
      http::Client client(loop_, {.host = "127.0.0.1", .port = proxy.port(), .version = http::Version::Http2});
      for (int i = 0; i < kRequests; ++i) {
        http::Request request;
        request.path = "/";
        auto response = co_await client.fetch(std::move(request));
        answered += response && response->status == 201;
      }
      ++done;
    };
    auto all = [&]() -> net::Task<int> {
      for (int i = 0; i < kClients; ++i) net::spawn(ask());
      while (done < kClients) co_await net::sleep(loop_, std::chrono::milliseconds(5));
      co_return answered;
    };
    EXPECT_EQ(net::run_to_end(loop_, all()), kClients * kRequests) << protocol;
    for (int i = 0; i < 4; ++i) EXPECT_EQ(get(loop_, proxy.port(), "/").status, 201) << protocol;
    EXPECT_EQ(counted(proxy)["cluster.c.upstream_rq_pending_active"], 0) << protocol;
  }
}

TEST_F(Pools, EachPriorityHasItsOwnConnections) {
  Proxy proxy(loop_,
              bootstrap_of("              - {match: {prefix: /urgent}, route: {cluster: c, priority: HIGH}}\n" +
                               std::string(kAll),
                           cluster_at({backend()},
                                      "    circuit_breakers: {thresholds: [{max_connections: 1}, {priority: HIGH, "
                                      "max_connections: 1}]}\n")));
  auto connections = [&] {
    const std::string name = "envoy_cluster_upstream_cx_total{envoy_cluster_name=\"c\"} ", seen = metrics(proxy);
    const size_t at = seen.find(name);
    return at == seen.npos ? 0 : std::stoi(seen.substr(at + name.size()));
  };
  // Over one connection, which is one worker's.
  auto ask = [](const std::string& path, const std::string& more = "") {
    return "GET " + path + " HTTP/1.1\r\nhost: a\r\n" + more + "\r\n";
  };
  const std::string answers =
      raw(loop_, proxy.port(), ask("/") + ask("/urgent") + ask("/") + ask("/urgent", "connection: close\r\n"));
  EXPECT_EQ(backend_.requests, 4) << answers;
  EXPECT_EQ(connections(), 2);
  EXPECT_EQ(metrics(proxy).find("envoy_cluster_upstream_cx_overflow{envoy_cluster_name=\"c\"} 1"), std::string::npos);
}

TEST_F(Pools, EachProtocolHasItsOwnConnections) {
  using enum http::Version;
  bool holds = true;
  int ended = 0;
  auto serve = [&](std::shared_ptr<http::Exchange> exchange) -> net::Task<void> {
    while (holds && exchange->request().path == "/held") co_await net::sleep(loop_, std::chrono::milliseconds(2));
    exchange->respond(200, "");
  };
  http::Server server(loop_, serve);
  const std::string to = std::to_string(server.listen(*net::Address::parse("127.0.0.1", 0))->port());
  for (auto [held, asked] : {std::pair(Http1, Http2), std::pair(Http2, Http1)}) {
    Proxy proxy(loop_, bootstrap_of(kAll, cluster_at({to},
                                                     "    protocol_selection: USE_DOWNSTREAM_PROTOCOL\n"
                                                     "    http2_protocol_options: {}\n"
                                                     "    circuit_breakers: {thresholds: [{max_connections: 1}]}\n")));
    auto hold = [&]() -> net::Task<void> {
      http::Client client(loop_, {.host = "127.0.0.1", .port = proxy.port(), .version = held});
      http::Request request;
      request.path = "/held";
      (void)co_await client.fetch(std::move(request));
      ++ended;
    };
    auto end = [&]() -> net::Task<bool> {
      while (!ended) co_await net::sleep(loop_, std::chrono::milliseconds(2));
      co_return true;
    };
    holds = true;
    ended = 0;
    net::spawn(hold());
    EXPECT_EQ(get(loop_, proxy.port(), "/x", asked).status, 200);
    EXPECT_EQ(ended, 0) << "that one is held";
    holds = false;
    net::run_to_end(loop_, end());
  }
}

TEST_F(Pools, WhoWaitsForAConnectionThatEndsGetsTheNext) {
  Proxy proxy(
      loop_, bootstrap_of(kAll, cluster_at({backend()}, "    circuit_breakers: {thresholds: [{max_connections: 0}]}\n"),
                          "          codec_type: HTTP2\n"));
  http::Client client(loop_, {.host = "127.0.0.1", .port = proxy.port(), .version = http::Version::Http2});
  auto ask = [&](std::string path) -> net::Task<int> {
    http::Request request;
    request.path = std::move(path);
    auto response = co_await client.fetch(std::move(request));
    co_return response ? response->status : 0;
  };
  auto both = [&]() -> net::Task<bool> {  // over one connection, so of one worker
    net::spawn([](auto first) -> net::Task<void> { co_await std::move(first); }(ask("/close")));
    const int second = co_await ask("/x");
    co_return second == 200;
  };
  EXPECT_TRUE(net::run_to_end(loop_, both()));
  EXPECT_TRUE(net::run_to_end(loop_, both()));
}

}  // namespace
}  // namespace proxy
