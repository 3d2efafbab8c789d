// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <fstream>
#include <sstream>

#include "base/json.h"
#include "base/strings.h"
#include "net/certificates_for_test.h"
#include "proxy/runtime/harness.h"

// TLS as listeners and clusters of whole proxies speak it, over real sockets.
namespace proxy {
namespace {

using namespace proxy::testing;

class TlsOnSockets : public ::testing::Test {
 protected:
  ~TlsOnSockets() override { unlink(log_.c_str()); }

  // A listener that ends TLS, with this more of its context, and answers 200 or what its route says.
  std::string listener(const std::string& context = "", const std::string& common = "",
                       const std::string& route = "direct_response: {status: 200, body: {inline_string: fine}}",
                       const std::string& clusters = "", const std::string& format = "-") {
    auto leaf = authority_.leaf("a", "DNS:a.example");
    std::string out =
        bootstrap_of("              - {match: {prefix: /}, " + route + "}\n", clusters,
                     "          access_log: [{name: f, typed_config: {\"@type\": "
                     "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog, path: " +
                         log_ + ", log_format: {text_format_source: {inline_string: \"" + format + "\\n\"}}}}]\n");
    const std::string chains = "    filter_chains:\n    - filters:\n";
    out.replace(out.find(chains), chains.size(),
                "    filter_chains:\n    - transport_socket: {name: tls, typed_config: {\"@type\": "
                "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext, " +
                    context + "common_tls_context: {" + common +
                    "tls_certificates: [{certificate_chain: {inline_string: " + base::Json(leaf.certificate).dump() +
                    "}, private_key: {inline_string: " + base::Json(leaf.key).dump() + "}}]}}}\n      filters:\n");
    return out;
  }
  std::shared_ptr<const net::TlsContext> client(net::TlsSettings settings = {}) {
    settings.trusted_roots = authority_.pem();
    return *net::TlsContext::client(settings);
  }
  net::Task<base::Result<http::Response>> ask(uint16_t port, std::shared_ptr<const net::TlsContext> tls,
                                              http::Version version) {
    http::ClientOptions options{.host = "127.0.0.1", .port = port, .tls = tls, .server_name = "a.example"};
    options.version = version;
    http::Client client(loop_, std::move(options));
    http::Request request;
    auto response = co_await client.fetch(std::move(request));
    co_return response;
  }
  int status(uint16_t port, std::shared_ptr<const net::TlsContext> tls, http::Version version = http::Version::Http1) {
    auto response = net::run_to_end(loop_, ask(port, std::move(tls), version));
    return response ? response->status : 0;
  }
  std::string logged() const {
    std::stringstream text;
    text << std::ifstream(log_).rdbuf();
    return text.str();
  }

  net::Loop loop_;
  net::TestAuthority authority_;
  std::string log_ = ::testing::TempDir() + "/seine-tls-" + std::to_string(getpid()) + ".log";
};

TEST_F(TlsOnSockets, ALogTellsVersionCipherAndGroupOfBothSides) {
  Proxy above(loop_, listener());
  const std::string cluster =
      cluster_of("b", std::to_string(above.port()),
                 "    transport_socket: {name: tls, typed_config: {\"@type\": "
                 "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext, sni: a.example, "
                 "common_tls_context: {tls_params: {tls_maximum_protocol_version: TLSv1_2, cipher_suites: "
                 "[ECDHE-ECDSA-AES256-GCM-SHA384], ecdh_curves: [P-256]}}}}\n");
  unlink(log_.c_str());
  {
    Proxy proxy(loop_, listener("", "", "route: {cluster: b}", cluster,
                                "%DOWNSTREAM_TLS_VERSION% %DOWNSTREAM_TLS_GROUP% %DOWNSTREAM_TLS_SESSION_ID% "
                                "%UPSTREAM_TLS_VERSION% %UPSTREAM_TLS_CIPHER% %UPSTREAM_TLS_GROUP% "
                                "%UPSTREAM_PEER_DNS_SAN%/%DOWNSTREAM_PEER_IP_SAN%"));
    EXPECT_EQ(status(proxy.port(), client({.tls13_only = true, .groups = "X25519"})), 200);
  }
  const std::string text = logged();
  EXPECT_EQ(text.substr(0, text.find('\n') + 1).substr(0, 200),
            "TLSv1.3 X25519 - TLSv1.2 ECDHE-ECDSA-AES256-GCM-SHA384 P-256 a.example/-\n");
}

// Asks over one connection after another, the later with the session of the first; how many of them were resumed.
struct Visitor final : net::Connection::Handler {
  explicit Visitor(net::Loop& loop) : loop(loop) {}
  void on_ready(net::Connection& connection) override {
    resumed += connection.tls()->resumed;
    connection.output().append("GET / HTTP/1.1\r\nhost: a.example\r\nconnection: close\r\n\r\n");
  }
  void on_data(net::Connection& connection) override { connection.input().clear(); }
  void on_end(net::Connection&) override { done = true; }
  void on_closed(net::Connection&, const base::Error& error) override {
    why = error.message;
    done = true;
  }
  int visit(uint16_t port, std::shared_ptr<const net::TlsContext> tls, const std::string& name) {
    done = false;
    resumed = 0;
    net::Connection connection(loop, *this);
    EXPECT_TRUE(connection.connect({.address = *net::Address::parse("127.0.0.1", port)}));
    connection.start_tls(std::move(tls), name, {}, memory);
    net::run_to_end(loop, wait());
    return resumed;
  }
  net::Task<bool> wait() {
    while (!done) co_await net::sleep(loop, std::chrono::milliseconds(1));
    co_return true;
  }

  net::Loop& loop;
  std::shared_ptr<net::TlsMemory> memory = std::make_shared<net::TlsMemory>();
  bool done = false;
  int resumed = 0;
  std::string why;
};

std::string keys_of(const std::vector<std::string>& keys) {
  std::string out = "session_ticket_keys: {keys: [";
  for (const std::string& key : keys)
    out += (out.ends_with('[') ? "" : ", ") + ("{inline_bytes: " + base::to_base64(key) + "}");
  return out + "]}, ";
}

TEST_F(TlsOnSockets, TicketsOutliveTheirProxyAndTheRotationOfTheirKeys) {
  const std::string first(80, 'a'), second(80, 'b'), third(80, 'c');
  Proxy one(loop_, listener(keys_of({first}))), rotated(loop_, listener(keys_of({second, first}))),
      other(loop_, listener(keys_of({third}))), none(loop_, listener());
  auto tls = client({.resumable = true});
  Visitor visitor(loop_);
  EXPECT_EQ(visitor.visit(one.port(), tls, "a.example"), 0);
  ASSERT_TRUE(visitor.memory->session);
  EXPECT_EQ(visitor.visit(one.port(), tls, "a.example"), 1);
  EXPECT_EQ(visitor.visit(rotated.port(), tls, "a.example"), 1) << "sealed with the key before";
  EXPECT_EQ(visitor.visit(one.port(), tls, "a.example"), 0) << "sealed with the newer key";
  EXPECT_EQ(visitor.visit(other.port(), tls, "a.example"), 0);
  Visitor plain(loop_);
  plain.visit(none.port(), tls, "a.example");
  EXPECT_EQ(plain.visit(none.port(), tls, "a.example"), 0) << "without keys nothing is resumed";
}

TEST_F(TlsOnSockets, AKeyOfAnotherSizeIsRefused) {
  auto bootstrap = parse_bootstrap(listener(keys_of({std::string(79, 'a')})));
  ASSERT_TRUE(bootstrap);
  Process process(loop_, ProcessOptions{.concurrency = 1}, std::move(*bootstrap));
  auto started = process.start();
  ASSERT_FALSE(started);
  EXPECT_NE(started.error().message.find("a session ticket key has 79 bytes; 80 are needed"), std::string::npos)
      << started.error().message;
}

// The SHA-256 of a certificate, or of its key.
std::string digest_of(const std::string& pem, bool key) {
  BIO* text = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  X509* certificate = PEM_read_bio_X509(text, nullptr, nullptr, nullptr);
  unsigned char* der = nullptr;
  const int size = key ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der) : i2d_X509(certificate, &der);
  std::string out(32, '\0');
  EVP_Digest(der, static_cast<size_t>(size), reinterpret_cast<unsigned char*>(out.data()), nullptr, EVP_sha256(),
             nullptr);
  OPENSSL_free(der);
  X509_free(certificate);
  BIO_free(text);
  return out;
}

TEST_F(TlsOnSockets, WhoIsRevokedOrNotPinnedIsKeptOut) {
  const auto good = authority_.leaf("good", ""), bad = authority_.leaf("bad", "");
  auto as = [&](const net::TestAuthority::Leaf& leaf) {
    return client({.certificate_chain = leaf.certificate, .private_key = leaf.key});
  };
  const std::string roots = "trusted_ca: {inline_string: " + base::Json(authority_.pem()).dump() + "}";
  const std::string revoked = "crl: {inline_string: " + base::Json(authority_.revocations({bad})).dump() + "}";
  std::string colons;
  for (char byte : digest_of(good.certificate, false)) colons += (colons.empty() ? "" : ":") + base::to_hex({&byte, 1});
  for (const std::string& validation :
       {roots + ", " + revoked,
        "verify_certificate_spki: ['" + base::to_base64(digest_of(good.certificate, true)) + "']",
        roots + ", verify_certificate_hash: ['" + colons + "']"}) {
    Proxy proxy(loop_, listener("require_client_certificate: true, ", "validation_context: {" + validation + "}, "));
    EXPECT_EQ(status(proxy.port(), as(good)), 200) << validation;
    EXPECT_EQ(status(proxy.port(), as(bad)), 0) << validation;
    EXPECT_EQ(status(proxy.port(), client()), 0) << validation;
  }
}

TEST_F(TlsOnSockets, WhatAProxyCannotHoldPeersToIsRefused) {
  auto refusal = [&](const std::string& text) {
    auto bootstrap = parse_bootstrap(text);
    if (!bootstrap) return bootstrap.error().message;
    Process process(loop_, ProcessOptions{.concurrency = 1}, std::move(*bootstrap));
    auto started = process.start();
    return started ? std::string() : started.error().message;
  };
  EXPECT_NE(refusal(listener("", "validation_context: {verify_certificate_hash: [abc]}, ")).find("Invalid hex-encoded"),
            std::string::npos);
  std::string secret = listener();
  secret.replace(
      secret.find("static_resources:\n"), sizeof "static_resources:\n" - 1,
      "static_resources:\n  secrets: [{name: s, validation_context: {match_subject_alt_names: [{exact: a}]}}]\n");
  EXPECT_NE(refusal(secret).find("do not act in a secret"), std::string::npos) << refusal(secret);
}

TEST_F(TlsOnSockets, AListenerMayDemandANameThatItsCertificateCarries) {
  Proxy strict(loop_, listener("require_sni: true, "));
  auto tls = client({.check_server_name = false});
  Visitor visitor(loop_);
  visitor.visit(strict.port(), tls, "a.example");
  EXPECT_EQ(visitor.why, "");
  for (std::string name : {"", "b.example"}) {
    visitor.why.clear();
    visitor.visit(strict.port(), tls, name);
    EXPECT_NE(visitor.why, "") << name;
  }
}

TEST_F(TlsOnSockets, TheNameThatTheClientAsksForChoosesTheCluster) {
  Proxy inside(loop_, listener());
  Proxy door(loop_, R"(
static_resources:
  listeners:
  - name: main
    address: {socket_address: {address: 127.0.0.1, port_value: 0}}
    listener_filters: [{name: tls, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector}}]
    filter_chains:
    - filters:
      - {name: sni, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.network.sni_cluster.v3.SniCluster}}
      - {name: tcp, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: t, cluster: nowhere}}
  clusters:
)" + cluster_of("a.example", std::to_string(inside.port())));
  auto tls = client({.check_server_name = false});
  Visitor visitor(loop_);
  visitor.visit(door.port(), tls, "a.example");
  EXPECT_EQ(visitor.why, "");
  visitor.visit(door.port(), tls, "b.example");
  EXPECT_NE(visitor.why, "") << "no cluster of that name";
}

}  // namespace
}  // namespace proxy
