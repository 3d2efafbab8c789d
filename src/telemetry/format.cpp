// SPDX-License-Identifier: Apache-2.0
#include "telemetry/format.h"

#include <unistd.h>

#include <charconv>
#include <ctime>

#include "base/strings.h"

namespace telemetry {

enum class Format::Op : uint8_t {
  Literal,
  Request,
  Response,
  Trailer,
  StartTime,
  Protocol,
  Code,
  Details,
  Termination,
  Flags,
  Received,
  Sent,
  Duration,
  ResponseDuration,
  Method,
  Path,
  Scheme,
  UpstreamHost,
  UpstreamLocal,
  UpstreamFailure,
  UpstreamCluster,
  Local,
  LocalIp,
  LocalPort,
  Remote,
  RemoteIp,
  RemotePort,
  ServerName,
  Route,
  VirtualHost,
  Attempts,
  PeerUri,
  PeerSubject,
  LocalUri,
  Hostname,
  Metadata,
  Nothing,
};

namespace {

std::string_view without_port(std::string_view address) {
  size_t colon = address.rfind(':');
  if (colon == address.npos) return address;
  std::string_view ip = address.substr(0, colon);
  if (ip.size() > 1 && ip.front() == '[') ip = ip.substr(1, ip.size() - 2);
  return ip;
}

std::string_view port_only(std::string_view address) {
  size_t colon = address.rfind(':');
  return colon == address.npos ? std::string_view() : address.substr(colon + 1);
}

void append_start(std::string& out, std::chrono::system_clock::time_point start, const std::string& format) {
  auto since = start.time_since_epoch();
  time_t seconds = std::chrono::duration_cast<std::chrono::seconds>(since).count();
  int millis = static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(since).count() % 1000);
  tm parts{};
  gmtime_r(&seconds, &parts);
  char text[128];
  if (!format.empty()) {
    out.append(text, strftime(text, sizeof text, format.c_str(), &parts));
    return;
  }
  out.append(text, strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts));
  snprintf(text, sizeof text, ".%03dZ", millis);
  out += text;
}

int64_t milliseconds(std::chrono::steady_clock::duration duration) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
}

}  // namespace

base::Result<Format::Piece> Format::parse_operator(std::string_view text) {
  Piece piece;
  std::string_view name = text, argument;
  if (size_t open = text.find('('); open != text.npos) {
    size_t close = text.rfind(')');
    if (close == text.npos || close < open)
      return base::fail(base::ErrorKind::Invalid, "format operator %" + std::string(text) + "% lacks a ')'");
    name = text.substr(0, open);
    argument = text.substr(open + 1, close - open - 1);
    std::string_view rest = text.substr(close + 1);
    if (!rest.empty()) {
      auto most = rest[0] == ':' ? base::parse_number<size_t>(rest.substr(1)) : std::nullopt;
      if (!most) return base::fail(base::ErrorKind::Invalid, "format operator %" + std::string(text) + "%: bad length");
      piece.most = *most;
    }
  }
  auto header = [&](Op op) {
    piece.op = op;
    size_t question = argument.find('?');
    piece.text = base::to_lower(argument.substr(0, question));
    if (question != argument.npos) piece.alternative = base::to_lower(argument.substr(question + 1));
    return piece;
  };
  if (name == "REQ") return header(Op::Request);
  if (name == "RESP") return header(Op::Response);
  if (name == "TRAILER") return header(Op::Trailer);
  if (name == "DYNAMIC_METADATA") {
    piece.op = Op::Metadata;
    for (std::string_view key : base::split(argument, ':')) piece.path.emplace_back(key);
    piece.text = std::move(piece.path.front());
    piece.path.erase(piece.path.begin());
    if (piece.text.empty())
      return base::fail(base::ErrorKind::Invalid, "format operator %DYNAMIC_METADATA()% names no filter");
    return piece;
  }
  if (name == "START_TIME") {
    piece.op = Op::StartTime;
    piece.text = argument;
    return piece;
  }
  if (name == "REQUEST_HEADER") return header(Op::Request);
  if (name == "RESPONSE_HEADER") return header(Op::Response);
  static constexpr std::pair<std::string_view, Op> kPlain[] = {
      {"PROTOCOL", Op::Protocol},
      {"RESPONSE_CODE", Op::Code},
      {"RESPONSE_CODE_DETAILS", Op::Details},
      {"CONNECTION_TERMINATION_DETAILS", Op::Termination},
      {"RESPONSE_FLAGS", Op::Flags},
      {"BYTES_RECEIVED", Op::Received},
      {"BYTES_SENT", Op::Sent},
      {"DURATION", Op::Duration},
      {"RESPONSE_DURATION", Op::ResponseDuration},
      {"REQUEST_METHOD", Op::Method},
      {"PATH", Op::Path},
      {"UPSTREAM_HOST", Op::UpstreamHost},
      {"UPSTREAM_LOCAL_ADDRESS", Op::UpstreamLocal},
      {"UPSTREAM_REMOTE_ADDRESS", Op::UpstreamHost},
      {"UPSTREAM_TRANSPORT_FAILURE_REASON", Op::UpstreamFailure},
      {"UPSTREAM_CLUSTER", Op::UpstreamCluster},
      {"UPSTREAM_CLUSTER_RAW", Op::UpstreamCluster},
      {"DOWNSTREAM_LOCAL_ADDRESS", Op::Local},
      {"DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT", Op::LocalIp},
      {"DOWNSTREAM_LOCAL_PORT", Op::LocalPort},
      {"DOWNSTREAM_REMOTE_ADDRESS", Op::Remote},
      {"DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", Op::RemoteIp},
      {"DOWNSTREAM_REMOTE_PORT", Op::RemotePort},
      {"DOWNSTREAM_DIRECT_REMOTE_ADDRESS", Op::Remote},
      {"DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT", Op::RemoteIp},
      {"REQUESTED_SERVER_NAME", Op::ServerName},
      {"ROUTE_NAME", Op::Route},
      {"VIRTUAL_CLUSTER_NAME", Op::Nothing},
      {"VIRTUAL_HOST_NAME", Op::VirtualHost},
      {"UPSTREAM_REQUEST_ATTEMPT_COUNT", Op::Attempts},
      {"DOWNSTREAM_PEER_URI_SAN", Op::PeerUri},
      {"DOWNSTREAM_PEER_SUBJECT", Op::PeerSubject},
      {"DOWNSTREAM_LOCAL_URI_SAN", Op::LocalUri},
      {"HOSTNAME", Op::Hostname},
      {"SCHEME", Op::Scheme},
      {"FILTER_STATE", Op::Nothing},
      {"METADATA", Op::Nothing},
      {"CLUSTER_METADATA", Op::Nothing},
      {"UPSTREAM_METADATA", Op::Nothing},
      {"GRPC_STATUS", Op::Nothing},
      {"GRPC_STATUS_NUMBER", Op::Nothing},
      {"TRACE_ID", Op::Nothing},
      {"STREAM_ID", Op::Nothing},
  };
  for (const auto& [known, op] : kPlain) {
    if (known != name) continue;
    piece.op = op;
    return piece;
  }
  return base::fail(base::ErrorKind::Invalid, "unknown format operator %" + std::string(text) + "%");
}

base::Result<Format> Format::parse(std::string_view text) {
  Format out;
  std::string literal;
  auto flush = [&] {
    if (literal.empty()) return;
    out.pieces_.push_back({.op = Op::Literal, .text = std::move(literal)});
    literal.clear();
  };
  while (!text.empty()) {
    size_t percent = text.find('%');
    literal += text.substr(0, percent);
    if (percent == text.npos) break;
    text.remove_prefix(percent + 1);
    if (text.starts_with('%')) {  // "%%" is one percent sign
      literal += '%';
      text.remove_prefix(1);
      continue;
    }
    size_t end = text.find('%');
    if (size_t open = text.find('('); open != text.npos && open < end) {  // a time format holds percent signs
      size_t close = text.find(')', open);
      end = close == text.npos ? text.npos : text.find('%', close);
    }
    if (end == text.npos) return base::fail(base::ErrorKind::Invalid, "a format operator lacks its closing %");
    flush();
    out.pieces_.push_back(TRY(parse_operator(text.substr(0, end))));
    text.remove_prefix(end + 1);
  }
  flush();
  return out;
}

bool Format::constant() const {
  for (const Piece& piece : pieces_)
    if (piece.op != Op::Literal) return false;
  return true;
}

// False where the record has no such value.
bool Format::append_value(const Piece& piece, const Record& record, std::string& out) {
  auto put = [&](std::string_view value) {
    if (value.empty()) return false;
    out += piece.most ? value.substr(0, piece.most) : value;
    return true;
  };
  auto number = [&](auto value) {
    char text[24];
    auto [end, error] = std::to_chars(text, text + sizeof text, value);
    out.append(text, end);
    return true;
  };
  auto header = [&](Message message) {
    auto found = record.header(message, piece.text);
    if (!found && !piece.alternative.empty()) found = record.header(message, piece.alternative);
    if (!found) return false;
    out += piece.most ? found->substr(0, piece.most) : *found;
    return true;
  };
  switch (piece.op) {
    case Op::Literal:
      return put(piece.text);
    case Op::Request:
      return header(Message::Request);
    case Op::Response:
      return header(Message::Response);
    case Op::Trailer:
      return header(Message::Trailers);
    case Op::StartTime:
      append_start(out, record.start, piece.text);
      return true;
    case Op::Protocol:
      return record.protocol != Protocol::Tcp && put(name(record.protocol));
    case Op::Code:
      return number(record.status);
    case Op::Details:
      return put(record.details);
    case Op::Termination:
      return put(record.termination_details);
    case Op::Flags:
      return put(flags_text(record.flags));
    case Op::Received:
      return number(record.bytes_received);
    case Op::Sent:
      return number(record.bytes_sent);
    case Op::Duration:
      return number(milliseconds(record.duration));
    case Op::ResponseDuration:
      return record.has_upstream_headers && number(milliseconds(record.until_upstream_headers));
    case Op::Method:
      return put(record.method);
    case Op::Path:
      return put(record.path);
    case Op::Scheme:
      return put(record.scheme);
    case Op::UpstreamHost:
      return put(record.upstream_host);
    case Op::UpstreamLocal:
      return put(record.upstream_local);
    case Op::UpstreamFailure:
      return put(record.transport_failure);
    case Op::UpstreamCluster:
      return put(record.cluster);
    case Op::Local:
      return put(record.downstream_local);
    case Op::LocalIp:
      return put(without_port(record.downstream_local));
    case Op::LocalPort:
      return put(port_only(record.downstream_local));
    case Op::Remote:
      return put(record.downstream_remote);
    case Op::RemoteIp:
      return put(without_port(record.downstream_remote));
    case Op::RemotePort:
      return put(port_only(record.downstream_remote));
    case Op::ServerName:
      return put(record.server_name);
    case Op::Route:
      return put(record.route);
    case Op::VirtualHost:
      return put(record.virtual_host);
    case Op::Attempts:
      return number(record.attempts);
    case Op::PeerUri:
      return put(record.peer_uri_san);
    case Op::PeerSubject:
      return put(record.peer_subject);
    case Op::LocalUri:
      return put(record.local_uri_san);
    case Op::Hostname: {
      char host[256] = {};
      gethostname(host, sizeof host - 1);
      return put(host);
    }
    case Op::Metadata: {
      const base::Json* found =
          record.find_metadata ? record.find_metadata(record.source, piece.text, piece.path) : nullptr;
      if (!found || found->is_null()) return false;
      if (found->is_string()) return put(found->get_ref<const std::string&>());
      return put(found->dump(-1, ' ', false, base::Json::error_handler_t::replace));
    }
    case Op::Nothing:
      return false;
  }
  return false;
}

void Format::append(const Record& record, std::string& out, Missing missing) const {
  for (const Piece& piece : pieces_)
    if (!append_value(piece, record, out) && missing == Missing::Dash) out += '-';
}

base::Json Format::json(const Record& record) const {
  std::string text;
  if (pieces_.size() == 1) {
    const Piece& only = pieces_[0];
    if (only.op == Op::Metadata && !only.most) {
      const base::Json* found =
          record.find_metadata ? record.find_metadata(record.source, only.text, only.path) : nullptr;
      return found ? *found : base::Json(nullptr);
    }
    if (!append_value(pieces_[0], record, text)) return nullptr;
    switch (pieces_[0].op) {
      case Op::Code:
      case Op::Received:
      case Op::Sent:
      case Op::Duration:
      case Op::ResponseDuration:
      case Op::Attempts:
        return base::parse_number<int64_t>(text).value_or(0);
      default:
        return text;
    }
  }
  append(record, text);
  return text;
}

base::Result<LineFormat> LineFormat::text(std::string_view format) {
  LineFormat out;
  out.text_ = TRY(Format::parse(format));
  return out;
}

LineFormat LineFormat::standard() {
  auto parsed = text(
      "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" %RESPONSE_CODE% "
      "%RESPONSE_FLAGS% "
      "%RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% \"%UPSTREAM_TRANSPORT_FAILURE_REASON%\" "
      "%BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" "
      "\"%REQ(USER-AGENT)%\" \"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\" %UPSTREAM_CLUSTER_RAW% "
      "%UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% "
      "%ROUTE_NAME%\n");
  return std::move(*parsed);
}

base::Result<std::vector<LineFormat::Node>> LineFormat::nodes_of(const base::Json& object) {
  std::vector<Node> out;
  for (const auto& [key, value] : object.items()) {
    Node node{.key = key};
    if (value.is_object()) {
      node.object = true;
      node.children = TRY(nodes_of(value));
    } else {
      node.format = TRY(Format::parse(value.is_string() ? value.get<std::string>() : value.dump()));
    }
    out.push_back(std::move(node));
  }
  return out;
}

base::Result<LineFormat> LineFormat::json(const base::Json& object) {
  LineFormat out;
  out.json_ = true;
  out.nodes_ = TRY(nodes_of(object));
  return out;
}

base::Json LineFormat::render(const std::vector<Node>& nodes, const Record& record) {
  base::Json out = base::Json::object();
  for (const Node& node : nodes) out[node.key] = node.object ? render(node.children, record) : node.format.json(record);
  return out;
}

void LineFormat::append(const Record& record, std::string& out) const {
  if (!json_) return text_.append(record, out);
  out += render(nodes_, record).dump(-1, ' ', false, base::Json::error_handler_t::replace);
  out += '\n';
}

}  // namespace telemetry
