// SPDX-License-Identifier: Apache-2.0
#include "telemetry/operator.h"

#include <algorithm>
#include <charconv>

#include "base/strings.h"

namespace telemetry {
namespace {

using Kind = Operator::Kind;

struct Known {
  std::string_view name;
  Operator meaning;
};

Operator text_of(Operator::TextField field, Kind kind = Kind::Text) {
  Operator out;
  out.kind = kind;
  out.field = field;
  return out;
}
Operator number_of(uint64_t (*number)(const Record&)) {
  Operator out;
  out.kind = Kind::Number;
  out.number = number;
  return out;
}
Operator span_of(Point from, Point to) {
  Operator out;
  out.kind = Kind::Span;
  out.from = from;
  out.to = to;
  return out;
}
Operator fact_of(Fact fact) {
  Operator out;
  out.kind = Kind::Fact;
  out.fact = fact;
  return out;
}
Operator of(Kind kind, uint8_t form = 0) {
  Operator out;
  out.kind = kind;
  out.form = form;
  return out;
}

// Operators without arguments. Absent ones are Envoy's too, for things that never happen here.
const std::vector<Known>& plain_operators() {
  static const std::vector<Known> kKnown = {
      {"PROTOCOL", of(Kind::Protocol)},
      {"UPSTREAM_PROTOCOL", of(Kind::Protocol, 1)},
      {"RESPONSE_CODE", number_of([](const Record& r) -> uint64_t { return static_cast<uint64_t>(r.status); })},
      {"RESPONSE_CODE_DETAILS", of(Kind::Details)},
      {"CONNECTION_TERMINATION_DETAILS", text_of(&Record::termination_details)},
      {"RESPONSE_FLAGS", of(Kind::Flags)},
      {"RESPONSE_FLAGS_LONG", of(Kind::LongFlags)},
      {"BYTES_RECEIVED", number_of([](const Record& r) { return r.bytes_received; })},
      {"BYTES_SENT", number_of([](const Record& r) { return r.bytes_sent; })},
      {"REQUEST_HEADERS_BYTES", number_of([](const Record& r) { return r.request_headers_bytes; })},
      {"RESPONSE_HEADERS_BYTES", number_of([](const Record& r) { return r.response_headers_bytes; })},
      {"RESPONSE_TRAILERS_BYTES", number_of([](const Record& r) { return r.response_trailers_bytes; })},
      {"DOWNSTREAM_WIRE_BYTES_RECEIVED", number_of([](const Record& r) { return r.downstream_wire.received; })},
      {"DOWNSTREAM_WIRE_BYTES_SENT", number_of([](const Record& r) { return r.downstream_wire.sent; })},
      {"DOWNSTREAM_HEADER_BYTES_RECEIVED", number_of([](const Record& r) { return r.downstream_wire.head_received; })},
      {"DOWNSTREAM_HEADER_BYTES_SENT", number_of([](const Record& r) { return r.downstream_wire.head_sent; })},
      {"UPSTREAM_WIRE_BYTES_RECEIVED", number_of([](const Record& r) { return r.upstream_wire.received; })},
      {"UPSTREAM_WIRE_BYTES_SENT", number_of([](const Record& r) { return r.upstream_wire.sent; })},
      {"UPSTREAM_HEADER_BYTES_RECEIVED", number_of([](const Record& r) { return r.upstream_wire.head_received; })},
      {"UPSTREAM_HEADER_BYTES_SENT", number_of([](const Record& r) { return r.upstream_wire.head_sent; })},
      {"UPSTREAM_REQUEST_ATTEMPT_COUNT", number_of([](const Record& r) -> uint64_t { return r.attempts; })},
      {"CONNECTION_ID", number_of([](const Record& r) { return r.connection_id; })},
      {"DURATION", number_of([](const Record& r) -> uint64_t {
         return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(r.duration).count());
       })},
      {"REQUEST_DURATION", span_of(Point::DownstreamRxBegin, Point::DownstreamRxEnd)},
      {"REQUEST_TX_DURATION", span_of(Point::DownstreamRxBegin, Point::UpstreamTxEnd)},
      {"RESPONSE_DURATION", span_of(Point::DownstreamRxBegin, Point::UpstreamRxBegin)},
      {"RESPONSE_TX_DURATION", span_of(Point::UpstreamRxBegin, Point::DownstreamTxEnd)},
      {"REQUEST_METHOD", text_of(&Record::method)},
      {"SCHEME", text_of(&Record::scheme)},
      {"AUTHORITY", text_of(&Record::authority)},
      {"UPSTREAM_HOST", text_of(&Record::upstream_host)},
      {"UPSTREAM_HOST_NAME", fact_of(Fact::UpstreamHostName)},
      {"UPSTREAM_HOST_NAME_WITHOUT_PORT", fact_of(Fact::UpstreamHostNameWithoutPort)},
      {"UPSTREAM_REMOTE_ADDRESS", text_of(&Record::upstream_host)},
      {"UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", text_of(&Record::upstream_host, Kind::Ip)},
      {"UPSTREAM_REMOTE_PORT", text_of(&Record::upstream_host, Kind::Port)},
      {"UPSTREAM_LOCAL_ADDRESS", text_of(&Record::upstream_local)},
      {"UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT", text_of(&Record::upstream_local, Kind::Ip)},
      {"UPSTREAM_LOCAL_PORT", text_of(&Record::upstream_local, Kind::Port)},
      {"UPSTREAM_TRANSPORT_FAILURE_REASON", of(Kind::Details, 2)},
      {"UPSTREAM_CLUSTER", text_of(&Record::cluster)},
      {"UPSTREAM_CLUSTER_RAW", text_of(&Record::cluster)},
      {"DOWNSTREAM_LOCAL_ADDRESS", text_of(&Record::downstream_local)},
      {"DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT", text_of(&Record::downstream_local, Kind::Ip)},
      {"DOWNSTREAM_LOCAL_PORT", text_of(&Record::downstream_local, Kind::Port)},
      {"DOWNSTREAM_REMOTE_ADDRESS", text_of(&Record::downstream_remote)},
      {"DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", text_of(&Record::downstream_remote, Kind::Ip)},
      {"DOWNSTREAM_REMOTE_PORT", text_of(&Record::downstream_remote, Kind::Port)},
      {"DOWNSTREAM_DIRECT_REMOTE_ADDRESS", text_of(&Record::downstream_direct)},
      {"DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT", text_of(&Record::downstream_direct, Kind::Ip)},
      {"DOWNSTREAM_DIRECT_REMOTE_PORT", text_of(&Record::downstream_direct, Kind::Port)},
      {"DOWNSTREAM_DIRECT_LOCAL_ADDRESS", fact_of(Fact::DirectLocal)},
      {"DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT", fact_of(Fact::DirectLocalIp)},
      {"DOWNSTREAM_DIRECT_LOCAL_PORT", fact_of(Fact::DirectLocalPort)},
      {"LISTENER_NAME", fact_of(Fact::ListenerName)},
      {"REQUESTED_SERVER_NAME", text_of(&Record::server_name)},
      {"ROUTE_NAME", text_of(&Record::route)},
      {"VIRTUAL_HOST_NAME", text_of(&Record::virtual_host)},
      {"FILTER_CHAIN_NAME", text_of(&Record::filter_chain)},
      {"LOCAL_REPLY_BODY", text_of(&Record::local_reply_body, Kind::Body)},
      {"DOWNSTREAM_PEER_URI_SAN", text_of(&Record::peer_uri_san)},
      {"DOWNSTREAM_PEER_SUBJECT", fact_of(Fact::PeerSubject)},
      {"DOWNSTREAM_PEER_ISSUER", fact_of(Fact::PeerIssuer)},
      {"DOWNSTREAM_PEER_SERIAL", fact_of(Fact::PeerSerial)},
      {"DOWNSTREAM_PEER_FINGERPRINT_256", fact_of(Fact::PeerFingerprint)},
      {"DOWNSTREAM_PEER_CERT", fact_of(Fact::PeerCertificate)},
      {"DOWNSTREAM_PEER_CERT_V_START", fact_of(Fact::PeerNotBefore)},
      {"DOWNSTREAM_PEER_CERT_V_END", fact_of(Fact::PeerNotAfter)},
      {"DOWNSTREAM_PEER_DNS_SAN", fact_of(Fact::PeerDnsNames)},
      {"DOWNSTREAM_PEER_IP_SAN", fact_of(Fact::PeerIpNames)},
      {"DOWNSTREAM_TLS_VERSION", fact_of(Fact::TlsVersion)},
      {"DOWNSTREAM_TLS_CIPHER", fact_of(Fact::TlsCipher)},
      {"DOWNSTREAM_TLS_GROUP", fact_of(Fact::TlsGroup)},
      {"DOWNSTREAM_TLS_SESSION_ID", fact_of(Fact::TlsSession)},
      {"DOWNSTREAM_PEER_FINGERPRINT_1", fact_of(Fact::PeerFingerprint1)},
      {"DOWNSTREAM_LOCAL_URI_SAN", fact_of(Fact::LocalUri)},
      {"DOWNSTREAM_LOCAL_DNS_SAN", fact_of(Fact::LocalDnsNames)},
      {"DOWNSTREAM_LOCAL_IP_SAN", fact_of(Fact::LocalIpNames)},
      {"DOWNSTREAM_LOCAL_SUBJECT", fact_of(Fact::LocalSubject)},
      {"UPSTREAM_PEER_URI_SAN", fact_of(Fact::UpstreamPeerUri)},
      {"UPSTREAM_PEER_DNS_SAN", fact_of(Fact::UpstreamPeerDnsNames)},
      {"UPSTREAM_PEER_IP_SAN", fact_of(Fact::UpstreamPeerIpNames)},
      {"UPSTREAM_PEER_CERT", fact_of(Fact::UpstreamPeerCertificate)},
      {"UPSTREAM_PEER_CERT_V_START", fact_of(Fact::UpstreamPeerNotBefore)},
      {"UPSTREAM_PEER_CERT_V_END", fact_of(Fact::UpstreamPeerNotAfter)},
      {"UPSTREAM_TLS_VERSION", fact_of(Fact::UpstreamTlsVersion)},
      {"UPSTREAM_TLS_CIPHER", fact_of(Fact::UpstreamTlsCipher)},
      {"UPSTREAM_TLS_GROUP", fact_of(Fact::UpstreamTlsGroup)},
      {"UPSTREAM_TLS_SESSION_ID", fact_of(Fact::UpstreamTlsSession)},
      {"UPSTREAM_PEER_SUBJECT", fact_of(Fact::UpstreamPeerSubject)},
      {"UPSTREAM_PEER_ISSUER", fact_of(Fact::UpstreamPeerIssuer)},
      {"UPSTREAM_PEER_SERIAL", fact_of(Fact::UpstreamPeerSerial)},
      {"UPSTREAM_PEER_FINGERPRINT_256", fact_of(Fact::UpstreamPeerFingerprint)},
      {"UPSTREAM_PEER_FINGERPRINT_1", fact_of(Fact::UpstreamPeerFingerprint1)},
      {"UPSTREAM_LOCAL_URI_SAN", fact_of(Fact::UpstreamLocalUri)},
      {"UPSTREAM_LOCAL_DNS_SAN", fact_of(Fact::UpstreamLocalDnsNames)},
      {"UPSTREAM_LOCAL_IP_SAN", fact_of(Fact::UpstreamLocalIpNames)},
      {"UPSTREAM_LOCAL_SUBJECT", fact_of(Fact::UpstreamLocalSubject)},
      {"ROUNDTRIP_DURATION", of(Kind::Absent)},  // as Envoy: of HTTP/3 only
      {"HOSTNAME", of(Kind::Hostname)},
      {"ACCESS_LOG_TYPE", of(Kind::LogType)},
      {"STREAM_ID", fact_of(Fact::RequestId)},
      {"TRACE_ID", fact_of(Fact::TraceId)},
      {"SPAN_ID", fact_of(Fact::SpanId)},
      {"GRPC_STATUS_NUMBER", of(Kind::GrpcNumber)},
      {"PATH", of(Kind::Path, 1)},  // with its query
      {"VIRTUAL_CLUSTER_NAME", of(Kind::Absent)},
      {"DOWNSTREAM_TRANSPORT_FAILURE_REASON", text_of(&Record::downstream_failure)},
      {"CUSTOM_FLAGS", of(Kind::Absent)},
  };
  return kKnown;
}

std::unexpected<base::Error> refused(std::string_view text, std::string_view why) {
  return base::fail(base::ErrorKind::Invalid, "format operator %" + std::string(text) + "%: " + std::string(why));
}

std::optional<Point> point_of(std::string_view word) {
  static constexpr std::pair<std::string_view, Point> kPoints[] = {
      {"DS_RX_BEG", Point::DownstreamRxBegin}, {"DS_RX_END", Point::DownstreamRxEnd},
      {"US_TX_BEG", Point::UpstreamTxBegin},   {"US_TX_END", Point::UpstreamTxEnd},
      {"US_RX_BEG", Point::UpstreamRxBegin},   {"US_RX_END", Point::UpstreamRxEnd},
      {"DS_TX_BEG", Point::DownstreamTxBegin}, {"DS_TX_END", Point::DownstreamTxEnd}};
  for (const auto& [known, point] : kPoints)
    if (known == word) return point;
  return std::nullopt;
}

// "US_TX_BEG:US_RX_BEG:us"
base::Result<Operator> duration_of(std::string_view text, std::string_view argument) {
  auto parts = base::split(argument, ':');
  if (parts.size() != 3) return refused(text, "START:END:PRECISION is needed");
  auto from = point_of(parts[0]), to = point_of(parts[1]);
  if (!from || !to) return refused(text, "unknown time point");
  Operator out = span_of(*from, *to);
  if (parts[2] == "us")
    out.per_second = 1'000'000;
  else if (parts[2] == "ns")
    out.per_second = 1'000'000'000;
  else if (parts[2] != "ms")
    return refused(text, "the precision is ms, us or ns");
  return out;
}

base::Result<Operator> metadata_of(std::string_view text, MetadataOf source, std::string_view argument) {
  Operator out = of(Kind::Metadata);
  out.metadata = source;
  auto parts = base::split(argument, ':');
  out.text = parts[0];
  for (size_t i = 1; i < parts.size(); ++i) out.keys.emplace_back(parts[i]);
  if (out.text.empty()) return refused(text, "a name space is needed");
  return out;
}

// METADATA(ROUTE:istio:config) and its kin.
base::Result<Operator> any_metadata_of(std::string_view text, std::string_view argument) {
  static constexpr std::pair<std::string_view, MetadataOf> kSources[] = {{"DYNAMIC", MetadataOf::Request},
                                                                         {"CLUSTER", MetadataOf::Cluster},
                                                                         {"ROUTE", MetadataOf::Route},
                                                                         {"VIRTUAL_HOST", MetadataOf::VirtualHost}};
  size_t colon = argument.find(':');
  for (const auto& [word, source] : kSources)
    if (argument.substr(0, colon) == word && colon != argument.npos)
      return metadata_of(text, source, argument.substr(colon + 1));
  return refused(text, "DYNAMIC, ROUTE, VIRTUAL_HOST or CLUSTER comes first; others are not known here");
}

base::Result<Operator> header_of(std::string_view text, std::string_view argument, Message message,
                                 Kind kind = Kind::Header) {
  Operator out = of(kind);
  out.message = message;
  size_t question = argument.find('?');
  out.text = base::to_lower(argument.substr(0, question));
  if (question != argument.npos) out.alternative = base::to_lower(argument.substr(question + 1));
  if (out.text.empty()) return refused(text, "a header's name is needed");
  return out;
}

base::Result<Operator> path_of(std::string_view text, std::string_view argument) {
  Operator out = of(Kind::Path);
  auto parts = base::split(argument, ':');
  enum { Query = 1, Original = 2, OnlyPath = 4 };
  out.form = parts[0] == "NQ" ? 0 : Query;
  if (!parts[0].empty() && parts[0] != "NQ" && parts[0] != "WQ") return refused(text, "WQ or NQ comes first");
  std::string_view which = parts.size() > 1 ? parts[1] : "ORIG_OR_PATH";
  if (which == "ORIG")
    out.form |= Original;
  else if (which == "PATH")
    out.form |= OnlyPath;
  else if (which != "ORIG_OR_PATH")
    return refused(text, "ORIG, PATH or ORIG_OR_PATH comes second");
  return out;
}

// What a TCP tunnel keeps of its answer is all that there is.
base::Result<Operator> filter_state_of(std::string_view text, std::string_view argument) {
  auto parts = base::split(argument, ':');
  const bool headers = parts[0] == "envoy.tcp_proxy.propagate_response_headers";
  if (!headers && parts[0] != "envoy.tcp_proxy.propagate_response_trailers")
    return refused(text, "filter state is not known here");
  if (parts.size() == 1 || (parts.size() == 2 && parts[1] == "TYPED"))
    return fact_of(headers ? Fact::TunnelHeaders : Fact::TunnelTrailers);
  if ((parts.size() == 2 && parts[1] == "PLAIN") || (parts.size() == 3 && parts[1] == "FIELD")) return of(Kind::Absent);
  return refused(text, "TYPED, PLAIN or FIELD");
}

base::Result<Operator> with_argument(std::string_view text, std::string_view name, std::string_view argument) {
  if (name == "REQ" || name == "REQUEST_HEADER") return header_of(text, argument, Message::Request);
  if (name == "RESP" || name == "RESPONSE_HEADER") return header_of(text, argument, Message::Response);
  if (name == "TRAILER" || name == "RESPONSE_TRAILER") return header_of(text, argument, Message::Trailers);
  if (name == "REQ_WITHOUT_QUERY") return header_of(text, argument, Message::Request, Kind::HeaderWithoutQuery);
  if (name == "START_TIME" || name == "START_TIME_LOCAL" || name == "EMIT_TIME" || name == "EMIT_TIME_LOCAL") {
    Operator out = of(Kind::StartTime, (name.ends_with("LOCAL") ? 1 : 0) | (name.starts_with("EMIT") ? 2 : 0));
    out.text = argument;
    return out;
  }
  if (name.ends_with("_CERT_V_START") || name.ends_with("_CERT_V_END")) {
    const auto& plain = plain_operators();
    auto known = std::find_if(plain.begin(), plain.end(), [&](const Known& k) { return k.name == name; });
    if (known == plain.end()) return refused(text, "unknown");
    Operator out = known->meaning;
    out.kind = Kind::FactTime;
    out.text = argument;
    return out;
  }
  if (name == "COMMON_DURATION") return duration_of(text, argument);
  if (name == "DYNAMIC_METADATA") return metadata_of(text, MetadataOf::Request, argument);
  if (name == "CLUSTER_METADATA") return metadata_of(text, MetadataOf::Cluster, argument);
  if (name == "UPSTREAM_METADATA") return refused(text, "metadata of endpoints is not known here");
  if (name == "METADATA") return any_metadata_of(text, argument);
  if (name == "QUERY_PARAM") {
    Operator out = of(Kind::Query);
    out.text = argument;
    return out;
  }
  if (name == "QUERY_PARAMS") {
    if (argument != "ORIG" && argument != "DECODED") return refused(text, "ORIG or DECODED");
    return of(Kind::QueryPart, argument == "DECODED" ? 1 : 0);
  }
  if (name == "PATH") return path_of(text, argument);
  if (name == "RESPONSE_CODE_DETAILS" && argument == "ALLOW_WHITESPACES") return of(Kind::Details, 1);
  if (name == "GRPC_STATUS") {
    if (argument == "NUMBER") return of(Kind::GrpcNumber);
    if (argument.empty() || argument == "CAMEL_STRING") return of(Kind::GrpcStatus);
    if (argument == "SNAKE_STRING") return of(Kind::GrpcStatus, 1);
    return refused(text, "CAMEL_STRING, SNAKE_STRING or NUMBER");
  }
  if (name == "ENVIRONMENT") {
    const char* value = getenv(std::string(argument).c_str());
    Operator out = of(Kind::Literal);
    out.text = value ? value : "-";
    return out;
  }
  if (name == "FILTER_STATE") return filter_state_of(text, argument);
  if (name == "UPSTREAM_FILTER_STATE") return refused(text, "filter state is not known here");
  return refused(text, "unknown");
}

}  // namespace

base::Result<Operator> Operator::parse(std::string_view text) {
  std::string_view name = text, argument;
  size_t most = 0;
  size_t open = text.find('(');
  if (open != text.npos) {
    size_t close = text.rfind(')');
    if (close == text.npos || close < open) return refused(text, "it lacks a ')'");
    name = text.substr(0, open);
    argument = text.substr(open + 1, close - open - 1);
    if (std::string_view rest = text.substr(close + 1); !rest.empty()) {
      auto size = rest[0] == ':' ? base::parse_number<size_t>(rest.substr(1)) : std::nullopt;
      if (!size) return refused(text, "bad length");
      most = *size;
    }
  }
  Operator out;
  const auto& plain = plain_operators();
  auto known = std::find_if(plain.begin(), plain.end(), [&](const Known& k) { return k.name == name; });
  if (open == text.npos && known != plain.end()) {
    out = known->meaning;
  } else if (open == text.npos && name == "QUERY_PARAMS") {
    out = of(Kind::QueryPart);
  } else if (open == text.npos && !name.starts_with("START_TIME") && !name.starts_with("EMIT_TIME") &&
             name != "GRPC_STATUS") {
    return refused(text, name.ends_with("FILTER_STATE") ? "filter state is not known here" : "unknown");
  } else {
    out = TRY(with_argument(text, name, argument));
  }
  out.most = most;
  return out;
}

}  // namespace telemetry
