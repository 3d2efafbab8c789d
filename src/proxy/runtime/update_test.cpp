// SPDX-License-Identifier: Apache-2.0
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <thread>

#include "proxy/admin/dump.h"
#include "proxy/runtime/harness.h"

// What happens as the configuration changes while the proxy serves.
namespace proxy {
namespace {

using namespace proxy::testing;

std::string listener_of(const std::string& address, const std::string& routes, const std::string& server = "one") {
  return R"(
name: dynamic
address: {socket_address: {)" +
         address + R"(}}
filter_chains:
- filters:
  - name: http
    typed_config:
      "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
      stat_prefix: d
      server_name: )" +
         server + R"(
      rds: {route_config_name: )" +
         routes + R"(, config_source: {ads: {}}}
      http_filters: [{name: router, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}]
)";
}

std::string routes_of(const std::string& name, const std::string& cluster) {
  return "{name: " + name +
         ", virtual_hosts: [{name: all, domains: ['*'], routes: [{match: {prefix: /}, route: {cluster: " + cluster +
         "}}]}]}";
}

class Updates : public ::testing::Test {
 protected:
  std::vector<Rejection> send(Proxy& proxy, Kind kind, const std::string& name, const std::string& yaml) {
    google::protobuf::Any any;
    auto fill = [&]<typename Message>(Message message) {
      auto filled = read_message(yaml, message, UnknownFields::Refuse);
      EXPECT_TRUE(filled) << filled.error().message;
      any.PackFrom(message);
    };
    switch (kind) {
      case Kind::Listener:
        fill(envoy::config::listener::v3::Listener());
        break;
      case Kind::Cluster:
        fill(envoy::config::cluster::v3::Cluster());
        break;
      case Kind::RouteTable:
        fill(envoy::config::route::v3::RouteConfiguration());
        break;
      case Kind::Endpoints:
        fill(envoy::config::endpoint::v3::ClusterLoadAssignment());
        break;
      default:
        break;
    }
    Resource resource{.name = name, .version = "1", .body = any};
    return proxy.process().configuration().update(kind, std::span(&resource, 1), {});
  }
  std::string endpoints(const std::string& cluster, uint16_t port) {
    return "{cluster_name: " + cluster +
           ", endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: " +
           std::to_string(port) + "}}}}]}]}";
  }
  std::string eds(const std::string& name) {
    return "{name: " + name + ", type: EDS, eds_cluster_config: {eds_config: {ads: {}}}}";
  }

  net::Loop loop_;
  Backend backend_{loop_};
  int asked_ = 0;
};

TEST_F(Updates, AListenerServesOnceItsRoutesAndClustersAreThere) {
  Proxy proxy(loop_, "{}", 0);
  Configuration& configuration = proxy.process().configuration();
  std::set<std::string> wanted[kResourceKinds];
  configuration.on_wanted = [&](Kind kind, const std::set<std::string>& names) {
    wanted[static_cast<size_t>(kind)] = names;
  };
  EXPECT_TRUE(send(proxy, Kind::Cluster, "c", eds("c")).empty());
  EXPECT_EQ(wanted[static_cast<size_t>(Kind::Endpoints)], std::set<std::string>{"c"});
  EXPECT_TRUE(send(proxy, Kind::Listener, "dynamic", listener_of("address: 127.0.0.1, port_value: 0", "r")).empty());
  EXPECT_EQ(wanted[static_cast<size_t>(Kind::RouteTable)], std::set<std::string>{"r"});
  EXPECT_FALSE(configuration.listeners_ready());
  EXPECT_TRUE(send(proxy, Kind::RouteTable, "r", routes_of("r", "c")).empty());
  EXPECT_TRUE(configuration.listeners_ready());
  EXPECT_EQ(get(loop_, proxy.port("dynamic"), "/").status, 503) << "the cluster has no endpoints yet";
  send(proxy, Kind::Endpoints, "c", endpoints("c", backend_.port()));
  EXPECT_EQ(get(loop_, proxy.port("dynamic"), "/").status, 200);
  Backend other(loop_);
  send(proxy, Kind::Endpoints, "c", endpoints("c", other.port()));
  get(loop_, proxy.port("dynamic"), "/");
  EXPECT_EQ(other.requests, 1);
  configuration.on_wanted = nullptr;
}

TEST_F(Updates, AClusterMayGoWhileARequestWaitsForItsNextTry) {
  Proxy proxy(loop_, "{}", 0);
  send(proxy, Kind::Cluster, "c", eds("c"));
  send(proxy, Kind::Endpoints, "c", endpoints("c", backend_.port()));
  send(proxy, Kind::Listener, "dynamic", listener_of("address: 127.0.0.1, port_value: 0", "r"));
  send(proxy, Kind::RouteTable, "r",
       "{name: r, virtual_hosts: [{name: all, domains: ['*'], routes: [{match: {prefix: /}, route: {cluster: c, "
       "retry_policy: {retry_on: 5xx, num_retries: 1, rate_limited_retry_back_off: {reset_headers: [{name: wait, "
       "format: SECONDS}]}}}}]}]}");
  http::Server server(loop_, [this](std::shared_ptr<http::Exchange> exchange) -> net::Task<void> {
    http::Response busy;
    busy.status = 503;
    busy.headers.add("wait", "1");
    exchange->respond(std::move(busy));
    ++asked_;
    co_return;
  });
  const auto address = server.listen(*net::Address::parse("127.0.0.1", 0));
  send(proxy, Kind::Endpoints, "c", endpoints("c", address->port()));
  auto answer = [&]() -> net::Task<int> {
    http::Client client(loop_, {.host = "127.0.0.1", .port = proxy.port("dynamic")});
    http::Request request;
    request.path = "/";
    auto response = co_await client.fetch(std::move(request));
    co_return response ? response->status : 0;
  };
  auto removed = [&]() -> net::Task<void> {
    while (!asked_) co_await net::sleep(loop_, std::chrono::milliseconds(5));
    co_await net::sleep(loop_, std::chrono::milliseconds(50));
    const std::string name = "c";
    proxy.process().configuration().update(Kind::Cluster, {}, std::span(&name, 1));
  };
  net::spawn(removed());
  EXPECT_EQ(net::run_to_end(loop_, answer()), 503);
  EXPECT_EQ(asked_, 1);
}

TEST_F(Updates, WhatNoListenerAndNoClusterNamesAnyMoreIsGone) {
  Proxy proxy(loop_, "{}", 0);
  Configuration& configuration = proxy.process().configuration();
  std::set<std::string> wanted[kResourceKinds];
  configuration.on_wanted = [&](Kind kind, const std::set<std::string>& names) {
    wanted[static_cast<size_t>(kind)] = names;
  };
  send(proxy, Kind::Cluster, "c", eds("c"));
  send(proxy, Kind::Endpoints, "c", endpoints("c", backend_.port()));
  send(proxy, Kind::Listener, "dynamic", listener_of("address: 127.0.0.1, port_value: 0", "r"));
  send(proxy, Kind::RouteTable, "r", routes_of("r", "c"));
  ASSERT_EQ(get(loop_, proxy.port("dynamic"), "/").status, 200);
  const std::string table[] = {"r"};
  configuration.update(Kind::RouteTable, {}, table);
  EXPECT_EQ(get(loop_, proxy.port("dynamic"), "/").status, 200) << "a listener names it still";
  const std::string gone[] = {"dynamic", "c"};
  configuration.update(Kind::Listener, {}, std::span(gone, 1));
  configuration.update(Kind::Cluster, {}, std::span(gone + 1, 1));
  for (Kind kind : {Kind::RouteTable, Kind::Endpoints}) {
    EXPECT_TRUE(wanted[static_cast<size_t>(kind)].empty());
    EXPECT_TRUE(configuration.entries(kind).empty());
  }
  send(proxy, Kind::RouteTable, "r", routes_of("r", "c"));  // this one was on its way
  EXPECT_TRUE(configuration.entries(Kind::RouteTable).empty());
  // Named again, they are waited for: what was known of them may be old.
  send(proxy, Kind::Listener, "dynamic", listener_of("address: 127.0.0.1, port_value: 0", "r"));
  EXPECT_FALSE(configuration.listeners_ready());
  send(proxy, Kind::RouteTable, "r", routes_of("r", "c"));
  EXPECT_TRUE(configuration.listeners_ready());
  configuration.on_wanted = nullptr;
}

TEST_F(Updates, ARejectedResourceLeavesTheLastGoodOneInForce) {
  Proxy proxy(loop_, "{static_resources: {clusters: [{name: c, type: STATIC}]}}");
  send(proxy, Kind::RouteTable, "r", routes_of("r", "c"));
  send(proxy, Kind::Listener, "dynamic", listener_of("address: 127.0.0.1, port_value: 0", "r"));
  auto rejected = send(proxy, Kind::RouteTable, "r",
                       "{name: r, virtual_hosts: [{name: x, domains: [a.b], routes: [{match: {safe_regex: {regex: "
                       "'('}}, route: {cluster: c}}]}]}");
  ASSERT_EQ(rejected.size(), 1u);
  EXPECT_EQ(rejected[0].name, "r");
  EXPECT_NE(rejected[0].reason.find("virtual host x"), std::string::npos) << rejected[0].reason;
  EXPECT_EQ(get(loop_, proxy.port("dynamic"), "/").body, "no healthy upstream") << "the route is still there";
  rejected = send(proxy, Kind::Cluster, "c", "{name: c, type: STATIC}");
  ASSERT_EQ(rejected.size(), 1u) << "a control plane does not change the bootstrap";
}

TEST_F(Updates, ATakenAddressIsAReasonToRejectAListener) {
  Proxy proxy(loop_, "{static_resources: {clusters: [{name: c, type: STATIC}]}}");
  std::string address = "address: 127.0.0.1, port_value: " + std::to_string(backend_.port());
  auto rejected = send(proxy, Kind::Listener, "dynamic", listener_of(address, "r"));
  ASSERT_EQ(rejected.size(), 1u);
  EXPECT_NE(rejected[0].reason.find("Address already in use"), std::string::npos) << rejected[0].reason;
}

net::Task<int> keep_asking(net::Loop& loop, uint16_t port, int times, int& ok, std::string& server,
                           std::function<void(int)> between) {
  http::ClientOptions options{.host = "127.0.0.1", .port = port};
  http::Client client(loop, std::move(options));
  for (int i = 0; i < times; ++i) {
    between(i);
    http::Request request;
    request.method = "POST";  // not to be tried again by the client
    auto response = co_await client.fetch(std::move(request));
    if (!response || response->status != 200) continue;
    ++ok;
    server = response->headers.get("server").value_or("");
  }
  co_return ok;
}

Resource listener_named(const std::string& name, const std::string& yaml) {
  envoy::config::listener::v3::Listener message;
  EXPECT_TRUE(read_message(yaml, message, UnknownFields::Refuse));
  message.set_name(name);
  Resource resource{.name = name, .version = "1"};
  resource.body.PackFrom(message);
  return resource;
}

std::string at_port(uint16_t port) { return "address: 127.0.0.1, port_value: " + std::to_string(port); }

// One connection for one request, as fast as it goes, until told to stop: how many were answered, and what first went
// otherwise.
struct Knocking {
  explicit Knocking(uint16_t port) : thread([this, port] { knock(port); }) {}
  ~Knocking() { stop(); }
  void stop() {
    over = true;
    if (thread.joinable()) thread.join();
  }
  void knock(uint16_t port) {
    const net::Address address = net::Address::parse_host_port("127.0.0.1:" + std::to_string(port)).value();
    while (!over) {
      const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      constexpr std::string_view kRequest =
          "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
      std::string answer;
      char bytes[512];
      ssize_t got = connect(fd, address.data(), address.size());
      if (got == 0) got = send(fd, kRequest.data(), kRequest.size(), MSG_NOSIGNAL);
      while (got > 0 && (got = recv(fd, bytes, sizeof bytes, 0)) > 0) answer.append(bytes, static_cast<size_t>(got));
      if (got == 0 && answer.starts_with("HTTP/1.1 200"))
        ++answered;
      else if (wrong.empty())
        wrong = got < 0 ? std::strerror(errno) : "answer: " + answer;
      close(fd);
    }
  }
  std::atomic<bool> over{false};
  std::atomic<int> answered{0};
  std::string wrong;
  std::thread thread;
};

TEST_F(Updates, AListenerTakesTheSocketsOfOneThatGoesInTheSameUpdate) {
  ProcessOptions two;
  two.concurrency = 2;
  Proxy proxy(loop_, "static_resources:\n  clusters:\n  - {name: c, type: STATIC}", 0, two);
  Configuration& configuration = proxy.process().configuration();
  const std::string routes =
      "{name: r, virtual_hosts: [{name: all, domains: ['*'], routes: [{match: {prefix: /}, direct_response: {status: "
      "200}}]}]}";
  send(proxy, Kind::RouteTable, "r", routes);
  send(proxy, Kind::Listener, "dynamic", listener_of(at_port(0), "r"));
  const uint16_t port = proxy.port("dynamic");
  configuration.update(Kind::Listener, {}, std::vector<std::string>{"dynamic"});
  Resource fresh = listener_named("0", listener_of(at_port(port), "r"));
  ASSERT_TRUE(configuration.update(Kind::Listener, std::span(&fresh, 1), {}).empty());
  Knocking one(port), other(port);
  for (int i = 1; i <= 100; ++i) {
    fresh = listener_named(std::to_string(i), listener_of(at_port(port), "r"));
    auto rejected =
        configuration.update(Kind::Listener, std::span(&fresh, 1), std::vector<std::string>{std::to_string(i - 1)});
    ASSERT_TRUE(rejected.empty()) << rejected[0].reason;
    const int enough = one.answered + 5;
    while (one.answered < enough && one.wrong.empty()) std::this_thread::yield();
  }
  one.stop();
  other.stop();
  EXPECT_EQ(one.wrong, "");
  EXPECT_EQ(other.wrong, "");
}

TEST_F(Updates, WhoComesWhileASuccessorWaitsForItsRoutesIsServedByIt) {
  Proxy proxy(loop_, "static_resources:\n  clusters:\n" + cluster_of("c", std::to_string(backend_.port())));
  Configuration& configuration = proxy.process().configuration();
  send(proxy, Kind::RouteTable, "r", routes_of("r", "c"));
  send(proxy, Kind::Listener, "dynamic", listener_of(at_port(0), "r"));
  const uint16_t port = proxy.port("dynamic");
  configuration.update(Kind::Listener, {}, std::vector<std::string>{"dynamic"});
  Resource before = listener_named("before", listener_of(at_port(port), "r"));
  Resource after = listener_named("after", listener_of(at_port(port), "s", "two"));
  ASSERT_TRUE(configuration.update(Kind::Listener, std::span(&before, 1), {}).empty());
  ASSERT_EQ(get(loop_, port, "/").status, 200);
  ASSERT_TRUE(configuration.update(Kind::Listener, std::span(&after, 1), std::vector<std::string>{"before"}).empty());
  EXPECT_FALSE(configuration.listeners_ready());
  proxy.process().busy();  // each worker knows
  int ok = 0;
  std::string server;
  net::Timer routes_come(loop_, [&] { send(proxy, Kind::RouteTable, "s", routes_of("s", "c")); });
  routes_come.arm(std::chrono::milliseconds(20));
  net::run_to_end(loop_, keep_asking(loop_, port, 1, ok, server, [](int) {}));
  EXPECT_EQ(ok, 1);
  EXPECT_EQ(server, "two");
}

TEST_F(Updates, AnAddressThatAListenerMovesAwayFromIsFreeInTheSameUpdate) {
  ProcessOptions one;
  one.concurrency = 1;  // whose socket does not share its port
  Proxy proxy(loop_, "static_resources:\n  clusters:\n" + cluster_of("c", std::to_string(backend_.port())), 0, one);
  Configuration& configuration = proxy.process().configuration();
  send(proxy, Kind::RouteTable, "r", routes_of("r", "c"));
  send(proxy, Kind::Listener, "dynamic", listener_of(at_port(0), "r"));
  const uint16_t port = proxy.port("dynamic");
  configuration.update(Kind::Listener, {}, std::vector<std::string>{"dynamic"});
  Resource moves = listener_named("moves", listener_of(at_port(port), "r"));
  ASSERT_TRUE(configuration.update(Kind::Listener, std::span(&moves, 1), {}).empty());
  const Resource comes = listener_named("comes", listener_of(at_port(port), "r", "two"));
  auto rejected = configuration.update(Kind::Listener, std::span(&comes, 1), {});
  ASSERT_EQ(rejected.size(), 1u);
  EXPECT_NE(rejected[0].reason.find("duplicate address"), std::string::npos) << rejected[0].reason;
  const Resource both[] = {comes, listener_named("moves", listener_of(at_port(0), "r"))};
  rejected = configuration.update(Kind::Listener, both, {});
  ASSERT_TRUE(rejected.empty()) << rejected[0].reason;
  proxy.process().busy();  // each worker knows
  EXPECT_EQ(get(loop_, port, "/").headers.get("server"), "two");
  EXPECT_EQ(get(loop_, proxy.port("moves"), "/").headers.get("server"), "one");
  const std::string everywhere = "address: 0.0.0.0, port_value: " + std::to_string(port);
  const Resource wider = listener_named("wider", listener_of(everywhere, "r", "three"));
  rejected = configuration.update(Kind::Listener, std::span(&wider, 1), std::vector<std::string>{"comes"});
  ASSERT_TRUE(rejected.empty()) << rejected[0].reason;
  proxy.process().busy();
  EXPECT_EQ(get(loop_, port, "/").headers.get("server"), "three");
}

TEST_F(Updates, SocketsThatAreToBeOpenedInAnotherWayAreOpenedAnew) {
  Proxy proxy(loop_, "static_resources:\n  clusters:\n" + cluster_of("c", std::to_string(backend_.port())));
  send(proxy, Kind::RouteTable, "r", routes_of("r", "c"));
  send(proxy, Kind::Listener, "dynamic", listener_of(at_port(0), "r"));
  const uint16_t port = proxy.port("dynamic");
  Configuration& configuration = proxy.process().configuration();
  configuration.update(Kind::Listener, {}, std::vector<std::string>{"dynamic"});
  auto keep_alive = [&](const std::string& options) {
    auto rejected = send(proxy, Kind::Listener, "dynamic", listener_of(at_port(port), "r") + options);
    EXPECT_EQ(get(loop_, port, "/").status, 200);
    int idle = 0;
    socklen_t size = sizeof idle;
    for (const auto& [address, fds] : proxy.process().listening_sockets())
      for (int fd : fds) getsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, &size);
    return std::pair(rejected.size(), idle);
  };
  const int usual = keep_alive("").second;
  EXPECT_EQ(keep_alive("socket_options: [{level: 6, name: 4, int_value: 77}]\n"), std::pair(size_t{0}, 77));
  EXPECT_EQ(keep_alive("socket_options: [{level: 6, name: 4, int_value: -1}]\n"), std::pair(size_t{1}, 77))
      << "what the kernel refuses leaves what was there";
  EXPECT_EQ(keep_alive(""), std::pair(size_t{0}, usual));
}

TEST_F(Updates, WhatNobodyNeedsAnyMoreIsFreed) {
  Proxy proxy(loop_, "static_resources:\n  clusters:\n" + cluster_of("c", std::to_string(backend_.port())));
  Configuration& configuration = proxy.process().configuration();
  std::set<std::string> tables;
  configuration.on_wanted = [&](Kind kind, const std::set<std::string>& names) {
    if (kind == Kind::RouteTable) tables = names;
  };
  std::vector<std::weak_ptr<const RouteTable>> made;
  std::vector<std::weak_ptr<const net::TlsContext>> contexts;
  for (int i = 0; i < 5; ++i) {
    const std::string name = "r" + std::to_string(i);
    send(proxy, Kind::Listener, "dynamic", listener_of("address: 127.0.0.1, port_value: 0", name));
    send(proxy, Kind::RouteTable, name, routes_of(name, "c"));
    EXPECT_TRUE(tables.contains(name));
    send(proxy, Kind::Cluster, "t",
         "{name: t, type: STATIC, transport_socket: {name: tls, typed_config: {'@type': "
         "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext, common_tls_context: "
         "{alpn_protocols: [p" +
             std::to_string(i) + "]}}}}");
    ASSERT_EQ(get(loop_, proxy.port("dynamic"), "/").status, 200);
    made.push_back(configuration.entries(Kind::RouteTable).at(name).routes);
    const Slot slot = configuration.entries(Kind::Cluster).at("t").cluster->transport.tls;
    contexts.push_back(configuration.published().tls.at(slot));
  }
  proxy.process().busy();  // each worker knows
  EXPECT_TRUE(made[0].expired() && made[1].expired());
  EXPECT_TRUE(contexts[0].expired() && contexts[1].expired());
  EXPECT_FALSE(made[4].expired() || contexts[4].expired());
  EXPECT_EQ(tables.size(), 1u);
}

TEST_F(Updates, AChangedListenerCostsNoRequest) {
  Proxy proxy(loop_, "static_resources:\n  clusters:\n" + cluster_of("c", std::to_string(backend_.port())));
  send(proxy, Kind::RouteTable, "r", routes_of("r", "c"));
  send(proxy, Kind::Listener, "dynamic", listener_of("address: 127.0.0.1, port_value: 0", "r"));
  const uint16_t port = proxy.port("dynamic");
  int ok = 0;
  std::string server;
  auto between = [&](int i) {
    if (i % 10 == 5) {
      auto rejected = send(proxy, Kind::Listener, "dynamic",
                           listener_of("address: 127.0.0.1, port_value: 0", "r", "s" + std::to_string(i)));
      EXPECT_TRUE(rejected.empty());
    }
  };
  net::run_to_end(loop_, keep_asking(loop_, port, 40, ok, server, between));
  EXPECT_EQ(ok, 40);
  EXPECT_EQ(server, "s35");
}

TEST_F(Updates, ADumpShowsWhatServesBesideWhatWarms) {
  Proxy proxy(loop_, bootstrap_of("              - {match: {prefix: /}, route: {cluster: backend}}\n",
                                  cluster_of("backend", "1")));
  send(proxy, Kind::Cluster, "other", "{name: other, type: STATIC, load_assignment: " + endpoints("other", 1) + "}");
  auto clusters = [&] { return (*config_dump(proxy.process(), {}))["configs"][1]; };
  EXPECT_EQ(clusters()["dynamic_active_clusters"][0]["cluster"]["name"], "other");
  send(proxy, Kind::Cluster, "other", eds("other"));  // its endpoints are not known yet
  base::Json dump = clusters();
  EXPECT_EQ(dump["dynamic_warming_clusters"][0]["cluster"]["type"], "EDS");
  ASSERT_EQ(dump["dynamic_active_clusters"].size(), 1u);
  EXPECT_EQ(dump["dynamic_active_clusters"][0]["cluster"]["type"], "STATIC");
  send(proxy, Kind::Endpoints, "other", endpoints("other", 1));
  dump = clusters();
  EXPECT_FALSE(dump.contains("dynamic_warming_clusters"));
  EXPECT_EQ(dump["dynamic_active_clusters"][0]["cluster"]["type"], "EDS");
  EXPECT_EQ(proxy.process().configuration().changes(Kind::Cluster).modified, 1u);
}

}  // namespace
}  // namespace proxy
