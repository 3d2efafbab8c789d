// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "base/strings.h"
#include "identity/certificate.h"
#include "proxy/stream/path.h"
#include "proxy/stream/peer.h"
#include "proxy/stream/stream.h"

namespace proxy {
namespace {

// What only the mesh itself may say; taken off requests from outside.
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
    "x-envoy-upstream-stream-duration-ms",
    "x-envoy-expected-rq-timeout-ms",
    "x-envoy-force-trace",
    "x-envoy-ip-tags",
    "x-envoy-original-url",
    "x-envoy-original-host",
    "x-envoy-hedge-on-per-try-timeout",
    "x-envoy-internal",
};
// The same, where the listener is the mesh's edge.
constexpr std::string_view kEdgeHeaders[] = {"x-envoy-decorator-operation", "x-envoy-downstream-service-cluster",
                                             "x-envoy-downstream-service-node", "x-envoy-original-path"};

void remove_internal_headers(http::Headers& headers, bool edge) {
  bool any = false;
  for (auto field : headers) any |= field.name.starts_with("x-envoy-");
  if (!any) return;
  for (std::string_view name : kInternalHeaders) headers.remove(name);
  if (!edge) return;
  for (std::string_view name : kEdgeHeaders) headers.remove(name);
}

bool in_any(const std::vector<AddressRange>& ranges, const net::Address& address) {
  return std::any_of(ranges.begin(), ranges.end(), [&](const AddressRange& range) { return range.contains(address); });
}

char* put_hex(char* at, uint64_t value, int digits) {
  static constexpr char kDigits[] = "0123456789abcdef";
  for (int i = digits - 1; i >= 0; --i) *at++ = kDigits[value >> (4 * i) & 15];
  return at;
}

// A method that is another but for its case: some servers take it for that one, so no policy could name it. As Envoy
// over HTTP/1.1, and over HTTP/2, too.
bool is_misspelt(std::string_view method) {
  if (std::none_of(method.begin(), method.end(), [](char c) { return c >= 'a' && c <= 'z'; })) return false;
  static constexpr std::string_view kMethods[] = {"GET",     "HEAD",    "POST",  "PUT",  "DELETE",
                                                  "CONNECT", "OPTIONS", "TRACE", "PATCH"};
  return std::any_of(std::begin(kMethods), std::end(kMethods),
                     [&](std::string_view known) { return base::equal_ignoring_case(method, known); });
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
  if (auto type = request.headers.get("content-type")) grpc_ = is_grpc_type(*type);
  if (!upgrade_ || connect_) request.headers.remove("upgrade");
  if (is_misspelt(request.method)) {
    record.set(telemetry::Flag::DownstreamProtocolError);
    send_reply(400, "Bad Request", "http1.codec_error");
    return false;
  }
  if (http.reject_underscores || http.drop_underscores) {
    std::vector<std::string> bad;
    for (auto field : request.headers)
      if (field.name.find('_') != std::string_view::npos) bad.emplace_back(field.name);
    if (!bad.empty() && http.reject_underscores) {
      send_reply(400, "Bad Request", "http1.unexpected_underscore");
      return false;
    }
    for (const std::string& name : bad) request.headers.remove(name);
  }
  // As Envoy: what came in clear text to the edge was no request for an https URL.
  if (request.scheme == "https" && !record.tls && record.protocol != telemetry::Protocol::Http2 &&
      http.use_remote_address && http.trusted_hops == 0) {
    record.set(telemetry::Flag::DownstreamProtocolError);
    send_reply(403, {}, "http1.https_url_on_plaintext_connection");
    return false;
  }
  if (!find_client() || !normalize_target()) return false;
  prepare_forwarded_headers();
  prepare_request_id();
  prepare_client_certificate();
  note_peer();
  return true;
}

// Takes what a proxy of the mesh says about itself off the request.
void Stream::note_peer() {
  if (auto metadata = request.headers.get(kPeerMetadata)) {
    // Without a certificate it is anybody's word.
    if (worker_.options.istio_metrics && origin_->mutual_tls && *metadata != origin_->peer_metadata) {
      origin_->peer_metadata = *metadata;
      Workload peer = decode_peer(*metadata).value_or(Workload{});
      peer.principal = origin_->peer_uri;
      origin_->peer_number = worker_.metrics.number_of_peer(peer);
    }
    request.headers.remove(kPeerMetadata);
    request.headers.remove(kPeerMetadataId);
  } else if (worker_.options.istio_metrics && origin_->mutual_tls && !origin_->peer_number) {
    origin_->peer_number = worker_.metrics.number_of_peer(Workload{.principal = origin_->peer_uri});
  }
  if (auto version = request.headers.get(kSeineHttp)) {
    http2_to_application_ = origin_->from_seine && *version == "2";
    request.headers.remove(kSeineHttp);
  }
}

Stream::Target Stream::settle_target() {
  const HttpConfig& http = *origin_->http;
  std::string& authority = request.authority;
  if (http.strip_any_port || http.strip_matching_port) {
    if (size_t colon = authority.rfind(':');
        colon != std::string::npos && authority.find(']', colon) == std::string::npos) {
      auto port = base::parse_number<uint16_t>(std::string_view(authority).substr(colon + 1));
      if (port && (http.strip_any_port || *port == origin_->local.port())) authority.resize(colon);
    }
  }
  if (http.strip_trailing_dot) {
    size_t end = authority.rfind(':');
    if (end == std::string::npos || authority.find(']', end) != std::string::npos) end = authority.size();
    if (end > 0 && authority[end - 1] == '.') authority.erase(end - 1, 1);
  }
  if (connect_) return Target::Fine;  // there is no path
  bool elsewhere = false;
  if (http.escaped_slashes != HttpConfig::EscapedSlashes::Keep && has_escaped_slash(request.path)) {
    if (http.escaped_slashes == HttpConfig::EscapedSlashes::Reject) return Target::Bad;
    request.path = unescape_slashes(request.path);
    elsewhere = http.escaped_slashes == HttpConfig::EscapedSlashes::Redirect;
  }
  if ((http.normalize_path || http.merge_slashes) &&
      !normalize_path(request.path, http.normalize_path, http.merge_slashes)) {
    ++counts().bad_paths;
    return Target::Bad;
  }
  return elsewhere ? Target::Elsewhere : Target::Fine;
}

bool Stream::normalize_target() {
  const Target target = settle_target();
  if (target == Target::Fine) return true;
  if (target == Target::Bad) {
    send_reply(400, {}, "path_normalization_failed");
    return false;
  }
  Reply answer{.status = 307, .details = "path_normalization_failed"};
  answer.headers.add("location", request.path);
  reply(std::move(answer));
  return false;
}

// The client's address by x-forwarded-for, looking past `skip` entries from its end; nothing where there are too few
// or the entry is no address. `single`: it is the only entry, and none is looked past.
std::optional<net::Address> Stream::forwarded_address(size_t skip, bool& single) const {
  single = false;
  if (!request.headers.contains("x-forwarded-for")) return std::nullopt;
  std::string all = request.headers.joined("x-forwarded-for");
  auto parts = base::split(all, ',');
  if (parts.size() <= skip) return std::nullopt;
  auto address = net::Address::parse(base::trim(parts[parts.size() - 1 - skip]), 0);
  if (!address) return std::nullopt;
  single = parts.size() == 1 && skip == 0;
  return *address;
}

// The first address from the end that no proxy we trust has.
std::optional<net::Address> Stream::address_before_proxies(const std::vector<AddressRange>& proxies) const {
  if (!in_any(proxies, origin_->remote)) return std::nullopt;
  std::string all = request.headers.joined("x-forwarded-for");
  auto parts = base::split(all, ',');
  std::optional<net::Address> last;
  for (size_t i = parts.size(); i > 0; --i) {
    auto address = net::Address::parse(base::trim(parts[i - 1]), 0);
    if (!address) break;
    last = *address;
    if (!in_any(proxies, *address)) break;
  }
  return last;
}

// Who the client is and whether it is one of the mesh: as Envoy, an address is
// believed to be inside only where one hop said so and the listener names its range.
bool Stream::find_client() {
  if (!origin_->listener) return true;  // a side call
  const HttpConfig& http = *origin_->http;
  std::optional<net::Address> client;
  bool believed = false;
  if (http.use_remote_address) {
    believed = !request.headers.contains("x-forwarded-for");
    bool single = false;
    if (http.trusted_hops > 0) client = forwarded_address(http.trusted_hops - 1, single);
  } else if (!http.address_header.empty()) {
    auto text = request.headers.get(http.address_header);
    auto address = text ? net::Address::parse(base::trim(*text), 0)
                        : base::Result<net::Address>(base::fail(base::ErrorKind::Invalid, ""));
    if (address) client = *address;
    believed = client && http.address_header_is_trusted;
    if (!client && http.refuse_without_address) {
      send_reply(http.refuse_status, {}, "rejecting_because_detection_failed");
      return false;
    }
  } else if (!http.trusted_proxies.empty()) {
    client = address_before_proxies(http.trusted_proxies);
  } else {
    client = forwarded_address(http.trusted_hops, believed);
  }
  const net::Address& address = client ? *client : origin_->remote;
  bool internal = believed && (in_any(http.internal, address) || (http.unix_is_internal && address.is_unix()));
  external_ = !internal;
  if (!client) return true;
  client_ip_ = client->ip();
  client_text_ = client->text();
  record.downstream_remote = client_text_;
  return true;
}

void Stream::prepare_forwarded_headers() {
  if (!origin_->listener) return;  // a side call: nobody is behind it
  const HttpConfig& http = *origin_->http;
  http::Headers& headers = request.headers;
  const bool edge = external_ && http.use_remote_address;
  const bool distrusted = http.use_remote_address && http.trusted_hops == 0;  // whatever the hop before said
  if ((http.use_remote_address && !http.skip_forwarded_append) || http.appends_to_detected) {
    std::string_view hop = origin_->remote_ip;
    bool loopback = hop.starts_with("127.") || hop == "::1";
    if (!hop.empty())  // a Unix socket's peer has none
      append_to(headers, "x-forwarded-for",
                loopback && !worker_.options.local_ip.empty() ? worker_.options.local_ip : hop, ",");
  }
  if (distrusted || !headers.contains("x-forwarded-proto"))
    headers.set("x-forwarded-proto", record.tls ? "https" : "http");
  if (http.append_forwarded_port && (distrusted || !headers.contains("x-forwarded-port")))
    headers.set("x-forwarded-port", std::to_string(origin_->local.port()));

  // HTTP/1.1 says no scheme but in the absolute form: the hop before us may know how the client came.
  bool told = request.scheme == "https" || (record.protocol == telemetry::Protocol::Http2 && request.scheme == "http");
  if (!told) {
    auto said = headers.get("x-forwarded-proto");
    request.scheme = said == "http" || said == "https" ? *said : std::string_view(record.tls ? "https" : "http");
  }
  if (!http.scheme.empty()) {
    request.scheme = http.scheme;
    headers.set("x-forwarded-proto", http.scheme);
  }

  if (external_) {
    remove_internal_headers(headers, edge);
    if (edge && !remote_ip().empty()) headers.set("x-envoy-external-address", remote_ip());
  } else {
    headers.set("x-envoy-internal", "true");
  }
  if (edge && !http.keep_external_request_id && http.request_ids) headers.remove("x-request-id");
  if (http.add_user_agent && !worker_.options.service_cluster.empty()) {
    headers.set("x-envoy-downstream-service-cluster", worker_.options.service_cluster);
    if (headers.get("user-agent").value_or(std::string_view()).empty())
      headers.set("user-agent", worker_.options.service_cluster);
    if (!worker_.options.node_id.empty()) headers.set("x-envoy-downstream-service-node", worker_.options.node_id);
  }
  if (!http.via.empty()) append_to(headers, "via", http.via, ", ");
}

net::Address Stream::client_address() const {
  auto client = net::Address::parse(client_ip_, 0);
  return client ? *client : origin_->remote;
}

void Stream::prepare_request_id() {
  if (!origin_->http->request_ids) return;
  if (auto given = request.headers.get("x-request-id"); given && !given->empty()) return;
  Dice& dice = worker_.dice();
  uint64_t high = (dice.next() & ~0xf000ull) | 0x4000;                           // version 4
  uint64_t low = (dice.next() & 0x3fffffffffffffffull) | 0x8000000000000000ull;  // its variant
  char text[36], *at = put_hex(text, high >> 32, 8);
  for (auto [part, digits] :
       {std::pair{high >> 16 & 0xffff, 4}, {high & 0xffff, 4}, {low >> 48, 4}, {low & 0xffffffffffffull, 12}}) {
    *at++ = '-';
    at = put_hex(at, part, digits);
  }
  request.headers.set("x-request-id", {text, sizeof text});
}

// The peer's certificate as percent-encoded PEM, made once a connection.
static const std::string& certificate_text(const Origin& origin) {
  if (origin.certificate_text.empty())
    if (auto certificate = identity::Certificate::from_der(origin.tls->certificate_der))
      origin.certificate_text = http::percent_encode(certificate->pem());
  return origin.certificate_text;
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
    if (quoted || value.find_first_of(",;\"") != value.npos)  // a name must not become more elements
      append_quoted(scratch_, value);
    else
      scratch_ += value;
  };
  if (const net::TlsPeer* own = origin_->own())
    for (const std::string& name : own->uri_names) add("By", name, false);
  add("Hash", origin_->certificate_hash, false);
  if (http.cert_pem) add("Cert", certificate_text(*origin_), true);
  if (http.cert_subject) add("Subject", origin_->subject, true);
  if (http.cert_uri)
    for (const std::string& name : origin_->tls->uri_names) add("URI", name, false);
  if (http.cert_dns)
    for (const std::string& name : origin_->tls->dns_names) add("DNS", name, false);
  request.headers.set(kName, scratch_);
}

}  // namespace proxy
