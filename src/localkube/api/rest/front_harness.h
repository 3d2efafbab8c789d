// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "base/testing/folder.h"
#include "http/client.h"
#include "http/server.h"
#include "localkube/api/server.h"

namespace localkube {

inline std::string file(const std::string& path) {
  std::ifstream in(path);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

// The server on a real port, asked over TLS.
class FrontTest : public testing::Test {
 protected:
  void SetUp() override {
    start();
    ASSERT_EQ(post("/api/v1/namespaces/default/serviceaccounts", R"({"metadata":{"name":"default"}})").status, 201);
  }
  void start() {
    server_.reset();
    ApiServerOptions options;
    options.state_dir = folder_;
    options.watch_history = watch_history_;
    options.watch_bytes = watch_bytes_;
    auto opened = ApiServer::open(loop_, options);
    ASSERT_TRUE(opened) << opened.error().message;
    server_ = std::move(*opened);
    auto address = server_->listen(*net::Address::parse("127.0.0.1", 0));
    ASSERT_TRUE(address) << address.error().message;
    port_ = address->port();
  }

  std::unique_ptr<http::Client> client(bool admin = true) {
    net::TlsSettings settings;
    settings.trusted_roots = server_->ca_certificate();
    if (admin) {
      settings.certificate_chain = file(folder_ + "/pki/admin.crt");
      settings.private_key = file(folder_ + "/pki/admin.key");
    }
    http::ClientOptions options;
    options.host = "127.0.0.1";
    options.port = port_;
    options.tls = *net::TlsContext::client(settings);
    return std::make_unique<http::Client>(loop_, options);
  }

  struct Reply {
    int status = 0;
    Json body;
    std::string warnings = {};
  };
  Reply ask(http::Request request, bool admin = true) {
    auto from = client(admin);
    auto response = net::run_to_end(loop_, from->fetch(std::move(request)));
    EXPECT_TRUE(response) << response.error().message;
    if (!response) return {};
    auto body = base::parse_json(response->body);
    return {response->status, body ? *body : Json(response->body), response->headers.joined("warning")};
  }
  Reply get(const std::string& path, const char* accept = "application/json", const std::string& token = {}) {
    http::Request request;
    request.path = path;
    request.headers.set("accept", accept);
    if (!token.empty()) request.headers.set("authorization", "Bearer " + token);
    return ask(std::move(request), token.empty());
  }
  Reply send(const char* method, const std::string& path, const std::string& body, const char* type) {
    http::Request request;
    request.method = method;
    request.path = path;
    request.headers.set("content-type", type);
    request.body = body;
    return ask(std::move(request));
  }
  Reply post(const std::string& path, const std::string& body) { return send("POST", path, body, "application/json"); }

  net::Loop loop_;
  base::TestFolder own_;
  std::string folder_ = own_.path();
  uint16_t port_ = 0;
  size_t watch_history_ = 20;
  size_t watch_bytes_ = 4u << 20;
  std::unique_ptr<ApiServer> server_;
};

}  // namespace localkube
