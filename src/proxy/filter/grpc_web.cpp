// SPDX-License-Identifier: Apache-2.0
#include "proxy/filter/grpc_web.h"

#include "base/strings.h"
#include "http/grpc.h"
#include "proxy/stream/stream.h"

namespace proxy {
namespace {

constexpr std::string_view kBinary = "application/grpc-web", kText = "application/grpc-web-text";

struct Kinds final : FilterState {
  bool text_response = false;
  bool not_grpc = false;  // the response: what it says becomes the message of its status
  bool told = false;      // that stands in its head
  net::Buffer group;      // the request's last characters, fewer than four
};

std::string_view plain(std::string_view type) { return base::trim(type.substr(0, type.find(';'))); }
bool is_kind(std::string_view type, std::string_view kind) {
  type = plain(type);
  return type == kind || (type.starts_with(kind) && type.substr(kind.size()) == "+proto");
}

}  // namespace

bool take_base64(net::Buffer& bytes, std::string& out) {
  size_t whole = bytes.size() / 4 * 4;
  std::string_view text = bytes.view().substr(0, whole);
  while (!text.empty()) {
    // Padding ends a piece; senders join pieces.
    size_t pad = text.find('=');
    size_t size = pad == text.npos ? text.size() : (pad / 4 + 1) * 4;
    auto piece = base::from_base64(text.substr(0, size));
    if (!piece) return false;
    out += *piece;
    text.remove_prefix(size);
  }
  bytes.consume(whole);
  return true;
}

std::string trailers_frame(const http::Headers& trailers) {
  std::string lines;
  for (auto field : trailers) {
    lines += field.name;
    lines += ':';
    lines += field.value;
    lines += "\r\n";
  }
  std::string out("\x80", 1);
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(lines.size() >> shift & 0xff);
  return out + lines;
}

Verdict GrpcWebFilter::on_request(Stream& stream) const {
  http::Headers& headers = stream.request.headers;
  auto type = headers.get("content-type");
  if (!type) return Continue{};
  bool text = is_kind(*type, kText);
  if (!text && !is_kind(*type, kBinary)) return Continue{};
  Kinds& kinds = stream.state<Kinds>(*this);
  if (auto accept = headers.get("accept")) kinds.text_response = is_kind(*accept, kText);
  headers.set("content-type", "application/grpc");
  headers.set("te", "trailers");
  headers.set("grpc-accept-encoding", "identity");
  if (text) {
    stream.set_request_length(std::nullopt);
    stream.watch_request_body();
  }
  return Continue{};
}

Verdict GrpcWebFilter::on_request_data(Stream& stream, net::Buffer& bytes, bool end) const {
  net::Buffer& group = stream.state<Kinds>(*this).group;
  group.append(bytes.view());
  bytes.clear();
  std::string decoded;
  if (!take_base64(group, decoded) || (end && !group.empty()))
    return Reply{
        .status = 400, .body = "Bad gRPC-web request, invalid base64 data.", .details = "grpc_base_64_decode_failed"};
  bytes.append(decoded);
  return Continue{};
}

void GrpcWebFilter::on_response(Stream& stream, http::ResponseHead& head) const {
  Kinds* kinds = stream.find_state<Kinds>(*this);
  if (!kinds) return;
  stream.became_grpc();  // only now: as in Envoy, what the proxy answers itself keeps its HTTP status
  auto type = head.headers.get("content-type");
  kinds->told = false;
  kinds->not_grpc = head.status != 200 || !type || !is_grpc_type(*type);
  head.headers.set("content-type",
                   kinds->text_response ? "application/grpc-web-text+proto" : "application/grpc-web+proto");
  if (stream.response_bodyless()) return;  // the status stands in the head
  if (kinds->not_grpc)
    stream.hold_response();
  else
    stream.set_response_length(std::nullopt);
  stream.watch_response_body();
}

// The beginning of a body that is not gRPC's is the message, the HTTP status says which gRPC status it is; the rest of
// the body goes. As Envoy.
static Verdict as_message(Stream& stream, Kinds& kinds, net::Buffer& bytes, bool end) {
  constexpr size_t kMost = 16 * 1024;
  http::Headers& headers = stream.response.headers;
  if (!std::exchange(kinds.told, end || bytes.size() >= kMost)) {
    if (!end && bytes.size() < kMost) return Pause{.gather = true};
    headers.set("grpc-message", http::grpc::encode_message(bytes.view().substr(0, kMost)));
    headers.set("grpc-status", std::to_string(telemetry::grpc_status_of_http(stream.response.status)));
    stream.set_response_length(0);
  }
  bytes.clear();
  return Continue{};
}

static void to_text(net::Buffer& bytes) {
  std::string text = base::to_base64(bytes.view());
  bytes.clear();
  bytes.append(text);
}

Verdict GrpcWebFilter::on_response_data(Stream& stream, net::Buffer& bytes, bool end) const {
  Kinds& kinds = stream.state<Kinds>(*this);
  if (kinds.not_grpc) return as_message(stream, kinds, bytes, end);
  // Each piece is padded on its own, so that a message does not wait for the next one.
  if (kinds.text_response && !bytes.empty()) to_text(bytes);
  return Continue{};
}

Verdict GrpcWebFilter::on_response_trailers(Stream& stream, net::Buffer& last, http::Headers& trailers) const {
  Kinds& kinds = stream.state<Kinds>(*this);
  if (kinds.not_grpc) {
    trailers.clear();
    return as_message(stream, kinds, last, true);
  }
  last.append(trailers_frame(trailers));
  trailers.clear();
  if (kinds.text_response) to_text(last);
  return Continue{};
}

}  // namespace proxy
