// SPDX-License-Identifier: Apache-2.0
#include <openssl/evp.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include "base/json.h"
#include "base/strings.h"
#include "net/certificates_for_test.h"
#include "proxy/admin/admin.h"
#include "proxy/admin/dump.h"
#include "proxy/runtime/bootstrap.h"
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

TEST_F(TlsOnSockets, ALogOfTcpTellsOfBothSidesCertificatesAtItsEnd) {
  Proxy above(loop_, listener());
  const auto leaf = authority_.leaf("a", "DNS:a.example"), who = authority_.leaf("client", "DNS:client.example");
  unlink(log_.c_str());
  {
    std::string text = R"(
static_resources:
  listeners:
  - name: main
    address: {socket_address: {address: 127.0.0.1, port_value: 0}}
    filter_chains:
    - transport_socket: {name: tls, typed_config: {"@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext, common_tls_context: {@context}}}
      filters:
      - name: tcp
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
          stat_prefix: t
          cluster: b
          access_log: [{name: f, typed_config: {"@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog, path: @log, log_format: {text_format_source: {inline_string: "%DOWNSTREAM_PEER_DNS_SAN% %DOWNSTREAM_PEER_SUBJECT% %UPSTREAM_PEER_DNS_SAN% %UPSTREAM_PEER_SUBJECT%\n"}}}}]
  clusters:
)";
    auto replace = [&](const std::string& what, const std::string& by) {
      text.replace(text.find(what), what.size(), by);
    };
    replace("@context",
            "validation_context: {trusted_ca: {inline_string: " + base::Json(authority_.pem()).dump() +
                "}}, tls_certificates: [{certificate_chain: {inline_string: " + base::Json(leaf.certificate).dump() +
                "}, private_key: {inline_string: " + base::Json(leaf.key).dump() + "}}]");
    replace("@log", log_);
    text += cluster_of(
        "b", std::to_string(above.port()),
        "    transport_socket: {name: tls, typed_config: {\"@type\": "
        "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext, sni: a.example}}\n");
    Proxy proxy(loop_, text);
    EXPECT_EQ(status(proxy.port(), client({.certificate_chain = who.certificate, .private_key = who.key})), 200);
  }
  EXPECT_EQ(logged(), "client.example O=seine tests,CN=client a.example O=seine tests,CN=a\n");
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

TEST_F(TlsOnSockets, ATicketCountsOnlyWhereChainsAreJudgedAlike) {
  const std::string keys = keys_of({std::string(80, 'a')});
  auto asks = [&](const std::string& more) {
    return "validation_context: {trusted_ca: {inline_string: " + base::Json(authority_.pem()).dump() + "}" + more +
           "}, ";
  };
  Proxy one(loop_, listener(keys, asks(""))), same(loop_, listener(keys, asks(""))),
      shallow(loop_, listener(keys, asks(", max_verify_depth: 0"))),
      lenient(loop_, listener(keys, asks(", allow_expired_certificate: true"))),
      named(loop_, listener(keys + "require_sni: true, ", asks(""))),
      choosy(loop_, listener(keys, asks("") + "tls_params: {cipher_suites: [ECDHE-ECDSA-AES256-GCM-SHA384]}, "));
  auto tls = client({.resumable = true});
  Visitor visitor(loop_);
  visitor.visit(one.port(), tls, "a.example");
  EXPECT_EQ(visitor.visit(same.port(), tls, "a.example"), 1);
  for (Proxy* other : {&shallow, &lenient, &named, &choosy}) {
    Visitor again(loop_);
    again.visit(one.port(), tls, "a.example");
    ASSERT_TRUE(again.memory->session);
    EXPECT_EQ(again.visit(other->port(), tls, "a.example"), 0);
  }
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
  const std::string revoked = "crl: {inline_string: " + base::Json(authority_.revocation_list({bad})).dump() + "}";
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

constexpr char kTls[] = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.";

std::string in_yaml(const std::string& text) { return base::Json(text).dump(); }

// The bootstrap with a static secret "checks" of this validation context.
std::string with_checks(std::string bootstrap, const std::string& validation) {
  const std::string at = "static_resources:\n";
  return bootstrap.replace(bootstrap.find(at), at.size(),
                           at + "  secrets: [{name: checks, validation_context: {" + validation + "}}]\n");
}

TEST_F(TlsOnSockets, WhatIsAskedOfACertificateIsAskedWhereverItIsWritten) {
  auto good = authority_.leaf("good", "URI:spiffe://td/good"), evil = authority_.leaf("evil", "URI:spiffe://td/evil");
  auto as = [&](const net::TestAuthority::Leaf& leaf) {
    return client({.certificate_chain = leaf.certificate, .private_key = leaf.key});
  };
  const std::string roots = "trusted_ca: {inline_string: " + in_yaml(authority_.pem()) + "}",
                    names = "match_typed_subject_alt_names: [{san_type: URI, matcher: {exact: spiffe://td/good}}]",
                    list = "crl: {inline_string: " + in_yaml(authority_.revocation_list({evil})) + "}",
                    secret = "validation_context_sds_secret_config: {name: checks}";
  const std::string hash = "verify_certificate_hash: [" + base::to_hex(digest_of(good.certificate, false)) + "]";
  for (const std::string& check : {names, list, hash}) {
    const std::string all = roots + ", " + check;
    const bool every_client = check != list;  // names and hashes need a certificate
    struct Place {
      const char* name;
      std::string common, secret;
    };
    const Place places[] = {
        {"in line", "validation_context: {" + all + "}", "trust_chain_verification: VERIFY_TRUST_CHAIN"},
        {"secret", secret, all},
        {"beside roots of a secret",
         "combined_validation_context: {default_validation_context: {" + check + "}, " + secret + "}", roots},
        {"secret beside roots",
         "combined_validation_context: {default_validation_context: {" + roots + "}, " + secret + "}", check},
    };
    for (const Place& place : places) {
      for (const char* required : {"require_client_certificate: true, ", ""}) {
        SCOPED_TRACE(std::string(place.name) + " " + required + check.substr(0, 30));
        Proxy proxy(loop_, with_checks(listener(required, place.common + ", "), place.secret));
        EXPECT_EQ(status(proxy.port(), as(good)), 200);
        EXPECT_EQ(status(proxy.port(), as(evil)), 0);
        EXPECT_EQ(status(proxy.port(), client()), *required || every_client ? 0 : 200);
      }
    }
  }
}

TEST_F(TlsOnSockets, AnUpstreamIsHeldToTheNamesOfASecret) {
  Proxy above(loop_, listener());
  const std::string cluster = cluster_of(
      "b", std::to_string(above.port()),
      "    transport_socket: {name: tls, typed_config: {\"@type\": " + std::string(kTls) +
          "UpstreamTlsContext, common_tls_context: {validation_context_sds_secret_config: {name: checks}}}}\n");
  auto ask_for = [&](const std::string& name) {
    Proxy proxy(loop_,
                with_checks(bootstrap_of("              - {match: {prefix: /}, route: {cluster: b}}\n", cluster),
                            "trusted_ca: {inline_string: " + in_yaml(authority_.pem()) +
                                "}, match_typed_subject_alt_names: [{san_type: DNS, matcher: {exact: " + name + "}}]"));
    return get(loop_, proxy.port(), "/");
  };
  EXPECT_EQ(ask_for("a.example").status, 200);
  EXPECT_EQ(ask_for("b.example").status, 503);
}

// What a proxy that should run this says.
std::string refusal_of(std::string text) {
  for (const char* port : {"@main", "@backend"})
    for (size_t at; (at = text.find(port)) != text.npos;) text.replace(at, std::string(port).size(), "1");
  auto bootstrap = parse_bootstrap(text, UnknownFields::Refuse);
  if (!bootstrap) return "unread: " + bootstrap.error().message;
  auto valid = validate(*bootstrap);
  return valid ? "" : valid.error().message;
}

TEST_F(TlsOnSockets, WhatWouldBeNoVerificationOrNoTlsAtAllIsRefused) {
  auto upstream = [&](const std::string& validation) {
    return refusal_of(
        bootstrap_of("              - {match: {prefix: /}, route: {cluster: b}}\n",
                     cluster_of("b", "1",
                                "    transport_socket: {name: tls, typed_config: {\"@type\": " + std::string(kTls) +
                                    "UpstreamTlsContext, common_tls_context: "
                                    "{validation_context: {" +
                                    validation + "}}}}\n")));
  };
  const std::string san = ", match_typed_subject_alt_names: [{san_type: DNS, matcher: {exact: a}}]";
  EXPECT_EQ(upstream(""), "");
  for (const char* nothing : {"{filename: /dev/null}", "{filename: /tmp}", "{inline_string: \"\"}", "{}"}) {
    EXPECT_NE(upstream("trusted_ca: " + std::string(nothing)), "") << nothing;
    EXPECT_NE(upstream("trusted_ca: " + std::string(nothing) + san), "") << nothing;
  }
  EXPECT_NE(upstream(san.substr(2)).find("without trusted CA is insecure"), std::string::npos);
  EXPECT_NE(upstream("verify_certificate_hash: [abc]").find("Invalid hex-encoded SHA-256"), std::string::npos);

  const std::string untyped = "transport_socket: {name: envoy.transport_sockets.tls}";
  for (const std::string& socket : {
           "    " + untyped + "\n",
           "    transport_socket_matches: [{name: m, match: {}, " + untyped + "}]\n",
           "    transport_socket: {name: p, typed_config: {\"@type\": "
           "type.googleapis.com/envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport, " +
               untyped + "}}\n",
       })
    EXPECT_NE(refusal_of(bootstrap_of("              - {match: {prefix: /}, route: {cluster: b}}\n",
                                      cluster_of("b", "1", socket)))
                  .find("Didn't find a registered implementation for 'envoy.transport_sockets.tls'"),
              std::string::npos)
        << socket;
  EXPECT_NE(
      refusal_of(bootstrap_of("              - {match: {prefix: /}, route: {cluster: b, retry_policy: {retry_on: 5xx, "
                              "retry_host_predicate: [{name: envoy.retry_host_predicates.previous_hosts}]}}}\n",
                              cluster_of("b", "1")))
          .find("Didn't find a registered implementation"),
      std::string::npos);
  EXPECT_NE(
      refusal_of(bootstrap_of("              - {match: {prefix: /}, route: {cluster: b}}\n",
                              cluster_of("b", "1",
                                         "    typed_extension_protocol_options: {envoy.upstreams.http.x: {\"@type\": "
                                         "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, "
                                         "explicit_http_config: {http2_protocol_options: {}}}}\n")))
          .find("'envoy.upstreams.http.x'"),
      std::string::npos);
  std::string text = listener();
  const size_t typed = text.find("{name: tls, typed_config"), end = text.find('\n', typed);
  text.replace(typed, end - typed, "{name: envoy.transport_sockets.tls}");
  EXPECT_NE(refusal_of(text).find("Didn't find a registered implementation"), std::string::npos) << refusal_of(text);
}

TEST_F(TlsOnSockets, WhatCannotServeIsNoValidConfiguration) {
  EXPECT_EQ(refusal_of(listener()), "");
  auto with_key = [&](const std::string& key) {
    std::string text = listener();
    const size_t at = text.find("private_key: {inline_string: "), end = text.find('}', at);
    return text.replace(at, end - at, "private_key: {inline_string: " + in_yaml(key));
  };
  EXPECT_NE(refusal_of(with_key("garbage")).find("private key"), std::string::npos);
  EXPECT_NE(refusal_of(with_key(authority_.leaf("b", "DNS:b").key)).find("does not fit"), std::string::npos);
  EXPECT_NE(refusal_of(with_checks(listener(), "trusted_ca: {inline_string: garbage}")).find("checks: trusted roots"),
            std::string::npos);
  EXPECT_EQ(refusal_of(listener("", "validation_context_sds_secret_config: {name: nowhere}, ")),
            "Unknown static secret: nowhere");
  std::string two = listener();
  two.replace(two.find("port_value: 0"), 13, "port_value: 1");
  const size_t begin = two.find("  - name: main"), end = two.find("  clusters:");
  std::string second = two.substr(begin, end - begin);
  two.insert(end, second.replace(second.find("main"), 4, "also"));
  EXPECT_NE(refusal_of(two).find("'also' has duplicate address"), std::string::npos) << refusal_of(two);
}

TEST_F(TlsOnSockets, NoDumpShowsAKeyAndCertificatesOfListenersAreListed) {
  auto leaf = authority_.leaf("b", "DNS:b.example");
  const std::string cluster =
      cluster_of("b", "1",
                 "    transport_socket: {name: tls, typed_config: {\"@type\": "
                 "type.googleapis.com/udpa.type.v1.TypedStruct, type_url: " +
                     std::string(kTls) +
                     "UpstreamTlsContext, value: {common_tls_context: {tls_certificates: [{certificate_chain: "
                     "{inline_string: " +
                     in_yaml(leaf.certificate) + "}, private_key: {inline_string: " + in_yaml(leaf.key) + "}}]}}}}\n");
  std::string text = listener("", "", "route: {cluster: b}", cluster);
  const std::string at = "static_resources:\n";
  text.replace(text.find(at), at.size(),
               at +
                   "  secrets:\n  - {name: word, generic_secret: {secret: {inline_string: TOPSECRET}, secrets: {a: "
                   "{inline_string: "
                   "TOPSECRET}}}}\n  - {name: own, tls_certificate: {certificate_chain: {inline_string: " +
                   in_yaml(leaf.certificate) + "}, private_key: {inline_string: " + in_yaml(leaf.key) + "}}}\n");
  Proxy proxy(loop_, text);
  const std::string dump = config_dump(proxy.process(), {.endpoints = true})->dump();
  EXPECT_EQ(dump.find("PRIVATE KEY"), std::string::npos);
  EXPECT_EQ(dump.find(base::to_base64(leaf.key).substr(0, 40)), std::string::npos);
  EXPECT_EQ(dump.find("TOPSECRET"), std::string::npos);
  EXPECT_NE(dump.find("[redacted]"), std::string::npos);
  EXPECT_NE(dump.find("BEGIN CERTIFICATE"), std::string::npos);
  const base::Json certificates = certificates_json(proxy.process());
  const std::string listed = certificates.dump();
  EXPECT_NE(listed.find("a.example"), std::string::npos) << listed;
  EXPECT_NE(listed.find("b.example"), std::string::npos) << listed;
  EXPECT_EQ(certificates["certificates"][0]["cert_chain"][0]["path"], "<inline>");
  const telemetry::Scrape scrape = proxy.process().scrape();
  for (const auto& stat : scrape.stats())
    if (stat.name == "server.days_until_first_cert_expiring") {
      EXPECT_EQ(stat.value, 0) << "they last for an hour";
    }
}

}  // namespace
}  // namespace proxy
