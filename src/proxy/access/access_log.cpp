// SPDX-License-Identifier: Apache-2.0
#include "proxy/access/access_log.h"

#include <algorithm>

#include "base/json.h"
#include "base/strings.h"

namespace proxy {

bool LogFilter::takes(const telemetry::Record& record) const {
  auto compares = [this](int64_t value) {
    switch (compare) {
      case Compare::Equal:
        return value == number;
      case Compare::AtLeast:
        return value >= number;
      case Compare::AtMost:
        return value <= number;
      case Compare::NotEqual:
        return value != number;
    }
    return false;
  };
  switch (kind) {
    case Kind::Always:
      return true;
    case Kind::Never:
      return false;
    case Kind::Status:
      return compares(record.status);
    case Kind::Duration:
      return compares(std::chrono::duration_cast<std::chrono::milliseconds>(record.duration).count());
    case Kind::Flags:
      return flags ? (record.flags & flags) != 0 : record.flags != 0;
    case Kind::NotHealthCheck:
      return !record.health_check;
    case Kind::Grpc: {
      auto text = record.header(telemetry::Message::Trailers, "grpc-status");
      if (!text) text = record.header(telemetry::Message::Response, "grpc-status");
      auto status = text ? base::parse_number<int>(*text) : std::nullopt;
      int found = status.value_or(telemetry::grpc_status_of_http(record.status));
      return (std::find(grpc_statuses.begin(), grpc_statuses.end(), found) != grpc_statuses.end()) != except;
    }
    case Kind::Metadata: {
      base::Json value;
      bool there = record.metadata(telemetry::MetadataOf::Request, metadata->space, metadata->path, value);
      return there ? metadata->value.matches(&value) != metadata->invert : if_missing;
    }
    case Kind::LogType:
      return (log_types & 1u << static_cast<uint32_t>(record.log_type)) != 0;
    case Kind::Fraction: {
      auto id = record.header(telemetry::Message::Request, "x-request-id").value_or(std::string_view());
      return std::hash<std::string_view>{}(id) % 1'000'000 < number;
    }
    case Kind::Header:
      return header->takes(record.header(telemetry::Message::Request, header->name));
    case Kind::And:
      return std::all_of(parts.begin(), parts.end(), [&](const LogFilter& f) { return f.takes(record); });
    case Kind::Or:
      return std::any_of(parts.begin(), parts.end(), [&](const LogFilter& f) { return f.takes(record); });
  }
  return true;
}

}  // namespace proxy
