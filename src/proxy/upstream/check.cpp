// SPDX-License-Identifier: Apache-2.0
#include "proxy/upstream/check.h"

#include <algorithm>

#include "base/strings.h"

namespace proxy {
namespace {

constexpr size_t kMostAnswered = 64 * 1024;  // bytes of a gRPC or TCP check's answer

bool within(int status, const std::vector<std::pair<int, int>>& ranges) {
  return std::any_of(ranges.begin(), ranges.end(),
                     [&](const auto& range) { return status >= range.first && status < range.second; });
}

// grpc.health.v1.HealthCheckRequest in its frame: field 1 is the service's name.
std::string grpc_question(std::string_view service) {
  std::string message;
  if (!service.empty()) {
    message += '\x0a';
    for (size_t size = service.size();; size >>= 7) {
      message += static_cast<char>((size & 0x7f) | (size > 0x7f ? 0x80 : 0));
      if (size <= 0x7f) break;
    }
    message += service;
  }
  std::string out(1, '\0');  // not compressed
  for (int shift : {24, 16, 8, 0}) out += static_cast<char>((message.size() >> shift) & 0xff);
  return out + message;
}

// HealthCheckResponse: field 1 is the status, 1 is SERVING.
bool says_serving(std::string_view body) {
  return body.size() >= 7 && body[0] == 0 && body[5] == '\x08' && body[6] == '\x01';
}

}  // namespace

bool contains_in_order(std::string_view text, const std::vector<std::string>& pieces) {
  for (const std::string& piece : pieces) {
    const size_t at = text.find(piece);
    if (at == text.npos) return false;
    text.remove_prefix(at + piece.size());
  }
  return true;
}

http::Request Checker::request_of(const CheckTarget& target) const {
  http::Request out;
  out.authority = target.authority;
  out.scheme = target.tls ? "https" : "http";
  if (check_.kind == HealthCheck::Kind::Grpc) {
    out.method = "POST";
    out.path = "/grpc.health.v1.Health/Check";
    out.headers.add("content-type", "application/grpc");
    out.headers.add("te", "trailers");
    out.body = grpc_question(check_.service);
  } else {
    out.method = check_.method;
    out.path = check_.path;
  }
  out.headers.set("user-agent", "Envoy/HC");
  for (const auto& [name, value] : check_.headers) {
    if (name == "host" || name == ":authority")
      out.authority = value;
    else
      out.headers.add(name, value);
  }
  for (const std::string& name : check_.removed_headers) out.headers.remove(name);
  return out;
}

CheckResult Checker::verdict(const http::Response& response) const {
  if (check_.kind == HealthCheck::Kind::Grpc) {
    auto status = response.trailers.get("grpc-status");
    if (!status) status = response.headers.get("grpc-status");
    if (response.status != 200 || !status) return CheckResult::NetworkFailed;
    return *status == "0" && says_serving(response.body) ? CheckResult::Passed : CheckResult::Failed;
  }
  if (response.headers.contains("x-envoy-immediate-health-check-fail")) return CheckResult::Failed;
  if (!within(response.status, check_.expected))
    return within(response.status, check_.retriable) ? CheckResult::NetworkFailed : CheckResult::Failed;
  if (check_.service_name) {
    auto name = response.headers.get("x-envoy-upstream-healthchecked-cluster");
    if (!name || !check_.service_name->matches(*name)) return CheckResult::Failed;
  }
  return response.headers.contains("x-envoy-degraded") ? CheckResult::Degraded : CheckResult::Passed;
}

net::Task<CheckResult> Checker::run(CheckTarget target) {
  if (target.unready) co_return CheckResult::NetworkFailed;
  if (check_.kind == HealthCheck::Kind::Tcp) {
    CheckResult out = co_await run_tcp(std::move(target));
    co_return out;
  }
  CheckResult out = co_await run_http(std::move(target));
  co_return out;
}

net::Task<CheckResult> Checker::run_http(CheckTarget target) {
  if (!client_ || !(client_address_ == target.address) || client_tls_ != target.tls || !check_.reuse_connection) {
    http::ClientOptions options;
    options.host = target.address.is_unix() ? target.address.text() : target.address.ip();
    options.port = target.address.port();
    options.tls = target.tls;
    options.server_name = target.server_name;
    options.version = check_.http2 ? http::Version::Http2 : http::Version::Http1;
    options.connect_timeout = check_.timeout;
    options.timeout = check_.timeout;
    options.largest = kMostAnswered;
    options.keeps_body = check_.kind == HealthCheck::Kind::Grpc;
    client_ = std::make_unique<http::Client>(loop_, std::move(options));
    client_address_ = target.address;
    client_tls_ = target.tls;
  }
  http::Request request = request_of(target);
  auto response = co_await client_->fetch(std::move(request));
  if (!check_.reuse_connection) client_.reset();
  if (!response) co_return CheckResult::NetworkFailed;
  co_return verdict(*response);
}

net::Task<CheckResult> Checker::run_tcp(CheckTarget target) {
  net::ConnectOptions options;
  options.tls = target.tls;
  options.server_name = target.server_name;
  options.timeout = check_.timeout;
  auto connected = co_await net::connect(loop_, target.address, std::move(options));
  if (!connected) co_return CheckResult::NetworkFailed;
  std::unique_ptr<net::ByteStream> stream = std::move(*connected);
  if (check_.send.empty() && check_.receive.empty()) co_return CheckResult::Passed;
  net::Timer limit(loop_, [&stream] { stream->close(); });  // what waits for it ends
  limit.arm(check_.timeout);
  if (!check_.send.empty()) {
    auto written = co_await stream->write(check_.send);
    if (!written) co_return CheckResult::NetworkFailed;
  }
  std::string got;
  while (!contains_in_order(got, check_.receive)) {
    auto piece = co_await stream->read();
    if (!piece || !*piece || got.size() > kMostAnswered) co_return CheckResult::NetworkFailed;
    got += **piece;
  }
  co_return CheckResult::Passed;
}

}  // namespace proxy
