// SPDX-License-Identifier: Apache-2.0
#include "http/grpc.h"
#include "base/strings.h"
#include "proxy/filter/grpc_stats.h"
#include "proxy/filter/grpc_web.h"
#include "proxy/runtime/harness.h"

namespace proxy {
namespace {

using namespace proxy::testing;

TEST(GrpcWeb, PaddedPiecesOfBase64AreJoined) {
  net::Buffer bytes;
  std::string out;
  bytes.append("YQ==YmM=ZGVmZ");
  ASSERT_TRUE(take_base64(bytes, out));
  EXPECT_EQ(out, "abcdef");
  EXPECT_EQ(bytes.view(), "Z");
  bytes.append("!!!");
  EXPECT_FALSE(take_base64(bytes, out));
}

TEST(GrpcStats, MessagesAreCountedWhateverThePieces) {
  std::string two("\0\0\0\0\3abc\0\0\0\0\0", 13);
  for (size_t piece = 1; piece <= two.size(); ++piece) {
    MessageCounter counter;
    for (size_t at = 0; at < two.size(); at += piece) counter.see(std::string_view(two).substr(at, piece));
    EXPECT_EQ(counter.count(), 2u) << piece;
  }
}

// Says each message back, in capitals of its length, and ends with status 5 on "fail".
net::Task<void> echo(std::shared_ptr<http::Exchange> exchange) {
  http::grpc::ServerCall call(exchange);
  http::grpc::Status status;
  for (;;) {
    auto message = co_await call.read();
    if (!message || !*message) break;
    if (**message == "fail") status = {http::grpc::Code::NotFound, "gone"};
    auto written = co_await call.write("got " + **message);
    if (!written) co_return;
  }
  call.finish(status);
}

class GrpcOnSockets : public ::testing::Test {
 protected:
  GrpcOnSockets() : server_(loop_, [](std::shared_ptr<http::Exchange> exchange) { return echo(std::move(exchange)); }) {
    auto bound = server_.listen(*net::Address::parse("127.0.0.1", 0));
    EXPECT_TRUE(bound);
    proxy_.emplace(
        loop_,
        bootstrap_of("              - {match: {prefix: /no}, direct_response: {status: 403, body: {inline_string: "
                     "\"not 100% yours\"}}}\n"
                     "              - {match: {prefix: /}, route: {cluster: backend}}\n",
                     cluster_of("backend", "@backend",
                                "    typed_extension_protocol_options: "
                                "{envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {\"@type\": "
                                "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, "
                                "explicit_http_config: {http2_protocol_options: {}}}}\n"),
                     "",
                     "{name: web, typed_config: {\"@type\": "
                     "type.googleapis.com/envoy.extensions.filters.http.grpc_web.v3.GrpcWeb}}\n"
                     "{name: stats, typed_config: {\"@type\": "
                     "type.googleapis.com/envoy.extensions.filters.http.grpc_stats.v3.FilterConfig, "
                     "stats_for_all_methods: true}}\n"),
        bound->port());
  }
  static std::string frame(std::string_view message) {
    std::string out("\0\0\0\0", 4);
    out += static_cast<char>(message.size());
    return out + std::string(message);
  }
  http::Response call(const std::string& type, std::string body, const std::string& path = "/pkg.Echo/Say") {
    http::Request request;
    request.method = "POST";
    request.path = path;
    request.headers.add("content-type", type);
    request.headers.add("accept", type);
    request.body = std::move(body);
    return fetch(loop_, proxy_->port(), std::move(request));
  }
  net::Loop loop_;
  http::Server server_;
  std::optional<Proxy> proxy_;
};

TEST_F(GrpcOnSockets, BrowsersGetTrailersAsTheLastFrame) {
  auto binary = call("application/grpc-web+proto", frame("hello") + frame("fail"));
  EXPECT_EQ(binary.status, 200);
  EXPECT_EQ(binary.headers.get("content-type"), "application/grpc-web+proto");
  std::string start = frame("got hello") + frame("got fail") + '\x80';
  EXPECT_TRUE(binary.body.starts_with(start)) << base::to_hex(binary.body);
  EXPECT_NE(binary.body.find("grpc-status:5\r\n"), std::string::npos);

  auto text = call("application/grpc-web-text", base::to_base64(frame("hello")));
  EXPECT_EQ(text.headers.get("content-type"), "application/grpc-web-text+proto");
  net::Buffer bytes;
  bytes.append(text.body);
  std::string plain;
  ASSERT_TRUE(take_base64(bytes, plain));
  EXPECT_TRUE(plain.starts_with(frame("got hello") + '\x80')) << base::to_hex(plain);
  EXPECT_EQ(call("application/grpc-web-text", "!!!!").headers.get("content-type"), "application/grpc-web-text+proto");

  // As Envoy: the HTTP status stays, and the body is the message.
  auto refused = call("application/grpc-web+proto", frame("hello"), "/no");
  EXPECT_EQ(refused.status, 403);
  EXPECT_EQ(refused.headers.get("content-type"), "application/grpc-web+proto");
  EXPECT_EQ(refused.headers.get("grpc-status"), "7");
  EXPECT_EQ(refused.headers.get("grpc-message"), "not 100%25 yours");
  EXPECT_EQ(refused.body, "");
  EXPECT_EQ(call("application/grpc", frame("hello"), "/no").status, 200);

  auto counted = proxy_->process().scrape().prometheus();
  auto of = [](const std::string& name) {
    return "envoy_cluster_grpc_" + name +
           "{envoy_cluster_name=\"backend\",envoy_grpc_bridge_service=\"pkg.Echo\",envoy_grpc_bridge_method=\"Say\"}";
  };
  EXPECT_NE(counted.find(of("failure") + " 2"), std::string::npos) << counted;  // "fail", and what was no base64
  EXPECT_NE(counted.find(of("success") + " 1"), std::string::npos);
  EXPECT_NE(counted.find(of("request_message_count") + " 3"), std::string::npos);
  EXPECT_NE(counted.find(of("response_message_count") + " 3"), std::string::npos);
}

}  // namespace
}  // namespace proxy
