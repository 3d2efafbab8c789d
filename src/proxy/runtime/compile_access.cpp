// SPDX-License-Identifier: Apache-2.0
#include <google/protobuf/util/json_util.h>

#include <algorithm>

#include "base/json.h"
#include "base/log.h"
#include "envoy/extensions/access_loggers/file/v3/file.pb.h"
#include "envoy/extensions/access_loggers/stream/v3/stream.pb.h"
#include "proxy/runtime/compile.h"

namespace proxy {

namespace accesslog = envoy::config::accesslog::v3;

namespace {

LogFilter::Compare compare_of(const accesslog::ComparisonFilter& from) {
  switch (from.op()) {
    case accesslog::ComparisonFilter::GE:
      return LogFilter::Compare::AtLeast;
    case accesslog::ComparisonFilter::LE:
      return LogFilter::Compare::AtMost;
    case accesslog::ComparisonFilter::NE:
      return LogFilter::Compare::NotEqual;
    default:
      return LogFilter::Compare::Equal;
  }
}

}  // namespace

base::Result<LogFilter> filter_of(const accesslog::AccessLogFilter& from) {
  using From = accesslog::AccessLogFilter;
  LogFilter out;
  auto parts = [&](const auto& filters) -> base::Result<void> {
    for (const auto& part : filters) out.parts.push_back(TRY(filter_of(part)));
    return {};
  };
  switch (from.filter_specifier_case()) {
    case From::kStatusCodeFilter:
      out.kind = LogFilter::Kind::Status;
      out.compare = compare_of(from.status_code_filter().comparison());
      out.number = from.status_code_filter().comparison().value().default_value();
      break;
    case From::kDurationFilter:
      out.kind = LogFilter::Kind::Duration;
      out.compare = compare_of(from.duration_filter().comparison());
      out.number = from.duration_filter().comparison().value().default_value();
      break;
    case From::kResponseFlagFilter:
      out.kind = LogFilter::Kind::Flags;
      for (const std::string& word : from.response_flag_filter().flags()) {
        uint32_t flag = telemetry::flag_of(word);
        if (!flag)
          return base::fail(base::ErrorKind::Invalid,
                            "access log: response_flag_filter: \"" + word + "\" is not known");
        out.flags |= flag;
      }
      break;
    case From::kRuntimeFilter:
      out.kind = LogFilter::Kind::Fraction;
      out.number = per_million(from.runtime_filter().percent_sampled());
      break;
    case From::kHeaderFilter:
      out.kind = LogFilter::Kind::Header;
      out.header = TRY(compile(from.header_filter().header()));
      break;
    case From::kAndFilter:
      out.kind = LogFilter::Kind::And;
      TRY(parts(from.and_filter().filters()));
      break;
    case From::kOrFilter:
      out.kind = LogFilter::Kind::Or;
      TRY(parts(from.or_filter().filters()));
      break;
    case From::kNotHealthCheckFilter:
      out.kind = LogFilter::Kind::NotHealthCheck;
      break;
    case From::kGrpcStatusFilter:
      out.kind = LogFilter::Kind::Grpc;
      for (int status : from.grpc_status_filter().statuses()) out.grpc_statuses.push_back(status);
      out.except = from.grpc_status_filter().exclude();
      break;
    case From::kMetadataFilter: {
      const auto& metadata = from.metadata_filter();
      out.kind = LogFilter::Kind::Metadata;
      out.metadata = std::make_shared<const MetadataMatch>(TRY(compile(metadata.matcher())));
      out.if_missing = !metadata.has_match_if_key_not_found() || metadata.match_if_key_not_found().value();
      break;
    }
    case From::kLogTypeFilter: {
      out.kind = LogFilter::Kind::LogType;
      for (int type : from.log_type_filter().types()) out.log_types |= 1u << static_cast<unsigned>(type);
      if (from.log_type_filter().exclude()) out.log_types = ~out.log_types;
      break;
    }
    case From::kTraceableFilter:
      return base::fail(base::ErrorKind::Invalid, "access log: traceable_filter: not known");
    case From::kExtensionFilter:
      if (type_of(from.extension_filter().typed_config()).ends_with(".cel.v3.ExpressionFilter")) {
        base::log::warn("access log: the CEL filter does not act: all that the log's other filters let pass is logged");
        break;
      }
      return base::fail(base::ErrorKind::Invalid,
                        "access log: extension_filter " + from.extension_filter().name() + " is not known");
    case From::FILTER_SPECIFIER_NOT_SET:
      break;
  }
  return out;
}

base::Result<telemetry::LineFormat> line_of(const core::SubstitutionFormatString& from) {
  using telemetry::LineFormat;
  auto empty = from.omit_empty_values() ? LineFormat::Empty::Left : LineFormat::Empty::Shown;
  for (const auto& formatter : from.formatters()) {
    std::string type = type_of(formatter.typed_config());
    // Their operators are there without being asked for.
    if (type != "envoy.extensions.formatter.req_without_query.v3.ReqWithoutQuery" &&
        type != "envoy.extensions.formatter.metadata.v3.Metadata")
      return base::fail(base::ErrorKind::Invalid, "formatters: " + formatter.name() + " (" + type + ") is not known");
  }
  if (from.has_json_format()) {
    std::string json;
    if (!google::protobuf::util::MessageToJsonString(from.json_format(), &json).ok())
      return base::fail(base::ErrorKind::Invalid, "access log: json_format cannot be read");
    return LineFormat::json(TRY(base::parse_json(json)), empty);
  }
  if (from.has_text_format_source()) return LineFormat::text(TRY(compile(from.text_format_source())), empty);
  if (from.has_text_format()) return LineFormat::text(from.text_format(), empty);
  return LineFormat::envoy();
}

std::string content_type_of(const core::SubstitutionFormatString& from) {
  if (!from.content_type().empty()) return from.content_type();
  return from.has_json_format() ? "application/json" : "text/plain";
}

base::Result<std::shared_ptr<LogFile>> LogFiles::open(const std::string& path) {
  if (auto it = files_.find(path); it != files_.end()) return it->second;
  auto file = TRY(LogFile::open(path));
  files_.emplace(path, file);
  return file;
}

void LogFiles::reopen_all() {
  for (auto& [path, file] : files_)
    if (auto done = file->reopen(); !done) base::log::warn("{}", done.error().message);
}

base::Result<std::vector<std::shared_ptr<const AccessLog>>> Compiler::access_logs(
    const google::protobuf::RepeatedPtrField<accesslog::AccessLog>& from) const {
  std::vector<std::shared_ptr<const AccessLog>> out;
  for (const auto& entry : from) {
    std::string type = type_of(entry.typed_config());
    auto log = std::make_shared<AccessLog>();
    if (type == "envoy.extensions.access_loggers.file.v3.FileAccessLog") {
      auto file = TRY(unpack<envoy::extensions::access_loggers::file::v3::FileAccessLog>(entry.typed_config()));
      log->file = TRY(logs.open(file.path()));
      if (file.has_format())
        log->format = TRY(telemetry::LineFormat::text(file.format()));
      else
        log->format = TRY(line_of(file.log_format()));
    } else if (type == "envoy.extensions.access_loggers.stream.v3.StdoutAccessLog") {
      auto stream = TRY(unpack<envoy::extensions::access_loggers::stream::v3::StdoutAccessLog>(entry.typed_config()));
      log->file = TRY(logs.open("/dev/stdout"));
      log->format = TRY(line_of(stream.log_format()));
    } else if (type == "envoy.extensions.access_loggers.stream.v3.StderrAccessLog") {
      auto stream = TRY(unpack<envoy::extensions::access_loggers::stream::v3::StderrAccessLog>(entry.typed_config()));
      log->file = TRY(logs.open("/dev/stderr"));
      log->format = TRY(line_of(stream.log_format()));
    } else if (type.starts_with("envoy.extensions.access_loggers.")) {
      base::log::warn("access log {} ({}) is not supported and is left out", entry.name(), type);
      continue;
    } else {
      return no_implementation(entry.name(), entry.typed_config());
    }
    log->filter = TRY(filter_of(entry.filter()));
    out.push_back(std::move(log));
  }
  return out;
}

}  // namespace proxy
