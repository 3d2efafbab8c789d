// SPDX-License-Identifier: Apache-2.0
#include "base/strings.h"
#include "http/client.h"
#include "localkube/api/rest/front.h"
#include "localkube/api/rest/respond.h"

namespace localkube {

namespace {

using Stream = std::shared_ptr<http::ClientStream>;

constexpr std::chrono::seconds kMostWait{30};  // for the head of the pod's answer

// A pod may answer before it has the whole body; the answer counts then.
net::Task<void> copy_request(std::shared_ptr<http::Exchange> exchange, Stream stream) {
  for (;;) {
    auto piece = co_await exchange->read();
    if (!piece) {
      stream->reset();
      co_return;
    }
    if (!*piece) break;
    auto written = co_await stream->write(std::move(**piece));
    if (!written) co_return;
  }
  stream->finish();
}

// Piece by piece, as fast as the client takes them: nothing is gathered here.
net::Task<void> copy_answer(std::shared_ptr<http::Exchange> exchange, Stream stream, http::ResponseHead head) {
  http::ResponseHead answer;
  answer.status = head.status;
  for (const char* name : {"content-type", "content-length"})
    if (auto value = head.headers.get(name)) answer.headers.set(name, *value);
  exchange->start(std::move(answer));
  for (;;) {
    auto piece = co_await stream->read();
    if (!piece) {
      exchange->abort();
      co_return;
    }
    if (!*piece) break;
    auto written = co_await exchange->write(std::move(**piece));
    if (!written) co_return;
  }
  exchange->finish();
}

}  // namespace

bool is_pod_proxy(const ApiPath& path) {
  return path.group.empty() && path.rest.size() >= 5 && path.rest[0] == "namespaces" && path.rest[2] == "pods" &&
         path.rest[4] == "proxy";
}

// pods/NAME:PORT/proxy/PATH: asks the pod in the client's place, in clear text.
net::Task<void> serve_pod_proxy(Services& services, std::shared_ptr<http::Exchange> exchange, ApiPath path) {
  auto named = base::cut(path.rest[3], ':');
  std::string name(named ? named->first : path.rest[3]);
  auto port = base::parse_number<uint16_t>(named ? named->second : "80");
  if (!port || !services.streams) {
    respond_refusal(*exchange, Refusal{.code = 400,
                                       .reason = "BadRequest",
                                       .message = "write the pod as NAME:PORT, not " + base::to_lower(path.rest[3])});
    co_return;
  }
  auto address = services.streams->dial_address(path.rest[1], name, *port);
  if (!address) {
    respond_refusal(*exchange, address.error());
    co_return;
  }
  auto target = net::Address::parse_host_port(*address);
  if (!target) {
    respond_refusal(*exchange, Refusal{.code = 500, .reason = "InternalError", .message = target.error().message});
    co_return;
  }
  http::ClientOptions options{.host = target->is_unix() ? *address : target->ip(), .port = target->port()};
  http::Client client(services.loop, std::move(options));
  http::RequestHead request;
  request.method = exchange->request().method;
  // What follows ".../proxy", as it was written.
  const std::string& whole = exchange->request().path;
  std::string marker = "/pods/" + path.rest[3] + "/proxy";
  size_t at = whole.find(marker);
  request.path = at == whole.npos ? "/" : whole.substr(at + marker.size());
  if (!request.path.starts_with('/')) request.path.insert(0, "/");
  const bool has_body = request.method != "GET" && request.method != "HEAD";
  for (const char* header : {"accept", "content-type", "content-length"})
    if (auto value = exchange->request().headers.get(header); value && (has_body || header[0] == 'a'))
      request.headers.add(header, *value);
  auto opened = co_await client.open(std::move(request));
  std::string why = opened ? "" : opened.error().message;
  if (opened) {
    Stream stream = std::move(*opened);
    exchange->on_closed([stream] { stream->reset(); });
    net::Timer late(services.loop, [stream] { stream->reset(); });
    late.arm(kMostWait);
    if (has_body)
      net::spawn(copy_request(exchange, stream));
    else
      stream->finish();
    auto head = co_await stream->response();
    late.cancel();
    if (head) {
      co_await copy_answer(std::move(exchange), std::move(stream), std::move(*head));
      co_return;
    }
    why = head.error().message;
  }
  respond_refusal(*exchange, Refusal{.code = 503,
                                     .reason = "ServiceUnavailable",
                                     .message = "error trying to reach pod " + name + ": " + why});
}

}  // namespace localkube
