// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <charconv>
#include <cmath>
#include <ctime>

#include "base/json.h"
#include "base/strings.h"
#include "telemetry/operator.h"

namespace telemetry {
namespace {

std::string_view without_port(std::string_view address) {
  size_t colon = address.rfind(':');
  if (colon == address.npos) return address;
  std::string_view ip = address.substr(0, colon);
  if (ip.size() > 1 && ip.front() == '[') ip = ip.substr(1, ip.size() - 2);
  return ip;
}

// As protobuf writes numbers: a whole one has no fraction.
void make_whole(base::Json& value) {
  constexpr double kExact = 9007199254740992;  // 2^53
  if (value.is_structured()) {
    for (base::Json& part : value) make_whole(part);
  } else if (value.is_number_float()) {
    const double number = value.get<double>();
    if (std::abs(number) < kExact && number == std::trunc(number)) value = static_cast<int64_t>(number);
  }
}

std::string json_text(base::Json value) {
  make_whole(value);
  return value.dump(-1, ' ', false, base::Json::error_handler_t::replace);
}

std::string_view port_only(std::string_view address) {
  size_t colon = address.rfind(':');
  return colon == address.npos ? std::string_view() : address.substr(colon + 1);
}

// Of "%E3S", "%E*S", "%E3f", "%E*f", "%Ez", "%ET" and "%E4Y", as Abseil has them, what follows the "%E"; how much of it
// was that, or 0. `nanos`: 9 digits.
size_t append_extended(std::string& out, std::string_view rest, const tm& parts, std::string_view nanos) {
  if (rest.empty()) return 0;
  char text[16];
  if (rest[0] == 'T') {
    out += 'T';
    return 1;
  }
  if (rest[0] == 'z') {
    const size_t size = strftime(text, sizeof text, "%z", &parts);
    out.append(text, std::min<size_t>(size, 3)).append(":").append(text + 3, size - 3);
    return 1;
  }
  const size_t digits = std::min(rest.find_first_not_of("0123456789*"), rest.size());
  if (!digits || digits == rest.size()) return 0;
  const char what = rest[digits];
  if (what == 'Y' && rest.substr(0, digits) == "4") {
    out.append(text, static_cast<size_t>(snprintf(text, sizeof text, "%04d", parts.tm_year + 1900)));
    return 2;
  }
  if (what != 'S' && what != 'f') return 0;
  std::string_view fraction = nanos;
  if (rest[0] == '*')
    fraction = fraction.substr(0, fraction.find_last_not_of('0') + 1);
  else
    fraction = fraction.substr(0, base::parse_number<size_t>(rest.substr(0, digits)).value_or(0));
  if (what == 'S') {
    out.append(text, strftime(text, sizeof text, "%S", &parts));
    if (!fraction.empty()) out += '.';
  } else if (fraction.empty()) {
    fraction = "0";
  }
  out += fraction;
  return digits + 1;
}

// strftime's format, Abseil's %E..., and Envoy's %s, %f and %1f to %9f: seconds since 1970, fractions of this second.
void append_time(std::string& out, std::chrono::system_clock::time_point at, std::string_view format, bool local) {
  auto since = at.time_since_epoch();
  time_t seconds = std::chrono::duration_cast<std::chrono::seconds>(since).count();
  auto nanos = std::chrono::duration_cast<std::chrono::nanoseconds>(since).count() % 1'000'000'000;
  char fraction[16];
  snprintf(fraction, sizeof fraction, "%09d", static_cast<int>(nanos));
  tm parts{};
  if (local)
    localtime_r(&seconds, &parts);
  else
    gmtime_r(&seconds, &parts);
  char text[256];
  if (format.empty()) {
    out.append(text, strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S.", &parts));
    out.append(fraction, 3);
    if (local)
      out.append(text, strftime(text, sizeof text, "%z", &parts));
    else
      out += 'Z';
    return;
  }
  std::string expanded;
  for (size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%' || i + 1 == format.size()) {
      expanded += format[i];
      continue;
    }
    char next = format[i + 1];
    if (next == 's') {
      expanded += std::to_string(seconds);
      ++i;
    } else if (next == 'f') {
      expanded += fraction;
      ++i;
    } else if (next >= '1' && next <= '9' && i + 2 < format.size() && format[i + 2] == 'f') {
      expanded.append(fraction, static_cast<size_t>(next - '0'));
      i += 2;
    } else if (size_t used = next == 'E' ? append_extended(expanded, format.substr(i + 2), parts, fraction) : 0) {
      i += 1 + used;
    } else {
      expanded += '%';
      expanded += next;
      ++i;
    }
  }
  out.append(text, strftime(text, sizeof text, expanded.c_str(), &parts));
}

constexpr std::pair<std::string_view, std::string_view> kGrpc[] = {{"OK", "OK"},
                                                                   {"Canceled", "CANCELED"},
                                                                   {"Unknown", "UNKNOWN"},
                                                                   {"InvalidArgument", "INVALID_ARGUMENT"},
                                                                   {"DeadlineExceeded", "DEADLINE_EXCEEDED"},
                                                                   {"NotFound", "NOT_FOUND"},
                                                                   {"AlreadyExists", "ALREADY_EXISTS"},
                                                                   {"PermissionDenied", "PERMISSION_DENIED"},
                                                                   {"ResourceExhausted", "RESOURCE_EXHAUSTED"},
                                                                   {"FailedPrecondition", "FAILED_PRECONDITION"},
                                                                   {"Aborted", "ABORTED"},
                                                                   {"OutOfRange", "OUT_OF_RANGE"},
                                                                   {"Unimplemented", "UNIMPLEMENTED"},
                                                                   {"Internal", "INTERNAL"},
                                                                   {"Unavailable", "UNAVAILABLE"},
                                                                   {"DataLoss", "DATA_LOSS"},
                                                                   {"Unauthenticated", "UNAUTHENTICATED"}};

std::optional<int> grpc_status(const Record& record) {
  auto text = record.header(Message::Trailers, "grpc-status");
  if (!text) text = record.header(Message::Response, "grpc-status");
  auto said = text ? base::parse_number<int>(*text) : std::nullopt;
  if (!said && record.grpc && record.status) return grpc_status_of_http(record.status);
  return said;
}

template <typename Number>
bool put_number(Number value, std::string& out) {
  char text[24];
  auto [end, error] = std::to_chars(text, text + sizeof text, value);
  out.append(text, end);
  return true;
}

std::string_view query_of(std::string_view path) {
  size_t at = path.find('?');
  return at == path.npos ? std::string_view() : path.substr(at + 1);
}

// As Envoy: %XX becomes a character where that is one that prints, and no space.
std::string decoded(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    unsigned char value = 0;
    if (text[i] == '%' && i + 2 < text.size() &&
        std::from_chars(&text[i + 1], &text[i + 1] + 2, value, 16).ptr == &text[i + 1] + 2 && value > 0x20 &&
        value < 0x7f) {
      out += static_cast<char>(value);
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

}  // namespace

bool Operator::append(const Record& record, std::string& out) const {
  auto put = [&](std::string_view value) {
    if (value.empty()) return false;
    out += most ? value.substr(0, most) : value;
    return true;
  };
  switch (kind) {
    case Kind::Literal:
      return put(text);
    case Kind::Header:
    case Kind::HeaderWithoutQuery: {
      auto found = record.header(message, text);
      if (!found && !alternative.empty()) found = record.header(message, alternative);
      if (!found) return false;
      std::string_view value = kind == Kind::Header ? *found : found->substr(0, found->find('?'));
      out += most ? value.substr(0, most) : value;
      return true;
    }
    case Kind::Text:
      return put(record.*field);
    case Kind::Body:
      put(record.*field);
      return true;
    case Kind::Ip:
      return put(without_port(record.*field));
    case Kind::Port:
      return put(port_only(record.*field));
    case Kind::Number:
      return put_number(number(record), out);
    case Kind::Span: {
      auto begin = record.at[static_cast<size_t>(from)], end = record.at[static_cast<size_t>(to)];
      if (begin == decltype(begin){} || end == decltype(end){} || end < begin) return false;
      auto nanos = std::chrono::duration_cast<std::chrono::nanoseconds>(end - begin).count();
      return put_number(nanos / (1'000'000'000 / per_second), out);
    }
    case Kind::StartTime:
      append_time(out, form & 2 ? std::chrono::system_clock::now() : record.start, text, form & 1);
      return true;
    case Kind::Flags:
      return put(flags_text(record.flags, record.protocol));
    case Kind::LongFlags:
      return put(long_flags_text(record.flags, record.protocol));
    case Kind::Protocol: {
      Protocol protocol = form ? record.upstream_protocol : record.protocol;
      return protocol != Protocol::Tcp && put(name(protocol));
    }
    case Kind::Details: {
      const std::string_view said = form == 2 ? record.transport_failure : record.details;
      if (form == 1 || said.find(' ') == said.npos) return put(said);
      std::string joined(said);
      for (char& c : joined)
        if (c == ' ') c = '_';
      return put(joined);
    }
    case Kind::GrpcStatus: {
      auto status = grpc_status(record);
      if (!status) return false;
      if (*status < 0 || *status > 16) return put_number(*status, out);
      return put(form ? kGrpc[*status].second : kGrpc[*status].first);
    }
    case Kind::GrpcNumber: {
      auto status = grpc_status(record);
      return status && put_number(*status, out);
    }
    case Kind::Query: {
      std::string_view query = query_of(record.path);
      while (!query.empty()) {
        std::string_view pair = query.substr(0, query.find('&'));
        query.remove_prefix(std::min(pair.size() + 1, query.size()));
        size_t equals = std::min(pair.find('='), pair.size());
        if (pair.substr(0, equals) == text) return put(pair.substr(std::min(equals + 1, pair.size())));
      }
      return false;
    }
    case Kind::QueryPart:
      return put(form ? decoded(query_of(record.path)) : std::string(query_of(record.path)));
    case Kind::Path: {
      std::string_view path = record.header(Message::Request, ":path").value_or(record.path);
      auto original = form & 4 ? std::nullopt : record.header(Message::Request, "x-envoy-original-path");
      if (original)
        path = *original;
      else if (form & 2)
        return false;
      return put(form & 1 ? path : path.substr(0, path.find('?')));
    }
    case Kind::Fact:
      return put(record.fact(fact));
    case Kind::FactTime: {
      const std::string moment = record.fact(fact);  // "2026-01-02T03:04:05.000Z"
      tm parts{};
      if (moment.empty() || !strptime(moment.c_str(), "%Y-%m-%dT%H:%M:%S", &parts)) return put(moment);
      append_time(out, std::chrono::system_clock::from_time_t(timegm(&parts)), text, false);
      return true;
    }
    case Kind::Metadata: {
      base::Json value;
      if (!record.metadata(metadata, text, keys, value) || value.is_null()) return false;
      if (value.is_string()) return put(value.get_ref<const std::string&>());
      return put(json_text(std::move(value)));
    }
    case Kind::LogType:
      return put(name(record.log_type));
    case Kind::Hostname: {
      char host[256] = {};
      gethostname(host, sizeof host - 1);
      return put(host);
    }
    case Kind::Absent:
      return false;
  }
  return false;
}

void append_json_string(std::string_view text, std::string& out) {
  out += '"';
  for (unsigned char c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        if (c < 0x20 || c >= 0x7f) {  // a header's bytes are no UTF-8 that one could trust
          char hex[8];
          snprintf(hex, sizeof hex, "\\u%04x", c);
          out += hex;
        } else {
          out += static_cast<char>(c);
        }
    }
  }
  out += '"';
}

void Operator::append_json(const Record& record, std::string& out) const {
  if (kind == Kind::Metadata) {
    base::Json value;
    record.metadata(metadata, text, keys, value);
    out += json_text(std::move(value));
    return;
  }
  if (kind == Kind::Fact && (fact == Fact::TunnelHeaders || fact == Fact::TunnelTrailers)) {
    const std::string value = record.fact(fact);
    out += value.empty() ? "null" : value;
    return;
  }
  if (numeric()) {
    if (!append(record, out)) out += "null";
    return;
  }
  std::string value;
  if (append(record, value))
    append_json_string(value, out);
  else
    out += "null";
}

}  // namespace telemetry
