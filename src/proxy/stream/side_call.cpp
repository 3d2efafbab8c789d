// SPDX-License-Identifier: Apache-2.0
#include "proxy/stream/side_call.h"

#include "base/strings.h"
#include "proxy/stream/own_requests.h"
#include "proxy/stream/stream.h"

namespace proxy {

static constexpr int kGrpcUnknown = 2, kGrpcDeadlineExceeded = 4, kGrpcInternal = 13, kGrpcUnavailable = 14;

std::shared_ptr<const SideTarget> SideTarget::make(Options options) {
  auto out = std::make_shared<SideTarget>();
  Forward forward;
  WeightedTarget target;
  target.cluster = options.cluster;
  forward.targets.push_back(std::move(target));
  forward.timeout = options.timeout;
  forward.retry = std::move(options.retry);
  std::vector<Route> routes(1);
  routes[0].action = std::move(forward);
  out->http_ = own_requests("side_call", std::move(routes));
  return out;
}

void SideCall::send(std::shared_ptr<const SideTarget> target, const http::Request& request, Done done) {
  grpc_ = false;
  target_ = std::move(target);
  begin(telemetry::Protocol::Http11, request, std::move(done));
}

void SideCall::call(std::shared_ptr<const SideTarget> target, std::string_view authority, std::string_view path,
                    std::string_view message, const http::Headers& metadata, Done done) {
  grpc_ = true;
  target_ = std::move(target);
  http::Request request;
  request.method = "POST";
  request.authority = authority;
  request.path = path;
  request.headers = metadata;
  request.headers.set("te", "trailers");
  request.headers.set("content-type", "application/grpc");
  auto size = static_cast<uint32_t>(message.size());
  request.body = {'\0', static_cast<char>(size >> 24), static_cast<char>(size >> 16), static_cast<char>(size >> 8),
                  static_cast<char>(size)};
  request.body += message;
  begin(telemetry::Protocol::Http2, request, std::move(done));
}

void SideCall::begin(telemetry::Protocol protocol, const http::Request& request, Done done) {
  answer_ = {};
  failed_ = too_late_ = false;
  done_ = std::move(done);
  origin_.http = &target_->http_;
  Stream& stream = worker_.new_stream();
  stream_ = &stream;
  stream.begin(*this, origin_, protocol, 0);
  static_cast<http::RequestHead&>(stream.request) = request;
  bool bare = request.body.empty();
  auto body = bare ? http::h1::Body::none() : http::h1::Body::length(request.body.size());
  stream.on_request(grpc_ ? http::h1::Body::chunked() : body, bare, false);
  if (!bare && stream_) stream.on_request_data(request.body, true);
}

void SideCall::cancel() {
  done_ = nullptr;
  deliver_.cancel();
  if (stream_) stream_->on_downstream_reset();
}

void SideCall::send_head(Stream& stream, const http::ResponseHead& head, http::h1::Body, bool end) {
  answer_.status = head.status;
  answer_.headers = head.headers;
  too_late_ = stream.record.has(telemetry::Flag::UpstreamRequestTimeout);
  // Answers of the proxy's own, for want of an upstream, say so in their flags.
  answer_.arrived = stream.record.details == "via_upstream";
  if (end) deliver_.schedule();
}

size_t SideCall::send_data(Stream&, std::string_view bytes, bool end) {
  if (answer_.body.size() + bytes.size() > kMostBody) failed_ = true;
  if (!failed_) answer_.body += bytes;
  if (end || failed_) deliver_.schedule();  // of one that is too long nothing more is read
  return bytes.size();
}

void SideCall::send_trailers(Stream&, const http::Headers& trailers) {
  answer_.trailers = trailers;
  deliver_.schedule();
}

void SideCall::abort(Stream&) {
  failed_ = true;
  deliver_.schedule();
}

void SideCall::released(Stream&) {
  stream_ = nullptr;
  if (done_) deliver_.schedule();
}

// The one status that an answer ends with, as the protocol writes it; unknown where it says several, or none that is
// one.
static int grpc_status_of(const http::Headers& last) {
  std::string_view said;
  size_t times = 0;
  for (auto [name, value] : last)
    if (name == "grpc-status") said = value, ++times;
  auto status = base::parse_number<int>(said);
  return times == 1 && status && *status >= 0 && std::to_string(*status) == said ? *status : kGrpcUnknown;
}

// A unary answer is one frame that is not compressed, and a status in the trailers. In the head it counts only where
// nothing follows that (Trailers-Only).
void SideCall::read_grpc() {
  if (!answer_.arrived) {
    answer_.grpc_status = too_late_ ? kGrpcDeadlineExceeded : kGrpcUnavailable;
    return;
  }
  const bool head_alone = answer_.body.empty() && answer_.trailers.empty();
  const http::Headers& last = head_alone ? answer_.headers : answer_.trailers;
  auto status = last.get("grpc-status");
  if (answer_.status != 200 || !status) {
    answer_.grpc_status = answer_.status == 200 ? kGrpcUnknown : kGrpcUnavailable;
    answer_.body.clear();
    return;
  }
  answer_.grpc_status = grpc_status_of(last);
  answer_.grpc_message = http::percent_decode(last.get("grpc-message").value_or("")).value_or("");
  if (answer_.grpc_status != 0) return;
  std::string& body = answer_.body;
  auto byte = [&](size_t i) { return static_cast<uint32_t>(static_cast<unsigned char>(body[i])); };
  bool whole =
      body.size() >= 5 && body[0] == 0 && (byte(1) << 24 | byte(2) << 16 | byte(3) << 8 | byte(4)) == body.size() - 5;
  if (whole) {
    body.erase(0, 5);
  } else {
    body.clear();
    answer_.grpc_status = kGrpcInternal;
  }
}

void SideCall::deliver() {
  if (!done_) return;
  if (stream_) stream_->on_downstream_reset();  // it answered before it took all of the request
  if (failed_) answer_.arrived = false;
  if (grpc_) read_grpc();
  SideAnswer answer = std::move(answer_);
  Done done = std::exchange(done_, nullptr);
  deliver_.cancel();
  target_.reset();
  done(answer);  // this object may be gone now
}

}  // namespace proxy
