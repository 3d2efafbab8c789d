// SPDX-License-Identifier: Apache-2.0
#include "identity/certificate.h"
#include "proxy/runtime/harness.h"

// Two proxies as a mesh has them: one before the client, one before the server, mTLS between them.
namespace proxy {
namespace {

using namespace proxy::testing;

struct Identities {
  identity::Authority authority =
      *identity::Authority::self_signed("cluster.local", identity::KeyType::EcP256, identity::WallClock::now());

  // static_resources.secrets of a workload.
  std::string secrets(const std::string& uri) const {
    auto key = *identity::PrivateKey::generate(identity::KeyType::EcP256);
    auto leaf = authority.sign(key.public_key(), {.uri_names = {uri}}, identity::WallClock::now());
    EXPECT_TRUE(leaf);
    auto quoted = [](const std::string& pem) { return base::Json(pem).dump(); };
    return "  secrets:\n  - {name: default, tls_certificate: {certificate_chain: {inline_string: " + quoted(*leaf) +
           "}, private_key: {inline_string: " + quoted(key.pem()) +
           "}}}\n  - {name: ROOTCA, validation_context: {trusted_ca: {inline_string: " + quoted(authority.root_pem()) +
           "}}}\n";
  }
};

std::string tls_of(const std::string& sans, const std::string& alpn) {
  return "common_tls_context: {tls_certificate_sds_secret_configs: [{name: default}], combined_validation_context: "
         "{default_validation_context: {match_subject_alt_names: [" +
         sans + "]}, validation_context_sds_secret_config: {name: ROOTCA}}, alpn_protocols: [" + alpn + "]}";
}

std::string chain_of(const std::string& match, bool tls, const std::string& cluster) {
  std::string out = "    - filter_chain_match: {" + match + R"(}
      filters:
      - name: http
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: in
          server_name: istio-envoy
          upgrade_configs: [{upgrade_type: websocket}]
          forward_client_cert_details: APPEND_FORWARD
          set_current_client_cert_details: {subject: true, dns: true, uri: true}
          route_config: {name: in, virtual_hosts: [{name: in, domains: ["*"], routes: [{name: default, match: {prefix: /}, route: {cluster: )" +
                    cluster + R"(, timeout: 0s}}]}]}
          http_filters: [{name: router, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}]
)";
  if (tls)
    out +=
        "      transport_socket: {name: tls, typed_config: {\"@type\": "
        "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext, "
        "require_client_certificate: true, " +
        tls_of("{prefix: 'spiffe://cluster.local/'}", "h2, http/1.1") + "}}\n";
  return out;
}

std::string server_side(const std::string& secrets) {
  std::string http =
      "\"@type\": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, "
      "use_downstream_protocol_config: {http2_protocol_options: {}}";
  return "static_resources:\n" + secrets + R"(
  listeners:
  - name: main
    address: {socket_address: {address: 127.0.0.1, port_value: 0}}
    traffic_direction: INBOUND
    listener_filters:
    - {name: tls, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector}}
    - {name: http, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.listener.http_inspector.v3.HttpInspector}}
    filter_chains:
)" + chain_of("transport_protocol: tls, application_protocols: [istio-http/1.1, istio-h2]", true, "app") +
         "  clusters:\n" +
         cluster_of("app", "@backend",
                    "    typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {" +
                        http + "}}\n");
}

std::string client_side(const std::string& secrets, uint16_t server, const std::string& san,
                        const std::string& more = "") {
  std::string tls =
      "    transport_socket: {name: tls, typed_config: {\"@type\": "
      "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext, "
      "sni: outbound_.80_._.app, " +
      tls_of("{exact: '" + san + "'}", "istio-peer-exchange, istio") + "}}\n";
  std::string http = "          upgrade_configs: [{upgrade_type: websocket}]\n";
  std::string out = bootstrap_of("              - {match: {prefix: /}, route: {cluster: peer}}\n",
                                 cluster_of("peer", std::to_string(server), tls + more), http);
  return out.insert(out.find("  listeners:"), secrets);
}

class Mesh : public ::testing::Test {
 protected:
  net::Loop loop_;
  Backend backend_{loop_};
  Identities identities_;
  const std::string app_ = "spiffe://cluster.local/ns/default/sa/app";
  const std::string caller_ = "spiffe://cluster.local/ns/default/sa/caller";
};

TEST_F(Mesh, RequestsTravelMultiplexedAndComeOutInTheApplicationsProtocol) {
  Proxy server(loop_, server_side(identities_.secrets(app_)), backend_.port());
  Proxy client(loop_, client_side(identities_.secrets(caller_), server.port(), app_));
  for (int i = 0; i < 3; ++i) {
    auto response = get(loop_, client.port(), "/hello");
    EXPECT_EQ(response.body, "GET /hello host=127.0.0.1:" + std::to_string(client.port()) + " body=0");
    EXPECT_EQ(response.headers.get("server"), "envoy");
    std::string cert(response.headers.get("echo-x-forwarded-client-cert").value_or(""));
    EXPECT_NE(cert.find("By=" + app_ + ";Hash="), std::string::npos) << cert;
    EXPECT_NE(cert.find(";URI=" + caller_), std::string::npos) << cert;
  }
  EXPECT_EQ(get(loop_, client.port(), "/big").body.size(), 5'000'000u);
  http::Request request;
  request.method = "POST";
  request.body = bytes(1'000'000);
  EXPECT_TRUE(fetch(loop_, client.port(), std::move(request)).body.ends_with("body=1000000"));
  std::string counted = server.process().scrape().prometheus();
  EXPECT_NE(counted.find("envoy_http_downstream_rq_total{envoy_http_conn_manager_prefix=\"in\"} 5\n"),
            std::string::npos);
}

TEST_F(Mesh, ANameInACertificateAddsNoElementsToTheHeaderThatTellsOfIt) {
  const std::string forged = "spiffe://cluster.local/ns/a/sa/b;URI=spiffe://cluster.local/ns/default/sa/admin";
  Proxy server(loop_, server_side(identities_.secrets(app_)), backend_.port());
  Proxy client(loop_, client_side(identities_.secrets(forged), server.port(), app_));
  const auto answer = get(loop_, client.port(), "/hello");
  const std::string cert(answer.headers.get("echo-x-forwarded-client-cert").value_or(""));
  EXPECT_NE(cert.find(";URI=\"" + forged + "\""), std::string::npos) << answer.status << " " << cert;
}

TEST_F(Mesh, Http2OfAClientReachesAnApplicationThatMaySpeakIt) {
  Proxy server(loop_, server_side(identities_.secrets(app_)), backend_.port());
  std::string http =
      "    typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {\"@type\": "
      "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, use_downstream_protocol_config: "
      "{http2_protocol_options: {}}}}\n";
  Proxy client(loop_, client_side(identities_.secrets(caller_), server.port(), app_, http));
  EXPECT_TRUE(get(loop_, client.port(), "/x", http::Version::Http2).body.ends_with(" h2"));
  EXPECT_TRUE(get(loop_, client.port(), "/x").body.ends_with("body=0")) << "HTTP/1.1 stays HTTP/1.1 beside it";
}

TEST_F(Mesh, APeerWithAnotherNameIsRefused) {
  Proxy server(loop_, server_side(identities_.secrets("spiffe://cluster.local/ns/default/sa/impostor")),
               backend_.port());
  Proxy client(loop_, client_side(identities_.secrets(caller_), server.port(), app_));
  auto response = get(loop_, client.port(), "/");
  EXPECT_EQ(response.status, 503);
  EXPECT_TRUE(response.body.ends_with("reset reason: remote connection failure"))
      << "why is for the log: " << response.body;
  EXPECT_EQ(backend_.requests, 0);
}

TEST_F(Mesh, ACallerOfAnotherTrustDomainIsRefused) {
  Proxy server(loop_, server_side(identities_.secrets(app_)), backend_.port());
  Proxy stranger(loop_,
                 client_side(identities_.secrets("spiffe://evil.org/ns/default/sa/caller"), server.port(), app_));
  EXPECT_EQ(get(loop_, stranger.port(), "/").status, 503);
  Identities others;
  Proxy unknown(loop_, client_side(others.secrets(caller_), server.port(), app_));
  EXPECT_EQ(get(loop_, unknown.port(), "/").status, 503);
  EXPECT_EQ(backend_.requests, 0);
}

TEST_F(Mesh, ClearTextMeetsNoFilterChainWhereMutualTlsIsStrict) {
  Proxy server(loop_, server_side(identities_.secrets(app_)), backend_.port());
  EXPECT_EQ(raw(loop_, server.port(), "GET / HTTP/1.1\r\nhost: a\r\n\r\n"), "");
  EXPECT_EQ(backend_.requests, 0);
}

TEST_F(Mesh, AnUpgradeGetsAConnectionOfItsOwn) {
  Proxy server(loop_, server_side(identities_.secrets(app_)), backend_.port());
  Proxy client(loop_, client_side(identities_.secrets(caller_), server.port(), app_));
  get(loop_, client.port(), "/first");  // there is a multiplexed connection now
  std::string answer = raw(loop_, client.port(),
                           "GET /ws HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n"
                           "GET /after HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
  EXPECT_NE(answer.find("GET /ws host=a"), std::string::npos) << answer;
}

}  // namespace
}  // namespace proxy
