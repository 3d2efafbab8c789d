// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "base/strings.h"
#include "proxy/stream/path.h"
#include "proxy/stream/peer.h"
#include "proxy/stream/stream.h"

namespace proxy {
namespace {

// What only the mesh itself may say; taken off requests from outside (Envoy's edge requests).
constexpr std::string_view kInternalHeaders[] = {
    "x-envoy-retriable-status-codes",
    "x-envoy-retriable-header-names",
    "x-envoy-retry-on",
    "x-envoy-retry-grpc-on",
    "x-envoy-max-retries",
    "x-envoy-upstream-alt-stat-name",
    "x-envoy-upstream-rq-timeout-ms",
    "x-envoy-upstream-rq-per-try-timeout-ms",
    "x-envoy-upstream-rq-timeout-alt-response",
    "x-envoy-expected-rq-timeout-ms",
    "x-envoy-force-trace",
    "x-envoy-ip-tags",
    "x-envoy-original-url",
    "x-envoy-hedge-on-per-try-timeout",
    "x-envoy-decorator-operation",
    "x-envoy-downstream-service-cluster",
    "x-envoy-downstream-service-node",
};

bool is_private(std::string_view ip) {
  auto address = net::Address::parse(ip, 0);
  if (!address) return false;
  static const auto kRanges = [] {
    std::vector<AddressRange> out;
    for (auto [prefix, bits] : {std::pair{"10.0.0.0", 8},
                                {"172.16.0.0", 12},
                                {"192.168.0.0", 16},
                                {"127.0.0.0", 8},
                                {"fc00::", 7},
                                {"::1", 128}})
      out.push_back(*AddressRange::parse(prefix, static_cast<uint32_t>(bits)));
    return out;
  }();
  return std::any_of(kRanges.begin(), kRanges.end(),
                     [&](const AddressRange& range) { return range.contains(*address); });
}

char* put_hex(char* at, uint64_t value, int digits) {
  static constexpr char kDigits[] = "0123456789abcdef";
  for (int i = digits - 1; i >= 0; --i) *at++ = kDigits[value >> (4 * i) & 15];
  return at;
}

// A value inside the client certificate header: quotes where it needs them.
void append_quoted(std::string& out, std::string_view value) {
  out += '"';
  for (char c : value) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  out += '"';
}

}  // namespace

bool Stream::prepare_request() {
  const HttpConfig& http = *origin_->http;
  if (record.tls) request.scheme = "https";
  if (auto type = request.headers.get("content-type")) grpc_ = type->starts_with("application/grpc");
  if (upgrade_) {
    auto wanted = request.headers.get("upgrade");
    if (wanted && base::equal_ignoring_case(*wanted, "websocket") && http.websocket) {
      // goes on as it is, on a connection of its own
    } else if (wanted && wanted->starts_with("h2c")) {
      upgrade_ = false;
    } else {
      send_reply(403, {}, "upgrade_failed");
      return false;
    }
  }
  if (!upgrade_) request.headers.remove("upgrade");
  if (request.method == "CONNECT") {
    send_reply(403, {}, "upgrade_failed");
    return false;
  }
  if (http.reject_underscores || http.drop_underscores) {
    std::vector<std::string> bad;
    for (auto field : request.headers)
      if (field.name.find('_') != std::string_view::npos) bad.emplace_back(field.name);
    if (!bad.empty() && http.reject_underscores) {
      send_reply(400, {}, "http1.unexpected_underscore");
      return false;
    }
    for (const std::string& name : bad) request.headers.remove(name);
  }
  if (!normalize_target()) return false;
  prepare_forwarded_headers();
  prepare_request_id();
  prepare_client_certificate();
  note_peer();
  return true;
}

// Takes what a proxy of the mesh says about itself off the request.
void Stream::note_peer() {
  if (auto metadata = request.headers.get(kPeerMetadata)) {
    if (worker_.options.istio_metrics && *metadata != origin_->peer_metadata) {
      origin_->peer_metadata = *metadata;
      Workload peer = decode_peer(*metadata).value_or(Workload{});
      peer.principal = origin_->peer_uri;
      origin_->peer_number = worker_.metrics.number_of(peer);
    }
    request.headers.remove(kPeerMetadata);
    request.headers.remove(kPeerMetadataId);
  } else if (worker_.options.istio_metrics && origin_->mutual_tls && !origin_->peer_number) {
    origin_->peer_number = worker_.metrics.number_of(Workload{.principal = origin_->peer_uri});
  }
  if (auto version = request.headers.get(kSeineHttp)) {
    http2_to_application_ = origin_->from_seine && *version == "2";
    request.headers.remove(kSeineHttp);
  }
}

bool Stream::normalize_target() {
  const HttpConfig& http = *origin_->http;
  std::string& authority = request.authority;
  if (http.strip_any_port || http.strip_matching_port) {
    if (size_t colon = authority.rfind(':');
        colon != std::string::npos && authority.find(']', colon) == std::string::npos) {
      auto port = base::parse_number<uint16_t>(std::string_view(authority).substr(colon + 1));
      if (port && (http.strip_any_port || *port == origin_->local.port())) authority.resize(colon);
    }
  }
  if (http.strip_trailing_dot && authority.ends_with('.')) authority.pop_back();
  if (http.escaped_slashes != HttpConfig::EscapedSlashes::Keep && has_escaped_slash(request.path)) {
    if (http.escaped_slashes == HttpConfig::EscapedSlashes::Reject) {
      send_reply(400, {}, "escaped_slashes_in_path");
      return false;
    }
    std::string unescaped = unescape_slashes(request.path);
    if (http.escaped_slashes == HttpConfig::EscapedSlashes::Redirect) {
      Reply answer{.status = 307, .details = "path_normalization_failed"};
      answer.headers.add("location", unescaped);
      reply(std::move(answer));
      return false;
    }
    request.path = std::move(unescaped);
  }
  if (!http.normalize_path && !http.merge_slashes) return true;
  if (!normalize_path(request.path, http.normalize_path, http.merge_slashes)) {
    send_reply(400, {}, "path_normalization_failed");
    return false;
  }
  return true;
}

void Stream::prepare_forwarded_headers() {
  if (!origin_->listener) return;  // a side call: nobody is behind it
  const HttpConfig& http = *origin_->http;
  http::Headers& headers = request.headers;
  if (http.use_remote_address) {
    std::string_view trusted = origin_->remote_ip;
    if (auto forwarded = headers.get("x-forwarded-for"); forwarded && http.trusted_hops > 0) {
      std::string all = headers.joined("x-forwarded-for");
      auto parts = base::split(all, ',');
      if (parts.size() >= http.trusted_hops) scratch_ = base::trim(parts[parts.size() - http.trusted_hops]);
      if (!scratch_.empty()) trusted = scratch_;
    }
    bool inside = is_private(trusted);
    if (!inside) {
      for (std::string_view name : kInternalHeaders) headers.remove(name);
      headers.set("x-envoy-external-address", trusted);
      headers.remove("x-envoy-internal");
    } else {
      headers.set("x-envoy-internal", "true");
    }
    if (!http.skip_forwarded_append) {
      if (headers.contains("x-forwarded-for")) {
        std::string all = headers.joined("x-forwarded-for") + "," + origin_->remote_ip;
        headers.set("x-forwarded-for", all);
      } else {
        headers.add("x-forwarded-for", origin_->remote_ip);
      }
    }
    if (http.trusted_hops == 0 || !headers.contains("x-forwarded-proto"))
      headers.set("x-forwarded-proto", record.tls ? "https" : "http");
    if (!inside && !http.keep_external_request_id) headers.remove("x-request-id");
  } else if (!headers.contains("x-forwarded-proto")) {
    headers.add("x-forwarded-proto", record.tls ? "https" : "http");
  }
}

// As Envoy: this many addresses from the end of x-forwarded-for are proxies'. Where the listener uses the connection's
// peer, that peer itself stands last, as prepare_forwarded_headers appended it.
net::Address Stream::client_address() const {
  const HttpConfig& http = *origin_->http;
  if (http.use_remote_address && http.trusted_hops == 0) return origin_->remote;
  auto last = request.headers.get("x-forwarded-for");
  if (!last) return origin_->remote;
  std::string all = request.headers.joined("x-forwarded-for");
  auto parts = base::split(all, ',');
  size_t skip = http.trusted_hops - (http.use_remote_address && http.skip_forwarded_append ? 1 : 0);
  if (parts.size() <= skip) return origin_->remote;
  auto address = net::Address::parse(base::trim(parts[parts.size() - 1 - skip]), 0);
  return address ? *address : origin_->remote;
}

void Stream::prepare_request_id() {
  if (!origin_->http->request_ids || request.headers.contains("x-request-id")) return;
  Dice& dice = worker_.dice();
  uint64_t high = (dice.next() & ~0xf000ull) | 0x4000;                           // version 4
  uint64_t low = (dice.next() & 0x3fffffffffffffffull) | 0x8000000000000000ull;  // its variant
  char text[36], *at = put_hex(text, high >> 32, 8);
  for (auto [part, digits] :
       {std::pair{high >> 16 & 0xffff, 4}, {high & 0xffff, 4}, {low >> 48, 4}, {low & 0xffffffffffffull, 12}}) {
    *at++ = '-';
    at = put_hex(at, part, digits);
  }
  request.headers.add("x-request-id", {text, sizeof text});
}

// x-forwarded-client-cert, as the listener says.
void Stream::prepare_client_certificate() {
  using How = HttpConfig::ClientCert;
  static constexpr std::string_view kName = "x-forwarded-client-cert";
  const HttpConfig& http = *origin_->http;
  How how = http.client_cert;
  if (how == How::AlwaysForwardOnly) return;
  if (!origin_->mutual_tls || how == How::Sanitize) {
    request.headers.remove(kName);
    return;
  }
  if (how == How::ForwardOnly) return;
  scratch_.clear();
  if (how == How::AppendForward && request.headers.contains(kName)) scratch_ = request.headers.joined(kName) + ",";
  std::string_view separator;
  auto add = [&](std::string_view key, std::string_view value, bool quoted) {
    scratch_ += separator;
    separator = ";";
    scratch_ += key;
    scratch_ += '=';
    if (quoted)
      append_quoted(scratch_, value);
    else
      scratch_ += value;
  };
  add("By", pin_->config->identity, false);
  add("Hash", origin_->certificate_hash, false);
  if (http.cert_subject) add("Subject", origin_->subject, true);
  if (http.cert_uri) add("URI", origin_->peer_uri, false);
  if (http.cert_dns)
    for (const std::string& name : origin_->tls->dns_names) add("DNS", name, false);
  request.headers.set(kName, scratch_);
}

}  // namespace proxy
