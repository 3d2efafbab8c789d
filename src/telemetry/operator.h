// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "telemetry/record.h"

namespace telemetry {

// One of Envoy's command operators, compiled: what stands between two "%".
struct Operator {
  // How an operator finds its value.
  enum class Kind : uint8_t {
    Literal,
    Header,
    HeaderWithoutQuery,
    Text,
    Body,  // as Text, but an empty one is a value
    Ip,
    Port,
    Number,
    Span,
    StartTime,
    Flags,
    LongFlags,
    Protocol,
    GrpcStatus,
    GrpcNumber,
    Query,
    QueryPart,
    Path,
    Fact,
    FactTime,
    Metadata,
    LogType,
    Hostname,
    Details,
    Absent,
  };
  using TextField = std::string_view Record::*;

  Kind kind = Kind::Absent;
  std::string text;               // the literal; the header, parameter, time format or metadata's name space
  std::string alternative;        // REQ(A?B)
  std::vector<std::string> keys;  // of metadata
  size_t most = 0;                // 0: any length
  Message message = Message::Request;
  TextField field = nullptr;
  uint64_t (*number)(const Record&) = nullptr;
  Point from{}, to{};  // Span
  uint32_t per_second = 1000;
  Fact fact{};
  MetadataOf metadata{};
  uint8_t form = 0;  // of Path, QueryPart, GrpcStatus, StartTime, Details: their variants

  // `text` without the percent signs, e.g. "REQ(X?Y):10". An operator that Envoy has not, or that has no
  // meaning here, is an error that names it.
  static base::Result<Operator> parse(std::string_view text);

  // False where the record has no such value; then nothing was appended.
  bool append(const Record& record, std::string& out) const;
  // The value as JSON text, numbers as such; "null" where it is missing.
  void append_json(const Record& record, std::string& out) const;
  bool numeric() const { return kind == Kind::Number || kind == Kind::Span || kind == Kind::GrpcNumber; }
};

void append_json_string(std::string_view text, std::string& out);

}  // namespace telemetry
