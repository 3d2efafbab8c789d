// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/testing/folder.h"
#include "envoy/service/discovery/v3/discovery.pb.h"
#include "http/grpc.h"
#include "net/certificates_for_test.h"
#include "proxy/runtime/control_plane.h"
#include "proxy/runtime/harness.h"

// Configuration that comes from servers of single kinds and from files, to whole proxies on real sockets.
namespace proxy {
namespace {

using namespace proxy::testing;

// Serves any kind of resource over its own or the aggregated service.
class Discovery final : public xds::Source {
 public:
  explicit Discovery(net::Loop& loop)
      : server_(loop, [this](std::shared_ptr<http::Exchange> exchange) { return serve(*this, std::move(exchange)); }) {
    port_ = server_.listen(*net::Address::parse("127.0.0.1", 0)).value().port();
  }
  template <typename Message>
  void set(std::string_view url, const std::string& name, const std::string& yaml) {
    auto message = message_of<Message>(yaml);
    ASSERT_TRUE(message) << message.error().message;
    auto all = std::make_shared<xds::Resources>(*of(url));
    (*all)[name] = xds::Resource::make(name, message->SerializeAsString());
    of(url) = std::move(all);
    for (xds::ServerSession* session : sessions_) session->push();
  }
  uint16_t port() const { return port_; }
  std::set<std::string> paths, asked;
  std::vector<std::string> rejections;

 private:
  std::shared_ptr<const xds::Resources> resources(const envoy::config::core::v3::Node&, std::string_view url,
                                                  const xds::Subscription& wanted) override {
    asked.insert(wanted.names.begin(), wanted.names.end());
    const auto& all = of(url);
    if (wanted.wildcard) return all;
    auto out = std::make_shared<xds::Resources>();
    for (const std::string& name : wanted.names)
      if (auto it = all->find(name); it != all->end()) out->insert(*it);
    return out;
  }
  static net::Task<void> write(http::grpc::ServerCall& call, net::Queue<std::string> out) {
    for (;;) {
      auto next = co_await out.next();
      if (!next) co_return;
      auto written = co_await call.write(std::move(*next));
      if (!written) co_return;
    }
  }
  static net::Task<void> serve(Discovery& self, std::shared_ptr<http::Exchange> exchange) {
    const std::string path(exchange->request().path);
    self.paths.insert(path);
    auto call = std::make_shared<http::grpc::ServerCall>(exchange);
    net::Queue<std::string> out;
    xds::ServerSession session(
        path.find("/Delta") != std::string::npos ? xds::Variant::Delta : xds::Variant::StateOfTheWorld, self,
        [out](std::string bytes) { out.push(std::move(bytes)); });
    session.on_rejection = [&self](std::string_view, std::string_view why) { self.rejections.emplace_back(why); };
    self.sessions_.insert(&session);
    net::spawn(write(*call, out));
    for (;;) {
      auto message = co_await call->read();
      if (!message || !*message) break;
      auto taken = session.receive(**message);
      if (!taken) break;
    }
    self.sessions_.erase(&session);
    out.close();
  }

  std::shared_ptr<const xds::Resources>& of(std::string_view url) {
    auto& out = all_[std::string(url)];
    if (!out) out = std::make_shared<const xds::Resources>();
    return out;
  }

  std::map<std::string, std::shared_ptr<const xds::Resources>> all_;
  std::set<xds::ServerSession*> sessions_;
  http::Server server_;
  uint16_t port_ = 0;
};

struct Directory {
  base::TestFolder folder;
  const std::string path = folder.path();
  // As one replaces a file that others read: written beside it and moved over it.
  void put(const std::string& name, const std::string& text) const {
    std::ofstream(path + "/." + name) << text;
    ASSERT_EQ(rename((path + "/." + name).c_str(), (path + "/" + name).c_str()), 0);
  }
};

net::Task<bool> wait_for(net::Loop& loop, std::function<bool()> fulfilled) {
  for (int i = 0; i < 3000 && !fulfilled(); ++i) co_await net::sleep(loop, std::chrono::milliseconds(5));
  co_return fulfilled();
}
bool until(net::Loop& loop, std::function<bool()> fulfilled) {
  return net::run_to_end(loop, wait_for(loop, std::move(fulfilled)));
}

std::string endpoints_of(const std::string& cluster, uint16_t port) {
  return "\"@type\": type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment, cluster_name: " + cluster +
         ", endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: " +
         std::to_string(port) + "}}}}]}]";
}

std::string http_listener(const std::string& name, const std::string& rds_source, const std::string& transport = "") {
  return R"(
  name: )" +
         name + R"(
  address: {socket_address: {address: 127.0.0.1, port_value: 0}}
  filter_chains:
  - filters:
    - name: http
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
        stat_prefix: d
        rds: {route_config_name: r, config_source: )" +
         rds_source + R"(}
        http_filters: [{name: router, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}]
)" + transport;
}

// As an element of static_resources.listeners.
std::string as_item(const std::string& listener) {
  std::string out = "  - ";
  for (char c : listener.substr(listener.find("name:"))) out += c == '\n' ? "\n  " : std::string(1, c);
  return out.substr(0, out.find_last_not_of(' ') + 1);
}

std::string static_cluster(const std::string& name, uint16_t port) {
  return "  - name: " + name +
         "\n    type: STATIC\n    typed_extension_protocol_options: "
         "{envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {\"@type\": "
         "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, explicit_http_config: "
         "{http2_protocol_options: {}}}}\n" +
         "    load_assignment: {cluster_name: " + name +
         ", endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: " +
         std::to_string(port) + "}}}}]}]}\n";
}

std::string grpc_source(const std::string& cluster, const std::string& type = "DELTA_GRPC",
                        const std::string& more = "") {
  return "{resource_api_version: V3, api_config_source: {api_type: " + type +
         ", transport_api_version: V3, grpc_services: [{envoy_grpc: {cluster_name: " + cluster + "}}]}" + more + "}";
}

class DiscoveryTest : public ::testing::Test {
 protected:
  std::unique_ptr<ControlPlane> follow(Proxy& proxy) {
    auto made = ControlPlane::of(loop_, proxy.process().bootstrap(), proxy.process().configuration());
    EXPECT_TRUE(made) << made.error().message;
    return made ? std::move(*made) : nullptr;
  }
  bool ready(Proxy& proxy) {
    return until(loop_, [&] {
      return !proxy.process().configuration().bound_addresses().empty() &&
             proxy.process().configuration().listeners_ready();
    });
  }
  http::Response ask(uint16_t port, const std::string& host) {
    http::Request request;
    request.authority = host;
    return fetch(loop_, port, std::move(request));
  }
  net::Loop loop_;
  Backend one_{loop_}, two_{loop_};
};

TEST_F(DiscoveryTest, EverythingMayComeFromFilesAndFollowsThem) {
  Directory files;
  auto from = [&](const std::string& file) {
    return "{path_config_source: {path: " + files.path + "/" + file + ", watched_directory: {path: " + files.path +
           "}}}";
  };
  files.put("eds.yaml", "{version_info: '1', resources: [{" + endpoints_of("c", one_.port()) + "}]}");
  files.put("cds.yaml",
            "{resources: [{\"@type\": type.googleapis.com/envoy.config.cluster.v3.Cluster, name: c, type: EDS, "
            "eds_cluster_config: {eds_config: " +
                from("eds.yaml") + "}}]}");
  files.put("rds.yaml",
            "{resources: [{\"@type\": type.googleapis.com/envoy.config.route.v3.RouteConfiguration, name: r, "
            "virtual_hosts: [{name: a, domains: ['*'], routes: [{match: {prefix: /}, route: {cluster: c}}]}]}]}");
  files.put("lds.yaml", "resources:\n- \"@type\": type.googleapis.com/envoy.config.listener.v3.Listener" +
                            http_listener("main", from("rds.yaml")));
  Proxy proxy(loop_,
              "{dynamic_resources: {lds_config: " + from("lds.yaml") + ", cds_config: " + from("cds.yaml") + "}}");
  auto following = follow(proxy);
  proxy.process().control_plane = following.get();
  ASSERT_TRUE(ready(proxy));
  EXPECT_EQ(get(loop_, proxy.port(), "/").status, 200);
  EXPECT_EQ(one_.requests, 1);

  files.put("eds.yaml", "{version_info: '2', resources: [{" + endpoints_of("c", two_.port()) + "}]}");
  const auto& endpoints = proxy.process().configuration().entries(Kind::Endpoints);
  ASSERT_TRUE(until(loop_, [&] { return endpoints.at("c").version == "2"; }));
  EXPECT_EQ(get(loop_, proxy.port(), "/").status, 200);
  EXPECT_EQ(two_.requests, 1);

  // What cannot be read leaves what was there.
  files.put("cds.yaml", "{resources: [{");
  files.put("eds.yaml", "{version_info: '3', resources: [{" + endpoints_of("c", one_.port()) + "}]}");
  ASSERT_TRUE(until(loop_, [&] { return endpoints.at("c").version == "3"; }));
  EXPECT_EQ(get(loop_, proxy.port(), "/").status, 200);
  files.put("cds.yaml",
            "{resources: [{\"@type\": type.googleapis.com/envoy.config.cluster.v3.Cluster, name: '', type: EDS}]}");
  files.put("eds.yaml", "{version_info: '4', resources: [{" + endpoints_of("c", one_.port()) + "}]}");
  ASSERT_TRUE(until(loop_, [&] { return endpoints.at("c").version == "4"; }));
  EXPECT_EQ(get(loop_, proxy.port(), "/").status, 200) << "nor does a resource without a name take others away";
  const auto stats = counted(proxy);
  EXPECT_EQ(stats.at("cluster_manager.cds.update_success"), 1);
  EXPECT_EQ(stats.at("cluster_manager.cds.update_failure"), 2);
  EXPECT_EQ(stats.at("cluster_manager.cds.update_attempt"), 4);
  EXPECT_EQ(stats.at("cluster.c.update_success"), 4);
  EXPECT_EQ(stats.at("cluster.c.update_attempt"), 5);
  files.put("lds.yaml", "{resources: []}");
  EXPECT_TRUE(until(loop_, [&] { return proxy.process().configuration().bound_addresses().empty(); }))
      << "a listener that is not in the file any more";
  proxy.process().control_plane = nullptr;
}

TEST_F(DiscoveryTest, EachKindMayHaveAServerOfItsOwn) {
  Discovery routes(loop_), endpoints(loop_);
  routes.set<envoy::config::route::v3::RouteConfiguration>(
      xds::type::kRoute, "r",
      "{name: r, virtual_hosts: [{name: a, domains: ['*'], routes: [{match: {prefix: /}, route: {cluster: c}}]}]}");
  endpoints.set<envoy::config::endpoint::v3::ClusterLoadAssignment>(
      xds::type::kEndpoint, "c",
      "{" + endpoints_of("c", one_.port()).substr(endpoints_of("c", 1).find("cluster_name")) + "}");
  Proxy proxy(loop_, "node: {id: me, cluster: x}\nstatic_resources:\n  listeners:\n" +
                         as_item(http_listener("main", grpc_source("routes", "GRPC"))) + "  clusters:\n" +
                         static_cluster("routes", routes.port()) + static_cluster("endpoints", endpoints.port()) +
                         "  - {name: c, type: EDS, eds_cluster_config: {eds_config: " + grpc_source("endpoints") +
                         "}}\n");
  auto following = follow(proxy);
  ASSERT_TRUE(
      until(loop_, [&] { return proxy.process().configuration().entries(Kind::Cluster).at("c").cluster != nullptr; }));
  ASSERT_TRUE(ready(proxy));
  EXPECT_EQ(get(loop_, proxy.port(), "/").status, 200);
  EXPECT_EQ(routes.paths, std::set<std::string>{"/envoy.service.route.v3.RouteDiscoveryService/StreamRoutes"});
  EXPECT_EQ(endpoints.paths,
            std::set<std::string>{"/envoy.service.endpoint.v3.EndpointDiscoveryService/DeltaEndpoints"});
  EXPECT_TRUE(following->answered());

  routes.set<envoy::config::route::v3::RouteConfiguration>(xds::type::kRoute, "r",
                                                           "{name: r, virtual_hosts: [{name: a, domains: [x, x]}]}");
  ASSERT_TRUE(until(loop_, [&] { return !routes.rejections.empty(); }));
  EXPECT_NE(routes.rejections[0].find("r: "), std::string::npos) << routes.rejections[0];
  EXPECT_EQ(get(loop_, proxy.port(), "/").status, 200) << "the last good one serves on";
}

TEST_F(DiscoveryTest, WhatDoesNotComeInTimeIsNotWaitedFor) {
  Discovery silent(loop_);
  Proxy proxy(loop_,
              "node: {id: me, cluster: x}\nstatic_resources:\n  listeners:\n" +
                  as_item(http_listener("main", grpc_source("silent", "DELTA_GRPC", ", initial_fetch_timeout: 0.1s"))) +
                  "  clusters:\n" + static_cluster("silent", silent.port()) +
                  "  - {name: c, type: EDS, eds_cluster_config: {eds_config: " +
                  grpc_source("silent", "DELTA_GRPC", ", initial_fetch_timeout: 0.1s") + "}}\n");
  EXPECT_FALSE(proxy.process().configuration().listeners_ready());
  auto following = follow(proxy);
  ASSERT_TRUE(ready(proxy));
  EXPECT_EQ(get(loop_, proxy.port(), "/").status, 404) << "there are no routes";
  EXPECT_TRUE(
      until(loop_, [&] { return proxy.process().configuration().entries(Kind::Cluster).at("c").cluster != nullptr; }));
}

TEST_F(DiscoveryTest, NothingIsAnsweredBeforeTheControlPlaneSpokeOrTheTimeForItIsOver) {
  Proxy proxy(loop_, "node: {id: me, cluster: x}\nstatic_resources: {}\n");
  auto silent = []() -> base::Result<xds::AdsClient::Dial> { return base::fail(base::ErrorKind::Unavailable, "none"); };
  ControlPlane::Options patient, brief;
  patient.listeners->initial_fetch = {};
  brief.listeners->initial_fetch = brief.clusters->initial_fetch = std::chrono::milliseconds(20);
  ControlPlane for_ever(loop_, proxy.process().configuration(), patient, silent);
  ControlPlane in_time(loop_, proxy.process().configuration(), brief, silent);
  proxy.process().control_plane = &for_ever;
  EXPECT_EQ(proxy.process().not_ready(), "PRE_INITIALIZING");
  EXPECT_FALSE(in_time.answered());
  EXPECT_TRUE(until(loop_, [&] { return in_time.answered(); }));
  EXPECT_FALSE(for_ever.answered());
  proxy.process().control_plane = nullptr;
}

TEST_F(DiscoveryTest, AVirtualHostIsAskedForWhenARequestNeedsIt) {
  Discovery server(loop_);
  server.set<envoy::config::route::v3::VirtualHost>(
      xds::type::kVirtualHost, "r/a.example",
      "{name: a, domains: [a.example], routes: [{match: {prefix: /}, direct_response: {status: 201}}]}");
  server.set<envoy::config::route::v3::RouteConfiguration>(
      xds::type::kRoute, "r",
      "{name: r, virtual_hosts: [{name: s, domains: [s.example], routes: [{match: {prefix: /}, direct_response: "
      "{status: 202}}]}], vhds: {config_source: " +
          grpc_source("hosts", "DELTA_GRPC", ", initial_fetch_timeout: 0.2s") + "}}");
  Proxy proxy(loop_, "node: {id: me, cluster: x}\nstatic_resources:\n  listeners:\n" +
                         as_item(http_listener("main", grpc_source("hosts"))) + "  clusters:\n" +
                         static_cluster("hosts", server.port()));
  auto following = follow(proxy);
  ASSERT_TRUE(ready(proxy));
  EXPECT_EQ(ask(proxy.port(), "s.example").status, 202);
  EXPECT_FALSE(server.asked.contains("r/a.example"));
  EXPECT_EQ(ask(proxy.port(), "A.example").status, 201) << "held until it came";
  EXPECT_TRUE(server.asked.contains("r/a.example"));
  EXPECT_EQ(ask(proxy.port(), "nobody.example").status, 404);
  server.set<envoy::config::route::v3::VirtualHost>(
      xds::type::kVirtualHost, "r/a.example",
      "{name: a, domains: [a.example], routes: [{match: {prefix: /}, direct_response: {status: 203}}]}");
  EXPECT_TRUE(until(loop_, [&] { return ask(proxy.port(), "a.example").status == 203; }));
}

std::string secret_yaml(const net::TestAuthority::Leaf& leaf) {
  return "{name: own, tls_certificate: {certificate_chain: {inline_string: " + base::Json(leaf.certificate).dump() +
         "}, private_key: {inline_string: " + base::Json(leaf.key).dump() + "}}}";
}

struct Tally {
  int asked = 0, failed = 0, running = 0;
  bool stop = false;
};

net::Task<void> keep_asking(net::Loop& loop, uint16_t port, std::shared_ptr<const net::TlsContext> tls,
                            std::shared_ptr<Tally> tally) {
  ++tally->running;
  while (!tally->stop) {
    http::ClientOptions options{.host = "127.0.0.1", .port = port, .tls = tls, .server_name = "a.example"};
    http::Client client(loop, std::move(options));
    http::Request request;
    request.method = "POST";  // never tried again by the client
    auto response = co_await client.fetch(std::move(request));
    ++tally->asked;
    if (!response || response->status != 200) ++tally->failed;
  }
  --tally->running;
}

TEST_F(DiscoveryTest, CertificatesFromASecretServerRotateUnderLoadWithoutAFailedRequest) {
  net::TestAuthority authority;
  Discovery secrets(loop_);
  secrets.set<envoy::extensions::transport_sockets::tls::v3::Secret>(
      xds::type::kSecret, "own", secret_yaml(authority.leaf("first", "DNS:a.example")));
  const std::string transport =
      "    transport_socket: {name: tls, typed_config: {\"@type\": "
      "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext, "
      "common_tls_context: {tls_certificate_sds_secret_configs: [{name: own, sds_config: " +
      grpc_source("secrets", "GRPC") + "}]}}}\n";
  std::string listener = http_listener("main", "{ads: {}}", transport);
  const std::string rds = "rds: {route_config_name: r, config_source: {ads: {}}}";
  listener.replace(listener.find(rds), rds.size(),
                   "route_config: {name: l, virtual_hosts: [{name: a, domains: ['*'], routes: [{match: {prefix: /}, "
                   "direct_response: {status: 200}}]}]}");
  Proxy proxy(loop_, "node: {id: me, cluster: x}\nstatic_resources:\n  listeners:\n" + as_item(listener) +
                         "  clusters:\n" + static_cluster("secrets", secrets.port()));
  EXPECT_FALSE(proxy.process().configuration().listeners_ready()) << "its certificate is not there";
  auto following = follow(proxy);
  ASSERT_TRUE(ready(proxy));
  auto tls = *net::TlsContext::client({.trusted_roots = authority.pem()});
  auto tally = std::make_shared<Tally>();
  for (int i = 0; i < 4; ++i) net::spawn(keep_asking(loop_, proxy.port(), tls, tally));
  for (int i = 0; i < 5; ++i) {
    const int before = tally->asked;
    ASSERT_TRUE(until(loop_, [&] { return tally->asked >= before + 10; }));
    secrets.set<envoy::extensions::transport_sockets::tls::v3::Secret>(
        xds::type::kSecret, "own", secret_yaml(authority.leaf("next", "DNS:a.example")));
  }
  // One that does not fit its key is refused, and the one before serves on.
  auto broken = authority.leaf("broken", "DNS:a.example");
  broken.key = authority.leaf("other", "DNS:a.example").key;
  secrets.set<envoy::extensions::transport_sockets::tls::v3::Secret>(xds::type::kSecret, "own", secret_yaml(broken));
  ASSERT_TRUE(until(loop_, [&] { return !secrets.rejections.empty(); }));
  const int before = tally->asked;
  ASSERT_TRUE(until(loop_, [&] { return tally->asked >= before + 10; }));
  tally->stop = true;
  until(loop_, [&] { return tally->running == 0; });
  EXPECT_EQ(tally->failed, 0) << "of " << tally->asked;
  EXPECT_EQ(secrets.paths, std::set<std::string>{"/envoy.service.secret.v3.SecretDiscoveryService/StreamSecrets"});
}

TEST(Source, NamesWhatItDoesNotSupport) {
  for (auto [yaml, word] :
       {std::pair{"{api_config_source: {api_type: REST, cluster_names: [a]}}", "REST"},
        {"{api_config_source: {api_type: AGGREGATED_GRPC, grpc_services: [{envoy_grpc: {cluster_name: a}}]}}",
         "AGGREGATED_GRPC"},
        {"{api_config_source: {api_type: GRPC}}", "grpc_services"}}) {
    auto message = message_of<core::ConfigSource>(yaml);
    ASSERT_TRUE(message) << message.error().message;
    auto source = Source::parse(*message);
    ASSERT_FALSE(source) << yaml;
    EXPECT_NE(source.error().message.find(word), std::string::npos) << source.error().message;
  }
}

}  // namespace
}  // namespace proxy
