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
    std::string out = bootstrap_of("              - {match: {prefix: /}, " + route + "}\n", clusters,
                                   "          access_log: [{name: f, typed_config: {\"@type\": "
                                   "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog, path: " +
                                       log_ + ", log_format: {text_format_source: {inline_string: \"" + format +
                                       "\\n\"}}}}]\n");
    const std::string chains = "    filter_chains:\n    - filters:\n";
    out.replace(out.find(chains), chains.size(),
                "    filter_chains:\n    - transport_socket: {name: tls, typed_config: {\"@type\": "
                "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext, " +
                    context + "common_tls_context: {" + common + "tls_certificates: [{certificate_chain: {inline_string: " +
                    base::Json(leaf.certificate).dump() + "}, private_key: {inline_string: " +
                    base::Json(leaf.key).dump() + "}}]}}}\n      filters:\n");
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
  const std::string cluster = cluster_of(
      "b", std::to_string(above.port()),
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

}  // namespace
}  // namespace proxy
