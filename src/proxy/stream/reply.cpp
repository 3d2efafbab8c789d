// SPDX-License-Identifier: Apache-2.0
#include <charconv>
#include <ctime>

#include "base/strings.h"
#include "proxy/stream/peer.h"
#include "proxy/stream/stream.h"

namespace proxy {
namespace {

// The `date` of this second, rendered once a second and thread.
std::string_view date_of(std::chrono::system_clock::time_point wall) {
  thread_local time_t second = 0;
  thread_local char text[40];
  thread_local size_t size = 0;
  time_t now = std::chrono::system_clock::to_time_t(wall);
  if (now != second) {
    second = now;
    tm parts{};
    gmtime_r(&now, &parts);
    size = strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
  }
  return {text, size};
}

// What gRPC says for an HTTP status of the proxy's own.
std::string_view grpc_status_of(int status) {
  switch (status) {
    case 400:
      return "13";
    case 401:
      return "16";
    case 403:
      return "7";
    case 404:
      return "12";
    case 429:
    case 502:
    case 503:
    case 504:
      return "14";
    default:
      return "2";
  }
}

std::string percent_encoded(std::string_view text) {  // gRPC's message: printable ASCII without '%'
  std::string out;
  for (unsigned char c : text) {
    if (c >= 0x20 && c < 0x7f && c != '%') {
      out += static_cast<char>(c);
    } else {
      char hex[4];
      snprintf(hex, sizeof hex, "%%%02X", c);
      out += hex;
    }
  }
  return out;
}

}  // namespace

void append_to(http::Headers& headers, std::string_view name, std::string_view value, std::string_view separator) {
  std::string all = headers.joined(name);
  if (!all.empty()) all += separator;
  headers.set(name, all += value);
}

// The fields that every response of a listener carries.
void Stream::prepare_response_head(bool from_upstream) {
  const HttpConfig& http = *origin_->http;
  http::Headers& headers = response.headers;
  response_coming_ = true;
  if (from_upstream && headers.remove(kPeerMetadata)) headers.remove(kPeerMetadataId);
  record.status = response.status;
  if (from_upstream && request_ended_ && !upgrade_ && !http.suppress_envoy_headers) {
    auto taken = std::chrono::duration_cast<std::chrono::milliseconds>(worker_.loop().now() - upstream_began_).count();
    char text[16];
    auto [end, error] = std::to_chars(text, text + sizeof text, taken);
    headers.set("x-envoy-upstream-service-time", {text, static_cast<size_t>(end - text)});
  }
  if (cookie_made_) headers.add("set-cookie", cookie_);
  // As Envoy: also where a filter answers, if the route would have forwarded.
  const auto* to = chosen_.route ? std::get_if<Forward>(&chosen_.route->action) : nullptr;
  if (routed_ || to) {
    if (!target_ && to) target_ = &pick_target(*to);
    if (chosen_.host->attempt_count_in_response && attempts_)
      headers.set("x-envoy-attempt-count", std::to_string(attempts_));
    const Route* route = chosen_.route;
    if (target_) change(headers, target_->response);
    if (table_->most_specific_wins) {
      change(headers, table_->response);
      change(headers, chosen_.host->response);
      if (route) change(headers, route->response);
    } else {
      if (route) change(headers, route->response);
      change(headers, chosen_.host->response);
      change(headers, table_->response);
    }
  }
  // All of them, as in Envoy: a filter may see the answer to a request that it never saw.
  response_filter_at_ = copy_ ? 0 : http.filters.size();
  response_held_ = false;
}

void Stream::finish_response_head() {
  const HttpConfig& http = *origin_->http;
  http::Headers& headers = response.headers;
  if (origin_->listener && !headers.contains("date")) headers.add("date", date_of(worker_.wall_clock()));
  switch (http.server_header) {
    case HttpConfig::ServerHeader::Overwrite:
      headers.set("server", http.server_name);
      break;
    case HttpConfig::ServerHeader::AppendIfAbsent:
      if (!headers.contains("server")) headers.add("server", http.server_name);
      break;
    case HttpConfig::ServerHeader::PassThrough:
      break;
  }
  if (!http.via.empty()) append_to(headers, "via", http.via, ", ");
  if (http.request_id_in_response)
    if (request.headers.contains("x-request-id")) headers.set("x-request-id", request.headers.joined("x-request-id"));
}

void Stream::send_response_head(http::h1::Body body, bool end) {
  response_started_ = true;
  request_deadline_ = {};  // as Envoy: who is answered may go on sending
  record.mark(telemetry::Point::DownstreamTxBegin, worker_.loop().now());
  downstream_->send_head(*this, response, body, end);
}

void Stream::send_reply(int status, std::string_view body, std::string_view details) {
  Reply answer{.status = status, .body = std::string(body), .details = std::string(details)};
  reply(std::move(answer));
}

// As the listener's local_reply_config has it; headers and filters see the status as it was.
void Stream::shape_reply(Reply& answer) {
  const LocalReply& rules = *origin_->http->local_reply;
  note_record();
  record.status = answer.status;
  const LocalReply::Mapper* mapper = rules.mapper_for(record);
  const LocalReply::Body* body = rules.format ? &*rules.format : nullptr;
  if (mapper) {
    mapper->headers.apply(response.headers, record);
    if (mapper->status) answer.status = *mapper->status;
    if (mapper->body) answer.body = *mapper->body;
    if (mapper->format) body = &*mapper->format;
  }
  if (!body) return;
  record.status = answer.status;
  record.local_reply_body = answer.body;
  std::string text;
  body->format.append(record, text);
  record.local_reply_body = {};
  answer.body = std::move(text);
  if (!answer.body.empty()) response.headers.set("content-type", body->content_type);
}

void Stream::add_proxy_status(Reply& answer) {
  const ProxyStatus& rules = *origin_->http->proxy_status;
  auto error = ProxyStatus::error_of(record);
  if (error.word.empty()) return;
  response.headers.add("proxy-status", rules.value_for(record, error.word));
  if (rules.recommended_status) answer.status = error.status;
}

void Stream::reply(Reply answer) {
  if (phase_ == Phase::Done || response_started_) return;
  release_upstream();
  timer_.cancel();
  route_deadline_ = try_deadline_ = resume_at_ = {};  // of what would have answered
  replied_ = true;
  agreed_ = false;
  const bool unfiltered = answer.unfiltered || response_coming_;  // in place of one that was on its way through them
  response_path_.clear();
  response_left_.clear();
  response_owed_ = 0;
  has_response_trailers_ = false;
  if (answer.details.data() != details_.data()) details_ = answer.details;
  record.details = details_;
  record.flags |= answer.flags;
  response.status = answer.status;
  response.headers.clear();
  for (auto field : answer.headers) response.headers.add(field.name, field.value);
  if (origin_->http->local_reply) shape_reply(answer);
  if (origin_->http->proxy_status) add_proxy_status(answer);
  response.status = answer.status;
  phase_ = Phase::Streaming;
  response_ended_ = true;
  if (grpc_ && !response.headers.contains("grpc-status")) {
    response.status = 200;
    response.headers.set("content-type", "application/grpc");
    response.headers.add("grpc-status",
                         answer.grpc_status ? std::to_string(*answer.grpc_status) : grpc_status_of(answer.status));
    if (!answer.body.empty()) response.headers.add("grpc-message", percent_encoded(answer.body));
    response_body_ = http::h1::Body::length(0);
    response_bodyless_ = true;
    prepare_response_head(false);
    if (unfiltered) response_filter_at_ = 0;
    return run_response_filters();
  }
  bool bodyless = head_request_ || answer.body.empty() || answer.status == 204 || answer.status == 304;
  if (answer.status == 204 || answer.body.empty())
    response.headers.remove("content-length");
  else
    response.headers.set("content-length", std::to_string(answer.body.size()));
  response_body_ = http::h1::Body::length(answer.body.size());
  response_bodyless_ = bodyless;
  response_ended_ = bodyless;
  prepare_response_head(false);
  if (!answer.body.empty() && !response.headers.contains("content-type"))  // the route's goes first
    response.headers.add("content-type", "text/plain");
  if (unfiltered) response_filter_at_ = 0;
  run_response_filters();
  if (bodyless || phase_ == Phase::Done) return;
  if (response_held_ || !response_path_.empty()) return response_body_came(answer.body, true, false);
  response_ended_ = true;
  push_response(answer.body, true);
}

}  // namespace proxy
